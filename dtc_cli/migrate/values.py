"""Single values of legacy data: numbers with comma decimals, dates by pattern, texts with padding."""

import math
import re
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_INTEGER = re.compile(r"[+-]?\d+")
_THOUSANDS_COMMA = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
_THOUSANDS_POINT = re.compile(r"[+-]?\d{1,3}(\.\d{3})+,\d+|[+-]?\d{1,3}(\.\d{3}){2,}")
TRUE = frozenset({"1", "true", "t", "yes", "y", "예", "はい", "o"})
FALSE = frozenset({"0", "false", "f", "no", "n", "아니오", "いいえ", "x"})
NINES = re.compile("9{4,15}")
WILDEST = 1e30
"""No quantity of a city is as large."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def stands_in(value: float, *, nines: bool = False) -> bool:
    """Whether a number stands for "no value": -9999 and longer rows of nines, the ends of a float's range.

    `nines` takes also 9999 for one, which a height or a width is not, but an area may be.
    """
    if value != value or abs(value) >= WILDEST:  # noqa: PLR0124 - NaN
        return True
    return (
        (nines or value < 0)
        and float(value).is_integer()
        and NINES.fullmatch(str(abs(int(value)))) is not None
    )


def text(value: Any) -> str | None:
    """A text without padding and NUL bytes; an empty one is null. Whole floats lose their `.0`."""
    if value is None:
        return None
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return str(int(value)) if value.is_integer() and abs(value) < 2**63 else repr(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.hex()
    return str(value).replace("\x00", "").strip() or None


def number(value: Any) -> float | int | None:  # noqa: PLR0911 - one arm per form
    """A number; `12,5` is 12.5, `1,234.5` and `1.234,5` are 1234.5. Empty is null.

    Raises:
        ValueError: for anything that is no finite number.
    """
    if value is None or isinstance(value, bool):
        return None if value is None else int(value)
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return value
    given = str(value).replace("\x00", "").strip()
    if not given:
        return None
    bare = given.replace(" ", "").replace("\u00a0", "").replace("_", "?")
    if _INTEGER.fullmatch(bare):
        return int(bare)
    bare = bare.replace("'", "").replace("\u2019", "")
    if _THOUSANDS_POINT.fullmatch(bare):
        bare = bare.replace(".", "").replace(",", ".")
    elif _THOUSANDS_COMMA.fullmatch(bare) and (bare.count(",") > 1 or "." in bare):
        bare = bare.replace(",", "")
    elif bare.count(",") == 1 and "." not in bare:
        bare = bare.replace(",", ".")
    result = float(bare)
    if not math.isfinite(result):
        raise ValueError(f"{given} is not a finite number")
    return result


def integer(value: Any) -> int | None:
    """A whole number; `2;3` gives 2 (C-99).

    Raises:
        ValueError: when it does not begin with one.
    """
    if isinstance(value, str):
        match = _INTEGER.match(value.strip())
        if not value.strip():
            return None
        if match is None:
            raise ValueError(f"{value!r} has no whole number")
        return int(match[0])
    given = number(value)
    return None if given is None else round(given)


def boolean(value: Any) -> bool | None:
    """Yes or no in the spellings of registers.

    Raises:
        ValueError: for another word.
    """
    if isinstance(value, bool) or value is None:
        return value
    word = (text(value) or "").lower()
    if not word:
        return None
    if word in TRUE or word in FALSE:
        return word in TRUE
    raise ValueError(f"{value!r} is neither yes nor no")


def zone(name: str | None) -> tzinfo:
    """A time zone by IANA name or offset; UTC without one.

    Raises:
        ValueError: for an unknown name.
    """
    if not name or name in ("UTC", "Z"):
        return UTC
    match = re.fullmatch(r"([+-])(\d\d):?(\d\d)", name)
    if match:
        offset = timedelta(hours=int(match[2]), minutes=int(match[3]))
        return timezone(-offset if match[1] == "-" else offset)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as problem:
        raise ValueError(f"there is no time zone {name}") from problem


def instant(value: Any, pattern: str | None, zone_name: str | None) -> str | None:
    """An RFC 3339 instant with its zone. Patterns are those of strptime, or `epoch-ms`, `epoch-s`.

    Raises:
        ValueError: when it does not fit, or is one of the usual stand-ins for "unknown".
    """
    moment = _moment(value, pattern)
    if moment is None:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone(zone_name))
    shown = moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds")
    return shown.removesuffix("+00:00") + "Z" if shown.endswith("+00:00") else shown


def day(value: Any, pattern: str | None) -> str | None:
    """A date as YYYY-MM-DD.

    Raises:
        ValueError: as for `instant`.
    """
    moment = _moment(value, pattern)
    return None if moment is None else moment.date().isoformat()


def year(value: Any, pattern: str | None) -> int | None:
    """The year of a date, or a year that stands alone.

    Raises:
        ValueError: as for `instant`.
    """
    if pattern is None and (whole := integer(value)) is not None and 1000 <= whole < 9999:
        return whole
    moment = _moment(value, pattern)
    return None if moment is None else moment.year


def says_more(given: Any, outcome: Any, kind: str, pattern: str | None) -> bool:
    """Whether a value holds what its outcome as a year, a whole number or a date does not."""
    if kind == "date":
        moment = _moment(given, pattern)
        return moment is not None and (moment.time() != time() or moment.tzinfo is not None)
    if kind not in ("year", "integer") or text(given) == str(outcome):
        return False
    try:
        return bool(number(given) != outcome)
    except (ValueError, TypeError, OverflowError):
        return True


def _moment(value: Any, pattern: str | None) -> datetime | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, datetime):
        return _plausible(value)
    if isinstance(value, date):
        return _plausible(datetime(value.year, value.month, value.day))  # noqa: DTZ001 - zone follows
    if pattern in ("epoch-ms", "epoch-s"):
        seconds = float(value) / (1000 if pattern == "epoch-ms" else 1)
        return _plausible(EPOCH + timedelta(seconds=seconds))
    given = text(value) or ""
    if pattern:
        return _plausible(datetime.strptime(given, pattern))  # noqa: DTZ007 - zone follows
    return _plausible(datetime.fromisoformat(given.replace("/", "-", 2) if given[4:5] == "/" else given))


def _plausible(moment: datetime) -> datetime:
    if moment.year >= 9999 or moment.year < 1000:
        raise ValueError(f"the year {moment.year} stands for unknown")
    return moment
