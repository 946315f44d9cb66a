"""Rights and limits of topics: DTC-P3-083 to -085, and signed messages: -086."""

import base64
import hashlib
import hmac
import json
import math
from typing import Any

import pytest

from dtc_cli.harness.suite import Blocked, NotApplicable, NotTested, Twin, expect, signed, verifies
from suites.phase3.support import broker, readings, wia
from suites.phase3.support.broker import Client
from suites.phase3.support.mild import wanted
from suites.phase3.support.wia import Message, Session, open_session
from suites.phase3.test_messages import kept, resumable

EXAMPLE = {"messages_per_s": 10, "bytes_per_s": 10_240}  # P3 8.3, C-82: an example; declared numbers go first
BURST_S = 3.0
UNDECLARED = {"messages": 1000, "bytes": 200_000}
"""What no device of any make has to say at once; tried where the target file tells no limit (C-82)."""
TELL = "without limits.device in the target file the figures of P3 8.3 are tried, then far larger ones (C-82)"


def as_device(twin: Twin, name: str) -> Client:
    """A connected device."""
    twin.need_role("device")
    return broker.connect(twin, name, as_="device")


@verifies("DTC-P3-083")
@pytest.mark.parametrize("role", ["admin", "viewer"])
def test_a_dashboard_hears_sensors(twin: Twin, role: str) -> None:
    twin.need_role(role)
    client = broker.connect(twin, f"dashboard-{role}", as_=role)
    answer = client.subscribe((readings.filter_of(twin), 1))
    client.close()
    expect.that(
        answer is not None and all(reason <= 2 for reason in answer.packet.reasons),
        f"{role} may not subscribe to the sensors of its city",
        expected="a granted QoS",
        actual=broker.told(answer),
        clause="P3 8.3",
    )


@verifies("DTC-P3-083", negative=True, hazard="write")
@pytest.mark.parametrize("door", ["broker", "stream"])
def test_a_device_hears_no_alerts(twin: Twin, door: str) -> None:
    judge_deaf(twin, door, "device", f"city/{twin.target.city}/alerts/#")


@verifies("DTC-P3-083", negative=True)
@pytest.mark.parametrize("door", ["broker", "stream"])
@pytest.mark.parametrize("pattern", ["#", "city/#", "+/+/alerts/#"], ids=["all", "all-cities", "pluses"])
def test_wildcards_widen_no_rights(twin: Twin, door: str, pattern: str) -> None:
    """A filter that would match what a device may not hear is refused, or granted for the rest alone."""
    judge_deaf(twin, door, "device", pattern)


@verifies("DTC-P3-083", negative=True)
def test_a_shared_subscription_widens_no_rights(twin: Twin) -> None:
    """`$share/{group}/` before a filter is the broker's; what follows is judged as ever (MQTT 5 4.8.2)."""
    judge_deaf(twin, "broker", "device", f"$share/dtc/city/{twin.target.city}/alerts/#")


@verifies("DTC-P3-083", negative=True)
@pytest.mark.parametrize("door", ["broker", "stream"])
def test_each_filter_of_a_subscribe_is_judged(twin: Twin, door: str) -> None:
    """What a device may hear opens nothing to what stands beside it."""
    twin.need_role("device")
    filters = ((readings.filter_of(twin), 1), (f"city/{twin.target.city}/alerts/#", 1))
    if door == "broker":
        client = broker.connect(twin, "beside", as_="device")
        answer = client.subscribe(*filters)
        client.link.drop()
        granted = list(answer.packet.reasons)[1:] if answer is not None else []
    else:
        session = open_session(twin, "device")
        session.subscribe(*filters)
        found = session.reply({"SUBACK", "ERROR", "DISCONNECT"})
        session.close()
        granted = (wia.granted_of(found) or [])[1:]
    expect.that(
        not any(level in (0, 1, 2) for level in granted),
        "a device subscribes to alerts beside what it may hear",
        expected="0x87, or a failure in SUBACK",
        actual=granted,
        clause="P3 8.3",
    )


