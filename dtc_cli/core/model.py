"""The nouns of a certification: outcomes, levels, requirements, vectors, exchanges, verdicts."""

from enum import StrEnum
from typing import Any

import msgspec


class Outcome(StrEnum):
    """What is known about a vector or a requirement after a run; the only seven there are (D-05)."""

    PASSED = "passed"
    FAILED = "failed"
    """The target violates a MUST."""
    WARNED = "warned"
    """A SHOULD is not met, or a MUST is met in a form the standard only tolerates. Blocks nothing."""
    ERROR = "error"
    """The harness could not decide: its own defect, or trouble on the way to the target."""
    NOT_APPLICABLE = "not_applicable"
    """A closed condition of the catalogue does not hold, or a capability is not offered."""
    NOT_TESTED = "not_tested"
    """Nothing exercised it. Holds a level back."""
    BLOCKED = "blocked"
    """A prerequisite failed; the message names it."""


class Strength(StrEnum):
    """RFC 2119 strength of a requirement."""

    MUST = "must"
    SHOULD = "should"
    MAY = "may"


class Level(StrEnum):
    """Certification levels of phase 4 section 8.1, lowest first; `none` when Bronze is not reached."""

    NONE = "none"
    BRONZE = "bronze"
    SILVER = "silver"
    GOLD = "gold"
    PLATINUM = "platinum"

    @property
    def rank(self) -> int:
        """0 for none up to 4 for Platinum."""
        return list(Level).index(self)


LEVELS = (Level.BRONZE, Level.SILVER, Level.GOLD, Level.PLATINUM)


class Requirement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of the catalogue of the standard (`dtc_cli/spec/requirements/*.yaml`)."""

    id: str
    phase: int | str
    clause: str
    title: str
    statement: str
    strength: Strength
    level: Level
    check: str
    method: str
    positive: str
    negative: str
    error_code: str | None = None
    ambiguity: str | None = None
    interpretations: tuple[str, ...] = ()
    when: str | None = None
    """Closed condition of D-02 under which the requirement applies; None: always."""
    partly: str | None = None
    """The part that is conditional where only a part is; the rest always applies, so the requirement cannot
    be excluded as a whole."""
    binds: str = "target"
    """`target`, or `programme` for the nine annex entries (D-04)."""

    @property
    def excusable(self) -> bool:
        """Whether a profile may exclude it without loss (D-01)."""
        return self.when is not None and self.partly is None


class Vector(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One test of one requirement. Its id is stable: `<requirement>/<slug>`."""

    id: str
    requirement: str
    polarity: str
    """`positive` (a conformant target does this) or `negative` (a conformant target refuses this)."""
    hazard: str
    """What running it does to the target: read, write, destructive, load or security."""
    title: str


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Why a vector did not pass, in words for a person; all members may be empty."""

    message: str = ""
    expected: str = ""
    actual: str = ""
    clause: str = ""
    hint: str = ""
    event: int | None = None
    """Sequence number of the exchange that was judged; None where it is no single one."""


class MatrixLine(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=False):
    """One line of `matrix.jsonl`: the judged outcome of one vector, with what it was judged from."""

    vector: str
    requirement: str
    level: Level
    strength: Strength
    outcome: Outcome
    justification: str | None
    """Why not applicable, not tested or blocked; what was measured where a load passed; None for the rest."""
    blocked_by: str | None
    started_at: str
    """RFC 3339, UTC."""
    duration_ms: int
    attempts: tuple[dict[str, Any], ...]
    """Network-level attempts that were repeated (429, connection trouble), oldest first (D-08)."""
    seed: int
    events: tuple[int, int]
    """First and last event sequence number of this vector, `[0, -1]` when it has none."""
    request_digest: str | None
    response_digest: str | None
    """SHA-256 (hex) over the vector's requests and over its answers, None when it has no events; the
    lines that are hashed are those of `core.chain.SpanDigest`."""
    finding: Finding | None


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """The roll-up of one requirement over all its vectors."""

    requirement: str
    strength: Strength
    level: Level
    outcome: Outcome
    message: str
    vectors: tuple[str, ...]


class LevelResult(msgspec.Struct, frozen=True, kw_only=True):
    """Whether one level is reached, and what holds it back."""

    level: Level
    reached: bool
    failed: tuple[str, ...]
    undecided: tuple[str, ...]
    """Ids whose outcome is error, blocked or not_tested."""
    excluded: tuple[str, ...]
    """MUSTs excluded by the profile that the catalogue does not mark conditional (D-01)."""
