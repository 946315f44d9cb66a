"""Temporal filters of lists: DTC-P2-042."""

from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple

import pytest

from dtc_cli.harness.suite import Blocked, Twin, expect, quote, verifies
from suites.phase2.support.creating import read
from suites.phase2.support.dataset import Sample
from suites.phase2.support.lists import OBJECTS, items_of, need_items, page
from suites.phase2.support.replies import BAD_REQUEST, admitted, refused, set_up
from suites.phase2.support.values import moment, within
from suites.phase2.support_live import eventually

CLAUSE = "P2 5.2, C-43"
STEP = timedelta(milliseconds=20)
"""Two writes this far apart have an instant between them that is clear of both."""
COARSE_S = 1.1
"""A target may keep instants in whole seconds."""
ZONES = {"utc": UTC, "seoul": timezone(timedelta(hours=9)), "west": timezone(timedelta(hours=-7))}


class Pair(NamedTuple):
    """Two objects, and an instant between their last changes."""

    earlier: str
    later: str
    mark: str
    between: datetime


@pytest.fixture(scope="module")
def pair(twin: Twin) -> Pair:
    """Two objects of the run, the second changed later than the first."""
    mark = twin.scratch.new_id()
    earlier, later = (twin.scratch.object(twin.scratch.body(dtcMark=mark))[0] for _ in range(2))
    for pause in (0.05, COARSE_S):
        twin.clock.wait(pause)
        path = f"{OBJECTS}/{quote(later)}"
        set_up(twin.rest.patch(path, json={"properties": {"n": pause}}), "DTC-P2-023", "no PATCH is served")
        first, second = (
            moment(within(read(twin, one), "metadata", "lastUpdated")) for one in (earlier, later)
        )
        if first is None or second is None:
            raise Blocked("DTC-P2-021", "objects do not tell metadata.lastUpdated")
        if second - first >= STEP:
            eventually(twin, lambda: {earlier, later} <= listed(twin, mark), within_s=2)
            return Pair(earlier, later, mark, first + (second - first) / 2)
    raise Blocked("DTC-P2-023", "metadata.lastUpdated does not advance with a PATCH")


@verifies("DTC-P2-042", hazard="write")
@pytest.mark.parametrize("zone", ZONES)
def test_updated_after(twin: Twin, pair: Pair, zone: str) -> None:
    found = ids(twin, pair, {"updatedAfter": pair.between.astimezone(ZONES[zone]).isoformat()})
    expect.equal(
        [pair.earlier in found, pair.later in found],
        [False, True],
        "updatedAfter does not give exactly what changed after the instant",
        clause=CLAUSE,
    )


@verifies("DTC-P2-042", hazard="write")
@pytest.mark.parametrize("zone", ["utc", "seoul"])
def test_updated_before(twin: Twin, pair: Pair, zone: str) -> None:
    found = ids(twin, pair, {"updatedBefore": pair.between.astimezone(ZONES[zone]).isoformat()})
    expect.equal(
        [pair.earlier in found, pair.later in found],
        [True, False],
        "updatedBefore does not give exactly what changed before the instant",
        clause=CLAUSE,
    )


@verifies("DTC-P2-042", hazard="write")
def test_updated_between(twin: Twin, pair: Pair, sample: Sample) -> None:
    """Both at once: a span that ends before the sample was made holds nothing of it."""
    start = (pair.between - timedelta(days=2)).isoformat()
    end = (pair.between - timedelta(days=1)).isoformat()
    answer = page(twin, {**sample.narrow, "updatedAfter": start, "updatedBefore": end, "limit": 100})
    expect.status(answer, {200}, clause=CLAUSE)
    found = {str(item.get("id")) for item in items_of(answer) or ()} & set(sample.bodies)
    expect.equal(sorted(found), [], "objects of today came from a span of yesterday", clause=CLAUSE)


@verifies("DTC-P2-042", negative=True)
@pytest.mark.parametrize("name", ["updatedAfter", "updatedBefore"])
@pytest.mark.parametrize("value", ["yesterday", "2025-13-45T99:00:00Z"], ids=["word", "no-such-day"])
def test_no_instant_is_refused(twin: Twin, name: str, value: str) -> None:
    answer = page(twin, {name: value, "limit": 5})
    admitted(answer)
    refused(answer, BAD_REQUEST, clause=CLAUSE)


def ids(twin: Twin, pair: Pair, params: dict[str, str]) -> set[str]:
    """The ids of the pair that the filter gives."""
    answer = page(twin, {**params, "properties.dtcMark": pair.mark, "limit": 100})
    admitted(answer)
    expect.status(answer, {200}, clause=CLAUSE)
    return {str(item.get("id")) for item in need_items(answer)}


def listed(twin: Twin, mark: str) -> set[str]:
    """The ids of the pair that the list gives without a temporal filter."""
    answer = page(twin, {"properties.dtcMark": mark, "limit": 100})
    return {str(item.get("id")) for item in (items_of(answer) if answer.ok else None) or ()}
