"""Help of `dtc migrate`, and how its results look in a terminal."""

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dtc_cli import console
from dtc_cli.commands import narrow

if TYPE_CHECKING:
    from dtc_cli.migrate.assess import Assessment
    from dtc_cli.migrate.diff import Diff
    from dtc_cli.migrate.rollback import Rollback
    from dtc_cli.migrate.run import Summary
    from dtc_cli.migrate.verify import Verification

ASSESS = """Look at a source before anything moves: layers, defects, encodings, suggestions, a quality score.

\b
Examples:
  dtc migrate assess buildings.gpkg
  dtc migrate assess seoul.shp --source-crs EPSG:5174 --html report.html
  dtc migrate assess stops.csv --option x=LON --option y=LAT --json

\b
Exit codes: 0 ready, perhaps with conditions, 1 a layer is not ready, 2 the source cannot be read.
"""
PLAN = """Write a plan for a source, with suggestions and their confidence, for a person to edit.

\b
Examples:
  dtc migrate plan buildings.gpkg --city KR-SEOUL-2025
  dtc migrate plan seoul.shp --city KR-SEOUL-2025 --source-crs EPSG:5174 --out seoul.yaml

\b
Exit codes: 0 written, 2 the source cannot be read, or the plan is there already.
"""
RUN = """Carry out a plan. Every record ends in one state, and the states add up to the source.

The journal beside the plan remembers everything: a run that was killed goes on with resume, or with the same
command. Objects get the same id each time, so nothing is doubled.

\b
Examples:
  dtc migrate run plan.yaml --target target.yaml --phase pilot
  dtc migrate run plan.yaml --target target.yaml
  dtc migrate run plan.yaml --to city.json
  dtc migrate run plan.yaml --dry-run --json

\b
Exit codes: 0 all is accounted for and the gates hold, 1 a gate stops or asks for a rollback, or records are
unaccounted for, 2 plan or source cannot be used, or the target file does not allow the hazard write, 6 a gate
asks for review, 7 the target cannot take it or is lost, or another dtc is at work with this migration, 130
interrupted. A gate's rollback is made when you agree to it, or with --yes; without a terminal and --yes
nothing is deleted.
"""
RESUME = """Go on with a migration that was stopped, killed, or lost its target.

\b
Examples:
  dtc migrate resume plan.migration
  dtc migrate resume plan.yaml --phase full --json

\b
Exit codes: as dtc migrate run.
"""
STATUS = """Show where a migration stands: states, reasons, gates, history.

\b
Examples:
  dtc migrate status plan.migration
  dtc migrate status plan.yaml --json

\b
Exit codes: 0 shown, 2 there is no such migration, 6 its last step did not end (interrupted, killed, still at
work, target lost, or a rollback that left something).
"""
VERIFY = """Compare the target with the journal and the source: counts, content of every object, metres.

\b
Examples:
  dtc migrate verify plan.migration
  dtc migrate verify plan.yaml --no-geometry --json

\b
Exit codes: 0 all agrees, 1 something is missing or differs, or an older version stays of what the source
gives otherwise or no longer, 2 there is no such migration, 6 it was taken back, or nothing of it was loaded:
there is nothing to verify, 7 the target cannot be read.
"""
DIFF = """Compare what the source gives now with the twin, by legacy id: missing, extra, differs.

\b
Examples:
  dtc migrate diff plan.migration
  dtc migrate diff plan.yaml --tolerance 0.5 --json

\b
Exit codes: 0 both hold the same, 1 they differ, 2 there is no such migration, 6 it was taken back: there is
nothing to compare, 7 the target cannot be read.
"""
SYNC = """Bring the twin in step with the source: only what was added, changed or removed is written.

Objects are removed only where the source gave as many records as it says it has. Of a record that was loaded
and is quarantined now, the older version stays.

\b
Examples:
  dtc migrate sync plan.migration
  dtc migrate sync plan.yaml --interval 3600

\b
Exit codes: as dtc migrate run; 6 also when older versions stay in the target.
"""
ROLLBACK = """Take a migration back: what it created is deleted, what it changed becomes as it was.

Objects that somebody edited since are left alone unless --force is given. It may be repeated.

\b
Examples:
  dtc migrate rollback plan.migration
  dtc migrate rollback plan.yaml --force --json

\b
Exit codes: 0 nothing of the migration is left, 2 there is no such migration, or the target file does not
allow the hazard write, 6 something is left, 7 the target cannot be reached, or another dtc is at work with
this migration, 130 interrupted: repeat it.
"""
QUARANTINE_LIST = """List what was not loaded, why, and what helps.

\b
Examples:
  dtc migrate quarantine list plan.migration
  dtc migrate quarantine list plan.yaml --code null-geometry --json

\b
Exit codes: 0 listed, 2 there is no such migration.
"""
QUARANTINE_EXPORT = """Write the records that were not loaded as they stood in the source, with their reasons.

\b
Examples:
  dtc migrate quarantine export plan.migration --out rejected.csv
  dtc migrate quarantine export plan.yaml --out rejected.ndjson --code duplicate-key

\b
Exit codes: 0 written, 2 there is no such migration, 7 the file cannot be written.
"""
QUARANTINE_RETRY = """Take the records that were not loaded once more, after source or plan were corrected.

\b
Examples:
  dtc migrate quarantine retry plan.migration
  dtc migrate quarantine retry plan.yaml --code missing-property

\b
Exit codes: as dtc migrate run.
"""


