"""Cases: every expected test of the run, also those that nobody came to run."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from dtc_cli.core.model import Finding, MatrixLine, Outcome, Strength, Vector
from dtc_cli.core.report.exchanges import Shower
from dtc_cli.core.report.model import Case, Exchange, Row
from dtc_cli.core.report.places import Places
from dtc_cli.core.report.runfile import Event


def outcome_of(
    vector: Vector, line: MatrixLine | None, row: Row | None, excluded: Mapping[str, str]
) -> Outcome:
    """The outcome of one vector in D-05's terms; `failed` is kept for what binds (a MUST)."""
    if line is None:
        return Outcome.NOT_APPLICABLE if vector.requirement in excluded else Outcome.NOT_TESTED
    strength = row.strength if row else line.strength
    if line.outcome is Outcome.FAILED and strength is not Strength.MUST:
        return Outcome.WARNED
    return line.outcome


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What the cases are made of."""

    vectors: Sequence[Vector]
    lines: Mapping[str, MatrixLine]
    rows: Sequence[Row]
    events: Mapping[str, Sequence[Event]]
    outcomes: Mapping[str, Outcome]
    excluded: Mapping[str, str]
    places: Places


def cases(judged: Judged, shower: Shower) -> tuple[Case, ...]:
    """One case per expected vector, in the order of the rows, then by vector id."""
    place = {row.id: number for number, row in enumerate(judged.rows)}
    clauses = {row.id: row.clause for row in judged.rows}
    ordered = sorted(
        judged.vectors, key=lambda v: (place.get(v.requirement, len(place)), v.requirement, v.id)
    )
    return tuple(_case(vector, clauses.get(vector.requirement, ""), judged, shower) for vector in ordered)


def _case(vector: Vector, clause: str, judged: Judged, shower: Shower) -> Case:
    line = judged.lines.get(vector.id)
    events = judged.events.get(vector.id, ())
    outcome = judged.outcomes[vector.id]
    exchanges = shower.exchanges(events, outcome)
    numbers = [event.seq for event in events]
    finding = (line.finding if line else None) or Finding()
    decisive = _decisive(exchanges, finding.event)
    first, last = min(numbers, default=None), max(numbers, default=None)
    if line:
        first, last = line.events if line.events[1] >= line.events[0] else (None, None)
    place = judged.places.of(finding.message) if finding.message else None
    return Case(
        vector=vector.id,
        requirement=vector.requirement,
        title=vector.title,
        polarity=vector.polarity,
        hazard=vector.hazard,
        outcome=outcome,
        message=finding.message,
        expected=finding.expected,
        got=finding.actual,
        clause=finding.clause or clause,
        hint=finding.hint,
        justification=_justification(line, judged.excluded.get(vector.requirement), begun=bool(events)),
        blocked_by=(line.blocked_by or "") if line else "",
        started_at=line.started_at if line else next((event.t_utc for event in events), ""),
        duration_ms=line.duration_ms if line else 0,
        attempts=tuple(_words(attempt) for attempt in line.attempts) if line else (),
        seed=line.seed if line else 0,
        first_event=first,
        last_event=last,
        request_digest=(line.request_digest or "") if line else "",
        response_digest=(line.response_digest or "") if line else "",
        exchanges=exchanges,
        decisive=decisive.event if decisive else None,
        omitted=len(events) - len(exchanges),
        command=decisive.command if decisive else "",
        document=place[0] if place else "",
        document_line=place[1] if place else None,
    )


def _decisive(exchanges: Sequence[Exchange], event: int | None) -> Exchange | None:
    """The exchange with that number, else the last that can be repeated, else the last."""
    named = [exchange for exchange in exchanges if exchange.event == event]
    repeatable = [exchange for exchange in exchanges if exchange.command]
    return next(iter([*named, *reversed(repeatable), *reversed(exchanges)]), None)


def _justification(line: MatrixLine | None, excluded: str | None, *, begun: bool) -> str:
    if line is not None:
        return line.justification or ""
    if excluded is not None:
        return f"excluded by the profile: {excluded}"
    return "the run ended while this test was under way" if begun else "the run ended before this test"


def _words(attempt: Mapping[str, Any]) -> str:
    """A repeated attempt (D-08) in one line: `event 12, reason 429, waitedMs 1000`."""
    return ", ".join(f"{name} {value}" for name, value in attempt.items())
