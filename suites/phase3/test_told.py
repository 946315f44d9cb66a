"""Topics and payloads of what the target says: DTC-P3-022, -023, -061 to -067, -072, -087."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from dtc_cli.harness.suite import Blocked, NotApplicable, Tolerated, Twin, Violation, expect, verifies
from suites.phase2.support_live import moment
from suites.phase3.support import broker, events, readings, wia
from suites.phase3.support.broker import Client
from suites.phase3.support.events import Heard
from suites.phase3.support.mild import wanted
from suites.phase3.support.wia import Session, open_session

SEVERITIES = {"critical", "high", "medium", "low"}  # C-66
KEBAB = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
QUALITIES = {"excellent", "good", "fair", "poor"}
TOGETHER: dict[str, Callable[[Twin], Heard]] = {
    "reading": events.reading,
    "update": events.update,
    "simulation": events.simulation,
    "alert": events.alert,
    "status": events.status,
}


def said(twin: Twin, kind: str) -> Heard:
    """What was heard of a change; at least at one door.

    Raises:
        Blocked: by DTC-P3-087 when nothing was.
    """
    heard = TOGETHER[kind](twin)
    if not heard.stream and not heard.mqtt:
        raise Blocked("DTC-P3-087", f"no message tells of the change: {kind}")
    return heard


def judge_shape(twin: Twin, heard: Heard, pattern: str, what: str) -> list[list[str]]:
    """Each topic has the shape: `{name}` stands for one literal, non-empty segment, `{city}` for the city."""
    wanted = pattern.replace("{city}", twin.target.city).split("/")
    found = []
    for topic in heard.topics:
        levels = topic.split("/")
        fits = len(levels) == len(wanted) and all(
            (one != "" and not set("+#") & set(one)) if asked.startswith("{") else one == asked
            for one, asked in zip(levels, wanted, strict=False)
        )
        expect.that(
            fits, f"the topic of {what} has another shape", expected=pattern, actual=topic, clause="P3 4.2.2"
        )
        found.append(levels)
    return found


SENSOR_TOPIC = "city/{city}/sensors/{sensorType}/{sensorId}/{parameter}"


@verifies("DTC-P3-061", hazard="write")
def test_the_topic_of_a_reading(twin: Twin) -> None:
    heard = said(twin, "reading")
    for levels in judge_shape(twin, heard, SENSOR_TOPIC, "a reading"):
        expect.that(
            levels[5] in ("temperature", "temp"),
            "the last segment is not the parameter",
            expected="temperature",
            actual=levels[5],
            clause="P3 4.2.2, C-64",
        )


@verifies("DTC-P3-061", negative=True, hazard="write")
@pytest.mark.parametrize(
    "levels",
    [
        "/city/{city}/sensors/environmental/{id}/temperature",
        "city//sensors/environmental/{id}/temperature",
        "sensors/{id}/temperature",
    ],
    ids=["leading-slash", "no-city", "another-tree"],
)
def test_a_reading_on_a_topic_of_another_shape_reaches_nobody(twin: Twin, levels: str) -> None:
    """What a client says on such a topic is refused or dropped; at least it is not published as a reading."""
    sensor = readings.sensor(twin, "shapes")
    ears = broker.connect(twin, "shapes")
    ears.subscribed((readings.filter_of(twin), 0))
    speaker, mine = broker.connect(twin, "shapes-speaker"), readings.measurement(twin)
    topic = levels.replace("{city}", twin.target.city).replace("{id}", sensor)
    speaker.publish(topic, readings.body(sensor, mine), qos=1)
    got = readings.came(twin, ears, readings.on_mqtt(sensor, mine["value"]))
    speaker.link.drop()
    ears.close()
    odd = [
        one.packet.topic for one in got if len(one.packet.topic.split("/")) != 6 or one.packet.topic == topic
    ]
    expect.that(not odd, "a reading is published on a topic of another shape", actual=odd, clause="P3 4.2.2")


@verifies("DTC-P3-062", hazard="write")
def test_the_topic_of_an_object_update(twin: Twin) -> None:
    heard = said(twin, "update")
    for levels in judge_shape(
        twin, heard, "city/{city}/objects/{objectType}/{objectId}/updates", "an object update"
    ):
        expect.equal(levels[3], "Building", "the type is not spelt as in phase 1", clause="P3 4.2.2, C-64")
        expect.equal(levels[4], heard.about, "the id is not that of the object", clause="P3 4.2.2")


@verifies("DTC-P3-062", negative=True, hazard="write")
def test_no_update_is_told_without_a_change(twin: Twin) -> None:
    created, _ = twin.scratch.object()
    ears = events.Ears(twin, "objects/#")
    twin.rest.get(f"/cities/{{city}}/objects/{created}")
    heard = ears.listen(created, 0.5)
    late = [topic for topic in heard.topics if topic.endswith("/updates")]
    # The creation itself may still be on its way when the ears open.
    expect.that(len(late) <= 2, "reading an object is told as an update", actual=late, clause="P3 4.2.2")


@verifies("DTC-P3-063", hazard="write")
def test_the_topic_of_a_simulation(twin: Twin) -> None:
    heard = said(twin, "simulation")
    for levels in judge_shape(twin, heard, "city/{city}/simulations/{simId}/status", "a simulation"):
        expect.equal(levels[3], heard.about, "the id is not that of the simulation", clause="P3 4.2.2")


@verifies("DTC-P3-063", negative=True, hazard="write")
def test_a_simulation_is_told_on_no_other_topic(twin: Twin) -> None:
    heard = said(twin, "simulation")
    odd = [topic for topic in heard.topics if not topic.endswith(f"/{heard.about}/status")]
    expect.that(not odd, "a simulation is told on another topic", actual=odd, clause="P3 4.2.2")


@verifies("DTC-P3-064", hazard="write")
def test_the_topic_of_an_alert(twin: Twin) -> None:
    heard = said(twin, "alert")
    for levels in judge_shape(twin, heard, "city/{city}/alerts/{severity}/{category}", "an alert"):
        expect.that(
            levels[3] in SEVERITIES,
            "the severity is none",
            expected=sorted(SEVERITIES),
            actual=levels[3],
            clause="C-66",
        )


@verifies("DTC-P3-064", negative=True, hazard="write")
def test_the_category_of_an_alert_is_kebab_case(twin: Twin) -> None:
    for topic in said(twin, "alert").topics:
        last = topic.split("/")[-1]
        expect.that(
            bool(KEBAB.fullmatch(last)),
            "the category is not in kebab-case",
            actual=topic,
            clause="P3 4.2.2, C-66",
        )


@verifies("DTC-P3-065", hazard="write")
def test_the_topic_of_a_service_status(twin: Twin) -> None:
    judge_shape(twin, said(twin, "status"), "city/{city}/services/{serviceId}/status", "a service status")


@verifies("DTC-P3-065", negative=True, hazard="write")
def test_the_status_of_a_service_names_a_service_of_the_city(twin: Twin) -> None:
    heard = said(twin, "status")
    answer = twin.rest.get("/cities/{city}/services")
    if not answer.ok:
        raise Blocked("DTC-P2-076", f"services cannot be listed (status {answer.status})")
    for topic in heard.topics:
        levels = topic.split("/")
        name = levels[3] if len(levels) > 3 else ""
        expect.that(
            name != "" and name.encode() in answer.body,
            "a service status names no service of the city",
            actual=topic,
            clause="P3 4.2.2",
        )


def sound_measurement(entry: dict[str, Any]) -> bool:
    """A complete measurement of phase 1."""
    value = entry.get("value")
    return (
        isinstance(entry.get("parameter"), str)
        and isinstance(value, int | float)
        and not isinstance(value, bool)
        and isinstance(entry.get("unit"), str)
        and moment(entry.get("timestamp")) is not None
        and entry.get("quality", "good") in QUALITIES
    )


def judge_the_same(found: list[dict[str, Any]], sent: dict[str, Any], *, clause: str) -> None:
    """The measurement that was submitted is among those of the message: value, unit, quality and instant."""
    own = next((one for one in found if readings.same(one.get("value"), sent["value"])), {})
    expect.that(
        own.get("parameter") in (sent["parameter"], "temp")
        and own.get("unit") == sent["unit"]
        and own.get("quality", sent["quality"]) == sent["quality"]
        and moment(own.get("timestamp")) == moment(sent["timestamp"]),
        "the message carries another measurement than was submitted",
        expected=sent,
        actual=own or found,
        clause=clause,
    )


@verifies("DTC-P3-022", hazard="write")
def test_the_payload_of_a_reading(twin: Twin) -> None:
    heard = events.reading(twin)
    if not heard.stream:
        raise Blocked("DTC-P3-011", "no reading came over the stream")
    payload = wia.payload_of(heard.stream[0])
    found = readings.carried(payload)
    expect.equal(
        payload.get("sensorId"), heard.about, "the payload does not name its sensor", clause="P3 5.2"
    )
    expect.that(
        bool(found) and all(map(sound_measurement, found)),
        "the payload holds no measurement in the shape of phase 1",
        expected="measurements: [{parameter, value, unit, timestamp, quality}]",
        actual=payload,
        clause="P3 5.2",
    )
    judge_the_same(found, heard.sent, clause="P3 5.2")
    if not isinstance(payload.get("measurements"), list):
        raise Tolerated(
            "a reading has the flat form",
            expected="measurements: [...]",
            actual=expect.show(payload),
            clause="C-62",
        )


BAD_PAYLOADS: dict[str, Callable[[str, dict[str, Any]], Any]] = {
    "no-measurements": lambda sensor, mine: {"sensorId": sensor},
    "empty": lambda sensor, mine: {"sensorId": sensor, "measurements": []},
    "no-unit": lambda sensor, mine: readings.body(sensor, {k: v for k, v in mine.items() if k != "unit"}),
    "no-timestamp": lambda sensor, mine: readings.body(
        sensor, {k: v for k, v in mine.items() if k != "timestamp"}
    ),
    "text-value": lambda sensor, mine: readings.body(sensor, {**mine, "value": str(mine["value"])}),
    "wrong-unit": lambda sensor, mine: readings.body(sensor, {**mine, "unit": "percent"}),
    "out-of-range": lambda sensor, mine: readings.body(sensor, {**mine, "value": 10_000}),
    "object-measurements": lambda sensor, mine: {"sensorId": sensor, "measurements": {}},
}


@verifies("DTC-P3-022", negative=True, hazard="write")
@pytest.mark.parametrize("how", BAD_PAYLOADS)
def test_a_payload_that_carries_no_reading_is_not_published(twin: Twin, how: str) -> None:
    sensor = readings.sensor(twin)
    hearer, speaker = open_session(twin), open_session(twin)
    hearer.subscribed((readings.filter_of(twin), 0))
    payload = BAD_PAYLOADS[how](sensor, readings.measurement(twin))
    speaker.send("PUBLISH", payload, topic=readings.topic(twin, sensor), qos=1)
    refused = speaker.refusal(of={"PUBACK"})
    got = readings.came(twin, hearer, readings.like(sensor))
    same = [one for one in got if expect.same_json(wia.payload_of(one), payload)]
    speaker.close()
    hearer.close()
    expect.that(
        refused is not None or not same,
        f"a sensor message is taken and published as it is: {how.replace('-', ' ')}",
        expected="refused, or at least not published",
        actual=same[:1],
        clause="P3 5.2",
    )


def is_place(shape: dict[str, Any]) -> bool:
    """Whether a Point or Polygon has positions in the order of RFC 7946, and closed rings."""
    found = shape.get("coordinates")
    rings = [[found]] if shape.get("type") == "Point" else found
    if not isinstance(rings, list) or not rings or not all(isinstance(one, list) and one for one in rings):
        return False
    positions = [one for ring in rings for one in ring]
    return all(
        isinstance(one, list)
        and len(one) >= 2
        and all(isinstance(number, int | float) for number in one)
        and abs(one[0]) <= 180
        and abs(one[1]) <= 90
        for one in positions
    ) and (shape.get("type") == "Point" or all(len(ring) >= 4 and ring[0] == ring[-1] for ring in rings))


@verifies("DTC-P3-023", hazard="write")
def test_the_payload_of_an_alert(twin: Twin) -> None:
    for payload in events.payloads(said(twin, "alert")):
        expect.that(
            isinstance(payload, dict), "the payload of an alert is no object", actual=payload, clause="P3 5.3"
        )
        expect.members(payload, ("eventType", "severity"), what="the payload of an alert", clause="P3 5.3")
        expect.that(
            isinstance(payload["eventType"], str) and payload["eventType"] != "",
            "eventType is no text",
            actual=payload["eventType"],
            clause="P3 5.3",
        )
        for name, kind in (("location", "Point"), ("affectedArea", "Polygon")):
            if payload.get(name) is not None:
                shape = payload[name] if isinstance(payload[name], dict) else {}
                expect.equal(shape.get("type"), kind, f"{name} is no {kind}", clause="P3 5.3")
                expect.that(
                    is_place(shape),
                    f"{name} lies nowhere on earth, or its ring is not closed",
                    expected="longitude before latitude; a ring that ends where it begins",
                    actual=shape,
                    clause="P3 5.3, RFC 7946 3.1",
                )


@verifies("DTC-P3-023", negative=True, hazard="write")
def test_severity_and_topic_do_not_disagree(twin: Twin) -> None:
    heard = said(twin, "alert")
    for topic, payload in zip(heard.topics, events.payloads(heard), strict=True):
        levels = topic.split("/")
        if len(levels) < 4:
            raise Blocked("DTC-P3-064", f"the topic of the alert is {topic}")
        severity = payload.get("severity") if isinstance(payload, dict) else None
        expect.equal(severity, levels[3], "the severity is not that of the topic", clause="P3 5.3")


@verifies("DTC-P3-066", hazard="write")
def test_properties_of_a_reading_on_mqtt(twin: Twin) -> None:
    heard = events.reading(twin)
    if not heard.mqtt:
        raise Blocked("DTC-P3-087", "no reading came over MQTT")
    values = heard.mqtt[0].packet.properties
    expiry = values.get("messageExpiry")
    expect.that(
        expiry is not None and 290 <= expiry <= 300,
        "messageExpiryInterval is not 300",
        expected=300,
        actual=expiry,
        clause="P3 4.2.4",
    )
    expect.equal(
        values.get("contentType"), "application/json", "contentType is another one", clause="P3 4.2.4"
    )


@verifies("DTC-P3-066", negative=True, hazard="write")
def test_live_readings_are_not_retained(twin: Twin) -> None:
    sensor = readings.sensor(twin, "events")
    events.reading(twin)
    late = broker.connect(twin, "late")
    late.subscribed((readings.filter_of(twin), 0))
    got = [one for one in readings.came(twin, late, readings.on_mqtt(sensor)) if one.packet.retain]
    late.close()
    expect.that(not got, "a reading is retained", actual=[one.packet.topic for one in got], clause="P3 4.2.4")


@verifies("DTC-P3-067", hazard="write")
def test_the_payload_of_a_reading_on_mqtt(twin: Twin) -> None:
    heard = events.reading(twin)
    if not heard.mqtt:
        raise Blocked("DTC-P3-087", "no reading came over MQTT")
    value = readings.of_mqtt(heard.mqtt[0].packet.payload)
    found = readings.carried(value)
    expect.that(
        bool(found) and all(map(sound_measurement, found)) and found[0]["sensorId"] == heard.about,
        "an MQTT payload yields no sensor and complete measurement",
        expected="envelope, measurements form or flat form, as JSON",
        actual=expect.show(
            value if value is not None else heard.mqtt[0].packet.payload.decode("utf-8", "replace")
        ),
        clause="P3 4.2.4, 10.1, C-62, C-63",
    )
    judge_the_same(found, heard.sent, clause="P3 4.2.4, 10.1")


FORMS: dict[str, Callable[[str, dict[str, Any]], Any]] = {
    "measurements": readings.body,
    "flat": lambda sensor, mine: {"sensorId": sensor, **mine},
}


@verifies("DTC-P3-067", hazard="write")
@pytest.mark.parametrize("form", FORMS)
def test_a_reading_over_mqtt_is_seen_at_the_other_doors(twin: Twin, form: str) -> None:
    """One fact, three doors: stored once, and published to a subscriber of the broker."""
    sensor, mine = readings.sensor(twin), readings.measurement(twin)
    ears = broker.connect(twin, "three-doors")
    ears.subscribed((readings.filter_of(twin), 0))
    speaker = broker.connect(twin, "three-doors-speaker")
    answer = speaker.published(readings.topic(twin, sensor), FORMS[form](sensor, mine), qos=1)
    got = ears.messages(wia.DELIVERY_S, readings.on_mqtt(sensor, mine["value"]), most=1)
    speaker.close()
    ears.close()
    expect.that(
        bool(got),
        f"a reading in the {form} form is not published to subscribers",
        actual=broker.told(answer),
        clause="P3 4.2.4, C-62",
    )


@verifies("DTC-P3-067", negative=True, hazard="write")
@pytest.mark.parametrize("how", ["number", "text", "no-unit", "no-value", "half"])
def test_a_payload_that_is_no_reading_is_not_published_as_one(twin: Twin, how: str) -> None:
    sensor, mine = readings.sensor(twin), readings.measurement(twin)
    short = {name: value for name, value in mine.items() if name != ("unit" if how == "no-unit" else "value")}
    payload = {
        "number": b"23.5",
        "text": b"hello",
        "no-unit": as_json(readings.body(sensor, short)),
        "no-value": as_json(readings.body(sensor, short)),
        "half": as_json(readings.body(sensor, mine))[:-2],
    }[how]
    ears = broker.connect(twin, "no-reading")
    ears.subscribed((readings.filter_of(twin), 0))
    speaker = broker.connect(twin, "no-reading-speaker")
    speaker.link.publish(readings.topic(twin, sensor), payload, qos=1)
    answer = speaker.reply(("PUBACK", "DISCONNECT", "END"))
    got = readings.came(twin, ears, lambda one: one.packet.payload == payload)
    speaker.link.drop()
    ears.close()
    refused = answer is not None and (answer.kind != "PUBACK" or (answer.packet.reason or 0) >= 0x80)
    wanted(  # a broker apart from the twin hands on whatever a client with the right to it publishes
        not got or refused,
        "a payload that is no reading is published on a sensor topic",
        expected="refused or dropped",
        actual=payload.decode("utf-8", "replace"),
        clause="P3 4.2.4, 10.1",
    )


def as_json(value: Any) -> bytes:
    """JSON as bytes."""
    return json.dumps(value).encode()


@verifies("DTC-P3-072", hazard="write")
def test_the_level_of_an_alert(twin: Twin) -> None:
    heard = said(twin, "alert")
    for one in heard.mqtt:
        severity = one.packet.topic.split("/")[3] if one.packet.topic.count("/") >= 3 else ""
        least = {"critical": 2, "high": 2, "medium": 1}.get(severity, 0)
        expect.that(
            one.packet.qos >= least,
            f"an alert of severity {severity} is published at QoS {one.packet.qos}",
            expected=f"QoS {least}",
            actual=one.packet.qos,
            clause="P3 9.1, C-83",
        )
    if not heard.mqtt:
        raise Blocked("DTC-P3-087", "no alert came over MQTT")


@verifies("DTC-P3-072", negative=True, hazard="write")
def test_no_severe_alert_comes_at_qos_0(twin: Twin) -> None:
    heard = said(twin, "alert")
    low = [one.packet.topic for one in heard.mqtt if one.packet.qos == 0 and "/low/" not in one.packet.topic]
    expect.that(not low, "an alert is published at QoS 0", actual=low, clause="P3 9.1")


@verifies("DTC-P3-087", hazard="write")
@pytest.mark.parametrize("kind", TOGETHER)
def test_a_change_reaches_both_doors(twin: Twin, kind: str) -> None:
    heard = TOGETHER[kind](twin)
    for door, found, there in (
        ("stream", heard.stream, twin.target.stream_url),
        ("broker", heard.mqtt, twin.target.mqtt_url),
    ):
        if there and not found:
            raise Violation(
                f"the change ({kind}) is not told on the {door}",
                expected="a message within 5 s of the change",
                actual="none",
                clause="P3 5.2, P2 2.2, C-54",
            )


@verifies("DTC-P3-087", hazard="write")
@pytest.mark.parametrize("door", ["stream", "broker"])
def test_a_reading_from_one_door_is_told_at_the_other(twin: Twin, door: str) -> None:
    sensor, mine = readings.sensor(twin, "from-a-door"), readings.measurement(twin)
    ears, topic, payload = (
        events.Ears(twin, "sensors/#"),
        readings.topic(twin, sensor),
        readings.body(sensor, mine),
    )
    if ears.stream is None or ears.mqtt is None:
        ears.close()
        raise NotApplicable("the target has one of the doors only")
    if door == "stream":
        speaker = open_session(twin)
        speaker.send("PUBLISH", payload, topic=topic, qos=1)
        taken = speaker.refusal(of={"PUBACK"}) is None
        got: list[Any] = ears.mqtt.messages(wia.DELIVERY_S, readings.on_mqtt(sensor, mine["value"]), most=1)
        speaker.close()
    else:
        client = broker.connect(twin, "from-a-door")
        answer = client.published(topic, payload)
        taken = answer is not None and (answer.packet.reason or 0) < 0x80
        got = list(ears.stream.publishes(wia.DELIVERY_S, readings.like(sensor, mine["value"]), most=1))
        client.close()
    ears.close()
    if not taken:
        raise Blocked("DTC-P3-028" if door == "stream" else "DTC-P3-069", "the reading is not acknowledged")
    expect.that(
        bool(got),
        f"a reading that came by the {door} is not told at the other door",
        expected="a message within 5 s",
        actual="none",
        clause="P3 5.2, P2 2.2",
    )


@verifies("DTC-P3-087", hazard="write")
def test_every_subscriber_is_told(twin: Twin) -> None:
    sensor, mine = readings.sensor(twin, "everybody"), readings.measurement(twin)
    sessions = [open_session(twin) for _ in range(2)] if twin.target.stream_url else []
    clients = [broker.connect(twin, f"everybody-{n}") for n in range(2)] if twin.target.mqtt_url else []
    subscribers: list[Session | Client] = [*sessions, *clients]
    for each in subscribers:
        each.subscribed((readings.filter_of(twin), 0))
    readings.post(twin, sensor, mine)
    told = [
        len(one.publishes(wia.DELIVERY_S, readings.like(sensor, mine["value"]), most=1)) for one in sessions
    ]
    told += [
        len(one.messages(wia.DELIVERY_S, readings.on_mqtt(sensor, mine["value"]), most=1)) for one in clients
    ]
    for each in subscribers:
        each.close()
    expect.that(
        all(told),
        "of several subscribers some are not told",
        expected="the message at each of them",
        actual=told,
        clause="P3 5.2",
    )


@verifies("DTC-P3-087", hazard="write")
def test_each_reading_of_a_request_is_told(twin: Twin) -> None:
    """Readings of several parameters have several topics, so each must be told."""
    sensor, ears = readings.sensor(twin, "several"), events.Ears(twin, "sensors/#")
    mine = [readings.measurement(twin, name) for name in ("temperature", "humidity", "air_quality")]
    readings.post(twin, sensor, *mine)
    told: list[Any] = []
    missing = [one["value"] for one in mine]
    while ears.mqtt and missing:
        got = ears.mqtt.messages(wia.DELIVERY_S, readings.on_mqtt(sensor), most=1)
        if not got:
            break
        told += [one.get("value") for one in readings.carried(readings.of_mqtt(got[0].packet.payload))]
        missing = [value for value in missing if not any(readings.same(one, value) for one in told)]
    mqtt = ears.mqtt is not None
    ears.close()
    if not mqtt:
        raise NotApplicable("the target has no broker")
    expect.that(
        not missing,
        "of several readings in one request not each is told",
        expected=[one["value"] for one in mine],
        actual=told,
        clause="P3 5.2, P2 2.2",
    )


@verifies("DTC-P3-087", negative=True, hazard="write")
def test_a_refused_change_is_told_nowhere(twin: Twin) -> None:
    sensor, ears = readings.sensor(twin, "refused"), events.Ears(twin, "sensors/#")
    twin.scratch.post_readings(sensor, [readings.measurement(twin, "temperature", 10_000.0)])
    heard = [
        *(readings.came(twin, ears.stream, readings.like(sensor)) if ears.stream else ()),
        *(readings.came(twin, ears.mqtt, readings.on_mqtt(sensor)) if ears.mqtt else ()),
    ]
    ears.close()
    expect.that(not heard, "a refused reading is published", actual=str(heard[:1]), clause="P3 5.2")


@verifies("DTC-P3-087", negative=True, hazard="write")
def test_both_doors_tell_the_same(twin: Twin) -> None:
    heard = events.reading(twin)
    if not heard.stream or not heard.mqtt:
        raise Blocked("DTC-P3-087", "the reading did not come to both doors")
    told = [  # a message may tell of other readings too
        [
            (one.get("value"), one.get("parameter"))
            for one in readings.carried(value)
            if readings.same(one.get("value"), heard.sent["value"])
        ]
        for value in events.payloads(heard)
    ]
    expect.that(
        told[0] == told[1] != [], "stream and broker tell different values", actual=told, clause="P3 5.2"
    )
