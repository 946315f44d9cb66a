"""The road graph of a city: built from its Road and Bridge objects, rebuilt when one of them changes."""

import heapq
from collections.abc import Callable, Iterable, Mapping
from itertools import count, pairwise
from typing import Any

import msgspec
import orjson

from reference_server.geometry import Position, distance_m, plane_m
from reference_server.services.cities import City
from reference_server.services.places import foot, lines
from reference_server.storage.bulk import ROADLIKE
from reference_server.storage.protocol import ObjectQuery
from reference_server.world import World

Node = tuple[float, float]
Measure = Callable[[Position, Position], float]
DECIMALS = 7
"""Corners that agree to this many decimals are one node: 1 cm in degrees."""
SPEED_M_S: Mapping[str, float] = {"walking": 1.34, "cycling": 4.5, "transit": 7.0}
DRIVING_SHARE = 0.8
"""Of the speed limit, on average, in town."""
MODES = ("driving", *SPEED_M_S)


class Edge(msgspec.Struct, frozen=True):
    """A stretch of road from a node to another: metres, metres a second by car, the road's name."""

    start: Node
    end: Node
    length: float
    speed: float
    name: str

    def seconds(self, mode: str) -> float:
        """How long it takes."""
        return self.length / (self.speed if mode == "driving" else SPEED_M_S[mode])


class Snap(msgspec.Struct, frozen=True):
    """The point of the network that is nearest to a place."""

    edge: Edge
    point: Node
    distance: float


class Graph:
    """Nodes and edges of the largest connected part of a road network, and the nearest edge to a place."""

    def __init__(self, edges: Iterable[Edge], measure: Measure, cell: float) -> None:
        self.measure = measure
        self._cell = cell
        self.out: dict[Node, list[Edge]] = {}
        every = list(edges)
        for edge in every:
            self.out.setdefault(edge.start, []).append(edge)
            back = msgspec.structs.replace(edge, start=edge.end, end=edge.start)
            self.out.setdefault(edge.end, []).append(back)
        kept = self._largest()
        self.out = {node: found for node, found in self.out.items() if node in kept}
        self._grid: dict[tuple[int, int], list[Edge]] = {}
        for edge in every:
            if edge.start in kept:
                for key in self._cells(edge):
                    self._grid.setdefault(key, []).append(edge)

    def _largest(self) -> set[Node]:
        unseen, best = set(self.out), set[Node]()
        while unseen:
            part, stack = set[Node](), [next(iter(unseen))]
            while stack:
                node = stack.pop()
                if node not in part:
                    part.add(node)
                    stack.extend(edge.end for edge in self.out[node])
            unseen -= part
            best = max(best, part, key=len)
        return best

    def _key(self, p: Position) -> tuple[int, int]:
        return int(p[0] // self._cell), int(p[1] // self._cell)

    def _cells(self, edge: Edge) -> Iterable[tuple[int, int]]:
        (ax, ay), (bx, by) = self._key(edge.start), self._key(edge.end)
        columns, rows = range(min(ax, bx), max(ax, bx) + 1), range(min(ay, by), max(ay, by) + 1)
        if len(columns) * len(rows) > 10_000:  # a road across the map: its ends are enough to find it by
            return [(ax, ay), (bx, by)]
        return [(x, y) for x in columns for y in rows]

    def snap(self, p: Position, scale: float) -> Snap | None:
        """The nearest point of the network; rings of cells are searched outwards from the place."""
        if not self._grid:
            return None
        x, y = self._key(p)
        best: Snap | None = None
        widest = max(max(abs(cx - x), abs(cy - y)) for cx, cy in self._grid)
        for ring in range(widest + 1):
            for edge in self._ring(x, y, ring):
                point = foot(p, edge.start, edge.end, scale)
                distance = self.measure(p, point)
                if best is None or distance < best.distance:
                    best = Snap(edge, (point[0], point[1]), distance)
            # one ring more than the first hit: a nearer edge may lie just across the border of a cell
            if best is not None and ring * self._cell * 60_000 > best.distance:
                break
        return best

    def _ring(self, x: int, y: int, ring: int) -> Iterable[Edge]:
        if ring > 200:  # far outside: all there is
            yield from (edge for found in self._grid.values() for edge in found)
            return
        for cx in range(x - ring, x + ring + 1):
            step = 1 if abs(cx - x) == ring else max(2 * ring, 1)
            for cy in range(y - ring, y + ring + 1, step):
                yield from self._grid.get((cx, cy), ())

    def reach(
        self, start: Snap, mode: str, goals: frozenset[Node], cutoff: float
    ) -> tuple[dict[Node, float], dict[Node, Edge]]:
        """Dijkstra from a point of the network: seconds to each node, and the edge that led there."""
        seconds: dict[Node, float] = {}
        came: dict[Node, Edge] = {}
        queue: list[tuple[float, int, Node, Edge | None]] = []
        order = count()  # breaks ties, so that edges are never compared
        for node in (start.edge.start, start.edge.end):
            part = msgspec.structs.replace(start.edge, length=self.measure(start.point, node))
            heapq.heappush(queue, (part.seconds(mode), next(order), node, None))
        left = set(goals)
        while queue and (left or not goals):
            time, _, node, edge = heapq.heappop(queue)
            if node in seconds or time > cutoff:
                continue
            seconds[node] = time
            left.discard(node)
            if edge is not None:
                came[node] = edge
            for further in self.out[node]:
                if further.end not in seconds:
                    arrival = time + further.seconds(mode)
                    heapq.heappush(queue, (arrival, next(order), further.end, further))
        return seconds, came


_graphs: dict[int, tuple[float, Graph]] = {}
"""The graph of each city, with the count of road changes that it knows of."""


async def graph_of(world: World, city: City) -> Graph:
    """The road graph of a city as it is now."""
    changes = (await world.storage.counters(city.no)).get("change:roads", 0.0)
    known = _graphs.get(city.no)
    if known is not None and known[0] == changes:
        return known[1]
    measure: Measure = distance_m if city.system == "WGS84" else plane_m
    edges: list[Edge] = []
    query = ObjectQuery(city=city.no, types=ROADLIKE)
    async for row in world.storage.walk_objects(query):
        edges.extend(edges_of(orjson.loads(row.body), measure))
    graph = Graph(edges, measure, 0.005 if city.system == "WGS84" else 500.0)
    _graphs[city.no] = (changes, graph)
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
