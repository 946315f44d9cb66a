"""What a load asks of a twin: requests made from the ids, places and sensors that the city itself holds."""

import json
import random
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from dtc_cli.clients.answer import Answer
from dtc_cli.clients.rest import Rest, quote
from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode
from dtc_cli.load.traffic import Request, Route, encode
from dtc_cli.load.truth import items

MIXES: Mapping[str, Mapping[str, float]] = {
    "keyed": {"keyed": 1.0},
    "mixed": {"keyed": 0.6, "list": 0.2, "nearby": 0.1, "series": 0.1},
    "queries": {"list": 0.25, "bounds": 0.25, "nearby": 0.25, "series": 0.25},
}
MOST_OBJECTS = 2000
MOST_SENSORS = 100
"""Their series are read one after the other beforehand, which a slow target makes long."""
PAGE = 100
LIST_LIMIT = 20
RADIUS_M = 200.0
BOX_DEGREES = 0.002
SMALL_DEGREES = 0.001
"""About 100 m: objects that extend further are not asked for by place."""
SERIES_HOURS = 24


class City(msgspec.Struct, frozen=True):
    """What the preparation learned of the target's city."""

    objects: tuple[str, ...]
    places: tuple[tuple[str, float, float], ...]
    """Object id, longitude and latitude in degrees, WGS 84."""
    sensors: tuple[tuple[str, int], ...]
    """Sensor id, and how many measurements of the last 24 hours it had at the preparation."""
    since: str
    """Begin of those 24 hours, RFC 3339 UTC."""
    until: str


def explore(rest: Rest, *, mix: str, now: datetime | None = None) -> City:
    """Read ids and places of the city, in pages.

    Args:
        rest: the target.
        mix: what will be asked.
        now: the present; the series are those of the 24 hours before it.

    Raises:
        DtcError: `load-data` when the city holds nothing to ask for.
    """
    objects = list(_pages(rest, "/cities/{city}/objects", MOST_OBJECTS))
    ids = tuple(str(entry["id"]) for entry in objects if isinstance(entry.get("id"), str))
    places = tuple(
        (str(entry["id"]), *place)
        for entry in objects
        if (place := _place(entry.get("geometry"))) is not None
    )
    until = (now or datetime.now(UTC)).astimezone(UTC)
    since = (until - timedelta(hours=SERIES_HOURS)).strftime("%Y-%m-%dT%H:%M:%SZ")
    ends = until.strftime("%Y-%m-%dT%H:%M:%SZ")
    sensors: list[tuple[str, int]] = []
    if "series" in MIXES[mix]:
        for entry in _pages(rest, "/cities/{city}/sensors", MOST_SENSORS):
            answer = rest.get(
                f"/cities/{{city}}/sensors/{quote(str(entry['id']))}/data",
                params={"start": since, "end": ends},
            )
            if answer.status == 200:
                sensors.append((str(entry["id"]), len(_json(answer).get("measurements", ()))))
    city = City(ids, places, tuple(sensors), since, ends)
    missing = [
        route
        for route, needed in (
            ("objects", ids),
            ("objects with a position", places),
            ("sensors", sensors or None),
        )
        if not needed and _needs(mix, route)
    ]
    if missing:
        raise DtcError(
            "load-data",
            f"the city holds no {' and no '.join(missing)}: there is nothing to ask for",
            where=rest.city,
            hint="load data first; the bundled twin brings a demo city",
            exit_code=ExitCode.CANNOT_DECIDE,
        )
    return city


def _needs(mix: str, what: str) -> bool:
    wanted = MIXES[mix].keys()
    return bool(
        {"objects": wanted & {"keyed", "list"}, "sensors": wanted & {"series"}}.get(
            what, wanted & {"bounds", "nearby"}
        )
    )


def routes(
    city: City, *, base_url: str, city_id: str, headers: Mapping[str, str], mix: str, seed: int
) -> list[Route]:
    """The requests of a mix, about the city's own things."""
    parts = urllib.parse.urlsplit(base_url)
    writer = _Writer(
        parts.netloc,
        f"{parts.path}/cities/{quote(city_id)}",
        {"Accept": "application/json", "Accept-Encoding": "identity", **headers},
    )
    chance = random.Random(seed)
    makers = {
        "keyed": lambda: writer.keyed(city.objects),
        "list": lambda: writer.lists(len(city.objects), chance),
        "bounds": lambda: writer.bounds(city.places, chance),
        "nearby": lambda: writer.nearby(city.places, chance),
        "series": lambda: writer.series(city),
    }
    return [Route(name, weight, tuple(makers[name]())) for name, weight in MIXES[mix].items()]


