"""Rights and limits hold on stream and broker, whatever filter or door is used (DTC-SEC-007, -019)."""

import json
import math
from datetime import timedelta
from typing import Any

import pytest

from dtc_cli.harness.suite import Arrived, Blocked, NotTested, Twin, expect, verifies
from suites.phase2.support_live import once
from suites.phase3.support import broker, events, readings, wia
from suites.phase3.support.broker import Client
from suites.phase3.support.wia import Session, open_session
from suites.phase3.test_rights import limit_of

CLAUSE = "P4 8.3, P3 8.3"
GAIN = "a sensor's key, which anyone can take out of the sensor, reads the city's alerts (CWE-863, API1:2023)"
FILTERS = {
    "all": "#",
    "all-below": "city/#",
    "own-city": "city/{city}/#",
    "any-city": "city/+/#",
    "any-branch": "city/{city}/+/#",
    "any-branch-exactly": "city/{city}/+/+/+",
    "alerts": "city/{city}/alerts/#",
    "alerts-exactly": "city/{city}/alerts/+/+",
    "pluses": "+/+/alerts/+/+",
    "shared": "$share/dtc/#",
    "shared-alerts": "$share/dtc/city/{city}/alerts/#",
    "alerts-behind-sensors": "city/{city}/sensors/../alerts/#",
}
STREAM_FILTERS = tuple(name for name in FILTERS if not name.startswith("shared"))
BURST_S = 3.0
HELD = 0.8
MOST_MESSAGES = 400
LONGEST = 60_000


@verifies("DTC-SEC-007", hazard="security")
@pytest.mark.parametrize("door", ["broker", "stream"])
def test_a_device_hears_what_it_may(twin: Twin, door: str) -> None:
    twin.need_role("device")
    topic = readings.filter_of(twin)
    if door == "stream":
        session = open_session(twin, "device")
        session.subscribed((topic, 0))
        session.close()
        return
    client = broker.connect(twin, "sec-device", as_="device")
    client.subscribed((topic, 0))
    client.close()


@verifies("DTC-SEC-007", negative=True, hazard="security")
@pytest.mark.parametrize("name", FILTERS)
def test_no_filter_brings_alerts_to_a_device(twin: Twin, name: str) -> None:
    judge(eavesdropped(twin)[f"broker {name}"], f"the filter {FILTERS[name]} on the broker")


@verifies("DTC-SEC-007", negative=True, hazard="security")
@pytest.mark.parametrize("name", STREAM_FILTERS)
def test_no_filter_brings_alerts_to_a_device_on_the_stream(twin: Twin, name: str) -> None:
    judge(eavesdropped(twin)[f"stream {name}"], f"the filter {FILTERS[name]} on the stream")


def judge(heard: list[str], what: str) -> None:
    """Nothing came.

    Raises:
        Violation: when something did.
    """
    expect.that(
        not heard,
        f"alerts come to a device by {what}",
        expected="a refusal, or the permitted topics only",
        actual=heard[:3],
        clause=CLAUSE,
        hint=GAIN,
    )


def eavesdropped(twin: Twin) -> dict[str, list[str]]:
    """Topics of alerts that devices heard, by door and filter; one alert is raised for all of them.

    Raises:
        NotTested: when no alert can be raised.
    """
    return once(twin, "sec-eavesdropped", lambda: _eavesdrop(twin))


def _eavesdrop(twin: Twin) -> dict[str, list[str]]:
    twin.need_role("device")
    if not (
        isinstance(twin.target.declares.get("alert_threshold"), dict) or twin.target.provoke.get("alert")
    ):
        raise NotTested("no alert can be raised: provoke.alert or declares.alert_threshold")
    city = twin.target.city
    clients: dict[str, Client] = {}
    sessions: dict[str, Session] = {}
    if twin.target.mqtt_url:
        for name, pattern in FILTERS.items():
            client = clients[name] = broker.connect(twin, f"sec-deaf-{name}", as_="device")
            client.subscribe((pattern.replace("{city}", city), 1))
    if twin.target.stream_url:
        for name in STREAM_FILTERS:
            session = sessions[name] = open_session(twin, "device")
            session.subscribe((FILTERS[name].replace("{city}", city), 1))
            session.reply({"SUBACK", "ERROR"})
    raised = events._alert(twin)
    if not raised.topics:
        raise NotTested("the alert did not come to a caller who may hear it either")
    heard: dict[str, list[str]] = {}
    for name, client in clients.items():
        heard[f"broker {name}"] = [
            one.packet.topic for one in client.messages(0.3) if "alerts" in one.packet.topic.split("/")
        ]
        client.link.drop()
    for name, session in sessions.items():
        heard[f"stream {name}"] = [
            str(one.get("topic"))
            for one in session.publishes(0.3)
            if "alerts" in str(one.get("topic")).split("/")
        ]
        session.close()
    every = [f"broker {name}" for name in FILTERS] + [f"stream {name}" for name in STREAM_FILTERS]
    return {name: heard.get(name, []) for name in every}


