"""Geometry on its way into a twin, and the reference systems that it comes from."""

import json
import struct
from typing import Any

import numpy as np
import orjson
import pytest
import shapely
from shapely import wkt

from dtc_cli.errors import DtcError
from dtc_cli.migrate import compare, crs, geojson, geometry
from dtc_cli.migrate.gates import lower_bound
from dtc_cli.migrate.sources import wkb

WORLD = crs.Projection("EPSG:4326", limit_m=5, where="test")


def shapes(*texts: str | None) -> Any:
    array = np.empty(len(texts), dtype=object)
    array[:] = [None if text is None else wkt.loads(text) for text in texts]
    return array


def mended(*texts: str | None, projection: crs.Projection = WORLD, **policy: Any) -> geometry.Mended:
    return geometry.mend(shapes(*texts), projection, geometry.Policy(**policy))


def test_a_bow_tie_keeps_both_halves() -> None:
    done = mended("POLYGON((0 0, 2 2, 2 0, 0 2, 0 0))")
    assert done.shapes[0].geom_type == "MultiPolygon"
    assert done.shapes[0].area == pytest.approx(2)
    assert done.repairs[0]["reason"] == "Self-intersection"
    assert shapely.from_wkb(bytes.fromhex(done.repairs[0]["original"])).geom_type == "Polygon"


def test_a_spike_goes_and_the_polygon_stays_one() -> None:
    done = mended("POLYGON((0 0, 2 0, 2 2, 2 5, 2 2, 0 2, 0 0))")
    assert done.shapes[0].geom_type == "Polygon"
    assert done.shapes[0].area == pytest.approx(4)


def test_two_readings_of_a_ring_are_left_for_review() -> None:
    twice_round = "POLYGON((0 0, 4 0, 4 4, 0 4, 0 0, 1 1, 3 1, 3 3, 1 3, 1 1, 0 0))"
    assert mended(twice_round).problems[0][0] == "ambiguous-geometry"
    assert 0 in mended(twice_round, accept_collapse=True).repairs


def test_what_collapses_is_not_loaded() -> None:
    done = mended("POLYGON((0 0, 1 1, 0 0, 0 0))", "POLYGON((0 0, 0.00000001 0, 0 0.00000001, 0 0))")
    assert done.problems[0][0] == "collapsed-geometry"
    assert done.problems[1][0] == "collapsed-geometry"


def test_empty_null_and_stand_in_coordinates_are_told_apart() -> None:
    array = shapes("POINT EMPTY", None, "POINT (1 2)")
    more = np.append(array, [shapely.Point(-1.797e308, 0), shapely.Point(float("inf"), 1)])
    done = geometry.mend(more, WORLD, geometry.Policy())
    assert {index: code for index, (code, _) in done.problems.items()} == {
        0: "empty-geometry",
        3: "sentinel-coordinates",
        4: "sentinel-coordinates",
    }
    assert done.shapes[1] is None
    assert done.shapes[2].coords[0] == (1.0, 2.0)


def test_outer_rings_run_counter_clockwise() -> None:
    done = mended("POLYGON((0 0, 0 2, 2 2, 2 0, 0 0), (0.5 0.5, 1 0.5, 1 1, 0.5 1, 0.5 0.5))")
    assert done.shapes[0].exterior.is_ccw
    assert not done.shapes[0].interiors[0].is_ccw


def test_the_example_of_the_standard_is_projected() -> None:
    mercator = crs.Projection("EPSG:3857", limit_m=5, where="test")
    done = mended("POINT (14135126.30 4518296.29)", projection=mercator)
    assert done.shapes[0].coords[0] == pytest.approx((126.978, 37.566), abs=1e-3)
    assert done.shapes[0].coords[0] == pytest.approx((126.9780066, 37.5660002), abs=2e-5)


def test_a_place_outside_of_the_system_is_quarantined() -> None:
    korea = crs.Projection("EPSG:5186", limit_m=5, where="test")
    done = mended("POINT (200000 600000)", "POINT (600000 200000000)", projection=korea)
    assert 0 not in done.problems
    assert done.problems[1][0] == "outside-crs-area"
    assert mended("POINT (200 95)").problems[0][0] == "outside-crs-area"


def test_a_place_a_little_outside_of_the_system_is_counted() -> None:
    korea = crs.Projection("EPSG:5186", limit_m=5, where="test")  # 126..128 E, 33.14..38.33 N
    done = mended("POINT (200000 600000)", "POINT (-7000 -35000)", "POINT (-700000 0)", projection=korea)
    assert (set(done.problems), done.beyond) == ({2}, 1)
    assert "126 to 128 east, 33.14 to 38.33 north" in crs.beyond_area(korea)