@verifies("DTC-P3-083", negative=True, hazard="write")
@pytest.mark.parametrize("door", ["broker", "stream"])
def test_a_session_opens_to_its_own_caller_only(twin: Twin, door: str) -> None:
    """Who names the client of another credential gets none of what that one subscribed to."""
    twin.need_role("other_city")
    sensor, mine, name = readings.sensor(twin), readings.measurement(twin), "dtc-owned"
    witness = open_session(twin)
    witness.subscribed((readings.filter_of(twin), 0))
    if door == "broker":
        owner = broker.connect(twin, name, values={"sessionExpiry": 60})
        owner.subscribed((readings.filter_of(twin), 1))
        owner.link.cut()
        other = twin.mqtt.connect(
            broker.client_id(twin, name), as_="other_city", clean=False, values={"sessionExpiry": 60}
        )
        ears = Client(twin, other)
        readings.post(twin, sensor, mine)
        readings.came(twin, witness, lambda _: False)
        heard = ears.messages(readings.GRACE_S, readings.on_mqtt(sensor)) if other.accepted else []
        got = [one.packet.topic for one in heard]
        other.drop()
        broker.connect(twin, name, values={"sessionExpiry": 0}).close()
    else:
        mine_own = resumable(twin, name)
        mine_own.subscribed((readings.filter_of(twin), 1))
        mine_own.link.cut()
        session = open_session(twin, "other_city")
        session.send("CONNECT", kept(twin, name, "other_city"))
        session.reply({"CONNACK", "ERROR", "DISCONNECT"})
        readings.post(twin, sensor, mine)
        readings.came(twin, witness, lambda _: False)
        got = [str(one.get("topic")) for one in session.publishes(readings.GRACE_S, readings.like(sensor))]
        session.close()
    witness.close()
    expect.that(
        not got,
        "a caller gets the session of another credential by naming its client",
        expected="refused, or a session of its own",
        actual=got,
        clause="P3 8.3",
    )


@verifies("DTC-P3-083", negative=True)
@pytest.mark.parametrize("door", ["broker", "stream"])
def test_a_caller_of_another_city_hears_nothing_of_this_one(twin: Twin, door: str) -> None:
    judge_deaf(twin, door, "other_city", readings.filter_of(twin))


@verifies("DTC-P3-083", negative=True, hazard="write")
@pytest.mark.parametrize("door", ["broker", "stream"])
@pytest.mark.parametrize(
    "pattern", ["city/{city}/sensors/#", "city/+/sensors/#", "#"], ids=["own", "plus", "all"]
)
def test_no_reading_comes_to_a_caller_of_another_city(twin: Twin, door: str, pattern: str) -> None:
    """Whatever is answered to its SUBSCRIBE: refused, or granted for the cities of the caller alone."""
    twin.need_role("other_city")
    sensor, mine = readings.sensor(twin), readings.measurement(twin)
    witness = open_session(twin)
    witness.subscribed((readings.filter_of(twin), 0))
    where = readings.filter_of(twin, pattern)
    if door == "broker":
        client = broker.connect(twin, "deaf", as_="other_city")
        client.subscribe((where, 1))
        readings.post(twin, sensor, mine)
        readings.came(twin, witness, lambda _: False)
        got = [one.packet.topic for one in client.messages(readings.GRACE_S, readings.on_mqtt(sensor))]
        client.link.drop()
    else:
        session = open_session(twin, "other_city")
        session.subscribe((where, 1))
        session.reply({"SUBACK", "ERROR", "DISCONNECT"})
        readings.post(twin, sensor, mine)
        readings.came(twin, witness, lambda _: False)
        got = [str(one.get("topic")) for one in session.publishes(readings.GRACE_S, readings.like(sensor))]
        session.close()
    witness.close()
    expect.that(
        not got,
        "readings of a city come to a caller who has rights in another one only",
        expected="no data",
        actual=got,
        clause="P3 8.3",
    )


def judge_deaf(twin: Twin, door: str, role: str, pattern: str) -> None:
    """The filter is refused; where it is granted, what the role may not hear does not come."""
    twin.need_role(role)
    told = (
        refused_by_broker(twin, role, pattern) if door == "broker" else refused_by_stream(twin, role, pattern)
    )
    if told is None or "alerts" in pattern or role == "other_city":
        expect.that(
            told is None,
            f"the role {role} subscribes to {pattern}",
            expected="0x87, or a failure in SUBACK",
            actual=told,
            clause="P3 8.3",
        )
        return
    if not twin.target.declares.get("alert_threshold"):
        raise NotTested(f"{pattern} is granted, and no alert can be raised to see whether it comes")
    from suites.phase3.support import events

    deaf = broker.connect(twin, "deaf", as_=role)
    deaf.subscribed((pattern, 1))
    events._alert(twin)
    got = [one.packet.topic for one in deaf.messages(1.0) if "/alerts/" in one.packet.topic]
    deaf.close()
    expect.that(not got, f"alerts come to the role {role} by {pattern}", actual=got, clause="P3 8.3")


