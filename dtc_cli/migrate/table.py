"""The columns of a batch as the mapping sees them: each cleaned once, as a whole."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

LARGEST_WHOLE = 2**53
"""Beyond this a number of JSON may lose digits on its way: it becomes a text."""


def plain(value: Any) -> Any:  # noqa: PLR0911 - one arm per kind
    """A value as JSON can hold it: texts without padding, no NaN, infinities and dates as text, bytes hex."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return value.replace("\x00", "").strip() or None
    if isinstance(value, int):
        return value if -LARGEST_WHOLE <= value <= LARGEST_WHOLE else str(value)
    if isinstance(value, float):
        if value - value != 0:  # NaN is no value; an infinity is one that no number of JSON can hold
            return None if value != value else str(value)  # noqa: PLR0124
        return int(value) if value.is_integer() and abs(value) <= LARGEST_WHOLE else value
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {
            key: plain(one)
            for key, one in sorted(((str(key), one) for key, one in value.items()), key=lambda pair: pair[0])
        }
    if isinstance(value, bytes | bytearray):
        return bytes(value).hex()
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return str(value)


def kinds_of(column: list[Any]) -> set[type]:
    """The types of the values of a column, null aside."""
    return set(map(type, column)) - {type(None)}


def cleaned(column: list[Any]) -> list[Any]:
    """`plain` of each value; a column of one type goes the quick way."""
    kinds = kinds_of(column)
    if not kinds or kinds == {bool}:
        return column
    if kinds == {str}:
        return [value.replace("\x00", "").strip() or None if value else None for value in column]
    if kinds == {int}:
        given = [value for value in column if value is not None]
        if max(given) <= LARGEST_WHOLE and min(given) >= -LARGEST_WHOLE:
            return column
    if kinds == {float}:
        return [
            # as `plain`, without a call for each
            value if value is None or not (value - value != 0 or value.is_integer()) else plain(value)
            for value in column
        ]
    return [plain(value) for value in column]


class Table:
    """A batch of records by column.

    Args:
        columns: field to its values, all of one length.
        size: number of records.
    """

    def __init__(self, columns: Mapping[str, list[Any]], size: int) -> None:
        self.columns, self.size = columns, size
        self._cleaned: dict[str, list[Any]] = {}
        self.lost: dict[int, dict[str, str]] = {}
        """Index of a record to the members that its values were no good for, and why."""
        self.kept: dict[int, dict[str, str]] = {}
        """Index of a record to the fields of such members, and of those that say less than they, as text."""

    def lose(self, index: int, member: str, fields: tuple[str, ...], why: str) -> None:
        """Note that a member of a record stays without value, and keep what stood in its fields."""
        self.lost.setdefault(index, {})[member] = why
        self.keep(index, fields)

    def keep(self, index: int, fields: tuple[str, ...]) -> None:
        """Keep what stood in fields: their member says less than they do."""
        for name in fields:
            given = plain(self.raw(name)[index])
            if given is not None:
                self.kept.setdefault(index, {})[name] = str(given)

    def raw(self, name: str) -> list[Any]:
        """A column as the source gave it; nulls where there is none of that name."""
        column = self.columns.get(name)
        return [None] * self.size if column is None else column

    def clean(self, name: str) -> list[Any]:
        """A column as JSON can hold it."""
        found = self._cleaned.get(name)
        if found is None:
            found = self._cleaned[name] = cleaned(self.raw(name))
        return found

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """The records one by one, as the source gave them; for rules that look at several fields."""
        names = list(self.columns)
        if not names:
            return [{} for _ in range(self.size)]
        return [dict(zip(names, row, strict=True)) for row in zip(*self.columns.values(), strict=True)]


def as_dicts(names: list[str], columns: list[list[Any]], size: int) -> list[dict[str, Any]]:
    """Columns turned into one value per record; nulls are left out."""
    if not names:
        return [{} for _ in range(size)]
    rows = zip(*columns, strict=True)
    if any(None in column for column in columns):
        return [
            {name: value for name, value in zip(names, row, strict=True) if value is not None} for row in rows
        ]
    return [dict(zip(names, row, strict=True)) for row in rows]
