"""What the live suites share: waiting, instants, the lists of an answer, and set-up done once per run."""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, TypeVar

from dtc_cli.harness.suite import Answer, Blocked, NotApplicable, NotTested, Twin, Violation
from suites.phase2.support.lists import total_of
from suites.phase2.support.operations import ID_CODES
from suites.phase2.support.replies import code_of, served

T = TypeVar("T")

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_PAGE = 1000
"""Items asked for at once when a list is walked: the greatest page of P2 4.3."""
_PAGES = 40
"""Pages after which a walk gives up: a list that never ends is not this suite's finding."""
_KEPT: dict[tuple[str, str], object] = {}


def eventually(twin: Twin, look: Callable[[], T | None], *, within_s: float = 4.0) -> T | None:
    """What `look` finds, asked again until it is true or the time is over; the last that it found.

    The standard promises no instant at which a write is visible to readers, so a short delay passes.
    """
    end = twin.clock.now() + timedelta(seconds=within_s)
    wait = 0.05
    while not (found := look()) and twin.clock.now() < end:
        twin.clock.wait(wait)
        wait = min(0.5, wait * 1.6)
    return found


def once(twin: Twin, name: str, make: Callable[[], T]) -> T:
    """What `make` returns, or the outcome that it raises: made at the first call of a run, then kept."""
    key = (twin.run_id, name)
    if key not in _KEPT:
        try:
            _KEPT[key] = make()
        except (Blocked, NotTested, NotApplicable) as outcome:
            _KEPT[key] = outcome
    kept = _KEPT[key]
    if isinstance(kept, Blocked | NotTested | NotApplicable):
        raise kept.with_traceback(None) from None  # it would grow with each vector that is told so
    return kept  # type: ignore[return-value]  # the name stands for one maker only


def moment(value: object) -> datetime | None:
    """The instant that a JSON value denotes; None without a zone or when it is none."""
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value.upper())
    except ValueError:
        return None


def is_zoneless(value: object) -> bool:
    """Whether a value is a date and time of day that only lacks its zone: DTC-P2-107 speaks of it."""
    return isinstance(value, str) and moment(value) is None and moment(f"{value}Z") is not None


def written(at: datetime, *, hours: int = 0) -> str:
    """An instant as RFC 3339 text to the second, with `Z` or in a zone that many hours east of UTC."""
    if not hours:
        return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return at.astimezone(timezone(timedelta(hours=hours))).isoformat(timespec="seconds")


def body(answer: Answer) -> dict[str, Any]:
    """The JSON object of an answer; empty when it is something else."""
    value = answer.json() if answer.is_json else None
    return value if isinstance(value, dict) else {}


def judged(requirement: str, make: Callable[[], T]) -> T:
    """What `make` returns, for a vector of the requirement that others are blocked by.

    Raises:
        Violation: where `make` is blocked by this very requirement.
    """
    try:
        return make()
    except Blocked as blocked:
        if blocked.by != requirement:
            raise
        raise Violation(blocked.message.removeprefix(f"blocked by {requirement}: ")) from blocked


def answered(
    twin: Twin, answer: Answer, statuses: Collection[int] = (), *, clause: str, message: str = ""
) -> None:
    """A valid request was served: with one of the statuses, any 2xx without them (C-39).

    Raises:
        Violation: when it was not.
        Blocked: by DTC-P2-106 when the target does not know the operation, by DTC-P2-061 when it does not
            know the sensor; see `served` for others.
    """
    found = code_of(answer)
    if found == "SENSOR_NOT_FOUND":  # in an answer about a sensor that has just been seen to exist
        raise Blocked("DTC-P2-061", f"a registered sensor is answered as unknown: {answer.excerpt(120)}")
    if answer.status == 404 and found not in ID_CODES and found == once(twin, "lost", lambda: _lost(twin)):
        raise Blocked("DTC-P2-106", f"{answer.method} is not offered here: {answer.excerpt(120)}")
    served(answer, statuses, clause=clause, message=message)


def _lost(twin: Twin) -> str | None:
    """The code with which the target answers a path that nobody knows."""
    return code_of(twin.rest.get("/cities/{city}/no-such-route-of-dtc"))


def listed(answer: Answer, *names: str) -> list[dict[str, Any]] | None:
    """The objects that a list answer holds: a bare array, a member so named, or its only array (C-37)."""
    value = answer.json() if answer.ok and answer.is_json else None
    if isinstance(value, dict):
        arrays = [entry for entry in value.values() if isinstance(entry, list)]
        named = [value[name] for name in names if isinstance(value.get(name), list)]
        value = named[0] if named else arrays[0] if len(arrays) == 1 else None
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        return None
    return value


def ids(items: Sequence[Mapping[str, Any]]) -> list[str]:
    """The ids of listed items, in their order."""
    return [str(item.get("id")) for item in items]


def walk(
    twin: Twin, path: str, *names: str, by: str, query: Mapping[str, str] | None = None
) -> Iterator[dict[str, Any]]:
    """Every item of a paged list.

    Raises:
        Blocked: by the requirement `by` when a page is no list.
    """
    seen: set[str] = set()
    for _ in range(_PAGES):
        page = {**(query or {}), "limit": str(_PAGE), "offset": str(len(seen))}
        answer = twin.rest.get(path, params=page)
        items = listed(answer, *names)
        if items is None and not seen:  # paging is not what is looked at here
            answer = twin.rest.get(path, params=dict(query or {}))
            items = listed(answer, *names)
        if items is None:
            raise Blocked(by, f"GET {path} gives no list (status {answer.status}: {answer.excerpt(120)})")
        fresh = [item for item in items if str(item.get("id")) not in seen]
        yield from fresh
        seen.update(ids(fresh))
        # A page may be shorter than asked for: only an empty one, or the total, tells the end.
        if not fresh or len(seen) == total_of(answer):
            return