def refused_by_broker(twin: Twin, role: str, pattern: str) -> str | None:
    """What was granted, in words; None when the filter was refused."""
    client = broker.connect(twin, f"acl-{role}", as_=role)
    answer = client.subscribe((pattern, 1))
    client.link.drop()
    if answer is None:
        if client.ended is None:
            raise Blocked("DTC-P3-051", "SUBSCRIBE is not answered")
        return None
    return None if all(reason >= 0x80 for reason in answer.packet.reasons) else broker.told(answer)


def refused_by_stream(twin: Twin, role: str, pattern: str) -> str | None:
    """What was granted, in words; None when the filter was refused."""
    session = open_session(twin, role)
    session.subscribe((pattern, 1))
    refused = session.refusal(of={"SUBACK"})
    session.close()
    return None if refused is not None else session.told(session.heard[-1] if session.heard else None)


@verifies("DTC-P3-084", hazard="write")
@pytest.mark.parametrize("door", ["broker", "stream"])
def test_a_device_speaks_for_its_sensor(twin: Twin, door: str) -> None:
    twin.need_role("device")
    sensor, mine = readings.sensor(twin, "device"), readings.measurement(twin)
    ears = broker.connect(twin, "device-ears")
    ears.subscribed((readings.filter_of(twin), 0))
    told = spoken(twin, door, "device", readings.topic(twin, sensor), readings.body(sensor, mine))
    got = ears.messages(wia.DELIVERY_S, readings.on_mqtt(sensor, mine["value"]), most=1)
    ears.close()
    expect.that(bool(got), "a reading of a device does not reach subscribers", actual=told, clause="P3 8.3")


@verifies("DTC-P3-084", negative=True, hazard="write")
@pytest.mark.parametrize("door", ["broker", "stream"])
@pytest.mark.parametrize("where", ["viewer-on-sensors", "device-on-alerts", "other-city-on-sensors"])
def test_what_a_caller_may_not_say_reaches_nobody(twin: Twin, door: str, where: str) -> None:
    role = {
        "viewer-on-sensors": "viewer",
        "device-on-alerts": "device",
        "other-city-on-sensors": "other_city",
    }[where]
    twin.need_role(role)
    sensor, mine = readings.sensor(twin, "acl"), readings.measurement(twin)
    topic, payload = readings.topic(twin, sensor), readings.body(sensor, mine)
    if where == "device-on-alerts":
        topic = f"city/{twin.target.city}/alerts/high/dtc-test"
        payload = {"eventType": "dtc-test", "severity": "high", "details": {"value": mine["value"]}}
    ears = broker.connect(twin, "acl-ears")
    ears.subscribed((f"city/{twin.target.city}/#", 0))
    for qos in (1, 0, 2):
        spoken(twin, door, role, topic, payload, qos)
    needle = json.dumps(mine["value"]).encode()
    got = [one.packet.topic for one in readings.came(twin, ears, lambda one: needle in one.packet.payload)]
    ears.close()
    expect.that(
        not got,
        f"a publish that the role {role} has no right to reaches subscribers",
        expected="refused with 0x87, or dropped",
        actual=got,
        clause="P3 8.3",
    )


@verifies("DTC-P3-084", negative=True, hazard="write")
def test_a_last_will_widens_no_rights(twin: Twin) -> None:
    """A will on a topic that its client may not publish on is refused with CONNECT, or never published."""
    twin.need_role("device")
    ears, mark = broker.connect(twin, "will-ears"), f"dtc-will-{twin.run_id[-8:]}"
    payload = json.dumps({"eventType": "dtc-will", "severity": "high", "details": {"mark": mark}}).encode()
    ears.subscribed((f"city/{twin.target.city}/#", 0))
    will = {"topic": f"city/{twin.target.city}/alerts/high/dtc-will", "payload": payload, "qos": 1}
    link = twin.mqtt.connect(broker.client_id(twin, "will"), as_="device", will=will)
    link.cut()
    twin.clock.wait(0.2)
    got = [
        one.packet.topic for one in readings.came(twin, ears, lambda one: mark.encode() in one.packet.payload)
    ]
    ears.close()
    expect.that(
        not got,
        "the last will of a device is published on a topic that it has no right to",
        expected="CONNACK 0x87, or nothing",
        actual=got,
        clause="P3 8.3",
    )


