"""Defects of sensors and readings (P2 4.4, 6.3)."""

from collections.abc import Callable
from typing import Any

import msgspec

from reference_server import instants
from reference_server.errors import ApiError
from reference_server.faults.fault import both, wrap
from reference_server.faults.tools import body, each, member, naive, refusal, renamed, status, swallowed
from reference_server.rest import filters
from reference_server.rest import sensors as rest
from reference_server.services import readings, sensors
from reference_server.storage import queries, series

Make = Callable[..., Any]
Json = dict[str, Any]


def _free(_: Make) -> Make:
    return lambda tx, city, item: None


def _asked(**changes: Any) -> Make:
    def make(listing: Make) -> Make:
        return lambda connection, query: listing(connection, msgspec.structs.replace(query, **changes))

    return make


def _any_range(between: Make) -> Make:
    def wrong(connection: Any, sensor: int, start: int, end: int, **options: Any) -> Any:
        return between(connection, sensor, instants.EARLIEST_US, instants.now_us(), **options)

    return wrong


def _open_end(between: Make) -> Make:
    def wrong(connection: Any, sensor: int, start: int, end: int, **options: Any) -> Any:
        found = between(connection, sensor, start, end, **options)
        return [one for one in found if one.at not in (start, end)]

    return wrong


def _turned(span: Make) -> Make:
    def lax(start: int | None, end: int | None) -> Any:
        if start is not None and end is not None and start > end:
            return span(end, start)
        return span(start, end)

    return lax


def _any_instant(instant: Make) -> Make:
    def lax(query: Any, name: str) -> Any:
        try:
            return instant(query, name)
        except ApiError:
            return None

    return lax


def _both_needed(data: Make) -> Make:
    async def strict(world: Any, city: Any, sensor_id: str, **options: Any) -> Any:
        if options["start"] is None or options["end"] is None:
            raise ApiError("INVALID_PARAMETERS", "start and end are needed")
        return await data(world, city, sensor_id, **options)

    return strict


def _forgetting(submit: Make) -> Make:
    async def wrong(world: Any, city: Any, sensor_id: str, given: Json, actor: str) -> Any:
        shown = await submit(world, city, sensor_id, {**given, "measurements": []}, actor)
        return {**shown, "accepted": len(given["measurements"])}

    return wrong


def _lax_batch(*rules: str) -> Make:
    """A check of batches that lets violations of these rules pass."""

    def make(check: Make) -> Make:
        def lax(given: list[Any], capacity: Any, max_value: Any, **ids: Any) -> None:
            for one in given:
                try:
                    check([one], capacity, max_value, **ids)
                except ApiError as problem:
                    if problem.details["rule"] not in rules or problem.details["field"].endswith("timestamp"):
                        raise

        return lax

    return make


def _lax_future(check: Make) -> Make:
    def lax(given: list[Any], capacity: Any, max_value: Any, **ids: Any) -> None:
        for one in given:
            try:
                check([one], capacity, max_value, **ids)
            except ApiError as problem:
                if problem.details["rule"] != "ERR_FUTURE_TIMESTAMP":
                    raise

    return lax


def _filled(check: Make) -> Make:
    def lax(given: list[Any], capacity: Any, max_value: Any, **ids: Any) -> None:
        for one in given:
            if isinstance(one, dict):
                one.setdefault("quality", "good")
                one.setdefault("timestamp", instants.show(instants.now_us()))
                one.setdefault("parameter", "temperature")
                one.setdefault("unit", "celsius")
                one.setdefault("value", 20)
        check(given, capacity, max_value, **ids)

    return lax


def _partial(submit: Make) -> Make:
    async def wrong(world: Any, city: Any, sensor_id: str, given: Json, actor: str) -> Any:
        try:
            return await submit(world, city, sensor_id, given, actor)
        except ApiError as problem:
            if problem.code != "INVALID_MEASUREMENT":
                raise
            for one in given["measurements"]:
                try:
                    await submit(world, city, sensor_id, {"measurements": [one]}, actor)
                except ApiError:
                    continue
            raise

    return wrong


def _no_plus(text: str) -> str:
    return text


def _of_first(fold: Make) -> Make:
    def wrong(connection: Any, numbers: Any, *options: Any) -> Any:
        return fold(connection, numbers[:1], *options)

    return wrong


