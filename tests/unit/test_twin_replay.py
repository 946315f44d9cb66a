"""A snapshot at any instant is the fold of the events up to it; statistics are a fold of the state."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_server import demo, instants
from reference_server.services import cities
from reference_server.storage.protocol import CityRow, Event, Reading, Row, Transaction
from reference_server.storage.replay import folded
from reference_server.storage.sqlite import SqliteStorage

CITY = "KR-BUSAN-2025"
NAMES = ("a", "b", "c")
OTHERS = ("service", "simulation")
STATES = ("operational", "degraded")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(("put", "delete", "sensor", "unsensor", "read", "city", "service", "simulation")),
        st.sampled_from(NAMES),
        st.integers(0, 9),
    ),
    max_size=25,
)


def step(tx: Transaction, action: str, name: str, number: int) -> None:
    city = tx.city(CITY)
    assert city is not None
    old, sensor = tx.object(city.no, name), tx.sensor(city.no, name)
    if action == "put":
        kind = "Road" if number % 2 else "Park"
        point = {"type": "Point", "coordinates": [129.07 + number / 1000, 35.18]}
        item: dict[str, Any] = {"id": name, "type": kind, "geometry": point, "properties": {"n": number}}
        tx.put_object(city.no, {**item, "metadata": {"accuracy": number / 10}}, old)
    elif action == "delete" and old is not None:
        tx.delete_object(city.no, old)
    elif action == "sensor":
        status = {"operational": number % 2 == 0}
        tx.put_sensor(city.no, {"id": name, "type": "TrafficSensor", "status": status}, sensor)
    elif action == "unsensor" and sensor is not None:
        tx.delete_sensor(city.no, sensor)
    elif action == "read" and sensor is not None:
        reading = Reading("humidity", number, "percent", tx.at - number * 10**6, "good", None, 0)
        tx.add_readings(sensor.no, [reading])
    elif action == "city":
        body = {**orjson.loads(city.body), "name": f"Busan {number}"}
        tx.put_city(CITY, body, city.revision, "updated")
    elif action in OTHERS:
        known = tx.entity(city.no, action, name)
        state = STATES[number % 2]
        thing = {"id": name, "type": "t", "category": "c", "status": state}
        tx.put_entity(city.no, action, thing, known)


async def everything(path: Path, steps: list[tuple[str, str, int]]) -> None:
    storage = SqliteStorage(path, durable=False)
    await storage.open()
    try:
        body = demo.city_body(CITY, "Busan", demo.CENTRE, 0)
        await storage.write("test", lambda tx: tx.put_city(CITY, body, 0, "created"))
        times = [instants.now_us()]
        for action, name, number in steps:
            await storage.write("test", lambda tx, a=action, n=name, k=number: step(tx, a, n, k))  # type: ignore[misc]
            times.append(instants.now_us())
        await agree(storage, times)
    finally:
        await storage.close()


async def agree(storage: SqliteStorage, times: list[int]) -> None:
    city = await storage.city(CITY)
    assert city is not None
    assert await storage.state_at(city.no, city.created - 1) is None
    events: list[Event] = []
    for kind in ("object", "sensor", *OTHERS):
        for name in NAMES:
            events += await storage.history(city.no, kind, name, 0, 2**62, 1000)
    events += await storage.history(city.no, "city", CITY, 0, 2**62, 1000)
    logged = await storage.log(city.no, kind=None, before=None, limit=1000)
    events.sort(key=lambda event: event.seq)
    assert [event.at for event in events] == sorted({event.at for event in events})
    assert [entry.event for entry in reversed(logged)] == events  # the log is complete, and in order
    for at in times:
        state = await storage.state_at(city.no, at)
        assert state is not None
        replayed = folded([event for event in events if event.at <= at])
        assert orjson.loads(state.city) == replayed["city", CITY]
        for kind, bodies in (
            ("object", state.objects),
            ("sensor", state.sensors),
            ("service", state.services),
            ("simulation", state.simulations),
        ):
            shown = {orjson.loads(body)["id"]: orjson.loads(body) for body in bodies}
            assert shown == {name: item for (one, name), item in replayed.items() if one == kind}
    await present(storage, city.no, folded(events))


async def present(storage: SqliteStorage, city: int, replayed: dict[tuple[str, str], dict[str, Any]]) -> None:
    """State tables and counters are what the events amount to."""
    for (kind, name), item in replayed.items():
        if kind == "city":
            row: Row | CityRow | None = await storage.city(name)
        elif kind in OTHERS:
            row = await storage.entity(city, kind, name)
        else:
            row = await (storage.object if kind == "object" else storage.sensor)(city, name)
        assert row is not None
        assert orjson.loads(row.body) == item
    counters = await storage.counters(city)
    types = Counter(item["type"] for (kind, _), item in replayed.items() if kind == "object")
    assert cities.by_type(counters, "object:") == dict(types)
    states = Counter(
        item["status"]["operational"] for (kind, _), item in replayed.items() if kind == "sensor"
    )
    assert counters.get("sensors:operational", 0) == states[True]
    assert counters.get("sensors:offline", 0) == states[False]


@settings(max_examples=25, deadline=None)
@given(steps=STEPS)
def test_a_snapshot_equals_the_replay_of_events(
    tmp_path_factory: Any, steps: list[tuple[str, str, int]]
) -> None:
    asyncio.run(everything(tmp_path_factory.mktemp("replay") / "city.db", steps))
