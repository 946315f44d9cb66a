"""`dtc trust identity|sigstore|log`: what a policy pins besides keys."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from dtc_cli.commands import signers
from dtc_cli.commands.options import Json, done
from dtc_cli.errors import DtcError

DAYS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"]
PolicyFile = Annotated[Path, typer.Argument(metavar="POLICY", help="The policy file.")]

IDENTITY_HELP = """Believe somebody who signs by a name and its issuer (Sigstore), not by a key.

The policy must pin a Sigstore root too (dtc trust sigstore).

\b
Examples:
  dtc trust identity dtc-trust.json --san ci@works.example --issuer https://accounts.example --role vendor \\
      --org "Example Works"

\b
Exit codes: 0 added, 2 not a policy, or no such role.
"""

SIGSTORE_HELP = """Pin a Sigstore root: authorities, logs and time stamp authorities that you believe.

It is a file trusted_root.json, from whoever runs the services. With it log entries and time stamps of
key-signed packages are checked too.

\b
Examples:
  dtc trust sigstore dtc-trust.json trusted_root.json

\b
Exit codes: 0 pinned, 2 not a policy, or not such a root.
"""

LOG_HELP = """Pin the key of a register's log, so that a proof of registration counts.

\b
Examples:
  dtc trust log dtc-trust.json "body.example/log+1a2b3c4d+AZ..."

\b
Exit codes: 0 pinned, 2 not a policy, or no log key.
"""


def join(app: typer.Typer) -> None:
    """Put the commands into `dtc trust`."""
    app.command("identity", help=IDENTITY_HELP)(identity)
    app.command("sigstore", help=SIGSTORE_HELP)(sigstore)
    app.command("log", help=LOG_HELP)(log)


def identity(
    file: PolicyFile,
    san: Annotated[str, typer.Option(help="E-mail address or URI that the certificate names.")],
    issuer: Annotated[str, typer.Option(help="URI of the provider that checked the name.")],
    role: Annotated[str, typer.Option(help="vendor, lab or auditor.")],
    org: Annotated[str, typer.Option(help="Whose it is.")],
    since: Annotated[
        datetime | None, typer.Option("--from", formats=DAYS, help="It may sign runs from this day on (UTC).")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--until", formats=DAYS, help="It may sign runs before this day (UTC).")
    ] = None,
    json: Json = False,
) -> None:
    """See IDENTITY_HELP."""
    from dtc_cli.signing import policy

    if role not in policy.IDENTITY_ROLES:
        raise DtcError(
            "usage",
            f"there is no role {role} for an identity",
            where=f"--role {role}",
            hint=f"one of: {', '.join(policy.IDENTITY_ROLES)}; a certification body decides with a key",
        )
    changed = policy.read(file)
    limits = {"validFrom": since, "validUntil": until}
    entry = {"san": san, "issuer": issuer, "org": org}
    entry |= {name: f"{day:%Y-%m-%dT%H:%M:%SZ}" for name, day in limits.items() if day is not None}
    group = changed["roles"].setdefault(role, {"keys": []})
    others = [each for each in group.get("identities", []) if (each["san"], each["issuer"]) != (san, issuer)]
    group["identities"] = [*others, entry]
    made = policy.write(file, changed)
    text = f"policy version {made.version} believes {san} of {org} as {role}"
    done(text, json=json, policy=str(file), version=made.version, san=san, issuer=issuer, role=role, org=org)


def sigstore(
    file: PolicyFile,
    root: Annotated[Path, typer.Argument(metavar="ROOT", help="trusted_root.json of the services.")],
    json: Json = False,
) -> None:
    """See SIGSTORE_HELP."""
    from dtc_cli.signing import policy, strict_json
    from dtc_cli.signing.refusal import Refusal

    changed = policy.read(file)
    try:
        changed["sigstore"] = strict_json.parse(signers.read(root), root.name)
    except Refusal as problem:
        raise DtcError(
            "not-a-root", f"{root.name} is no root", where=str(root), why=problem.reason
        ) from problem
    made = policy.write(file, changed)
    text = f"policy version {made.version} pins {root}"
    done(text, json=json, policy=str(file), version=made.version, root=str(root))


def log(
    file: PolicyFile,
    key: Annotated[str, typer.Argument(metavar="NAME+HINT+KEY", help="The log's key.")],
    json: Json = False,
) -> None:
    """See LOG_HELP."""
    from dtc_cli.signing import policy

    made = policy.write(file, {**policy.read(file), "log": key})
    name = key.split("+")[0]
    done(
        f"policy version {made.version} pins {name!a}",
        json=json,
        policy=str(file),
        version=made.version,
        log=name,
    )
