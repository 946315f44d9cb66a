"""The baseline: failures that are known, by whom and until when, beside which a new one is red.

It decides the exit code of `dtc test` and nothing else: no verdict, no level, no report depends on it.
"""

import difflib
import hashlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from enum import StrEnum

import msgspec

from dtc_cli.core.levels import UNDECIDED
from dtc_cli.core.model import MatrixLine, Outcome, Requirement, Strength, Vector
from dtc_cli.core.verdicts import roll_up
from dtc_cli.exit_codes import ExitCode

FINGERPRINT_LENGTH = 12
"""Hex digits of a fingerprint: enough to tell the failures of one vector apart."""

# What stays as it is: a requirement's id, and an HTTP status, since a 404 that becomes a 500 is news.
_KEPT = r"DTC-[A-Z0-9]+-\d{3}|(?<=answered )[1-5]\d\d\b|(?<=status )[1-5]\d\d\b"
_VOLATILE = (
    r"(?P<url>[a-z][a-z0-9+.-]*://[^\s\"'<>)\]]+)"
    r"|(?P<instant>\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:[Zz]|[+-]\d\d:?\d\d)?)"
    r"|(?P<id>\b[0-9a-f]{8,}\b|[A-Za-z_][\w-]*\d[\w-]*|\d[\w-]*[A-Za-z_][\w-]*)"
    r"|(?P<number>[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"
)
_TOKEN = re.compile(rf"(?P<kept>{_KEPT})|{_VOLATILE}")


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A vector that is known to fail."""

    vector: str
    fingerprint: str
    owner: str
    reason: str
    link: str
    expires: date
    """The last day (UTC) on which the entry counts."""
    line: int = 0
    """Where it stands in its file, 1-based; 0 when it was made here."""


class Kind(StrEnum):
    """What a baseline has to say about a vector or an entry."""

    KNOWN = "known failure"
    FOLLOWS = "blocked by a known failure"
    OPEN = "not decided"
    NEW = "new failure"
    CHANGED = "another failure"
    NO_LONGER = "no longer fails"
    UNUSED = "entry of no vector"
    EXPIRED = "expired entry"


RED = frozenset({Kind.NEW, Kind.CHANGED, Kind.NO_LONGER, Kind.UNUSED, Kind.EXPIRED})


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that the comparison found, in words."""

    kind: Kind
    vector: str
    text: str
    line: int = 0
    """The line of the entry in the baseline file, 0 when there is none."""

    @property
    def red(self) -> bool:
        """Whether it makes `dtc test` end with 1."""
        return self.kind in RED


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """A run beside its baseline."""

    cases: tuple[Case, ...]
    """By vector id."""
    undecided: tuple[str, ...]
    """MUSTs that no known failure explains and that could not be decided."""

    @property
    def exit_code(self) -> ExitCode:
        """As D-06 has it, with known failures left out and stale entries counted."""
        if any(case.red for case in self.cases):
            return ExitCode.NOT_CONFORMANT
        return ExitCode.INCOMPLETE if self.undecided else ExitCode.OK


def fingerprint(message: str) -> str:
    """A short hash of a finding's message that two runs with the same failure share.

    Addresses, instants, identifiers with digits and numbers are taken out first; requirement ids and HTTP
    statuses stay.
    """
    return hashlib.sha256(normalised(message).encode()).hexdigest()[:FINGERPRINT_LENGTH]


def normalised(message: str) -> str:
    """The message with its volatile parts replaced by their kind."""
    return " ".join(
        _TOKEN.sub(lambda m: m[0] if m.lastgroup == "kept" else f"<{m.lastgroup}>", message).split()
    )


def failure_of(line: MatrixLine) -> str | None:
    """The fingerprint of the failure that a matrix line tells of; None when its vector did not fail."""
    if line.outcome is Outcome.FAILED or _missed_recommendation(line):
        return fingerprint(line.finding.message if line.finding else "")
    return None


def known(entries: Iterable[Entry], line: MatrixLine, today: date) -> bool:
    """Whether a line tells of a failure that an entry in force expects."""
    found = failure_of(line)
    return found is not None and any(
        entry.vector == line.vector and entry.fingerprint == found and today <= entry.expires
        for entry in entries
    )


