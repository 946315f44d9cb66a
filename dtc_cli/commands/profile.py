"""`dtc profile`: signed manifests of what a product, or a federation of them, supports (Annex I)."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dtc_cli import console
from dtc_cli.commands import signers
from dtc_cli.commands.options import Json
from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from dtc_cli.signing.bundle import Bundle
    from dtc_cli.signing.evidence import Evidence
    from dtc_cli.signing.profile import Federation, Manifest

app = typer.Typer(
    help="Sign and check manifests of what a product or a federation supports.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

BUILD_HELP = """Sign the profile manifest of a product, computed from a signed run of it.

Every requirement of the run's level is supported (it passed), excluded (with its justification) or partial
(with what came out). The target publishes the file; anybody can compute it again from the package.

\b
Examples:
  dtc profile build busan.dtcpack.tar.gz --name WIA-P4-INTEGRATION-Edge-only/2 --topology single-tenant-edge

\b
Exit codes: 0 signed, 2 usage, 3 the package does not hold.
"""

MERGE_HELP = """Sign the manifest of a federation: what at least one member does, and what every member does.

\b
Examples:
  dtc profile merge busan.profile.json ulsan.profile.json --name Coast-Federation/1 --out coast.profile.json

\b
Exit codes: 0 signed, 2 usage, 3 a manifest does not hold.
"""

VERIFY_HELP = """Check a manifest: its signature, whose it is, and that it follows from its run or members.

\b
Examples:
  dtc profile verify busan.profile.json --trust dtc-trust.json --package busan.dtcpack.tar.gz
  dtc profile verify coast.profile.json --trust dtc-trust.json --member busan.profile.json --member ulsan.json

