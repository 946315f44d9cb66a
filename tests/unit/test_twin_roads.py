"""The road graph: kept in step it is the graph that is read anew, and its ways are the quickest there are."""

import math
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from reference_server.geometry import plane_m
from reference_server.services.road_graph import MODES, Edge, Graph, Node, Snap

corners = st.tuples(st.integers(0, 5), st.integers(0, 5)).map(lambda p: (p[0] * 100.0, p[1] * 100.0))
streets = st.lists(corners, min_size=2, max_size=4)
changes = st.lists(st.tuples(st.integers(0, 12), st.none() | streets, st.integers(3, 30)), max_size=25)


def stretches(name: str, line: list[Node], speed: int) -> list[Edge]:
    return [Edge(a, b, plane_m(a, b), float(speed), name) for a, b in pairwise(line) if a != b]


def quickest(graph: Graph, first: Snap, last: Snap, mode: str) -> float:
    """By Dijkstra to everywhere, and on foot of it to the end."""
    seconds = graph.reach(first, mode, math.inf)
    return min(
        seconds[node] + Edge(node, last.point, plane_m(node, last.point), last.edge.speed, "").seconds(mode)
        for node in (last.edge.start, last.edge.end)
    )


@settings(max_examples=60, deadline=None)
@given(changes, corners, corners, st.sampled_from(MODES), st.data())
def test_a_graph_kept_in_step_is_one_read_anew(
    steps: list[tuple[int, list[Node] | None, int]], start: Node, end: Node, mode: str, data: st.DataObject
) -> None:
    kept, roads = Graph(plane_m, 150.0), dict[str, list[Edge]]()
    for number, line, speed in steps:
        name = f"road-{number}"
        if line is None:
            kept.drop(name)
            roads.pop(name, None)
        else:
            kept.put(name, stretches(name, line, speed))
            roads[name] = stretches(name, line, speed)
        if data.draw(st.booleans()):
            kept.settle()
    kept.settle()
    fresh = Graph(plane_m, 150.0)
    for name, edges in roads.items():
        fresh.put(name, edges)
    fresh.settle()
    assert kept._out.keys() == fresh._out.keys()
    assert len(kept._main) == len(fresh._main)
    first, last = kept.snap(start, 1.0, 1.0), kept.snap(end, 1.0, 1.0)
    if first is None or last is None:
        assert not any(roads.values())
        return
    way, seconds = kept.way(first, last, mode)
    assert (way[0].start, way[-1].end) == (first.point, last.point)
    assert all(a.end == b.start for a, b in pairwise(way))
    assert math.isclose(seconds, sum(edge.seconds(mode) for edge in way), abs_tol=1e-6)
    if {first.edge.start, first.edge.end} != {last.edge.start, last.edge.end}:
        assert math.isclose(seconds, quickest(kept, first, last, mode), rel_tol=1e-9, abs_tol=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.lists(streets, min_size=1, max_size=8), st.tuples(st.floats(-900, 1500), st.floats(-900, 1500)))
def test_the_nearest_stretch_is_found_wherever_one_stands(lines: list[list[Node]], place: Node) -> None:
    graph = Graph(plane_m, 70.0)
    for number, line in enumerate(lines):
        graph.put(str(number), stretches(str(number), line, 10))
    graph.settle()
    found = graph.snap(place, 1.0, 1.0)
    everywhere = Graph(plane_m, 1e9)  # one cell: every stretch is looked at
    for number, line in enumerate(lines):
        everywhere.put(str(number), stretches(str(number), line, 10))
    everywhere.settle()
    known = everywhere.snap(place, 1.0, 1.0)
    assert (found is None) == (known is None)
    if found is not None and known is not None and graph._main == everywhere._main:
        assert math.isclose(found.distance, known.distance, abs_tol=1e-6)
