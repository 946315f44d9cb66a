"""Making and changing a trust policy: every change gives a new, checked version of the file."""

import json
import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from dtc_cli.core.model import LEVELS
from dtc_cli.errors import DtcError
from dtc_cli.signing import public_keys, strict_json, trust
from dtc_cli.signing.public_keys import PublicKey
from dtc_cli.signing.refusal import Refusal
from dtc_cli.signing.trust import MAX_AGE_DAYS, Trust

Policy = dict[str, Any]
ROOT = "root"
"""The role of those who publish the policy itself."""
KEY_ROLES = ("vendor", "lab", "auditor", "registry", ROOT)
IDENTITY_ROLES = ("vendor", "lab", "auditor")
"""A certification body decides with a key, and a policy is published with keys; neither by a name."""
SOON = timedelta(days=30)


def empty(*, max_age_days: int = MAX_AGE_DAYS, expires: str | None = None) -> Policy:
    """A policy that trusts nobody yet."""
    policy: Policy = {"dtcTrust": 1, "version": 0, "roles": {}, "maxAgeDays": max_age_days, "revoked": []}
    return policy if expires is None else {**policy, "expires": expires}


def read(path: Path) -> Policy:
    """The policy in a file, as JSON.

    Raises:
        DtcError: `trust-file`, also when the file holds a single key.
    """
    if trust.load(path).kind != "policy":
        raise DtcError(
            "trust-file",
            f"{path.name} is a public key, not a policy",
            where=str(path),
            hint="dtc trust init trust.json makes a policy; dtc trust add puts the key into it",
        )
    value: Policy = strict_json.parse(path.read_bytes(), str(path))
    return value


def write(path: Path, policy: Policy, *, new: bool = False) -> Trust:
    """Write the next version of a policy, whole or not at all, after checking it like any reader would.

    Args:
        path: the file.
        policy: the changed policy; its version is raised by one.
        new: refuse to replace a file.

    Raises:
        DtcError: `trust-file` when the result breaks the schema, `trust-exists`, `not-written`.
    """
    if new and path.exists():
        raise DtcError(
            "trust-exists", f"there is a file {path} already", where=str(path), hint="another name"
        )
    policy["version"] += 1
    data = json.dumps(policy, indent=2, ensure_ascii=False).encode() + b"\n"
    try:
        parsed = trust.parse(data, str(path))
    except Refusal as problem:
        raise DtcError(
            "trust-file", "that would not be a valid policy", where=str(path), why=problem.reason
        ) from problem
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as problem:
        raise DtcError(
            "not-written",
            f"{path} cannot be written",
            where=str(path),
            why=problem.strerror or str(problem),
            hint="name a file in a folder that you may write",
        ) from problem
    finally:
        partial.unlink(missing_ok=True)
    return parsed


def add_key(
    policy: Policy,
    key: PublicKey,
    *,
    role: str,
    org: str,
    valid_from: str | None = None,
    valid_until: str | None = None,
) -> None:
    """Believe a key in a role; an entry of the same key in that role is replaced.

    Raises:
        DtcError: `key-revoked` when the policy revokes the key.
    """
    keyid = public_keys.keyid(key)
    if any(entry["keyid"] == keyid for entry in policy.get("revoked", ())):
        raise DtcError(
            "key-revoked",
            f"the policy revokes the key {keyid[:16]}",
            why="a revoked key counts for nothing",
            hint="ask its owner for a new key",
        )
    entry = {"keyid": keyid, "publicKeyPem": public_keys.to_pem(key).decode(), "org": org}
    limits = {"validFrom": valid_from, "validUntil": valid_until}
    entry |= {name: text for name, text in limits.items() if text is not None}
    groups = policy if role == ROOT else policy["roles"]
    group = groups.setdefault("roots" if role == ROOT else role, {"keys": []})
    group["keys"] = [other for other in group["keys"] if _keyid(other) != keyid] + [entry]


def revoke(policy: Policy, keyid: str, *, since: str, reason: str = "") -> None:
    """Stop believing a key, whatever role it has; an earlier revocation stays as it is."""
    revoked = policy.setdefault("revoked", [])
    if all(entry["keyid"] != keyid for entry in revoked):
        revoked.append({"keyid": keyid, "invalidSince": since, "reason": reason})


def roles_of(policy: Policy, keyid: str) -> list[tuple[str, Policy]]:
    """Role and entry of each place where the policy names the key."""
    return [
        (role, entry)
        for role, group in policy["roles"].items()
        for entry in group["keys"]
        if _keyid(entry) == keyid
    ]


def problems(policy: Trust, now: datetime) -> list[str]:
    """What is wrong with a policy that is valid as a file; empty when it will do what it says."""
    return [*_of_the_file(policy, now), *_of_keys(policy, now), *_of_roles(policy)]


def _of_the_file(policy: Trust, now: datetime) -> Iterator[str]:
    if policy.expires is not None and policy.expires <= now:
        yield f"the policy expired on {policy.expires:%Y-%m-%d}"
    elif policy.expires is not None and policy.expires <= now + SOON:
        yield f"the policy expires on {policy.expires:%Y-%m-%d}"
    for name, digests in (("suites", policy.suites), ("catalogues", policy.catalogues)):
        if digests == ():
            yield f"{name} is an empty list, so that none is accepted; leave it out to accept any"


def _of_keys(policy: Trust, now: datetime) -> Iterator[str]:
    if not policy.keys:
        yield "it trusts no key"
    names: dict[str, str] = {}
    for key in policy.keys:
        other = names.setdefault(trust.alike(key.org), key.org)
        if other != key.org:
            yield f"{other!a} and {key.org!a} look alike and count as one organisation"
    for key in policy.keys:
        who = f"{key.role} key {key.keyid[:16]} of {key.org}"
        if policy.revocation(key.keyid) is not None:
            yield f"the {who} is revoked and still listed"
        elif key.valid_until is not None and key.valid_until <= now:
            yield f"the {who} is valid for runs until {key.valid_until:%Y-%m-%d} only"
        if key.valid_from is not None and key.valid_until is not None and key.valid_from >= key.valid_until:
            yield f"the {who} is never valid"


def _of_roles(policy: Trust) -> Iterator[str]:
    if 0 < len({key.keyid for key in policy.roots}) < policy.root_threshold:
        yield f"its next version needs {policy.root_threshold} roots and it has {len(policy.roots)}"
    good = [key for key in policy.keys if policy.revocation(key.keyid) is None]
    for role, threshold in policy.thresholds.items():
        count = len({key.keyid for key in good if key.role == role})
        if count < threshold:
            yield f"{role} needs {threshold} signatures and has {count} keys"
    for level in LEVELS:
        need = policy.need(level)
        for role in need.require:
            if not any(key.role == role for key in good):
                yield f"{level.value} asks for {role}, and no {role} key is trusted"
        orgs = {trust.alike(key.org) for key in good if key.role == "auditor"}
        if "auditor" in need.require and 0 < len(orgs) < need.auditors:
            yield f"{level.value} asks for auditors of {need.auditors} organisations, {len(orgs)} known"


def _keyid(entry: Policy) -> str:
    return public_keys.keyid(public_keys.read_pem(entry["publicKeyPem"].encode()))
