"""The verdict in plain words, what it does not prove, and the shortest path to the next level."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from dtc_cli.core.model import Level, LevelResult, Outcome, Strength
from dtc_cli.core.report.model import (
    UNDECIDED,
    Course,
    Exclusion,
    LevelRow,
    Row,
    Subject,
    Verdict,
)

AUDITED = (Level.GOLD, Level.PLATINUM)
"""Levels that count only with an audit beside the run (D-07)."""

LIMITS = (
    "It does not prove that other installations or later versions behave the same: it holds for the version "
    "and the addresses named here, at the time of the run.",
    "It does not prove that the city data are true or up to date: it shows that their form, the rules of the "
    "standard and the interfaces are kept.",
    "It does not prove that the product is secure or fast in daily use beyond the tests listed here.",
    "It does not prove who ran the tests, or that nothing was changed since: check the signed package with "
    "dtc verify for that.",
)


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a target stands after a run; what the words are made of."""

    subject: Subject
    course: Course
    claimed: Level
    achieved: Level
    levels: tuple[LevelRow, ...]
    rows: tuple[Row, ...]
    exclusions: tuple[Exclusion, ...]
    judged: int
    """Tests that showed something: passed, failed or warned."""
    begun: int
    """Tests that came to any outcome."""
    expected: int
    """Tests that the run was meant to make."""
    not_reached: frozenset[str]
    """Requirements with a test that never had its turn."""


def name_of(level: Level) -> str:
    """The level as a name in a sentence."""
    return "no level" if level is Level.NONE else level.value.capitalize()


