"""What the changes of a city look like at both doors: brought about once, heard on stream and broker."""

import json
import shlex
import subprocess
from typing import Any

from dtc_cli.harness.suite import Answer, Arrived, Blocked, NotApplicable, Twin, quote
from suites.phase2.support_live import once
from suites.phase3.support import broker, readings, wia
from suites.phase3.support.broker import Client
from suites.phase3.support.wia import Message, Session, failure, open_session

WAIT_S = 5.0  # P3 5.2
SIMULATION_S = 20.0


class Heard:
    """The messages that a change brought about, at each door."""

    def __init__(self, stream: list[Message], mqtt: list[Arrived], about: str) -> None:
        self.stream = stream
        self.mqtt = mqtt
        self.about = about
        """The id of what was changed."""
        self.sent: dict[str, Any] = {}
        """The measurement that was submitted, where it is a reading."""

    @property
    def topics(self) -> list[str]:
        """The topics at both doors."""
        return [*(str(one.get("topic")) for one in self.stream), *(one.packet.topic for one in self.mqtt)]


class Ears:
    """A subscriber at each door."""

    def __init__(self, twin: Twin, branch: str) -> None:
        pattern = f"city/{twin.target.city}/{branch}"
        self.twin = twin
        self.word = branch.split("/", maxsplit=1)[0]
        self.stream: Session | None = None
        self.mqtt: Client | None = None
        if twin.target.stream_url:
            self.stream = open_session(twin)
            # Wide, so that a message on a topic of another shape is heard and can be judged.
            for wide in ("#", f"city/+/{branch}"):
                self.stream.subscribe((wide, 2))
                if not failure(self.stream.reply({"SUBACK", "ERROR"}) or {"type": "CONNACK"}):
                    break
                if self.stream.ended is not None:  # a refusal may end the connection
                    self.stream = open_session(twin)
            else:
                self.stream.subscribed((pattern, 2))
        if twin.target.mqtt_url:
            self.mqtt = broker.connect(twin, f"ears-{self.word}")
            # Retained messages tell of the past (retain handling 2 leaves them out).
            for wide in ("#", f"city/+/{branch}"):
                answer = self.mqtt.subscribe((wide, 2 | 0x20))
                if answer is not None and all(reason <= 2 for reason in answer.packet.reasons):
                    break
                if self.mqtt.ended is not None:
                    self.mqtt = broker.connect(twin, f"ears-{self.word}")
            else:
                self.mqtt.subscribed((pattern, 2 | 0x20))

    def listen(self, about: str, wait_s: float = WAIT_S) -> Heard:
        """What comes about this id; ends as soon as each door has told, and leaves."""
        stream = (
            self.stream.publishes(
                wait_s, lambda one: self._tells(str(one.get("topic")), about) and _about(one, about), most=1
            )
            if self.stream
            else []
        )
        mqtt = (
            self.mqtt.messages(
                wait_s, lambda one: self._tells(one.packet.topic, about) and _about_packet(one, about), most=1
            )
            if self.mqtt
            else []
        )
        if self.mqtt:
            self.mqtt.settle(0.2)
        self.close()
        return Heard(stream, mqtt, about)

    def _tells(self, topic: str, about: str) -> bool:
        """Whether a topic may tell of it; what has no id is told of in its own city."""
        return self.word in topic.split("/") and (about != "" or self.twin.target.city in topic)

    def close(self) -> None:
        """Leave."""
        if self.stream:
            self.stream.close()
        if self.mqtt:
            self.mqtt.close()


def _about(message: Message, about: str) -> bool:
    return about in json.dumps([message.get("topic"), message.get("payload")], ensure_ascii=False)


def _about_packet(one: Arrived, about: str) -> bool:
    return about in one.packet.topic or about.encode() in one.packet.payload


def reading(twin: Twin) -> Heard:
    """A reading over REST."""
    return once(twin, "p3-event-reading", lambda: _reading(twin))


def _reading(twin: Twin) -> Heard:
    sensor, ears = readings.sensor(twin, "events"), Ears(twin, "sensors/#")
    mine = readings.measurement(twin, quality="fair")
    readings.post(twin, sensor, mine)
    heard = ears.listen(sensor)
    heard.sent = mine
    return heard


def update(twin: Twin) -> Heard:
    """A PATCH of an object."""
    return once(twin, "p3-event-update", lambda: _update(twin))


def _update(twin: Twin) -> Heard:
    twin.need_hazard("write")
    created, _ = twin.scratch.object()
    ears = Ears(twin, "objects/#")
    answer = twin.rest.patch(
        f"/cities/{{city}}/objects/{quote(created)}", json={"properties": {"name": "dtc event"}}
    )
    if not answer.ok:
        raise Blocked("DTC-P2-022", f"the object cannot be patched (status {answer.status})")
    return ears.listen(created)