def spoken(twin: Twin, door: str, role: str, topic: str, payload: Any, qos: int = 1) -> str:
    """Publish at one of the doors; the answer in words. At QoS 0 a ping shows that it was read."""
    if door == "broker":
        client = broker.connect(twin, f"speaks-{role}", as_=role)
        client.publish(topic, payload, qos=qos)
        if not qos:
            client.link.ping()
        answer = client.reply(("PINGRESP", "PUBACK", "PUBCOMP", "PUBREC", "DISCONNECT", "END"))
        if answer is not None and answer.kind == "PUBREC" and (answer.packet.reason or 0) < 0x80:
            answer = client.reply(("PUBCOMP", "DISCONNECT", "END"))
        client.link.drop()
        return broker.told(answer)
    session = open_session(twin, role)
    session.send("PUBLISH", payload, topic=topic, qos=qos)
    if not qos:
        session.send("PING")
    refused = session.refusal(of={("PONG", "PUBACK", "PUBCOMP")[qos]})
    session.close()
    return refused or "taken"


def limit_of(twin: Twin, role: str) -> dict[str, float]:
    """What a role is limited to: as declared, else the example of the standard."""
    declared = twin.target.limits.get(role)
    return {**EXAMPLE, **declared} if isinstance(declared, dict) else dict(EXAMPLE)


@verifies("DTC-P3-085", hazard="write")
def test_a_device_within_its_limit_is_served(twin: Twin) -> None:
    limit = limit_of(twin, "device")["messages_per_s"]
    sensor, device = readings.sensor(twin, "limit"), as_device(twin, "within")
    refused = []
    for _ in range(8):
        mine = readings.measurement(twin)
        device.publish(readings.topic(twin, sensor), readings.body(sensor, mine), qos=1)
        answer = device.reply(("PUBACK", "DISCONNECT", "END"))
        if answer is None or answer.kind != "PUBACK" or (answer.packet.reason or 0) >= 0x80:
            refused.append(broker.told(answer))
        twin.clock.wait(max(0.0, 1.25 / limit))
    device.link.drop()
    expect.that(
        not refused, f"{limit * 0.8:.0f} messages/s are refused", actual=refused[:3], clause="P3 8.3, C-82"
    )


def burst(
    twin: Twin, sensor: str, ears: Client, door: str, *, seconds: float = 5 * BURST_S, connections: int = 1
) -> tuple[int, float]:
    """What a device may say in so many seconds, at once at QoS 0; how many came, and the seconds it took."""
    twin.need_role("device")
    count, began = math.ceil(limit_of(twin, "device")["messages_per_s"] * seconds), twin.clock.now()
    where = readings.topic(twin, sensor)
    if door == "stream":
        session = open_session(twin, "device")
        for _ in range(count):
            session.send("PUBLISH", readings.body(sensor, readings.measurement(twin)), topic=where, qos=0)
        session.send("PING")
        session.reply({"PONG"})
        session.close()
    else:
        devices = [as_device(twin, f"burst-{number}") for number in range(connections)]
        for number in range(count):
            payload = readings.body(sensor, readings.measurement(twin))
            devices[number % connections].publish(where, payload, qos=0)
        for device in devices:
            device.link.ping()
            device.reply("PINGRESP")
            device.link.drop()
    took = (twin.clock.now() - began).total_seconds()
    return len(readings.came(twin, ears, readings.on_mqtt(sensor))), took


def need_low_limit(twin: Twin) -> float:
    """The limit of a device in messages per second.

    Raises:
        NotTested: when it is too high to be exceeded beside other tests.
    """
    limit = limit_of(twin, "device")["messages_per_s"]
    if limit > 400:
        raise NotTested(f"the declared limit of a device is {limit} messages/s: a load run exceeds it")
    return limit


