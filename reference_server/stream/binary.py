"""Sensor readings as binary messages (P3 5.5; C-57, C-58, C-59): 66 bytes out, 66 or 64 in."""

import math
import struct
import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from reference_server import instants
from reference_server.errors import ApiError
from reference_server.messaging.directory import NAMESPACE, binary_id
from reference_server.messaging.messages import Fact
from reference_server.rules.parameters import celsius

VERSION = bytes((1, 0, 0, 0))
PUBLISH = 3  # the number of the MQTT packet
SIZE = 66
SIZES = (66, 64)
_LAYOUT = struct.Struct("!4sI16sQ16sHdB")  # 59 bytes that mean something; the rest is reserved
PARAMETERS: Mapping[int, tuple[str, str]] = {
    0x0001: ("temperature", "celsius"),
    0x0002: ("humidity", "percent"),
    0x0003: ("air_quality", "aqi"),
    0x0004: ("traffic_volume", "vehicles/hour"),
    0x0005: ("energy_consumption", "kWh"),
    0x0006: ("noise_level", "decibel"),  # from here on this twin's own (C-59)
    0x0007: ("occupancy", "count"),
    0x0008: ("water_flow", "liters/min"),
}
NUMBERS = {name: number for number, (name, _) in PARAMETERS.items()}
QUALITIES = ("", "excellent", "good", "fair", "poor")
"""By their byte; 0 is unknown, which no stored reading can be."""


class Record(msgspec.Struct, frozen=True):
    """A reading as a binary message holds it; the instant in milliseconds since 1970 UTC."""

    id: uuid.UUID
    at_ms: int
    sensor: uuid.UUID
    parameter: str
    unit: str
    value: float
    quality: str


def decode(frame: bytes) -> Record:
    """The reading in a binary message; reserved bytes are not looked at.

    Raises:
        ApiError: VALIDATION_ERROR for another layout, INVALID_MEASUREMENT for what is no reading.
    """
    if len(frame) not in SIZES:
        raise _bad(
            "VALIDATION_ERROR", "length", f"a binary reading takes {SIZE} bytes, this has {len(frame)}"
        )
    version, kind, message, at, sensor, parameter, value, quality = _LAYOUT.unpack_from(frame)
    if version[0] != VERSION[0]:
        raise _bad("VALIDATION_ERROR", "version", "the version bytes are 1, 0, 0, 0")
    if kind != PUBLISH:
        raise _bad("VALIDATION_ERROR", "type", "the type of a binary reading is 3")
    known = PARAMETERS.get(parameter)
    if known is None:
        raise _bad("INVALID_MEASUREMENT", "parameter", f"there is no parameter 0x{parameter:04X}")
    if not 0 < quality < len(QUALITIES):
        raise _bad("INVALID_MEASUREMENT", "quality", f"there is no quality {quality}")
    if not math.isfinite(value):
        raise _bad("INVALID_MEASUREMENT", "value", "the value must be a finite number")
    if at > 253_402_300_799_000:
        raise _bad("INVALID_MEASUREMENT", "timestamp", "the instant lies beyond the year 9999")
    return Record(
        uuid.UUID(bytes=message), at, uuid.UUID(bytes=sensor), known[0], known[1], value, QUALITIES[quality]
    )


def measurement(record: Record) -> dict[str, Any]:
    """A record as P1 5.2 writes a reading."""
    whole = record.parameter == "occupancy" and record.value.is_integer()
    return {
        "parameter": record.parameter,
        "value": int(record.value) if whole else record.value,
        "unit": record.unit,
        "timestamp": instants.show(record.at_ms * 1000),
        "quality": record.quality,
    }


def encode(fact: Fact, message_id: str) -> list[bytes] | None:
    """A message's readings, one per frame; None when one of them has no number to be sent under."""
    frames = []
    for number, one in enumerate(fact.readings):
        parameter, quality = NUMBERS.get(one.parameter), one.quality
        if parameter is None or quality not in QUALITIES or one.at < 0:
            return None
        frames.append(
            _LAYOUT.pack(
                VERSION,
                PUBLISH,
                uuid.uuid5(NAMESPACE, f"{message_id}/{number}").bytes,
                one.at // 1000,
                binary_id(fact.city, fact.sensor).bytes,
                parameter,
                celsius(one.value, one.unit),
                QUALITIES.index(quality),
            ).ljust(SIZE, b"\0")
        )
    return frames


def _bad(code: str, field: str, message: str) -> ApiError:
    return ApiError(code, message, {"field": field, "rule": "ERR_INVALID_VALUE"})
