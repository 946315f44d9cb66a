"""`dtc certificate`: issue certificates for audited packages, keep them, and show them."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dtc_cli import console
from dtc_cli.commands import signers
from dtc_cli.commands.options import Json
from dtc_cli.commands.options import level as level_named
from dtc_cli.commands.registry import Folder, LogKey, LogKeyName, Policy, holding, verifier
from dtc_cli.errors import DtcError

if TYPE_CHECKING:
    from dtc_cli.registry.entry import Entry, Kind
    from dtc_cli.registry.office import Keys

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

The run must follow the newest one that the certificate rests on: dtc certify --recheck PACKAGE.

\b
Examples:
  dtc certificate recheck registry/ 7d1c... busan-april.dtcpack.tar.gz --policy dtc-trust.json

\b
Exit codes: as `dtc certificate issue`; 5 also when there is no such certificate, or the run is of another
product or follows another run.
"""

SUSPEND_HELP = """Suspend a certificate for a time, or lift a suspension (--lift).

--overdue suspends every certificate whose quarterly recheck was missed, and signs the status lists with
today's date; run it every day. The next recheck ends such a suspension by itself.

\b
Examples:
  dtc certificate suspend registry/ 7d1c... --reason "under inquiry"
  dtc certificate suspend registry/ --overdue
  dtc certificate suspend registry/ 7d1c... --lift --reason "nothing found"

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
Exit codes: 0 valid, 2 no such file, 3 a signature or the registry does not hold, 4 no key or another
one (a recheck counts only with --log-key, or a policy that names the log), 5 expired, suspended, revoked, or
its evidence or the status lists are older than 92 days, 7 without --registry nobody can tell.
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
    _issue(folder, package, policy, level, _keys(log_key, key, passphrase_file, passphrase_env), json=json)


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
    keys = _keys(log_key, key, passphrase_file, passphrase_env)
    _issue(folder, package, policy, level, keys, follows=identifier, json=json)


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
    identifier: Annotated[
        str | None, typer.Argument(metavar="ID", help="Id of the certificate (UUID).")
    ] = None,
    reason: Reason = "",
    overdue: Annotated[
        bool, typer.Option("--overdue", help="Every certificate whose recheck was missed.")
    ] = False,
    lift: Annotated[bool, typer.Option("--lift", help="End the suspension.")] = False,
    log_key: LogKeyName = "log",
    key: signers.KeyName = "registry",
    passphrase_file: signers.PassphraseFile = None,
    passphrase_env: signers.PassphraseEnv = None,
    json: Json = False,
) -> None:
    """See SUSPEND_HELP."""
    if overdue == (identifier is not None) or (not overdue and not reason) or (overdue and lift):
        raise DtcError(
            "usage",
            "name one certificate with a reason, or --overdue",
            where="dtc certificate suspend",
            hint='dtc certificate suspend registry/ ID --reason "..."',
        )
    keys = _keys(log_key, key, passphrase_file, passphrase_env)
    if identifier is not None:
        _change(folder, keys, identifier, "resume" if lift else "suspend", reason, json=json)
        return
    from dtc_cli.registry import office

    made = office.suspend_overdue(folder, keys, datetime.now(UTC))
    if json:
        console.emit_json({"suspended": [each.certificate for each in made]})
    else:
        console.out(f"{len(made)} certificates suspended, status lists signed anew")
        for each in made:
            console.out(f"- {each.certificate}")


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
    log_key: LogKey = None,
    json: Json = False,
) -> None:
    """See SHOW_HELP."""
    if certificate.is_dir():
        _list(certificate, json=json)
        return
    found = examine(certificate, trust, registry, log_key)
    if json:
        console.emit_json(found)
    else:
        print_found(found)
    if found["exitCode"]:
        raise typer.Exit(int(found["exitCode"]))


def examine(file: Path, trust: Path | None, registry: Path | None, log_key: str | None) -> dict[str, Any]:
    """What is known about a certificate, and the exit code for it."""
    from dtc_cli.registry import reading
    from dtc_cli.signing import trust as trusts

    policy = None if trust is None else trusts.load(trust)
    with holding(file):
        return reading.examine(signers.read(file), policy, registry, verifier(log_key), datetime.now(UTC))


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


def _issue(
    folder: Path, package: Path, policy: Path, level: str, keys: "Keys", *, follows: str = "", json: bool
) -> None:
    from dtc_cli.registry import office

    with holding(folder):
        made, place = office.issue(folder, keys, package, policy, level_named(level), follows=follows)
    _told(made, json=json, folder=str(place))


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
