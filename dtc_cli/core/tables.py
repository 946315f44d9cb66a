"""The shapes of the standard's tables below `dtc_cli/spec`: frozen, closed, parsed once."""

from typing import Any

import msgspec

from dtc_cli.core.model import Level


class Interpretation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A place where the standard contradicts itself or is silent, and how it is read here."""

    id: str
    where: str
    gap: str
    resolution: str
    entries: tuple[str, ...]
    """Requirement ids that depend on the reading; empty for rows outside the catalogue's scope."""


class Condition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A closed condition under which a requirement applies (its `when`)."""

    id: str
    holds: str
    keys: tuple[str, ...]
    """Dotted keys of the target file; the condition holds as soon as one is set and not false."""
    observed: str | None
    """What, seen in the run, makes it hold without any key."""
    absent: str
    """The reason to show when it does not hold."""
    clause: str
    requirements: tuple[str, ...]
    partly: dict[str, str] = {}
    """Requirement id to the part that is conditional; the rest of it is always judged."""


class Need(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Alternatives of which a target file must hold one for a level."""

    any_of: tuple[tuple[str, ...], ...]
    why: str

    def met_by(self, keys: set[str]) -> bool:
        """Whether all keys of one alternative are among the dotted keys that a target file sets."""
        return any(all(key in keys for key in alternative) for alternative in self.any_of)


