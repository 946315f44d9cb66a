"""From the files of a run to its report: pure, so that anybody gets the same report from the same files."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

from dtc_cli.core import runfolder, verdicts
from dtc_cli.core.levels import achieved as highest
from dtc_cli.core.levels import judge_levels
from dtc_cli.core.model import Finding, MatrixLine, Outcome
from dtc_cli.core.report import path as shortest
from dtc_cli.core.report import words
from dtc_cli.core.report.cases import Judged, cases, outcome_of
from dtc_cli.core.report.exchanges import LARGE_RUN, Shower, by_vector
from dtc_cli.core.report.model import Check, Course, Maker, Report, Row, Subject, Totals
from dtc_cli.core.report.places import Places
from dtc_cli.core.report.rows import exclusions, rows
from dtc_cli.core.report.runfile import RunFile, clean, damaged, parse_run
from dtc_cli.core.runfolder import EVENTS, MATRIX, REQUIREMENTS, VECTORS, RunFolder

CLOCK_SKEW_WARNING_MS = 5_000  # EVIDENCE: wall clocks that differ by more than 5 s are told
COMPLETE = "complete"
SHOWN_SOMETHING = (Outcome.PASSED, Outcome.FAILED, Outcome.WARNED)


class _Named(Protocol):
    @property
    def id(self) -> str: ...


_N = TypeVar("_N", bound=_Named)


def build(run: Path) -> Report:
    """The report of a run folder, also of one whose run was killed.

    Nothing but the files counts: no clock, no network, no catalogue of the installed program. A run
    that did not finish, or that ran only a part of the tests, reaches no level here, whatever its
    lines say (HARNESS: no hollow pass).

    Raises:
        DtcError: `not-a-run` or `run-damaged`; exit code 2.
    """
    try:
        return _build(runfolder.read(run))
    except (ValueError, RecursionError, OSError) as problem:
        raise damaged(str(run), f"{type(problem).__name__}: {problem}") from problem


def _build(folder: RunFolder) -> Report:
    facts = parse_run(folder.run, str(folder.path))
    excluded = facts.profile.excluded
    notes: list[str] = []
    requirements = _unique(folder.requirements, "requirement", notes)
    vectors = _unique(folder.vectors, "vector", notes)
    lines = _lines(folder.lines, {vector.id for vector in vectors}, notes)
    by_id = {entry.id: entry for entry in requirements}

    rolled = verdicts.roll_up(requirements, vectors, lines.values(), excluded)
    results = judge_levels(rolled, by_id, facts.level.claimed, excluded)
    course = _course(facts)
    if not (course.finished and course.selection_complete):
        results = tuple(msgspec.structs.replace(result, reached=False) for result in results)

    table_rows = rows(rolled, by_id, lines.values(), excluded)
    row_of = {row.id: row for row in table_rows}
    outcomes = {
        vector.id: outcome_of(vector, lines.get(vector.id), row_of.get(vector.requirement), excluded)
        for vector in vectors
    }
    events = by_vector(folder, tuple(lines.values()))
    shower = Shower(folder, events, outcomes)
    made = cases(
        Judged(
            vectors=vectors,
            lines=lines,
            rows=table_rows,
            events=events,
            outcomes=outcomes,
            excluded=excluded,
            places=Places(folder, events),
        ),
        shower,
    )
    standing = words.Standing(
        subject=_subject(facts),
        course=course,
        claimed=facts.level.claimed,
        achieved=highest(results),
        levels=words.levels(results, table_rows, _whole(facts)),
        rows=table_rows,
        exclusions=exclusions(excluded, by_id, lines.values()),
        judged=sum(outcomes[vector] in SHOWN_SOMETHING for vector in lines),
        begun=len(lines),
        expected=len(vectors),
        not_reached=frozenset(vector.requirement for vector in vectors if vector.id not in lines),
    )
    return Report(
        run_id=facts.run_id,
        folder=str(folder.path),
        verdict=words.verdict(standing),
        maker=_maker(facts),
        subject=standing.subject,
        course=course,
        exclusions=standing.exclusions,
        levels=standing.levels,
        path=shortest.path(standing),
        totals=Totals(
            requirements=words.totals(row.outcome for row in table_rows),
            vectors=words.totals(case.outcome for case in made),
        ),
        requirements=table_rows,
        cases=made,
        notes=(
            *notes,
            *_drift_notes(facts),
            *_file_notes(folder),
            *_case_notes(course, shower, len(vectors), table_rows),
        ),
    )


def _unique(entries: Iterable[_N], noun: str, notes: list[str]) -> tuple[_N, ...]:
    """The entries by id; the first of two with the same id counts, and that is said."""
    found: dict[str, _N] = {}
    twice = []
    for entry in entries:
        if entry.id in found:
            twice.append(entry.id)
        found.setdefault(entry.id, entry)
    if twice:
        notes.append(f"{words.count(len(twice), noun)} listed more than once: {_some(twice)}.")
    return tuple(found.values())


def _lines(given: Sequence[MatrixLine], expected: set[str], notes: list[str]) -> dict[str, MatrixLine]:
    """The judged lines of expected vectors; the last of several counts, as in the roll-up."""
    unexpected = sorted({line.vector for line in given} - expected)
    if unexpected:
        notes.append(
            f"{words.count(len(unexpected), 'judged test')} not among the expected ones, and counted for "
            f"nothing: {_some(unexpected)}."
        )
    times = Counter(line.vector for line in given)
    twice = sorted(vector for vector, number in times.items() if number > 1)
    if twice:
        notes.append(f"{words.count(len(twice), 'test')} judged again; the last counts: {_some(twice)}.")
    return {line.vector: _cleaned(line) for line in given if line.vector in expected}


def _cleaned(line: MatrixLine) -> MatrixLine:
    if line.finding is None and line.justification is None:
        return line
    finding = msgspec.convert(clean(msgspec.structs.asdict(line.finding)), Finding) if line.finding else None
    return msgspec.structs.replace(line, finding=finding, justification=clean(line.justification))


def _some(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")


def _whole(facts: RunFile) -> dict[str, int] | None:
    """How many compulsory requirements each level has, where only a part of them was run; else None."""
    return None if facts.selection.complete else facts.selection.compulsory


def _maker(facts: RunFile) -> Maker:
    return Maker(
        tool=facts.tool.name,
        tool_version=facts.tool.version,
        standard=facts.standard.id,
        standard_version=facts.standard.version,
        catalogue_digest=facts.standard.catalogue_digest,
        suite_version=facts.suite.version,
        suite_digest=facts.suite.digest,
        suite_dirty=facts.suite.dirty,
        python=facts.environment.python,
        platform=facts.environment.platform,
    )


def _subject(facts: RunFile) -> Subject:
    target = facts.target
    addresses = {"REST": target.base_url, "stream": target.stream_url, "MQTT": target.mqtt_url}
    shown = {
        "TLS key (SHA-256 of SPKI)": ", ".join(target.fingerprint.tls_spki),
        "server": target.fingerprint.server or "",
        "OpenAPI (SHA-256)": target.fingerprint.openapi or "",
    }
    return Subject(
        name=target.name,
        vendor=target.vendor,
        version=target.version,
        city=target.city,
        addresses={label: address for label, address in addresses.items() if address},
        documents=target.documents,
        validator=target.validator,
        fingerprint={label: text for label, text in shown.items() if text},
    )


def _course(facts: RunFile) -> Course:
    return Course(
        mode=facts.mode,
        status=facts.status,
        finished=facts.status == COMPLETE,
        started_at=facts.started_at,
        finished_at=facts.finished_at or "",
        duration_ms=facts.clock.monotonic_ms,
        seed=facts.seed,
        nonce=facts.nonce,
        hazards=facts.profile.hazards,
        declares={name: _value(value) for name, value in facts.profile.declares.items()},
        selection_complete=facts.selection.complete,
        selection=facts.selection.expression or "",
        clock_source=facts.clock.source,
        clock_skew_ms=facts.clock.target_skew_ms,
        events=facts.events.count if facts.events else 0,
        chain_head=facts.events.head if facts.events else "",
        doctor=tuple(Check(check=c.check, status=c.status, detail=c.detail) for c in facts.doctor),
    )


def _value(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _file_notes(folder: RunFolder) -> list[str]:
    """What the files themselves tell: cut off, or not there."""
    notes = []
    for name in (MATRIX, EVENTS):
        file = folder.path / name
        if not file.is_file():
            notes.append(f"{name} is missing.")
        elif _cut_off(file):
            notes.append(f"The last line of {name} is cut off and was left out.")
    notes += [
        f"{name} is missing or empty: the run ended before it had a plan."
        for name, entries in ((REQUIREMENTS, folder.requirements), (VECTORS, folder.vectors))
        if not entries
    ]
    return notes


def _drift_notes(facts: RunFile) -> list[str]:
    """A target that was replaced while it was judged."""
    if not facts.drift:
        return []
    keys = _some([key[:16] for key in facts.drift])
    return [
        f"During the run the target showed another TLS key than at its beginning ({keys}): it was replaced, "
        "or several servers with keys of their own answer there. Such a run reaches no level."
    ]


def _cut_off(file: Path) -> bool:
    with file.open("rb") as stream:
        size = stream.seek(0, 2)
        if size == 0:
            return False
        stream.seek(size - 1)
        return stream.read(1) != b"\n"


def _case_notes(course: Course, shower: Shower, vectors: int, table: Sequence[Row]) -> list[str]:
    notes = []
    if shower.missing:
        notes.append(
            f"Recorded bodies that are not in the folder: {shower.missing:,}; their digests are kept."
        )
    if shower.altered:
        notes.append(
            f"Bodies that are not what was recorded (another SHA-256), not shown: {shower.altered:,}."
        )
    if vectors > LARGE_RUN:
        notes.append(
            f"With {vectors:,} tests this is a large run: the exchanges of passed tests are counted here, "
            "and stand in full in the run folder."
        )
    skew = course.clock_skew_ms
    if skew is not None and abs(skew) > CLOCK_SKEW_WARNING_MS:
        side = "ahead of" if skew > 0 else "behind"
        notes.append(f"The target's clock was {abs(skew) / 1000:.1f} s {side} the clock of the run.")
    if any(row.binds != "target" and row.outcome is not Outcome.PASSED for row in table):
        notes.append("Requirements that bind the certification programme are listed but hold no level back.")
    return notes