class Progress:
    """A line on stderr with counts, rate and time left; on a terminal it is drawn over, else seldom."""

    def __init__(self, every_s: float = 10.0) -> None:
        self._every_s = every_s
        self._terminal = sys.stderr.isatty()
        self._last = 0.0
        self._first: tuple[float, int] | None = None

    def __call__(self, counts: dict[str, int], expected: int | None, seconds: float) -> None:
        """Show the counts by state; `expected` is the size of the layer at work."""
        now = time.monotonic()
        done = sum(counts.values())
        self._first = self._first or (seconds, done)
        if now - self._last < (0.2 if self._terminal else self._every_s):
            return
        self._last = now
        span, more = seconds - self._first[0], done - self._first[1]
        rate = more / span if span > 0 else 0.0
        left = (
            f", {max(0, (expected - done)) / rate:.0f} s left"
            if expected and rate and expected > done
            else ""
        )
        pace = f", {_pace(rate)}" if rate else ""
        states = " ".join(f"{state} {count}" for state, count in sorted(counts.items()) if count)
        line = f"{done:,} records{pace}{left}: {states}"
        if self._terminal:
            sys.stderr.write("\r\x1b[K" + line[:150])
            sys.stderr.flush()
        else:
            console.status(line)


def show_assessment(found: "Assessment") -> None:
    """The inventory, and per layer what is in the way."""
    console.out(f"{found.source}: {found.format}, {found.readiness}, data quality {found.score:.1%}")
    for sentence in found.summary:
        console.out("  " + sentence)
    rows = []
    for layer in found.layers:
        shapes = " ".join(f"{kind} {count}" for kind, count in layer.geometry_types.items())
        system = (layer.crs or "none")[:24].split("\n")[0]
        rows.append(
            (
                layer.name, str(layer.read), shapes or "-", system, layer.encoding or "-", layer.type,
                layer.key or "-", f"{layer.score:.0%}", layer.readiness,
            )
        )  # fmt: skip
    narrow.table(
        ("layer", "records", "geometry", "reference system", "encoding", "type", "key", "quality", "state"),
        rows,
    )
    for layer in found.layers:
        console.out(f"\n{layer.name}")
        if layer.samples:
            console.out("  texts as decoded: " + " | ".join(layer.samples))
            console.out(f"  because {layer.encoding_evidence}")
        for name, count in sorted(layer.defects.items()):
            console.out(f"  {count:>8}  {name}")
        for remark in layer.remarks:
            console.out(
                f"  {remark.severity}: {remark.text}"
                + (f"\n    try: {remark.remedy}" if remark.remedy else "")
            )
        for one in layer.suggestions:
            console.out(f"  {one.confidence:.2f}  {one.field} -> {one.member} ({one.why})")


def show_summary(found: "Summary", *, dry_run: bool = False, instead: str | None = None) -> None:
    """What became of the records, layer by layer, and the gates.

    `instead` is what to say of a migration that was stopped or taken back, not as the last run left it.
    """
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
    head = "dry run" if dry_run else f"migration {found.migration}"
    part = "not complete" if found.phase == "full" else f"phase {found.phase} done, more is to come"
    whole = "complete" if found.complete else part
    pace = f" in {found.seconds:.1f} s" if found.seconds else ""
    pace += f" ({_pace(found.per_second)})" if found.per_second else ""
    console.out(f"{head}: {instead or f'{whole}; {found.read:,} records read{pace}'}")
    states = ("loaded", "repaired", "unchanged", "quarantined", "deleted")
    narrow.table(
        ("layer", "source", "read", *states, "accounted"),
        [_accounts(one, states) for one in found.layers],
    )
    for code, count in found.reasons.items():
        console.out(f"  quarantined {count:>8}  {code}")
    for one in found.layers:
        for notice, count in sorted(one["notices"].items(), key=lambda pair: -pair[1])[:10]:
            console.out(f"  notice      {count:>8}  {notice}")
    for gate in found.gates:
        value = "nothing to judge" if gate.value is None else _share(gate)
        verdict = "holds" if gate.holds else f"does not hold: {gate.action}"
        if not found.complete:
            verdict = "not judged yet" if gate.value is None else f"{verdict}, so far"
        console.out(f"  gate {gate.name}: {value}, at least {gate.least:g} is asked: {verdict}")
    for problem in found.problems:
        console.out(f"  note: {problem}")
    if found.nothing and not found.complete:
        console.out("nothing was read yet")
    elif found.nothing:
        console.out("nothing was migrated: the source gave no records")
    elif not found.accounted and instead is None:
        console.out("NOT ALL RECORDS ARE ACCOUNTED FOR")


