"""One sensor by its id, unknown sensors, and sensors out of operation: DTC-P2-048, -061, -062."""

import pytest

from dtc_cli.harness.suite import Answer, Blocked, NotApplicable, Twin, expect, quote, verifies
from suites.phase2.support.replies import code_of, refused
from suites.phase2.support_live import answered, body, eventually
from suites.phase2.support_live_sensors import Sensor, at, data, measurements, reading, sensor, slot, stored

NOT_OFFERED = {404, 405, 501}


@pytest.fixture(scope="module")
def known(twin: Twin) -> Sensor:
    """A sensor that exists."""
    return sensor(twin)


@verifies("DTC-P2-048", hazard="write")
def test_get_one_sensor(twin: Twin, known: Sensor) -> None:
    answer = twin.rest.get(at(known.id))
    expect.status(answer, {200}, clause="P2 3.1, C-50")
    shown = expect.json_object(answer)
    expect.equal(shown.get("id"), known.id, "another sensor is shown", clause="P2 3.1")


@verifies("DTC-P2-048", hazard="write")
def test_patch_one_sensor(twin: Twin) -> None:
    known = sensor(twin, "EnvironmentalSensor", name="out of operation")
    shown = twin.rest.get(at(known.id))
    before = body(shown).get("specifications")
    if shown.ok and (not isinstance(before, dict) or before.get("manufacturer") != "dtc test"):
        raise Blocked("DTC-P2-044", "the sensor does not show the specifications it was registered with")
    answer = twin.rest.patch(at(known.id), json={"specifications": {"model": "T-2"}})
    expect.success(answer, clause="P2 3.1, C-50")

    def look() -> bool:
        shown = body(twin.rest.get(at(known.id))).get("specifications")
        return isinstance(shown, dict) and shown.get("model") == "T-2"

    expect.that(
        bool(eventually(twin, look)),
        "a patched sensor does not show the new value",
        expected="specifications.model T-2",
        actual=body(twin.rest.get(at(known.id))),
        clause="P2 3.1",
    )
    kept = body(twin.rest.get(at(known.id))).get("specifications", {})
    manufacturer = kept.get("manufacturer") if isinstance(kept, dict) else None
    expect.equal(manufacturer, "dtc test", "PATCH drops a member that it does not name", clause="C-38")


@verifies("DTC-P2-048", negative=True, hazard="write")
@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_an_unknown_sensor_by_its_id(twin: Twin, known: Sensor, method: str) -> None:
    if asked(twin, method, known.id).status in NOT_OFFERED:
        raise NotApplicable(f"{method} of one sensor is not offered")
    answer = asked(twin, method, twin.scratch.new_id())
    refused(answer, {404}, {"SENSOR_NOT_FOUND"}, clause="P2 3.1, 9.2")


def asked(twin: Twin, method: str, sensor_id: str) -> Answer:
    """GET or PATCH of a sensor by its id."""
    if method == "GET":
        return twin.rest.get(at(sensor_id))
    return twin.rest.patch(at(sensor_id), json={"specifications": {"model": "T-2"}})


@verifies("DTC-P2-061", hazard="write")
def test_a_known_sensor_is_found(twin: Twin, known: Sensor) -> None:
    now = slot(twin, 0)
    answers = [data(twin, known.id, now, now), twin.scratch.post_readings(known.id, [reading(now)])]
    for answer in answers:
        expect.that(
            code_of(answer) != "SENSOR_NOT_FOUND",
            f"{answer.method}: a registered sensor is answered as unknown",
            expected="the data of the sensor",
            actual=answer.excerpt(),
            clause="P2 9.2",
        )
    if not any(answer.ok for answer in answers):
        raise Blocked("DTC-P2-049", f"the data of a sensor cannot be asked for (status {answers[0].status})")


@verifies("DTC-P2-061", negative=True, hazard="write")
@pytest.mark.parametrize("operation", ["get-data", "get-data-of-an-object", "post-data"])
def test_an_unknown_sensor(twin: Twin, known: Sensor, operation: str) -> None:
    twin.need_hazard("write")
    start, end = slot(twin, 1), slot(twin, 0)
    if operation == "post-data":
        answer = twin.scratch.post_readings(twin.scratch.new_id(), [reading(start)])
    else:
        unknown = twin.scratch.new_id() if operation == "get-data" else twin.scratch.post_for_sensors()
        answer = data(twin, unknown, start, end)
    refused(answer, {404}, {"SENSOR_NOT_FOUND"}, clause="P2 9.2")


@verifies("DTC-P2-061", negative=True, hazard="write")
@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_an_unknown_sensor_where_sensors_are_addressed(twin: Twin, known: Sensor, method: str) -> None:
    if asked(twin, method, known.id).status in NOT_OFFERED:
        raise NotApplicable(f"{method} of one sensor is not offered, and need not be")
    answer = asked(twin, method, twin.scratch.new_id())
    refused(answer, {404}, {"SENSOR_NOT_FOUND"}, clause="P2 9.2")


@verifies("DTC-P2-061", negative=True, hazard="write")
def test_a_sensor_of_another_city(twin: Twin, known: Sensor) -> None:
    """Ids are scoped to their city (C-29): the sensor of one city is not found below another."""
    other = twin.target.other_city
    if other is None:
        raise NotApplicable("the target file names no second city (other_city)")
    role = "other_city" if "other_city" in twin.credentials.roles else "admin"
    answer = twin.rest.get(f"/cities/{quote(other)}/sensors/{quote(known.id)}/data", as_=role)
    if answer.status in {401, 403}:
        raise NotApplicable(f"the key {role} may not read the second city")
    refused(answer, {404}, {"SENSOR_NOT_FOUND"}, clause="C-29, P2 9.2")


@pytest.fixture(scope="module")
def offline(twin: Twin) -> Sensor:
    """A sensor with one reading, put out of operation afterwards."""
    one = sensor(twin, "EnvironmentalSensor", name="with a past")
    stored(twin, one.id, [reading(slot(twin, 0), 20.5)])
    answer = twin.rest.patch(at(one.id), json={"status": {"operational": False}})
    status = body(twin.rest.get(at(one.id))).get("status")
    if not answer.ok or not isinstance(status, dict) or status.get("operational") is not False:
        raise NotApplicable("no sensor can be put out of operation here (PATCH of a sensor is optional)")
    return one


@verifies("DTC-P2-062", hazard="write")
def test_the_past_of_an_offline_sensor_is_readable(twin: Twin, offline: Sensor) -> None:
    now = slot(twin, 0)
    answer = data(twin, offline.id, now, now)
    answered(twin, answer, {200}, clause="P2 9.2")
    expect.that(
        bool(measurements(answer)),
        "the readings of an offline sensor are gone",
        expected="one reading",
        actual=answer.excerpt(),
        clause="P2 9.2",
    )


@verifies("DTC-P2-062", negative=True, hazard="write")
def test_new_data_of_an_offline_sensor(twin: Twin, offline: Sensor) -> None:
    answer = twin.scratch.post_readings(offline.id, [reading(slot(twin, 0), 21.5)])
    if answer.ok:
        raise NotApplicable("the target offers no live operation that needs the sensor (C-12)")
    refused(answer, {503, 409}, {"SENSOR_OFFLINE"}, clause="P2 9.2, C-33")
