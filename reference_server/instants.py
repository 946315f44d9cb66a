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


@lru_cache(maxsize=4096)  # a reading's instant is asked for when it is judged and when it is stored
def _parsed(text: str) -> tuple[int, int] | None:
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
    moment = _EPOCH + timedelta(microseconds=micros, minutes=offset)
    text = moment.replace(tzinfo=None).isoformat(timespec="microseconds" if micros % MICROS else "seconds")
    if offset == 0:
        return text + "Z"
    sign = "-" if offset < 0 else "+"
    return f"{text}{sign}{abs(offset) // 60:02d}:{abs(offset) % 60:02d}"
