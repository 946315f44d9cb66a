"""`dtc load connections` and `dtc load ingestion`: many clients, many sensors."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dtc_cli import console
from dtc_cli.commands.load import Out, Reference, Target, YesLoad, finite, need_extra
from dtc_cli.commands.options import Json
from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from dtc_cli.load.direct import Stage
    from dtc_cli.load.ingestion import Ingested

CONNECTIONS_HELP = """Open many connections to stream and broker, hold them, and reach each by a broadcast.

Says first what this machine allows, and how to raise it. Connections come from several processes and, on this
machine, from several loopback addresses; heartbeats are answered; a broadcast is counted at each of them when
all are open, and again at the end.

\b
Examples:
  dtc load connections --reference --count 2000 --hold 10
  dtc load connections target.yaml --hold 300 --yes-load twin.example
  dtc load connections target.yaml --source 10.0.0.5 --source 10.0.0.6 --json

\b
Exit codes: 0 nothing was lost or refused, 1 something was, 2 the target file does not allow it, 6 this
machine allows fewer connections, 7 the target cannot be reached.
"""

INGESTION_HELP = """Submit a reading of each of many sensors on time, read all of it back, and compare.

Sensors are registered for the run and removed after it. Every second one reports over MQTT where the target
file names a broker, the others over REST. What was accepted must be readable: nothing lost, nothing doubled.

\b
Examples:
  dtc load ingestion --reference --sensors 500 --interval 5
  dtc load ingestion target.yaml --sensors 50000 --interval 60 --rounds 2
  dtc load ingestion target.yaml --yes-load twin.example --json

\b
Exit codes: 0 everything accepted can be read, 1 something is lost, doubled, changed or refused, 2 the target
file does not allow it, 6 it could not be compared, 7 the target cannot be reached.
"""
CODES = {
    "passed": ExitCode.OK,
    "scaled": ExitCode.OK,
    "failed": ExitCode.NOT_CONFORMANT,
    "inconclusive": ExitCode.INCOMPLETE,
}


def connections(
    target: Target = None,
    reference: Reference = False,
    count: Annotated[int, typer.Option(help="Connections, half of them to each door.", min=1)] = 100_000,
    hold: Annotated[
        float, typer.Option(help="Seconds for which all are held.", min=0, callback=finite)
    ] = 60.0,
    rate: Annotated[float, typer.Option(help="New connections per second.", min=1, callback=finite)] = 2000.0,
    source: Annotated[
        list[str] | None, typer.Option(help="Local address to connect from; again for more.")
    ] = None,
    yes_load: YesLoad = None,
    out: Out = Path("runs"),
    json: Json = False,
) -> None:
    """See CONNECTIONS_HELP."""
    with staged(target, out, "connections", yes_load, reference=reference) as here:
        from dtc_cli.load import direct

        allowed = direct.limits(here, count, tuple(source or ()))
        for word in allowed.words:
            console.status(f"  {word}")
        if allowed.possible < count:
            console.status(f"  {allowed.possible} of {count} connections are tried")
        made = direct.hold(here, allowed, seconds=hold, rate=rate, tell=_tell)
        outcome, why = direct.judge_crowd(made, hold)
        if not json:
            console.out(
                f"{made.opened} of {made.wanted} connections opened in {made.opening_s:g} s "
                f"({', '.join(f'{n} {name}' for name, n in made.by_door.items())})"
            )
            console.out(f"{made.lost} lost in {made.held_s:g} s, {made.beats} heartbeats answered")
            for one in made.broadcasts:
                console.out(
                    f"a broadcast reached {one.heard} of {one.alive} in {one.took_s:g} s, {one.twice} twice"
                )
            for reason, times in made.refused.items():
                console.out(f"  {times} x {reason}")
            console.out(f"our end: {made.memory_kib // 1024} MiB, {made.descriptors} descriptors")
        _end(here, made, outcome, why, json=json)


def ingestion(
    target: Target = None,
    reference: Reference = False,
    sensors: Annotated[int, typer.Option(help="Distinct sensors.", min=1)] = 50_000,
    interval: Annotated[
        float, typer.Option(help="Seconds in which each sensor reports once.", min=0.1, callback=finite)
    ] = 60.0,
    rounds: Annotated[int, typer.Option(help="Readings of each sensor.", min=1)] = 1,
    yes_load: YesLoad = None,
    out: Out = Path("runs"),
    json: Json = False,
) -> None:
    """See INGESTION_HELP."""
    with staged(target, out, "ingestion", yes_load, reference=reference) as here:
        from dtc_cli.load import direct

        made = direct.ingest(here, sensors=sensors, interval_s=interval, rounds=rounds, tell=_tell)
        outcome, why = direct.judge_ingested(made)
        if not json:
            _print_ingested(made)
        _end(here, made, outcome, why, json=json)


connections.__doc__, ingestion.__doc__ = CONNECTIONS_HELP, INGESTION_HELP
COMMANDS = (connections, ingestion)


@contextmanager
def staged(
    target: Path | None, out: Path, kind: str, named: list[str] | None, *, reference: bool
) -> "Iterator[Stage]":
    """The target of the command line, allowed and explored."""
    need_extra()
    from dtc_cli.core.model import Level
    from dtc_cli.core.target import load
    from dtc_cli.harness.reference import running
    from dtc_cli.load import direct, guard

    if reference == (target is not None):
        raise DtcError(
            "usage",
            "give a target file, or --reference",
            where=f"dtc load {kind}",
            hint=f"dtc load {kind} --help",
        )
    if target is not None:
        asked = load(target)
        guard.refuse(asked, tuple(named or ()), kind)
        with direct.stage(asked, out, kind) as here:
            yield here
        return
    with running(level=Level.BRONZE) as written, direct.stage(load(written), out, kind) as here:
        yield here


def _tell(text: str) -> None:
    console.status(f"  {text}")


def _print_ingested(made: "Ingested") -> None:
    console.out(f"{made.registered} of {made.sensors} sensors registered in {made.registering_s:g} s")
    for door, sent in made.sent.items():
        console.out(f"{made.accepted.get(door, 0)} of {sent} readings accepted over {door}")
    p99 = made.latency.at("p99")
    shown = "-" if p99 is None else f"{p99:.1f}"
    console.out(f"submitted in {made.took_s:g} s, p99 {shown} ms from the due instant")
    console.out(
        f"read back: {made.lost} lost, {made.doubled} doubled, {made.changed} changed, {made.foreign} foreign"
    )
    for text in (*(f"{n} x {why}" for why, n in {**made.refusals, **made.refused}.items()), *made.examples):
        console.out(f"  {text}")


def _end(here: "Stage", made: Any, outcome: str, why: str, *, json: bool) -> None:
    import msgspec

    if json:
        told = {"outcome": outcome, "why": why, "run": str(here.folder)}
        console.emit_json({**msgspec.to_builtins(made), **told})
    else:
        console.out(f"{outcome}: {why}" if why else outcome)
        console.out(f"kept in {here.folder}")
    if CODES[outcome] is not ExitCode.OK:
        raise typer.Exit(int(CODES[outcome]))
