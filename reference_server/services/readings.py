"""Readings: taking them in, giving them out, folding them (P2 4.4, 6.3)."""

import math
import re
from collections.abc import Sequence
from typing import Any

import orjson

from reference_server import instants
from reference_server.errors import ApiError
from reference_server.rules import measurements, objects, sound
from reference_server.rules.findings import Findings
from reference_server.rules.sound import MAX_NAME
from reference_server.services import alerts, sensors, snapshots
from reference_server.services.cities import City
from reference_server.storage.protocol import Reading, Transaction
from reference_server.world import World

DEFAULT_RANGE_US = 24 * 3600 * instants.MICROS
MAX_READINGS = 10_000
"""Readings in one answer; a longer range says so and where it goes on."""
MAX_BUCKETS = 10_000
_INTEGER_LIMIT = 2**63
_DURATION = re.compile(r"(\d{1,6})(s|min|h|hour|d|day)", re.ASCII)
_SECONDS = {"s": 1, "min": 60, "h": 3600, "hour": 3600, "d": 86400, "day": 86400}
FOLDS = ("average", "min", "max", "sum", "count")


async def submit(
    world: World, city: City, sensor_id: str, body: dict[str, Any], actor: str
) -> dict[str, Any]:
    """Store a batch of readings, all or none; how many were new and how many replaced another value.

    Raises:
        ApiError: SENSOR_NOT_FOUND, VALIDATION_ERROR without a list, INVALID_MEASUREMENT for the first bad
            reading, DATA_QUALITY_LOW below the server's threshold.
    """
    row = await sensors.find(world, city, sensor_id)
    given = body.get("measurements")
    if not isinstance(given, list):
        details = {"cityId": city.id, "sensorId": sensor_id, "field": "measurements"}
        raise ApiError("VALIDATION_ERROR", "measurements must be an array", details)
    sensor = orjson.loads(row.body)
    owner = None
    if sensor.get("attachedTo") is not None:
        found = await world.storage.object(city.no, sensor["attachedTo"])
        owner = None if found is None else orjson.loads(found.body)
    limit = sensor.get("specifications", {}).get("maxValue")
    check(given, objects.capacity(owner), limit, cityId=city.id, sensorId=sensor_id)
    threshold = world.settings.quality_threshold
    if threshold is not None:
        check_quality(given, threshold, cityId=city.id, sensorId=sensor_id)
    readings = [parsed(one) for one in given]

    def apply(tx: Transaction) -> dict[str, Any]:
        if tx.sensor(city.no, sensor_id) is None:
            raise sensors.absent(city, sensor_id)
        new, replaced = tx.add_readings(row.no, readings)
        if new or replaced:
            thresholds = world.settings.alert_thresholds
            alerts.note(tx, city.no, sensor_id, sensor.get("location"), readings, thresholds)
        return {"sensorId": sensor_id, "accepted": len(readings), "stored": new, "replaced": replaced}

    taken = await world.storage.write(actor, apply)
    world.readings[city.id] += len(readings)
    return taken


def check(given: list[Any], capacity: Any, max_value: Any, **ids: Any) -> None:
    """Judge a batch.

    Raises:
        ApiError: INVALID_MEASUREMENT.
    """
    now = instants.now_us()
    if sound.batch(given, now, capacity, max_value):
        return
    found = Findings()
    for i, one in enumerate(given):
        measurements.judge(found, one, f"/measurements/{i}", now, capacity, max_value)
        if len(found):
            break
        for name in ("parameter", "unit"):
            if not 0 < len(one[name]) <= MAX_NAME:
                found.add(
                    52, "ERR_INVALID_VALUE", f"/measurements/{i}/{name}", f"{name} is empty or too long"
                )
    for item in found:
        details = {**ids, "rule": item.code, "field": item.pointer.lstrip("/").replace("/", ".")}
        raise ApiError("INVALID_MEASUREMENT", item.message, details)


def check_quality(given: list[dict[str, Any]], threshold: float, **ids: Any) -> None:
    """Compare a sound batch with the threshold.

    Raises:
        ApiError: DATA_QUALITY_LOW.
    """
    for i, one in enumerate(given):
        if measurements.below_quality(one, threshold):
            details = {
                **ids,
                "rule": "ERR_QUALITY_LOW",
                "field": f"measurements.{i}.quality",
                "threshold": threshold,
            }
            raise ApiError("DATA_QUALITY_LOW", "the reading is below the quality threshold", details)


