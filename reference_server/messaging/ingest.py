"""What clients publish, whichever door it came through: judged, stored once, then heard (P3 4.2, 8.3, 9)."""

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from reference_server import instants
from reference_server.auth import Principal
from reference_server.errors import ApiError
from reference_server.messaging import messages, payloads, rights, topics
from reference_server.messaging.allowances import Meter
from reference_server.messaging.bus import Bus
from reference_server.messaging.dedup import Repeats
from reference_server.messaging.directory import Directory, Known
from reference_server.messaging.messages import Incoming, Message
from reference_server.messaging.outcome import Outcome
from reference_server.rules import sound
from reference_server.services import alerts, cities, city_services, readings
from reference_server.storage.protocol import Reading, Transaction

if TYPE_CHECKING:
    from reference_server.world import World

BATCH = 512
"""Readings of clients in one change of the storage, at most."""
EVENTS = {"alerts": "alert:created"}


class Offered(msgspec.Struct, frozen=True):
    """Readings on their way into the storage: what the publisher will make messages of."""

    incoming: Incoming
    known: Known
    given: list[dict[str, Any]]
    """As they were sent; left out where the message goes on whole."""
    extra: dict[str, Any]
    whole: bool
    source: str
    readings: list[Reading]
    outcome: Outcome


class Ingest:
    """Takes messages of clients."""

    def __init__(self, world: "World", bus: Bus, directory: Directory) -> None:
        self._world = world
        self._bus = bus
        self._directory = directory
        self.meter = Meter()
        self._repeats = Repeats()
        self._waiting: list[Offered] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._flushing = False

    def offer(self, caller: Principal, incoming: Incoming) -> Outcome:
        """Take a message; the outcome is set once it is committed and heard, or holds the `ApiError`."""
        outcome = Outcome()
        try:
            self.admit(caller, incoming)
        except ApiError as refusal:
            outcome.set_exception(refusal)
            return outcome
        if incoming.id is not None and incoming.origin is not None:
            key = (caller.name, incoming.origin, incoming.id, incoming.topic, hash(incoming.payload))
            earlier = self._repeats.earlier(key)
            if earlier is not None:
                return earlier
            self._repeats.remember(key, outcome)
        sensor = topics.parse_sensor(incoming.topic)
        try:
            if sensor is None or not self._take_known(caller, incoming, sensor, outcome):
                task = asyncio.get_running_loop().create_task(self._take(caller, incoming, sensor, outcome))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        except ApiError as refusal:
            outcome.set_exception(refusal)
        return outcome

    def admit(self, caller: Principal, incoming: Incoming) -> None:
        """Judge topic, right and allowance of a message.

        Raises:
            ApiError: INVALID_TOPIC, FORBIDDEN, RATE_LIMIT_EXCEEDED.
        """
        if not topics.is_topic(incoming.topic):
            raise ApiError("INVALID_TOPIC", "a message needs a topic of levels without wildcards")
        if not rights.may_publish(caller, incoming.topic):
            details = {"topic": incoming.topic}
            raise ApiError("FORBIDDEN", "the caller may not publish on this topic", details)
        if not self.meter.take(caller, len(incoming.payload)):
            raise ApiError("RATE_LIMIT_EXCEEDED", "more messages than the allowance of this credential")

    async def drain(self) -> None:
        """Wait for what is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _take_known(
        self, caller: Principal, incoming: Incoming, topic: topics.SensorTopic, outcome: Outcome
    ) -> bool:
        """The quick way, for a sensor that was met before; False when it has to be looked up."""
        if self._take_one(caller, incoming, topic, outcome):
            return True
        given = payloads.sensor_reading(incoming.payload, topic)
        known = self._directory.cached(topic.city, given.sensor)
        if known is None or (topic.sensor != known.id):
            return False
        self._queue(caller, incoming, known, given, outcome)
        return True

    def _take_one(
        self, caller: Principal, incoming: Incoming, topic: topics.SensorTopic, outcome: Outcome
    ) -> bool:
        """The quickest way, for a single sound reading of the topic's own sensor and parameter."""
        if self._world.settings.quality_threshold is not None:
            return False
        found = sound.message(incoming.payload, instants.now_us())
        if found is None or found[0] != topic.sensor or found[1].parameter != topic.parameter:
            return False
        known = self._directory.cached(topic.city, topic.sensor)
        if known is None:
            return False
        self._wait(Offered(incoming, known, [], {}, True, caller.name, [found[1]], outcome))
        return True

    async def _take(
        self, caller: Principal, incoming: Incoming, sensor: topics.SensorTopic | None, outcome: Outcome
    ) -> None:
        try:
            if sensor is None:
                await self._pass_on(caller, incoming)
                if not outcome.done():
                    outcome.set_result(None)
                return
            given = payloads.sensor_reading(incoming.payload, sensor)
            known = await self._directory.find(sensor.city, given.sensor)
            if sensor.sensor != known.id:
                await self._refuse_other(sensor)
            self._queue(caller, incoming, known, given, outcome)
        except ApiError as refusal:
            if not outcome.done():
                outcome.set_exception(refusal)

    async def _refuse_other(self, sensor: topics.SensorTopic) -> None:
        """A topic may use a short name for the sensor of the payload, but not the name of another sensor."""
        try:
            await self._directory.find(sensor.city, sensor.sensor)
        except ApiError:
            return
        raise ApiError(
            "FORBIDDEN", "the topic belongs to another sensor than the payload", {"sensorId": sensor.sensor}
        )

    def _queue(
        self,
        caller: Principal,
        incoming: Incoming,
        known: Known,
        given: payloads.Measured,
        outcome: Outcome,
    ) -> None:
        ids = {"cityId": known.city.id, "sensorId": known.id}
        readings.check(given.readings, known.capacity, known.limit, **ids)
        threshold = self._world.settings.quality_threshold
        if threshold is not None:
            readings.check_quality(given.readings, threshold, **ids)
        parsed = [readings.parsed(one) for one in given.readings]
        self._wait(
            Offered(incoming, known, given.readings, given.extra, given.whole, caller.name, parsed, outcome)
        )

    def _wait(self, offered: Offered) -> None:
        self._waiting.append(offered)
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        """Hand what waits to the storage, in changes of BATCH messages."""
        self._flushing = False
        waiting, self._waiting = self._waiting, []
        for start in range(0, len(waiting), BATCH):
            task = asyncio.get_running_loop().create_task(self._store(waiting[start : start + BATCH]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _store(self, batch: list[Offered]) -> None:
        thresholds = self._world.settings.alert_thresholds

        def apply(tx: Transaction) -> list[bool]:
            alive: dict[int, bool] = {}
            for one in batch:
                known = one.known
                if known.no not in alive:
                    row = tx.sensor(known.city.no, known.id)
                    alive[known.no] = row is not None and row.no == known.no
            taken = [one for one in batch if alive[one.known.no]]
            counts = tx.add_batch([(one.known.no, one.readings, one) for one in taken])
            for one, count in zip(taken, counts, strict=True):
                if any(count) and any(reading.parameter in thresholds for reading in one.readings):
                    known = one.known
                    alerts.note(tx, known.city.no, known.id, known.place, one.readings, thresholds)
            return [alive[one.known.no] for one in batch]

        try:
            stored = await self._world.storage.write("stream", apply)
        except ApiError as refusal:
            for one in batch:
                if not one.outcome.done():
                    one.outcome.set_exception(refusal)
            return
        for one, there in zip(batch, stored, strict=True):
            if there:
                self._world.readings[one.known.city.id] += len(one.readings)
            if one.outcome.done():
                continue
            if there:
                one.outcome.set_result(None)
            else:
                details = {"sensorId": one.known.id}
                one.outcome.set_exception(ApiError("SENSOR_NOT_FOUND", "the sensor is gone", details))

    async def _pass_on(self, caller: Principal, incoming: Incoming) -> None:
        """A message that is no reading: alerts, commands, answers, and the states of devices and services."""
        levels = incoming.topic.split("/")
        city = await cities.find(self._world, levels[1])
        branch = levels[2]
        event = EVENTS.get(branch)
        retain = incoming.retain and branch == "devices"
        if branch == "alerts":
            if len(levels) != 5:
                raise ApiError(
                    "INVALID_TOPIC", "an alert's topic is city/{cityId}/alerts/{severity}/{category}"
                )
            payloads.alert(incoming.payload, levels[3])
        elif branch == "sensors":
            raise ApiError("INVALID_TOPIC", "a reading's topic names type, sensor and parameter")
        elif branch == "services":
            change = payloads.decoded(incoming.payload)
            await city_services.set_status(
                self._world, city, levels[3], {"status": change.get("status")}, caller.name
            )
            return  # the publisher says it, from the commit
        self._bus.publish(outgoing(incoming, caller.name, event=event, retain=retain))


def outgoing(incoming: Incoming, source: str, *, event: str | None, retain: bool) -> Message:
    """A client's message as it goes on to the subscribers."""
    return Message(
        topic=incoming.topic,
        payload=incoming.payload,
        at=instants.now_us(),
        id=incoming.id or messages.new_id(),
        qos=incoming.qos,
        retain=retain,
        source=source,
        origin=incoming.origin,
        event=event,
        ttl=incoming.ttl,
        expires=messages.deadline(incoming.ttl),
        content_type=incoming.content_type,
        payload_format=incoming.payload_format,
        response_topic=incoming.response_topic,
        correlation=incoming.correlation,
        user=incoming.user,
    )
