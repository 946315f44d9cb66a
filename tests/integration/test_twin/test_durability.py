"""What was acknowledged survives `kill -9` at any moment (D-31).

State, events and readings agree after restart.
"""

import os
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from reference_server import instants

KILLS = 20 if "DTC_LONG" in os.environ else 3
WRITERS = 4


class Load:
    """Writers that note each acknowledged write, until the server is gone."""

    def __init__(self, twin: Any, seed: int) -> None:
        self.twin, self.seed = twin, seed
        self.objects: dict[str, str] = {}
        self.deleted: set[str] = set()
        self.readings: set[str] = set()
        self.enough = threading.Event()
        self.threads = [threading.Thread(target=self._write, args=(i,)) for i in range(WRITERS)]

    def run_until_killed(self) -> None:
        """Write, kill the server in the middle of it, and wait for the writers to notice."""
        for thread in self.threads:
            thread.start()
        assert self.enough.wait(20)
        self.twin.process.kill()
        self.twin.process.wait()
        for thread in self.threads:
            thread.join(20)

    def _write(self, number: int) -> None:
        generator = random.Random(self.seed * 100 + number)
        url = f"{self.twin.rest}/cities/KR-BUSAN-2025"
        quota = generator.randint(10, 60)
        with httpx.Client(headers={"X-API-Key": self.twin.key("load")}, timeout=20) as client:
            try:
                for step in range(10_000):
                    self._step(client, url, f"{self.seed}-{number}-{step}")
                    if step == quota:
                        self.enough.set()
            except httpx.TransportError:
                return

    def _step(self, client: httpx.Client, url: str, mark: str) -> None:
        point = {"type": "Point", "coordinates": [129.07, 35.18]}
        body = {"id": mark, "type": "Landmark", "geometry": point, "properties": {"name": mark}}
        assert client.post(f"{url}/objects", json=body).status_code == 201
        self.objects[mark] = mark
        changed = client.patch(f"{url}/objects/{mark}", json={"properties": {"name": mark + "!"}})
        assert changed.status_code == 200
        self.objects[mark] = mark + "!"
        at = instants.show(instants.now_us())
        one = {"parameter": "humidity", "value": 50, "unit": "percent", "timestamp": at, "quality": "good"}
        sent = client.post(f"{url}/sensors/sensor-environmental-001/data", json={"measurements": [one]})
        assert sent.status_code == 201
        self.readings.add(at)
        if int(mark.rpartition("-")[2]) % 5 == 0:
            assert client.delete(f"{url}/objects/{mark}").status_code == 204
            self.deleted.add(mark)


def reconcile(twin: Any, load: Load) -> None:
    """Every acknowledged write is there, and what the counters and the events say agrees with it."""
    total = twin.get("/statistics")["cityObjects"]["total"]
    stored: dict[str, Any] = {}
    for offset in range(0, total, 1000):
        page = twin.get(f"/objects?limit=1000&offset={offset}")
        stored |= {item["id"]: item for item in page["objects"]}
    assert len(stored) == total
    for mark, name in load.objects.items():
        if mark in load.deleted:
            assert mark not in stored
        elif mark in stored:
            # a later, unacknowledged patch may have been stored as well
            assert stored[mark]["properties"]["name"] in (name, mark + "!")
        else:
            # only an unacknowledged delete, which had begun, may have taken it away
            assert twin.get(f"/objects/{mark}/history")["versions"][-1]["action"] == "deleted"
    snapshot = twin.get(f"/snapshots/{instants.show(instants.now_us())}")
    assert {item["id"]: item for item in snapshot["cityObjects"]} == stored
    data = twin.get("/sensors/sensor-environmental-001/data?parameter=humidity")
    assert load.readings <= {one["timestamp"] for one in data["measurements"]}


def test_acknowledged_writes_survive_kills(start: Callable[..., Any], tmp_path: Path) -> None:
    db = str(tmp_path / "city.db")
    for kill in range(KILLS):
        twin = start("--db", db)
        load = Load(twin, kill)
        load.run_until_killed()
        assert load.objects
        again = start("--db", db)
        reconcile(again, load)
        again.stop()
