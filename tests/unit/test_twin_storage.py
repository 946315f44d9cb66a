"""The storage by itself: exact filters on long texts, counts, walks, views."""

import asyncio
import functools
import operator
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from reference_server import demo, instants
from reference_server.bulk.judge import prepare
from reference_server.storage import view
from reference_server.storage.properties import LONGEST
from reference_server.storage.protocol import Condition, ObjectQuery, SensorQuery, Transaction
from reference_server.storage.sqlite import SqliteStorage

CITY = "KR-BUSAN-2025"
STEM = "a" * (LONGEST - 1)
TEXTS = [
    "a", STEM, f"{STEM}b", f"{STEM}bb", f"{STEM}bc", f"{STEM}b\U0010ffff", f"{STEM}c" + "z" * 50,
    f"{STEM}é" * 3, "7", "7" * (LONGEST + 5), "",
]  # fmt: skip
COMPARED = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}


def awaited(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """A test that runs in an event loop of its own."""

    @functools.wraps(test)
    def run(**fixtures: Any) -> None:
        asyncio.run(test(**fixtures))

    return run


@asynccontextmanager
async def filled(path: Path) -> AsyncIterator[SqliteStorage]:
    """A city with an object for each text."""
    storage = SqliteStorage(path, durable=False)
    await storage.open()

    def fill(tx: Transaction) -> None:
        body = demo.city_body(CITY, "Busan", demo.CENTRE, instants.now_us())
        tx.put_city(CITY, body, 0, "created")
        items: list[dict[str, Any]] = [
            {
                "id": str(number),
                "type": "Park",
                "geometry": {"type": "Point", "coordinates": list(demo.CENTRE)},
                "properties": {"note": {"text": text}},
            }
            for number, text in enumerate(TEXTS)
        ]
        tx.put_new_objects(1, [prepare(item, item["id"]) for item in items[::2]])
        for item in items[1::2]:
            tx.put_object(1, item, None)

    await storage.write("test", fill)
    try:
        yield storage
    finally:
        await storage.close()


async def found(storage: SqliteStorage, op: str, *values: str) -> set[str]:
    condition = Condition("note.text", op, values)
    page = await storage.objects(ObjectQuery(city=1, conditions=(condition,)))
    assert page.total == len(page.rows)
    return {TEXTS[int(row.id)] for row in page.rows}


@pytest.mark.parametrize("op", COMPARED)
@awaited
async def test_order(tmp_path: Path, op: str) -> None:
    async with filled(tmp_path / "t.db") as storage:
        for bound in TEXTS:
            # a number is compared with numbers, and here are only texts
            wanted = set() if bound == "7" else {text for text in TEXTS if COMPARED[op](text, bound)}
            assert await found(storage, op, bound) == wanted, bound


@awaited
async def test_equality(tmp_path: Path) -> None:
    async with filled(tmp_path / "t.db") as storage:
        for bound in TEXTS:
            assert await found(storage, "eq", bound) == {bound}
            assert await found(storage, "ne", bound) == set(TEXTS) - {bound}
        assert await found(storage, "in", TEXTS[3], "a", "no") == {TEXTS[3], "a"}
        assert not await found(storage, "eq", TEXTS[6][:-1])


@awaited
async def test_several_conditions_count_as_they_select(tmp_path: Path) -> None:
    async with filled(tmp_path / "t.db") as storage:
        for conditions, wanted in (
            ((("ne", "a"), ("ne", STEM)), set(TEXTS) - {"a", STEM}),
            ((("gt", "a"), ("lt", "b"), ("ne", STEM)), {text for text in TEXTS if "a" < text < "b"} - {STEM}),
            ((("in", "a", STEM, TEXTS[2]), ("gte", STEM)), {STEM, TEXTS[2]}),
            ((("eq", "a"), ("eq", STEM)), set()),
        ):
            asked = tuple(Condition("note.text", op, tuple(values)) for op, *values in conditions)
            page = await storage.objects(ObjectQuery(city=1, conditions=asked, limit=2))
            assert page.total == len(wanted)
            every = [row async for row in storage.walk_objects(ObjectQuery(city=1, conditions=asked), page=2)]
            assert {TEXTS[int(row.id)] for row in every} == wanted


@awaited
async def test_changes_leave_nothing_in_the_index(tmp_path: Path) -> None:
    async with filled(tmp_path / "t.db") as storage:

        def empty(tx: Transaction) -> None:
            for number in range(len(TEXTS)):
                row = tx.object(1, str(number))
                assert row is not None
                tx.delete_object(1, row)

        await storage.write("test", empty)
    connection = sqlite3.connect(tmp_path / "t.db")
    assert connection.execute("SELECT count(*) FROM object_property").fetchone() == (0,)
    connection.close()


@awaited
async def test_an_index_of_whole_texts_is_shortened_once(tmp_path: Path) -> None:
    async with filled(tmp_path / "t.db"):
        pass
    connection = sqlite3.connect(tmp_path / "t.db", isolation_level=None)
    connection.execute("DELETE FROM object_property")
    rows: list[tuple[Any, ...]] = [(1, "note.text", text, number + 1) for number, text in enumerate(TEXTS)]
    numbers = dict(connection.execute("SELECT id, no FROM object"))
    connection.executemany(
        "INSERT INTO object_property VALUES (?, ?, ?, ?)",
        [(city, path, text, numbers[str(number - 1)]) for city, path, text, number in rows],
    )
    connection.execute("UPDATE meta SET value = '2' WHERE name = 'schema'")
    connection.close()
    storage = SqliteStorage(tmp_path / "t.db", durable=False)
    await storage.open()
    try:
        for bound in TEXTS:
            assert await found(storage, "eq", bound) == {bound}
    finally:
        await storage.close()


@awaited
async def test_sensors_are_counted_and_walked_through(tmp_path: Path) -> None:
    async with filled(tmp_path / "t.db") as storage:

        def register(tx: Transaction) -> None:
            for number in range(5):
                kind = "TrafficSensor" if number % 2 else "WeatherStation"
                tx.put_sensor(
                    1, {"id": f"s{number}", "type": kind, "status": {"operational": number < 2}}, None
                )

        await storage.write("test", register)
        for query, count in (
            (SensorQuery(city=1), 5),
            (SensorQuery(city=1, types=("TrafficSensor", "TrafficSensor")), 2),
            (SensorQuery(city=1, types=("TrafficSensor", "WeatherStation"), limit=1), 5),
            (SensorQuery(city=1, types=("TrafficSensor",), operational=True), 1),
            (SensorQuery(city=2), 0),
        ):
            page = await storage.sensors(query)
            assert page.total == count
            assert len(page.rows) == min(count, query.limit)
        assert [row.id async for row in storage.walk_sensors(1, page=2)] == ["s0", "s1", "s2", "s3", "s4"]
        assert [row.id async for row in storage.walk_sensors(2)] == []


@awaited
async def test_a_failing_listener_keeps_no_caller_waiting(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[int] = []

    def fail(changes: Sequence[Any]) -> None:
        heard.append(len(changes))
        raise KeyError("a listener's defect")

    def register(name: str) -> Callable[[Transaction], int]:
        return lambda tx: tx.put_sensor(1, {"id": name, "type": "WeatherStation"}, None)

    async with filled(tmp_path / "t.db") as storage:
        storage.listen(fail)
        names = [f"s{number}" for number in range(3)]
        done = asyncio.gather(*[storage.write("test", register(name)) for name in names])
        assert len(await asyncio.wait_for(done, 60)) == 3
        assert heard == [1, 1, 1]
        assert [row.id async for row in storage.walk_sensors(1)] == names
    assert "a listener failed on a committed change" in caplog.text


@awaited
async def test_a_view_may_be_closed_by_who_stops_half_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "PAGE", 2)
    async with filled(tmp_path / "t.db") as storage:
        seen = storage.view()
        assert {name for name, _ in seen.objects_of(1, ("Road", "Park"))} == {
            str(number) for number in range(len(TEXTS))
        }
        unfinished = seen.objects_of(1, ("Park",))
        next(unfinished)
        seen.close()
        del unfinished
