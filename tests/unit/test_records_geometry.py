"""Geometry against two independent programs: the geojson package for structure, shapely for the plane."""

import json
from datetime import UTC, datetime
from typing import Any

import geojson  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtc_cli.core.records import judge
from dtc_cli.core.records.area import Area, turning
from dtc_cli.core.records.finding import Settings, Sheet
from dtc_cli.core.records.geometry import judge_geometry

NOW = datetime(2026, 7, 1, tzinfo=UTC)
STRUCTURE = {"DTC-P1-035", "DTC-P1-036", "DTC-P1-037", "DTC-P1-039"}
numbers = st.one_of(st.integers(-90, 90), st.floats(-90, 90, allow_nan=False))
positions = st.lists(numbers, min_size=2, max_size=3)


@st.composite
def rings(draw: st.DrawFn) -> list[list[float]]:
    inner = draw(st.lists(positions, min_size=3, max_size=6))
    return [*inner, list(inner[0])]


polygons = st.lists(rings(), min_size=1, max_size=2)
simple = st.one_of(
    st.builds(lambda c: {"type": "Point", "coordinates": c}, positions),
    st.builds(
        lambda c: {"type": "MultiPoint", "coordinates": c}, st.lists(positions, min_size=1, max_size=4)
    ),
    st.builds(
        lambda c: {"type": "LineString", "coordinates": c}, st.lists(positions, min_size=2, max_size=4)
    ),
    st.builds(
        lambda c: {"type": "MultiLineString", "coordinates": c},
        st.lists(st.lists(positions, min_size=2, max_size=3), min_size=1, max_size=2),
    ),
    st.builds(lambda c: {"type": "Polygon", "coordinates": c}, polygons),
    st.builds(
        lambda c: {"type": "MultiPolygon", "coordinates": c}, st.lists(polygons, min_size=1, max_size=2)
    ),
)
geometries: st.SearchStrategy[dict[str, Any]] = st.recursive(
    simple,
    lambda inner: st.builds(
        lambda members: {"type": "GeometryCollection", "geometries": members}, st.lists(inner, max_size=3)
    ),
    max_leaves=4,
)


def faults(geometry: dict[str, Any]) -> set[str]:
    sheet = Sheet(Settings(now=NOW))
    judge_geometry(geometry, (), sheet)
    return {finding.requirement for finding in sheet.findings} & STRUCTURE


def accepted_by_geojson(geometry: dict[str, Any]) -> bool:
    return bool(geojson.loads(json.dumps(geometry)).is_valid)


@settings(max_examples=200, deadline=None)
@given(geometries)
def test_generated_geometries_are_sound_for_both(geometry: dict[str, Any]) -> None:
    assert faults(geometry) == set()
    assert accepted_by_geojson(geometry)


def spoil(geometry: dict[str, Any], choice: int) -> tuple[dict[str, Any], set[str]] | None:
    """A copy with one fault, and the requirement it breaks."""
    broken = json.loads(json.dumps(geometry))
    if broken["type"] == "GeometryCollection":
        return None
    holder: Any = broken
    key: Any = "coordinates"
    while isinstance(holder[key][0], list):
        holder, key = holder[key], 0
    if choice == 0:
        holder[key] = holder[key][:1]
        return broken, {"DTC-P1-039"}
    if choice == 1:
        holder[key] = [holder[key]]
        return broken, {"DTC-P1-036"}
    if choice == 2 and broken["type"] in {"Polygon", "MultiPolygon"}:
        holder.pop()
        return broken, {"DTC-P1-037"} if len(holder) < 4 or holder[0] != holder[-1] else set()
    if choice == 3:
        holder[key] = [*holder[key], 1, 2][:4] if len(holder[key]) == 2 else [*holder[key], 1]
        return broken, {"DTC-P1-039"}
    return None


@settings(max_examples=300, deadline=None)
@given(simple, st.integers(0, 3))
def test_spoilt_geometries_are_refused_by_both(geometry: dict[str, Any], choice: int) -> None:
    spoilt = spoil(geometry, choice)
    if spoilt is None or not spoilt[1]:
        return
    broken, expected = spoilt
    assert faults(broken) == expected
    assert not accepted_by_geojson(broken)


