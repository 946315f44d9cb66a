"""`dtc certificate`: issue certificates for audited packages, keep them, and show them."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dtc_cli import console
from dtc_cli.commands import signers
from dtc_cli.commands.options import Json
from dtc_cli.commands.options import level as level_named
from dtc_cli.commands.registry import Folder, LogKeyName, Policy, holding
from dtc_cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from dtc_cli.registry.entry import Entry, Kind
    from dtc_cli.registry.office import Keys
    from dtc_cli.signing.public_keys import PublicKey

app = typer.Typer(
    help="Issue certificates for packages, and keep and show them.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

ISSUE_HELP = """Issue a certificate for a package that your policy finds conformant, for a year.

It is an Open Badges 3.0 credential, signed as VC-JWT (ES256), with a badge that carries it, and an entry of
the registry's log with its proof. The evidence counts for 92 days; `dtc certificate recheck` takes a newer
run.

\b
Examples:
  dtc certificate issue registry/ busan.dtcpack.tar.gz --policy dtc-trust.json --level gold

\b
Exit codes: 0 issued, otherwise the code of `dtc verify`: 1 not conformant, 2 usage, 3 package or registry
do not hold, 4 not trusted, or another key, 5 stale, 6 incomplete, 7 cannot be decided.
"""

RENEW_HELP = """Issue the certificate that follows another one of the same product.

\b
Examples:
  dtc certificate renew registry/ 7d1c... busan-2027.dtcpack.tar.gz --policy dtc-trust.json --level gold

\b
Exit codes: as `dtc certificate issue`; 5 also when the old certificate was revoked or is of another product.
"""

RECHECK_HELP = """Bear a certificate out for another quarter with a newer run of the same product and version.

\b
Examples:
  dtc certificate recheck registry/ 7d1c... busan-april.dtcpack.tar.gz --policy dtc-trust.json

\b
Exit codes: as `dtc certificate issue`; 5 also when there is no such certificate, or of another product.
"""

SUSPEND_HELP = """Suspend a certificate for a time, or lift a suspension (--lift).

\b
Examples:
  dtc certificate suspend registry/ 7d1c... --reason "recheck overdue"
  dtc certificate suspend registry/ 7d1c... --lift --reason "recheck passed"

\b
Exit codes: 0 done, 2 usage, 3 the registry does not hold, 4 another key, 5 there is no such certificate, or
it is in that state already.
"""

REVOKE_HELP = """Revoke a certificate for good.

\b
Examples:
  dtc certificate revoke registry/ 7d1c... --reason "the product was changed"

\b
Exit codes: 0 done, 2 usage, 3 the registry does not hold, 4 another key, 5 there is no such certificate, or
it was revoked already.
"""

SHOW_HELP = """Check a certificate or a badge: signature, time, status and age of its evidence.

CERTIFICATE is certificate.vc.jwt or badge.svg; with --registry the log says whether it was suspended,
revoked or rechecked. A folder of a registry lists all its certificates.

\b
Examples:
  dtc certificate show certificate.vc.jwt --trust body.pub --registry registry/
  dtc certificate show badge.svg --trust body.pub
  dtc certificate show registry/

