"""`dtc badge`: what a badge carries, and whether it belongs to the server that shows it."""

from pathlib import Path
from typing import Annotated

import typer

from dtc_cli import console
from dtc_cli.commands import signers
from dtc_cli.commands.certificate import examine, print_found
from dtc_cli.commands.options import Json
from dtc_cli.commands.registry import LogKey, holding
from dtc_cli.exit_codes import ExitCode

app = typer.Typer(
    help="Check a badge, and take the certificate out of it.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

VERIFY_HELP = """Check a badge in full: its certificate, the registry, and the server that it is shown for.

A badge is a pointer, and anybody can copy a picture: --url compares the TLS key of a live server with the
one that was judged.

\b
Examples:
  dtc badge verify badge.svg --trust body.pub --registry registry/ --url https://twin.example/digital-twin-city/v1

\b
Exit codes: 0 valid and of this server, 2 it is no badge, 3 something does not hold, 4 no key or another one,
5 expired, suspended, revoked, too old, or of another server, 7 the server cannot be reached or recognised.
"""

EXTRACT_HELP = """Take the certificate out of a badge, unchecked.

\b
Examples:
  dtc badge extract badge.svg --out certificate.vc.jwt

\b
Exit codes: 0 written, 2 the file cannot be read or written, 3 it carries no certificate, or several.
"""


@app.command(help=VERIFY_HELP)
def verify(
    badge: Annotated[Path, typer.Argument(metavar="BADGE", help="The badge (SVG).")],
    trust: Annotated[
        Path | None, typer.Option(help="Public key (PEM) of the certification body, or a trust policy.")
    ] = None,
    registry: Annotated[Path | None, typer.Option(help="Folder of the registry.")] = None,
    log_key: LogKey = None,
    url: Annotated[str | None, typer.Option(help="Address of the server (uses the network).")] = None,
    json: Json = False,
) -> None:
    """See VERIFY_HELP."""
    found = examine(badge, trust, registry, log_key)
    if url is not None and found["exitCode"] == ExitCode.OK:
        found["server"], code = _compare(url, found["tlsSpki"])
        found["exitCode"] = int(code)
    if json:
        console.emit_json(found)
    else:
        print_found(found)
        if "server" in found:
            console.out(f"server     {found['server']}")
    if found["exitCode"]:
        raise typer.Exit(int(found["exitCode"]))


@app.command(help=EXTRACT_HELP)
def extract(
    badge: Annotated[Path, typer.Argument(metavar="BADGE", help="The badge (SVG).")],
    out: Annotated[Path | None, typer.Option("--out", help="File to write; stdout without it.")] = None,
    json: Json = False,
) -> None:
    """See EXTRACT_HELP."""
    from dtc_cli.registry.badge import extract as taken

    with holding(badge):
        token = taken(signers.read(badge))
    if out is not None:
        signers.write(out, token.encode())
    if json:
        console.emit_json({"certificate": token, "path": str(out) if out else None})
    elif out is None:
        console.out(token)


def _compare(url: str, keys: list[str]) -> tuple[str, ExitCode]:
    from dtc_cli.signing import live
    from dtc_cli.signing.refusal import Unavailable

    try:
        shown = live.look(url)
    except Unavailable as lack:
        return str(lack), ExitCode.CANNOT_DECIDE
    if not keys or shown.spki is None:
        return "without TLS on both sides the server cannot be recognised", ExitCode.CANNOT_DECIDE
    if shown.spki not in keys:
        return f"another server: it shows the TLS key {shown.spki[:16]}", ExitCode.STALE
    return f"the one that was judged, TLS key {shown.spki[:16]}", ExitCode.OK
