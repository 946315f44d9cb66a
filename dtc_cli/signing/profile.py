"""Profile manifests and federation manifests (Annex I): what a product supports, what several do together.

A manifest is computed from a signed run, so that it cannot claim more than the run showed: a requirement that
passed is supported, one that the profile leaves out or that does not apply is excluded with its reason, every
other is partial with what came out.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, TypeVar

import msgspec

from dtc_cli.core.canonical import sha256_hex
from dtc_cli.core.model import Level, Outcome
from dtc_cli.signing import judgement, layout
from dtc_cli.signing.attestation import Digest
from dtc_cli.signing.evidence import Evidence, Hex, Instant
from dtc_cli.signing.refusal import Refusal

PROFILE = "urn:dtc:attestation:profile-manifest:v1"
FEDERATION = "urn:dtc:attestation:federation-manifest:v1"
TOPOLOGIES = ("single-tenant-edge", "multi-tenant-gateway", "federated-mesh", "air-gapped-batch")
MAX_REASON = 160

Topology = Literal["single-tenant-edge", "multi-tenant-gateway", "federated-mesh", "air-gapped-batch"]
State = Literal["supported", "partial", "excluded"]
Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}/[1-9][0-9]{0,5}$")]
"""A profile's name and version, such as `WIA-P4-INTEGRATION-Edge-only/2`."""
Text = Annotated[str, msgspec.Meta(max_length=1000)]
Shape = TypeVar("Shape")


class _Closed(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    pass


class Status(_Closed, frozen=True, kw_only=True):
    """What is said of one requirement."""

    status: State
    reason: Text = ""
    """Why partial, or the justification of an exclusion; empty where it is supported."""


class Product(_Closed, frozen=True, kw_only=True):
    """Whose profile it is."""

    name: Text
    vendor: Text
    version: Text
    city: Text


class Manifest(_Closed, frozen=True, kw_only=True):
    """The predicate of a profile manifest; its subject is the `SHA256SUMS` of the run that it rests on."""

    profile: Name
    topology: Topology
    product: Product
    standard: Text
    catalogue: Hex
    level: Level
    run_id: Text
    made_at: Instant
    requirements: dict[str, Status]


class Member(_Closed, frozen=True, kw_only=True):
    """One manifest of a federation."""

    file: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$")]
    digest: Digest
    profile: Name
    product: Product


class Federation(_Closed, frozen=True, kw_only=True):
    """The predicate of a federation manifest; its subject is the `SHA256SUMS` over the members' files."""

    federation: Name
    standard: Text
    made_at: Instant
    members: Annotated[tuple[Member, ...], msgspec.Meta(min_length=1, max_length=200)]
    union: dict[str, State]
    """What at least one member does."""
    intersection: dict[str, State]
    """What every member does."""


def derive(facts: Evidence) -> dict[str, Status]:
    """Requirement id to what the run shows of it."""
    found = {}
    for verdict in judgement.judge(facts).verdicts:
        excuse = facts.run.profile.excluded.get(verdict.requirement)
        if excuse is not None or verdict.outcome is Outcome.NOT_APPLICABLE:
            found[verdict.requirement] = Status(
                status="excluded", reason=(excuse or verdict.message or "it does not apply")[:MAX_REASON]
            )
        elif verdict.outcome is Outcome.PASSED:
            found[verdict.requirement] = Status(status="supported")
        else:
            reason = f"{verdict.outcome}: {verdict.message}" if verdict.message else verdict.outcome.value
            found[verdict.requirement] = Status(status="partial", reason=reason[:MAX_REASON])
    return found


def make(facts: Evidence, profile: str, topology: str, at: str) -> Manifest:
    """The manifest of the product that a run judged.

    Raises:
        Refusal: when the name or the topology is none.
    """
    run = facts.run
    value = {
        "profile": profile, "topology": topology, "madeAt": at, "level": run.level.claimed.value,
        "product": {
            "name": run.target.name, "vendor": run.target.vendor,
            "version": run.target.version, "city": run.target.city,
        },
        "standard": f"{run.standard.id} {run.standard.version}", "catalogue": run.standard.catalogue_digest,
        "runId": run.run_id, "requirements": msgspec.to_builtins(derive(facts)),
    }  # fmt: skip
    return _typed(value, Manifest)


def follows(manifest: Manifest, facts: Evidence) -> None:
    """Make sure that a manifest says of a run what the run shows.

    Raises:
        Refusal: naming the first requirement or member that differs.
    """
    right = make(facts, manifest.profile, manifest.topology, manifest.made_at)
    for name in sorted({*manifest.requirements, *right.requirements}):
        if manifest.requirements.get(name) != right.requirements.get(name):
            raise Refusal(f"the manifest says of {name} something else than its run")
    if manifest != right:
        raise Refusal("the manifest is about another run, product or level")


def join(name: str, at: str, members: Mapping[str, tuple[bytes, Manifest]]) -> Federation:
    """The manifest of a federation.

    Args:
        name: its name and version.
        at: when it is made.
        members: file name to its bytes and what they say.

    Raises:
        Refusal: when the members are of different standards, or a name is none.
    """
    said = [manifest for _, manifest in members.values()]
    standards = {manifest.standard for manifest in said}
    if len(standards) != 1:
        raise Refusal(f"the members are of different standards: {', '.join(sorted(standards)) or 'none'}")
    listed = [
        {
            "file": file, "digest": {"sha256": sha256_hex(data)}, "profile": manifest.profile,
            "product": msgspec.to_builtins(manifest.product),
        }
        for file, (data, manifest) in sorted(members.items())
    ]  # fmt: skip
    value = {
        "federation": name, "standard": standards.pop(), "madeAt": at, "members": listed,
        "union": _merged(said, worst=False), "intersection": _merged(said, worst=True),
    }  # fmt: skip
    return _typed(value, Federation)


def subject(members: Sequence[Member]) -> str:
    """SHA-256 (hex) of the list of the members' files, as `sha256sum` writes it."""
    return sha256_hex(layout_sums({member.file: member.digest.sha256 for member in members}))


def layout_sums(digests: Mapping[str, str]) -> bytes:
    """The list itself: `<sha256>  <file>` per line, sorted."""
    return layout.render_sums(digests)


def _merged(said: Sequence[Manifest], *, worst: bool) -> dict[str, str]:
    order = ("excluded", "partial", "supported")
    names = sorted({name for manifest in said for name in manifest.requirements})
    choose = min if worst else max

    def rank(manifest: Manifest, name: str) -> int:
        held = manifest.requirements.get(name)
        return 0 if held is None else order.index(held.status)

    return {name: order[choose(rank(manifest, name) for manifest in said)] for name in names}


def _typed(value: object, kind: type[Shape]) -> Shape:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as problem:
        raise Refusal(f"that is no manifest: {problem}") from problem