def parsed(one: dict[str, Any]) -> Reading:
    """A sound reading as it is stored; the zone of the device is kept beside the instant."""
    moment = instants.parse_with_offset(one["timestamp"])
    at, zone = moment if moment is not None else (0, 0)
    value = one["value"]
    if isinstance(value, int) and not -_INTEGER_LIMIT <= value < _INTEGER_LIMIT:
        value = float(value)
    return Reading(one["parameter"], value, one["unit"], at, one["quality"], one.get("confidence"), zone)


def span(start: int | None, end: int | None) -> tuple[int, int]:
    """The range that a question means; the last 24 hours when it names none.

    Raises:
        ApiError: INVALID_PARAMETERS for a start after its end.
    """
    if end is None:
        end = max(instants.now_us() + instants.FUTURE_TOLERANCE_US, start or 0)
    if start is None:
        start = max(end - DEFAULT_RANGE_US, instants.EARLIEST_US)
    if start > end:
        raise ApiError("INVALID_PARAMETERS", "start lies after end", {"parameter": "start"})
    return start, end


async def data(
    world: World,
    city: City,
    sensor_id: str,
    *,
    start: int | None,
    end: int | None,
    parameter: str | None,
    limit: int,
) -> dict[str, Any]:
    """The readings of a sensor in a range, oldest first; the newest ones when the range is not given.

    Those are the ones of the last 24 hours, or of the 24 hours up to the newest where these hold none.

    Raises:
        ApiError: SENSOR_NOT_FOUND, INVALID_PARAMETERS.
    """
    row = await sensors.find(world, city, sensor_id)
    first, last = span(start, end)
    newest = start is None and end is None
    found = await world.storage.readings(
        row.no, first, last, parameter=parameter, limit=limit + 1, newest=newest
    )
    if newest and not found:
        latest = (await world.storage.latest([row.no]))[row.no]
        past = [one.at for one in latest if parameter in (None, one.parameter) and one.at < first]
        if past:
            first, last = span(None, max(past))
            found = await world.storage.readings(
                row.no, first, last, parameter=parameter, limit=limit + 1, newest=True
            )
    more = len(found) > limit
    shown = (found[-limit:] if newest else found[:limit]) if more else found
    answer: dict[str, Any] = {
        "sensorId": sensor_id,
        "timeRange": {"start": instants.show(first), "end": instants.show(last)},
        "measurements": [snapshots.measurement(one) for one in shown],
        "count": len(shown),
    }
    if more:
        answer["truncated"] = True
        answer["nextStart"] = None if newest else instants.show(found[limit].at)
    return answer


def duration_us(text: str) -> int:
    """A duration such as 5min, 1hour or plain seconds, in microseconds.

    Raises:
        ApiError: INVALID_PARAMETERS.
    """
    match = _DURATION.fullmatch(text)
    seconds = (
        int(match[1]) * _SECONDS[match[2]] if match else int(text) if text.isascii() and text.isdigit() else 0
    )
    if not 1 <= seconds <= 366 * 86400:
        raise ApiError("INVALID_PARAMETERS", "interval must be like 5min or 1hour", {"parameter": "interval"})
    return seconds * instants.MICROS


async def aggregate(
    world: World,
    city: City,
    ids: Sequence[str],
    *,
    parameter: str,
    fold: str,
    interval: int,
    start: int,
    end: int,
) -> dict[str, Any]:
    """Readings of several sensors folded per interval, intervals aligned to 1970 UTC.

    Temperatures in celsius.

    Raises:
        ApiError: SENSOR_NOT_FOUND, INVALID_PARAMETERS.
    """
    if fold not in FOLDS:
        message = f"aggregation must be one of {', '.join(FOLDS)}"
        raise ApiError("INVALID_PARAMETERS", message, {"parameter": "aggregation"})
    if math.ceil((end - start) / interval) > MAX_BUCKETS:
        message = f"the range holds more than {MAX_BUCKETS} intervals"
        raise ApiError("INVALID_PARAMETERS", message, {"parameter": "interval"})
    numbers = [(await sensors.find(world, city, one)).no for one in ids]
    folded = await world.storage.buckets(numbers, parameter, start, end, interval)
    values = {
        "average": lambda b: b.total / b.n,
        "min": lambda b: b.low,
        "max": lambda b: b.high,
        "sum": lambda b: b.total,
        "count": lambda b: b.n,
    }
    return {
        "sensors": list(ids),
        "parameter": parameter,
        "aggregation": fold,
        "intervalSeconds": interval // instants.MICROS,
        "timeRange": {"start": instants.show(start), "end": instants.show(end)},
        "results": [
            {"timestamp": instants.show(b.at), "value": values[fold](b), "samples": b.n} for b in folded
        ],
        "count": len(folded),
    }
