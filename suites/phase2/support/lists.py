"""Lists of any shape the readings allow (C-37), and walks through their pages."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from dtc_cli.harness.suite import Answer, Blocked, Twin
from suites.phase2.support.replies import admitted

OBJECTS = "/cities/{city}/objects"
NAMES = ("objects", "items", "data", "results", "sensors", "services")
TOTAL_NAMES = ("total", "totalcount", "totalitems", "totalresults", "numbermatched", "matched")
TOTAL_HEADERS = ("x-total-count", "x-total", "total-count")
PAGE_MAX = 1000  # P2 4.3
PAGES_WALKED = 8
"""A walk with the greatest limit ends after so many pages: larger cities are narrowed first."""

Item = dict[str, Any]


class Walk(NamedTuple):
    """What paging through a list gave."""

    pages: tuple[tuple[Item, ...], ...]
    ended: bool
    """Whether the end was reached: an empty page, or nothing but repetitions."""
    first: Answer

    @property
    def items(self) -> tuple[Item, ...]:
        """All items in the order of their pages."""
        return tuple(item for page in self.pages for item in page)

    @property
    def ids(self) -> tuple[str, ...]:
        """All ids in the order of the pages."""
        return tuple(str(item.get("id")) for item in self.items)


def items_of(answer: Answer) -> tuple[Item, ...] | None:
    """The items of a list answer: a bare array, or an object with one array member; None for neither."""
    body = answer.json() if answer.is_json else None
    if isinstance(body, dict):
        named = [body[name] for name in NAMES if isinstance(body.get(name), list)]
        arrays = named or [value for value in body.values() if isinstance(value, list)]
        if len(named) != 1 and len(arrays) != 1:
            return None
        body = arrays[0]
    if not isinstance(body, list) or not all(isinstance(item, dict) for item in body):
        return None
    return tuple(body)


def page(twin: Twin, params: Mapping[str, Any], *, path: str = OBJECTS) -> Answer:
    """One request for a list."""
    return twin.rest.get(path, params={name: str(value) for name, value in params.items()})


def need_items(answer: Answer, by: str = "DTC-P2-026") -> tuple[Item, ...]:
    """The items of a list that is only a means here.

    Raises:
        Blocked: when there are none to be had.
    """
    admitted(answer)
    items = items_of(answer) if answer.ok else None
    if items is None:
        raise Blocked(by, f"no list came back (status {answer.status}: {answer.excerpt(120)})")
    return items


def walk(
    twin: Twin,
    params: Mapping[str, Any] | None = None,
    *,
    limit: int = PAGE_MAX,
    pages: int = PAGES_WALKED,
    path: str = OBJECTS,
    by: str = "DTC-P2-026",
    first: Answer | None = None,
) -> Walk:
    """Page through a list by offset until it ends.

    The walk forgives what other requirements judge: it steps by the number of items that came, takes a
    refused later page for the end, and stops when a page brings nothing new. `first` is the first page, when
    it has been asked for already.

    Raises:
        Blocked: by `by` when the first page is no list.
    """
    first = first or page(twin, {**(params or {}), "limit": limit}, path=path)
    found = [need_items(first, by)]
    seen = set(_ids(found[0]))
    while found[-1]:
        if len(found) >= pages:
            return Walk(tuple(found), ended=False, first=first)
        offset = sum(len(some) for some in found)
        answer = page(twin, {**(params or {}), "limit": limit, "offset": offset}, path=path)
        more = items_of(answer) if answer.ok else None
        if not more or seen.issuperset(_ids(more)):
            break
        found.append(more)
        seen.update(_ids(more))
    return Walk(tuple(found), ended=True, first=first)


def total_of(answer: Answer) -> int | None:
    """The number of matches that a list answer tells, in its body or in a header; None when it does not."""
    for name, value in _scalars(answer):
        if name in TOTAL_NAMES and _is_count(value):
            return int(value)
    for header in TOTAL_HEADERS:
        text = answer.headers.get(header, "")
        if text.isdigit():
            return int(text)
    after_slash = answer.headers.get("content-range", "").rpartition("/")[2]
    return int(after_slash) if after_slash.isdigit() else None


def echo_of(answer: Answer, name: str) -> int | None:
    """The limit or offset that a list answer tells it used; None when it does not."""
    for found, value in _scalars(answer):
        if found == name and _is_count(value):
            return int(value)
    text = answer.headers.get(f"x-{name}", "") or answer.headers.get(f"x-page-{name}", "")
    return int(text) if text.isdigit() else None


def _scalars(answer: Answer) -> Iterator[tuple[str, Any]]:
    """Members of the body and of its nested objects, names in lower case without separators."""
    body = answer.json() if answer.is_json else None
    if not isinstance(body, dict):
        return
    for name, value in body.items():
        if isinstance(value, dict):
            for inner, deep in value.items():
                yield _plain(inner), deep
        else:
            yield _plain(name), value


def _is_count(value: object) -> bool:
    """Whether a JSON value is a count; 5.0 is the integer 5."""
    return isinstance(value, int | float) and not isinstance(value, bool) and value == int(value)


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _ids(items: tuple[Item, ...]) -> list[str]:
    return [str(item.get("id")) for item in items]
