"""Spaces that vectors search: what may be drawn, and the judging of one drawn case after the other.

What is drawn has no city in it: places are in units of a field, instants in seconds from a reading.
"""

import json
import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, TypeVar

from hypothesis import strategies as st

from dtc_cli.harness.suite import Twin, Violation
from suites.phase2.support.records import errors_of, fragment

T = TypeVar("T")
Shape = dict[str, Any]

_NAMES = st.sampled_from(["a", "größe", "x-y", "이름"])
_TEXTS = st.lists(st.sampled_from([*"abz 09.,;:!?#/äß한강'\"\\"]), max_size=8).map("".join)
_LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**6), 10**6),
    st.integers(-(10**8), 10**8).map(lambda whole: whole / 1024),
    _TEXTS,
).map(lambda leaf: leaf)  # one branch below, or alternatives would be counted one by one
_INNER = st.dictionaries(_NAMES, st.none() | _LEAVES, min_size=1, max_size=3)
_DEEP = st.dictionaries(_NAMES, _INNER, min_size=1, max_size=3)
_VALUES = st.integers(0, 6).flatmap(
    lambda kind: [_INNER, _INNER, _DEEP, _DEEP, st.none(), _LEAVES, st.lists(_LEAVES, max_size=3)][kind]
)
CHANGES: st.SearchStrategy[dict[str, Any]] = st.dictionaries(_NAMES, _VALUES, min_size=2, max_size=4)
"""Merge patches of `properties`: few names, so that one patch meets what another left; null at any depth."""

PATCHED: dict[str, Any] = {
    "a": {"a": 1, "größe": 2.5, "x-y": {"a": True, "이름": "x"}},
    "größe": {"이름": "y", "x-y": [1, {"a": 2}]},
    "x-y": {"a": {"a": {"a": 0}}, "größe": False},
    "이름": {"이름": True, "a": {"größe": 0, "x-y": "z"}},
}
"""What such patches begin with: every name of theirs is there."""

_PLACES = st.tuples(st.integers(0, 7 * 10**6), st.integers(0, 7 * 10**6)).map(
    lambda pair: [pair[0] / 10**6, pair[1] / 10**6]
)


def _ring(radii: Sequence[int]) -> list[list[float]]:
    """A closed ring around the middle of the field, counter-clockwise; no two of its sides cross."""
    turn = 2 * math.pi / len(radii)
    ring = [
        [
            round(3.5 + radius / 100 * math.cos(number * turn), 6),
            round(3.5 + radius / 100 * math.sin(number * turn), 6),
        ]
        for number, radius in enumerate(radii)
    ]
    return [*ring, ring[0]]


_RINGS = st.lists(st.integers(120, 340), min_size=3, max_size=12).map(_ring)
_LINES = (
    st.lists(_PLACES, min_size=2, max_size=9)
    .map(sorted)  # from west to east, so that no line crosses itself
    .filter(lambda line: all(math.dist(one, other) > 0.01 for one, other in pairwise(line)))
)
SHAPES: st.SearchStrategy[Shape] = st.one_of(
    _PLACES.map(lambda place: {"type": "Point", "coordinates": place}),
    _LINES.map(lambda line: {"type": "LineString", "coordinates": line}),
    _RINGS.map(lambda ring: {"type": "Polygon", "coordinates": [ring]}),
    _RINGS.map(lambda ring: {"type": "MultiPolygon", "coordinates": [[ring]]}),
)
"""Sound geometries in a field of 7 by 7 units."""

BOXES: st.SearchStrategy[tuple[float, float, float, float]] = st.tuples(
    st.integers(-10, 120), st.integers(-10, 120), st.integers(5, 80), st.integers(5, 80)
).map(lambda box: (box[0] / 10, box[1] / 10, (box[0] + box[2]) / 10, (box[1] + box[3]) / 10))
"""Boxes of the test field of bounds, in its units: left, low, right, high."""

PAGES: st.SearchStrategy[tuple[int, int]] = st.tuples(st.integers(1, 20), st.integers(0, 40))
"""Limit and offset."""

_MOMENTS = st.tuples(st.integers(-60, 300), st.sampled_from([-720, -570, -300, 0, 330, 345, 540, 840]))
RANGES: st.SearchStrategy[tuple[tuple[int, int], tuple[int, int]]] = st.tuples(_MOMENTS, _MOMENTS).map(
    lambda two: (min(two), max(two))
)
"""Start and end: seconds from the first reading, and the minutes by which the zone is east of UTC."""

_WORDS = ("label", "code", "energyClass", "buildingType")
_NUMBERS = ("height", "serial")
QUESTIONS: st.SearchStrategy[tuple[int, str, str, int]] = st.one_of(
    st.tuples(
        st.integers(0, 24),
        st.sampled_from(_WORDS),
        st.sampled_from(["same", "upper", "longer", "shorter"]),
        st.sampled_from([7, 1000]),
    ),
    st.tuples(
        st.integers(0, 24),
        st.sampled_from(_NUMBERS),
        st.sampled_from(["same", "other"]),
        st.sampled_from([7, 1000]),
    ),
)
"""A row of the sample, one of its properties, what is made of its value, and the size of the pages."""

EDITS: st.SearchStrategy[tuple[str, int, str]] = st.tuples(
    st.sampled_from(["insert", "replace", "remove"]),
    st.integers(0, 7),
    st.sampled_from([*"ghjkmnpqrstvwxyz"]),
)
"""A small change of the end of an id: what, how far from the end, and with which character."""


def search(twin: Twin, space: "st.SearchStrategy[T]", count: int, judge: Callable[[T], None]) -> None:
    """Judge some cases of a space, one after the other.

    Raises:
        Violation: of the first case that fails; it names the case and its document.
    """
    for number, case in enumerate(twin.drawn(space, count), 1):
        try:
            judge(case)
        except Violation as found:
            drawn = json.dumps(case, ensure_ascii=False)
            raise Violation(
                f"{found.finding.message} (drawn case {number})",
                expected=found.finding.expected,
                actual=found.finding.actual,
                clause=found.finding.clause,
                hint=f"drawn case {number} of seed {twin.seed}: {drawn}",
            ) from found


def need_valid(twin: Twin, *documents: dict[str, Any]) -> None:
    """Make sure that objects are valid, by the judge of phase 1, just before they are sent.

    Raises:
        AssertionError: when one is not; that is a defect of the vector, never a verdict.
    """
    named = [{**document, "id": f"x{number}"} for number, document in enumerate(documents)]
    if faults := errors_of(twin, fragment(twin, objects=named)):
        raise AssertionError(f"a drawn case is not valid: {faults[0].message} at {faults[0].pointer}")
