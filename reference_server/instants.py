"""Instants: RFC 3339 text with a zone on the wire, microseconds since 1970 UTC inside (P1 7.1 VAL-004)."""

import re
import time
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

MICROS = 1_000_000
FUTURE_TOLERANCE_US = 60 * MICROS
"""How far a measurement may lie ahead of the server's clock (P1 7.2 BUS-002 names no tolerance)."""

EARLIEST_US = -62_135_596_800 * MICROS
"""The first moment of year 1 in UTC."""

_LAST_DAY = date(9999, 12, 31).toordinal()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = _EPOCH.toordinal()
_TWO_DIGITS = {f"{n:02d}": n for n in range(60)}
_MILLIS = {f".{n:03d}": n * 1000 for n in range(1000)}
_SHOWN = [f"{n:02d}" for n in range(60)]
_MINUTES = [f"T{n // 60:02d}:{n % 60:02d}:" for n in range(1440)]
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_SHAPE = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)
_REPAIRABLE = re.compile(r"[Tt]\d{2}:\d{2}:\d{2}(\.\d+)? \d{2}:\d{2}$", re.ASCII)


def now_us() -> int:
    """The present in microseconds since 1970 UTC."""
    return time.time_ns() // 1000


def parse(text: object) -> int | None:
    """Microseconds since 1970 UTC of a zoned RFC 3339 instant, or None when it is not one.

    A leap second (`:60`) counts as the first moment of the next minute; digits beyond microseconds are cut.
    """
    parsed = parse_with_offset(text)
    return None if parsed is None else parsed[0]


def parse_with_offset(text: object) -> tuple[int, int] | None:
    """The instant in microseconds and its zone in minutes east of UTC, or None."""
    return _parsed(text) if isinstance(text, str) else None


def parse_once(text: str) -> tuple[int, int] | None:
    """The same, for an instant that nobody asks for again."""
    size = len(text)
    if size in (20, 24) and text[10] == "T" and text[-1] == "Z" and text[13] == ":" == text[16]:
        day, hour = _day(text[:10]), _TWO_DIGITS.get(text[11:13], 24)
        minute, second = _TWO_DIGITS.get(text[14:16]), _TWO_DIGITS.get(text[17:19])
        part = _MILLIS.get(text[19:23]) if size == 24 else 0
        if day is not None and hour < 24 and minute is not None and second is not None and part is not None:
            return (day + hour * 3600 + minute * 60 + second) * MICROS + part, 0
    return _parsed_at_length(text)


_parsed = lru_cache(maxsize=4096)(parse_once)
"""A reading's instant is asked for when it is judged and when it is stored."""


@lru_cache(maxsize=4096)
def _day(text: str) -> int | None:
    """Seconds since 1970 UTC at the start of a day, or None when the text is none."""
    if _DATE.fullmatch(text) is None:
        return None
    try:
        return (date.fromisoformat(text).toordinal() - _EPOCH_DAY) * 86_400
    except ValueError:
        return None


def _parsed_at_length(text: str) -> tuple[int, int] | None:
    """Any form of an instant: a fraction, another zone, a leap second."""
    match = _SHAPE.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    offset = _offset_minutes(match[8])
    leap = second == 60
    if offset is None or (leap and minute != 59):
        return None
    try:
        base = datetime(year, month, day, hour, minute, 59 if leap else second, tzinfo=UTC)
    except ValueError:
        return None
    micros = int((match[7] or "0").ljust(6, "0")[:6])
    shifted = base.toordinal() - (1 if offset > 0 else -1 if offset < 0 else 0)
    if not 1 <= shifted <= _LAST_DAY:
        return None  # in UTC it may lie outside the years 1 to 9999
    seconds = (base - _EPOCH) // timedelta(seconds=1) + (1 if leap else 0) - offset * 60
    return seconds * MICROS + micros, offset


def _offset_minutes(zone: str) -> int | None:
    if zone in "Zz":
        return 0
    hours, minutes = int(zone[1:3]), int(zone[4:6])
    if hours > 23 or minutes > 59:
        return None
    return (hours * 60 + minutes) * (-1 if zone[0] == "-" else 1)


def repair_plus(text: str) -> str:
    """Put back the `+` of a zone that a query string turned into a space (P2 4.4)."""
    if _REPAIRABLE.search(text):
        return "+".join(text.rsplit(" ", 1))
    return text


def show(micros: int, offset: int = 0) -> str:
    """RFC 3339 text of an instant, in the zone `offset` minutes east of UTC.

    Fractions only where there are any.
    """
    seconds, fraction = divmod(micros + offset * 60 * MICROS, MICROS)
    day, rest = divmod(seconds, 86_400)
    minute, second = divmod(rest, 60)
    text = _date(day) + _MINUTES[minute] + _SHOWN[second]
    if fraction:
        text = f"{text}.{fraction:06d}"
    if offset == 0:
        return text + "Z"
    sign = "-" if offset < 0 else "+"
    return f"{text}{sign}{abs(offset) // 60:02d}:{abs(offset) % 60:02d}"


@lru_cache(maxsize=4096)
def _date(day: int) -> str:
    """The day of that number since 1970."""
    return date.fromordinal(day + _EPOCH_DAY).isoformat()
