"""What was begun and did not end, kept in the journal: a status must not call it finished."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode
from dtc_cli.migrate.journal import SENT, Journal
from dtc_cli.migrate.trouble import plan_error
from dtc_cli.migrate.wire import TargetDown

FACT = "unfinished"
ROLLBACK = "rollback"
SILENT = "killed, or still at work"
"""What is kept while something is under way: it stays where a process is killed."""


class Unfinished(msgspec.Struct, kw_only=True):
    """A run, sync, retry or rollback that did not end."""

    what: str
    """`run full`, `sync`, `retry`, `rollback`."""
    since: str
    why: str = SILENT
    detail: str = ""

    @property
    def is_rollback(self) -> bool:
        """Whether a rollback is what did not end."""
        return self.what == ROLLBACK


def standing(journal: Journal) -> Unfinished | None:
    """What did not end, or None."""
    kept = journal.fact(FACT)
    return None if kept is None else msgspec.convert(kept, Unfinished)


@contextmanager
def noted(journal: Journal, what: str) -> Iterator[None]:
    """Keep in the journal that this is under way, and how it ended when it did not come to its end.

    Raises:
        DtcError: `interrupted` for Ctrl-C and SIGTERM, with what stands by then and how to go on.
    """
    begun, before = Unfinished(what=what, since=_now()), standing(journal)
    journal.set_fact(FACT, msgspec.to_builtins(begun))
    try:
        yield
    except KeyboardInterrupt as stop:
        _keep(journal, begun, "interrupted by Ctrl-C or SIGTERM", "")
        raise _interrupted(journal, begun) from stop
    except DtcError as problem:
        why = problem.short if isinstance(problem, TargetDown) else "it failed"
        _keep(journal, begun, why, problem.what)
        if isinstance(problem, TargetDown):
            problem.hint = (
                f"what was acknowledged is in the journal; {going_on(journal, begun)}   goes on from there"
            )
        raise
    # A retry ends nothing but itself: the run that was stopped before it still waits.
    waits = what == "retry" and before is not None and before.what != what
    journal.set_fact(FACT, msgspec.to_builtins(before) if waits else None)


def leave_some(journal: Journal, count: int) -> None:
    """Keep in the journal that a rollback ended, and left some of what it was to take back."""
    left = Unfinished(
        what=ROLLBACK, since=_now(), why="not all could be taken back", detail=f"{count:,} objects are left"
    )
    journal.set_fact(FACT, msgspec.to_builtins(left))


def refuse_within_rollback(journal: Journal) -> None:
    """Nothing is added to a migration that is half taken back: its journal counts what is gone as loaded.

    Raises:
        DtcError: `migration-plan` when a rollback did not end, or left something.
    """
    found = standing(journal)
    if found is not None and found.is_rollback:
        raise plan_error(
            "a rollback of this migration has not taken all back",
            where=str(journal.folder),
            why="; ".join(part for part in (found.why, found.detail) if part),
            hint=f"{going_on(journal, found)}; after that dtc migrate run begins anew",
        )


def refuse_taken_back(journal: Journal, what: str) -> None:
    """Where nothing of a migration stands there is nothing that could agree or differ.

    Args:
        journal: its journal.
        what: `verify` or `compare`.

    Raises:
        DtcError: `taken-back` after a rollback that took all back.
    """
    at = journal.fact("takenBack")
    if at is not None:
        raise DtcError(
            "taken-back",
            f"this migration was taken back: there is nothing to {what}",
            where=str(journal.folder),
            why=f"a rollback took all of it back at {at}",
            hint=f"dtc migrate run {shlex.quote(str(journal.fact('plan')))}   begins it anew",
            exit_code=ExitCode.INCOMPLETE,
        )


def going_on(journal: Journal, found: Unfinished) -> str:
    """The command that goes on with what did not end."""
    folder = shlex.quote(str(journal.folder))
    verb = found.what.split()[0]
    return {
        ROLLBACK: f"dtc migrate rollback {folder}" + (" --force" if found.detail.endswith("left") else ""),
        "sync": f"dtc migrate sync {folder}",
        "retry": f"dtc migrate quarantine retry {folder}",
    }.get(verb, f"dtc migrate resume {folder}")


def beginning(plan: Path, *, target: Path | None, to: Path | None, journal: Path | None = None) -> str:
    """The command that begins a migration."""
    words = ["dtc", "migrate", "run", str(plan)]
    for name, value in (("--target", target), ("--to", to), ("--journal", journal)):
        if value is not None:
            words += [name, str(value)]
    return shlex.join(words)


def before_anything(command: str) -> DtcError:
    """Ctrl-C while nothing was written yet."""
    return DtcError(
        "interrupted",
        "interrupted; nothing was written",
        hint=f"{command}   starts it again",
        exit_code=ExitCode.INTERRUPTED,
    )


def _interrupted(journal: Journal, begun: Unfinished) -> DtcError:
    epoch = journal.fact("epoch")
    counts = journal.counts(int(epoch)) if epoch is not None else {}
    on = going_on(journal, begun)
    if begun.is_rollback:
        words, hint = f"{journal.object_count():,} objects still stand in the target", f"{on}   goes on"
    elif not counts and not journal.fact("cityMade"):
        words, hint = "nothing was written", f"{on}, or the same dtc migrate run, starts it again"
    else:
        back = f"dtc migrate rollback {shlex.quote(str(journal.folder))}"
        sent = counts.get(SENT, 0)
        words = f"{sum(counts.values()):,} records are in the journal"
        words += f", {sent:,} of them without an answer" if sent else ""
        hint = f"{on}   goes on; {back}   takes it back"
    return DtcError(
        "interrupted",
        f"interrupted; {words}",
        where=str(journal.folder),
        hint=hint,
        exit_code=ExitCode.INTERRUPTED,
    )


def _keep(journal: Journal, begun: Unfinished, why: str, detail: str) -> None:
    # A journal that cannot be written says so by itself: the first trouble is the one to tell.
    with suppress(DtcError):
        ended = Unfinished(what=begun.what, since=begun.since, why=why, detail=detail)
        journal.set_fact(FACT, msgspec.to_builtins(ended))
        journal.note(_now(), f"{begun.what}: {why}", {})


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
