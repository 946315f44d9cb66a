"""`dtc trust`: whom you believe, and for what, in a file of your own."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dtc_cli import console
from dtc_cli.commands import signers
from dtc_cli.commands.options import Json, done
from dtc_cli.errors import DtcError, as_word
from dtc_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from dtc_cli.signing.public_keys import PublicKey

app = typer.Typer(
    help="Make and keep a trust policy: whom you believe, and for what.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

INIT_HELP = """Make a trust policy that trusts nobody yet.

\b
Examples:
  dtc trust init dtc-trust.json
  dtc trust init dtc-trust.json --expires 2027-12-31 --max-age-days 30

\b
Exit codes: 0 made, 2 the file exists already or cannot be written.
"""

ADD_HELP = """Believe a public key in a role.

Get the key on another way than a package: what lies in a package proves nothing.

\b
Examples:
  dtc trust add dtc-trust.json busan-works.pub --role vendor --org "Example Works"
  dtc trust add dtc-trust.json lab.pub --role lab --org "City Lab" --until 2027-12-31

\b
Exit codes: 0 added, 2 not a policy, not a public key, or it is there already.
"""

APPLY_HELP = """Take in a signed rotation or revocation of a key (dtc keys rotate, dtc keys revoke).

\b
Examples:
  dtc trust apply dtc-trust.json rotation.dsse.json

\b
Exit codes: 0 taken in, 2 not a policy, 4 the statement is refused: its signature, its key or its form.
"""

REVOKE_HELP = """Stop believing a key by your own decision, whatever its owner says.

\b
Examples:
  dtc trust revoke dtc-trust.json busan-works.pub --since 2026-11-01 --reason "seen on a public server"

\b
Exit codes: 0 revoked, 2 not a policy or not a public key.
"""

SHOW_HELP = """List whom a policy believes.

\b
Examples:
  dtc trust show dtc-trust.json

\b
Exit codes: 0 listed, 2 not a policy.
"""

CHECK_HELP = """Say what is wrong with a policy: expired, contradictory, or unable to be met.

\b
Examples:
  dtc trust check dtc-trust.json

\b
Exit codes: 0 nothing, 1 something, 2 not a policy, 5 expired.
"""

SIGN_HELP = """Sign a policy as one of its roots, so that readers can take it in from anywhere.

With --add the signature joins those of other roots in an envelope that exists already.

\b
Examples:
  dtc trust sign dtc-trust.json --key root --out dtc-trust.dsse.json
  dtc trust sign dtc-trust.json --key second-root --out dtc-trust.dsse.json --add

\b
Exit codes: 0 signed, 2 not a policy, no such key, or the file cannot be written.
"""

UPDATE_HELP = """Take in the next version of a policy that its roots published.

The version at hand decides: as many of its roots must have signed as it asks for, and the new one must be
newer. The first version is checked by root keys that you got on another way (--root, each must have signed).

\b
Examples:
  dtc trust update dtc-trust.json published.dsse.json
  dtc trust update dtc-trust.json published.dsse.json --root root.pub --root second-root.pub

