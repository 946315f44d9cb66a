"""`dtc attest submit|insert`: an air-gapped signature gets its log entry and time stamp later."""

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

SUBMIT_HELP = """Have a public log and a time stamp authority see a signature that was made without a network.

FILE is a package, or the small file attestations/run.sigstore.json taken out of one. Statement and signature
stay as they are; only digest, signature and public key go out. `dtc attest insert` carries the file back in.

\b
Examples:
  dtc attest submit busan.dtcpack.tar.gz --rekor https://log.example --tsa https://tsa.example/stamp
  dtc attest submit run.sigstore.json --key vendor.pub --rekor https://log.example --out logged.sigstore.json

\b
Exit codes: 0 done, 2 usage, 3 the bundle does not hold, 7 the services did not take it.
"""

INSERT_HELP = """Put a bundle that came back from a log into its package.

\b
Examples:
  dtc attest insert busan.dtcpack.tar.gz logged.sigstore.json

\b
Exit codes: 0 done, 2 usage, 3 it is not the bundle of this package.
"""


def join(app: typer.Typer) -> None:
    """Put the commands into `dtc attest`."""
    app.command("submit", help=SUBMIT_HELP)(submit)
    app.command("insert", help=INSERT_HELP)(insert)


def submit(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Package, or bundle of one.")],
    rekor: Annotated[str | None, typer.Option(help="Address of a log (Rekor v2).")] = None,
    tsa: Annotated[str | None, typer.Option(help="Address of an RFC 3161 authority.")] = None,
    key: Annotated[
        Path | None, typer.Option(help="Public key (PEM) that signed; a package carries a copy.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File to write; default: the given one is replaced.")
    ] = None,
    json: Json = False,
) -> None:
    """See SUBMIT_HELP."""
    from dtc_cli.signing import attestation, bundle, layout, public_keys
    from dtc_cli.signing import submit as submitting
    from dtc_cli.signing.dsse import verify
    from dtc_cli.signing.reader import open_package
    from dtc_cli.signing.refusal import Refusal

    if rekor is None and tsa is None:
        raise DtcError(
            "usage", "nobody was named to see it", where="--rekor", hint="--rekor URL, --tsa URL, or both"
        )
    alone = file.suffix == ".json"
    pem = None if key is None else signers.read(key)
    try:
        if alone:
            found = bundle.parse(signers.read(file), file.name)
        else:
            with open_package(file) as files:
                found = bundle.parse(files.read(layout.RUN_BUNDLE), layout.RUN_BUNDLE)
                place = f"{layout.KEYS}{found.keyid}.pub"
                pem = pem or (files.read(place) if place in files else None)
        if found.identity is not None:
            raise Refusal("an identity signed it, whose signature is logged already")
        if pem is None:
            raise DtcError("usage", "which key signed it?", where="--key", hint="--key PUBLIC-KEY.pem")
        public = public_keys.read_pem(pem)
        verify(found.envelope, [public])
    except (Refusal, public_keys.UnusableKeyError) as problem:
        reason = problem if isinstance(problem, Refusal) else Refusal(str(problem))
        raise attestation.refused(file, reason) from problem
    attestation.writable(out or file)
    data = submitting.submit(found, public, rekor=rekor, tsa=tsa)
    if alone:
        signers.write(out or file, data)
    else:
        attestation.replace(file, out or file, layout.RUN_BUNDLE, data)
    made = bundle.parse(data, "the bundle")
    if json:
        console.emit_json(
            {"file": str(out or file), "entries": len(made.entries), "timestamps": len(made.stamps)}
        )
    else:
        console.out(f"{len(made.entries)} log entries and {len(made.stamps)} time stamps in {out or file}")


def insert(
    package: Annotated[Path, typer.Argument(help="Package file, or the folder it was unpacked to.")],
    file: Annotated[Path, typer.Argument(metavar="BUNDLE", help="The bundle that came back.")],
    out: Annotated[
        Path | None, typer.Option(help="Package to write; default: the given one is replaced.")
    ] = None,
    json: Json = False,
) -> None:
    """See INSERT_HELP."""
    from dtc_cli.signing import attestation, bundle, layout
    from dtc_cli.signing.reader import open_package
    from dtc_cli.signing.refusal import Refusal

    try:
        fresh = bundle.parse(signers.read(file), file.name)
        with open_package(package) as files:
            held = bundle.parse(files.read(layout.RUN_BUNDLE), layout.RUN_BUNDLE)
        if _core(fresh) != _core(held):
            raise Refusal("it is the bundle of another package, or of another signature")
    except Refusal as problem:
        raise attestation.refused(file, problem) from problem
    attestation.writable(out or package)
    attestation.replace(package, out or package, layout.RUN_BUNDLE, fresh.data)
    if json:
        console.emit_json(
            {"package": str(out or package), "entries": len(fresh.entries), "exitCode": int(ExitCode.OK)}
        )
    else:
        console.out(
            f"{out or package} now carries {len(fresh.entries)} log entries, {len(fresh.stamps)} time stamps"
        )


def _core(found: "Bundle") -> tuple[object, str]:
    return found.envelope, found.keyid
