"""Instants and durations of a record: an RFC 3339 parser that takes all the grammar allows, and only that."""

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
_DATE_TIME = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.(\d+))?(?:([Zz])|([+-])(\d{2}):(\d{2}))",
    re.ASCII,
)
_ZONELESS = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?", re.ASCII)
_DURATION = re.compile(r"(\d+)(s|min|h|hour|d|day)", re.ASCII)  # C-25
_UNIT_S = {"s": 1, "min": 60, "h": 3600, "hour": 3600, "d": 86400, "day": 86400}
_MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_DAY_S = 86400
_LEAP = 60
_FEBRUARY = 2


class Instant(NamedTuple):
    """A point on the UTC time line, ordered, exact to any number of fraction digits."""

    seconds: int
    """Seconds since 0000-01-01T00:00:00Z in the proleptic Gregorian calendar, without leap seconds."""
    fraction: str
    """The digits of the fraction without trailing zeros, so that text order is numeric order."""

    def later(self, seconds: int) -> "Instant":
        """The instant that many whole seconds after this one (before it, if negative)."""
        return Instant(self.seconds + seconds, self.fraction)


def instant(value: object) -> Instant | None:
    """The instant that a JSON value denotes, or None if it is not an RFC 3339 date-time of a real day.

    Takes what RFC 3339 5.6 takes: lower-case t and z, fractions of any length, offsets up to 23:59 and
    -00:00, and second 60 where a leap second can be (the last second of a month in UTC). Without a zone it is
    no instant (VAL-004).
    """
    return _instant(value) if isinstance(value, str) else None


@lru_cache(maxsize=4096)
def _instant(text: str) -> Instant | None:
    match = _DATE_TIME.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(match[group]) for group in range(1, 7))
    if not _is_day(year, month, day) or hour > 23 or minute > 59 or second > _LEAP:
        return None
    offset = 0
    if match[8] is None:
        hours, minutes = int(match[10]), int(match[11])
        if hours > 23 or minutes > 59:
            return None
        offset = (hours * 3600 + minutes * 60) * (-1 if match[9] == "-" else 1)
    seconds = _days(year, month, day) * _DAY_S + hour * 3600 + minute * 60 + second - offset
    if second == _LEAP and not _ends_month(seconds):
        return None
    return Instant(seconds, (match[7] or "").rstrip("0"))


def flaw(value: object) -> str:
    """Why a value is not an instant, in words that continue "it ...". Call only for a value that is none."""
    if not isinstance(value, str):
        return "is not a string"
    if _ZONELESS.fullmatch(value):
        return "carries no zone designator (Z or +hh:mm)"
    if _DATE.fullmatch(value):
        return "is a date without a time of day and zone"
    if _DATE_TIME.fullmatch(value):
        return "names a day or time that does not exist"
    return "is not an ISO 8601 / RFC 3339 date-time"


def full_date(value: object) -> bool:
    """Whether a JSON value is a calendar date YYYY-MM-DD that exists."""
    match = _DATE.fullmatch(value) if isinstance(value, str) else None
    return match is not None and _is_day(int(match[1]), int(match[2]), int(match[3]))


def from_datetime(moment: datetime) -> Instant:
    """The instant of an aware datetime.

    Raises:
        ValueError: for a naive datetime, which denotes no instant.
    """
    if moment.tzinfo is None:
        raise ValueError("a datetime without a zone denotes no instant")
    utc = moment.astimezone(UTC)
    seconds = _days(utc.year, utc.month, utc.day) * _DAY_S + utc.hour * 3600 + utc.minute * 60 + utc.second
    return Instant(seconds, f"{utc.microsecond:06}".rstrip("0"))


def duration_s(value: object) -> float | None:
    """The seconds of a duration: a plain non-negative number, or text such as 5min (C-25); else None."""
    if isinstance(value, str):
        match = _DURATION.fullmatch(value)
        return float(match[1]) * _UNIT_S[match[2]] if match else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return as_seconds(value)


def as_seconds(value: float) -> float | None:
    """A number as seconds, or None where it is negative, not finite or beyond a double."""
    try:
        seconds = float(value)
    except OverflowError:
        return None
    return seconds if 0 <= seconds < float("inf") else None


def _is_day(year: int, month: int, day: int) -> bool:
    if not 1 <= month <= 12:
        return False
    leap_day = month == _FEBRUARY and (year % 4 == 0 and (year % 100 != 0 or year % 400 == 0))
    return 1 <= day <= _MONTH_DAYS[month - 1] + leap_day


def _days(year: int, month: int, day: int) -> int:
    """Days since 0000-01-01; datetime cannot be used because RFC 3339 has a year 0000."""
    before = year - 1
    leaps = before // 4 - before // 100 + before // 400
    leap_year = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    passed = sum(_MONTH_DAYS[: month - 1]) + (1 if month > _FEBRUARY and leap_year else 0)
    return year * 365 + leaps + passed + day


def _ends_month(seconds: int) -> bool:
    """Whether this is 00:00:00 of a first of a month: the second that a leap second 23:59:60 runs into."""
    days, rest = divmod(seconds, _DAY_S)
    if rest != 0:
        return False
    year = days * 400 // 146097
    candidates = (year - 1, year, year + 1)
    return any(days == _days(some, month, 1) for some in candidates if some >= 0 for month in range(1, 13))
