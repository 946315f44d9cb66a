"""`dtc verify`: check a signed package without trusting its maker."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dtc_cli import console
from dtc_cli.commands.options import Json
from dtc_cli.commands.options import level as level_named
from dtc_cli.errors import DtcError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dtc_cli.signing.verify import VerifyResult

HELP = """Check a signed package: is it unchanged, who signed it, and does its evidence bear out its verdict?

Everything is computed again from the files; no network is used, except for --target. With --replay the
suites judge the recorded exchanges again, so that no verdict rests on the signer's word. Whom you trust is
your decision: --trust takes the signer's public key, obtained on another way than the package, or a trust
policy.

\b
Examples:
  dtc verify dtc-busan-twin-0190a1b2.dtcpack.tar.gz --trust busan-works.pub
  dtc verify package.dtcpack.tar.gz --trust dtc-trust.json --level silver --json
  dtc verify unpacked/ --trust busan-works.pub --nonce q83vEjRWeJCrze8SNFZ4kA
  dtc verify package.dtcpack.tar.gz --trust busan-works.pub --replay
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
    replay: Annotated[
        bool, typer.Option("--replay", help="Judge the recorded exchanges again with the own suites.")
    ] = False,
    reports: Annotated[
        bool, typer.Option("--reports", help="Make the reports in the package anew and compare them.")
    ] = False,
    json: Json = False,
) -> None:
    """See HELP."""
    from dtc_cli.signing.verify import verify as run

    if nonce is not None and not nonce:
        raise DtcError(
            "usage", "the nonce is empty", where="--nonce ''", hint="leave --nonce out, or give one"
        )
    result = run(
        package,
        trust,
        None if level is None else level_named(level),
        nonce,
        target=target,
        rejudge=rejudge if replay else None,
        render=_rendered if reports or replay else None,
    )
    if json:
        console.emit_json(result.as_dict())
    else:
        _print(result)
    if result.exit_code:
        raise typer.Exit(int(result.exit_code))


verify.__doc__ = HELP


def _rendered(folder: Path, names: "Sequence[str]") -> dict[str, bytes]:
    from dtc_cli.registry.rendered import rendered

    return rendered(folder, names)


def rejudge(folder: Path) -> str:
    """Judge a run folder again with the suites of this `dtc`.

    Raises:
        Refusal: a verdict does not follow from the recorded exchanges.
        Unavailable: other suites made the run, or it holds too little to be judged again.
    """
    from dtc_cli.commands.progress import shown
    from dtc_cli.exit_codes import ExitCode
    from dtc_cli.harness import replay
    from dtc_cli.signing.refusal import Refusal, Unavailable

    try:
        found = replay.replay(folder, shown)
    except DtcError as problem:
        if problem.exit_code is ExitCode.INTEGRITY:
            raise Refusal(problem.why or problem.what) from problem
        if problem.exit_code is ExitCode.BUG:
            raise
        raise Unavailable(f"{problem.what}: {problem.why}") from problem
    if not found.differences:
        return f"{found.judged} verdicts follow from the recorded exchanges"
    first = found.differences[0]
    text = f"{len(found.differences)} of {found.judged} verdicts come out otherwise, first {first.vector}: "
    text += f"recorded {first.recorded}, now {first.replayed}"
    if not found.same_suites:
        raise Unavailable(text + "; but other suites than these judged the run")
    raise Refusal(text)


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
        console.out(f"vouched     {result.summary['assessment']}")
    failed = next((check for check in result.checks if check.code is result.exit_code), None)
    why = f"   (check {failed.number}: {failed.reason})" if failed else ""
    authentic = "yes" if result.authentic else "no"
    conformant = "no" if result.conformant is None else result.conformant.value
    console.out(f"AUTHENTIC:  {authentic}{'' if result.authentic else why}")
    console.out(f"CONFORMANT: {conformant}{why if result.authentic else ''}")