class Want(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key without which some requirements stay not tested, or are judged less thoroughly."""

    key: str
    requirements: tuple[str, ...]
    why: str


class LevelNeeds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One certification level (P4 8.1): what it covers and what it needs of a target file."""

    title: str
    assessment: str
    """`self`, or `audit` where a self-assessment alone is no certificate."""
    needs: tuple[Need, ...]
    wants: tuple[Want, ...]


class Levels(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All levels, the conditional requirements and those that bind the programme."""

    levels: dict[Level, LevelNeeds]
    conditional: tuple[str, ...]
    programme: tuple[str, ...]

    def up_to(self, level: Level) -> tuple[LevelNeeds, ...]:
        """The needs of a level and of all below it, lowest first."""
        return tuple(needs for at, needs in self.levels.items() if at.rank <= level.rank)


class ApiCode(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An error code of the API (P2 9.2)."""

    name: str
    number: int | None
    """The number of P2 9.2; None for an additive code (C-34)."""
    statuses: tuple[int, ...]
    """Accepted HTTP statuses, the recommended one first (C-33)."""
    meaning: str
    additive: bool = False


class RecordCode(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An error code of the data format (P1 7.3, 8.2-8.5)."""

    name: str
    printed: str
    """`table` (P1 7.3), `used` in an example only, or `additive`."""
    rules: tuple[str, ...]
    api: tuple[str, ...]
    """API codes for the same fault on the wire (C-31), the usual one first."""
    meaning: str


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A validation rule of P1 7.1 or 7.2."""

    id: str
    says: str
    code: str
    requirements: tuple[str, ...]


class Refusal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a requirement's negative case may be refused on the wire: a set of outcomes, not one."""

    requirement: str
    case: str
    statuses: tuple[int, ...]
    """Accepted HTTP statuses, the recommended one first; empty: any 4xx."""
    codes: tuple[str, ...] = ()
    """Accepted error codes, the recommended one first."""
    any_code: bool = False
    """Whether other codes pass as well: only status and envelope are judged (C-34)."""
    tolerated: tuple[str, ...] = ()
    """Codes that pass with a warning."""
    form: str = "envelope"
    """Form of the body: `envelope` (P2 9.1), `oauth` (RFC 6749 5.2) or `any`."""
    clause: str


class Codes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """codes.yaml."""

    api: tuple[ApiCode, ...]
    record: tuple[RecordCode, ...]
    rules: tuple[Rule, ...]
    refusals: tuple[Refusal, ...]

    def api_code(self, name: str) -> ApiCode:
        """The API code of that name. Raises KeyError when there is none."""
        return {code.name: code for code in self.api}[name]

    def record_code(self, name: str) -> RecordCode:
        """The record code of that name. Raises KeyError when there is none."""
        return {code.name: code for code in self.record}[name]


class Unit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A unit of a parameter, with its conversion to the parameter's base unit."""

    name: str
    subtract: float = 0.0
    multiply: float = 1.0
    divide: float = 1.0

    def to_base(self, value: float) -> float:
        """The value in the base unit: (value - subtract) * multiply / divide, exact at a range's ends."""
        return (value - self.subtract) * self.multiply / self.divide


class Parameter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A standard measurement parameter (P1 5.2)."""

    name: str
    units: tuple[Unit, ...]
    """The first is the base unit, in which the range is given and binary frames are sent (C-59)."""
    minimum: float
    maximum: float | None
    maximum_from: str | None = None
    """Where the upper limit comes from when it is no number (C-14)."""
    integral: bool = False
    """Whether the value must be a whole number (unit count)."""
    binary_id: int
    """Parameter id of the binary frame (P3 5.5)."""
    binary_private: bool = False
    """Whether the binary id is this project's own extension, never tested (C-59)."""
    requirement: str


class Word(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One word of a vocabulary."""

    value: str
    note: str = ""
    members: tuple[str, ...] = ()
    """Members that go with the word (typical attributes, request parameters)."""


class Vocabulary(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The words a member may take."""

    name: str
    clause: str
    closed: bool
    """Whether another word is an error; else it is an extension (at most a warning)."""
    words: tuple[Word, ...]
    requirements: tuple[str, ...]

    @property
    def values(self) -> tuple[str, ...]:
        """The words alone, in the order of the table."""
        return tuple(word.value for word in self.words)


class Topic(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A kind of topic (P3 4.2.2)."""

    name: str
    template: str
    event: str | None
    """The event of P2 2.2 that is published there (C-54)."""
    requirement: str | None
    qos: int | None
    """Least QoS a publisher should use (P3 4.2.3, 9.1), where the standard says one."""
    retain: bool | None
    """Whether the broker keeps the last message, where the standard says it."""
    additive: bool = False
    """Whether the topic is outside the printed hierarchy and never tested (C-65)."""
    note: str = ""


class Alias(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A short form that may stand in a topic for a word of the data (C-64)."""

    word: str
    aliases: tuple[str, ...]


class Retention(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a broker with retention keeps of a topic filter (P3 9.2)."""

    filter: str
    duration_s: int
    messages: int
    bytes: int
    requirement: str


class Topics(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """topics.yaml."""

    topics: tuple[Topic, ...]
    aliases: tuple[Alias, ...]
    retention: tuple[Retention, ...]


class MessageType(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A type of message of the stream (P3 2.2, C-67)."""

    name: str
    number: int | None
    """Type number in a binary header: that of the MQTT packet (C-58)."""
    direction: str
    """`client`, `server` (who sends it) or `both`."""
    payload: tuple[str, ...]
    """Members its payload must have."""
    answered_by: tuple[str, ...]
    additive: bool = False
    requirements: tuple[str, ...]


class Member(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A member of the message envelope (P3 5.1)."""

    name: str
    required: bool
    kind: str
    requirement: str


class Field(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A field of the binary frame (P3 5.5), big-endian (C-58)."""

    name: str
    offset: int
    size: int
    kind: str
    requirement: str


class Reasons(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Codes by which a stream or broker may refuse (WebSocket close codes, MQTT 5 reason codes)."""

    case: str
    transport: str
    """`websocket` or `mqtt`."""
    codes: tuple[int, ...]
    requirements: tuple[str, ...]


class Messages(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """messages.yaml."""

    types: tuple[MessageType, ...]
    envelope: tuple[Member, ...]
    binary: tuple[Field, ...]
    binary_sizes: tuple[int, ...]
    """Accepted frame sizes in bytes, the emitted one first (C-57)."""
    quality_bytes: dict[str, int]
    reasons: tuple[Reasons, ...]


class Limit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A number of the standard, or of a reading of it."""

    name: str
    value: float
    unit: str
    clause: str
    requirements: tuple[str, ...]
    note: str = ""


class Operation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A method and path of the API, relative to the base URL unless `at` says otherwise."""

    id: str
    method: str
    path: str
    strength: str
    """`must` for the 22 of P2 4.2-4.8, else `should` or `may`."""
    statuses: tuple[int, ...]
    """Success statuses, the recommended one first."""
    any_2xx: bool = False
    """Whether another 2xx passes when the effect is visible afterwards (C-39)."""
    at: str = "base"
    """`base`, `origin` (root of the host) or `token` (the OAuth token URL)."""
    needs: tuple[str, ...]
    """What must exist before: city, object, sensor, simulation, completed_simulation, service."""
    right: str
    """`read`, `write` or `none` (open)."""
    query: tuple[str, ...] = ()
    request: str | None = None
    """Name of the schema of the request body."""
    response: str | None = None
    """Name of the schema of the answer."""
    clause: str
    requirements: tuple[str, ...]


Schema = dict[str, Any]
