"""`dtc registry`: keep and check a public register of certificates."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dtc_cli import console
from dtc_cli.commands import signers
from dtc_cli.commands.options import Json
from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from dtc_cli.signing.note import Verifier

app = typer.Typer(
    help="Keep and check a public register: an append-only log as plain files.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

INIT_HELP = """Make an empty registry in a folder, which any web server or USB stick can carry.

\b
Examples:
  dtc keys generate log --role log && dtc keys generate registry --role registry
  dtc registry init registry/ --name "City Body" --origin body.example/log --issuer https://body.example

\b
Exit codes: 0 made, 2 there is one already, a key is missing or of the wrong kind, or nothing can be written.
"""

NONCE_HELP = """Give out a nonce for a run that is about to begin; it stands in the log before it is told.

Without a run that answers it in time it is shown as abandoned, so that nobody runs until it is green.

\b
Examples:
  dtc registry nonce registry/ --target "Busan Twin" --vendor "Example Works"
  dtc certify target.yaml --nonce "$(dtc registry nonce registry/ --target 'Busan Twin' --vendor Works)"

\b
Exit codes: 0 given, 2 it is no registry, or a key is missing, 3 the registry does not hold, 4 another key.
"""

ADD_HELP = """Put a run into the log, passed or failed, once.

\b
Examples:
  dtc registry add registry/ busan.dtcpack.tar.gz --policy dtc-trust.json
  dtc registry add registry/ busan.dtcpack.tar.gz --policy dtc-trust.json --need-nonce

\b
Exit codes: 0 added, 2 usage, 3 package or registry do not hold, 4 the package's signer is not trusted, 5 the
run is there already, or answers no nonce of this registry.
"""

PROVE_HELP = """Write the proof that an entry stands in the log, with the signed checkpoint.

\b
Examples:
  dtc registry prove registry/ 12 --out entry-12.tlog-proof
  dtc registry prove registry/ 12 --package busan.dtcpack.tar.gz

\b
Exit codes: 0 written, 2 it is no registry, or has no such entry, 3 the registry does not hold.
"""

VERIFY_HELP = """Compute a registry anew: entries, tiles, root, signature, certificates, badges, statuses.

\b
Examples:
  dtc registry verify registry/ --log-key "body.example/log+1a2b3c4d+AZ..."
  dtc registry verify registry/ --proof entry-12.tlog-proof --log-key "body.example/log+1a2b3c4d+AZ..."

\b
Exit codes: 0 all of it holds, 2 it is no registry, 3 something does not hold, 4 it holds, but --log-key was
not given, so that nobody says whose log it is.
"""

MONITOR_HELP = """Look at a registry again and make sure that it only grew since you looked last.

The state file keeps the checkpoint that you saw. Rechecks that are due, certificates that ended and abandoned
runs are listed.

\b
Examples:
  dtc registry monitor registry/ --state seen.json --log-key "body.example/log+1a2b3c4d+AZ..."

\b
Exit codes: 0 it only grew and nothing is due, 2 it is no registry, 3 history was rewritten or it does not
hold, 5 something is due.
"""

BUILD_HELP = """Make the web site of a registry: plain files that open from disk, without network or script.

\b
Examples:
  dtc registry build registry/ --out site/

