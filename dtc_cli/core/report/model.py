"""The report: everything a reader may ask of a run, as frozen structs that each format renders."""

import msgspec

from dtc_cli.core.model import Level, Outcome, Strength

FORMAT = 1
"""Version of the JSON form of the report. Members are only ever added within one version."""

SATISFIED = (Outcome.PASSED, Outcome.WARNED, Outcome.NOT_APPLICABLE)
UNDECIDED = (Outcome.ERROR, Outcome.BLOCKED, Outcome.NOT_TESTED)

READING_ORDER = (
    Outcome.FAILED,
    Outcome.ERROR,
    Outcome.BLOCKED,
    Outcome.NOT_TESTED,
    Outcome.WARNED,
    Outcome.PASSED,
    Outcome.NOT_APPLICABLE,
)
"""What needs somebody's attention comes first."""


class _Part(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A part of the report: never changed after it was made, camelCase in JSON."""


class Maker(_Part, frozen=True, kw_only=True):
    """What judged: the tool, its tests and the standard, each with the digest that pins it."""

    tool: str
    tool_version: str
    standard: str
    standard_version: str
    catalogue_digest: str
    suite_version: str
    suite_digest: str
    suite_dirty: bool
    """The suites differed from a released state when the run was made."""
    python: str
    platform: str


class Subject(_Part, frozen=True, kw_only=True):
    """What was judged: the product, the installation, and how it could be recognised."""

    name: str
    vendor: str
    version: str
    city: str
    addresses: dict[str, str]
    """`REST`, `stream`, `MQTT` to the address; only those that the target has."""
    documents: tuple[str, ...]
    validator: bool
    fingerprint: dict[str, str]
    """What the installation showed of itself: TLS key, server header, OpenAPI digest."""


class Check(_Part, frozen=True, kw_only=True):
    """One line of the preflight."""

    check: str
    status: str
    detail: str


class Course(_Part, frozen=True, kw_only=True):
    """How the run went."""

    mode: str
    status: str
    """`complete`, `interrupted`, `aborted`, or `running` for a run that was killed."""
    finished: bool
    started_at: str
    """RFC 3339, UTC; empty when unknown."""
    finished_at: str
    """RFC 3339, UTC; empty when the run did not reach its end."""
    duration_ms: int | None
    """By the monotonic clock."""
    seed: int
    nonce: str
    hazards: tuple[str, ...]
    declares: dict[str, str]
    selection_complete: bool
    selection: str
    clock_source: str
    clock_skew_ms: int | None
    """The target's clock minus ours; None when the target shows no Date."""
    events: int
    chain_head: str
    doctor: tuple[Check, ...]


class Exclusion(_Part, frozen=True, kw_only=True):
    """A requirement that the product leaves out, with its own reason (D-01)."""

    requirement: str
    title: str
    reason: str
    holds_back: bool
    """True when the standard does not allow to leave it out without losing the level."""
    note: str = ""


class LevelRow(_Part, frozen=True, kw_only=True):
    """One level of the standard: how many of its compulsory requirements are met, and which are not."""

    level: Level
    reached: bool
    words: str
    required: int
    met: int
    failed: tuple[str, ...]
    undecided: tuple[str, ...]
    excluded: tuple[str, ...]


class Verdict(_Part, frozen=True, kw_only=True):
    """The outcome in plain words, for somebody who buys a twin and does not build one."""

    claimed: Level
    achieved: Level
    headline: str
    sentences: tuple[str, ...]
    limits: tuple[str, ...]
    """What this result does not prove."""


class Step(_Part, frozen=True, kw_only=True):
    """One thing to do on the way to the next level."""

    action: str
    requirement: str
    """Empty when the step concerns the run as a whole."""
    title: str
    reason: str
    also: tuple[str, ...]
    """Further requirements that were left undecided for the same reason."""
    frees: tuple[str, ...]
    """Requirements that could not be judged because of this one."""


class Path(_Part, frozen=True, kw_only=True):
    """The shortest path to the next level: the fewest things, root causes first."""

    level: Level | None
    words: str
    steps: tuple[Step, ...]


class Row(_Part, frozen=True, kw_only=True):
    """One requirement of the level and what became of it."""

    id: str
    title: str
    statement: str
    clause: str
    phase: str
    check: str
    strength: Strength
    level: Level
    binds: str
    when: str
    partly: str
    """The part to which `when` applies; empty when it applies to the whole."""
    outcome: Outcome
    message: str
    vectors: tuple[str, ...]
    interpretations: tuple[str, ...]
    ambiguity: str
    error_code: str
    blocked_by: tuple[str, ...]
    """Requirements whose failure kept this one from being judged."""
    root: str
    """The row under which this one is folded; empty when it stands on its own."""
    blocks: tuple[str, ...]
    """The rows that are folded under this one."""
    holds_back: bool


class Body(_Part, frozen=True, kw_only=True):
    """A request or answer body as far as it is shown. Secrets were taken out when it was recorded."""

    digest: str
    """SHA-256 (hex) of the redacted body; its name in the run's `bodies/`."""
    size: int
    """Bytes on the wire."""
    media: str
    shown: str
    """`whole`, `excerpt`, `binary` (hex of its first bytes), `missing`, `altered` or `left out`."""
    text: str


class Exchange(_Part, frozen=True, kw_only=True):
    """One recorded event: what was sent and what came back."""

    number: int
    """Counts from 1 within its case."""
    event: int
    """Sequence number in `events.jsonl`."""
    kind: str
    at: str
    credential: str
    method: str
    url: str
    request_headers: dict[str, str]
    request: Body | None
    status: int | None
    response_headers: dict[str, str]
    response: Body | None
    error: str
    note: str
    command: str
    """A shell line that repeats it, with `$TWIN_..._KEY` where a secret stood; empty when there is none."""


class Case(_Part, frozen=True, kw_only=True):
    """One test: what was expected, what came, and the evidence."""

    vector: str
    requirement: str
    title: str
    polarity: str
    hazard: str
    outcome: Outcome
    message: str
    expected: str
    got: str
    clause: str
    hint: str
    justification: str
    blocked_by: str
    started_at: str
    duration_ms: int
    attempts: tuple[str, ...]
    seed: int
    first_event: int | None
    last_event: int | None
    request_digest: str
    response_digest: str
    exchanges: tuple[Exchange, ...]
    decisive: int | None
    """Event number of the exchange that was judged; of the last one where the finding names none."""
    omitted: int
    """Exchanges that were recorded but are left out of the report of a large run."""
    command: str
    document: str
    """File of the target that the finding is about, relative to the target file; empty when there is none."""
    document_line: int | None
    """Its line (from 1) on which what was found begins."""


class Totals(_Part, frozen=True, kw_only=True):
    """Counts by outcome; each of the seven outcomes is always there, also with 0."""

    requirements: dict[str, int]
    vectors: dict[str, int]


class Report(_Part, frozen=True, kw_only=True):
    """A run, ready to be shown. The same files always give the same report."""

    format: int = FORMAT
    run_id: str
    folder: str
    """Where the run was read from. No part of what a format shows."""
    verdict: Verdict
    maker: Maker
    subject: Subject
    course: Course
    exclusions: tuple[Exclusion, ...]
    levels: tuple[LevelRow, ...]
    path: Path
    totals: Totals
    requirements: tuple[Row, ...]
    """In reading order: what needs attention first, what is blocked under its root cause."""
    cases: tuple[Case, ...]
    """In the order of their requirements, then by vector id."""
    notes: tuple[str, ...]
    """What is odd about the files themselves: cut off, missing, changed."""
