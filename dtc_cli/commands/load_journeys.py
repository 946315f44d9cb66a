"""`dtc load journeys`: users on Locust."""

from pathlib import Path
from typing import Annotated

import typer

from dtc_cli import console
from dtc_cli.commands.load import Out, Reference, Target, YesLoad, finite
from dtc_cli.commands.load_live import staged
from dtc_cli.commands.options import Json
from dtc_cli.exit_codes import ExitCode

HELP = """Let users travel through the city: dashboards, GIS clients, sensor gateways, planners.

Runs on Locust. Users wait for an answer before they go on, so a slow target gets fewer requests: figures
for the standard come from `dtc load run`, whose loop is open. Gateways speak for sensors that the command
registers and removes. Several machines take part with --master on one and --worker on the others.

\b
Examples:
  dtc load journeys --reference --users 20 --duration 20
  dtc load journeys target.yaml --users 200 --mix dashboard=5,gis=5
  dtc load journeys target.yaml --web 8089                    Locust's own page, until Ctrl-C
  dtc load journeys target.yaml --master 2 --users 1000       waits for two workers
  dtc load journeys target.yaml --worker 10.0.0.5             on each of the other machines

\b
Exit codes: 0 no request failed, 1 some did, 2 the target file does not allow it, 7 the target or Locust
cannot be used.
"""


def journeys(
    target: Target = None,
    reference: Reference = False,
    users: Annotated[int, typer.Option(help="Users at the same time.", min=1)] = 20,
    spawn_rate: Annotated[
        float, typer.Option(help="Users that start per second.", min=0.1, callback=finite)
    ] = 10.0,
    duration: Annotated[float, typer.Option(help="Seconds.", min=1, callback=finite)] = 30.0,
    mix: Annotated[
        str | None,
        typer.Option(help="Kinds of users and their shares, as dashboard=5,gis=3,gateway=4,planner=1."),
    ] = None,
    web: Annotated[
        int | None, typer.Option(help="Port for Locust's own page on this machine.", min=1, max=65535)
    ] = None,
    master: Annotated[int | None, typer.Option(help="Lead so many workers.", min=1)] = None,
    worker: Annotated[str | None, typer.Option(help="Work for the master on this host.")] = None,
    yes_load: YesLoad = None,
    out: Out = Path("runs"),
    json: Json = False,
) -> None:
    """See HELP."""
    import msgspec

    from dtc_cli.load import journeys as travelling
    from dtc_cli.load.papers import Papers

    chosen = travelling.mix(mix)
    plan = travelling.Plan(
        users=users, spawn_rate=spawn_rate, duration_s=duration, web=web, master=master, worker=worker
    )
    with staged(target, out, "journeys", yes_load, reference=reference) as here:
        own = here.port.register(here.body, min(users, 50)) if chosen.get("gateway") else []
        brief = travelling.Brief(
            prefix=travelling.prefix(here.target),
            headers=here.port.site().headers,
            papers=Papers.of(here.target.rest_tls),
            mix=chosen,
            places=here.city.places,
            sensors=own or [name for name, _ in here.city.sensors],
            own=own,
        )
        if web is not None:
            console.status(f"  Locust's page: http://127.0.0.1:{web}")
        try:
            made = travelling.run(here.target, brief, plan)
        finally:
            here.port.clear()
        if made is None:
            console.status("  the figures are the master's")
            return
        travelling.keep(here.folder, made)
    if json:
        console.emit_json({**msgspec.to_builtins(made), "run": str(here.folder)})
    else:
        rows = [
            (one.name, str(one.requests), str(one.failures), f"{one.mean_ms:.1f}",
             *(f"{one.percentiles_ms[point]:.0f}" for point in ("p50", "p95", "p99")))
            for one in (*made.journeys, made.total)
        ]  # fmt: skip
        console.table(("journey", "requests", "failed", "mean ms", "p50", "p95", "p99"), rows)
        console.out(f"{made.per_s:g} requests/s by {made.users} users in {made.duration_s:g} s")
        console.out(f"kept in {here.folder}")
    if made.total.failures:
        raise typer.Exit(int(ExitCode.NOT_CONFORMANT))


journeys.__doc__ = HELP
