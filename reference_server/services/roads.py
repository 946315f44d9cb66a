"""The road graphs of cities: read once, beside everything else, and kept in step with changes of roads.

Questions run in threads: on a large graph they take longer than other callers may be kept waiting.
"""

import asyncio
import threading
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any, TypeVar

import orjson

from reference_server.geometry import distance_m, plane_m
from reference_server.services.cities import City
from reference_server.services.places import lines
from reference_server.services.road_graph import MODES, Edge, Graph, Measure
from reference_server.storage.bulk import ROADLIKE
from reference_server.storage.protocol import Storage

__all__ = ["MODES", "Roads", "edges_of"]

T = TypeVar("T")
DECIMALS = 7
"""Corners that agree to this many decimals are one node: 1 cm in degrees."""
DRIVING_SHARE = 0.8
"""Of the speed limit, on average, in town."""
CELL = {"WGS84": 0.005}
CELL_M = 500.0
SMALL = 500
"""Roads of a graph that is asked in the event loop: a thread would take longer than the answer."""
MAX_EVENTS = 50_000
"""Changes of objects that are followed one by one; after more of them the graph is read anew."""


class _Network:
    """The graph of a city, and up to where it knows the changes."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.graph: Graph | None = None
        self.changes = -1.0
        self.event = 0


class Roads:
    """The graphs of a server."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._networks: dict[int, _Network] = {}
        self._closing = threading.Event()
        self._reading: asyncio.Task[None] | None = None

    def open(self, cities: Iterable[City]) -> None:
        """Begin to read the graphs, so that nobody has to wait for one later."""
        self._reading = asyncio.create_task(self._read_all(list(cities)))

    async def _read_all(self, cities: list[City]) -> None:
        for city in cities:
            if not self._closing.is_set():
                await self.ask(city, len)

    async def close(self) -> None:
        """Stop reading."""
        self._closing.set()
        if self._reading is not None:
            await self._reading

    async def ask(self, city: City, question: Callable[[Graph], T]) -> T:
        """The answer of the graph of a city as it is now; one question of a city at a time."""
        network = self._networks.setdefault(city.no, _Network())
        async with network.lock:
            changes = (await self._storage.counters(city.no)).get("change:roads", 0.0)
            graph = network.graph
            if graph is not None and network.changes == changes and len(graph) <= SMALL:
                return question(graph)
            if graph is None or network.changes != changes:
                graph = await asyncio.to_thread(self._follow, city, network)
            return await asyncio.to_thread(question, graph)

    def _follow(self, city: City, network: _Network) -> Graph:
        """Bring a graph up to the present commit."""
        view = self._storage.view()
        try:
            changed = None
            if network.graph is not None:
                changed = view.objects_changed(city.no, network.event, ROADLIKE, MAX_EVENTS)
            if network.graph is None or changed is None:
                measure: Measure = distance_m if city.system == "WGS84" else plane_m
                network.graph = Graph(measure, CELL.get(city.system, CELL_M))
                changed = view.objects_of(city.no, ROADLIKE)
            graph = network.graph
            for name, body in changed:
                if self._closing.is_set():
                    break
                if body is None:
                    graph.drop(name)
                else:
                    graph.put(name, list(edges_of(orjson.loads(body), graph.measure)))
            graph.settle()
            network.changes = view.counters(city.no).get("change:roads", 0.0)
            network.event = view.last_event()
        except BaseException:
            network.graph = None
            raise
        finally:
            view.close()
        return graph


def edges_of(item: dict[str, Any], measure: Measure) -> Iterable[Edge]:
    """The stretches of a road between its corners."""
    if item["geometry"]["type"] not in ("LineString", "MultiLineString"):
        return
    properties = item["properties"]
    limit = properties.get("speedLimit")
    usable = isinstance(limit, int | float) and not isinstance(limit, bool) and 5 <= limit <= 200
    name = properties.get("name")
    for line in lines(item["geometry"]):
        nodes = [(round(p[0], DECIMALS), round(p[1], DECIMALS)) for p in line]
        for a, b in pairwise(nodes):
            if a != b:
                speed = (limit if usable else 50) / 3.6 * DRIVING_SHARE
                yield Edge(a, b, measure(a, b), speed, name if isinstance(name, str) else item["id"])
