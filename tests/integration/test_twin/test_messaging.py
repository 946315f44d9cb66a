"""What is accepted is stored once and heard; what the city does becomes messages (P3 4.2.2, 8.3, 9)."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from reference_server import instants
from reference_server.errors import ApiError
from reference_server.messaging import hub
from reference_server.messaging.directory import binary_id
from reference_server.messaging.messages import Incoming
from reference_server.services import cities, city_services, objects, readings, sensors
from reference_server.storage.protocol import SensorQuery
from reference_server.world import World
from tests.integration.test_twin.conftest import building
from tests.support.twin_world import CITY, Ear, caller, world

Body = Callable[[World, Ear], Awaitable[None]]


def run(folder: Path, body: Body, **options: Any) -> None:
    async def inside() -> None:
        async with world(folder, **options) as made:
            ear = Ear()
            made.messaging.bus.attach(ear)
            await body(made, ear)

    asyncio.run(inside())


def reading(
    value: float = 21.515625, parameter: str = "temperature", unit: str = "celsius"
) -> dict[str, Any]:
    now = instants.show(instants.now_us())
    return {"parameter": parameter, "value": value, "unit": unit, "timestamp": now, "quality": "good"}


async def a_sensor(made: World, kind: str = "EnvironmentalSensor") -> str:
    city = await cities.find(made, CITY)
    page = await made.storage.sensors(SensorQuery(city=city.no, types=(kind,)))
    return page.rows[0].id


def incoming(topic: str, payload: Any, **more: Any) -> Incoming:
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return Incoming(topic=topic, payload=raw, **more)


async def refused(made: World, message: Incoming, role: str = "operator") -> str:
    with pytest.raises(ApiError) as caught:
        await made.messaging.ingest.offer(caller(role, CITY), message)
    return caught.value.code


def test_a_published_reading_is_stored_once_and_heard_as_it_was_sent(tmp_path: Path) -> None:
    async def body(made: World, ear: Ear) -> None:
        sensor = await a_sensor(made)
        city = await cities.find(made, CITY)
        topic = f"city/{CITY}/sensors/environmental/{sensor}/temperature"
        one = reading()
        sent = incoming(
            topic,
            {"sensorId": sensor, "measurements": [one], "note": 1},
            qos=2,
            id="m-1",
            origin="c",
            retain=True,
        )
        await asyncio.gather(*(made.messaging.ingest.offer(caller("device", CITY), sent) for _ in range(3)))
        stored = await readings.data(
            made, city, sensor, start=None, end=None, parameter="temperature", limit=1000
        )
        assert [one["value"] for one in stored["measurements"]].count(21.515625) == 1
        assert [(m.topic, m.id, m.qos, m.retain, m.event) for m in ear.heard] == [
            (topic, "m-1", 2, False, "sensor:data")
        ]
        assert json.loads(ear.heard[0].payload) == {"sensorId": sensor, "note": 1, "measurements": [one]}
        assert ear.heard[0].ttl == 300
        again = incoming(topic, {"sensorId": sensor, **reading(22.5)}, id="m-1", origin="another")
        await made.messaging.ingest.offer(caller("device", CITY), again)
        assert ear.heard[1].id != "m-1"

    run(tmp_path, body)


def test_several_parameters_go_to_their_topics_and_short_words_are_understood(tmp_path: Path) -> None:
    async def body(made: World, ear: Ear) -> None:
        sensor = await a_sensor(made)
        two = [reading(), reading(40, "humidity", "percent")]
        topic = f"city/{CITY}/sensors/environmental/env-1/temperature"
        await made.messaging.ingest.offer(
            caller(), incoming(topic, {"sensorId": sensor, "measurements": two}, id="m", origin="c")
        )
        assert ear.topics() == [topic, f"city/{CITY}/sensors/environmental/{sensor}/humidity"]
        assert len({message.id for message in ear.heard}) == 2
        assert ear.heard[1].fact is not None
        assert ear.heard[1].fact.readings[0].value == 40

    run(tmp_path, body)


def test_what_is_refused_is_neither_stored_nor_heard(tmp_path: Path) -> None:
    async def body(made: World, ear: Ear) -> None:
        sensor = await a_sensor(made)
        other = await a_sensor(made, "TrafficSensor")
        base = f"city/{CITY}/sensors/environmental/{sensor}"
        good = {"sensorId": sensor, "measurements": [reading()]}
        cases = [
            (f"city/{CITY}/sensors/+/x/temperature", good, "INVALID_TOPIC"),
            (f"{base}/temperature", b"23.5", "VALIDATION_ERROR"),
            (f"{base}/temperature", b"{", "MALFORMED_REQUEST"),
            (f"{base}/temperature", {"measurements": [reading()]}, "VALIDATION_ERROR"),
            (f"{base}/temperature", {"sensorId": sensor, "measurements": []}, "VALIDATION_ERROR"),
            (f"{base}/humidity", good, "VALIDATION_ERROR"),
            (f"{base}/temperature", {"sensorId": sensor, "measurements": [{}]}, "VALIDATION_ERROR"),
            (
                f"{base}/temperature",
                {"sensorId": sensor, "measurements": [reading(900)]},
                "INVALID_MEASUREMENT",
            ),
            (f"{base}/temperature", {"sensorId": "nobody", "measurements": [reading()]}, "SENSOR_NOT_FOUND"),
            (f"city/{CITY}/sensors/traffic/{other}/temperature", good, "FORBIDDEN"),
            (base, good, "INVALID_TOPIC"),
            ("city/KR-ULSAN-2025/sensors/a/b/temperature", good, "FORBIDDEN"),
            (f"city/{CITY}/objects/Building/b/updates", {}, "FORBIDDEN"),
            (
                f"city/{CITY}/alerts/high/air-quality",
                {"eventType": "x", "severity": "low"},
                "VALIDATION_ERROR",
            ),
            (
                f"city/{CITY}/alerts/awful/air-quality",
                {"eventType": "x", "severity": "awful"},
                "INVALID_TOPIC",
            ),
            (f"city/{CITY}/alerts/high", {"eventType": "x", "severity": "high"}, "INVALID_TOPIC"),
            (f"city/{CITY}/alerts/high/air-quality", {"severity": "high"}, "VALIDATION_ERROR"),
        ]
        for topic, payload, code in cases:
            assert await refused(made, incoming(topic, payload)) == code, (topic, payload)
        assert await refused(made, incoming("city/XX-NOWHERE-2025/commands/a", {}), "admin") == "FORBIDDEN"
        with pytest.raises(ApiError) as caught:
            await made.messaging.ingest.offer(caller("admin"), incoming("city/XX-NONE-2025/commands/a", {}))
        assert caught.value.code == "CITY_NOT_FOUND"
        assert ear.heard == []

    run(tmp_path, body)


def test_more_than_the_allowance_is_refused(tmp_path: Path) -> None:
    async def body(made: World, ear: Ear) -> None:
        sensor = await a_sensor(made)
        topic = f"city/{CITY}/sensors/environmental/{sensor}/temperature"
        outcomes = await asyncio.gather(
            *(
                made.messaging.ingest.offer(
                    caller("device", CITY),
                    incoming(topic, {"sensorId": sensor, "measurements": [reading(n)]}),
                )
                for n in range(50)
            ),
            return_exceptions=True,
        )
        codes = [one.code for one in outcomes if isinstance(one, ApiError)]
        assert set(codes) == {"RATE_LIMIT_EXCEEDED"}
        assert 10 <= len(ear.heard) < 20
        assert len(ear.heard) + len(codes) == 50

    run(tmp_path, body)


def test_changes_over_rest_become_messages_on_their_topics(tmp_path: Path) -> None:
    async def body(made: World, ear: Ear) -> None:
        city = await cities.find(made, CITY)
        sensor = await a_sensor(made)
        two = [reading(), reading(155, "air_quality", "aqi")]
        await readings.submit(made, city, sensor, {"measurements": two}, "somebody")
        await readings.submit(made, city, sensor, {"measurements": two}, "somebody")  # the same: nothing new
        row = await objects.create(made, city, building(), "somebody")
        await objects.patch(made, city, row.id, {"properties": {"name": "Other"}}, "somebody")
        await objects.delete(made, city, row.id, "somebody")
        await city_services.set_status(made, city, "service-waste", {"status": "degraded"}, "somebody")
        await sensors.patch(made, city, sensor, {"status": {"operational": False}}, "somebody")
        await cities.patch(made, city, {"name": "Busan again"}, "somebody")
        base = f"city/{CITY}"
        assert [(m.topic, m.event, m.qos, m.retain) for m in ear.heard] == [
            (f"{base}/sensors/environmental/{sensor}/temperature", "sensor:data", 1, False),
            (f"{base}/sensors/environmental/{sensor}/air_quality", "sensor:data", 1, False),
            (f"{base}/alerts/high/air-quality", "alert:created", 2, False),
            *[(f"{base}/objects/Building/{row.id}/updates", "city:updated", 1, False)] * 3,
            (f"{base}/services/service-waste/status", "service:status", 1, True),
            (f"{base}/devices/{sensor}/status", None, 1, True),
            (f"{base}/objects/City/{CITY}/updates", "city:updated", 1, False),
        ]
        payloads = [json.loads(m.payload) for m in ear.heard]
        assert payloads[0]["sensorId"] == sensor
        assert payloads[1]["measurements"][0]["value"] == 155
        assert payloads[2]["severity"] == "high"
        assert payloads[2]["location"]["type"] == "Point"
        assert [one["action"] for one in payloads[3:6]] == ["created", "updated", "deleted"]
        assert payloads[4]["object"]["properties"]["name"] == "Other"
        assert payloads[6]["status"] == "degraded"
        assert [one.sequence for one in ear.heard[3:6]] == [1, 2, 3]

    run(tmp_path, body)


def test_a_batch_that_is_refused_says_nothing(tmp_path: Path) -> None:
    async def body(made: World, ear: Ear) -> None:
        city = await cities.find(made, CITY)
        with pytest.raises(ApiError):
            await objects.patch(made, city, "nobody", {}, "somebody")
        sensor = await a_sensor(made)
        await sensors.delete(made, city, sensor, "somebody")
        assert [m.topic for m in ear.heard if "/devices/" in m.topic] == [
            f"city/{CITY}/devices/{sensor}/status"
        ]
        assert list(made.messaging.bus.retained.matching(f"city/{CITY}/devices/{sensor}/status")) == []

    run(tmp_path, body)


def test_other_messages_are_passed_on_and_a_service_s_status_is_applied(tmp_path: Path) -> None:
    async def body(made: World, ear: Ear) -> None:
        offer = made.messaging.ingest.offer
        alert = {"eventType": "flood-alert", "severity": "critical"}
        await offer(caller(), incoming(f"city/{CITY}/alerts/critical/flood", alert, qos=2))
        await offer(
            caller(), incoming(f"city/{CITY}/commands/gate", b"\x00\xff", content_type=None, retain=True)
        )
        device = incoming(f"city/{CITY}/devices/gate/status", {"online": False}, retain=True)
        await offer(caller("device", CITY), device)
        status = incoming(f"city/{CITY}/services/service-waste/status", {"status": "outage"})
        await offer(caller("admin"), status)
        assert [(m.event, m.retain) for m in ear.heard] == [
            ("alert:created", False),
            (None, False),
            (None, True),
            ("service:status", True),
        ]
        city = await cities.find(made, CITY)
        assert (await city_services.status(made, city, "service-waste"))["status"] == "outage"

    run(tmp_path, body)


def test_what_is_known_of_a_sensor_is_forgotten_when_it_changes(tmp_path: Path) -> None:
    async def body(made: World, ear: Ear) -> None:
        city = await cities.find(made, CITY)
        sensor = await a_sensor(made, "EnergySensor")
        topic = f"city/{CITY}/sensors/energy/{sensor}/energy_consumption"
        sent = incoming(
            topic, {"sensorId": sensor, "measurements": [reading(900, "energy_consumption", "kWh")]}
        )
        first = await asyncio.gather(made.messaging.ingest.offer(caller(), sent), return_exceptions=True)
        await sensors.patch(made, city, sensor, {"specifications": {"maxValue": 1000}}, "somebody")
        await made.messaging.ingest.offer(caller(), sent)
        await sensors.delete(made, city, sensor, "somebody")
        assert await refused(made, sent) == "SENSOR_NOT_FOUND"
        assert first is not None
        owner = json.loads((await made.storage.sensors(SensorQuery(city=city.no))).rows[0].body)["attachedTo"]
        await objects.patch(made, city, owner, {"properties": {"note": 1}}, "somebody")

    run(tmp_path, body)


def test_retained_states_and_newest_readings_are_there_for_a_subscriber(tmp_path: Path) -> None:
    async def body(made: World, ear: Ear) -> None:
        kept = list(made.messaging.bus.retained.matching(f"city/{CITY}/services/+/status"))
        assert {json.loads(one.payload)["status"] for one in kept} == {"operational"}
        assert len(list(made.messaging.bus.retained.matching(f"city/{CITY}/devices/#"))) > 3
        newest = await made.messaging.latest(caller("viewer", CITY), f"city/{CITY}/sensors/+/+/temperature")
        assert newest
        assert all(one.topic.endswith("/temperature") and one.fact is not None for one in newest)
        assert await made.messaging.latest(caller("viewer", CITY), "city/KR-ULSAN-2025/sensors/#") == []
        found = await made.messaging.directory.by_binary(binary_id(CITY, newest[0].source))
        assert found == (CITY, newest[0].source)

    run(tmp_path, body)


def test_a_storage_that_cannot_commit_leaves_nothing_acknowledged(tmp_path: Path) -> None:
    async def body(made: World, ear: Ear) -> None:
        sensor = await a_sensor(made)
        topic = f"city/{CITY}/sensors/environmental/{sensor}/temperature"

        async def failing(*_: object, **__: object) -> None:
            raise ApiError("SERVICE_UNAVAILABLE", "the change could not be stored")

        made.storage.write = failing  # type: ignore[method-assign,assignment]
        sent = incoming(topic, {"sensorId": sensor, "measurements": [reading()]}, id="m", origin="c")
        assert await refused(made, sent) == "SERVICE_UNAVAILABLE"
        assert ear.heard == []

    run(tmp_path, body)


def test_devices_are_retained_again_before_anybody_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "STEP", 3)

    async def body(made: World, _: Ear) -> None:
        city = await cities.find(made, CITY)
        there = {row.id async for row in made.storage.walk_sensors(city.no)}
        assert len(there) > 2 * hub.STEP
        first, last = min(there), max(there)
        await sensors.patch(
            made, city, first, {"status": {"operational": False}}, "test"
        )  # while the others are on their way
        await sensors.delete(made, city, last, "test")
        kept = {one.topic: one for one in made.messaging.bus.retained.matching(f"city/{CITY}/devices/#")}
        assert kept.keys() == {f"city/{CITY}/devices/{name}/status" for name in there - {last}}
        shown = json.loads(kept[f"city/{CITY}/devices/{first}/status"].payload)
        assert shown["status"]["operational"] is False

    run(tmp_path, body)


def test_devices_are_retained_again_when_nobody_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "STEP", 3)

    async def body(made: World, _: Ear) -> None:
        while next(made.messaging.bus.retained.rest, None) is not None:
            await asyncio.sleep(0)
        assert not list(made.messaging.bus.retained.rest)
        assert list(made.messaging.bus.retained.matching(f"city/{CITY}/devices/#"))

    run(tmp_path, body)
