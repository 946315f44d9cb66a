"""Binary sensor frames: DTC-P3-031 to -037."""

from typing import Any

import pytest

from dtc_cli.harness.suite import Blocked, NotTested, Tolerated, Twin, Violation, expect, verifies
from suites.phase2.support_live import eventually, moment
from suites.phase3.support import binary, readings, wia
from suites.phase3.support.binary import BYTES, IDS, LONG, PARAMETERS, QUALITY, SHORT, Fields
from suites.phase3.support.wia import open_session

CLAUSE = "P3 5.5, C-57, C-58"


def put(
    twin: Twin, change: Any = None, *, parameter: str = "temperature", heed_s: float = 0.05, **members: Any
) -> tuple[str, dict[str, Any], str | None]:
    """Send a reading as a frame that `change` spoils; sensor, measurement and how it was refused.

    `heed_s`: for how long a refusal is waited for after the answer to a later message.
    """
    kind = readings.KINDS.get(parameter, "EnvironmentalSensor")
    sensor = readings.sensor(twin, "binary", kind)
    mine = readings.measurement(twin, parameter)
    session = open_session(twin)
    data = binary.frame(
        binary.sensor_bytes(twin, sensor),
        members.pop("number", IDS[parameter]),
        members.pop("value", mine["value"]),
        members.pop("at_ms", binary.millis(mine["timestamp"])),
        message_id=bytes.fromhex(session.new_id().replace("-", "")),
        **members,
    )
    session.link.send_binary(change(data) if change else data)
    session.send("PING")  # its answer tells that the frame has been dealt with
    refused = session.refusal(of={"PONG"}) or session.refusal(heed_s)
    session.close()
    return sensor, mine, refused


def judge_stored(
    twin: Twin, sensor: str, mine: dict[str, Any], refused: str | None, what: str
) -> dict[str, Any]:
    """The reading is there, as the API shows it."""
    found = eventually(twin, lambda: readings.stored(twin, sensor, mine["value"]))
    expect.that(
        found is not None,
        f"{what} is not taken",
        expected="the reading among the sensor's data",
        actual=refused or "it was not refused, but the reading is not there",
        clause=CLAUSE,
    )
    return found or {}


def judge_not_stored(twin: Twin, sensor: str, value: float, what: str) -> None:
    """Refused or ignored: nobody sees a reading of it."""
    witness, witnessed, _ = put(twin)
    if eventually(twin, lambda: readings.stored(twin, witness, witnessed["value"])) is None:
        raise Blocked("DTC-P3-032", "a sound frame is not taken either")
    expect.that(
        readings.stored(twin, sensor, value) is None, f"{what} is taken", expected="refused", clause=CLAUSE
    )


@verifies("DTC-P3-031", hazard="write")
def test_the_header_of_a_frame(twin: Twin) -> None:
    for one, _ in binary.outgoing(twin):
        expect.that(
            len(one.data) >= binary.HEADER,
            "a frame is shorter than its header",
            actual=len(one.data),
            clause=CLAUSE,
        )
        fields = Fields(one.data)
        expect.that(
            fields.version[0] == 1,
            "the version of the header is not 1",
            actual=fields.version.hex(),
            clause=CLAUSE,
        )
        expect.equal(fields.kind, binary.PUBLISH, "the type of the header is not PUBLISH", clause=CLAUSE)
        expect.that(any(fields.message_id), "the message id of the header is zero", clause=CLAUSE)
    ids = [Fields(one.data).message_id for one, _ in binary.outgoing(twin)]
    expect.that(
        len(set(ids)) == len(ids), "two frames have one message id", actual=ids[0].hex(), clause=CLAUSE
    )


@verifies("DTC-P3-031", hazard="write")
def test_a_frame_with_a_sound_header_is_taken(twin: Twin) -> None:
    judge_stored(twin, *put(twin), "a sound frame")


