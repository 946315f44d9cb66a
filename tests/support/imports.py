"""Bodies for imports, and waiting for their jobs."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from tests.integration.test_twin.conftest import Twin

NDJSON = {"content-type": "application/x-ndjson"}
POLLS = 3000


def item(number: int, **changes: Any) -> dict[str, Any]:
    """A city object."""
    place = {"type": "Point", "coordinates": [round(129.07 + number * 1e-6, 7), 35.18]}
    properties = {"name": f"name {number}", "occupancy": {"current": 1, "capacity": 10}}
    made = {"id": f"in-{number:06d}", "type": "Building", "geometry": place, "properties": properties}
    return {**made, "metadata": {"dataSource": "test", "accuracy": 0.5}, **changes}


def lines(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Rows as NDJSON."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def begun(twin: Twin, body: bytes, query: str = "", **headers: str) -> str:
    """Start an import of NDJSON; its id."""
    answer = twin.call("POST", f"/import{query}", content=body, headers={**NDJSON, **headers})
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"].endswith(answer.json()["id"])
    return str(answer.json()["id"])


def ended(twin: Twin, import_id: str) -> dict[str, Any]:
    """The job once it has ended."""
    for _ in range(POLLS):
        job: dict[str, Any] = twin.get(f"/imports/{import_id}")
        if job["status"] not in ("pending", "running"):
            return job
    raise AssertionError(job)


def imported(twin: Twin, rows: Iterable[Mapping[str, Any]], query: str = "") -> dict[str, Any]:
    """The job of an import of rows, ended."""
    return ended(twin, begun(twin, lines(rows), query))


def removed(twin: Twin, import_id: str) -> int:
    """How many entities a DELETE of an import removed, once it is done."""
    answer = twin.call("DELETE", f"/imports/{import_id}")
    assert answer.status_code == 202, answer.text
    removal = answer.json()
    assert (removal["type"], removal["removes"]) == ("removal", import_id)
    done = ended(twin, removal["id"])
    assert (done["status"], done["progress"]) == ("completed", 100)
    assert twin.call("DELETE", f"/imports/{done['id']}").status_code == 409
    return int(done["counts"]["deleted"])