def count(number: int, noun: str) -> str:
    """`1 test`, `3 tests`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def date_of(instant: str) -> str:
    """`21 November 2026` (UTC) of an RFC 3339 instant; the text itself when it is none."""
    try:
        when = datetime.fromisoformat(instant)
    except ValueError:
        return instant
    return f"{when.day} {when:%B %Y}"


def levels(
    results: Iterable[LevelResult], rows: Sequence[Row], whole: Mapping[str, int] | None = None
) -> tuple[LevelRow, ...]:
    """The level table, lowest first.

    Args:
        results: by the level rule.
        rows: the requirements of the run.
        whole: for a run of a part, how many compulsory requirements each level has; as far as it is known.
    """
    made = []
    for result in results:
        required = [
            row
            for row in rows
            if row.strength is Strength.MUST and row.binds == "target" and row.level.rank <= result.level.rank
        ]
        open_ones = {*result.failed, *result.undecided, *result.excluded}
        made.append(
            LevelRow(
                level=result.level,
                reached=result.reached,
                words=_level_words(result) if whole is None else _part_words(required),
                required=max(len(required), (whole or {}).get(result.level.value, 0)),
                met=sum(row.id not in open_ones for row in required),
                failed=result.failed,
                undecided=result.undecided,
                excluded=result.excluded,
            )
        )
    return tuple(made)


def _part_words(required: Sequence[Row]) -> str:
    judged = sum(row.outcome not in UNDECIDED for row in required)
    return f"only a part, {judged:,} judged: no level"


def _level_words(result: LevelResult) -> str:
    if not result.reached:
        return "not reached"
    if result.level in AUDITED:
        return f"requirements of {name_of(result.level)} met, self-assessed"
    return "reached, self-assessed"


def verdict(standing: Standing) -> Verdict:
    """Two to four sentences for somebody who buys a twin, and the headline above them."""
    course = standing.course
    sentences = [_what_was_reached(standing)]
    blocker = next((row for row in standing.levels if not row.reached), None)
    if blocker:
        sentences.append(_what_holds_back(blocker, standing))
    if not course.finished:
        sentences.append(
            f"The run {ending(course)}: {standing.begun:,} of {standing.expected:,} tests had their "
            "turn, and the rest counts as not tested."
        )
    elif not course.selection_complete:
        sentences.append("Only a part of the tests was run, and a part can reach no level.")
    sentences.append(_who_says_so(course, standing.achieved))
    return Verdict(
        claimed=standing.claimed,
        achieved=standing.achieved,
        headline=_headline(standing.claimed, standing.achieved, part=_is_part(course)),
        sentences=tuple(sentences),
        limits=LIMITS,
    )


def _is_part(course: Course) -> bool:
    return course.finished and not course.selection_complete


def _headline(claimed: Level, achieved: Level, *, part: bool) -> str:
    if part and claimed is not Level.NONE:
        return f"A part of {name_of(claimed)}, which can reach no level"
    if achieved is claimed and claimed is not Level.NONE:
        if claimed in AUDITED:
            return f"Requirements of {name_of(claimed)} met, self-assessed"
        return f"{name_of(claimed)} reached"
    if achieved is Level.NONE:
        return f"{name_of(claimed)} not reached" if claimed is not Level.NONE else "No level was asked for"
    return f"{name_of(claimed)} not reached, {name_of(achieved)} reached"


def _what_was_reached(standing: Standing) -> str:
    subject, claimed, achieved = standing.subject, standing.claimed, standing.achieved
    name = " ".join(part for part in (subject.name or "The target", subject.version) if part)
    who = f"{name} by {subject.vendor}" if subject.vendor else name
    started = standing.course.started_at
    tests = count(standing.judged, "test") + (f" on {date_of(started)}" if started else "")
    if _is_part(standing.course):
        return f"{who} was judged in a part of {name_of(claimed)}, with {tests}."
    if achieved is Level.NONE:
        lower = "" if claimed.rank <= Level.BRONZE.rank else ", nor any lower level"
        return f"{who} did not reach {name_of(claimed)}{lower}, judged with {tests}."
    reached = next(row for row in standing.levels if row.level is achieved)
    met = f"met all {reached.required:,} compulsory requirements of {name_of(achieved)}"
    but = "" if achieved is claimed else f", but not those of {name_of(claimed)}"
    return f"{who} {met}{but}, judged with {tests}."


def _what_holds_back(row: LevelRow, standing: Standing) -> str:
    parts = [
        text
        for number, text in (
            (len(row.failed), f"{count(len(row.failed), 'requirement')} not met"),
            (len(row.undecided), f"{count(len(row.undecided), 'requirement')} not decided"),
            (len(row.excluded), f"{count(len(row.excluded), 'requirement')} left out by the product"),
        )
        if number
    ]
    if not parts:
        if not row.required:
            return f"{name_of(row.level)} is not reached because no compulsory requirement was in the run."
        unfinished = not standing.course.finished
        why = "the run did not reach its end" if unfinished else "not all tests were run"
        return f"{name_of(row.level)} is held back because {why}."
    of_level = {*row.failed, *row.undecided, *row.excluded}
    first = next((r for r in standing.rows if r.id in of_level and r.holds_back), None)
    example = f'; the first is "{first.title}" ({first.id})' if first else ""
    return f"{name_of(row.level)} is held back by {_and(parts)}{example}."


def _and(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def ending(course: Course) -> str:
    """How a run ended that did not reach its end, as the rest of a sentence."""
    return {
        "interrupted": "was interrupted",
        "aborted": "was given up before its end",
        "running": "was killed, or is still going on",
    }.get(course.status, f"did not reach its end (status {course.status})")


def _who_says_so(course: Course, achieved: Level) -> str:
    if course.mode != "self-assessment":
        return f"The mode of this run is {course.mode}."
    if achieved in AUDITED:
        return (
            f"This is a self-assessment: {name_of(achieved)} counts as certified only when an independent "
            "audit stands beside it."
        )
    return "This is a self-assessment: whoever ran it chose the installation, and nobody independent watched."


def totals(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """How many of each outcome; all seven are there."""
    counts = {outcome.value: 0 for outcome in Outcome}
    for outcome in outcomes:
        counts[outcome.value] += 1
    return counts


def counts_in_words(counts: Mapping[str, int]) -> str:
    """`12 passed, 1 failed`, outcomes with none left out; `none` when there is nothing."""
    return ", ".join(f"{n:,} {outcome.replace('_', ' ')}" for outcome, n in counts.items() if n) or "none"
