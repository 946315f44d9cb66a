"""`dtc verify`: check a signed package without trusting its maker."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dtc_cli import console
from dtc_cli.commands.options import Json
from dtc_cli.commands.options import level as level_named
from dtc_cli.errors import DtcError

if TYPE_CHECKING:
    from dtc_cli.signing.verify import VerifyResult

HELP = """Check a signed package: is it unchanged, who signed it, and does its evidence bear out its verdict?

Everything is computed again from the files; no network is used, except for --target. Whom you trust is
your decision: --trust takes the signer's public key, obtained on another way than the package, or a trust
policy.

\b
Examples:
  dtc verify dtc-busan-twin-0190a1b2.dtcpack.tar.gz --trust busan-works.pub
  dtc verify package.dtcpack.tar.gz --trust dtc-trust.json --level silver --json
  dtc verify unpacked/ --trust busan-works.pub --nonce q83vEjRWeJCrze8SNFZ4kA
  dtc verify package.dtcpack.tar.gz --trust busan-works.pub --target https://twin.example/digital-twin-city/v1

\b
Exit codes: 0 authentic and conformant, 1 not conformant, 2 usage, 3 integrity broken, 4 signer not trusted,
5 stale, revoked or replayed, 6 incomplete, 7 cannot be decided here; of several the first in 3 4 6 5 7 1.
"""


def verify(
    package: Annotated[Path, typer.Argument(help="Package file, or the folder it was unpacked to.")],
    trust: Annotated[
        Path | None, typer.Option(help="Public key (PEM) of the signer, or a trust policy (JSON).")
    ] = None,
    level: Annotated[
        str | None, typer.Option(help="Level in question; default: the one the run claims.")
    ] = None,
    nonce: Annotated[
        str | None, typer.Option(help="The nonce that you gave the signer before the run.")
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(help="Address of a server: is it the one that was judged? (uses the network)"),
    ] = None,
    json: Json = False,
) -> None:
    """See HELP."""
    from dtc_cli.signing.verify import verify as run

    if nonce is not None and not nonce:
        raise DtcError(
            "usage", "the nonce is empty", where="--nonce ''", hint="leave --nonce out, or give one"
        )
    result = run(package, trust, None if level is None else level_named(level), nonce, target=target)
    if json:
        console.emit_json(result.as_dict())
    else:
        _print(result)
    if result.exit_code:
        raise typer.Exit(int(result.exit_code))


verify.__doc__ = HELP


def _print(result: "VerifyResult") -> None:
    rows = [(str(check.number), check.name, check.status.value, check.reason) for check in result.checks]
    console.table(("#", "check", "result", "reason"), rows)
    console.out()
    if result.summary:
        target = result.summary["target"]
        console.out(
            f"target      {target['name']} {target['version']} of {target['vendor']}, {target['city']}"
        )
        console.out(f"run         {result.summary['runId']}, {result.summary['mode']}")
    failed = next((check for check in result.checks if check.code is result.exit_code), None)
    why = f"   (check {failed.number}: {failed.reason})" if failed else ""
    authentic = "yes" if result.authentic else "no"
    conformant = "no" if result.conformant is None else result.conformant.value
    console.out(f"AUTHENTIC:  {authentic}{'' if result.authentic else why}")
    console.out(f"CONFORMANT: {conformant}{why if result.authentic else ''}")
