"""What a target shows of readings that it accepted: each sensor's data is read and compared."""

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from dtc_cli.clients.rest import quote
from dtc_cli.clients.wire import Door
from dtc_cli.load import bulk
from dtc_cli.load.bulk import Exchange
from dtc_cli.load.fleet import Address
from dtc_cli.load.publisher import Login
from dtc_cli.load.traffic import encode

PARAMETER = "temperature"
SETTLE_S = 10.0
"""Accepted readings may take so long until they can be read; P3 3.1.3 gives a delivery 5 s."""
MOST_EXAMPLES = 5


class Site(NamedTuple):
    """Where the readings go."""

    address: Address
    prefix: str
    """Path of the city below the host, percent-encoded."""
    host: str
    """The Host header."""
    headers: Mapping[str, str]
    city: str
    broker: Door | None = None
    login: Login | None = None

    def wire(self, method: str, path: str, body: Any = None) -> bytes:
        """A request as bytes."""
        content = None if body is None else json.dumps(body).encode()
        headers = {"Accept": "application/json", **self.headers}
        return encode(method, self.prefix + path, self.host, headers, content)


class Reading(NamedTuple):
    """One reading that is submitted."""

    sensor: str
    value: float
    at: str
    """RFC 3339, UTC, milliseconds."""
    door: str
    """rest or mqtt."""


def compare(
    site: Site, ids: Sequence[str], readings: Sequence[Reading], accepted: Sequence[bool]
) -> dict[str, Any]:
    """Read each sensor's data and hold it against what was submitted."""
    wanted: dict[str, list[tuple[Reading, bool]]] = {name: [] for name in ids}
    for reading, ok in zip(readings, accepted, strict=True):
        wanted[reading.sensor].append((reading, ok))
    if not readings:
        return _told(Counter(), (), "no sensor was registered")
    instants = [_moment(reading.at) for reading in readings]
    span = (min(instants) - timedelta(seconds=1), max(instants) + timedelta(seconds=1))
    query = "start={}&end={}&limit=1000".format(*(one.strftime("%Y-%m-%dT%H:%M:%SZ") for one in span))
    open_ones, until = list(ids), time.monotonic() + SETTLE_S
    results: dict[str, _Sensor] = {}
    while open_ones:
        wires = [site.wire("GET", f"/sensors/{quote(one)}/data?{query}") for one in open_ones]
        for name, answer in zip(open_ones, bulk.send(site.address, wires), strict=True):
            results[name] = _of_sensor(answer, wanted[name])
        # What is not there yet may still be on its way; it is asked for again until it must be there.
        open_ones = [name for name in open_ones if results[name].lost or results[name].unreadable]
        if time.monotonic() > until:
            break
        if open_ones:
            time.sleep(0.5)
    counts: Counter[str] = Counter()
    examples: list[str] = []
    for name in ids:
        one = results[name]
        counts.update(
            lost=one.lost, doubled=one.doubled, changed=one.changed, foreign=one.foreign,
            unreadable=int(bool(one.unreadable)),
        )  # fmt: skip
        if one.text and len(examples) < MOST_EXAMPLES:
            examples.append(f"{name}: {one.text}")
    return _told(counts, tuple(examples), "")


def _told(counts: Mapping[str, int], examples: tuple[str, ...], reading: str) -> dict[str, Any]:
    names = ("lost", "doubled", "changed", "foreign", "unreadable")
    return {**{name: counts.get(name, 0) for name in names}, "examples": examples, "reading": reading}


class _Sensor(NamedTuple):
    lost: int = 0
    doubled: int = 0
    changed: int = 0
    foreign: int = 0
    unreadable: str = ""
    text: str = ""


def _of_sensor(answer: Exchange, wanted: Sequence[tuple[Reading, bool]]) -> _Sensor:
    try:
        shown = _listed(json.loads(answer.body)) if answer.ok else None
        there = Counter((_moment(entry["timestamp"]), entry["parameter"]) for entry in shown or ())
        values = {(_moment(entry["timestamp"]), entry["parameter"]): entry["value"] for entry in shown or ()}
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        return _Sensor(unreadable=str(problem), text=f"its data cannot be read: {problem}")
    if shown is None:
        return _Sensor(unreadable=str(answer.status), text=f"its data cannot be read: {answer.status}")
    lost = doubled = changed = 0
    text = ""
    for reading, ok in wanted:
        key = (_moment(reading.at), PARAMETER)
        count = there.pop(key, 0)
        if not count and ok:
            lost, text = lost + 1, f"the reading of {reading.at} ({reading.door}) is not there"
        elif count > 1:
            doubled, text = (
                doubled + 1,
                f"the reading of {reading.at} ({reading.door}) is there {count} times",
            )
        elif count and values[key] != reading.value:
            changed, text = changed + 1, f"{values[key]} in place of {reading.value} at {reading.at}"
    foreign = sum(there.values())
    return _Sensor(lost, doubled, changed, foreign, "", text or (f"{foreign} foreign" if foreign else ""))


def _listed(body: Any) -> list[dict[str, Any]]:
    found = body if isinstance(body, list) else body.get("measurements", body.get("data"))
    if not isinstance(found, list):
        raise ValueError("no list of measurements")
    return found


def _moment(text: str) -> datetime:
    """An instant to the millisecond."""
    at = datetime.fromisoformat(text).astimezone(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)
