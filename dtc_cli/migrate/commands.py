"""The steps of `dtc migrate` as functions: each opens the migration, does its work and leaves it in order."""

import shlex
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from dtc_cli.exit_codes import ExitCode
from dtc_cli.migrate import extent, gates, lock
from dtc_cli.migrate import rollback as rollbacks
from dtc_cli.migrate import run as runs
from dtc_cli.migrate import session as sessions
from dtc_cli.migrate.journal import Journal, Written
from dtc_cli.migrate.plan import Plan, load
from dtc_cli.migrate.trouble import plan_error, target_error
from dtc_cli.migrate.twin import Twin
from dtc_cli.migrate.unfinished import ROLLBACK, leave_some, noted
from dtc_cli.migrate.wire import TargetDown


class Done(msgspec.Struct):
    """What a step gave: its summary, and the session for what follows."""

    summary: runs.Summary
    session: sessions.Session | None


class _Nowhere:
    """Takes everything and keeps nothing: the target of a dry run."""

    page = 2000
    forgets = True

    def put(self, items: Any) -> list[Written]:
        return [Written("created") for _ in items]

    def ahead(self, items: Any) -> int:
        return 0

    def halt(self) -> None:
        """Nothing is on its way."""

    def checkpoint(self) -> None:
        """Nothing is kept."""

    def restore(self, place: Any) -> None:
        """Nothing was kept."""

    def finish(self, bounds: Any) -> None:
        """Nothing to end."""

    def close(self) -> None:
        """Nothing is open."""


def run(
    plan_file: Path,
    *,
    target: Path | None = None,
    to: Path | None = None,
    phase: str = "full",
    dry_run: bool = False,
    journal: Path | None = None,
    patience_s: float = 60.0,
    progress: runs.Progress | None = None,
) -> Done:
    """Begin a migration, or go on with it.

    Raises:
        DtcError: for a plan, a source or a target that cannot be used; `migration-in-use` as `lock.held`.
    """
    plan = load(plan_file)
    _check_phase(phase)
    if dry_run:
        with tempfile.TemporaryDirectory(prefix="dtc-migrate-") as folder:
            book = Journal(Path(folder), create=True)
            try:
                runs.begin(book, plan, "nowhere")
                return Done(runs.carry_out(plan, book, _Nowhere(), phase=phase, progress=progress), None)
            finally:
                book.close()
    if (target is None) == (to is None):
        raise plan_error(
            "a run needs one place to go to",
            where=str(plan_file),
            hint="--target target.yaml, or --to out.ndjson",
        )
    place = str(target.resolve()) if target is not None else f"{sessions.FILE}{Path(str(to)).resolve()}"
    if target is not None:
        sessions.writable(target)
    book = Journal(journal or sessions.journal_of(plan_file), create=True)
    with closing(book), lock.held(book.folder, f"run {phase}"):
        open_ = sessions.Session(book, plan, place, patience_s)
        runs.begin(book, plan, place)
        return Done(_carried(open_, phase, progress), open_)


def resume(
    place: Path, *, phase: str | None = None, patience_s: float = 60.0, progress: runs.Progress | None = None
) -> Done:
    """Go on with a migration that was stopped, killed, or lost its target."""
    with sessions.opened(place, patience_s=patience_s, writing="resume") as open_:
        wanted = phase or str(open_.journal.fact("phase") or "full")
        runs.begin(open_.journal, open_.plan, open_.target)
        _check_phase(wanted)
        return Done(_carried(open_, wanted, progress), open_)


def sync(
    place: Path, *, patience_s: float = 60.0, progress: runs.Progress | None = None, trusting: bool = False
) -> Done:
    """Bring the target in step with the source: added, changed, deleted.

    `trusting` deletes also where the source does not say how many records it has.
    """
    with sessions.opened(place, patience_s=patience_s, writing="sync") as open_:
        runs.begin(open_.journal, open_.plan, open_.target, changed_plan=True)
        if open_.to_file is not None:
            raise plan_error(
                "a file cannot be kept in step", where=open_.target, hint="run the plan to a new file"
            )
        epoch = int(open_.journal.fact("epoch"))
        unfinished = epoch > 1 and not _complete(open_.plan, open_.journal, epoch)
        if not unfinished and not _complete(open_.plan, open_.journal, epoch):
            raise plan_error(
                "the migration is not complete yet",
                where=str(place),
                hint="dtc migrate resume " + shlex.quote(str(place)),
            )
        done = _carried(
            open_, "full", progress, sync=not unfinished, finish_sync=unfinished, trusting=trusting
        )
        return Done(done, open_)


def retry(place: Path, *, code: str | None = None, patience_s: float = 60.0) -> Done:
    """Take quarantined records again, after source or plan were corrected."""
    with sessions.opened(place, patience_s=patience_s, writing="retry") as open_:
        runs.begin(open_.journal, open_.plan, open_.target, changed_plan=True)
        with noted(open_.journal, "retry"), _sink(open_) as sink:
            if isinstance(sink, Twin):
                _see_city(open_, sink)
            return Done(runs.retry(open_.plan, open_.journal, sink, code=code), open_)


