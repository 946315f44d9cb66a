"""`dtc selftest`: show that the suites tell a spoilt twin from a clean one."""

import fnmatch
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dtc_cli import console
from dtc_cli.commands.options import Json
from dtc_cli.commands.options import level as level_named
from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from dtc_cli.harness.selftest import Attempt, Fault

HELP = """Spoil the bundled twin, one fault at a time, and see that the right requirement fails.

By default each fault is judged by the vectors of its own requirement; --full judges the whole level, which
also shows what else is blamed, and takes hours.

\b
Examples:
  dtc selftest --fault "DTC-P1-06*"
  dtc selftest --fault "DTC-P2-*" --matrix kill-matrix.md
  dtc selftest --clean 5 --fault none --level gold
  dtc selftest --full --record attempts.jsonl

\b
Exit codes: 0 every fault killed and no alarm on the clean twin, 1 a fault survived or an alarm was raised,
2 no fault has such an id, 70 a defect of dtc.
"""


def selftest(
    fault: Annotated[
        list[str], typer.Option(help="Ids of faults, with * for any text; none: no fault. May be repeated.")
    ] = ["*"],  # noqa: B006
    clean: Annotated[int, typer.Option(min=0, help="Runs of the clean twin.")] = 0,
    level: Annotated[str, typer.Option(help="Level at which the clean twin is judged.")] = "silver",
    full: Annotated[bool, typer.Option("--full", help="Judge the whole level for each fault.")] = False,
    matrix: Annotated[
        Path | None,
        typer.Option(help="Write the kill matrix (Markdown) to this file; parts not judged stay."),
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option(help="Keep each result in this file, and judge only what is not in it yet."),
    ] = None,
    commit: Annotated[str, typer.Option(help="Commit to name in the matrix.")] = "unknown",
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Seed of the runs.")] = 1,
    json: Json = False,
) -> None:
    """See HELP."""
    from dtc_cli.harness import selftest as proof

    wanted, known = level_named(level), proof.faults()
    chosen = matching(known, fault)
    made: list[Attempt] = []
    judged = proof.attempts(
        [*chosen, *[None] * clean], full=full, seed=seed, clean_level=wanted, record=record
    )
    for number, one in enumerate(judged, start=1):
        made.append(one)
        console.status(f"  {number}/{len(chosen) + clean}  {_line(one)}")
    if matrix is not None:
        earlier = matrix.read_text(encoding="utf-8") if matrix.is_file() else ""
        matrix.write_text(proof.matrix(made, commit, full=full, earlier=earlier), encoding="utf-8")
    if json:
        console.emit_json(proof.as_json(made))
    else:
        survivors = [one for one in made if not one.killed]
        console.out(f"{len(made) - len(survivors)} of {len(made)} as they should be")
        for one in survivors:
            console.out(f"  {_line(one)}: {one.why}")
    if not all(one.killed for one in made):
        raise typer.Exit(int(ExitCode.NOT_CONFORMANT))


selftest.__doc__ = HELP


def matching(known: Sequence["Fault"], patterns: Sequence[str]) -> "list[Fault]":
    """The faults that any of the patterns names, each once.

    Raises:
        DtcError: a pattern names none.
    """
    from dtc_cli.harness.selftest import CLEAN

    for pattern in patterns:
        if pattern != CLEAN and not fnmatch.filter([one.id for one in known], pattern):
            raise DtcError(
                "usage",
                f"no fault has the id {pattern}",
                where=f"--fault {pattern}",
                hint="python -m reference_server faults lists them",
            )
    return [one for one in known if any(fnmatch.fnmatchcase(one.id, pattern) for pattern in patterns)]


def _line(one: "Attempt") -> str:
    verdict = (
        ("killed" if one.killed else "SURVIVED") if one.requirement else ("quiet" if one.killed else "ALARM")
    )
    also = f", also {', '.join(one.also)}" if one.also else ""
    crashes = f", {one.crashes} answers with status 500" if one.crashes else ""
    return f"{one.fault}: {verdict}{also}{crashes}"
