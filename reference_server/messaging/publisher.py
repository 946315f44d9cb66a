"""Committed changes become messages on the topics of P3 4.2.2 with the names of P2 2.2 (C-54; DTC-P3-087)."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import orjson

from reference_server import instants
from reference_server.messaging import alerts, messages, topics
from reference_server.messaging.bus import Bus
from reference_server.messaging.directory import Directory, Spoken
from reference_server.messaging.ingest import Offered, outgoing
from reference_server.messaging.messages import Fact, Message
from reference_server.services import snapshots
from reference_server.storage.protocol import Change, Measured, Reading

READING_QOS = 1  # P3 5.2
MAX_OBJECT = 128 * 1024
"""An update carries the object itself up to this size in bytes; a larger one is named and can be read."""
RECENT_IDS = 200_000
ENDS = ("completed",)


class Publisher:
    """Listens to the storage and speaks on the bus."""

    def __init__(self, bus: Bus, directory: Directory) -> None:
        self._bus = bus
        self._directory = directory
        self._ids: OrderedDict[str, None] = OrderedDict()

    def heard(self, changes: Sequence[Change | Measured]) -> None:
        """Turn a committed change into messages."""
        self._directory.changed(changes)
        for change in changes:
            if isinstance(change, Measured):
                self._measured(change)
            else:
                for message in self.said(change):
                    self._bus.publish(message)

    def unused(self, wanted: str | None) -> str:
        """The id that a client gave its message, unless another had it: ids are unique (DTC-P3-015)."""
        if wanted is None or wanted in self._ids or wanted.startswith(messages.OWN_IDS):
            return messages.new_id()
        self._ids[wanted] = None
        if len(self._ids) > RECENT_IDS:
            self._ids.popitem(last=False)
        return wanted

    # --- readings

    def _measured(self, change: Measured) -> None:
        names = self._directory.spoken(change.sensor)
        if names is None:
            return
        if isinstance(change.origin, Offered):
            made = self._offered(change.origin)
        elif change.stored:
            made = [reading_message(names, group) for group in by_parameter(change.readings).values()]
        else:
            return  # the same readings once more: nothing new to say
        for message in made:
            self._bus.publish(message)

    def _offered(self, offered: Offered) -> list[Message]:
        """The message that a client published; more than one when it held several parameters."""
        known, incoming = offered.known, offered.incoming
        made: list[Message] = []
        if offered.whole and len(offered.readings) == 1:  # its topic names the parameter: that was judged
            return [self._whole(offered)]
        named = topics.parse_sensor(incoming.topic)
        groups: dict[str, tuple[list[dict[str, Any]], list[Reading]]] = {}
        for given, reading in zip(offered.given, offered.readings, strict=True):
            group = groups.setdefault(reading.parameter, ([], []))
            group[0].append(given)
            group[1].append(reading)
        for parameter, (given_ones, stored) in groups.items():
            own = named is not None and named.parameter == parameter
            payload = {"sensorId": known.id, **offered.extra, "measurements": given_ones}
            message = outgoing(incoming, offered.source, event="sensor:data", retain=False)
            message.topic = (
                incoming.topic if own else topics.reading(known.city.id, known.kind, known.id, parameter)
            )
            message.payload = orjson.dumps(payload)
            self._as_reading(message, offered, stored)
            message.id = self.unused(incoming.id if own else None)
            made.append(message)
        return made

    def _whole(self, offered: Offered) -> Message:
        """A message of one reading as it came; most messages of a city are such."""
        incoming, known = offered.incoming, offered.known
        ttl = messages.SENSOR_TTL_S if incoming.ttl is None else incoming.ttl
        return Message(
            topic=incoming.topic,
            payload=incoming.payload,
            at=instants.now_us(),
            id=messages.new_id() if incoming.id is None else self.unused(incoming.id),
            qos=incoming.qos,
            source=offered.source,
            origin=incoming.origin,
            event="sensor:data",
            ttl=ttl,
            expires=messages.deadline(ttl),
            payload_format=incoming.payload_format,
            response_topic=incoming.response_topic,
            correlation=incoming.correlation,
            user=incoming.user,
            fact=Fact(known.city.id, known.id, tuple(offered.readings)),
        )

    @staticmethod
    def _as_reading(message: Message, offered: Offered, stored: Sequence[Reading]) -> None:
        """What each message of a reading has."""
        message.content_type = messages.JSON
        message.fact = Fact(offered.known.city.id, offered.known.id, tuple(stored))
        if message.ttl is None:
            message.ttl = messages.SENSOR_TTL_S
            message.expires = messages.deadline(messages.SENSOR_TTL_S)

    # --- state

    def said(self, change: Change) -> list[Message]:
        """The messages of a change of state."""
        city = self._directory.city(change.city) if change.kind != "city" else change.entity
        if city is None:
            return []
        made: list[Message] = []
        if change.kind in ("object", "city"):
            return [object_message(city, change, "City" if change.kind == "city" else None)]
        body = None if change.body is None else orjson.loads(change.body)
        if change.kind == "sensor":
            made.append(device_message(city, change.entity, body))
        elif change.kind == "simulation" and body is not None:
            made.append(simulation_message(city, body))
        elif change.kind == "alert" and body is not None:
            made.append(alert_message(city, change.entity, body))
        elif change.kind == "service" and body is not None:
            made.append(service_message(city, body, change.at))
        return made


def said(
    topic: str,
    payload: Any,
    *,
    event: str | None,
    qos: int = 1,
    retain: bool = False,
    source: str = "twin",
    ttl: int | None = None,
) -> Message:
    """A message of the twin itself."""
    return Message(
        topic=topic,
        payload=orjson.dumps(payload),
        at=instants.now_us(),
        id=messages.new_id(),
        qos=qos,
        retain=retain,
        source=source,
        event=event,
        ttl=ttl,
        expires=messages.deadline(ttl),
    )


def by_parameter(readings: Sequence[Reading]) -> dict[str, list[Reading]]:
    """Readings in the order given, by parameter."""
    groups: dict[str, list[Reading]] = {}
    for one in readings:
        groups.setdefault(one.parameter, []).append(one)
    return groups


def reading_message(names: Spoken, group: Sequence[Reading]) -> Message:
    """Readings of one parameter of a sensor."""
    topic = topics.reading(names.city, names.kind, names.id, group[0].parameter)
    payload = {"sensorId": names.id, "measurements": [snapshots.measurement(one) for one in group]}
    ttl = messages.SENSOR_TTL_S
    message = said(topic, payload, event="sensor:data", qos=READING_QOS, source=names.id, ttl=ttl)
    message.fact = Fact(names.city, names.id, tuple(group))
    return message


def object_message(city: str, change: Change, kind: str | None = None) -> Message:
    """An object, or the city itself, was created, updated or deleted."""
    shown = kind or change.type
    payload = {
        "eventType": "city:updated",
        "objectId": change.entity,
        "objectType": shown,
        "action": change.action,
        "revision": change.revision,
        "lastUpdated": instants.show(change.at),
    }
    if change.body is not None and len(change.body) <= MAX_OBJECT:
        payload["object" if kind is None else "city"] = orjson.Fragment(change.body)
    return said(topics.object_update(city, shown, change.entity), payload, event="city:updated")


def simulation_message(city: str, body: dict[str, Any]) -> Message:
    """A simulation is in another state; its completion has a name of its own."""
    names = ("type", "status", "progress", "created", "completed", "error")
    payload = {"simulationId": body["id"], **{name: body[name] for name in names if name in body}}
    event = "simulation:completed" if body["status"] in ENDS else None
    return said(topics.simulation(city, body["id"]), payload, event=event)


def alert_message(city: str, alert_id: str, body: dict[str, Any]) -> Message:
    """An alert that a reading raised, at the QoS of its severity (C-83)."""
    payload = {"alertId": alert_id, **body}
    topic = topics.alert(city, body["severity"], body["category"])
    qos = alerts.QOS[body["severity"]]
    return said(topic, payload, event="alert:created", qos=qos, source="monitoring-system")


def service_message(city: str, body: dict[str, Any], at: int) -> Message:
    """The status of a service, retained."""
    names = ("name", "category", "realTimeData")
    payload = {
        "serviceId": body["id"],
        "status": body["status"],
        "lastUpdated": instants.show(at),
        **{name: body[name] for name in names if name in body},
    }
    topic = topics.service(city, body["id"])
    return said(topic, payload, event="service:status", retain=True)


def device_message(city: str, sensor: str, body: dict[str, Any] | None) -> Message:
    """The status of a sensor as a device, retained; an empty message once it is gone."""
    topic = topics.device(city, sensor)
    if body is None:
        message = said(topic, {}, event=None, retain=True)
        message.payload = b""
        return message
    status = body.get("status") if isinstance(body.get("status"), dict) else {}
    payload = {"sensorId": sensor, "type": body["type"], "status": status}
    return said(topic, payload, event=None, retain=True)