@verifies("DTC-SEC-007", negative=True, hazard="security")
@pytest.mark.parametrize("pattern", ["#", "city/#", "+/+/sensors/#", "$share/dtc/city/+/sensors/#"])
def test_a_wildcard_opens_no_other_city(twin: Twin, pattern: str) -> None:
    twin.need_role("other_city")
    sensor, mine = readings.sensor(twin, "live"), readings.measurement(twin)
    client = broker.connect(twin, "sec-abroad", as_="other_city")
    client.subscribe((pattern, 0))
    readings.post(twin, sensor, mine)
    got = client.messages(wia.SILENCE_S, readings.on_mqtt(sensor, mine["value"]), most=1)
    client.link.drop()
    expect.that(
        not got,
        f"readings of this city come to a caller of another by {pattern}",
        expected="a refusal, or the topics of its own city only",
        actual=[one.packet.topic for one in got],
        clause=CLAUSE,
        hint="a tenant reads another's data (CWE-863, API1:2023)",
    )


@verifies("DTC-SEC-007", negative=True, hazard="security")
@pytest.mark.parametrize("how", ["publish", "retained", "alias", "will"])
def test_a_device_raises_no_alerts(twin: Twin, how: str) -> None:
    """On a topic that a device may not speak on: plainly, to be retained, behind an alias, as a last will."""
    twin.need_role("device")
    topic = f"city/{twin.target.city}/alerts/critical/dtc-{how}"
    mark = f"dtc-{twin.run_id[-12:]}-{how}"
    payload = json.dumps({"eventType": mark, "severity": "critical"}).encode()
    ears = broker.connect(twin, f"sec-ears-{how}")
    ears.subscribed((f"city/{twin.target.city}/#", 0))
    will = {"topic": topic, "payload": payload, "qos": 1} if how == "will" else None
    link = twin.mqtt.connect(broker.client_id(twin, f"sec-says-{how}"), as_="device", will=will)
    if how == "will":
        link.cut()
    elif not link.accepted:
        raise Blocked("DTC-P3-051", "a device cannot log in")
    elif how == "alias":
        link.publish(topic, payload, qos=1, values={"topicAlias": 1})
        link.publish("", payload, qos=1, values={"topicAlias": 1})
    else:
        link.publish(topic, payload, qos=1, retain=how == "retained")
    got = ears.messages(wia.SILENCE_S, lambda one: mark.encode() in one.packet.payload, most=1)
    link.drop()
    ears.close()
    expect.that(
        not got,
        f"a device raises an alert ({how})",
        expected="0x87, or nothing is passed on",
        actual=[one.packet.topic for one in got],
        clause=CLAUSE,
        hint="a sensor's key alarms a city (CWE-862, API5:2023)",
    )


@verifies("DTC-SEC-019", hazard="security")
@pytest.mark.parametrize("door", ["broker", "stream"])
def test_a_device_within_its_limits_is_served(twin: Twin, door: str) -> None:
    twin.need_role("device")
    limit = limit_of(twin, "device")["messages_per_s"]
    sensor = readings.sensor(twin, "sec-limit")
    taken = burst(twin, door, [_one(twin, sensor)] * 4, sensor, pause_s=max(0.02, 2.0 / limit))
    expect.that(taken >= 4, "four messages within the limit are not all taken", actual=taken, clause=CLAUSE)