def test_a_system_that_contradicts_the_source_is_told_with_the_distance() -> None:
    korea = crs.Projection("EPSG:5186", limit_m=5, where="test")
    told = crs.contradiction("EPSG:6677", korea, (-7000, -35000, -6000, -34000))
    assert told is not None
    assert "states EPSG:6677 (JGD2011" in told
    assert "the plan EPSG:5186 (KGD2002" in told
    assert "km apart: 139.7" in told
    assert "or 124.8" in told
    named = crs.contradiction("EPSG:6677", korea, None)
    assert named is not None
    assert "apart" not in named
    # The same place, the same system, no word of the source, and one that cannot be used.
    assert crs.contradiction("EPSG:4019", WORLD, (10, 50, 11, 51)) is None
    assert crs.contradiction("EPSG:5186", korea, None) is None
    assert crs.contradiction(None, korea, None) is None
    assert crs.contradiction("EPSG:4978", korea, None) is None
    nowhere = crs.contradiction("EPSG:4326", korea, (7e5, 7e5, 8e5, 8e5))
    assert nowhere is not None
    assert nowhere.endswith("is no place")


def test_axes_are_swapped_on_request() -> None:
    assert mended("POINT (37 127)", swap_axes=True).shapes[0].coords[0] == (127.0, 37.0)


def test_a_crossing_of_the_antimeridian_is_split() -> None:
    done = mended(
        "POLYGON((170 0, 190 0, 190 10, 170 10, 170 0))", "POLYGON((175 0,-175 0,-175 5,175 5,175 0))"
    )
    for shape in done.shapes:
        assert shape.geom_type == "MultiPolygon"
        assert shape.bounds[0] == -180
        assert shape.bounds[2] == 180
    assert done.shapes[0].area == pytest.approx(200)
    assert done.shapes[1].area == pytest.approx(50)
    whole = mended("MULTIPOLYGON(((179 0,180 0,180 1,179 1,179 0)),((-180 0,-179 0,-179 1,-180 1,-180 0)))")
    assert not whole.repairs


def test_heights_stay_and_feet_become_metres() -> None:
    feet = crs.Projection("EPSG:2263+6360", limit_m=5, where="test")
    assert feet.operation.vertical_factor == pytest.approx(0.3048006)
    done = mended("POINT Z (1000000 200000 100)", projection=feet)
    assert shapely.get_z(done.shapes[0]) == pytest.approx(30.48)
    assert "NAVD88" in (feet.operation.vertical or "")


def test_geojson_of_every_type() -> None:
    given = shapes(
        "POINT (1 2)",
        "LINESTRING Z (0 0 1, 1 1 2)",
        "MULTIPOINT ((1 1), (2 2))",
        "POLYGON((0 0,1 0,1 1,0 0))",
        None,
        "MULTILINESTRING ((0 0, 1 1), (2 2, 3 3))",
        "MULTIPOLYGON(((0 0,1 0,1 1,0 0)),((5 5,6 5,6 6,5 5)))",
        "GEOMETRYCOLLECTION (POINT (1 2), LINESTRING (0 0, 1 1))",
        "POLYGON Z ((0 0 5,1 0 5,1 1 5,0 0 5))",
    )
    many = np.concatenate([given] * 5)  # enough of each form for the way by arrays
    for shape, text in zip(many, geojson.encoded(many), strict=True):
        if shape is None:
            assert text is None
            continue
        value = json.loads(text or b"")
        assert shapely.geometry.shape(value).equals(shape)
        assert text == orjson.dumps(geojson.value_of(shape), option=orjson.OPT_SORT_KEYS)
    ring = shapes("LINEARRING (0 0, 1 0, 1 1, 0 0)")
    assert geojson.value_of(ring[0]) == {
        "type": "LineString",
        "coordinates": [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]],
    }


def test_promotion_makes_one_type_of_two() -> None:
    done = mended("POLYGON((0 0,1 0,1 1,0 0))", mixed="promote")
    assert done.shapes[0].geom_type == "MultiPolygon"


def test_an_unknown_datum_is_refused_with_candidates() -> None:
    text = (
        'PROJCS["X",GEOGCS["Unknown",DATUM["Unknown based on Bessel",'
        'SPHEROID["Bessel 1841",6377397.155,299.1528128]],'
        'PRIMEM["Greenwich",0],UNIT["Degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],'
        'PARAMETER["latitude_of_origin",38],PARAMETER["central_meridian",127.002890277778],'
        'PARAMETER["scale_factor",1],'
        'PARAMETER["false_easting",200000],PARAMETER["false_northing",500000],UNIT["metre",1]]'
    )
    with pytest.raises(DtcError) as problem:
        crs.Projection(text, limit_m=5, where="plan.yaml")
    assert "datum" in problem.value.what
    assert "EPSG:5174" in problem.value.why
    assert "EPSG:5174" in problem.value.hint
    modern = text.replace('"Bessel 1841",6377397.155,299.1528128', '"WGS 84",6378137,298.257223563')
    assert crs.Projection(modern, limit_m=5, where="p").operation.notes


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("EPSG:999999", "not known"),
        ('LOCAL_CS["site",UNIT["m",1]]', "local engineering"),
        ("EPSG:5703", "engineering"),
    ],
)
def test_systems_without_a_place_are_refused(given: str, words: str) -> None:
    with pytest.raises(DtcError, match=words):
        crs.Projection(given, limit_m=5, where="plan.yaml")


