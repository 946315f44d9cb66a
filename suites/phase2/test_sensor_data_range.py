"""The range of sensor data: DTC-P2-050, -053, -054."""

from datetime import timedelta, timezone

import pytest

from dtc_cli.harness.suite import Blocked, Twin, expect, verifies
from suites.phase2.support.replies import BAD_REQUEST, refused
from suites.phase2.support.searching import RANGES, search
from suites.phase2.support_live import answered, body, eventually, is_zoneless, moment, written
from suites.phase2.support_live_sensors import at, data, measurements, seen
from suites.phase2.support_live_series import Series, asked, present, series

CLAUSE = "P2 4.4"


@pytest.fixture(scope="module")
def one(twin: Twin) -> Series:
    """The series of readings."""
    return series(twin)


@verifies("DTC-P2-050", hazard="write")
@pytest.mark.parametrize("edge", ["inside", "at-the-start", "at-the-end", "at-one-instant"])
def test_the_range_includes(twin: Twin, one: Series, edge: str) -> None:
    first, last, wanted = {
        "inside": (0, 4, [1, 2, 3]),
        "at-the-start": (1, 3, [1]),
        "at-the-end": (1, 3, [3]),
        "at-one-instant": (2, 2, [2]),
    }[edge]
    asked(twin, one, 0, 4)
    answer = data(twin, one.sensor, one.minute(first), one.minute(last))
    answered(twin, answer, {200}, clause="P2 4.4: start <= timestamp <= end")
    shown = present(one, answer)
    expect.that(
        set(wanted) <= set(shown),
        "a reading inside the range is not returned",
        expected=f"readings {wanted} of the series",
        actual=f"readings {shown}",
        clause="P2 4.4: start <= timestamp <= end",
    )


@verifies("DTC-P2-050", negative=True, hazard="write")
@pytest.mark.parametrize("side", ["before-the-start", "after-the-end"])
def test_the_range_excludes(twin: Twin, one: Series, side: str) -> None:
    first, last = (2, 5) if side == "before-the-start" else (-1, 2)
    answer = asked(twin, one, first, last)
    start, end = one.minute(first), one.minute(last)
    wrong = [
        entry
        for entry in measurements(answer)
        if (taken := moment(entry.get("timestamp"))) and not start <= taken <= end
    ]
    expect.equal(wrong[:2], [], f"readings {side.replace('-', ' ')} are returned", clause=CLAUSE)


@verifies("DTC-P2-050", hazard="write")
@pytest.mark.parametrize("hours", [9, -5], ids=["east", "west"])
def test_the_range_is_one_of_instants(twin: Twin, one: Series, hours: int) -> None:
    if not present(one, asked(twin, one, 1, 3)):
        raise Blocked("DTC-P2-055", "no reading is returned for the same range in UTC")
    answer = asked(twin, one, 1, 3, hours=hours)
    expect.equal(
        present(one, answer),
        [1, 2, 3],
        "the same range in another zone holds other readings",
        clause=CLAUSE,
    )


@verifies("DTC-P2-050", hazard="write")
def test_searched_range(twin: Twin, one: Series) -> None:
    """Ranges from any second to any other, each end in a zone of its own."""
    asked(twin, one, 0, 4)

    def judge(ends: tuple[tuple[int, int], tuple[int, int]]) -> None:
        texts_ = [
            (one.start + timedelta(seconds=seconds))
            .astimezone(timezone(timedelta(minutes=east)))
            .isoformat(timespec="seconds")
            for seconds, east in ends
        ]
        answer = data(twin, one.sensor, *texts_)
        answered(twin, answer, {200}, clause=CLAUSE)
        expect.equal(
            present(one, answer),
            [number for number in range(5) if ends[0][0] <= 60 * number <= ends[1][0]],
            f"the range from {texts_[0]} to {texts_[1]} holds other readings",
            clause=CLAUSE,
        )

    search(twin, RANGES, 8, judge)