def compare(
    entries: Sequence[Entry],
    requirements: Sequence[Requirement],
    vectors: Sequence[Vector],
    lines: Iterable[MatrixLine],
    *,
    excluded: Mapping[str, str],
    today: date,
) -> Comparison:
    """What a run shows that its baseline did not expect, and what it did.

    A vector that is blocked by a requirement whose every failure is known follows from it, and is not red.
    A vector that the run did not reach says nothing about its entry.
    """
    by_vector = {line.vector: line for line in lines}
    binding = {entry.id for entry in requirements if entry.binds == "target"}
    expected = {entry.vector: entry for entry in entries}
    cases = [_entry_case(entry, by_vector.get(entry.vector), vectors, today) for entry in entries]
    accepted = {case.vector for case in cases if case.kind is Kind.KNOWN}
    failed = [line for line in by_vector.values() if line.outcome is Outcome.FAILED]
    excused = {line.requirement for line in failed} - {
        line.requirement for line in failed if line.vector not in accepted
    }
    for line in by_vector.values():
        if line.outcome is Outcome.FAILED and line.vector not in expected and line.requirement in binding:
            cases.append(Case(kind=Kind.NEW, vector=line.vector, text=_message(line)))
        elif line.outcome is Outcome.BLOCKED and line.blocked_by in excused:
            accepted.add(line.vector)
            text = f"blocked by {line.blocked_by}, of which every failure is known"
            cases.append(Case(kind=Kind.FOLLOWS, vector=line.vector, text=text))
    softened = [
        msgspec.structs.replace(line, outcome=Outcome.PASSED, justification=None)
        if line.vector in accepted
        else line
        for line in by_vector.values()
    ]
    rolled = roll_up(requirements, vectors, softened, excluded)
    undecided = tuple(
        verdict.requirement
        for verdict in rolled
        if verdict.strength is Strength.MUST
        and verdict.requirement in binding
        and verdict.outcome in UNDECIDED
    )
    return Comparison(cases=tuple(sorted(cases, key=lambda case: case.vector)), undecided=undecided)


def _entry_case(entry: Entry, line: MatrixLine | None, vectors: Sequence[Vector], today: date) -> Case:
    kind, text = _standing(entry, line, {vector.id for vector in vectors}, today)
    return Case(kind=kind, vector=entry.vector, text=text, line=entry.line)


def _standing(entry: Entry, line: MatrixLine | None, run: Collection[str], today: date) -> tuple[Kind, str]:
    if entry.vector not in run:
        return Kind.UNUSED, "no vector of this run has this id; " + nearest(entry.vector, run)
    since = f"expired on {entry.expires}" if today > entry.expires else ""
    if line is None or line.outcome in UNDECIDED:
        why = "the run ended before it" if line is None else line.outcome.value.replace("_", " ")
        return (Kind.EXPIRED, f"{since}; now {why}") if since else (Kind.OPEN, f"expected to fail; {why}")
    found = failure_of(line)
    if found is None:
        also = f"; the entry also {since}" if since else ""
        return Kind.NO_LONGER, f"{line.outcome.value.replace('_', ' ')}: take the entry out{also}"
    if found != entry.fingerprint:
        return Kind.CHANGED, f"{_message(line)} (fingerprint {found}, known is {entry.fingerprint})"
    if since:
        return Kind.EXPIRED, f"{since}, owner {entry.owner}; it still fails: {_message(line)}"
    return Kind.KNOWN, f"{entry.reason} (owner {entry.owner}, until {entry.expires}{_link(entry)})"


def nearest(vector: str, known_ids: Collection[str]) -> str:
    """The sentence that helps with an id that names nothing."""
    close = difflib.get_close_matches(vector, list(known_ids), n=1, cutoff=0.0)
    return f"the nearest is {close[0]}" if close else "the run has no vectors"


def _missed_recommendation(line: MatrixLine) -> bool:
    return line.outcome is Outcome.WARNED and line.strength is not Strength.MUST


def _message(line: MatrixLine) -> str:
    return line.finding.message if line.finding else ""


def _link(entry: Entry) -> str:
    return f", {entry.link}" if entry.link else ""
