"""A short past made in the target, once per run: objects created, patched and deleted at known instants.

The steps are apart by more than a second, and the instants between them are whole seconds read off the
target's own answers, so that neither its clock nor its precision matters:

    before | create `patched`, `deleted` | first | patch | second | patch, delete, create `later` | third
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from dtc_cli.harness.suite import (
    Answer,
    Blocked,
    NotApplicable,
    NotTested,
    TargetMisbehaves,
    TargetUnreachable,
    Twin,
    quote,
)
from suites.phase2.support_live import body, eventually, moment, once

OBJECTS = "/cities/{city}/objects"
MARK = "dtcVersion"
HOUR = timedelta(hours=1)
_SECOND = timedelta(seconds=1)
_APART = timedelta(seconds=1.05)
"""What lies between an instant and the step after it: more than one, for targets that keep whole seconds."""


class Past(NamedTuple):
    """Ids of the objects and the instants between the steps."""

    patched: str
    """Created with version 1, patched to 2, then to 3."""
    deleted: str
    later: str
    place: Any
    """The geometry that `patched` had before the second patch, which moves it too."""
    before: datetime
    """An hour before the first step."""
    first: datetime
    """After the creation, before the first patch."""
    second: datetime
    third: datetime
    """After the last step."""


def path_of(object_id: str) -> str:
    """The path of an object."""
    return f"{OBJECTS}/{quote(object_id)}"


def past(twin: Twin) -> Past:
    """The past of this run, made at the first use as far as it was not made before.

    Raises:
        Blocked: by DTC-P2-013, -023 or -025 when an object cannot be created, patched or deleted.
    """
    return once(twin, "past", lambda: _maker(twin).finish())


def go_on(twin: Twin) -> None:
    """Make the next step of the past ahead of its use, so that nothing has to be waited for then."""
    _maker(twin).go_on()


def _maker(twin: Twin) -> "_Maker":
    return once(twin, "making of the past", lambda: _Maker(twin))


class _Maker:
    """The steps, one at a time; what goes wrong is told to whom the past matters."""

    def __init__(self, twin: Twin) -> None:
        self._twin = twin
        self._steps = _steps(twin)
        self._due = twin.clock.now()
        self._trouble: Exception | None = None
        self._made: Past | None = None

    def finish(self) -> Past:
        """Make what is left."""
        while self._made is None and self._trouble is None:
            self.go_on()
        if self._trouble is not None:
            raise self._trouble.with_traceback(None)
        assert self._made is not None  # noqa: S101 - the loop ends with it or with trouble
        return self._made

    def go_on(self) -> None:
        """Make one step, not before its time."""
        if self._made is not None or self._trouble is not None:
            return
        try:
            self._twin.clock.wait(max(0.0, (self._due - self._twin.clock.now()).total_seconds()))
            found = next(self._steps)
        except (Blocked, NotTested, NotApplicable, TargetMisbehaves, TargetUnreachable) as trouble:
            self._trouble = trouble
        else:
            if isinstance(found, Past):
                self._made = found
            else:
                self._due = self._twin.clock.now() + found


def _steps(twin: Twin) -> Iterator[timedelta | Past]:
    """Each step gives the time until the next one; the last the whole."""
    twin.need_hazard("write")
    patched = _create(twin, version=1)
    deleted = _create(twin, version=1)
    begun = max(created(twin, answer) for answer in (patched[1], deleted[1]))
    first, pause = _between(begun)
    yield pause
    _patch(twin, patched[0], 2)
    second, pause = _between(_now(twin, patched[0]))
    yield pause
    place = body(twin.rest.get(path_of(patched[0]))).get("geometry")
    _patch(twin, patched[0], 3, geometry=twin.scratch.geometry("Polygon"))
    twin.rest.delete(path_of(deleted[0]))
    if not eventually(twin, lambda: twin.rest.get(path_of(deleted[0])).status in (404, 410)):
        raise Blocked("DTC-P2-025", f"the object {deleted[0]} is still there after DELETE")
    later = _create(twin, version=1)
    third, pause = _between(created(twin, later[1]))
    yield pause
    yield Past(patched[0], deleted[0], later[0], place, first - HOUR, first, second, third)


def _create(twin: Twin, *, version: int) -> tuple[str, Answer]:
    sent = twin.scratch.body("Building", **{MARK: version})
    answer = twin.scratch.post(sent)
    made = body(answer).get("id") if answer.ok else None
    if not isinstance(made, str):
        raise Blocked("DTC-P2-013", f"no object could be created (status {answer.status})")
    return made, answer


def created(twin: Twin, answer: Answer) -> datetime:
    """The instant of a creation on the target's clock; on the run's clock when the answer tells none."""
    now = twin.clock.now()
    told = moment(body(answer).get("created"))
    # An instant that is hours away is no instant of this creation: DTC-P2-013 speaks of it.
    return told if told is not None and abs(told - now) < HOUR else now


def _now(twin: Twin, object_id: str) -> datetime:
    """The instant of the last change of an object on the target's clock, as its metadata tells it."""
    now = twin.clock.now()
    metadata = body(twin.rest.get(path_of(object_id))).get("metadata")
    told = moment(metadata.get("lastUpdated")) if isinstance(metadata, dict) else None
    return told if told is not None and abs(told - now) < timedelta(seconds=30) else now


def _between(last: datetime) -> tuple[datetime, timedelta]:
    """The next whole second after a step, and the time until it lies well before the next one."""
    instant = last.replace(microsecond=0) + _SECOND
    return instant, instant - last + _APART


def _patch(twin: Twin, object_id: str, version: int, **members: Any) -> None:
    answer = twin.rest.patch(path_of(object_id), json={"properties": {MARK: version}, **members})

    def visible() -> bool:
        properties = body(twin.rest.get(path_of(object_id))).get("properties")
        return isinstance(properties, dict) and properties.get(MARK) == version

    if not answer.ok or not eventually(twin, visible):
        raise Blocked("DTC-P2-023", f"the object {object_id} cannot be patched (status {answer.status})")


def found(value: Any, wanted: Callable[[dict[str, Any]], bool], depth: int = 5) -> dict[str, Any] | None:
    """The first JSON object inside a value, at most so deep, for which `wanted` holds."""
    if isinstance(value, dict):
        if wanted(value):
            return value
        value = list(value.values())
    if isinstance(value, list) and depth:
        for entry in value:
            if isinstance(entry, dict | list) and (hit := found(entry, wanted, depth - 1)) is not None:
                return hit
    return None