@verifies("DTC-P3-031", negative=True, hazard="write")
@pytest.mark.parametrize("size", [0, 8, 31])
def test_a_frame_shorter_than_the_header_is_refused(twin: Twin, size: int) -> None:
    sensor, mine, refused = put(twin, lambda data: data[:size], heed_s=wia.DELIVERY_S)
    expect.that(
        refused is not None,
        f"a frame of {size} bytes is ignored",
        expected="an error or a close",
        clause=CLAUSE,
    )
    judge_not_stored(twin, sensor, mine["value"], f"a frame of {size} bytes")


@verifies("DTC-P3-031", negative=True, hazard="write")
@pytest.mark.parametrize(
    "members", [{"version": b"\x09\0\0\0"}, {"kind": 99}, {"kind": 2}], ids=["version", "type", "connack"]
)
def test_a_header_of_another_protocol_is_not_taken(twin: Twin, members: dict[str, Any]) -> None:
    sensor, mine, _ = put(twin, **members)
    judge_not_stored(twin, sensor, mine["value"], f"a frame with {members}")


@verifies("DTC-P3-032", hazard="write")
def test_the_fields_stand_at_their_offsets(twin: Twin) -> None:
    for one, mine in binary.outgoing(twin):
        if len(one.data) < 59:
            raise Violation("a frame has no whole record", actual=str(len(one.data)), clause=CLAUSE)
        fields = Fields(one.data)
        expect.equal(fields.value, mine["value"], "the value is not a double at offset 50", clause=CLAUSE)
        told = binary.sensor_bytes(twin, mine["sensorId"])
        expect.equal(fields.sensor.hex(), told.hex(), "the sensor id is not at offset 32", clause=CLAUSE)


@verifies("DTC-P3-032", hazard="write")
@pytest.mark.parametrize("value", [-12.25, 0.1, 1e-3], ids=["negative", "no-short-fraction", "small"])
def test_a_value_at_offset_50_is_read_as_a_double(twin: Twin, value: float) -> None:
    number = readings.measurement(twin)["value"] / 1000
    sensor, mine, refused = put(twin, value=value + number)
    judge_stored(twin, sensor, {**mine, "value": value + number}, refused, "a frame")


@verifies("DTC-P3-032", negative=True, hazard="write")
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e9], ids=["nan", "infinite", "out-of-range"])
def test_a_value_that_is_none_is_not_taken(twin: Twin, value: float) -> None:
    sensor, mine, _ = put(twin, value=value)
    shown = eventually(twin, lambda: _at(twin, sensor, mine), within_s=0.5)
    expect.that(
        shown is None, f"a frame with the value {value} is taken", actual=shown, clause="P3 5.5, P1 5.2"
    )


@verifies("DTC-P3-032", negative=True, hazard="write")
def test_a_frame_of_an_unknown_sensor_is_refused(twin: Twin) -> None:
    def other(data: bytes) -> bytes:
        return data[:32] + b"\x5a" * 16 + data[48:]

    sensor, mine, refused = put(twin, other, heed_s=wia.DELIVERY_S)
    judge_not_stored(twin, sensor, mine["value"], "a frame of another sensor")
    expect.that(
        refused is not None, "a frame of an unknown sensor is ignored", expected="an error", clause=CLAUSE
    )


def _at(twin: Twin, sensor: str, mine: dict[str, Any]) -> dict[str, Any] | None:
    """A reading at the instant of a measurement, whatever its value."""
    path = f"/cities/{{city}}/sensors/{sensor}/data"
    answer = twin.rest.get(path, params={"limit": "1000"})
    body = answer.json() if answer.ok and answer.is_json else None
    lists = [body] if isinstance(body, list) else list(body.values()) if isinstance(body, dict) else []
    entries = [entry for one in lists if isinstance(one, list) for entry in one if isinstance(entry, dict)]
    return next(
        (entry for entry in entries if moment(entry.get("timestamp")) == moment(mine["timestamp"])), None
    )


@verifies("DTC-P3-033", hazard="write")
def test_a_frame_has_66_bytes(twin: Twin) -> None:
    sizes = {len(one.data) for one, _ in binary.outgoing(twin)}
    expect.that(
        sizes <= {LONG, SHORT},
        "a frame has another size",
        expected="66 bytes, or 64",
        actual=sorted(sizes),
        clause=CLAUSE,
    )
    if SHORT in sizes:
        raise Tolerated("the target sends frames of 64 bytes", expected="66", actual="64", clause="C-57")


