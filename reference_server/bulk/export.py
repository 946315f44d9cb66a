"""A city written out piece by piece: as a record of phase 1, as GeoJSON or as NDJSON."""

from collections.abc import Callable, Iterator
from typing import Any

import orjson

from reference_server import instants
from reference_server.services import cities, snapshots
from reference_server.services.cities import City
from reference_server.storage.view import View

LATEST, ALL, NONE = "latest", "all", "none"
MEASUREMENTS = (LATEST, ALL, NONE)
"""Which readings of its sensors an export holds."""


class Export:
    """What is written: a city through a view, with some of its readings."""

    def __init__(self, view: View, city: City, measurements: str) -> None:
        self.view = view
        self.city = city
        self.measurements = measurements
        self.at = instants.now_us()

    def head(self) -> dict[str, Any]:
        """The members of a record that stand before its rows (P1 3.1)."""
        body = self.city.body
        shown = {"$schema": snapshots.SCHEMA, "version": body["version"], "cityId": body["cityId"]}
        shown |= {"name": body["name"], "timestamp": instants.show(self.at)}
        return {**shown, "bounds": body["bounds"], "coordinateSystem": body["coordinateSystem"]}

    def metadata(self) -> dict[str, Any]:
        """The metadata of the city with its quality."""
        scores = cities.quality(self.view.counters(self.city.no))
        return {**self.city.body.get("metadata", {}), "dataQuality": scores["overall"]}

    def objects(self) -> Iterator[bytes]:
        """The city objects as they are stored."""
        return (row.body for row in self.view.rows("object", self.city.no))

    def nodes(self) -> Iterator[tuple[dict[str, Any], Iterator[list[Any]]]]:
        """The sensors, each with its readings page by page."""
        for row in self.view.rows("sensor", self.city.no):
            node = orjson.loads(row.body)
            node.pop("measurements", None)
            yield node, self._pages(row.no)

    def _pages(self, sensor: int) -> Iterator[list[Any]]:
        if self.measurements == LATEST:
            yield [snapshots.measurement(one) for one in self.view.latest(sensor)]
        elif self.measurements == ALL:
            for page in self.view.readings(sensor):
                yield [snapshots.measurement(one) for one in page]

    def entities(self, kind: str) -> Iterator[bytes]:
        """The aggregations, simulations or services."""
        for row in self.view.entities(self.city.no, kind):
            shown = snapshots.simulation(orjson.loads(row.body)) if kind == "simulation" else None
            yield row.body if shown is None else orjson.dumps(shown)


def record(export: Export) -> Iterator[bytes]:
    """A complete record of phase 1."""
    yield orjson.dumps(export.head())[:-1] + b',"cityObjects":['
    yield from _joined(export.objects())
    yield b'],"sensorNetwork":{"nodes":['
    for number, (node, pages) in enumerate(export.nodes()):
        yield (b"," if number else b"") + orjson.dumps(node)[:-1]
        if export.measurements != NONE:
            yield b',"measurements":['
            yield from _joined(orjson.dumps(page)[1:-1] for page in pages)
            yield b"]"
        yield b"}"
    yield b'],"aggregations":['
    yield from _joined(export.entities("aggregation"))
    yield b']},"simulations":['
    yield from _joined(export.entities("simulation"))
    yield b'],"services":['
    yield from _joined(export.entities("service"))
    yield b'],"metadata":' + orjson.dumps(export.metadata()) + b"}\n"


def ndjson(export: Export) -> Iterator[bytes]:
    """An entity per line, as imports take them; the first line says which city it is."""
    yield orjson.dumps({"city": export.head()}) + b"\n"
    for text in export.objects():
        yield text + b"\n"
    for node, pages in export.nodes():
        first = next(pages, [])
        shown = {**node, "measurements": first} if export.measurements != NONE else node
        yield orjson.dumps({"sensor": shown}) + b"\n"
        for page in pages:  # further readings follow in lines of their own, so that no line grows with time
            yield orjson.dumps({"readings": {"sensorId": node["id"], "measurements": page}}) + b"\n"
    for kind in ("aggregation", "simulation", "service"):
        for text in export.entities(kind):
            yield b'{"' + kind.encode() + b'":' + text + b"}\n"


def geojson(export: Export) -> Iterator[bytes]:
    """The objects as a FeatureCollection (P1 6.2, RFC 7946), without loss: see `judge.from_feature`."""
    yield b'{"type":"FeatureCollection","features":['
    yield from _joined(orjson.dumps(_feature(orjson.loads(text))) for text in export.objects())
    yield b"]}\n"


def _feature(item: dict[str, Any]) -> dict[str, Any]:
    properties = item["properties"]
    hidden = {name: properties[name] for name in ("type", "cityObjectId") if name in properties}
    made = {
        "type": "Feature",
        "id": item["id"],
        "geometry": item["geometry"],
        "properties": {**properties, "cityObjectId": item["id"], "type": item["type"]},
    }
    if hidden:
        made["objectProperties"] = hidden
    return made | {name: item[name] for name in ("sensors", "metadata") if name in item}


def _joined(texts: Iterator[bytes]) -> Iterator[bytes]:
    first = True
    for text in texts:
        yield text if first else b"," + text
        first = False


FORMATS: dict[str, tuple[Callable[[Export], Iterator[bytes]], bytes]] = {
    "record": (record, b"application/json"),
    "geojson": (geojson, b"application/geo+json"),
    "ndjson": (ndjson, b"application/x-ndjson"),
}
"""By name: the writer and the media type."""
