"""The certificate: an Open Badges 3.0 credential (W3C VC 2.0) as VC-JWT, and its status lists."""

import base64
import binascii
import gzip
import zlib
from datetime import datetime, timedelta
from typing import Any

import msgspec

from dtc_cli.core.model import Level
from dtc_cli.registry import jws
from dtc_cli.registry.entry import Register, text
from dtc_cli.signing import statement, vsa
from dtc_cli.signing.dsse import Signer
from dtc_cli.signing.evidence import Hex, Instant
from dtc_cli.signing.public_keys import PublicKey
from dtc_cli.signing.refusal import Refusal

TYPE = "vc+jwt"
VALID_DAYS = 365  # renewed every year (P4 8.4)
CONTEXT = (
    "https://www.w3.org/ns/credentials/v2",
    "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json",
    {"dtc": {"@id": "urn:dtc:vocabulary:facts", "@type": "@json"}},
)
PURPOSES = ("revocation", "suspension")
LIST_BITS = 131_072
"""The least that the status list specification allows, so that an index hides among many."""


class Facts(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What a verifier of ours needs beyond the credential's own members."""

    level: Level
    statement: Hex
    """SHA-256 of the package's SHA256SUMS."""
    run_id: str
    run_finished: Instant
    tls_spki: tuple[Hex, ...]
    """TLS keys of the judged server: by them a badge is compared with a live one."""
    vendor: str
    city: str
    product: str
    version: str


def make(
    *, identifier: str, facts: Facts, standard: str, standard_version: str, issuer: str, issuer_name: str,
    registry: str, index: int, at: datetime,
) -> dict[str, Any]:  # fmt: skip
    """The payload of a certificate that is valid for a year from `at`.

    Args:
        identifier: the certificate's UUID.
        facts: what is certified, from a package that was verified.
        standard: the standard's id.
        standard_version: its version.
        issuer: URI of the certification body.
        issuer_name: its name.
        registry: URI of the registry, under which the status lists are found.
        index: the certificate's place in the status lists.
        at: when it is issued.
    """
    end = at + timedelta(days=VALID_DAYS)
    subject = vsa.resource_uri(facts.product, facts.version)
    title = f"{facts.level.value.capitalize()}, {standard} {standard_version}"
    return {
        "@context": list(CONTEXT),
        "id": f"urn:uuid:{identifier}",
        "type": ["VerifiableCredential", "OpenBadgeCredential"],
        "issuer": {"id": issuer, "type": ["Profile"], "name": issuer_name},
        "validFrom": text(at),
        "validUntil": text(end),
        "name": title,
        "credentialSubject": {
            "id": subject,
            "type": ["AchievementSubject"],
            "achievement": {
                "id": f"urn:dtc:achievement:{standard}:{standard_version}:{facts.level.value}",
                "type": ["Achievement"],
                "achievementType": "Certification",
                "name": title,
                "description": f"{facts.product} {facts.version} by {facts.vendor} for {facts.city}",
                "criteria": {"narrative": "Every compulsory requirement up to the level is met."},
            },
        },
        "evidence": [
            {
                "id": f"urn:sha256:{facts.statement}",
                "type": ["Evidence"],
                "name": "Signed package of the run",
                "narrative": f"Run {facts.run_id}, ended {facts.run_finished}; SHA-256 of its SHA256SUMS.",
            }
        ],
        "credentialStatus": [
            {
                "id": f"{registry}/statuslist/{purpose}#{index}",
                "type": "BitstringStatusListEntry",
                "statusPurpose": purpose,
                "statusListIndex": str(index),
                "statusListCredential": f"{registry}/statuslist/{purpose}",
            }
            for purpose in PURPOSES
        ],
        "credentialSchema": [
            {
                "id": "https://purl.imsglobal.org/spec/ob/v3p0/schema/json/ob_v3p0_achievementcredential_schema.json",
                "type": "1EdTechJsonSchemaValidator2019",
            }
        ],
        "dtc": msgspec.to_builtins(facts),
        "iss": issuer,
        "sub": subject,
        "jti": f"urn:uuid:{identifier}",
        "nbf": int(at.timestamp()),
        "exp": int(end.timestamp()),
    }


def verify(token: str, key: PublicKey) -> tuple[dict[str, Any], Facts]:
    """The payload and facts of a certificate that the issuer's key signed; time and status are not looked at.

    Raises:
        Refusal: when it is not, or contradicts itself.
    """
    payload = jws.verify(token, TYPE, key)
    try:
        facts = msgspec.convert(payload["dtc"], Facts)
        start, end = (statement.instant(payload[name]) for name in ("validFrom", "validUntil"))
        index = {entry["statusListIndex"] for entry in payload["credentialStatus"]}
        same = (
            payload["type"] == ["VerifiableCredential", "OpenBadgeCredential"]
            and payload["sub"]
            == payload["credentialSubject"]["id"]
            == vsa.resource_uri(facts.product, facts.version)
            and payload["jti"] == payload["id"]
            and payload["iss"] == payload["issuer"]["id"]
            and (payload["nbf"], payload["exp"]) == (int(start.timestamp()), int(end.timestamp()))
            and [entry["statusPurpose"] for entry in payload["credentialStatus"]] == list(PURPOSES)
            and len(index) == 1
            and int(index.pop()) >= 0
        )
    except (KeyError, TypeError, ValueError, AttributeError, msgspec.ValidationError) as problem:
        raise Refusal(f"it is no certificate of this kind: {problem}") from problem
    if not same:
        raise Refusal("the certificate contradicts itself")
    return payload, facts


def status_list(
    register: Register, purpose: str, *, issuer: str, registry: str, at: datetime, key: Signer
) -> str:
    """The signed status list of one purpose, as the register has it."""
    bits = bytearray(LIST_BITS // 8)
    for certificate in register.certificates.values():
        index = certificate.issued.status_index or 0
        reason = certificate.revoked if purpose == "revocation" else certificate.suspended
        if reason is not None:
            bits[index // 8] |= 0x80 >> (index % 8)
    packed = base64.urlsafe_b64encode(gzip.compress(bytes(bits), mtime=0)).decode().rstrip("=")
    payload = {
        "@context": [CONTEXT[0]],
        "id": f"{registry}/statuslist/{purpose}",
        "type": ["VerifiableCredential", "BitstringStatusListCredential"],
        "issuer": issuer,
        "validFrom": text(at),
        "credentialSubject": {
            "id": f"{registry}/statuslist/{purpose}#list",
            "type": "BitstringStatusList",
            "statusPurpose": purpose,
            "encodedList": f"u{packed}",
        },
        "iss": issuer,
        "nbf": int(at.timestamp()),
    }
    return jws.sign(payload, TYPE, key)


def listed(token: str, payload: dict[str, Any], purpose: str, key: PublicKey) -> tuple[bool, datetime]:
    """Whether a certificate's bit is set in a signed status list, and when the list was made.

    Args:
        token: the list.
        payload: the certificate's; it names the list and the place in it.
        purpose: one of `PURPOSES`.
        key: the body's.

    Raises:
        Refusal: when the list is not signed by the key, is of another register or purpose, or no list.
    """
    said = payload["credentialStatus"][PURPOSES.index(purpose)]
    issuer, index = payload["iss"], int(said["statusListIndex"])
    payload = jws.verify(token, TYPE, key)
    try:
        if (payload["id"], payload["iss"]) != (said["statusListCredential"], issuer):
            raise Refusal(f"the status list for {purpose} is that of another register")
        subject = payload["credentialSubject"]
        text_ = subject["encodedList"]
        if (
            subject["type"] != "BitstringStatusList"
            or subject["statusPurpose"] != purpose
            or text_[:1] != "u"
        ):
            raise Refusal(f"that is no status list for {purpose}")
        packed = base64.b64decode(text_[1:] + "=" * (-len(text_[1:]) % 4), altchars=b"-_", validate=True)
        inflate = zlib.decompressobj(31)
        bits = inflate.decompress(packed, 8 * LIST_BITS)
        made = statement.instant(payload["validFrom"])
    except (KeyError, TypeError, ValueError, zlib.error, binascii.Error) as problem:
        raise Refusal(f"that is no status list: {problem}") from problem
    if len(bits) * 8 < LIST_BITS or not 0 <= index < len(bits) * 8:
        raise Refusal("the status list has no such place")
    return bool(bits[index // 8] & (0x80 >> (index % 8))), made
