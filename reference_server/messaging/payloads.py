"""What clients put into the payload of a message, read into one form (P3 4.2.4, 5.2, 10.1; C-62, C-63)."""

from typing import Any

import msgspec

from reference_server import jsonio
from reference_server.errors import ApiError
from reference_server.messaging import topics
from reference_server.messaging.alerts import SEVERITIES
from reference_server.strictjson import BadJsonError

FLAT = ("parameter", "value", "unit", "timestamp", "quality", "confidence")


class Measured(msgspec.Struct, frozen=True):
    """The readings of one sensor, and what else the payload holds."""

    sensor: str
    readings: list[Any]
    extra: dict[str, Any]
    whole: bool
    """Whether the payload is in the form of P3 10.1 already, and can go on as it came."""


def decoded(payload: bytes) -> dict[str, Any]:
    """The JSON object of a payload; the payload of an envelope, where one was sent whole.

    Raises:
        ApiError: MALFORMED_REQUEST, VALIDATION_ERROR.
    """
    try:
        value = jsonio.loads(payload)
    except BadJsonError as problem:
        raise ApiError("MALFORMED_REQUEST", f"the payload: {problem}") from problem
    if isinstance(value, dict) and isinstance(value.get("payload"), dict) and "sensorId" not in value:
        value = value["payload"]
    if not isinstance(value, dict):
        raise ApiError("VALIDATION_ERROR", "the payload must be a JSON object", {"rule": "ERR_INVALID_TYPE"})
    return value


def sensor_reading(payload: bytes, topic: topics.SensorTopic) -> Measured:
    """The readings of a message on a sensor's topic; the ids in the payload decide (C-64).

    Raises:
        ApiError: the payload is not what a sensor sends, or speaks of another parameter than its topic.
    """
    value = decoded(payload)
    sensor = value.get("sensorId")
    if not isinstance(sensor, str) or not sensor:
        raise _bad("sensorId", "sensorId is missing")
    listed = "measurements" in value
    if listed:
        readings = value["measurements"]
        extra = {name: one for name, one in value.items() if name not in ("sensorId", "measurements")}
    else:
        readings = [{name: value[name] for name in FLAT if name in value}]
        extra = {name: one for name, one in value.items() if name not in ("sensorId", *FLAT)}
    if not isinstance(readings, list) or not readings:
        raise _bad("measurements", "measurements must be an array that is not empty")
    named = [one.get("parameter") for one in readings if isinstance(one, dict)]
    if len(named) == len(readings) and topic.parameter not in named:
        raise _bad("measurements", "no reading is of the parameter that the topic names")
    return Measured(sensor, readings, extra, listed and b'"payload"' not in payload)


def alert(payload: bytes, severity: str) -> dict[str, Any]:
    """An alert as it is passed on (P3 5.3).

    Raises:
        ApiError: eventType or severity are missing, or the topic says another severity.
    """
    value = decoded(payload)
    if severity not in SEVERITIES:
        raise ApiError("INVALID_TOPIC", f"the severity of an alert is one of {', '.join(SEVERITIES)}")
    if not isinstance(value.get("eventType"), str) or not value["eventType"]:
        raise _bad("eventType", "eventType is missing")
    if value.get("severity") != severity:
        raise _bad("severity", "the severity must be that of the topic")
    return value


def _bad(field: str, message: str) -> ApiError:
    return ApiError("VALIDATION_ERROR", message, {"field": field, "rule": "ERR_INVALID_VALUE"})