\b
Exit codes: 0 valid, 2 it is no certificate, 3 a signature or the registry does not hold, 4 no key or
another one, 5 expired, suspended, revoked, or its evidence is older than 92 days, 7 without --registry
nobody can tell.
"""

Identifier = Annotated[str, typer.Argument(metavar="ID", help="Id of the certificate (UUID).")]
Reason = Annotated[str, typer.Option(help="Why, in a few words; it is published.")]
Package = Annotated[Path, typer.Argument(metavar="PACKAGE", help="Signed package.")]
LevelName = Annotated[str, typer.Option("--level", help="Level to certify.")]


@app.command(help=ISSUE_HELP)
def issue(
    folder: Folder,
    package: Package,
    policy: Policy,
    level: LevelName,
    log_key: LogKeyName = "log",
    key: signers.KeyName = "registry",
    passphrase_file: signers.PassphraseFile = None,
    passphrase_env: signers.PassphraseEnv = None,
    json: Json = False,
) -> None:
    """See ISSUE_HELP."""
    from dtc_cli.registry import office

    wanted, keys = level_named(level), _keys(log_key, key, passphrase_file, passphrase_env)
    with holding(folder):
        made, place = office.issue(folder, keys, package, policy, wanted)
    _told(made, json=json, folder=str(place))


@app.command(help=RENEW_HELP)
def renew(
    folder: Folder,
    identifier: Identifier,
    package: Package,
    policy: Policy,
    level: LevelName,
    log_key: LogKeyName = "log",
    key: signers.KeyName = "registry",
    passphrase_file: signers.PassphraseFile = None,
    passphrase_env: signers.PassphraseEnv = None,
    json: Json = False,
) -> None:
    """See RENEW_HELP."""
    from dtc_cli.registry import office

    wanted, keys = level_named(level), _keys(log_key, key, passphrase_file, passphrase_env)
    with holding(folder):
        made, place = office.issue(folder, keys, package, policy, wanted, follows=identifier)
    _told(made, json=json, folder=str(place))


@app.command(help=RECHECK_HELP)
def recheck(
    folder: Folder,
    identifier: Identifier,
    package: Package,
    policy: Policy,
    log_key: LogKeyName = "log",
    key: signers.KeyName = "registry",
    passphrase_file: signers.PassphraseFile = None,
    passphrase_env: signers.PassphraseEnv = None,
    json: Json = False,
) -> None:
    """See RECHECK_HELP."""
    from dtc_cli.registry import office

    keys = _keys(log_key, key, passphrase_file, passphrase_env)
    _told(office.recheck(folder, keys, package, policy, identifier), json=json)


@app.command(help=SUSPEND_HELP)
def suspend(
    folder: Folder,
    identifier: Identifier,
    reason: Reason,
    lift: Annotated[bool, typer.Option("--lift", help="End the suspension.")] = False,
    log_key: LogKeyName = "log",
    key: signers.KeyName = "registry",
    passphrase_file: signers.PassphraseFile = None,
    passphrase_env: signers.PassphraseEnv = None,
    json: Json = False,
) -> None:
    """See SUSPEND_HELP."""
    keys = _keys(log_key, key, passphrase_file, passphrase_env)
    _change(folder, keys, identifier, "resume" if lift else "suspend", reason, json=json)


@app.command(help=REVOKE_HELP)
def revoke(
    folder: Folder,
    identifier: Identifier,
    reason: Reason,
    log_key: LogKeyName = "log",
    key: signers.KeyName = "registry",
    passphrase_file: signers.PassphraseFile = None,
    passphrase_env: signers.PassphraseEnv = None,
    json: Json = False,
) -> None:
    """See REVOKE_HELP."""
    keys = _keys(log_key, key, passphrase_file, passphrase_env)
    _change(folder, keys, identifier, "revoke", reason, json=json)


@app.command(help=SHOW_HELP)
def show(
    certificate: Annotated[
        Path, typer.Argument(metavar="CERTIFICATE", help="Certificate, badge or registry.")
    ],
    trust: Annotated[
        Path | None, typer.Option(help="Public key (PEM) of the certification body, or a trust policy.")
    ] = None,
    registry: Annotated[Path | None, typer.Option(help="Folder of the registry.")] = None,
    json: Json = False,
) -> None:
    """See SHOW_HELP."""
    if certificate.is_dir():
        _list(certificate, json=json)
        return
    found = examine(certificate, trust, registry)
    if json:
        console.emit_json(found)
    else:
        print_found(found)
    if found["exitCode"]:
        raise typer.Exit(int(found["exitCode"]))


def examine(file: Path, trust: Path | None, registry: Path | None) -> dict[str, Any]:
    """What is known about a certificate, and the exit code for it."""
    from dtc_cli.core.canonical import sha256_hex
    from dtc_cli.registry import badge, credential, entry, jws, log, office
    from dtc_cli.signing import statement
    from dtc_cli.signing.refusal import Refusal
    from dtc_cli.signing.trust import MAX_AGE_DAYS

    data, now = signers.read(file), datetime.now(UTC)
    picture = data.lstrip()[:1] == b"<"
    with holding(file):
        token = badge.extract(data) if picture else data.decode("utf-8", "replace").strip()
        key = _issuer(jws.read(token, credential.TYPE).keyid, trust)
        if key is None:
            return {"state": "UNTRUSTED: no trusted key of a certification body signed it", "exitCode": 4}
        payload, facts = credential.verify(token, key)
        if picture and data != badge.render(token, payload, facts):
            raise Refusal("the picture shows something else than its certificate says")
    end = statement.instant(payload["validUntil"])
    age = (now - statement.instant(facts.run_finished)).days
    if now < statement.instant(payload["validFrom"]):
        state, code = "not valid yet", ExitCode.STALE
    elif now >= end:
        state, code = "expired", ExitCode.STALE
    elif registry is None:
        old = age > MAX_AGE_DAYS
        state = f"signed; evidence {age} days old" + (
            ", too old" if old else "; without --registry nobody can tell whether it was revoked"
        )
        code = ExitCode.STALE if old else ExitCode.CANNOT_DECIDE
    else:
        found = log.read(registry)
        identifier = payload["id"].removeprefix("urn:uuid:")
        with holding(registry):
            office.check_files(registry, found)
            held = entry.derive(found.entries).certificates.get(identifier)
            if held is None or held.issued.credential != sha256_hex(token.encode()):
                raise Refusal("the log of this registry issued no such certificate")
        state = held.state(now)
        code = ExitCode.OK if state == "valid" else ExitCode.STALE
        reason = held.revoked or held.suspended
        state += f": {reason}" if reason else ""
    return {
        "id": payload["id"], "name": payload["name"], "product": facts.product, "version": facts.version,
        "vendor": facts.vendor, "city": facts.city, "level": facts.level.value,
        "issuer": payload["issuer"]["name"],
        "validFrom": payload["validFrom"], "validUntil": payload["validUntil"], "statement": facts.statement,
        "runFinished": facts.run_finished, "tlsSpki": list(facts.tls_spki),
        "state": state, "exitCode": int(code),
    }  # fmt: skip


def print_found(found: dict[str, Any]) -> None:
    """The result for a person."""
    if "id" in found:
        console.out(
            f"{found['name']}: {found['product']} {found['version']} of {found['vendor']}, {found['city']}"
        )
        console.out(f"issued by  {found['issuer']}, {found['id']}")
        console.out(f"valid      {found['validFrom']} to {found['validUntil']}")
        console.out(f"evidence   {found['statement']}, run ended {found['runFinished']}")
    console.out(f"state      {found['state']}")


def _issuer(keyid: str, trust: Path | None) -> "PublicKey | None":
    from dtc_cli.signing import trust as trusts

    if trust is None:
        return None
    policy = trusts.load(trust)
    if policy.revocation(keyid) is not None:
        return None
    fitting = [key for key in policy.of(keyid) if policy.kind == "key" or key.role == "registry"]
    return fitting[0].public if fitting else None


def _list(folder: Path, *, json: bool) -> None:
    from dtc_cli.registry import entry, log

    now = datetime.now(UTC)
    held = entry.derive(log.read(folder).entries).certificates.values()
    rows = [
        (each.id, f"{each.issued.target} {each.issued.product_version}", each.issued.level, each.state(now),
         each.issued.not_after[:10], f"{each.recheck_due:%Y-%m-%d}")
        for each in held
    ]  # fmt: skip
    if json:
        names = ("id", "product", "level", "state", "validUntil", "recheckDue")
        console.emit_json({"certificates": [dict(zip(names, row, strict=True)) for row in rows]})
    else:
        console.table(("id", "product", "level", "state", "until", "recheck due"), rows)


def _keys(log_key: str, key: str, file: Path | None, env: str | None) -> "Keys":
    from dtc_cli.registry.office import Keys

    return Keys(signers.chosen(log_key, file, env), signers.chosen(key, file, env))


def _change(folder: Path, keys: "Keys", identifier: str, kind: "Kind", reason: str, *, json: bool) -> None:
    from dtc_cli.registry import office

    _told(office.change(folder, keys, identifier, kind, reason), json=json)


def _told(made: "Entry", *, json: bool, **more: str) -> None:
    if json:
        console.emit_json({"entry": made.seq, "type": made.type, "certificate": made.certificate, **more})
        return
    console.out(f"entry {made.seq}: {made.type} {made.certificate}")
    for name, value in more.items():
        console.out(f"  {name}  {value}")
