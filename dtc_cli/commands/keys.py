"""`dtc keys`: make, list and hand out signing keys."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dtc_cli import console
from dtc_cli.commands.options import Json

if TYPE_CHECKING:
    from dtc_cli.signing.passphrase import Passphrase

app = typer.Typer(
    help="Make, list and hand out signing keys.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

GENERATE_HELP = """Make a signing key (ECDSA P-256) in your key folder.

The private half is encrypted with a passphrase that is asked for, unless an option says otherwise.

\b
Examples:
  dtc keys generate
  dtc keys generate busan-works --role vendor --no-passphrase
  dtc keys generate lab --role lab --passphrase-env LAB_KEY_PASSPHRASE

\b
Exit codes: 0 made, 2 the name is taken or not valid, or the passphrase cannot be read.
"""

SHOW_HELP = """List your keys; private halves stay closed.

\b
Examples:
  dtc keys show
  dtc keys show --json

\b
Exit codes: 0 listed, 2 the key folder cannot be read.
"""

EXPORT_PUBLIC_HELP = """Write the public half of a key as PEM, to give to whoever verifies your packages.

\b
Examples:
  dtc keys export-public busan-works --out busan-works.pub
  dtc keys export-public > default.pub

\b
Exit codes: 0 written, 2 there is no such key, or the file cannot be written.
"""

ROTATE_HELP = """Write the statement, signed by both, that one of your keys replaces another.

Whoever keeps a trust policy takes it in with `dtc trust apply`; packages that the old key signed stay valid.
One passphrase opens both keys.

\b
Examples:
  dtc keys rotate default busan-2027 --out rotation.dsse.json

\b
Exit codes: 0 written, 2 there is no such key, or a passphrase or the file is not usable.
"""

REVOKE_HELP = """Write the statement, signed by the key itself, that a key must not be believed any more.

Whoever keeps a trust policy takes it in with `dtc trust apply`. A revoked key counts for nothing, also for
packages that it signed before.

\b
Examples:
  dtc keys revoke default --reason "laptop stolen" --out revocation.dsse.json
  dtc keys revoke default --since 2026-11-01 --out revocation.dsse.json