@verifies("DTC-P2-050", hazard="write")
@pytest.mark.parametrize("member", ["start", "end"])
@pytest.mark.parametrize("hours", [0, 9], ids=["utc", "east"])
def test_time_range_echoes(twin: Twin, one: Series, member: str, hours: int) -> None:
    # Wider than the readings, so that their own span is no answer.
    answer = asked(twin, one, -1, 5, hours=hours)
    echoed = body(answer).get("timeRange")
    if not isinstance(echoed, dict) or member not in echoed:
        raise Blocked("DTC-P2-049", "the answer has no timeRange with start and end")
    if is_zoneless(echoed[member]):
        raise Blocked("DTC-P2-107", f"timeRange.{member} has no zone: {echoed[member]}")
    wanted = one.minute(-1 if member == "start" else 5)
    expect.that(
        moment(echoed[member]) == wanted,
        f"timeRange.{member} is not that of the request",
        expected=written(wanted),
        actual=echoed[member],
        clause=CLAUSE,
    )


def texts(one: Series, case: str) -> tuple[str, str]:
    """Start and end of a bad range."""
    start, end = written(one.minute(1)), written(one.minute(3))
    return {
        "reversed": (end, start),
        "reversed-across-zones": (end, written(one.minute(1), hours=9)),
        "start-without-zone": (start.removesuffix("Z"), end),
        "end-without-zone": (start, end.removesuffix("Z")),
        "start-a-date": (start[:10], end),
        "end-a-date": (start, end[:10]),
        "start-no-instant": ("yesterday", end),
        "end-no-instant": (start, "now-ish"),
        "start-on-no-day": ("2025-02-30T00:00:00Z", end),
    }[case]


@verifies("DTC-P2-053", negative=True, hazard="write")
@pytest.mark.parametrize(
    "case",
    [
        "reversed",
        "reversed-across-zones",
        "start-without-zone",
        "end-without-zone",
        "start-a-date",
        "end-a-date",
        "start-no-instant",
        "end-no-instant",
        "start-on-no-day",
    ],
)
def test_a_bad_range_is_refused(twin: Twin, one: Series, case: str) -> None:
    start, end = texts(one, case)
    refused(
        data(twin, one.sensor, start, end),
        BAD_REQUEST,
        clause=CLAUSE,
        message=f"the range from {start} to {end} is not refused",
    )


@verifies("DTC-P2-053", hazard="write")
@pytest.mark.parametrize("case", ["plain", "in-order-across-zones"])
def test_a_good_range_is_answered(twin: Twin, one: Series, case: str) -> None:
    start, end = written(one.minute(1), hours=9), written(one.minute(3))
    if case == "plain":
        start = written(one.minute(1))
    answer = data(twin, one.sensor, start, end)
    if answer.status not in (200, 400, 422):
        raise Blocked("DTC-P2-049", f"the data of a range is not answered (status {answer.status})")
    answered(twin, answer, {200}, clause=CLAUSE)


@verifies("DTC-P2-054", hazard="write")
@pytest.mark.parametrize("plus", ["%2B", "+"], ids=["encoded", "bare"])
def test_a_plus_in_the_zone(twin: Twin, one: Series, plus: str) -> None:
    start, end = (written(one.minute(number), hours=9).replace("+", plus) for number in (1, 3))
    answer = twin.rest.get(at(one.sensor, f"/data?start={start}&end={end}"))
    expect.status(answer, {200}, clause="C-41")
    expect.equal(present(one, answer), [1, 2, 3], "the range is read as another one", clause="C-41")


@verifies("DTC-P2-054", negative=True, hazard="write")
def test_a_bare_plus_is_no_end_of_the_range(twin: Twin, one: Series) -> None:
    start, end = (written(one.minute(number), hours=9) for number in (3, 1))
    answer = twin.rest.get(at(one.sensor, f"/data?start={start}&end={end}"))
    refused(answer, BAD_REQUEST, clause="C-41, P2 4.4")


@verifies("DTC-P2-050", negative=True, hazard="write")
def test_the_whole_series_is_there(twin: Twin, one: Series) -> None:
    def look() -> bool:
        return present(one, asked(twin, one, -1, 5)) == [0, 1, 2, 3, 4]

    if not eventually(twin, look, within_s=2) and not seen(twin, one.sensor, one.sent):
        raise Blocked("DTC-P2-055", "the readings are gone")
    expect.that(look(), "the range of the whole series does not hold all of it", clause=CLAUSE)