def simulation(twin: Twin) -> Heard:
    """A simulation that runs to its end."""
    return once(twin, "p3-event-simulation", lambda: _simulation(twin))


def _simulation(twin: Twin) -> Heard:
    from suites.phase2.support_live_runs import started

    twin.need_hazard("write")
    ears = Ears(twin, "simulations/#")
    run = started(twin, "TrafficFlow")
    if run.id is None:
        ears.close()
        raise Blocked("DTC-P2-064", f"no simulation could be started (status {run.accepted.status})")
    name = run.id
    stream = ears.stream.publishes(SIMULATION_S, lambda one: _ended(one, name), most=1) if ears.stream else []
    mqtt = ears.mqtt.messages(WAIT_S, lambda one: _ended_packet(one, name), most=1) if ears.mqtt else []
    ears.close()
    return Heard(stream, mqtt, name)


def _ended(message: Message, name: str) -> bool:
    return _about(message, name) and "completed" in json.dumps(message.get("payload"))


def _ended_packet(one: Arrived, name: str) -> bool:
    return _about_packet(one, name) and b"completed" in one.packet.payload


def alert(twin: Twin) -> Heard:
    """An alert, raised as the target file says.

    Raises:
        NotApplicable: when it names no way, and none came (`provoke.alert`).
    """
    return once(twin, "p3-event-alert", lambda: _alert(twin))


def _alert(twin: Twin) -> Heard:
    thresholds = twin.target.declares.get("alert_threshold")
    given = twin.target.provoke.get("alert")
    if not isinstance(thresholds, dict) and not given:
        raise NotApplicable(
            "the target file names no way to raise an alert (provoke.alert or declares.alert_threshold)"
        )
    ears = Ears(twin, "alerts/#")
    if given:
        provoke(twin, given)
    elif isinstance(thresholds, dict):
        parameter, threshold = next(
            (name, value) for name, value in thresholds.items() if isinstance(value, int | float)
        )
        kind = readings.KINDS.get(parameter, "EnvironmentalSensor")
        sensor = readings.sensor(twin, "alert", kind)
        readings.post(twin, sensor, readings.measurement(twin, parameter, round(threshold * 1.8, 3)))
    return ears.listen("")


def status(twin: Twin) -> Heard:
    """A change of a service's status, brought about as the target file says.

    Raises:
        NotApplicable: when it names no way (`provoke.service_status`).
    """
    return once(twin, "p3-event-status", lambda: _status(twin))


def _status(twin: Twin) -> Heard:
    given = twin.target.provoke.get("service_status")
    if not given:
        raise NotApplicable(
            "the target file names no way to change a service status (provoke.service_status)"
        )
    ears = Ears(twin, "services/#")
    provoke(twin, given)
    return ears.listen("")


def provoke(twin: Twin, given: Any) -> Answer | None:
    """Do what a provocation of the target file says: a request, or a command."""
    twin.need_hazard("write")
    request = given.get("request") if isinstance(given, dict) else None
    if request:
        path = request["path"].replace(f"/cities/{twin.target.city}/", "/cities/{city}/")
        body = {"json": request["body"]} if "body" in request else {}
        answer = twin.rest.request(request["method"], path, as_="admin", **body)
        if not answer.ok:
            raise NotApplicable(f"the request to provoke with is refused (status {answer.status})")
        return answer
    command = given.get("command") if isinstance(given, dict) else given
    argv = shlex.split(command) if isinstance(command, str) else list(command or ())
    try:
        subprocess.run(argv, capture_output=True, timeout=60, check=True)  # noqa: S603 - the user's own
    except (OSError, ValueError, subprocess.SubprocessError) as problem:
        raise NotApplicable(f"the command to provoke with failed: {problem}") from problem
    return None


def payloads(heard: Heard) -> list[Any]:
    """The payloads at both doors: on MQTT bare or in an envelope (C-63)."""
    found: list[Any] = [wia.payload_of(one) for one in heard.stream]
    for one in heard.mqtt:
        value = readings.of_mqtt(one.packet.payload)
        inner = value.get("payload") if isinstance(value, dict) and "type" in value else None
        found.append(inner if isinstance(inner, dict) else value)
    return found


def named(twin: Twin) -> list[str]:
    """The event names that messages of the stream carry, in a member `event` or `eventName`.

    Raises:
        NotApplicable: when they carry none: then their topics tell the kind (C-54).
    """
    found: list[str] = []
    for heard in (reading(twin), update(twin), simulation(twin)):
        for one in heard.stream:
            for place in (one, wia.payload_of(one)):
                found += [place[name] for name in ("event", "eventName") if isinstance(place.get(name), str)]
    if not found:
        raise NotApplicable("messages carry no event names: their topics tell the kind (C-54)")
    return found
