"""The generated city: any size, the same for the same seed, and a city that its own rules accept."""

import json
import sqlite3
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

from reference_server import demo, geometry
from tests.integration.test_twin.conftest import ROOT, Twin

AT = "2025-06-01T12:00:00Z"


def seed(path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "reference_server", "seed", "--db", str(path), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def content(path: Path) -> list[Any]:
    connection = sqlite3.connect(path)
    try:
        tables = ("object", "sensor", "entity")
        questions = [f"SELECT id, body FROM {name} ORDER BY no" for name in tables]  # noqa: S608
        rows = [connection.execute(question).fetchall() for question in questions]
        return [*rows, connection.execute("SELECT * FROM rollup").fetchall()]
    finally:
        connection.close()


def test_the_command_makes_the_city_that_it_was_asked_for(tmp_path: Path) -> None:
    size = ("--objects", "1500", "--sensors", "120", "--days", "0.25", "--at", AT)
    made = seed(tmp_path / "a.db", *size, "--seed", "7")
    assert made.returncode == 0, made.stderr
    told = json.loads(made.stdout)
    assert (told["objects"], told["sensors"]) == (1500, 120)
    assert told["readings"] >= 120 * 36
    assert seed(tmp_path / "a.db", *size).returncode == 2  # never over an existing file
    seed(tmp_path / "b.db", *size, "--seed", "7")
    seed(tmp_path / "c.db", *size, "--seed", "8")
    first, again, other = (content(tmp_path / name) for name in ("a.db", "b.db", "c.db"))
    assert first == again
    assert first[0] != other[0]
    twin = Twin(tmp_path, "--db", str(tmp_path / "a.db"))
    try:
        record = tmp_path / "city.json"
        record.write_bytes(twin.call("GET", "/export").content)
        judged = subprocess.run(
            [sys.executable, "-m", "reference_server", "validate", str(record)],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert json.loads(judged.stdout)["errors"] == []
        by_type = twin.get("/statistics")["cityObjects"]["byType"]
        assert set(by_type) >= {
            "Building",
            "Road",
            "Park",
            "Utility",
            "TransportHub",
            "WaterBody",
            "Landmark",
        }
        sensors = Counter(node["type"] for node in json.loads(record.read_bytes())["sensorNetwork"]["nodes"])
        assert set(sensors.values()) == {20}
        ends = [{"type": "Point", "coordinates": place} for place in ([129.065, 35.17], [129.085, 35.19])]
        route = twin.call("POST", "/spatial/route", json={"start": ends[0], "end": ends[1]})
        assert route.status_code == 200
        assert route.json()["distance"] > 2000
    finally:
        twin.stop()


def test_bad_sizes_and_instants_are_refused(tmp_path: Path) -> None:
    for wrong in (("--objects", "3"), ("--days", "0"), ("--city", "busan"), ("--at", "yesterday")):
        assert seed(tmp_path / "x.db", *wrong).returncode == 2
    assert not list(tmp_path.iterdir())


def test_streets_are_one_network_and_buildings_do_not_overlap() -> None:
    district = demo.District(3000, 11)
    items = list(district.objects())
    assert len(items) == 3000
    assert len({item["id"] for item in items}) == 3000
    bounds = geometry.Bounds(demo.outline(demo.CENTRE, district.half_width))
    assert all(bounds.hold(p) for item in items for p in geometry.positions(item["geometry"]))
    links: dict[tuple[float, ...], set[tuple[float, ...]]] = {}
    for item in items:
        if item["type"] == "Road":
            for a, b in pairwise(item["geometry"]["coordinates"]):
                links.setdefault(tuple(a), set()).add(tuple(b))
                links.setdefault(tuple(b), set()).add(tuple(a))
    seen, waiting = set(), [next(iter(links))]
    while waiting:
        corner = waiting.pop()
        if corner not in seen:
            seen.add(corner)
            waiting.extend(links[corner])
    assert seen == set(links)
    boxes = sorted(
        box for item in items if item["type"] == "Building" and (box := geometry.box_of(item["geometry"]))
    )
    for index, (_, south, east, north) in enumerate(boxes):
        for x0, y0, _, y1 in boxes[index + 1 :]:
            if x0 >= east:
                break
            assert y1 <= south or y0 >= north
    assert dict(district.owners())["Building"] == len(boxes)