def _odd_quality(shown: Json) -> None:
    for one in shown["measurements"]:
        one["quality"] = "ok"


def _codes(
    owner: Any, name: str, code: str, other: str, status_code: int | None = None
) -> Callable[[], None]:
    return refusal(owner, name, [code], renamed(other, status_code))


TABLE: tuple[tuple[str, str, Callable[[], None]], ...] = (
    ("044", "the answer to a registration has no id", body(rest, "register", member("id", drop=True))),
    ("044.status", "a registration is answered with 200", status(rest, "register", 200)),
    ("045", "a sensor may hang on nothing", wrap(sensors, "owner_of", _free)),
    (
        "045.code",
        "a sensor on nothing is called invalid city data",
        _codes(sensors, "register", "OBJECT_NOT_FOUND", "INVALID_CITY_DATA", 400),
    ),
    ("046", "sensors outside the city are accepted", swallowed(sensors, "check", "OUT_OF_BOUNDS")),
    (
        "046.code",
        "a sensor outside the city is called an invalid geometry",
        _codes(sensors, "register", "OUT_OF_BOUNDS", "INVALID_GEOMETRY"),
    ),
    ("047", "the type of sensors is ignored in lists", wrap(queries, "sensors", _asked(types=()))),
    ("047.status", "the status of sensors is ignored", wrap(queries, "sensors", _asked(operational=None))),
    ("047.limit", "the limit of sensors is ignored", wrap(queries, "sensors", _asked(limit=100))),
    ("048", "a single sensor is not found", _codes(sensors, "find", "SENSOR_NOT_FOUND", "ROUTE_NOT_FOUND")),
    ("049", "data lack the sensor's id", body(rest, "data", member("sensorId", drop=True))),
    (
        "049.quality",
        "readings lack their quality",
        body(rest, "data", each("measurements", member("quality", drop=True))),
    ),
    ("050", "the range of data is ignored", wrap(series, "between", _any_range)),
    ("050.ends", "readings at the ends of a range are left out", wrap(series, "between", _open_end)),
    (
        "050.echo",
        "timeRange is not the range asked for",
        body(rest, "data", member("timeRange.start", "2020-01-01T00:00:00Z")),
    ),
    ("051", "data without a range are refused", wrap(readings, "data", _both_needed)),
    ("052", "count is too large", body(rest, "data", member("count", lambda n: n + 286))),
    ("053", "a reversed range is turned round", wrap(readings, "span", _turned)),
    ("053.zone", "an instant without zone is ignored", wrap(filters, "instant", _any_instant)),
    ("054", "a bare + in the zone is refused", wrap(instants, "repair_plus", lambda _: _no_plus)),
    ("055", "accepted readings are not stored", wrap(readings, "submit", _forgetting)),
    ("056", "values out of range are stored", wrap(readings, "check", _lax_batch("ERR_INVALID_VALUE"))),
    (
        "056.code",
        "a value out of range is called a validation error",
        _codes(readings, "submit", "INVALID_MEASUREMENT", "VALIDATION_ERROR"),
    ),
    ("057", "readings of the future are stored", wrap(readings, "check", _lax_future)),
    ("058", "missing members of a reading are filled in", wrap(readings, "check", _filled)),
    ("059", "the good readings of a bad batch are stored", wrap(readings, "submit", _partial)),
    (
        "060",
        "readings below the declared threshold are stored",
        wrap(readings, "check_quality", lambda _: lambda *a, **k: None),
    ),
    (
        "061",
        "an unknown sensor is called an unknown object",
        wrap(
            sensors,
            "absent",
            lambda absent: lambda city, name: renamed("OBJECT_NOT_FOUND")(absent(city, name)),
        ),
    ),
    (
        "061.status",
        "an unknown sensor is answered with 400",
        wrap(
            sensors,
            "absent",
            lambda absent: lambda city, name: renamed("SENSOR_NOT_FOUND", 400)(absent(city, name)),
        ),
    ),
    ("063", "only the first of several sensors is folded", wrap(series, "buckets", _of_first)),
    (
        "107.readings",
        "instants of readings have no zone",
        body(rest, "data", each("measurements", member("timestamp", naive))),
    ),
    (
        "108.readings",
        "readings have another quality word",
        both(body(rest, "data", _odd_quality), body(rest, "read", _odd_quality)),
    ),
)