\b
Exit codes: 0 made, 2 it is no registry, or nothing can be written, 3 the registry does not hold.
"""

Folder = Annotated[Path, typer.Argument(metavar="REGISTRY", help="Folder of the registry.")]
LogKeyName = Annotated[str, typer.Option("--log-key", help="Your key (role log) that signs checkpoints.")]
LogKey = Annotated[
    str | None, typer.Option("--log-key", metavar="NAME+HINT+KEY", help="The log's key as you keep it.")
]
Policy = Annotated[Path, typer.Option("--policy", help="Your trust policy (JSON).")]


@app.command(help=INIT_HELP)
def init(
    folder: Folder,
    name: Annotated[str, typer.Option(help="Your name, as certificates shall show it.")],
    origin: Annotated[str, typer.Option(help="Name of the log, like a host and a path, without blanks.")],
    issuer: Annotated[str, typer.Option(help="URI that names you; the registry is published there.")],
    log_key: LogKeyName = "log",
    key: signers.KeyName = "registry",
    passphrase_file: signers.PassphraseFile = None,
    passphrase_env: signers.PassphraseEnv = None,
    json: Json = False,
) -> None:
    """See INIT_HELP."""
    from dtc_cli.registry import log
    from dtc_cli.signing import note, public_keys

    signer = signers.chosen(log_key, passphrase_file, passphrase_env)
    body = signers.chosen(key, passphrase_file, passphrase_env)
    with holding(folder, ExitCode.USAGE):
        who = note.named(origin, signer.public)
    about = log.About(
        dtc_registry=1,
        name=name,
        origin=origin,
        issuer=issuer.rstrip("/"),
        log_key=str(who),
        issuer_key_pem=public_keys.to_pem(body.public).decode(),
    )
    log.create(folder, about, signer)
    if json:
        console.emit_json({"registry": str(folder), "logKey": str(who), "issuerKeyid": body.keyid})
    else:
        console.out(f"made the registry {folder}")
        console.out(f"  log key  {who}   (give it to who checks the registry)")


@app.command(help=NONCE_HELP)
def nonce(
    folder: Folder,
    target: Annotated[str, typer.Option(help="Name of the product, as in the target file.")],
    vendor: Annotated[str, typer.Option(help="Who asks.")],
    hours: Annotated[int, typer.Option(min=1, max=24 * 31, help="How long a run may begin with it.")] = 24,
    log_key: LogKeyName = "log",
    passphrase_file: signers.PassphraseFile = None,
    passphrase_env: signers.PassphraseEnv = None,
    json: Json = False,
) -> None:
    """See NONCE_HELP."""
    from dtc_cli.registry import office

    made = office.give_nonce(
        folder,
        signers.chosen(log_key, passphrase_file, passphrase_env),
        target=target,
        vendor=vendor,
        hours=hours,
    )
    if json:
        console.emit_json({"nonce": made.nonce, "expires": made.expires, "entry": made.seq})
    else:
        console.out(made.nonce)
        console.status(f"good until {made.expires}, entry {made.seq}")


@app.command(help=ADD_HELP)
def add(
    folder: Folder,
    package: Annotated[Path, typer.Argument(help="Signed package.")],
    policy: Policy,
    need_nonce: Annotated[
        bool, typer.Option("--need-nonce", help="Refuse a run that answers no nonce of this registry.")
    ] = False,
    log_key: LogKeyName = "log",
    passphrase_file: signers.PassphraseFile = None,
    passphrase_env: signers.PassphraseEnv = None,
    json: Json = False,
) -> None:
    """See ADD_HELP."""
    from dtc_cli.registry import office

    signer = signers.chosen(log_key, passphrase_file, passphrase_env)
    made = office.register(folder, signer, package, policy, need_nonce=need_nonce)
    if json:
        console.emit_json(
            {"entry": made.seq, "runId": made.run_id, "verdict": made.verdict, "nonce": made.nonce}
        )
    else:
        console.out(f"entry {made.seq}: run {made.run_id} of {made.target}, {made.verdict}")


@app.command(help=PROVE_HELP)
def prove(
    folder: Folder,
    seq: Annotated[int, typer.Argument(metavar="ENTRY", min=0, help="Number of the entry.")],
    out: Annotated[Path | None, typer.Option("--out", help="File to write; stdout without it.")] = None,
    package: Annotated[
        Path | None, typer.Option(help="Registered package that the proof is put into, with its entry.")
    ] = None,
    json: Json = False,
) -> None:
    """See PROVE_HELP."""
    from dtc_cli.registry import log
    from dtc_cli.signing import attestation, layout

    found = log.read(folder)
    try:
        proof = log.prove(found, seq)
    except ValueError as problem:
        raise DtcError(
            "no-entry", str(problem), where=str(folder), hint=f"entries 0 to {len(found.entries) - 1}"
        ) from problem
    if package is not None:
        attestation.replace(package, package, layout.PROOF, proof)
        out = out or package
    elif out is not None:
        signers.write(out, proof)
    if json:
        console.emit_json({"entry": seq, "data": found.data[seq].decode(), "proof": proof.decode()})
    elif out is None:
        console.out(proof.decode().rstrip("\n"))
    else:
        console.status(f"wrote {out}")


@app.command(help=VERIFY_HELP)
def verify(
    folder: Folder,
    log_key: LogKey = None,
    proof: Annotated[
        Path | None, typer.Option("--proof", help="Check this inclusion proof against the entries.")
    ] = None,
    json: Json = False,
) -> None:
    """See VERIFY_HELP."""
    from dtc_cli.registry import log, office
    from dtc_cli.signing import note
    from dtc_cli.signing.refusal import Refusal

    who = verifier(log_key)
    found = log.read(folder, who)
    with holding(folder):
        files = office.check_files(folder, found)
        if proof is not None:
            data = signers.read(proof)
            lines = [line for line in data.split(b"\n")[1:3] if line.startswith(b"index ")]
            number = lines[0].removeprefix(b"index ") if lines else b""
            if not number.isdigit() or int(number) >= len(found.data):
                raise Refusal("the proof is of no entry of this log")
            log.check_proof(data, found.data[int(number)], who or note.verifier(found.about.log_key))
    code = ExitCode.OK if who else ExitCode.UNTRUSTED
    if json:
        console.emit_json(
            {"registry": str(folder), "origin": found.about.origin, "entries": len(found.entries),
             "root": found.checkpoint.root.hex(), "files": files, "trusted": who is not None,
             "exitCode": int(code)}
        )  # fmt: skip
    else:
        console.out(
            f"{len(found.entries)} entries of {found.about.origin}, root {found.checkpoint.root.hex()}"
        )
        console.out(f"{files} certificate files are as the log says")
        if who is None:
            console.out("UNTRUSTED: --log-key was not given, so nobody says whose log it is")
    if code:
        raise typer.Exit(int(code))


@app.command(help=MONITOR_HELP)
def monitor(
    folder: Folder,
    state: Annotated[Path, typer.Option(help="File that keeps what you saw; made at the first time.")],
    log_key: LogKey = None,
    json: Json = False,
) -> None:
    """See MONITOR_HELP."""
    from dtc_cli.registry import entry, log
    from dtc_cli.signing import note

    found = log.read(folder, verifier(log_key))
    before = None
    if state.exists():
        with holding(state):
            before = note.check(signers.read(state), note.verifier(found.about.log_key))
            log.grown(found, before)
    now, register = datetime.now(UTC), entry.derive(found.entries)
    due = [
        f"{held.issued.target} {held.issued.product_version}, {held.issued.level}: {held.state(now)}"
        for held in register.certificates.values()
        if held.state(now) in ("recheck overdue", "expired")
    ]
    due += [f"{each.target}, asked {each.at}: abandoned run" for each in entry.abandoned(register, now)]
    signers.write(state, found.note)
    seen = before.size if before else 0
    if json:
        console.emit_json({"before": seen, "now": found.checkpoint.size, "due": due})
    else:
        console.out(f"{seen} entries before, {found.checkpoint.size} now; nothing was rewritten")
        for line in due:
            console.out(f"- {line}")
    if due:
        raise typer.Exit(int(ExitCode.STALE))


@app.command(help=BUILD_HELP)
def build(
    folder: Folder,
    out: Annotated[Path, typer.Option("--out", help="Folder of the site.")],
    json: Json = False,
) -> None:
    """See BUILD_HELP."""
    from dtc_cli.registry import log, office, site

    found = log.read(folder)
    with holding(folder):
        office.check_files(folder, found)
        written = site.build(folder, found, out, datetime.now(UTC))
    if json:
        console.emit_json({"files": [str(path) for path in written]})
    else:
        console.out(f"wrote {out / 'index.html'} and {len(written) - 1} files beside it")


@contextmanager
def holding(place: Path, code: ExitCode | None = None) -> Iterator[None]:
    """Turns a refusal into an error with its exit code."""
    from dtc_cli.signing.refusal import Refusal

    try:
        yield
    except Refusal as problem:
        raise DtcError(
            "refused",
            f"{place.name or place} does not hold",
            where=str(place),
            why=problem.reason,
            hint="fetch it again; if it stays so, ask whoever keeps it",
            exit_code=code or problem.code,
        ) from problem


def verifier(text: str | None) -> "Verifier | None":
    """The log's key that an option names; None without one."""
    from dtc_cli.signing import note

    if text is None:
        return None
    with holding(Path("--log-key"), ExitCode.USAGE):
        return note.verifier(text)
