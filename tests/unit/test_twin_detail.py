"""Less of an object: levels of detail keep the place, chosen members keep their values."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_server.geometry import box_of
from reference_server.services import detail

RING = [[0.0, 0.0, 5.0], [4.0, 0.0, 5.0], [2.0, 2.0, 9.0], [0.0, 0.0, 5.0]]
HOUSE: dict[str, Any] = {"type": "Polygon", "coordinates": [RING]}


def test_a_house_becomes_flat_then_a_box_then_a_point() -> None:
    assert detail.reduced(HOUSE, 4) is HOUSE
    assert detail.reduced(HOUSE, 3) is HOUSE
    assert detail.reduced(HOUSE, 2) == {
        "type": "Polygon",
        "coordinates": [[[0, 0], [4, 0], [2, 2], [0, 0]]],
        "lod": 2,
    }
    box = [[[0, 0], [4, 0], [4, 2], [0, 2], [0, 0]]]
    assert detail.reduced(HOUSE, 1) == {"type": "Polygon", "coordinates": box, "lod": 1}
    assert detail.reduced(HOUSE, 0) == {"type": "Point", "coordinates": [2, 1], "lod": 0}
    assert detail.reduced({**HOUSE, "lod": 1}, 2) == {**HOUSE, "lod": 1}


def test_lines_keep_their_ends_and_points_their_place() -> None:
    line = {"type": "LineString", "coordinates": [[0, 0, 1], [5, 5, 1], [9, 0, 1]]}
    assert detail.reduced(line, 1) == {"type": "LineString", "coordinates": [[0, 0], [9, 0]], "lod": 1}
    point = {"type": "Point", "coordinates": [1, 2, 3]}
    assert detail.reduced(point, 1) == {"type": "Point", "coordinates": [1, 2], "lod": 1}
    both = {"type": "GeometryCollection", "geometries": [line, point]}
    assert detail.reduced(both, 2)["geometries"][1] == {"type": "Point", "coordinates": [1, 2]}
    assert detail.reduced(both, 1)["type"] == "Polygon"
    empty: dict[str, Any] = {"type": "MultiPoint", "coordinates": []}
    assert detail.reduced(empty, 0) is empty


@given(st.integers(0, 2), st.lists(st.tuples(*[st.integers(-9, 9)] * 3), min_size=1, max_size=6))
def test_a_reduced_geometry_stays_within_the_box(level: int, points: list[tuple[int, ...]]) -> None:
    geometry = {"type": "MultiPoint", "coordinates": [list(point) for point in points]}
    box, small = box_of(geometry), box_of(detail.reduced(geometry, level))
    assert box is not None
    assert small is not None
    assert box[0] <= small[0] <= small[2] <= box[2]
    assert box[1] <= small[1] <= small[3] <= box[3]


@pytest.mark.parametrize(
    ("box", "system", "level"),
    [
        (None, "WGS84", 3),
        ((129.0, 35.0, 129.2, 35.2), "WGS84", 0),
        ((129.0, 35.0, 129.05, 35.05), "WGS84", 1),
        ((129.0, 35.0, 129.02, 35.02), "WGS84", 2),
        ((129.0, 35.0, 129.005, 35.005), "WGS84", 3),
        ((0.0, 0.0, 20_000.0, 20_000.0), "UTM", 0),
        ((0.0, 0.0, 100.0, 100.0), "local", 3),
    ],
)
def test_the_level_follows_the_area(box: Any, system: str, level: int) -> None:
    assert detail.level_for(box, system) == level


def test_chosen_members_are_nested_as_they_were() -> None:
    item = {"id": "a", "type": "Road", "properties": {"name": "x", "floors": {"above": 1, "below": 0}}}
    assert detail.chosen(item, ("type",)) == {"id": "a", "type": "Road"}
    assert detail.chosen(item, ("properties.name", "properties.floors.above", "none", "type.x")) == {
        "id": "a",
        "properties": {"name": "x", "floors": {"above": 1}},
    }
    assert detail.chosen(item, ("properties.name", "properties")) == {
        "id": "a",
        "properties": item["properties"],
    }
    assert detail.chosen(item, ("properties", "properties.name")) == {
        "id": "a",
        "properties": item["properties"],
    }
    assert item["properties"] == {"name": "x", "floors": {"above": 1, "below": 0}}
