"""What stands and what comes next: words for stopped runs, and for gates that ask for a rollback."""

import shlex
from typing import TYPE_CHECKING, Any

from dtc_cli import console

if TYPE_CHECKING:
    from dtc_cli.migrate.gates import Gate
    from dtc_cli.migrate.journal import Journal
    from dtc_cli.migrate.run import Summary
    from dtc_cli.migrate.session import Session


def facts(journal: "Journal") -> dict[str, Any]:
    """Who is at work, what did not end, when all was taken back, what goes on: for `--json`."""
    import msgspec

    from dtc_cli.migrate import lock, unfinished

    worker = lock.holder(journal.folder)
    found = unfinished.standing(journal)
    if found is not None and found.why == unfinished.SILENT:
        found.why = "killed" if worker is None else "still at work"
    return {
        "atWork": None if worker is None else {**msgspec.to_builtins(worker), "words": str(worker)},
        "unfinished": None if found is None else msgspec.to_builtins(found),
        "takenBack": journal.fact("takenBack"),
        "next": None if found is None or worker is not None else unfinished.going_on(journal, found),
    }


def heading(told: dict[str, Any], summary: "Summary", objects: int) -> str | None:
    """The first line of a status where the last step did not end or all was taken back; else None."""
    ended = told["unfinished"]
    if told["atWork"]:
        return f"at work: {told['atWork']['words']}; {summary.read:,} records are in the journal"
    if ended is None:
        if not told["takenBack"]:
            return None
        return (
            f"taken back at {told['takenBack']}: nothing of it stands in the target; what it was before that:"
        )
    why = "; ".join(part for part in (ended["why"], ended["detail"]) if part)
    if ended["what"] == "rollback":
        return f"rollback not ended ({why}); {objects:,} objects still stand in the target"
    total = "" if summary.source_count is None else f" of {summary.source_count:,}"
    return f"{ended['what']} not ended ({why}); {summary.read:,}{total} records are in the journal"


def of_history(event: dict[str, Any]) -> str:
    """A line of the history of a migration; a rollback with what it took back."""
    counts = [
        f"{event[name]:,} {word}"
        for name, word in (
            ("deleted", "deleted"),
            ("restored", "restored"),
            ("edited", "edited since and left"),
        )
        if event["what"] == "rollback" and event.get(name)
    ]
    return ": ".join([event["what"], *([", ".join(counts)] if counts else [])])


def show_next(told: dict[str, Any]) -> None:
    """The command that goes on."""
    if told["next"]:
        console.out(f"next: {told['next']}")


def not_taken_back(open_: "Session", summary: "Summary", gate: "Gate", *, asked: bool) -> dict[str, str]:
    """Why a gate's rollback was not made, and what a person can do: `why` and `next`."""
    wish = f"the gate {gate.name} does not hold, and the plan asks to take the migration back"
    file = open_.to_file
    if file is not None:
        count = sum(summary.states.get(state, 0) for state in ("loaded", "repaired"))
        return {
            "why": f"{wish}; a file is left as it is: {file} holds {count:,} objects",
            "next": f"rm {shlex.quote(str(file))}",
        }
    refused = "it was declined" if asked else "nobody could be asked, and --yes was not given"
    return {
        "why": f"{wish}; {refused}: nothing was taken back",
        "next": f"dtc migrate rollback {shlex.quote(str(open_.journal.folder))}",
    }


def show_not_taken_back(told: dict[str, str]) -> None:
    """The same for people."""
    console.out(told["why"])
    console.out(f"next: {told['next']}   takes it back; or mend the source, and dtc migrate quarantine retry")
