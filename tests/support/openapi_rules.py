"""Hooks for Schemathesis: what JSON Schema cannot say of this API, each with the reason, and nothing else.

Schemathesis expects that a request which fits its schema is accepted. Some rules join several members, the
clock or stored state, and no schema can state them. A refusal of such a request is fine only with a code and
words of the table below; any other is a failure of the check `refusals_are_foreseen`. What was accepted is
counted per operation, so that an operation that refuses everything is noticed.
"""

import atexit
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import schemathesis
from schemathesis.specs.openapi.checks import use_after_free

ANYWHERE = ("INVALID_GEOMETRY", "longitude")  # the range depends on the coordinate system of the city
RING = ("INVALID_GEOMETRY", "the last position of a ring must equal the first")  # two items compared
OUTSIDE = ("OUT_OF_BOUNDS", "")  # the outline of the city
REVERSED = ("INVALID_PARAMETERS", "start lies after end")  # two members compared
FUTURE = ("INVALID_PARAMETERS", "the timestamp lies in the future")  # the clock
CURSOR = ("INVALID_PARAMETERS", "the cursor is not one")  # only this server knows which it gave out
PATCHES = [
    ("CONFLICT", ""),  # a JSON Patch that does not fit the document
    (
        "VALIDATION_ERROR",
        "",
    ),  # any patch whose result breaks a rule: the schema knows the patch, not the document
    ("INVALID_GEOMETRY", ""),
    ("INVALID_CITY_DATA", ""),
    ("SENSOR_NOT_FOUND", ""),
    ("OBJECT_NOT_FOUND", ""),
    ("PAYLOAD_TOO_LARGE", "copies may add up"),  # the sum over all operations
    OUTSIDE,
]

FORESEEN: dict[str, list[tuple[str, str]]] = {
    "createCity": [
        ("INVALID_CITY_DATA", "longitude"),
        ("INVALID_CITY_DATA", "easting"),
        ("INVALID_CITY_DATA", "the last position of a ring must equal the first"),
    ],
    "updateCity": PATCHES,
    "updateObject": PATCHES,
    "updateSensor": PATCHES,
    "queryObjects": [
        ("INVALID_PARAMETERS", "a cursor walks"),  # parameters that exclude each other
        CURSOR,
        ("INVALID_PARAMETERS", "in bounds the minimum"),  # two numbers compared
    ],
    "createObject": [
        ANYWHERE,
        RING,
        OUTSIDE,
        ("SENSOR_NOT_FOUND", ""),  # a reference
    ],
    "registerSensor": [ANYWHERE, OUTSIDE, ("OBJECT_NOT_FOUND", "")],
    "submitSensorData": [
        ("INVALID_MEASUREMENT", "the unit must be"),  # the unit goes with the parameter
        ("INVALID_MEASUREMENT", "is outside"),  # the range goes with the parameter and the unit
        ("INVALID_MEASUREMENT", "lies in the future"),
        ("INVALID_MEASUREMENT", "a count must be"),
    ],
    "getSensorData": [REVERSED],
    "querySensors": [("INVALID_PARAMETERS", "a cursor walks"), CURSOR],
    "getToken": [("invalid_scope", ""), ("invalid_request", "")],  # a client's rights; a field twice, NUL
    "aggregateSensorData": [REVERSED, ("INVALID_PARAMETERS", "the range holds more than")],
    "getObjectHistory": [REVERSED],
    "getSnapshot": [FUTURE],
    "compareSnapshots": [FUTURE],
    "startSimulation": [("INVALID_PARAMETERS", "the range starts after its end")],
    "findNearby": [
        ("INVALID_GEOMETRY", "location must be a GeoJSON Point")
    ],  # the coordinate system of the city
    "findRoute": [OUTSIDE, ("INVALID_GEOMETRY", "must be a GeoJSON Point")],
    "analyzeAccessibility": [OUTSIDE, ("INVALID_GEOMETRY", "must be a GeoJSON Point")],
    "startImport": [
        ("INVALID_CITY_DATA", ""),  # the header of a record, by rules over several members
        ("MALFORMED_REQUEST", ""),  # lines of JSON are JSON
        ("VALIDATION_ERROR", ""),  # what is neither a record nor a FeatureCollection
    ],
    "stream": [("UPGRADE_REQUIRED", "")],  # a WebSocket: the schema has no word for the upgrade
    "staResource": [("INVALID_PARAMETERS", "")],  # expressions have a grammar of their own
    "ogcItems": [
        CURSOR,
        ("INVALID_PARAMETERS", "datetime must be"),  # the 30th of February
        ("INVALID_PARAMETERS", "in bounds the minimum"),
        ("INVALID_PARAMETERS", "the interval ends before"),
    ],
}


@schemathesis.serializer("application/x-ndjson")
def lines_of_json(ctx: Any, value: Any) -> bytes:
    """What is generated as text is sent as it is."""
    return value.encode("utf-8", "replace") if isinstance(value, str) else json.dumps(value).encode()


accepted: Counter[str] = Counter()
NO_REQUEST = (401, 403, 404, 409, 429)
"""Refusals of a caller or a state, not of the data; Schemathesis takes them for granted too."""


@schemathesis.check
def refusals_are_foreseen(ctx: Any, response: Any, case: Any) -> None:
    """A request that fits its schema is accepted, or refused by a rule of the table."""
    meta = case.meta
    operation = case.operation.definition.raw.get("operationId", "")
    if response.status_code < 300:
        accepted[operation] += 1
    if meta is None or not meta.generation.mode.is_positive or response.status_code < 400:
        return
    if response.status_code in NO_REQUEST or response.status_code >= 500:
        return  # another check judges 5xx
    shown = response.json()
    error = shown["error"]
    if isinstance(error, str):  # the token endpoint speaks RFC 6749
        error = {"code": error, "message": shown["error_description"]}
    code, message = error["code"], error["message"]
    for known, words in FORESEEN.get(operation, ()):
        if code == known and words in message:
            return
    raise AssertionError(f"{operation} refused a request that fits its schema: {code}: {message}")


CANCELLED = frozenset({"getSimulation", "getSimulationResults"})
"""DELETE of a simulation cancels it; its record stays, with the status cancelled (P2 4.5, C-46)."""


@schemathesis.check
def deleted_means_gone(ctx: Any, response: Any, case: Any) -> bool | None:
    """What was deleted cannot be read any more."""
    if case.operation.definition.raw.get("operationId") in CANCELLED:
        return None
    return use_after_free(ctx, response, case)


def _keep() -> None:
    place = os.environ.get("OPENAPI_RULES_COUNTS")
    if place:
        Path(place).write_text(json.dumps(accepted))


atexit.register(_keep)