\b
Exit codes: 0 written, 2 there is no such key, or a passphrase or the file is not usable.
"""

PassphraseFile = Annotated[
    Path | None, typer.Option("--passphrase-file", help="File whose first line is the passphrase.")
]
PassphraseEnv = Annotated[
    str | None, typer.Option("--passphrase-env", help="Environment variable that holds the passphrase.")
]


@app.command(help=GENERATE_HELP)
def generate(
    name: Annotated[str, typer.Argument(help="Name of the key: letters, digits, _ and -.")] = "default",
    role: Annotated[
        str, typer.Option(help="What it is for: vendor, lab, auditor, registry, root or log.")
    ] = "vendor",
    passphrase_file: PassphraseFile = None,
    passphrase_env: PassphraseEnv = None,
    no_passphrase: Annotated[
        bool, typer.Option("--no-passphrase", help="Leave the private key unencrypted (mode 0600).")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a key of that name.")] = False,
    as_json: Json = False,
) -> None:
    """See GENERATE_HELP."""
    from dtc_cli.signing import keys

    secret = None
    if no_passphrase:
        _refuse_both(passphrase_file is not None or passphrase_env is not None)
    else:
        secret = _new_passphrase(passphrase_file, passphrase_env)
    key = keys.generate(name, role, secret=secret, force=force)
    if as_json:
        console.emit_json({"name": key.name, "role": key.role, "keyid": key.keyid, "path": str(key.path)})
        return
    console.out(f"made the {role} key {name}")
    console.out(f"  keyid   {key.keyid}")
    console.out(f"  file    {key.path}   (never give it away)")
    console.out(f"  public  dtc keys export-public {name} --out {name}.pub   (give this one to who verifies)")


@app.command(help=SHOW_HELP)
def show(
    as_json: Json = False,
) -> None:
    """See SHOW_HELP."""
    from dtc_cli import paths
    from dtc_cli.signing import keys

    found = keys.stored()
    if as_json:
        console.emit_json(
            {
                "folder": str(paths.keys_home()),
                "keys": [
                    {
                        "name": key.name,
                        "role": key.role,
                        "keyid": key.keyid,
                        "algorithm": key.algorithm,
                        "encrypted": key.encrypted,
                        "createdAt": key.created_at,
                        "path": str(key.path),
                        "publicKeyPem": key.public_pem,
                    }
                    for key in found
                ],
            }
        )
        return
    if not found:
        console.out(f"there is no key in {paths.keys_home()}; dtc keys generate makes one")
        return
    console.table(
        ("name", "role", "keyid", "passphrase", "made"),
        (
            (key.name, key.role, key.keyid, "yes" if key.encrypted else "no", key.created_at or "")
            for key in found
        ),
    )


@app.command("export-public", help=EXPORT_PUBLIC_HELP)
def export_public(
    name: Annotated[str, typer.Argument(help="Name of the key.")] = "default",
    out: Annotated[Path | None, typer.Option("--out", help="File to write; stdout without it.")] = None,
    as_json: Json = False,
) -> None:
    """See EXPORT_PUBLIC_HELP."""
    from dtc_cli.signing import keys

    pem = keys.export_public(name)
    if as_json:
        if out is not None:
            _write(out, pem)
        console.emit_json({"name": name, "publicKeyPem": pem.decode(), "path": str(out) if out else None})
        return
    if out is None:
        console.out(pem.decode().rstrip("\n"))
        return
    _write(out, pem)


@app.command(help=ROTATE_HELP)
def rotate(
    old: Annotated[str, typer.Argument(help="Name of the key that is replaced.")],
    new: Annotated[str, typer.Argument(help="Name of the key that follows.")],
    out: Annotated[Path, typer.Option("--out", help="File to write the statement to.")],
    passphrase_file: PassphraseFile = None,
    passphrase_env: PassphraseEnv = None,
    json: Json = False,
) -> None:
    """See ROTATE_HELP."""
    from dtc_cli.errors import DtcError
    from dtc_cli.signing import keys, succession
    from dtc_cli.signing.refusal import Refusal

    source = _passphrase(passphrase_file, passphrase_env)
    try:
        statement = succession.rotate(keys.load(old, source), keys.load(new, source))
    except Refusal as problem:
        raise DtcError("usage", problem.reason, where=f"dtc keys rotate {old} {new}") from problem
    _write(out, statement, quiet=json)
    if json:
        console.emit_json({"statement": str(out), "old": old, "new": new})


@app.command(help=REVOKE_HELP)
def revoke(
    name: Annotated[str, typer.Argument(help="Name of the key.")],
    out: Annotated[Path, typer.Option("--out", help="File to write the statement to.")],
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"], help="Not to be believed since (UTC)."),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why, in a few words.")] = "",
    passphrase_file: PassphraseFile = None,
    passphrase_env: PassphraseEnv = None,
    json: Json = False,
) -> None:
    """See REVOKE_HELP."""
    from dtc_cli.signing import keys, succession

    key = keys.load(name, _passphrase(passphrase_file, passphrase_env))
    moment = None if since is None else since.replace(tzinfo=UTC)
    _write(out, succession.revoke(key, since=moment, reason=reason[:500]), quiet=json)
    if json:
        console.emit_json({"statement": str(out), "keyid": key.keyid})


def ask_passphrase(prompt: str, *, confirm: bool = False) -> bytes | None:
    """A passphrase from the person at the terminal; None when there is none to ask."""
    import sys

    if not sys.stdin.isatty():
        return None
    text: str = typer.prompt(prompt, hide_input=True, confirmation_prompt=confirm, err=True)
    return text.encode()


def _new_passphrase(file: Path | None, env: str | None) -> bytes:
    from dtc_cli.errors import DtcError
    from dtc_cli.signing import passphrase

    secret = passphrase.chosen(
        file, env, lambda: ask_passphrase("passphrase for the new key", confirm=True)
    )()
    if secret is None:
        raise DtcError(
            "usage",
            "there is nobody to ask for a passphrase",
            where="dtc keys generate",
            why="the standard input is not a terminal",
            hint="give --passphrase-file FILE, --passphrase-env NAME or --no-passphrase",
        )
    return secret


def _refuse_both(given: bool) -> None:
    from dtc_cli.errors import DtcError

    if given:
        raise DtcError(
            "usage", "--no-passphrase excludes a passphrase file or variable", hint="give one of the three"
        )


def _passphrase(file: Path | None, env: str | None) -> "Passphrase":
    from dtc_cli.signing import passphrase

    return passphrase.chosen(file, env, lambda: ask_passphrase("passphrase of the key"))


def _write(out: Path, data: bytes, *, quiet: bool = False) -> None:
    from dtc_cli.errors import DtcError

    try:
        out.write_bytes(data)
    except OSError as problem:
        raise DtcError(
            "not-written",
            f"{out} cannot be written",
            where=str(out),
            why=problem.strerror or "",
            hint="choose another file with --out",
        ) from problem
    if not quiet:
        console.status(f"wrote {out}")