@verifies("DTC-SEC-019", negative=True, hazard="security")
@pytest.mark.parametrize("door", ["broker", "stream"])
def test_messages_beyond_the_limit_are_held_back(twin: Twin, door: str) -> None:
    twin.need_role("device")
    limit = limit_of(twin, "device")["messages_per_s"]
    if limit > MOST_MESSAGES:
        raise NotTested(f"the declared limit of a device is {limit} messages/s: a load run exceeds it")
    sensor, count = readings.sensor(twin, "sec-limit"), math.ceil(limit * 5 * BURST_S)
    judge_held(twin, door, [_one(twin, sensor) for _ in range(count)], sensor, 0.0, f"{limit:g} messages/s")


@verifies("DTC-SEC-019", negative=True, hazard="security")
@pytest.mark.parametrize("door", ["broker", "stream"])
def test_bytes_beyond_the_limit_are_held_back(twin: Twin, door: str) -> None:
    """Few messages, each large: within the limit of messages, and several times beyond that of bytes."""
    twin.need_role("device")
    limits = limit_of(twin, "device")
    size = limits["bytes_per_s"] * 0.7
    if size > LONGEST or limits["messages_per_s"] < 4:
        raise NotTested(f"the declared limit of a device is {limits['bytes_per_s']:g} bytes/s")
    sensor, rate = readings.sensor(twin, "sec-limit"), min(limits["messages_per_s"] / 2, 8.0)
    bodies = [_large(twin, sensor, int(size)) for _ in range(math.ceil(rate * BURST_S))]
    judge_held(twin, door, bodies, sensor, 1 / rate, f"{limits['bytes_per_s']:g} bytes/s")


def judge_held(
    twin: Twin, door: str, bodies: list[dict[str, Any]], sensor: str, pause_s: float, limit: str
) -> None:
    """Not all of what is said is taken, or not all of it is passed on."""
    taken = burst(twin, door, bodies, sensor, pause_s=pause_s)
    expect.that(
        taken < HELD * len(bodies),
        f"{len(bodies)} messages beyond the limit are all taken",
        expected=f"{limit}: the excess refused, dropped, or a disconnect (C-82)",
        actual=f"{taken} of {len(bodies)} taken and delivered",
        clause=CLAUSE,
        hint="one device floods the city's bus (CWE-770, API4:2023)",
    )


def burst(twin: Twin, door: str, bodies: list[dict[str, Any]], sensor: str, *, pause_s: float) -> int:
    """Say all of it as a device; how many messages were both taken and passed on, as far as can be seen."""
    topic = readings.topic(twin, sensor)
    ears = broker.connect(twin, "sec-limit-ears") if twin.target.mqtt_url else None
    if ears is not None:
        ears.subscribed((readings.filter_of(twin), 0))
    if door == "broker":
        client = broker.connect(twin, "sec-limit-device", as_="device")
        for body in bodies:
            client.publish(topic, body, qos=1)
            if pause_s:
                twin.clock.wait(pause_s)
        answers = list(client.link.during(wia.SILENCE_S, most=len(bodies)))
        client.link.drop()
        taken = sum(_is_taken(one) for one in answers)
    else:
        session = open_session(twin, "device")
        for body in bodies:
            session.send("PUBLISH", body, topic=topic, qos=1)
            if pause_s:
                twin.clock.wait(pause_s)
        said = list(session.messages(wia.SILENCE_S))
        session.close()
        taken = sum(one.get("type") == "PUBACK" and not wia.failure(one) for one in said)
    if ears is None:
        return taken
    delivered = len(ears.messages(0.5, readings.on_mqtt(sensor)))
    ears.close()
    return min(taken, delivered)


def _is_taken(one: Arrived) -> bool:
    return one.kind == "PUBACK" and (one.packet.reason or 0) < 0x80


def _one(twin: Twin, sensor: str) -> dict[str, Any]:
    return readings.body(sensor, readings.measurement(twin))


def _large(twin: Twin, sensor: str, size: int) -> dict[str, Any]:
    """A message of about that size: as many sound measurements as it takes."""
    first = readings.measurement(twin)
    count = max(1, size // (len(json.dumps(first)) + 2))
    at = twin.clock.now() - timedelta(seconds=30)
    return readings.body(
        sensor,
        *(
            {
                **first,
                "value": round(20 + n / 64, 6),
                "timestamp": wia.rfc3339(at - timedelta(milliseconds=n)),
            }
            for n in range(count)
        ),
    )