@verifies("DTC-P3-085", negative=True, hazard="write")
@pytest.mark.parametrize("door", ["broker", "stream"])
def test_messages_of_qos_0_are_limited_too(twin: Twin, door: str) -> None:
    limit, sensor = need_low_limit(twin), readings.sensor(twin, "limit")
    ears = broker.connect(twin, "burst-ears")
    ears.subscribed((readings.filter_of(twin), 0))
    sent = 5 * BURST_S * limit
    got, _ = burst(twin, sensor, ears, door)
    if got >= 0.8 * sent and "device" not in twin.target.limits:
        sent = UNDECLARED["messages"]
        got, _ = burst(twin, sensor, ears, door, seconds=sent / limit)
    ears.close()
    judge = expect.that if door == "broker" else wanted  # P3 8.3 speaks of the broker's clients
    judge(
        got < 0.8 * sent,
        f"{sent:.0f} messages of QoS 0 in a burst are all delivered",
        expected=f"{limit} messages/s, or whatever limit there is: the excess dropped, or a disconnect",
        actual=f"{got} delivered",
        clause="P3 8.3, C-82",
    )


@verifies("DTC-P3-085", negative=True, hazard="write")
def test_a_device_has_one_limit_however_often_it_connects(twin: Twin) -> None:
    """Over five connections at once not more is delivered than a window or two of the one limit."""
    limit, sensor = need_low_limit(twin), readings.sensor(twin, "limit")
    ears = broker.connect(twin, "often-ears")
    ears.subscribed((readings.filter_of(twin), 0))
    once_, _ = burst(twin, sensor, ears, "broker", seconds=8)
    twin.clock.wait(1.1)
    got, took = burst(twin, sensor, ears, "broker", seconds=8, connections=5)
    ears.close()
    most = 2 * once_ + limit * (took + 1) + 2
    wanted(
        got <= most,
        "each connection of a device has a limit of its own",
        expected=f"at most {most:.0f} messages, over one connection {once_}",
        actual=f"{got} over five connections",
        clause="P3 8.3, C-82",
    )


@verifies("DTC-P3-085", negative=True, hazard="write")
def test_a_device_beyond_its_limit_is_held_back(twin: Twin) -> None:
    """Five times the limit: the excess is refused, dropped, or the device disconnected (C-82)."""
    limit = limit_of(twin, "device")["messages_per_s"]
    if limit > 400:
        raise NotTested(f"the declared limit of a device is {limit} messages/s: a load run exceeds it")
    count = math.ceil(limit * 5 * BURST_S)
    got, taken = said(twin, "beyond", count)
    if min(got, taken) >= 0.8 * count and "device" not in twin.target.limits:
        count = UNDECLARED["messages"]
        got, _ = said(twin, "beyond-all", count)
        taken = got  # so many acknowledgements take longer than a silence
    expect.that(
        min(got, taken) < 0.8 * count,
        f"{count} messages in a burst are all delivered",
        expected=f"{limit} messages/s, or whatever limit there is: excess refused (0x96, 0x97), dropped, "
        "or a disconnect",
        actual=f"{got} delivered, {taken} acknowledged",
        clause="P3 8.3, C-82",
        hint=TELL,
    )


def said(twin: Twin, name: str, count: int, *, note: str = "") -> tuple[int, int]:
    """A device says so many things at once at QoS 1; how many came, and how many were acknowledged."""
    sensor, device = readings.sensor(twin, f"limit-{name}"), as_device(twin, name)
    ears = broker.connect(twin, f"{name}-ears")
    ears.subscribed((readings.filter_of(twin), 0))
    for _ in range(count):
        payload = readings.body(sensor, readings.measurement(twin))
        device.publish(readings.topic(twin, sensor), {**payload, "note": note} if note else payload, qos=1)
    answers = list(device.link.during(wia.SILENCE_S, most=count))
    device.link.drop()
    got = readings.came(twin, ears, readings.on_mqtt(sensor))
    ears.close()
    return len(got), sum(one.kind == "PUBACK" and (one.packet.reason or 0) < 0x80 for one in answers)


@verifies("DTC-P3-085", negative=True, hazard="write")
def test_a_device_beyond_its_bytes_is_held_back(twin: Twin) -> None:
    limit = limit_of(twin, "device")
    if limit["bytes_per_s"] > 200_000:
        raise NotTested(f"the declared limit of a device is {limit['bytes_per_s']} bytes/s")
    size = int(limit["bytes_per_s"] * 0.9)
    got, taken = said(twin, "bytes", 8, note="x" * size)
    if min(got, taken) > 6 and "device" not in twin.target.limits:
        size = UNDECLARED["bytes"]
        got, taken = said(twin, "bytes-all", 8, note="x" * size)
    expect.that(
        min(got, taken) <= 6,
        f"8 messages of {size} bytes at once are all delivered",
        expected=f"{limit['bytes_per_s']} bytes/s, or whatever limit there is",
        actual=f"{got} delivered, {taken} acknowledged",
        clause="P3 8.3, C-82",
        hint=TELL,
    )


