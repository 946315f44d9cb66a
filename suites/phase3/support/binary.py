"""The binary sensor frame, taken apart and put together by its table (P3 5.5, C-57, C-58)."""

import struct
import uuid
from typing import Any

from dtc_cli.harness.suite import Blocked, NotApplicable, NotTested, Received, Twin, quote
from suites.phase2.support_live import moment, once
from suites.phase3.support import readings, wia
from suites.phase3.support.wia import Session, open_session

HEADER, LONG, SHORT = 32, 66, 64
VERSION = bytes((1, 0, 0, 0))
PUBLISH = 3
PARAMETERS = {
    0x0001: "temperature",
    0x0002: "humidity",
    0x0003: "air_quality",
    0x0004: "traffic_volume",
    0x0005: "energy_consumption",
}
IDS = {name: number for number, name in PARAMETERS.items()}
QUALITY = {1: "excellent", 2: "good", 3: "fair", 4: "poor"}
BYTES = {name: number for number, name in QUALITY.items()}


class Fields:
    """The fields of a frame of 59 bytes and more."""

    def __init__(self, data: bytes) -> None:
        self.size = len(data)
        self.version, self.message_id = data[:4], data[8:24]
        self.kind, self.at_ms = int.from_bytes(data[4:8]), int.from_bytes(data[24:32])
        self.sensor = data[32:48]
        self.parameter = int.from_bytes(data[48:50])
        self.value: float = struct.unpack("!d", data[50:58])[0]
        self.quality = data[58]
        self.reserved = data[59:]


def frame(
    sensor: bytes,
    parameter: int,
    value: float,
    at_ms: int,
    *,
    message_id: bytes,
    quality: int = 2,
    reserved: bytes = bytes(7),
    kind: int = PUBLISH,
    version: bytes = VERSION,
) -> bytes:
    """A frame."""
    head = version + struct.pack("!I", kind) + message_id + struct.pack("!Q", at_ms)
    return head + sensor + struct.pack("!HdB", parameter, value, quality) + reserved


def sensor_bytes(twin: Twin, sensor_id: str) -> bytes:
    """The 16 bytes that stand for a sensor: its UUID, else its binaryId (C-24).

    Raises:
        NotTested: when the target tells none.
    """
    found: bytes = once(twin, f"p3-binary-{sensor_id}", lambda: _sensor_bytes(twin, sensor_id))
    return found


def _sensor_bytes(twin: Twin, sensor_id: str) -> bytes:
    try:
        return uuid.UUID(sensor_id).bytes
    except ValueError:
        pass
    answer = twin.rest.get(f"/cities/{{city}}/sensors/{quote(sensor_id)}")
    told = answer.json() if answer.ok and answer.is_json else {}
    try:
        return uuid.UUID(str(told.get("binaryId"))).bytes
    except (ValueError, AttributeError):
        pass
    got = sent(twin, sensor_id, 1)
    if got:
        return Fields(got[0].data).sensor
    raise NotTested("the sensor's id is no UUID, and GET of the sensor shows no binaryId (C-24)")


def hearing(twin: Twin) -> Session:
    """A session that asked for binary frames."""
    session = open_session(twin)
    topics = [{"topic": readings.filter_of(twin), "qos": 0, "encoding": "binary"}]
    session.send("SUBSCRIBE", {"topics": topics, "encoding": "binary"}, encoding="json")
    if session.reply({"SUBACK"}) is None:
        session.close()
        raise Blocked("DTC-P3-025", "SUBSCRIBE is not answered")
    return session


def sent(twin: Twin, sensor_id: str, count: int, **members: Any) -> list[Received]:
    """Binary frames that the target sends for readings over REST."""
    session = hearing(twin)
    for _ in range(count):
        readings.post(twin, sensor_id, readings.measurement(twin, **members))
    found = [one for one in session.link.during(wia.SILENCE_S, most=4 * count) if one.kind == "binary"]
    session.close()
    return found


def outgoing(twin: Twin) -> list[tuple[Received, dict[str, Any]]]:
    """Frames of the target, each beside the measurement that it carries; asked for once.

    Raises:
        NotApplicable: when the target sends none: no message asks for them in the standard.
    """
    found: list[tuple[Received, dict[str, Any]]] = once(twin, "p3-binary-out", lambda: _outgoing(twin))
    return found


def _outgoing(twin: Twin) -> list[tuple[Received, dict[str, Any]]]:
    pairs: list[tuple[Received, dict[str, Any]]] = []
    session = hearing(twin)
    for parameter in IDS:
        kind = readings.KINDS.get(parameter, "EnvironmentalSensor")
        sensor = readings.sensor(twin, "binary", kind)
        for quality in ("excellent", "poor"):
            mine = readings.measurement(twin, parameter, quality=quality)
            readings.post(twin, sensor, mine)
            frame = _frame(session, sensor, mine, first=not pairs)
            if frame is not None:
                pairs.append((frame, {**mine, "sensorId": sensor}))
            if not pairs:
                break
        if not pairs:
            break
    session.close()
    if not pairs:
        raise NotApplicable("the target sends no binary frames; what it takes is judged")
    return pairs


def _frame(session: Session, sensor: str, mine: dict[str, Any], *, first: bool) -> Received | None:
    """The frame of a reading, or the first of all; None when the reading comes as JSON, or not at all."""
    for wait_s in (wia.DELIVERY_S, wia.EXTRA_S):
        for one in session.link.during(wait_s, most=12):
            if one.kind == "binary" and (first or (len(one.data) >= 59 and _is(one.data, mine))):
                return one
            message = wia.message_of(one)
            if message is not None and readings.about(message, sensor, mine["value"]):
                break  # a frame may still follow
        else:
            return None
    return None


def _is(data: bytes, mine: dict[str, Any]) -> bool:
    return bool(Fields(data).value == mine["value"])


def millis(text: str) -> int:
    """An instant in milliseconds since 1970."""
    at = moment(text)
    assert at is not None  # noqa: S101 - our own text
    return round(at.timestamp() * 1000)
