"""`dtc attest`: statements of a certification body about a package."""

from pathlib import Path
from typing import Annotated

import typer

from dtc_cli import console
from dtc_cli.commands import signers
from dtc_cli.commands.options import Json
from dtc_cli.commands.options import level as level_named
from dtc_cli.exit_codes import ExitCode

app = typer.Typer(
    help="Sign the verdict of a certification body on a package.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

VSA_HELP = """Decide on a package as a certification body, and sign the decision (SLSA VSA v1).

The package is verified in full by your policy, for the level in question; what the policy asks of the
registry itself is not asked here, since this is it. The verdict, PASSED or FAILED, is laid beside the run.

\b
Examples:
  dtc attest vsa busan.dtcpack.tar.gz --policy dtc-trust.json --level gold --key body --id https://cert.example
  dtc attest vsa busan.dtcpack.tar.gz --policy dtc-trust.json --level silver --out decided.dtcpack.tar.gz

\b
Exit codes: 0 PASSED, otherwise the code of `dtc verify`: 1 not conformant, 2 usage, 3 integrity broken (no
verdict is signed), 4 not trusted, 5 stale, 6 incomplete, 7 cannot be decided (no verdict is signed).
"""


@app.command(help=VSA_HELP)
def vsa(
    package: Annotated[Path, typer.Argument(help="Package file, or the folder it was unpacked to.")],
    policy: Annotated[Path, typer.Option(help="Your trust policy (JSON).")],
    level: Annotated[str, typer.Option(help="Level in question.")],
    identifier: Annotated[
        str, typer.Option("--id", help="URI that names you as verifier.")
    ] = "urn:dtc:verifier:unnamed",
    key: signers.KeyName = "registry",
    passphrase_file: signers.PassphraseFile = None,
    passphrase_env: signers.PassphraseEnv = None,
    signer: signers.Command = None,
    signer_key: signers.CommandKey = None,
    out: Annotated[
        Path | None, typer.Option(help="Package to write; default: the given one is replaced.")
    ] = None,
    json: Json = False,
) -> None:
    """See VSA_HELP."""
    import msgspec

    from dtc_cli import __version__
    from dtc_cli.commands.audit import sound
    from dtc_cli.core.canonical import sha256_hex
    from dtc_cli.registry.rendered import rendered
    from dtc_cli.signing import attestation, layout
    from dtc_cli.signing import policy as policies
    from dtc_cli.signing import vsa as summaries
    from dtc_cli.signing.attestation import Digest
    from dtc_cli.signing.verify import verify

    wanted = level_named(level)
    who = signers.chosen(key, passphrase_file, passphrase_env, signer, signer_key)
    policies.read(policy)
    sound(package, None)
    attestation.writable(out or package)
    result = verify(package, policy, wanted, ask_registry=False, render=rendered)
    if result.exit_code in (ExitCode.INTEGRITY, ExitCode.CANNOT_DECIDE):
        raise typer.Exit(
            _told(result.exit_code, None, out or package, [c.reason for c in result.checks if c.code], json)
        )
    granted = result.exit_code is ExitCode.OK
    target = result.summary["target"]
    made = summaries.Summary(
        verifier=summaries.Verifier(id=identifier, version={"dtc": __version__}),
        time_verified=attestation.now(),
        resource_uri=summaries.resource_uri(target["name"], target["version"]),
        policy=summaries.Resource(uri=policy.name, digest=Digest(sha256_hex(signers.read(policy)))),
        input_attestations=tuple(
            summaries.Resource(uri=name, digest=Digest(digest)) for name, digest in result.statements.items()
        ),
        verification_result="PASSED" if granted else "FAILED",
        verified_levels=(summaries.level_name(wanted) if granted else summaries.FAILED,),
        slsa_version=summaries.SLSA_VERSION,
    )
    data = attestation.make(summaries.PREDICATE, made, result.summary["subject"], who)
    attestation.lay_beside(package, out or package, layout.beside("vsa", who.keyid), data, who)
    why = [check.reason for check in result.checks if check.code is not None]
    code = _told(result.exit_code, msgspec.to_builtins(made), out or package, why, json)
    if code:
        raise typer.Exit(code)


def _told(code: ExitCode, made: "dict[str, object] | None", package: Path, why: list[str], json: bool) -> int:
    if json:
        console.emit_json({"package": str(package), "verdict": made, "reasons": why, "exitCode": int(code)})
    elif made is None:
        console.out(f"no verdict: {why[0] if why else ''}")
    else:
        levels = made["verifiedLevels"]
        console.out(
            f"{made['verificationResult']}: {levels[0] if isinstance(levels, tuple | list) else levels}"
        )
        for reason in why:
            console.out(f"  {reason}")
    return int(code)
