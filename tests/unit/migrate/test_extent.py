"""Boxes of shapes, and how they are told."""

from typing import Any

import pytest

from dtc_cli.migrate import extent

POINT = {"type": "Point", "coordinates": [127, 37.5, 20]}
LINE = {"type": "LineString", "coordinates": [[126, 36], [128, 39]]}


@pytest.mark.parametrize(
    ("shape", "box"),
    [
        (POINT, [127, 37.5, 127, 37.5]),
        (LINE, [126, 36, 128, 39]),
        ({"type": "GeometryCollection", "geometries": [POINT, {}, LINE]}, [126, 36, 128, 39]),
        ([1, 2, 3, 4.5], [1, 2, 3, 4.5]),
        ([1, 2, 3], None),
        ({"type": "Polygon", "coordinates": []}, None),
        ({"type": "Point", "coordinates": [1]}, None),
        (None, None),
    ],
)
def test_a_box_of_what_can_have_one(shape: Any, box: list[float] | None) -> None:
    assert extent.box_of(shape) == box


def test_a_box_is_told_in_degrees() -> None:
    assert extent.told([-74.3, -33.5, -73.6, -33.5]) == "-74.3000 to -73.6000 longitude, -33.5000 latitude"
    assert extent.told([127, 37, 128, 38]) == "127.0000 to 128.0000 E, 37.0000 to 38.0000 N"
