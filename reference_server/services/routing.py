"""Routes and reachable areas on the road graph (P2 4.7)."""

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from reference_server.errors import ApiError
from reference_server.geometry import Position
from reference_server.rules.findings import is_number
from reference_server.services import places, roads
from reference_server.services.cities import City
from reference_server.services.road_graph import Edge, Graph, Node, Snap
from reference_server.world import World

WAIT_S = {"transit": 300.0}
"""Before the first step of a mode."""
ACCESS_M_S = 1.34
"""From a place to the network and back, on foot."""
MAX_MINUTES = 240.0
DEGREE_M = 110_000.0
"""A degree of latitude has at least this many metres."""


def mode_of(city: City, body: Mapping[str, Any]) -> str:
    """The wanted mode; driving when none is named.

    Raises:
        ApiError: INVALID_PARAMETERS.
    """
    mode = body.get("mode", "driving")
    if mode not in roads.MODES:
        details = {"cityId": city.id, "field": "mode", "rule": "ERR_INVALID_VALUE"}
        raise ApiError("INVALID_PARAMETERS", f"mode must be one of {', '.join(roads.MODES)}", details)
    return str(mode)


def inside(city: City, body: Mapping[str, Any], name: str) -> Node:
    """A place of a request that lies in the city.

    Raises:
        ApiError: as `places.place`, and OUT_OF_BOUNDS.
    """
    place = places.place(city, body, name)
    if not city.bounds.hold(place):
        details = {"cityId": city.id, "field": name, "rule": "ERR_OUT_OF_BOUNDS"}
        raise ApiError("OUT_OF_BOUNDS", f"{name} lies outside the city", details)
    return place[0], place[1]


async def route(world: World, city: City, body: Mapping[str, Any]) -> dict[str, Any]:
    """The quickest way between two places: metres, seconds, instructions.

    Without roads, or where walking straight is shorter than reaching one, the way is the straight line.

    Raises:
        ApiError: INVALID_PARAMETERS, INVALID_GEOMETRY, OUT_OF_BOUNDS.
    """
    start, end = inside(city, body, "start"), inside(city, body, "end")
    mode = mode_of(city, body)
    found = await world.roads.ask(city, lambda graph: between(graph, city, start, end, mode))
    return shown(mode, *found)


def between(
    graph: Graph, city: City, start: Node, end: Node, mode: str
) -> tuple[list[Node], float, float, list[dict[str, Any]]]:
    """The quickest way: its points, its metres, its seconds, its instructions."""
    first, last = snapped(graph, city, start), snapped(graph, city, end)
    straight = graph.measure(start, end)
    if first is None or last is None or straight < first.distance + last.distance:
        return [start, end], straight, straight / ACCESS_M_S, [step("Go straight", straight)]
    edges, seconds = graph.way(first, last, mode)
    line = [start, edges[0].start, *(edge.end for edge in edges), end]
    distance = sum(graph.measure(a, b) for a, b in pairwise(line))
    access = (first.distance + last.distance) / ACCESS_M_S
    return line, distance, seconds + access + WAIT_S.get(mode, 0.0), instructions(edges)


def snapped(graph: Graph, city: City, place: Node) -> Snap | None:
    """The point of the network that is nearest to a place."""
    unit_m = DEGREE_M if city.system == "WGS84" else 1.0
    return graph.snap(place, places.shrink(city, place), unit_m)


def instructions(edges: list[Edge]) -> list[dict[str, Any]]:
    """One instruction for each road on the way."""
    made: list[dict[str, Any]] = []
    for edge in edges:
        text = f"Follow {edge.name}"
        if made and made[-1]["text"] == text:
            made[-1]["distance"] = round(made[-1]["distance"] + edge.length, 1)
        else:
            made.append(step(text, edge.length))
    return [*made, step("Arrive", 0.0)]


def step(text: str, distance: float) -> dict[str, Any]:
    """An instruction and its metres."""
    return {"text": text, "distance": round(distance, 1)}


def shown(
    mode: str, line: list[Node], distance: float, seconds: float, steps: list[dict[str, Any]]
) -> dict[str, Any]:
    """A route as P2 4.7 shows it; corners that repeat their neighbour are left out."""
    kept = [line[0], *(b for a, b in pairwise(line) if a != b)]
    if len(kept) == 1:
        kept = [line[0], line[-1]]
    return {
        "route": {"type": "LineString", "coordinates": [list(point) for point in kept]},
        "distance": math.ceil(distance * 100) / 100,  # never below the straight line
        "duration": round(seconds, 1),
        "mode": mode,
        "instructions": steps,
    }


async def accessibility(world: World, city: City, body: Mapping[str, Any]) -> dict[str, Any]:
    """The area that is reached from a place within some minutes: the hull of the street corners reached.

    Raises:
        ApiError: INVALID_PARAMETERS, INVALID_GEOMETRY, OUT_OF_BOUNDS.
    """
    start = inside(city, body, "location")
    mode = mode_of(city, body)
    minutes = body.get("minutes", 15)
    if not is_number(minutes) or not 0 < minutes <= MAX_MINUTES:
        details = {"cityId": city.id, "field": "minutes", "rule": "ERR_INVALID_VALUE"}
        raise ApiError("INVALID_PARAMETERS", f"minutes must be above 0 and up to {MAX_MINUTES:g}", details)
    found = await world.roads.ask(city, lambda graph: area(graph, city, start, mode, minutes * 60))
    return {"location": list(start), "mode": mode, "minutes": minutes, **found}


def area(graph: Graph, city: City, start: Node, mode: str, budget: float) -> dict[str, Any]:
    """What is reached within some seconds: the hull of the street corners, their number, the farthest one."""
    snap = snapped(graph, city, start)
    reached: dict[Node, float] = {}
    if snap is not None:
        left = budget - snap.distance / ACCESS_M_S - WAIT_S.get(mode, 0.0)
        reached = graph.reach(snap, mode, left)
    ring = hull([start, *reached])
    polygon: dict[str, Any] | None = None
    if len(ring) >= 3:
        polygon = {"type": "Polygon", "coordinates": [[list(point) for point in [*ring, ring[0]]]]}
    return {
        "area": polygon,
        "reachedNodes": len(reached),
        "farthest": round(max((graph.measure(start, node) for node in reached), default=0.0), 1),
    }


def hull(points: list[Position] | list[Node]) -> list[Position]:
    """The convex hull, counter-clockwise (Andrew's monotone chain)."""
    ordered = sorted({(p[0], p[1]) for p in points})

    def half(some: list[Node]) -> list[Position]:
        kept: list[Position] = []
        for p in some:
            while len(kept) >= 2 and turn(kept[-2], kept[-1], p) <= 0:
                kept.pop()
            kept.append(p)
        return kept[:-1]

    return half(ordered) + half(ordered[::-1])


def turn(a: Position, b: Position, c: Position) -> float:
    """Above 0 when a, b, c turn left."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