class _Writer:
    def __init__(self, host: str, prefix: str, headers: Mapping[str, str]) -> None:
        self._host = host
        self._prefix = prefix
        self._headers = headers

    def keyed(self, ids: Sequence[str]) -> Iterator[Request]:
        for name in ids:
            yield self._get(f"/objects/{quote(name)}", {"id": name})

    def lists(self, known: int, chance: random.Random) -> Iterator[Request]:
        for _ in range(64):
            offset = chance.randrange(max(1, min(known, 1000) - LIST_LIMIT + 1))
            about = {"limit": LIST_LIMIT, "at_least": min(LIST_LIMIT, known - offset)}
            yield self._get(f"/objects?limit={LIST_LIMIT}&offset={offset}", about)

    def bounds(self, places: Sequence[tuple[str, float, float]], chance: random.Random) -> Iterator[Request]:
        for name, longitude, latitude in _some(places, chance):
            half = BOX_DEGREES / 2
            box = (longitude - half, latitude - half, longitude + half, latitude + half)
            inside = sum(box[0] <= x <= box[2] and box[1] <= y <= box[3] for _, x, y in places)
            text = ",".join(f"{value:.6f}" for value in box)
            # Where more objects stand than a page holds, the one that was meant may be on another page.
            about = {"holds": name, "crowded": inside >= PAGE // 2 or len(places) >= MOST_OBJECTS}
            yield self._get(f"/objects?bounds={text}&limit={PAGE}", about)

    def nearby(self, places: Sequence[tuple[str, float, float]], chance: random.Random) -> Iterator[Request]:
        for _, longitude, latitude in _some(places, chance):
            body = {"location": {"type": "Point", "coordinates": [longitude, latitude]}, "radius": RADIUS_M}
            wire = encode(
                "POST", f"{self._prefix}/spatial/nearby", self._host, self._headers, json.dumps(body).encode()
            )
            yield Request(0, wire, json.dumps({"radius": RADIUS_M}))

    def series(self, city: City) -> Iterator[Request]:
        for name, count in city.sensors:
            path = f"/sensors/{quote(name)}/data?start={city.since}&end={city.until}"
            yield self._get(path, {"id": name, "at_least": count})

    def _get(self, path: str, about: Mapping[str, Any]) -> Request:
        return Request(0, encode("GET", self._prefix + path, self._host, self._headers), json.dumps(about))


def _some(
    places: Sequence[tuple[str, float, float]], chance: random.Random
) -> list[tuple[str, float, float]]:
    return chance.sample(list(places), min(len(places), 256))


def _pages(rest: Rest, path: str, most: int) -> Iterator[dict[str, Any]]:
    """Entries of a list until it ends, or `most` of them; a target that ignores the offset ends it too."""
    seen: set[str] = set()
    while len(seen) < most:
        answer = rest.get(path, params={"limit": PAGE, "offset": len(seen)})
        if answer.status != 200:
            raise DtcError(
                "load-data",
                f"{path.rpartition('/')[2]} cannot be listed: status {answer.status}",
                where=answer.url,
                hint="dtc doctor says whether the key may read",
                exit_code=ExitCode.CANNOT_DECIDE,
            )
        fresh = [
            entry
            for entry in items(_json(answer))
            if isinstance(entry.get("id"), str) and entry["id"] not in seen
        ]
        if not fresh:
            return
        for entry in fresh:
            seen.add(entry["id"])
            yield entry


def _json(answer: Answer) -> Any:
    try:
        return json.loads(answer.body)
    except ValueError as problem:
        raise DtcError(
            "load-data",
            "the answer is not JSON",
            where=answer.url,
            why=str(problem),
            hint="dtc doctor looks at the address",
            exit_code=ExitCode.CANNOT_DECIDE,
        ) from problem


def _place(geometry: Any) -> tuple[float, float] | None:
    """A position on a small geometry: whichever point a server measures from, it is close to this one."""
    positions = list(_positions(geometry.get("coordinates"))) if isinstance(geometry, dict) else []
    if not positions:
        return None
    longitudes, latitudes = [x for x, _ in positions], [y for _, y in positions]
    spread = max(max(longitudes) - min(longitudes), max(latitudes) - min(latitudes))
    if spread > SMALL_DEGREES or max(map(abs, longitudes)) > 180 or max(map(abs, latitudes)) > 90:
        return None
    return positions[0]


def _positions(part: Any) -> Iterator[tuple[float, float]]:
    """All positions of nested coordinates: longitude and latitude in degrees."""
    if not isinstance(part, list):
        return
    if len(part) >= 2 and all(isinstance(number, int | float) for number in part[:2]):
        yield float(part[0]), float(part[1])
        return
    for inner in part:
        yield from _positions(inner)
