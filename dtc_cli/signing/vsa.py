"""The certification body's verdict on a package: a SLSA verification summary (VSA v1)."""

from typing import Annotated, Literal

import msgspec

from dtc_cli.core.model import LEVELS, Level
from dtc_cli.signing.attestation import Digest
from dtc_cli.signing.evidence import Instant
from dtc_cli.signing.refusal import Refusal

PREDICATE = "https://slsa.dev/verification_summary/v1"
SLSA_VERSION = "1.0"
PASSED, FAILED = "PASSED", "FAILED"

Words = Annotated[str, msgspec.Meta(max_length=1000)]


class _Closed(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    pass


class Verifier(_Closed, frozen=True, kw_only=True):
    """Who decided, and with what."""

    id: Words
    version: dict[str, str]


class Resource(_Closed, frozen=True, kw_only=True):
    """Something that went into the decision."""

    uri: Words
    digest: Digest


class Summary(_Closed, frozen=True, kw_only=True):
    """The predicate."""

    verifier: Verifier
    time_verified: Instant
    resource_uri: Words
    policy: Resource
    input_attestations: Annotated[tuple[Resource, ...], msgspec.Meta(min_length=1, max_length=50)]
    """All statements that were looked at, by the SHA-256 of their bundles."""
    verification_result: Literal["PASSED", "FAILED"]
    verified_levels: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=1)]
    slsa_version: Words


def level_name(level: Level) -> str:
    """The level in a summary; names that begin with `SLSA_` belong to others."""
    return f"DTC_{level.value.upper()}"


def resource_uri(name: str, version: str) -> str:
    """The product that is certified, as a name that is no address."""
    from urllib.parse import quote

    return f"urn:dtc:target:{quote(name, safe='')}@{quote(version, safe='')}"


def level_of(summary: Summary) -> Level:
    """The level that a summary grants; `none` for a FAILED one.

    Raises:
        Refusal: when result and level contradict each other, or the level is unknown.
    """
    names = {level_name(level): level for level in LEVELS}
    (said,) = summary.verified_levels
    if summary.verification_result == FAILED:
        if said != FAILED:
            raise Refusal("the summary is FAILED and names a level")
        return Level.NONE
    if said not in names:
        raise Refusal(f"the summary grants {said[:40]!a}, which is no level")
    return names[said]
