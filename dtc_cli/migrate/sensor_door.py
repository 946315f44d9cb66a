"""Readings of a twin through the API of its sensors (P2 4.4): written in batches, read back by range."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import quote

import orjson

from dtc_cli.migrate import sensing
from dtc_cli.migrate.journal import Written
from dtc_cli.migrate.sinks import Item
from dtc_cli.migrate.trouble import target_error
from dtc_cli.migrate.wire import Wire, said

TOGETHER = 500
"""Readings of a sensor in one request."""
SHOWN = 1000  # P2 4.3: the most that a page may hold
TAKEN_BACK = "the API has no way to remove a reading, and its sensor is not of this migration"

Numbered = list[tuple[int, Mapping[str, Any]]]


def submit(wire: Wire, city: str, items: Sequence[Item]) -> list[Written]:
    """Write readings; what came of each, in order.

    The same reading may come twice: a twin keeps one value per sensor, parameter and instant.
    """
    by_sensor: dict[str, Numbered] = defaultdict(list)
    for index, item in enumerate(items):
        body = sensing.native(orjson.loads(item.body))
        by_sensor[body["sensorId"]].append((index, body["measurements"][0]))
    calls = [
        partial(_submit, wire, _path(city, sensor), rows[first : first + TOGETHER])
        for sensor, rows in by_sensor.items()
        for first in range(0, len(rows), TOGETHER)
    ]
    refused: dict[int, tuple[str, str]] = {}
    for part in wire.many(calls):
        refused.update(part)
    return [
        Written("refused", None, *refused[index])
        if index in refused
        else Written("updated" if item.known else "created")
        for index, item in enumerate(items)
    ]


def _submit(wire: Wire, path: str, rows: Numbered) -> dict[int, tuple[str, str]]:
    """Readings of one sensor; a batch that is refused is halved down to the reading to blame."""
    answer = wire.request("POST", path, json={"measurements": [shown for _, shown in rows]})
    if answer.status_code in (200, 201, 202, 204):
        return {}
    if answer.status_code == 404 or len(rows) == 1:
        return {index: said(answer) for index, _ in rows}
    middle = len(rows) // 2
    return {**_submit(wire, path, rows[:middle]), **_submit(wire, path, rows[middle:])}


def walk(wire: Wire, city: str, spans: Iterator[tuple[str, str, str]]) -> Iterator[dict[str, Any]]:
    """The readings of sensors from the first to the last instant of each, as objects of a migration."""
    for sensor, first, last in spans:
        yield from _of_sensor(wire, _path(city, sensor), sensor, first, last)


def _of_sensor(wire: Wire, path: str, sensor: str, first: str, last: str) -> Iterator[dict[str, Any]]:
    start, end = first, _later(last)
    seen: set[str] = set()
    while True:
        answer = wire.request("GET", path, params={"start": start, "end": end, "limit": SHOWN})
        if answer.status_code in (404, 410):
            return
        if answer.status_code != 200:
            raise target_error("readings cannot be read back", where=sensor, why=" ".join(said(answer)))
        body = answer.json()
        rows = [sensing.from_reading(sensor, one) for one in body.get("measurements") or []]
        fresh = [one for one in rows if one["id"] not in seen]
        yield from fresh
        # Only the last instant can come again: a page may end in the middle of its parameters.
        at = max((sensing.instant_of(one["id"]) for one in rows), default="")
        seen = {one["id"] for one in rows if sensing.instant_of(one["id"]) == at}
        following = body.get("nextStart") or (at if len(rows) >= SHOWN else None)
        if following is None or not fresh:
            return
        start = str(following)


def _path(city: str, sensor: str) -> str:
    return f"{city}/sensors/{quote(sensor, safe='')}/data"


def _later(instant: str) -> str:
    """A second on, for servers that leave out the end of a range."""
    moment = datetime.fromisoformat(instant) + timedelta(seconds=1)
    return moment.isoformat().replace("+00:00", "Z")