def _pace(rate: float) -> str:
    """Records a second; a rate below ten keeps a decimal, so that nothing moves at 0/s."""
    return f"{rate:,.0f}/s" if rate >= 9.95 else f"{max(rate, 0.1):.1f}/s"


def _accounts(one: dict[str, Any], states: Sequence[str]) -> tuple[str, ...]:
    """A line of the table of layers."""
    total = sum(count for state, count in one["states"].items() if state != "deleted")
    source = "?" if one["sourceCount"] is None else str(one["sourceCount"])
    counts = (str(one["states"].get(state, 0)) for state in states)
    accounted = "not yet" if one["states"].get("sent") else "yes" if total == one["read"] else "NO"
    return (one["layer"], source, str(one["read"]), *counts, accounted)


def _share(gate: Any) -> str:
    if gate.bound is None:
        return f"{gate.value:g}"
    return f"{gate.value:.4f} ({gate.good} of {gate.judged}; at least {gate.bound:.4f} with 95 % confidence)"


def show_verification(found: "Verification") -> None:
    """Counts, contents, metres."""
    console.out(
        ("NOTHING TO VERIFY" if not found.expected else "all agrees" if found.whole else "NOT ALL AGREES")
        + f": {found.found:,} of {found.expected:,} objects found"
    )
    for kind, counts in found.by_type.items():
        console.out(f"  {kind}: {counts['found']} of {counts['expected']}")
    console.out(
        f"  missing {found.missing_count}, twice {found.twice}, content differs {found.differs_count}"
    )
    if found.sampled:
        bound = (
            ""
            if found.integrity_bound is None
            else f", at least {found.integrity_bound:.4f} with 95 % confidence"
        )
        console.out(
            f"  geometry compared for {found.sampled}: {found.beyond_tolerance} off, "
            f"worst {found.worst_m:.3f} m, integrity {found.integrity:.4f}{bound}"
        )
    for one in found.outdated[:20]:
        why = "its record is in quarantine now" if one["quarantined"] else "the source has it no longer"
        console.out(f"  older version stays: {one['id']} ({one['layer']} {one['key']}): {why}")
    if found.outdated_count > 20:
        console.out(f"  older versions stay: {found.outdated_count} in all")
    for one in found.differs[:20]:
        console.out(f"  differs: {one['id']} ({one['layer']}): {one['why']}")
    for identifier in found.missing[:20]:
        console.out(f"  missing: {identifier}")


def show_diff(found: "Diff") -> None:
    """The three classes."""
    console.out(
        f"same {found.same}, missing {found.missing_count}, extra {found.extra_count}, "
        f"differs {found.differs_count}"
        + (f"; {found.past} readings stay from before what the source holds now" if found.past else "")
    )
    for name, rows in (("missing", found.missing), ("extra", found.extra), ("differs", found.differs)):
        for one in rows[:20]:
            told = "; ".join(f"{key}: {value}" for key, value in (one.get("members") or {}).items())
            console.out(f"  {name}: {one['legacyId']} {one['id']} {told}".rstrip())


def show_rollback(found: "Rollback") -> None:
    """What was taken back."""
    console.out(
        f"taken back in {found.seconds:.1f} s: {found.deleted} deleted, {found.restored} restored, "
        f"{found.already_gone} were gone already"
    )
    if found.city_removed:
        console.out("the city was made by this migration and is removed, too")
    if found.forecast_s is not None:
        console.out(f"50,000 objects would take {found.forecast_s:.0f} s (900 s are allowed, P4 9.1)")
    for one in found.edited[:20]:
        console.out(f"  edited since, left alone: {one}")
    for identifier, why in list(found.failed.items())[:20]:
        console.out(f"  not taken back: {identifier}: {why}")


def show_quarantine(reasons: dict[str, int], rows: list[dict[str, Any]]) -> None:
    """Reasons with counts, then records."""
    console.out(f"{sum(reasons.values())} records are in quarantine")
    for code, count in reasons.items():
        console.out(f"  {count:>8}  {code}")
    for one in rows:
        console.out(f"{one['layer']} {one['key']}: {one['code']}: {one['detail']}\n    try: {one['try']}")
        if one["olderVersion"]:
            console.out(f"    an older version of it stays in the target: {one['olderVersion']}")