def rollback(
    place: Path, *, force: bool = False, patience_s: float = 60.0, progress: rollbacks.Progress | None = None
) -> rollbacks.Rollback:
    """Take a migration back."""
    with sessions.opened(place, patience_s=patience_s, writing="rollback") as open_:
        twin = open_.twin()
        try:
            with noted(open_.journal, ROLLBACK):
                done = rollbacks.roll_back(open_.journal, twin, force=force, progress=progress)
        finally:
            twin.close()
        if done.whole:
            open_.journal.set_fact("takenBack", _now())
        else:
            leave_some(open_.journal, len(done.edited) + len(done.failed))
        if done.city_removed:
            open_.journal.set_fact("cityMade", None)
        open_.journal.note(
            _now(),
            "rollback",
            {
                "deleted": done.deleted,
                "restored": done.restored,
                "edited": len(done.edited),
                "seconds": round(done.seconds, 3),
            },
        )
        return done


def pause(seconds: float) -> None:
    """Wait between two synchronisations."""
    time.sleep(seconds)


def breach(summary: runs.Summary) -> gates.Gate | None:
    """The gravest gate that does not hold, or None."""
    order = {"rollback": 0, "stop": 1, "recalibrate": 2, "flag": 3}
    return min(
        (gate for gate in summary.gates if not gate.holds), key=lambda gate: order[gate.action], default=None
    )


def exit_code(summary: runs.Summary) -> ExitCode:
    """Red when records are unaccounted for, none came, or a gate stops; 6 when a person has to look."""
    broken = breach(summary)
    arrived = sum(summary.states.get(state, 0) for state in ("loaded", "repaired", "unchanged"))
    if (
        not summary.accounted
        or summary.nothing
        or (summary.complete and not arrived)
        or (broken is not None and broken.action in ("rollback", "stop"))
    ):
        return ExitCode.NOT_CONFORMANT
    changed = any("changed while" in text or "stay in the target" in text for text in summary.problems)
    return ExitCode.INCOMPLETE if broken is not None or changed else ExitCode.OK


def _carried(
    open_: sessions.Session,
    phase: str,
    progress: runs.Progress | None,
    *,
    sync: bool = False,
    finish_sync: bool = False,
    trusting: bool = False,
) -> runs.Summary:
    journal, plan = open_.journal, open_.plan
    _check_gate(plan, journal, phase)
    journal.set_fact("phase", phase)
    what = "sync" if sync or finish_sync else f"run {phase}"
    with noted(journal, what), _sink(open_) as sink:
        if isinstance(sink, Twin):
            _see_city(open_, sink)
        if isinstance(sink, Twin) and not finish_sync:
            made = sink.prepare(create=plan.create_city, bounds=_bounds(open_), name=plan.name)
            if made:
                journal.set_fact("cityMade", True)
        try:
            summary = runs.carry_out(
                plan,
                journal,
                sink,
                phase=phase,
                progress=progress,
                sync=sync,
                finish_sync=finish_sync,
                trusting=trusting,
            )
        except TargetDown as problem:
            _note_down(journal)
            raise problem
        since = journal.fact("downSince")
        if since is not None:
            journal.set_fact("downSeconds", _age(since))
            journal.set_fact("downSince", None)
        wire = getattr(sink, "wire", None)
        if wire is not None:
            summary.waited_s, summary.retries = round(wire.waited_s, 3), wire.retries
    if all(gate.holds for gate in summary.gates) and summary.accounted:
        journal.set_fact(f"passed:{phase}", True)
    return summary


@contextmanager
def _sink(open_: sessions.Session) -> Iterator[Any]:
    sink = open_.sink()
    try:
        yield sink
    finally:
        sink.close()


def _bounds(open_: sessions.Session) -> list[float] | None:
    """Bounds for a city that has to be made: of the plan, else found by placing all geometry once (D-41)."""
    from dtc_cli.migrate.reader import joined_bounds

    plan = open_.plan
    if plan.bounds is not None:
        return list(plan.bounds)
    twin = open_.twin()
    try:
        if not plan.create_city or twin.exists():
            return None
    finally:
        twin.close()
    return joined_bounds(extent.of_layers(plan))


def _see_city(open_: sessions.Session, twin: Twin) -> None:
    """See that the city of what was loaded is there: a new one would lack what the journal counts."""
    standing, there = open_.journal.object_count(), twin.exists()
    if standing and not there:
        back = f"dtc migrate rollback {shlex.quote(str(open_.journal.folder))}"
        raise target_error(
            f"the city {open_.plan.city} is gone from the target",
            where=open_.plan.city,
            why=f"{standing:,} objects of this migration stood in it",
            hint=f"repeat this when the city is there again with them; else {back}, then run begins anew",
        )


def _check_phase(phase: str) -> None:
    from dtc_cli.migrate.plan import PHASES

    if phase not in PHASES:
        raise plan_error(
            f"there is no phase {phase}", where=f"--phase {phase}", hint="one of: " + ", ".join(PHASES)
        )


def _check_gate(plan: Plan, journal: Journal, phase: str) -> None:
    needs = plan.phases[phase].needs
    if needs is not None and not journal.fact(f"passed:{needs}"):
        raise plan_error(
            f"the phase {phase} needs the phase {needs} to have passed its gates",
            where=plan.file,
            hint=f"dtc migrate run {shlex.quote(plan.file)} --phase {needs}",
        )


def _complete(plan: Plan, journal: Journal, epoch: int) -> bool:
    planned = {(s.name, la.name) for s in plan.sources for la in s.layers if not la.skip}
    done = {(one["source"], one["layer"]) for one in journal.layers(epoch) if one["done"]}
    return planned <= done


def _note_down(journal: Journal) -> None:
    if journal.fact("downSince") is None:
        journal.set_fact("downSince", _now())


def _age(since: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(since)).total_seconds()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