def need_signing(twin: Twin) -> None:
    """The condition `declares.signing`, and a key to sign with."""
    if not twin.target.declares.get("signing"):
        raise NotApplicable("the target declares no signed messages (declares.signing)")
    if twin.target.signing is None:
        raise NotTested("the target file names no key to sign with (auth.signing)")


def sign(twin: Twin, message: Message, *, form: str = "hex") -> Message:
    """The message with a signature over its canonical form (C-78)."""
    how = twin.target.signing
    assert how is not None  # noqa: S101 - need_signing was asked
    raw = signed(twin, message)
    value = raw.hex() if form == "hex" else base64.b64encode(raw).decode()
    twin.credentials.conceal(value, "signature")
    return {**message, "signature": {"algorithm": how.algorithm, "value": value, "keyId": how.key_id}}


def speak(twin: Twin, message: Message) -> tuple[Session, str | None]:
    """Send a message; the session and how the message was refused."""
    session = open_session(twin)
    session.link.send_text(json.dumps(message))
    return session, session.refusal(of={"PUBACK"})


def draft(twin: Twin) -> Message:
    """A reading as a message that is to be signed."""
    sensor = readings.sensor(twin, "signed")
    session = open_session(twin)
    payload = readings.body(sensor, readings.measurement(twin))
    message = session.envelope("PUBLISH", payload, topic=readings.topic(twin, sensor), qos=1)
    session.close()
    return message


@verifies("DTC-P3-086", hazard="write")
@pytest.mark.parametrize("form", ["hex", "base64"])
def test_a_signed_message_is_taken(twin: Twin, form: str) -> None:
    need_signing(twin)
    session, refused = speak(twin, sign(twin, draft(twin), form=form))
    session.close()
    expect.that(
        refused is None,
        "a signed message is refused",
        expected="PUBACK",
        actual=refused,
        clause="P3 8.4, C-78",
    )


@verifies("DTC-P3-086", hazard="write")
def test_the_order_of_members_does_not_matter(twin: Twin) -> None:
    """The canonical form sorts members (RFC 8785)."""
    need_signing(twin)
    message = sign(twin, draft(twin))
    session, refused = speak(twin, dict(reversed(list(message.items()))))
    session.close()
    expect.that(
        refused is None,
        "a signed message is refused when its members stand in another order",
        actual=refused,
        clause="C-78",
    )


@verifies("DTC-P3-086", negative=True, hazard="write")
@pytest.mark.parametrize(
    "how",
    ["payload", "topic", "timestamp", "key-id", "algorithm-none", "value", "last-digit", "no-value"],
)
def test_an_altered_message_is_refused(twin: Twin, how: str) -> None:
    need_signing(twin)
    message = sign(twin, draft(twin))
    signature, payload = dict(message["signature"]), json.loads(json.dumps(message["payload"]))
    if how == "payload":
        payload["measurements"][0]["value"] += 1
        message = {**message, "payload": payload}
    elif how == "topic":
        message = {**message, "topic": message["topic"].replace("temperature", "humidity")}
    elif how == "timestamp":
        message = {**message, "timestamp": "2025-01-15T10:30:00+09:00"}
    elif how == "key-id":
        message = {**message, "signature": {**signature, "keyId": "dtc-no-such-key"}}
    elif how == "algorithm-none":
        message = {**message, "signature": {**signature, "algorithm": "none", "value": ""}}
    elif how == "value":
        wrong = hmac.new(b"dtc", b"another", hashlib.sha256).hexdigest()
        message = {**message, "signature": {**signature, "value": wrong}}
    elif how == "last-digit":
        last = "1" if signature["value"][-1] == "0" else "0"
        message = {**message, "signature": {**signature, "value": signature["value"][:-1] + last}}
    else:
        message = {**message, "signature": {"algorithm": signature["algorithm"], "keyId": signature["keyId"]}}
    session, refused = speak(twin, message)
    session.close()
    expect.that(
        refused is not None,
        f"a message altered after signing is taken ({how})",
        expected="refused",
        clause="P3 8.4",
    )