@verifies("DTC-P3-033", hazard="write")
@pytest.mark.parametrize("size", [LONG, SHORT])
def test_a_frame_of_either_size_is_taken(twin: Twin, size: int) -> None:
    sensor, mine, refused = put(twin, lambda data: data[:size])
    if size == SHORT and readings.stored(twin, sensor, mine["value"]) is None:
        raise Tolerated("a frame of 64 bytes is not taken", actual=refused or "ignored", clause="C-57")
    judge_stored(twin, sensor, mine, refused, f"a frame of {size} bytes")


@verifies("DTC-P3-033", negative=True, hazard="write")
@pytest.mark.parametrize(
    "size", [58, 65, 67, 100, 132], ids=["no-quality", "between", "one-more", "one-and-a-half", "two-records"]
)
def test_a_frame_of_another_size_is_not_taken(twin: Twin, size: int) -> None:
    sensor, mine, _ = put(twin, lambda data: (data + data[32:66] + bytes(100))[:size])
    judge_not_stored(twin, sensor, mine["value"], f"a frame of {size} bytes")


@verifies("DTC-P3-034", hazard="write")
def test_the_instant_is_in_milliseconds(twin: Twin) -> None:
    for one, mine in binary.outgoing(twin):
        fields, wanted = Fields(one.data), binary.millis(mine["timestamp"])
        expect.that(
            abs(fields.at_ms - wanted) <= 60_000,
            "the timestamp of the header is no instant in milliseconds",
            expected=wanted,
            actual=fields.at_ms,
            clause=CLAUSE,
        )


@verifies("DTC-P3-034", hazard="write")
def test_an_instant_is_kept(twin: Twin) -> None:
    sensor, mine, refused = put(twin)
    found = judge_stored(twin, sensor, mine, refused, "a frame")
    expect.that(
        moment(found.get("timestamp")) == moment(mine["timestamp"]),
        "the instant of a frame is another one in the API",
        expected=mine["timestamp"],
        actual=found.get("timestamp"),
        clause=CLAUSE,
    )


@verifies("DTC-P3-034", negative=True, hazard="write")
def test_a_future_instant_is_refused(twin: Twin) -> None:
    later = binary.millis(wia.now(twin)) + 3_600_000
    sensor, mine, _ = put(twin, at_ms=later)
    judge_not_stored(twin, sensor, mine["value"], "a reading an hour ahead")


@verifies("DTC-P3-035", hazard="write")
@pytest.mark.parametrize("parameter", IDS)
def test_a_parameter_id_is_read(twin: Twin, parameter: str) -> None:
    sensor, mine, refused = put(twin, parameter=parameter)
    found = judge_stored(twin, sensor, mine, refused, f"a frame of {parameter}")
    expect.equal(found.get("parameter", parameter), parameter, "a parameter id is misread", clause="P3 5.5")


@verifies("DTC-P3-035", hazard="write")
def test_parameter_ids_of_the_target(twin: Twin) -> None:
    for one, mine in binary.outgoing(twin):
        expect.equal(
            PARAMETERS.get(Fields(one.data).parameter),
            mine["parameter"],
            "a parameter id is wrong",
            clause="P3 5.5",
        )


@verifies("DTC-P3-035", negative=True, hazard="write")
@pytest.mark.parametrize(
    "number", [0x0000, 0x00FF, 0xFFFF, 0x0100], ids=["zero", "255", "all-ones", "swapped"]
)
def test_an_unknown_parameter_id_is_never_misread(twin: Twin, number: int) -> None:
    sensor, mine, _ = put(twin, number=number)
    judge_not_stored(twin, sensor, mine["value"], f"the parameter id {number:#06x}")