@pytest.mark.parametrize(
    "geometry",
    [
        {"type": "Polygon", "coordinates": []},
        {"type": "MultiPolygon", "coordinates": [[]]},
        {"type": "MultiLineString", "coordinates": []},
        {"type": "GeometryCollection", "geometries": []},
        {"type": "Point", "coordinates": [0, 0], "bbox": [0, 0, 0, 0], "crs": None},
        {"type": "MultiPoint", "coordinates": [[0.5, 10**400], [1e308, 1e308]]},
    ],
)
def test_what_rfc_7946_lets_pass(geometry: dict[str, Any]) -> None:
    assert faults(geometry) == set()


@pytest.mark.parametrize(
    ("geometry", "requirement"),
    [
        ({"type": "Point", "coordinates": []}, "039"),
        ({"type": "LineString", "coordinates": []}, "036"),
        ({"type": "MultiLineString", "coordinates": [[[0, 0]]]}, "036"),
        ({"type": "Point", "coordinates": [float("nan"), 0]}, "039"),
        ({"type": "Point", "coordinates": [10**400, 0, True]}, "039"),
        ({"type": "GeometryCollection", "geometries": [None]}, "036"),
        ({"type": "GeometryCollection"}, "036"),
        ({"type": ["Point"], "coordinates": [0, 0]}, "035"),
        ({}, "035"),
    ],
)
def test_what_it_does_not(geometry: dict[str, Any], requirement: str) -> None:
    assert faults(geometry) == {"DTC-P1-" + requirement}


def test_a_deep_collection_is_walked_without_recursion() -> None:
    geometry: dict[str, Any] = {"type": "Point", "coordinates": [0]}
    for _ in range(3_000):
        geometry = {"type": "GeometryCollection", "geometries": [geometry]}
    assert faults(geometry) == {"DTC-P1-039"}
    while "geometries" in geometry:  # Python frees nested dicts recursively; unnest them here
        geometry = geometry.pop("geometries")[0]


coordinate = st.integers(-8, 8).map(lambda n: n / 4)
outlines = st.lists(st.tuples(coordinate, coordinate), min_size=3, max_size=8)


@settings(max_examples=400, deadline=None)
@given(outlines, st.tuples(coordinate, coordinate), st.booleans())
def test_inside_and_outside_are_those_of_shapely(
    outline: list[tuple[float, float]], point: tuple[float, float], with_hole: bool
) -> None:
    shapely = pytest.importorskip("shapely", reason="the independent point-in-polygon check")
    ring = [list(corner) for corner in [*outline, outline[0]]]
    hole = [[-0.1, -0.1], [-0.1, 0.6], [0.6, 0.6], [0.6, -0.1], [-0.1, -0.1]]
    shape = shapely.Polygon(outline)
    if not shape.is_valid or shape.area == 0:
        return
    shell = [ring]
    if with_hole and shape.contains(shapely.Polygon(hole)):
        shape, shell = shapely.Polygon(outline, [hole]), [ring, hole]
    assert Area(shell, 1e-9).contains(point) == shape.covers(shapely.Point(point))


@settings(max_examples=200, deadline=None)
@given(outlines)
def test_the_way_round_is_that_of_shapely(outline: list[tuple[float, float]]) -> None:
    shapely = pytest.importorskip("shapely", reason="the independent orientation check")
    shape = shapely.Polygon(outline)
    if not shape.is_valid or shape.area == 0:
        return
    assert turning([*outline, outline[0]]) == (1 if shape.exterior.is_ccw else -1)


def test_the_edge_has_a_tolerance_and_no_more() -> None:
    slanted = Area([[[0, 0], [10, 0], [10, 10.5], [0, 10], [0, 0]]], 1e-9)
    box = Area([[[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]], 1e-9)
    for area in (slanted, box):
        assert area.contains([-5e-10, 5])
        assert not area.contains([-2e-9, 5])
        assert area.contains([10, 5, 99])
    needle = Area([[[0, 0], [1, 1], [0, 0], [0, 0]]], 1e-9)
    assert needle.contains([0.5, 0.5])
    assert not needle.contains([0.5, 0.6])


def test_huge_local_coordinates_are_only_numbers() -> None:
    record = {
        "coordinateSystem": {"type": "local", "epsg": 0},
        "bounds": {"type": "Polygon", "coordinates": [[[0, 0], [10**400, 0], [1e308, -(10**400)], [0, 0]]]},
        "cityObjects": [
            {
                "id": "a",
                "type": "Park",
                "properties": {},
                "geometry": {"type": "Point", "coordinates": [-1, 10**500]},
            }
        ],
    }
    judgement = judge(record, now=NOW, fragment=True)
    assert [finding.requirement for finding in judgement.errors] == ["DTC-P1-083"]
