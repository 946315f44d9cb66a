"""Sensors and readings of the run: what is published, and how it is recognised at another door."""

import json
import math
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from dtc_cli.harness.suite import Answer, Arrived, Blocked, Twin, quote
from suites.phase2.support_live import once
from suites.phase3.support.broker import Client
from suites.phase3.support.wia import DELIVERY_S, SILENCE_S, Message, Session, payload_of, rfc3339

SENSORS = "city/{city}/sensors/#"
SHORT = {"EnvironmentalSensor": "environmental", "TrafficSensor": "traffic", "EnergySensor": "energy"}
UNITS = {
    "temperature": "celsius",
    "humidity": "percent",
    "air_quality": "aqi",
    "traffic_volume": "vehicles/hour",
    "energy_consumption": "kWh",
}
KINDS = {"traffic_volume": "TrafficSensor", "energy_consumption": "EnergySensor"}
GRACE_S = 0.1
"""Seconds for which something may still come after what was said later, at least."""
_COUNT: dict[str, int] = {}


def sensor(twin: Twin, name: str = "main", kind: str = "EnvironmentalSensor") -> str:
    """The id of a sensor of the run by that name, registered at its first use.

    Raises:
        Blocked: when none can be registered.
    """
    twin.need_hazard("write")
    found: str = once(twin, f"p3-sensor-{name}-{kind}", lambda: twin.scratch.sensor(_body(twin, kind))[0])
    return found


def _body(twin: Twin, kind: str) -> dict[str, Any]:
    return twin.scratch.sensor_body(kind)


def measurement(
    twin: Twin, parameter: str = "temperature", value: float | None = None, **members: Any
) -> dict[str, Any]:
    """A sound measurement a second ago; its instant and its value are nobody else's in the run."""
    number = _COUNT[twin.run_id] = _COUNT.get(twin.run_id, 0) + 1
    at = twin.clock.now() - timedelta(milliseconds=1000 + number % 500)
    return {
        "parameter": parameter,
        # 20 to 59 celsius, within P1 5.2 however many a run needs.
        "value": round(20 + number % 40_000 / 1024, 6) if value is None else value,
        "unit": UNITS[parameter],
        "timestamp": rfc3339(at),
        "quality": "good",
        **members,
    }


def topic(
    twin: Twin, sensor_id: str, parameter: str = "temperature", kind: str = "EnvironmentalSensor"
) -> str:
    """The topic on which the run publishes a reading (C-64)."""
    return f"city/{twin.target.city}/sensors/{SHORT[kind]}/{sensor_id}/{parameter}"


def filter_of(twin: Twin, pattern: str = SENSORS) -> str:
    """A topic filter with the city in its place."""
    return pattern.replace("{city}", twin.target.city)


def body(sensor_id: str, *measurements: dict[str, Any]) -> dict[str, Any]:
    """The payload of a sensor message (P3 5.2)."""
    return {"sensorId": sensor_id, "measurements": list(measurements)}


def post(twin: Twin, sensor_id: str, *measurements: dict[str, Any]) -> None:
    """Submit over REST.

    Raises:
        Blocked: when the API refuses it.
    """
    twin.scratch.readings(sensor_id, list(measurements))


def came(twin: Twin, ears: Session | Client, wanted: Callable[[Any], bool]) -> list[Any]:
    """What came of `wanted` by the time at which a later reading is there, and as long again.

    How long nothing must come is thereby measured on the target, not assumed. `ears` hear the sensors of the
    city; where the later reading does not come, they listen for `SILENCE_S`.
    """
    witness, mine = sensor(twin, "witness"), measurement(twin)
    began = twin.clock.now()
    post(twin, witness, mine)
    if isinstance(ears, Session):
        seen = bool(ears.publishes(DELIVERY_S, like(witness, mine["value"]), most=1))
    else:
        seen = bool(ears.messages(DELIVERY_S, on_mqtt(witness, mine["value"]), most=1))
    took = (twin.clock.now() - began).total_seconds()
    rest = max(GRACE_S, took) if seen else SILENCE_S
    return ears.publishes(rest, wanted) if isinstance(ears, Session) else ears.messages(rest, wanted)


def all_of(ears: Client, sensor_id: str, values: Iterable[float]) -> list[Arrived]:
    """What comes until each value has come at least once, or nothing more comes for a while (QoS 1)."""
    got: list[Arrived] = []
    missing = set(values)
    while missing:
        more = ears.messages(DELIVERY_S, on_mqtt(sensor_id), most=1)
        if not more:
            break
        got += more
        told = [entry.get("value") for one in more for entry in carried(of_mqtt(one.packet.payload))]
        missing = {value for value in missing if not any(same(one, value) for one in told)}
    return got


def carried(payload: Any) -> list[dict[str, Any]]:
    """The measurements of a payload in any of the printed shapes (C-62): with the sensor's id in each."""
    if isinstance(payload, dict) and isinstance(payload.get("payload"), dict) and "type" in payload:
        payload = payload["payload"]
    if not isinstance(payload, dict):
        return []
    found = payload.get("measurements")
    entries = found if isinstance(found, list) else [payload] if "value" in payload else []
    return [{"sensorId": payload.get("sensorId"), **entry} for entry in entries if isinstance(entry, dict)]


def holds(payload: Any, sensor_id: str, value: float | None = None, parameter: str | None = None) -> bool:
    """Whether a payload carries a reading of this sensor, with this value and of this parameter if given."""
    return any(
        entry.get("sensorId") == sensor_id
        and (value is None or same(entry.get("value"), value))
        and (parameter is None or entry.get("parameter") == parameter)
        for entry in carried(payload)
    )


def about(message: Message, sensor_id: str, value: float | None = None) -> bool:
    """Whether a stream message carries such a reading."""
    return holds(payload_of(message), sensor_id, value)


def like(sensor_id: str, value: float | None = None) -> Callable[[Message], bool]:
    """Tells the stream messages that carry such a reading."""
    return lambda message: about(message, sensor_id, value)


def on_mqtt(sensor_id: str, value: float | None = None) -> Callable[[Arrived], bool]:
    """Tells the MQTT packets that carry such a reading."""
    return lambda one: holds(of_mqtt(one.packet.payload), sensor_id, value)


def of_mqtt(payload: bytes) -> Any:
    """The JSON value of an MQTT payload, None when it is none."""
    try:
        return json.loads(payload)
    except ValueError:
        return None


def same(left: object, right: float) -> bool:
    """Whether a JSON number is this value."""
    return (
        isinstance(left, int | float)
        and not isinstance(left, bool)
        and math.isclose(left, right, rel_tol=1e-12)
    )


def stored(twin: Twin, sensor_id: str, value: float) -> dict[str, Any] | None:
    """The reading with this value as the API shows it; None when it shows none.

    Raises:
        Blocked: by DTC-P2-048 when the sensor's data cannot be read.
    """
    answer = twin.rest.get(f"/cities/{{city}}/sensors/{quote(sensor_id)}/data", params={"limit": "1000"})
    return next((one for one in _listed(answer) if same(one.get("value"), value)), None)


def _listed(answer: Answer) -> Iterable[dict[str, Any]]:
    if not answer.ok or not answer.is_json:
        raise Blocked("DTC-P2-048", f"the sensor's data cannot be read (status {answer.status})")
    value = answer.json()
    lists = [value] if isinstance(value, list) else [one for one in value.values() if isinstance(one, list)]
    return [entry for one in lists for entry in one if isinstance(entry, dict)]
