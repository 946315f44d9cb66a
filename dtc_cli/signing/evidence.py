"""The evidence of a package as typed facts, read strictly: every byte has one meaning or is refused."""

from collections.abc import Iterable
from typing import Annotated, Any, TypeVar

import msgspec

from dtc_cli.core.model import Level, MatrixLine, Requirement, Vector
from dtc_cli.signing import layout, strict_json
from dtc_cli.signing.merkle import MerkleTree
from dtc_cli.signing.reader import Files
from dtc_cli.signing.refusal import Refusal

Whole = Annotated[int, msgspec.Meta(ge=-(2**53) + 1, le=2**53 - 1)]
Hex = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$", max_length=64)]
Text = Annotated[str, msgspec.Meta(max_length=2000)]
Instant = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|\+00:00)$")]

Shape = TypeVar("Shape")


class _Facts(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Further members of `run.json` are allowed: they are covered by the digest and claim nothing here."""


class Tool(_Facts, frozen=True, kw_only=True):
    """The program that made the run."""

    name: Text
    version: Text


class Standard(_Facts, frozen=True, kw_only=True):
    """The standard that was judged against."""

    id: Text
    version: Text
    catalogue_digest: Hex


class Suite(_Facts, frozen=True, kw_only=True):
    """The tests that were used."""

    version: Text
    digest: Hex
    dirty: bool


class Fingerprint(_Facts, frozen=True, kw_only=True):
    """What the target showed of itself."""

    tls_spki: tuple[Hex, ...] = ()
    server: Text | None = None
    openapi: Hex | None = None


class Target(_Facts, frozen=True, kw_only=True):
    """What was certified."""

    name: Text
    vendor: Text
    version: Text
    city: Text
    base_url: Text | None = None
    stream_url: Text | None = None
    mqtt_url: Text | None = None
    fingerprint: Fingerprint = Fingerprint()


class Profile(_Facts, frozen=True, kw_only=True):
    """What the product leaves out, allows and declares."""

    excluded: dict[str, str]
    hazards: tuple[str, ...]
    declares: dict[str, Any]
    digest: Hex


class Claim(_Facts, frozen=True, kw_only=True):
    """The level that was asked for."""

    claimed: Level


class Selection(_Facts, frozen=True, kw_only=True):
    """Whether all vectors of the plan were run."""

    complete: bool
    expression: Text | None = None


class Clock(_Facts, frozen=True, kw_only=True):
    """The clocks of the run; durations in milliseconds."""

    source: Text
    monotonic_ms: Whole
    target_skew_ms: Whole | None = None


class EventLog(_Facts, frozen=True, kw_only=True):
    """Number of events and SHA-256 (hex) of the last line."""

    count: Whole
    head: Hex


class Run(_Facts, frozen=True, kw_only=True):
    """`run.json` of a finished run."""

    format: int
    run_id: Text
    status: str
    mode: str
    tool: Tool
    standard: Standard
    suite: Suite
    target: Target
    profile: Profile
    level: Claim
    seed: Whole
    nonce: Text
    selection: Selection
    started_at: Instant
    finished_at: Instant
    clock: Clock
    events: EventLog
    sequence: Whole = 0
    """Number of this run in its signer's own count; 0: not counted."""
    previous_run: Hex | None = None


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """All that the verdict of a run is computed from."""

    run: Run
    requirements: tuple[Requirement, ...]
    """The catalogue entries of the run's level."""
    vectors: tuple[Vector, ...]
    lines: tuple[MatrixLine, ...]
    merkle_root: str
    """RFC 6962 root (hex) over the matrix lines in their order."""


def read(files: Files) -> Evidence:
    """The evidence in a package.

    Raises:
        Refusal: naming the file that is missing, or is not what a run writes.
    """
    lines, root = _matrix(files.lines(layout.MATRIX))
    return Evidence(
        run=document(files, layout.RUN, Run),
        requirements=document(files, layout.CATALOGUE, tuple[Requirement, ...]),
        vectors=document(files, layout.VECTORS, tuple[Vector, ...]),
        lines=lines,
        merkle_root=root,
    )


def document(files: Files, name: str, kind: type[Shape]) -> Shape:
    """One JSON file as a typed value.

    Raises:
        Refusal: when it is missing, no strict JSON, or of another shape.
    """
    return typed(strict_json.parse(files.read(name), name), name, kind)


def typed(value: Any, name: str, kind: type[Shape]) -> Shape:
    """The value as a type.

    Raises:
        Refusal: when it is of another shape.
    """
    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, RecursionError) as problem:
        raise Refusal(f"{name} is not what a run writes: {str(problem)[:200]}") from problem


def _matrix(lines: Iterable[bytes]) -> tuple[tuple[MatrixLine, ...], str]:
    tree = MerkleTree()
    parsed = []
    for number, line in enumerate(lines, start=1):
        where = f"{layout.MATRIX} line {number}"
        parsed.append(typed(strict_json.parse_canonical(line, where), where, MatrixLine))
        tree.add(line)
    return tuple(parsed), tree.root()