def test_wgs_84_under_another_name_is_known() -> None:
    spelt = (
        'GEOGCS["WGS 84",DATUM["World Geodetic System 1984 [EPSG ID 6326]",SPHEROID["WGS 84 [EPSG ID 7030]",'
        '6378137.0,298.257223563]],PRIMEM["Greenwich",0.0],UNIT["Decimal_Degree",0.01745329251994328]]'
    )
    assert "taken for WGS 84" in crs.Projection(spelt, limit_m=5, where="p").operation.notes[0]


def test_an_accuracy_beyond_the_limit_is_refused() -> None:
    with pytest.raises(DtcError, match="to 4 m only") as problem:
        crs.Projection("EPSG:2263", limit_m=1, where="plan.yaml")
    assert "us_noaa" in problem.value.why


def test_a_missing_system_names_the_extent_and_no_guess() -> None:
    error = crs.missing_crs("columbus", [5.87, 10.7, 11.29, 14.7], "plan.yaml")
    assert "no evidence" in error.why
    korean = crs.missing_crs("x", [200000, 5.4e5, 210000, 5.5e5], "p").why
    assert "not degrees" in korean
    assert "EPSG:5186" in korean
    assert "confidence" in korean
    assert "would fit" not in crs.missing_crs("x", [1e9, 1e9, 2e9, 2e9], "p").why
    assert "unknown" in crs.missing_crs("x", None, "p").why


def test_surfaces_become_polygons_and_m_goes() -> None:
    ring = struct.pack("<I", 4) + struct.pack("<12d", 0, 0, 1, 1, 0, 1, 1, 1, 1, 0, 0, 1)
    polygon = struct.pack("<BII", 1, 1003, 1) + ring
    surface = struct.pack("<BII", 1, 1015, 1) + polygon
    triangles = struct.pack("<BII", 1, 1016, 1) + struct.pack("<BII", 1, 1017, 1) + ring
    measured = shapely.to_wkb(wkt.loads("POINT M (1 2 9)"), flavor="iso")
    high = shapely.to_wkb(wkt.loads("POINT ZM (1 2 3 9)"), flavor="iso")
    line = shapely.to_wkb(wkt.loads("GEOMETRYCOLLECTION (LINESTRING (0 0, 1 1), POINT (1 1))"))
    found, problems, kept = wkb.parse([surface, triangles, measured, high, None, b"\x01\x03", line])
    assert [shape.geom_type if shape is not None else None for shape in found] == [
        "MultiPolygon",
        "MultiPolygon",
        "Point",
        "Point",
        None,
        None,
        "GeometryCollection",
    ]
    assert not shapely.has_m(found).any()
    assert shapely.get_z(found[3]) == 3
    assert problems[5][0] == "unparseable-geometry"
    assert kept[5] == b"\x01\x03"
    assert wkb.is_curved(struct.pack("<BI", 1, 10))
    assert not wkb.is_curved(None)


def test_distances_are_in_metres() -> None:
    square = {
        "type": "Polygon",
        "coordinates": [[[127, 37], [127.001, 37], [127.001, 37.001], [127, 37.001], [127, 37]]],
    }
    moved = shapely.geometry.mapping(shapely.affinity.translate(shapely.geometry.shape(square), xoff=0.0001))
    apart = compare.distance(square, moved)
    assert apart.hausdorff_m == pytest.approx(8.89, abs=0.05)
    assert apart.area_ratio == pytest.approx(1)
    assert apart.iou == pytest.approx(0.9 / 1.1, abs=0.01)
    assert (
        compare.distance(
            {"type": "Point", "coordinates": [0, 0]}, {"type": "Point", "coordinates": [0, 1]}
        ).iou
        is None
    )
    same = compare.distance(square, square)
    assert (same.hausdorff_m, same.iou) == (0, 1)
    turned = {**square, "coordinates": [[*square["coordinates"][0][1:], square["coordinates"][0][1]]]}
    assert compare.distance(square, turned).hausdorff_m == pytest.approx(0, abs=1e-6)
    for bad in ({}, {"type": "Point", "coordinates": []}):
        with pytest.raises(ValueError, match=r".+"):
            compare.distance(square, bad)


def test_the_bound_of_a_share() -> None:
    assert lower_bound(299, 299) == pytest.approx(0.99, abs=1e-4)
    assert lower_bound(0, 0) is None
    assert lower_bound(0, 5) == 0
    assert lower_bound(95, 100) == pytest.approx(0.8977, abs=5e-4)