@verifies("DTC-P3-036", hazard="write")
@pytest.mark.parametrize("quality", QUALITY.values())
def test_a_quality_byte_is_read(twin: Twin, quality: str) -> None:
    sensor, mine, refused = put(twin, quality=BYTES[quality])
    found = judge_stored(twin, sensor, mine, refused, f"a frame of quality {quality}")
    expect.equal(found.get("quality"), quality, "a quality byte is misread", clause=CLAUSE)


@verifies("DTC-P3-036", hazard="write")
def test_quality_and_reserved_bytes_of_the_target(twin: Twin) -> None:
    for one, mine in binary.outgoing(twin):
        fields = Fields(one.data)
        expect.that(
            not any(fields.reserved),
            "reserved bytes are not zero",
            actual=fields.reserved.hex(),
            clause=CLAUSE,
        )
        expect.equal(QUALITY.get(fields.quality), mine["quality"], "the quality byte is wrong", clause=CLAUSE)


@verifies("DTC-P3-036", negative=True, hazard="write")
def test_reserved_bytes_are_ignored(twin: Twin) -> None:
    """A frame that is refused because of them breaks the requirement."""
    sensor, mine, refused = put(twin, reserved=b"\xff" * 7)
    judge_stored(twin, sensor, mine, refused, "a frame with reserved bytes FF")


@verifies("DTC-P3-036", negative=True, hazard="write")
def test_a_quality_byte_that_is_none_is_not_taken_for_a_quality(twin: Twin) -> None:
    sensor, mine, _ = put(twin, quality=200)
    found = eventually(twin, lambda: readings.stored(twin, sensor, mine["value"]), within_s=0.5)
    expect.that(
        found is None or found.get("quality") not in QUALITY.values(),
        "the quality byte 200 is taken for a quality",
        actual=found,
        clause=CLAUSE,
    )


@verifies("DTC-P3-037", hazard="write")
@pytest.mark.parametrize("value", [23.5, 0.1, 21.000000000000004], ids=["half", "tenth", "last-bit"])
def test_a_frame_is_the_same_reading_as_json(twin: Twin, value: float) -> None:
    sensor = readings.sensor(twin, "binary")
    session = open_session(twin)
    session.subscribed((readings.filter_of(twin), 0))
    mine = readings.measurement(twin)
    speaker = open_session(twin)
    data = binary.frame(
        binary.sensor_bytes(twin, sensor),
        IDS["temperature"],
        value,
        binary.millis(mine["timestamp"]),
        message_id=bytes.fromhex(speaker.new_id().replace("-", "")),
    )
    speaker.link.send_binary(data)
    got = session.publishes(wia.DELIVERY_S, readings.like(sensor, value), most=1)
    speaker.close()
    session.close()
    if not got:
        raise Blocked("DTC-P3-032", "a frame does not come to a subscriber as JSON")
    found = next(
        one for one in readings.carried(wia.payload_of(got[0])) if readings.same(one.get("value"), value)
    )
    expect.equal(found["value"], value, "the value is not bit-exact", clause="P3 5.5")
    expect.that(
        moment(found.get("timestamp")) == moment(mine["timestamp"]),
        "the instant is not the same to the millisecond",
        expected=mine["timestamp"],
        actual=found.get("timestamp"),
        clause="P3 5.5, C-84",
    )
    expect.equal(found.get("quality"), "good", "the quality is another one", clause="P3 5.5")
    expect.equal(found.get("parameter"), "temperature", "the parameter is another one", clause="P3 5.5")


@verifies("DTC-P3-037", negative=True, hazard="write")
def test_no_frame_rounds_its_value(twin: Twin) -> None:
    pairs = binary.outgoing(twin)
    exact = [one for one, mine in pairs if len(one.data) >= 59 and Fields(one.data).value == mine["value"]]
    expect.that(
        len(exact) == len(pairs),
        "a frame carries another value than was submitted",
        actual=len(pairs) - len(exact),
        clause="P3 5.5",
    )
    for one, mine in pairs:
        expect.equal(
            Fields(one.data).at_ms,
            binary.millis(mine["timestamp"]),
            "a frame carries another instant than was submitted",
            clause="P3 5.5",
        )
    if not pairs:
        raise NotTested("no frame came")
