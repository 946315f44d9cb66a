"""Statements of others for fabricated packages: audits, verdicts, and a reader's policy."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from dtc_cli.core.canonical import sha256_hex
from dtc_cli.core.model import Level
from dtc_cli.core.sample import Sample
from dtc_cli.signing import attestation, audit, bundle, evidence, layout, public_keys, vsa
from dtc_cli.signing.attestation import Digest
from dtc_cli.signing.keys import Key
from dtc_cli.signing.reader import open_package
from tests.support import runs
from tests.support.packages import key

AT = (runs.FINISHED + timedelta(hours=2)).isoformat().replace("+00:00", "Z")


def predicate(package: Path, *, percent: int = 20, **changes: Any) -> audit.Audit:
    """What an honest auditor says who saw the same outcomes; `changes` replace members."""
    with open_package(package) as files:
        facts = evidence.read(files)
        payload = bundle.parse(files.read(layout.RUN_BUNDLE), "it").envelope.payload
    lines = {line.vector: line for line in facts.lines}
    rerun = audit.compare(Sample(percent, 7), [v.id for v in facts.vectors], lines, lines, None)
    made = audit.Audit(
        run_statement=Digest(sha256_hex(payload)),
        auditor=audit.Auditor(name="A. Auditor", org="City Lab"),
        witnessed=False,
        rerun=rerun,
        suite=Digest("d" * 64),
        decision=audit.decide(rerun, ()),
        independence="none of mine",
        started_at=AT,
        finished_at=AT,
    )
    return msgspec.structs.replace(made, **changes)


def audited(package: Path, who: Key, said: audit.Audit | None = None, *, out: Path | None = None) -> Path:
    """The package with an audit more."""
    data = attestation.make(audit.PREDICATE, said or predicate(package), sums(package), who)
    attestation.lay_beside(package, out or package, layout.beside("audit", who.keyid), data, who)
    return out or package


def decided(package: Path, who: Key, level: Level = Level.GOLD, **changes: Any) -> Path:
    """The package with a verdict more."""
    made = vsa.Summary(
        verifier=vsa.Verifier(id="https://body.example", version={"dtc": "0.1.0"}),
        time_verified=AT,
        resource_uri=vsa.resource_uri("Busan Twin", "4.2.0"),
        policy=vsa.Resource(uri="policy.json", digest=Digest("a" * 64)),
        input_attestations=(
            vsa.Resource(uri=layout.RUN_BUNDLE, digest=Digest(_digest(package, layout.RUN_BUNDLE))),
        ),
        verification_result="PASSED",
        verified_levels=(vsa.level_name(level),),
        slsa_version="1.0",
    )
    data = attestation.make(vsa.PREDICATE, msgspec.structs.replace(made, **changes), sums(package), who)
    attestation.lay_beside(package, package, layout.beside("vsa", who.keyid), data, who)
    return package


def _digest(package: Path, name: str) -> str:
    with open_package(package) as files:
        return files.digest(name)


def sums(package: Path) -> str:
    """SHA-256 (hex) of the package's list."""
    with open_package(package) as files:
        return sha256_hex(files.read(layout.SUMS))


def policy(folder: Path, *roles: tuple[str, str, str], **more: Any) -> Path:
    """A policy that trusts keys: (role, key name, organisation) each."""
    value: dict[str, Any] = {"dtcTrust": 1, "version": 1, "roles": {}, **more}
    for role, name, org in roles:
        entry = {"org": org, "publicKeyPem": public_keys.to_pem(auditor(name).public).decode()}
        value["roles"].setdefault(role, {"keys": []})["keys"].append(entry)
    path = folder / "policy.json"
    path.write_text(json.dumps(value))
    return path


BUSAN = ("vendor", "vendor", "Example Works")
LAB = ("auditor", "lab", "City Lab")
LAB2 = ("auditor", "lab2", "Second Lab")
BODY = ("registry", "body", "Body")


def auditor(name: str = "lab") -> Key:
    """The key of that name; the vendor's is the one that signs packages by default."""
    return key() if name == "vendor" else key(name)
