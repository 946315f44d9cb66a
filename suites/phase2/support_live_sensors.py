"""Sensors and readings for the live suites: made once per run, and looked for wherever they may show."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from dtc_cli.harness.suite import Answer, Blocked, Twin, quote
from suites.phase2.support_live import eventually, is_zoneless, listed, moment, once, walk, written

SENSORS = "/cities/{city}/sensors"
_NAMES = ("sensors", "items", "data", "results")
_SLOT_MINUTES = 6


class Sensor(NamedTuple):
    """A sensor of the run and what was sent to register it."""

    id: str
    sent: dict[str, Any]


def sensor(twin: Twin, kind: str = "EnvironmentalSensor", *, name: str = "", **specifications: Any) -> Sensor:
    """The run's sensor of that type and name, registered at the first use and seen to exist.

    The first one of a run is a plain one, so that what cannot be registered at all is found out once.

    Raises:
        Blocked: by DTC-P2-044 when it cannot be registered, is nowhere to be found afterwards, or gets the
            id of another one.
    """
    plain = kind == "EnvironmentalSensor" and not name
    given = once(twin, "sensor ids", set[str])

    def make() -> Sensor:
        twin.need_hazard("write")
        if not plain:
            sensor(twin)
        created = Sensor(*twin.scratch.sensor(twin.scratch.sensor_body(kind, **specifications)))
        if not eventually(twin, lambda: exists(twin, created.id)):
            raise Blocked("DTC-P2-044", f"the sensor {created.id}, just registered, is nowhere to be found")
        if created.id in given:
            raise Blocked("DTC-P2-044", f"two sensors were registered with the id {created.id}")
        given.add(created.id)
        return created

    return once(twin, f"sensor {kind} {name}", make)


def at(sensor_id: str, below: str = "") -> str:
    """The path of a sensor, or of its part."""
    return f"{SENSORS}/{quote(sensor_id)}{below}"


def exists(twin: Twin, sensor_id: str) -> bool:
    """Whether the target knows the sensor: by itself (C-50), through its data, or in the list."""
    return (
        twin.rest.get(at(sensor_id)).ok
        or twin.rest.get(at(sensor_id, "/data")).ok
        or bool(in_list(twin, sensor_id))
    )


def view(twin: Twin, sensor_id: str) -> dict[str, Any]:
    """The sensor as the target shows it: by itself (C-50), or else in the list; empty when it does not."""
    answer = twin.rest.get(at(sensor_id))
    shown = answer.json() if answer.ok and answer.is_json else None
    return shown if isinstance(shown, dict) and shown else in_list(twin, sensor_id) or {}


def in_list(twin: Twin, sensor_id: str) -> dict[str, Any] | None:
    """The sensor as GET /sensors lists it, None when it does not.

    Raises:
        Blocked: by DTC-P2-047 when there is no list.
    """
    return next((item for item in every(twin) if item.get("id") == sensor_id), None)


def every(twin: Twin, **query: str) -> list[dict[str, Any]]:
    """All sensors that the list gives for a query.

    Raises:
        Blocked: by DTC-P2-047 when there is no list.
    """
    return list(walk(twin, SENSORS, *_NAMES, by="DTC-P2-047", query=query))


def page(answer: Answer) -> list[dict[str, Any]] | None:
    """The sensors of one list answer; None when it is no list."""
    return listed(answer, *_NAMES)


def slot(twin: Twin, number: int) -> datetime:
    """The start of a time span of five minutes in the past that is used for one purpose only.

    Whole seconds, on the target's clock. Slot 0 is the latest, the others lie before it.
    """
    start = once(twin, "slots", lambda: twin.clock.now().replace(microsecond=0))
    return start - timedelta(minutes=_SLOT_MINUTES * (number + 1))


def reading(taken: datetime, value: Any = 20.0, **members: Any) -> dict[str, Any]:
    """A valid temperature reading, unless other members are given."""
    plain = {"parameter": "temperature", "value": value, "unit": "celsius"}
    return {**plain, "timestamp": written(taken), "quality": "excellent", **members}


def data(twin: Twin, sensor_id: str, start: datetime | str, end: datetime | str) -> Answer:
    """GET the data of a range, ends included."""
    texts = [written(edge) if isinstance(edge, datetime) else edge for edge in (start, end)]
    return twin.rest.get(at(sensor_id, "/data"), params={"start": texts[0], "end": texts[1]})


def measurements(answer: Answer) -> list[dict[str, Any]]:
    """The measurements of a data answer.

    Raises:
        Blocked: by DTC-P2-049 when it holds none of the right kind.
    """
    value = answer.json() if answer.ok and answer.is_json else None
    found = value.get("measurements") if isinstance(value, dict) else None
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise Blocked("DTC-P2-049", f"no measurements (status {answer.status}: {answer.excerpt(120)})")
    return found


def matches(found: Mapping[str, Any], sent: Mapping[str, Any]) -> bool:
    """Whether a returned measurement is the one that was sent: parameter, instant and nearly the value.

    A member that is missing is the finding of DTC-P2-049, a missing zone that of DTC-P2-107.
    """
    value, taken = found.get("value"), found.get("timestamp")
    return (
        found.get("parameter", sent["parameter"]) == sent["parameter"]
        and (taken is None or is_zoneless(taken) or moment(taken) == moment(sent["timestamp"]))
        and (not isinstance(value, int | float) or abs(value - sent["value"]) < 0.5)
    )


def seen(twin: Twin, sensor_id: str, sent: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What the target returns for readings that were sent: asked for by their range, then in other ways.

    A wrong range filter is the finding of DTC-P2-050; here any way in which a reading shows is enough.
    """
    instants = [taken for entry in sent if (taken := moment(entry["timestamp"]))]
    first, last = min(instants), max(instants)
    second, day = timedelta(seconds=1), timedelta(days=1)
    found: list[dict[str, Any]] | None = None
    trouble = Blocked("DTC-P2-049", "the data of the sensor cannot be read")
    for start, end in ((first - second, last + second), (first - day, last + second), (None, None)):
        answer = data(twin, sensor_id, start, end) if start and end else twin.rest.get(at(sensor_id, "/data"))
        try:
            found = measurements(answer)
        except Blocked as blocked:
            trouble = blocked
            continue
        if all(any(matches(entry, one) for entry in found) for one in sent):
            return found
    if found is None:
        raise trouble
    return found


def reports_refusal(answer: Answer, accepted: int) -> bool:
    """Whether a 2xx says that something was not accepted: a 207, a count, or a list of errors (C-56)."""
    value = answer.json() if answer.is_json else None
    shown = value if isinstance(value, dict) else {}
    told = [
        shown.get(name) for name in ("rejected", "errors", "failed", "invalid", "refused", "rejectedCount")
    ]
    return answer.status == 207 or any(told) or shown.get("accepted") == accepted


def stored(twin: Twin, sensor_id: str, sent: list[dict[str, Any]]) -> None:
    """Submit readings and wait until all of them can be read.

    Raises:
        Blocked: by DTC-P2-055 when they are refused or do not show within a few seconds.
    """
    twin.scratch.readings(sensor_id, sent)

    def look() -> bool:
        found = seen(twin, sensor_id, sent)
        return all(any(matches(entry, one) for entry in found) for one in sent)

    if not eventually(twin, look):
        raise Blocked("DTC-P2-055", f"readings of sensor {sensor_id} were accepted and cannot be read")