\b
Exit codes: 0 it holds, 2 usage, 3 something in it does not hold, 4 the signer is not trusted, 7 it holds as
signed, but neither its package nor its members were given, so that nobody can tell whether it is true.
"""

Out = Annotated[Path, typer.Option("--out", help="File to write.")]
Name = Annotated[str, typer.Option("--name", metavar="NAME/VERSION", help="Name and version of the profile.")]


@app.command(help=BUILD_HELP)
def build(
    package: Annotated[Path, typer.Argument(help="Signed package of the run.")],
    name: Name,
    topology: Annotated[
        str,
        typer.Option(help="single-tenant-edge, multi-tenant-gateway, federated-mesh or air-gapped-batch."),
    ],
    out: Out = Path("profile.sigstore.json"),
    key: signers.KeyName = "default",
    passphrase_file: signers.PassphraseFile = None,
    passphrase_env: signers.PassphraseEnv = None,
    signer: signers.Command = None,
    signer_key: signers.CommandKey = None,
    json: Json = False,
) -> None:
    """See BUILD_HELP."""
    from dtc_cli.commands.audit import sound
    from dtc_cli.signing import attestation
    from dtc_cli.signing import profile as profiles
    from dtc_cli.signing.refusal import Refusal

    who = signers.chosen(key, passphrase_file, passphrase_env, signer, signer_key)
    sound(package, None)
    try:
        facts, sums = _facts(package)
        made = profiles.make(facts, name, topology, attestation.now())
    except Refusal as problem:
        raise _usage(problem) from problem
    signers.write(out, attestation.make(profiles.PROFILE, made, sums, who))
    counts = {state: sum(each.status == state for each in made.requirements.values()) for state in STATES}
    if json:
        console.emit_json({"file": str(out), "profile": name, "counts": counts})
    else:
        console.out(f"{out}: " + ", ".join(f"{count} {state}" for state, count in counts.items()))


STATES = ("supported", "partial", "excluded")


@app.command(help=MERGE_HELP)
def merge(
    manifests: Annotated[list[Path], typer.Argument(metavar="MANIFEST...", help="Profile manifests.")],
    name: Name,
    out: Out = Path("federation.sigstore.json"),
    key: signers.KeyName = "default",
    passphrase_file: signers.PassphraseFile = None,
    passphrase_env: signers.PassphraseEnv = None,
    json: Json = False,
) -> None:
    """See MERGE_HELP."""
    from dtc_cli.signing import attestation
    from dtc_cli.signing import profile as profiles
    from dtc_cli.signing.refusal import Refusal

    who = signers.chosen(key, passphrase_file, passphrase_env)
    members = {file.name: (signers.read(file), _manifest(file)) for file in manifests}
    if len(members) != len(manifests):
        raise DtcError("usage", "two manifests have the same file name", where="dtc profile merge")
    try:
        made = profiles.join(name, attestation.now(), members)
    except Refusal as problem:
        raise _usage(problem) from problem
    data = attestation.make(profiles.FEDERATION, made, profiles.subject(made.members), who)
    signers.write(out, data)
    counts = [list(each.values()).count("supported") for each in (made.union, made.intersection)]
    if json:
        console.emit_json(
            {"file": str(out), "members": len(members), "union": counts[0], "intersection": counts[1]}
        )
    else:
        console.out(f"{out}: {len(members)} members; {counts[0]} supported by one, {counts[1]} by all")


@app.command(help=VERIFY_HELP)
def verify(
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST", help="The manifest.")],
    trust: Annotated[
        Path | None, typer.Option(help="Public key (PEM) of the signer, or a trust policy (JSON).")
    ] = None,
    package: Annotated[Path | None, typer.Option(help="Package of the run that it rests on.")] = None,
    member: Annotated[list[Path] | None, typer.Option(help="Manifest of a member of the federation.")] = None,
    json: Json = False,
) -> None:
    """See VERIFY_HELP."""
    from dtc_cli.signing import profile as profiles
    from dtc_cli.signing.refusal import Refusal

    try:
        found, said = _read(manifest)
        trusted = _trusted(found, trust)
        if isinstance(said, profiles.Manifest):
            checked = package is not None
            if package is not None:
                facts, sums = _facts(package)
                _read(manifest, sums)
                profiles.follows(said, facts)
            counts = [each.status for each in said.requirements.values()].count("supported")
            words = f"{said.profile} of {said.product.name}: {counts} of {len(said.requirements)} supported"
        else:
            checked = member is not None
            members = {file.name: (signers.read(file), _manifest(file)) for file in member or ()}
            if checked and profiles.join(said.federation, said.made_at, members) != said:
                raise Refusal("the federation manifest does not follow from its members")
            words = f"{said.federation}: {len(said.members)} members"
    except Refusal as problem:
        raise _broken(manifest, problem) from problem
    code = ExitCode.UNTRUSTED if not trusted else ExitCode.OK if checked else ExitCode.CANNOT_DECIDE
    if json:
        console.emit_json({"says": words, "trusted": trusted, "checked": checked, "exitCode": int(code)})
    else:
        console.out(words)
        console.out("signed by a key that you trust" if trusted else "UNTRUSTED: no trusted key signed it")
        console.out("it follows from what it rests on" if checked else "what it rests on was not given")
    if code:
        raise typer.Exit(int(code))


def _read(file: Path, sums: str | None = None) -> "tuple[Bundle, Manifest | Federation]":
    """Bundle and content of a manifest; `sums` is the digest that a profile manifest has to be about."""
    from dtc_cli.signing import attestation, bundle, statement, strict_json
    from dtc_cli.signing import profile as profiles
    from dtc_cli.signing.refusal import Refusal

    found = bundle.parse(signers.read(file), file.name)
    payload = found.envelope.payload
    value = strict_json.parse(payload, "the statement")
    try:
        kind, about = value["predicateType"], value["subject"][0]["digest"]["sha256"]
    except (LookupError, TypeError) as problem:
        raise Refusal("it is no statement") from problem
    if found.envelope.payload_type != statement.PAYLOAD_TYPE:
        raise Refusal(f"the payload type is not {statement.PAYLOAD_TYPE}")
    if kind == profiles.PROFILE:
        return found, attestation.parse(payload, profiles.Manifest, kind, sums or about)
    said = attestation.parse(payload, profiles.Federation, profiles.FEDERATION, about)
    if profiles.subject(said.members) != about:
        raise Refusal("its subject is not the list of its members")
    return found, said


def _manifest(file: Path) -> "Manifest":
    from dtc_cli.signing import profile as profiles
    from dtc_cli.signing.refusal import Refusal

    try:
        said = _read(file)[1]
        if not isinstance(said, profiles.Manifest):
            raise Refusal("it is a federation's, not a product's")
    except Refusal as problem:
        raise _broken(file, problem) from problem
    return said


def _trusted(found: "Bundle", trust: Path | None) -> bool:
    from dtc_cli.signing import dsse
    from dtc_cli.signing import trust as trusts

    if trust is None:
        return False
    policy = trusts.load(trust)
    key = policy.public(found.keyid)
    if key is None or policy.revocation(found.keyid) is not None:
        return False
    dsse.verify(found.envelope, [key])
    return True


def _facts(package: Path) -> "tuple[Evidence, str]":
    from dtc_cli.core.canonical import sha256_hex
    from dtc_cli.signing import evidence, layout
    from dtc_cli.signing.reader import open_package

    with open_package(package) as files:
        return evidence.read(files), sha256_hex(files.read(layout.SUMS))


def _usage(problem: Exception) -> DtcError:
    return DtcError("usage", str(problem), where="dtc profile", hint="see dtc profile --help")


def _broken(file: Path, problem: Exception) -> DtcError:
    return DtcError(
        "manifest-refused",
        f"the manifest {file.name} does not hold",
        where=str(file),
        why=str(problem),
        hint="ask whoever gave it to you",
        exit_code=ExitCode.INTEGRITY,
    )
