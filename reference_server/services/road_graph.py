"""A road network: nodes, stretches of road between them, the nearest stretch to a place, the quickest way."""

import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from typing import TypeVar

import msgspec

from reference_server.geometry import Position
from reference_server.services.places import foot

T = TypeVar("T")
Node = tuple[float, float]
Measure = Callable[[Position, Position], float]
SPEED_M_S: Mapping[str, float] = {"walking": 1.34, "cycling": 4.5, "transit": 7.0}
MODES = ("driving", *SPEED_M_S)
MAX_CELLS = 10_000
"""A stretch that crosses more cells of the grid than this is found by its ends only."""
MAX_RINGS = 200


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
    """The stretches of all roads; questions look at the largest connected part of them only.

    Roads are put in and taken out one by one; call `settle` before the next question.
    """

    def __init__(self, measure: Measure, cell: float) -> None:
        """`measure` gives metres between positions, `cell` is the side of the grid's cells in their unit."""
        self.measure = measure
        self._cell = cell
        self._roads: dict[str, list[Edge]] = {}
        self._out: dict[Node, list[Edge]] = {}
        self._grid: dict[tuple[int, int], list[Edge]] = {}
        self._main: set[Node] = set()
        self._touched: list[Node] = []
        self._cut = False
        self._top = 1.0

    # --- keeping

    def put(self, road: str, stretches: Sequence[Edge]) -> None:
        """Put a road in, in place of what was known of it."""
        if road in self._roads:
            self.drop(road)
        if not stretches:
            return
        self._roads[road] = list(stretches)
        for edge in stretches:
            self._out.setdefault(edge.start, []).append(edge)
            self._out.setdefault(edge.end, []).append(_back(edge))
            self._touched += (edge.start, edge.end)
            self._top = max(self._top, edge.speed)
            for key in self._cells(edge):
                self._grid.setdefault(key, []).append(edge)

    def drop(self, road: str) -> None:
        """Take a road out, if it is known."""
        for edge in self._roads.pop(road, ()):
            self._cut = True
            _take(self._out, edge.start, edge)
            _take(self._out, edge.end, _back(edge))
            for key in self._cells(edge):
                _take(self._grid, key, edge)

    def settle(self) -> None:
        """Find the largest connected part again, as far as changes since the last time ask for it."""
        if self._cut:
            self._main = set()
            self._touched = list(self._out)
        apart: set[Node] = set()
        for node in self._touched:
            if node not in self._main and node not in apart and node in self._out:
                part, joined = self._part_around(node)
                if joined:
                    self._main |= part
                elif len(part) > len(self._main):
                    apart |= self._main
                    self._main = part
                else:
                    apart |= part
        self._touched, self._cut = [], False

    def _part_around(self, first: Node) -> tuple[set[Node], bool]:
        """All nodes that hang together with one, up to the largest part, and whether that was met."""
        part, stack, joined = set[Node](), [first], False
        while stack:
            node = stack.pop()
            if node in part:
                continue
            part.add(node)
            for edge in self._out[node]:
                if edge.end in self._main:
                    joined = True
                elif edge.end not in part:
                    stack.append(edge.end)
        return part, joined

    def __len__(self) -> int:
        """How many roads there are."""
        return len(self._roads)

    # --- asking

    def _key(self, p: Position) -> tuple[int, int]:
        return int(p[0] // self._cell), int(p[1] // self._cell)

    def _cells(self, edge: Edge) -> Iterable[tuple[int, int]]:
        (ax, ay), (bx, by) = self._key(edge.start), self._key(edge.end)
        columns, rows = range(min(ax, bx), max(ax, bx) + 1), range(min(ay, by), max(ay, by) + 1)
        if len(columns) * len(rows) > MAX_CELLS:
            return {(ax, ay), (bx, by)}
        return [(x, y) for x in columns for y in rows]

    def snap(self, p: Position, scale: float, unit_m: float) -> Snap | None:
        """The nearest point of the network; rings of cells are searched outwards from the place.

        Args:
            p: the place.
            scale: how much shorter a unit of x is than one of y there.
            unit_m: metres of a unit of y.
        """
        if not self._main:
            return None
        x, y = self._key(p)
        best: Snap | None = None
        width_m = self._cell * unit_m * scale
        for ring in range(MAX_RINGS + 2):
            for edge in self._ring(x, y, ring):
                if edge.start not in self._main:
                    continue
                point = foot(p, edge.start, edge.end, scale)
                distance = self.measure(p, point)
                if best is None or distance < best.distance:
                    best = Snap(edge, (point[0], point[1]), distance)
            # a nearer stretch may lie just across the border of a cell: all within the distance are looked at
            if best is not None and ring * width_m > best.distance:
                break
        return best

    def _ring(self, x: int, y: int, ring: int) -> Iterable[Edge]:
        if ring > MAX_RINGS:  # far outside: all there is
            yield from (edge for found in self._grid.values() for edge in found)
            return
        for cx in range(x - ring, x + ring + 1):
            step = 1 if abs(cx - x) == ring else max(2 * ring, 1)
            for cy in range(y - ring, y + ring + 1, step):
                yield from self._grid.get((cx, cy), ())

    def reach(self, start: Snap, mode: str, cutoff: float) -> dict[Node, float]:
        """Seconds to each node that is reached from a point of the network within `cutoff` (Dijkstra)."""
        seconds: dict[Node, float] = {}
        order = count()  # breaks ties, so that nodes are never compared
        queue = [
            (self._part(start, node).seconds(mode), next(order), node)
            for node in (start.edge.start, start.edge.end)
        ]
        heapq.heapify(queue)
        while queue:
            time, _, node = heapq.heappop(queue)
            if time > cutoff:
                break
            if node in seconds:
                continue
            seconds[node] = time
            for edge in self._out[node]:
                if edge.end not in seconds:
                    heapq.heappush(queue, (time + edge.seconds(mode), next(order), edge.end))
        return seconds

    def way(self, first: Snap, last: Snap, mode: str) -> tuple[list[Edge], float]:
        """The quickest way between two points of the network: its stretches and its seconds.

        A* (Hart, Nilsson and Raphael 1968): what is left is at least the straight line at top speed.
        """
        ends = (first.edge.start, first.edge.end)
        if {*ends} == {last.edge.start, last.edge.end}:
            length = self.measure(first.point, last.point)
            direct = Edge(first.point, last.point, length, first.edge.speed, first.edge.name)
            return [direct], direct.seconds(mode)
        top = self._top if mode == "driving" else SPEED_M_S[mode]
        tails = {node: _back(self._part(last, node)) for node in (last.edge.start, last.edge.end)}
        starts = [self._part(first, node) for node in ends]
        came: dict[Node, Edge] = {}
        order = count()
        queue: list[tuple[float, int, float, Edge]] = []

        def push(edge: Edge, seconds: float) -> None:
            left = self.measure(edge.end, last.point) / top
            heapq.heappush(queue, (seconds + left, next(order), seconds, edge))

        for start in starts:
            push(start, start.seconds(mode))
        while queue:
            _, _, time, edge = heapq.heappop(queue)
            node = edge.end
            if any(edge is tail for tail in tails.values()):
                way = [edge]
                while not any(way[-1] is start for start in starts):
                    way.append(came[way[-1].start])
                return way[::-1], time
            if node in came:
                continue
            came[node] = edge
            if node in tails:
                push(tails[node], time + tails[node].seconds(mode))
            for further in self._out[node]:
                if further.end not in came:
                    push(further, time + further.seconds(mode))
        raise LookupError("the largest part hangs together")

    def _part(self, snap: Snap, node: Node) -> Edge:
        """From a point of a stretch to one of its ends."""
        return Edge(snap.point, node, self.measure(snap.point, node), snap.edge.speed, snap.edge.name)


def _back(edge: Edge) -> Edge:
    return Edge(edge.end, edge.start, edge.length, edge.speed, edge.name)


def _take(kept: dict[T, list[Edge]], key: T, edge: Edge) -> None:
    kept[key].remove(edge)
    if not kept[key]:
        del kept[key]
