"""The RFC 3339 parser: all of the grammar, nothing beside it, and the same order as Python's datetime."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtc_cli.core.records.instants import duration_s, flaw, from_datetime, full_date, instant

LEGAL = [
    "2025-01-15T10:30:00+09:00",
    "2025-01-15T01:30:00Z",
    "2025-01-15t01:30:00z",
    "2025-01-15T01:30:00-00:00",
    "2025-01-15T01:30:00.1Z",
    "2025-01-15T01:30:00.123456789012345678Z",
    "2025-01-15T01:30:00+23:59",
    "0000-01-01T00:00:00Z",
    "9999-12-31T23:59:60Z",
    "2016-12-31T23:59:60Z",
    "2017-01-01T08:59:60+09:00",
    "2016-06-30T20:59:60.5-03:00",
    "2024-02-29T00:00:00Z",
    "2000-02-29T00:00:00Z",
]
ILLEGAL = {
    "2025-01-15T10:30:00": "zone",
    "2025-01-15 10:30": "zone",
    "2025-01-15": "date without",
    "2025-02-30T00:00:00Z": "does not exist",
    "2023-02-29T00:00:00Z": "does not exist",
    "1900-02-29T00:00:00Z": "does not exist",
    "2025-13-01T00:00:00Z": "does not exist",
    "2025-00-01T00:00:00Z": "does not exist",
    "2025-01-00T00:00:00Z": "does not exist",
    "2025-01-15T24:00:00Z": "does not exist",
    "2025-01-15T10:60:00Z": "does not exist",
    "2025-01-15T10:30:61Z": "does not exist",
    "2025-01-15T10:30:60Z": "does not exist",
    "2025-01-15T23:59:60Z": "does not exist",
    "2025-01-15T10:30:00+24:00": "does not exist",
    "2025-01-15T10:30:00+09:60": "does not exist",
    "2025-01-15T10:30:00+0900": "is not",
    "2025-01-15T10:30:00+09": "is not",
    "2025-01-15T10:30Z": "is not",
    "2025-01-15T10:30:00.Z": "is not",
    "2025-01-15T10:30:00,5Z": "is not",
    "2025-1-15T10:30:00Z": "is not",
    "25-01-15T10:30:00Z": "is not",
    "+2025-01-15T10:30:00Z": "is not",
    "2025-01-15 10:30:00Z": "is not",
    "2025-01-15T10:30:00Z\n": "is not",
    " 2025-01-15T10:30:00Z": "is not",
    "\u0662\u0660\u0662\u0665-01-15T10:30:00Z": "is not",
    "": "is not",
}


@pytest.mark.parametrize("text", LEGAL)
def test_legal(text: str) -> None:
    assert instant(text) is not None


@pytest.mark.parametrize("text", ILLEGAL)
def test_illegal(text: str) -> None:
    assert instant(text) is None
    assert ILLEGAL[text] in flaw(text)


@pytest.mark.parametrize("value", [None, True, 1705282200, 1.5, [], {}])
def test_only_text_is_an_instant(value: object) -> None:
    assert instant(value) is None
    assert flaw(value) == "is not a string"


MOMENTS = st.datetimes(
    min_value=datetime(1, 1, 3),  # noqa: DTZ001 - Hypothesis adds the zones
    max_value=datetime(9999, 12, 29),  # noqa: DTZ001
    timezones=st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)


@given(MOMENTS, MOMENTS)
def test_order_is_that_of_datetime(one: datetime, other: datetime) -> None:
    first, second = instant(one.isoformat()), instant(other.isoformat())
    assert first is not None
    assert second is not None
    assert (first < second) == (one < other)
    assert (first == second) == (one == other)
    assert first == from_datetime(one)


def test_a_leap_second_lies_between_its_neighbours() -> None:
    before, leap, after = (
        instant(f"{text}Z")
        for text in ("2016-12-31T23:59:59.9", "2016-12-31T23:59:60", "2017-01-01T00:00:00.1")
    )
    assert before is not None
    assert leap is not None
    assert after is not None
    assert before < leap < after


def test_a_fraction_is_exact() -> None:
    assert instant("2025-01-01T00:00:00.10Z") == instant("2025-01-01T00:00:00.1Z")
    tiny = instant("2025-01-01T00:00:00.10000000000000000000000001Z")
    assert tiny is not None
    assert instant("2025-01-01T00:00:00.1Z") < tiny  # type: ignore[operator]
    assert tiny.later(60) == instant("2025-01-01T00:01:00.10000000000000000000000001Z")


def test_a_clock_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        from_datetime(datetime(2025, 1, 1))  # noqa: DTZ001 - the point of the test
    assert from_datetime(datetime(2025, 1, 1, tzinfo=UTC)) == instant("2025-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("5min", 300),
        ("1hour", 3600),
        ("2h", 7200),
        ("30s", 30),
        ("1d", 86400),
        ("2day", 172800),
        (300, 300),
        (0.5, 0.5),
        (0, 0),
        ("5 min", None),
        ("min", None),
        ("-5min", None),
        ("5minutes", None),
        (-1, None),
        (True, None),
        (None, None),
        (float("inf"), None),
        (float("nan"), None),
        (10**400, None),
    ],
)
def test_durations(value: object, seconds: float | None) -> None:
    assert duration_s(value) == seconds


@pytest.mark.parametrize(
    ("value", "is_date"),
    [
        ("2024-06-15", True),
        ("2024-02-29", True),
        ("2023-02-29", False),
        ("15/06/2024", False),
        (20240615, False),
    ],
)
def test_dates(value: object, is_date: bool) -> None:
    assert full_date(value) is is_date