\b
Exit codes: 0 taken in, 2 a file is not readable, 4 refused: not signed by enough roots, or not newer.
"""

DAYS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"]
PolicyFile = Annotated[Path, typer.Argument(metavar="POLICY", help="The policy file.")]
KeyFile = Annotated[Path, typer.Argument(metavar="KEY", help="Public key in PEM form.")]


@app.command(help=INIT_HELP)
def init(
    file: PolicyFile,
    expires: Annotated[
        datetime | None, typer.Option(formats=DAYS, help="Day on which it ceases to decide anything (UTC).")
    ] = None,
    max_age_days: Annotated[int, typer.Option(min=1, help="How old evidence may be.")] = 92,
    json: Json = False,
) -> None:
    """See INIT_HELP."""
    from dtc_cli.signing import policy

    made = policy.empty(max_age_days=max_age_days, expires=_text(expires))
    version = policy.write(file, made, new=True).version
    text = f"wrote {file}; dtc trust add {as_word(file)} KEY --role vendor --org NAME puts a key into it"
    done(text, json=json, policy=str(file), version=version)


@app.command(help=ADD_HELP)
def add(
    file: PolicyFile,
    key: KeyFile,
    role: Annotated[str, typer.Option(help="vendor, lab, auditor, registry or root.")],
    org: Annotated[str, typer.Option(help="Whose key it is.")],
    since: Annotated[
        datetime | None, typer.Option("--from", formats=DAYS, help="It may sign runs from this day on (UTC).")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--until", formats=DAYS, help="It may sign runs before this day (UTC).")
    ] = None,
    json: Json = False,
) -> None:
    """See ADD_HELP."""
    from dtc_cli.signing import policy, public_keys

    role_named(role, policy.KEY_ROLES)
    changed, public = policy.read(file), _public(key)
    policy.add_key(changed, public, role=role, org=org, valid_from=_text(since), valid_until=_text(until))
    made = policy.write(file, changed)
    keyid = public_keys.keyid(public)
    text = f"policy version {made.version} believes key {keyid[:16]} of {org} as {role}"
    done(text, json=json, policy=str(file), version=made.version, keyid=keyid, role=role, org=org)


@app.command(help=APPLY_HELP)
def apply(
    file: PolicyFile,
    statement: Annotated[Path, typer.Argument(metavar="STATEMENT", help="The signed statement.")],
    json: Json = False,
) -> None:
    """See APPLY_HELP."""
    from dtc_cli.signing import policy, succession
    from dtc_cli.signing.refusal import Refusal

    changed = policy.read(file)
    try:
        what = succession.apply(_bytes(statement), changed)
    except Refusal as problem:
        raise DtcError(
            "statement-refused",
            f"the statement {statement.name} is not taken in",
            where=str(statement),
            why=problem.reason,
            hint="ask whoever gave it to you; the policy was not changed",
            exit_code=ExitCode.UNTRUSTED,
        ) from problem
    made = policy.write(file, changed)
    text = f"policy version {made.version}: {what}"
    done(text, json=json, policy=str(file), version=made.version, done=what)


@app.command(help=REVOKE_HELP)
def revoke(
    file: PolicyFile,
    key: KeyFile,
    since: Annotated[datetime | None, typer.Option(formats=DAYS, help="Since when (UTC).")] = None,
    reason: Annotated[str, typer.Option(help="Why, in a few words.")] = "",
    json: Json = False,
) -> None:
    """See REVOKE_HELP."""
    from dtc_cli.signing import policy, public_keys

    changed, keyid = policy.read(file), public_keys.keyid(_public(key))
    moment = _text(since or datetime.now(UTC).replace(microsecond=0))
    policy.revoke(changed, keyid, since=moment or "", reason=reason)
    made = policy.write(file, changed)
    text = f"policy version {made.version} revokes key {keyid[:16]}"
    done(text, json=json, policy=str(file), version=made.version, keyid=keyid)


@app.command(help=SIGN_HELP)
def sign(
    file: PolicyFile,
    out: Annotated[Path, typer.Option("--out", help="Envelope to write.")],
    key: signers.KeyName = "root",
    passphrase_file: signers.PassphraseFile = None,
    passphrase_env: signers.PassphraseEnv = None,
    signer: signers.Command = None,
    signer_key: signers.CommandKey = None,
    add: Annotated[bool, typer.Option("--add", help="Join the signatures that are in --out.")] = False,
    json: Json = False,
) -> None:
    """See SIGN_HELP."""
    from dtc_cli.signing import policy, publication
    from dtc_cli.signing.refusal import Refusal

    policy.read(file)
    who = signers.chosen(key, passphrase_file, passphrase_env, signer, signer_key)
    try:
        made = publication.sign(_bytes(file), who, _bytes(out) if add else None)
    except Refusal as problem:
        raise DtcError("usage", problem.reason, where=str(out), hint="sign without --add") from problem
    signers.write(out, made)
    done(f"wrote {out}", json=json, policy=str(file), envelope=str(out), keyid=who.keyid)


@app.command(help=UPDATE_HELP)
def update(
    file: PolicyFile,
    published: Annotated[Path, typer.Argument(metavar="PUBLISHED", help="The signed envelope.")],
    root: Annotated[
        list[Path] | None, typer.Option("--root", help="Public key of a root, for the first version.")
    ] = None,
    json: Json = False,
) -> None:
    """See UPDATE_HELP."""
    from dtc_cli.signing import policy, publication, trust
    from dtc_cli.signing.refusal import Refusal

    current = None
    if file.exists():
        policy.read(file)
        current = trust.load(file)
    try:
        data, parsed = publication.accept(_bytes(published), current, [_public(key) for key in root or []])
    except Refusal as problem:
        raise DtcError(
            "policy-refused",
            f"the policy in {published.name} is not taken in",
            where=str(published),
            why=problem.reason,
            hint="ask its publisher; the policy at hand was not changed",
            exit_code=ExitCode.UNTRUSTED,
        ) from problem
    signers.write(file, data)
    text = f"policy version {parsed.version} taken in"
    done(text, json=json, policy=str(file), version=parsed.version)


@app.command(help=SHOW_HELP)
def show(file: PolicyFile, json: Json = False) -> None:
    """See SHOW_HELP."""
    from dtc_cli.signing import policy, trust

    value = policy.read(file)
    if json:
        console.emit_json(value)
        return
    parsed = trust.load(file)
    expires = f", until {parsed.expires:%Y-%m-%d}" if parsed.expires else ""
    console.out(f"policy version {parsed.version}{expires}; evidence counts for {parsed.max_age_days} days")
    rows = []
    for key in parsed.keys:
        revoked = parsed.revocation(key.keyid)
        start = f"{key.valid_from:%Y-%m-%d}" if key.valid_from else ""
        end = f"{key.valid_until:%Y-%m-%d}" if key.valid_until else ""
        state = f"revoked since {revoked.invalid_since:%Y-%m-%d}" if revoked else "believed"
        rows.append((key.role, key.org, key.name or key.keyid, start, end, state))
    console.table(("role", "organisation", "key or name", "from", "until", "state"), rows)


@app.command(help=CHECK_HELP)
def check(file: PolicyFile, json: Json = False) -> None:
    """See CHECK_HELP."""
    from dtc_cli.signing import policy, trust

    policy.read(file)
    now, parsed = datetime.now(UTC), trust.load(file)
    found = policy.problems(parsed, now)
    expired = parsed.expires is not None and parsed.expires <= now
    code = ExitCode.STALE if expired else ExitCode.NOT_CONFORMANT if found else ExitCode.OK
    if json:
        console.emit_json(
            {"policy": str(file), "version": parsed.version, "problems": found, "exitCode": int(code)}
        )
    elif found:
        for problem in found:
            console.out(f"- {problem}")
    else:
        console.out(f"policy version {parsed.version}: {len(parsed.keys)} entries, nothing is wrong")
    if code:
        raise typer.Exit(int(code))


def role_named(text: str, roles: Sequence[str]) -> None:
    """Make sure that there is such a role.

    Raises:
        DtcError: `usage`.
    """
    if text not in roles:
        raise DtcError(
            "usage", f"there is no role {text}", where=f"--role {text}", hint=f"one of: {', '.join(roles)}"
        )


def _public(path: Path) -> "PublicKey":
    from dtc_cli.signing import public_keys

    try:
        return public_keys.read_pem(_bytes(path))
    except public_keys.UnusableKeyError as problem:
        raise DtcError(
            "key-unusable",
            f"the key {path.name} cannot be used",
            where=str(path),
            why=str(problem),
            hint="ask its owner for: dtc keys export-public NAME",
        ) from problem


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(1024 * 1024)
    except OSError as problem:
        raise DtcError(
            "not-readable", f"{path} cannot be read", where=str(path), why=problem.strerror or ""
        ) from problem


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")
