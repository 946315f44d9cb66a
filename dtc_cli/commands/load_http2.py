"""`dtc load http2`: keyed reads over HTTP/2, by h2load."""

import urllib.parse
from pathlib import Path
from typing import Annotated

import typer

from dtc_cli import console
from dtc_cli.commands.load import Out, YesLoad, finite
from dtc_cli.commands.load_live import staged
from dtc_cli.commands.options import Json
from dtc_cli.exit_codes import ExitCode

HELP = """Offer keyed reads over HTTP/2, many on one connection, by h2load of nghttp2 where it is installed.

h2load counts from the moment of sending, checks no certificate, and gets the key as an argument, which other
users of this machine can see in its list of processes. Its figures decide nothing of the standard: those come
from `dtc load run`. The bundled twin speaks HTTP/2 behind the nginx of deploy/nginx.conf.

\b
Examples:
  dtc load http2 target.yaml --rate 500 --duration 10
  dtc load http2 target.yaml --connections 4 --streams 32 --json

\b
Exit codes: 0 each request was answered with 200, 1 some were not, 2 the target file does not allow it or
h2load is not installed, 7 the target cannot be reached or speaks no HTTP/2.
"""


def http2(
    target: Annotated[Path, typer.Argument(help="Target file that allows the hazard load.")],
    rate: Annotated[float, typer.Option(help="Requests per second.", min=1, callback=finite)] = 100.0,
    duration: Annotated[
        float, typer.Option(help="Seconds, after one of warm-up.", min=1, callback=finite)
    ] = 10.0,
    connections: Annotated[int, typer.Option(help="Connections.", min=1)] = 4,
    streams: Annotated[int, typer.Option(help="Requests under way on a connection at once.", min=1)] = 16,
    yes_load: YesLoad = None,
    out: Out = Path("runs"),
    json: Json = False,
) -> None:
    """See HELP."""
    import msgspec

    from dtc_cli.clients.rest import quote
    from dtc_cli.load import http2 as offering

    offering.program()
    plan = offering.Plan(rate=rate, duration_s=duration, connections=connections, streams=streams)
    with staged(target, out, "http2", yes_load, reference=False) as here:
        scheme = urllib.parse.urlsplit(here.target.base_url or "").scheme
        ids = [quote(one) for one in here.city.objects]
        made = offering.run(here.port.site(), scheme, ids, plan)
        kept = msgspec.json.format(msgspec.json.encode(made), indent=1) + b"\n"
        (here.folder / offering.RESULT).write_bytes(kept)
    if json:
        console.emit_json({**msgspec.to_builtins(made), "run": str(here.folder)})
    else:
        points = ", ".join(f"{name} {made.latency.at(name) or 0:.1f} ms" for name in ("p50", "p95", "p99"))
        console.out(f"{made.answered_per_s:g} of {rate:g} requests/s answered over HTTP/2")
        console.out(f"  {points}, from the moment of sending ({made.generator})")
        for status, count in made.statuses.items():
            console.out(f"  {count} x {'no answer' if status == 'none' else f'status {status}'}")
        console.out(f"kept in {here.folder}")
    if set(made.statuses) != {"200"}:
        raise typer.Exit(int(ExitCode.NOT_CONFORMANT))


http2.__doc__ = HELP
