"""What judging a record leaves behind: findings by requirement, and how often each rule was put to use."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import msgspec

from dtc_cli.core.records.instants import Instant, from_datetime

Path = tuple[str | int, ...]
"""Member names and array indexes from the top of the record down to a place in it."""

REQUIREMENTS = tuple(f"DTC-P1-{number:03}" for number in range(1, 93))
"""The ids of phase 1."""

SHOULD = frozenset(
    f"DTC-P1-{number:03}"
    for number in (12, 17, 18, 19, 21, 22, 29, 30, 31, 34, 38, 44, 46, 49, 58, 70, 72, 77, 79, 80, 86, 87, 89)
)
"""The phase 1 requirements of strength SHOULD: not meeting one is a warning."""

REPORTS = frozenset({"DTC-P1-088", "DTC-P1-089"})
"""Conditions of the city that a validator reports (P1 7.3); data that shows them breaks no rule."""


class Code(StrEnum):
    """Error codes of P1 7.3 and 8, and three additive ones where the standard names none (C-12)."""

    INVALID_CITY_ID = "ERR_INVALID_CITY_ID"
    INVALID_GEOMETRY = "ERR_INVALID_GEOMETRY"
    OUT_OF_BOUNDS = "ERR_OUT_OF_BOUNDS"
    DUPLICATE_ID = "ERR_DUPLICATE_ID"
    SENSOR_OFFLINE = "ERR_SENSOR_OFFLINE"
    QUALITY_LOW = "ERR_QUALITY_LOW"
    FUTURE_TIMESTAMP = "ERR_FUTURE_TIMESTAMP"
    INVALID_VALUE = "ERR_INVALID_VALUE"
    MISSING_REFERENCE = "ERR_MISSING_REFERENCE"
    MISSING_FIELD = "ERR_MISSING_FIELD"
    INVALID_TIMESTAMP = "ERR_INVALID_TIMESTAMP"
    """Additive: VAL-004 names no code."""
    INVALID_JSON = "ERR_INVALID_JSON"
    """Additive: the text is not one JSON object in UTF-8."""
    SCHEMA = "ERR_SCHEMA_VIOLATION"
    """Additive: a member has another type, or another value, than the schema or a table allows."""


class Severity(StrEnum):
    """`error` for a MUST, `warning` for a SHOULD and for what the standard only tolerates."""

    ERROR = "error"
    WARNING = "warning"


class RecordFinding(msgspec.Struct, frozen=True, kw_only=True):
    """One violation: whose rule, which code, where (RFC 6901 pointer), in words."""

    requirement: str
    code: str
    pointer: str
    message: str
    severity: Severity


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """All findings of a record in the order of its members, and how many places tested each requirement."""

    findings: tuple[RecordFinding, ...]
    exercised: Mapping[str, int]
    """Requirement id -> number of places in the record that put it to the test; absent means none."""

    @property
    def errors(self) -> tuple[RecordFinding, ...]:
        """The findings that make the record invalid."""
        return tuple(finding for finding in self.findings if finding.severity is Severity.ERROR)

    @property
    def warnings(self) -> tuple[RecordFinding, ...]:
        """The findings that leave the record valid."""
        return tuple(finding for finding in self.findings if finding.severity is Severity.WARNING)

    @property
    def valid(self) -> bool:
        """Whether no MUST is violated."""
        return not self.errors


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How a record is to be judged; see `judge`."""

    now: datetime
    fragment: bool = False
    strict: bool = True
    quality_threshold: float = 0.60  # C-12: below it is `poor`
    live: bool = False


class Sheet:
    """The page on which the rules of one record write: it counts what was tested and keeps what was found."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.now: Instant = from_datetime(settings.now)
        self.findings: list[RecordFinding] = []
        # A plain dict with every id in it: this is added to some thirty times per city object.
        self.exercised = dict.fromkeys(REQUIREMENTS, 0)

    def holds(self, requirement: str, condition: bool, *, times: int = 1) -> bool:
        """The condition itself, counted as `times` places that put the requirement to the test."""
        self.exercised[requirement] += times
        return condition

    def blame(
        self, requirement: str, code: Code, path: Path, message: str, *, severity: Severity | None = None
    ) -> None:
        """Note a violation; the severity follows from the requirement's strength unless it is given."""
        if severity is None:
            mild = requirement in SHOULD or requirement in REPORTS
            severity = Severity.WARNING if mild else Severity.ERROR
        self.findings.append(
            RecordFinding(
                requirement=requirement,
                code=code,
                pointer=pointer(path),
                message=encodable(message),
                severity=severity,
            )
        )

    def judgement(self) -> Judgement:
        """What was found and what was tested, as values that no longer change."""
        tested = {name: times for name, times in self.exercised.items() if times > 0}
        return Judgement(findings=tuple(self.findings), exercised=tested)


def pointer(path: Path) -> str:
    """The RFC 6901 JSON pointer of a path; the empty string is the whole record."""
    return encodable("".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path))


def encodable(text: str) -> str:
    """The text with lone surrogates (legal in JSON escapes, impossible in UTF-8) replaced by U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
