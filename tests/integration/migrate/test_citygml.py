"""CityGML: both versions give the same objects, every level is kept, attacks are refused."""

import re
from pathlib import Path
from typing import Any

import orjson
import pytest
import shapely

from dtc_cli.errors import DtcError
from dtc_cli.migrate import assess, duplicates
from dtc_cli.migrate.sources import axes, solids
from dtc_cli.migrate.sources.open import detect, open_source
from tests.integration.migrate.conftest import Run
from tests.support import citygml_made as made

DATA = Path(__file__).parents[4] / "shared" / "data"
EAST, NORTH = 200_000.0, 550_000.0


def read(path: Path, layer: str = "Building", **options: Any) -> tuple[Any, list[dict[str, Any]]]:
    source = open_source(str(path), options=options)
    facts = {one.name: one for one in source.layers()}[layer]
    rows = [
        {**batch.row(i), "*": batch.geometry[i], "!": batch.problems.get(i), "+": batch.extra.get(i) or {}}
        for batch in source.batches(layer, start=0, size=2, careful=False)
        for i in range(batch.size)
    ]
    assert list(source.keys(layer, "gml_id")) == [row["gml_id"] for row in rows]  # type: ignore[attr-defined]
    source.close()
    return facts, rows


@pytest.mark.parametrize("version", [2, 3])
def test_a_building_has_one_footprint_and_all_its_levels(tmp_path: Path, version: int) -> None:
    folder = tmp_path / "udx"
    folder.mkdir()
    made.codelist(tmp_path / "codelists" / "usage.xml")
    path = made.write(
        folder / "a.gml", *(made.block(f"B{n}", EAST + 20 * n, NORTH, 9.5, version) for n in range(3)),
        version=version,
    )  # fmt: skip
    assert detect(str(path)) == "citygml"
    facts, rows = read(path)
    assert (facts.count, facts.crs, facts.key, facts.notes) == (3, "EPSG:5186", "gml_id", ())
    first = rows[0]
    assert (first["name"], first["PNU"]) == ("집 B0", "0011223344556677889")
    assert (first["usage"], first["usage_label"]) == ("01", "주택")
    assert (first["measuredHeight"], first["storeysAboveGround"]) == (9.5, 3)
    assert (first["z_min"], first["z_max"]) == (0.0, 9.5)
    assert first["*"].equals(shapely.box(EAST, NORTH, EAST + 10, NORTH + 10))
    assert not first["*"].has_z
    assert sorted(first["+"]["lods"]) == [1, 2]
    assert [len(first["+"]["lods"][level].geoms) for level in (1, 2)] == [6, 6]
    _, only = read(path, lods=[1])
    assert sorted(only[0]["+"]["lods"]) == [1]


def test_levels_stand_in_the_object_that_is_loaded(dtc: Run, tmp_path: Path) -> None:
    path = made.write(tmp_path / "a.gml", made.block("B0", EAST, NORTH, 9.5))
    plan, out = tmp_path / "plan.yaml", tmp_path / "out.ndjson"
    assert dtc("plan", path, "--city", "KR-SEOUL-2025", "--out", plan)[0] == 0
    code, _ = dtc("run", plan, "--to", out)
    assert code in (0, 1)
    (line,) = [orjson.loads(one) for one in out.read_bytes().splitlines()]
    assert line["metadata"]["legacyId"] == "B0"
    assert line["geometry"]["lod"] == 0
    assert [one["lod"] for one in line["properties"]["lods"]] == [1, 2]
    top = max(p[2] for part in line["properties"]["lods"][1]["coordinates"] for ring in part for p in ring)
    assert top == 9.5
    lon, lat = line["geometry"]["coordinates"][0][0]
    assert 126.9 < lon < 127.1
    assert 37.4 < lat < 37.6


def test_parts_are_records_with_their_whole(tmp_path: Path) -> None:
    part = made.block("P1", EAST, NORTH, 4).replace("bldg:Building ", "bldg:BuildingPart ")
    part = part.replace("</bldg:Building>", "</bldg:BuildingPart>")
    whole = (
        f'<bldg:Building gml:id="W"><bldg:consistsOfBuildingPart>{part}</bldg:consistsOfBuildingPart>'
        "</bldg:Building>"
    )
    path = made.write(tmp_path / "a.gml", whole)
    _, wholes = read(path)
    _, parts = read(path, "BuildingPart")
    assert wholes[0]["*"].area == parts[0]["*"].area == 100
    assert parts[0]["parent"] == "W"


def test_keys_that_occur_twice_in_a_stream_and_units_are_told(tmp_path: Path) -> None:
    twice = made.block("B0", EAST, NORTH, 9.5).replace("집 B0", "다른 집")
    feet = made.block("B1", EAST + 20, NORTH, 41).replace('uom="m">41', 'uom="ft">41')
    tall = made.block("B4", EAST + 80, NORTH, 41).replace('uom="m">41', 'uom="cubit">41')
    widths = "".join(
        f'<gen:measureAttribute name="w"><gen:value{uom}>1.5</gen:value></gen:measureAttribute>'
        for uom in ("", ' uom="ft"', ' uom="m"')
    )
    bare = made.block("B5", EAST + 100, NORTH, 9.5, extra=widths).replace('gml:id="B5"', "", 1)
    same = made.block("B3", EAST + 60, NORTH, 9.5)
    less = re.sub(r"<bldg:lod1Solid>.*</bldg:lod1Solid>", "", same)  # the levels alone differ
    path = made.write(
        tmp_path / "a.gml", made.block("B0", EAST, NORTH, 9.5), feet, twice, tall, bare, same, same,
        same.replace("B3", "B6"), less.replace("B3", "B6"),
    )  # fmt: skip
    source = open_source(str(path))
    found = duplicates.find(source, "Building", "gml_id")
    rows = [
        batch.row(i)
        for batch in source.batches("Building", start=0, size=9, careful=False)
        for i in range(batch.size)
    ]
    source.close()
    assert (found.conflicts, found.copies, found.lacking) == ({"B0", "B6"}, {"B3": 5}, True)
    assert [row.get("measuredHeight_uom") for row in rows[:4]] == [None, "ft", None, "cubit"]
    assert (rows[4]["w"], rows[4]["w_uom"]) == ([1.5, 1.5, 1.5], ["m", "ft", "m"])
    (layer,) = assess.assess(str(path)).layers
    told = {remark.text: remark.severity for remark in layer.remarks}
    assert told["2 keys belong to several records that differ"] == "condition"
    assert told["measuredHeight is stated in ft for some records; height is converted"] == "note"
    assert told["measuredHeight is stated in cubit, no unit that is known for it"] == "condition"


def test_a_height_of_version_3_has_its_unit(tmp_path: Path) -> None:
    block = made.block("B0", EAST, NORTH, 41, 3).replace('uom="m">41', 'uom="#ft">41')
    _, rows = read(made.write(tmp_path / "a.gml", block, version=3))
    assert (rows[0]["measuredHeight"], rows[0]["measuredHeight_uom"]) == (41, "#ft")


def test_a_surface_that_another_object_owns_is_found(tmp_path: Path) -> None:
    neighbour = (
        '<bldg:Building gml:id="N"><bldg:lod1MultiSurface><gml:MultiSurface>'
        '<gml:surfaceMember xlink:href="#B0-1-Ground"/><gml:surfaceMember xlink:href="#nowhere"/>'
        "</gml:MultiSurface></bldg:lod1MultiSurface></bldg:Building>"
    )
    facts, rows = read(made.write(tmp_path / "a.gml", neighbour, made.block("B0", EAST, NORTH, 3)))
    assert rows[0]["*"].area == 100
    assert rows[0]["surfaces_missing"] == 1
    assert facts.count == 2


def test_broken_records_stay_alone_and_a_cut_file_is_told(tmp_path: Path) -> None:
    bad = made.block("B1", EAST, NORTH, 3).replace(f"{NORTH} {EAST} 0 ", "x y z ", 1)
    path = made.write(
        tmp_path / "a.gml", made.block("B0", EAST, NORTH, 3), bad, made.block("B2", EAST, NORTH, 3)
    )
    _, rows = read(path)
    assert [row["!"] and row["!"][0] for row in rows] == [None, "unparseable-geometry", None]
    assert "x y z" in rows[1]["xml"]
    text = path.read_bytes()
    path.write_bytes(text[: text.rfind(b"storeysAboveGround")])
    facts, rows = read(path)
    assert facts.count == 3
    assert rows[2]["!"] == ("cut-off", "the file ends before this record does")
    assert any("cut off" in note for note in facts.notes)


def test_an_undeclared_prefix_is_read_past(tmp_path: Path) -> None:
    odd = made.block(
        "B0",
        EAST,
        NORTH,
        3,
        extra="<uro:detail><uro:Detail><uro:year>1999</uro:year></uro:Detail></uro:detail>",
    )
    facts, rows = read(made.write(tmp_path / "a.gml", odd))
    assert rows[0]["detail.year"] == "1999"
    assert any("faults" in note for note in facts.notes)


@pytest.mark.parametrize(
    "head",
    [
        '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
        '<!-- ok --><!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd">',
    ],
)
def test_a_document_type_is_refused(tmp_path: Path, head: str) -> None:
    path = made.write(tmp_path / "a.gml", made.block("B0", EAST, NORTH, 3), head=head)
    with pytest.raises(DtcError, match="declares a document type"):
        open_source(str(path))
    path.write_bytes(path.read_text().replace("UTF-8", "UTF-16").encode("utf-16"))
    with pytest.raises(DtcError, match="declares a document type"):
        open_source(str(path), format="citygml")


def test_a_code_list_is_a_file_beside_and_nothing_else(tmp_path: Path) -> None:
    block = made.block("B0", EAST, NORTH, 3)
    for space in ("/etc/passwd", "http://127.0.0.1:1/usage.xml", "../../../etc/passwd"):
        facts, rows = read(made.write(tmp_path / "a.gml", block.replace("../codelists/usage.xml", space)))
        assert "usage_label" not in rows[0]
        assert any("code lists" in note for note in facts.notes)


def test_a_file_without_objects_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DtcError, match="no city objects"):
        open_source(str(made.write(tmp_path / "a.gml"))).layers()


@pytest.mark.parametrize(
    ("name", "sample", "crs", "swap"),
    [
        ("urn:ogc:def:crs:EPSG::4326", None, "EPSG:4326", True),
        ("urn:ogc:def:crs:EPSG:6.9:4326", None, "EPSG:4326", True),
        ("http://www.opengis.net/def/crs/EPSG/0/6697", (35.2, 139.7), "EPSG:6697", True),
        ("http://www.opengis.net/def/crs/EPSG/0/6697", (139.7, 35.2), "EPSG:6697", False),
        ("urn:ogc:def:crs,crs:EPSG::25832,crs:EPSG::5783", None, "EPSG:25832+5783", False),
        ("urn:ogc:def:crs,crs:EPSG:6.12:25832,crs:EPSG:6.12:5783", None, "EPSG:25832+5783", False),
        ("EPSG:4326", None, "EPSG:4326", False),
        ("EPSG:4326", (37.5, 127.0), "EPSG:4326", True),
        ("http://www.opengis.net/gml/srs/epsg.xml#4326", None, "EPSG:4326", False),
        ("urn:ogc:def:crs:OGC:1.3:CRS84", None, "EPSG:4326", False),
        ("urn:adv:crs:ETRS89_UTM32*DE_DHHN2016_NH", None, "EPSG:25832+7837", False),
        ("urn:adv:crs:DE_DHDN_3GK4*DE_DHHN92_NH", None, "EPSG:31468+5783", False),
        ("#local", None, None, False),
        (None, None, None, False),
    ],
)
def test_names_of_reference_systems(name: str | None, sample: Any, crs: str | None, swap: bool) -> None:
    found = axes.named(name, sample)
    assert (found.crs, found.swap) == (crs, swap)
    if name and "6697" in name and not swap:
        assert "read so" in found.note


def test_positions_in_every_spelling() -> None:
    from lxml import etree

    def ring(inner: str) -> Any:
        return etree.fromstring(f'<g:LinearRing xmlns:g="http://www.opengis.net/gml">{inner}</g:LinearRing>')

    assert solids.positions(ring("<g:pos>1 2</g:pos><g:pos>3 4</g:pos>")) == ([1, 2, 3, 4], 2)
    assert solids.positions(ring("<g:coordinates>1,2,3 4,5,6</g:coordinates>"))[1] == 3
    assert solids.positions(ring('<g:posList srsDimension="2">1 2 3 4 5 6</g:posList>'))[1] == 2
    assert solids.positions(ring('<g:posList srsDimension="4">1 2 3 9 4 5 6 9</g:posList>')) == (
        [1, 2, 3, 4, 5, 6], 3,
    )  # fmt: skip
    with pytest.raises(ValueError, match="numbers make no positions"):
        solids.positions(ring('<g:posList srsDimension="3">1 2 3 4</g:posList>'))


@pytest.mark.skipif(not DATA.exists(), reason="the shared data sets are not on this machine")
def test_real_pairs_agree_over_the_versions() -> None:
    folder = DATA / "citygml2_vs_3_pairs"
    for name in ("Building_LOD1-EPSG25832.gml", "Building_LOD2-EPSG25832.gml"):
        (_, (old,)), (_, (new,)) = read(folder / "v2" / name), read(folder / "v3" / name)
        assert old["*"].equals(new["*"])
        for member in (
            "name",
            "measuredHeight",
            "storeysAboveGround",
            "yearOfConstruction",
            "address",
            "z_max",
        ):
            assert old[member] == new[member], member
        for level, shell in old["+"]["lods"].items():
            assert shapely.area(shell) == shapely.area(new["+"]["lods"][level])


def test_unusual_forms_go_the_long_way_to_the_same_end(tmp_path: Path) -> None:
    usual = made.block("B0", EAST, NORTH, 9.5)
    spelled = re.sub(
        r"<gml:posList>(.*?)</gml:posList>",
        lambda found: "".join(
            f"<gml:pos>{' '.join(three)}</gml:pos>"
            for three in zip(*[iter(found[1].split())] * 3, strict=True)
        ),
        usual,
    )
    _, (quick,) = read(made.write(tmp_path / "a.gml", usual))
    _, (slow,) = read(made.write(tmp_path / "b.gml", spelled))
    assert slow["*"].equals(quick["*"])
    assert (slow["z_min"], slow["z_max"]) == (quick["z_min"], quick["z_max"])
    for level in (1, 2):
        assert slow["+"]["lods"][level].area == quick["+"]["lods"][level].area


def test_lines_points_relief_and_flat_files(tmp_path: Path) -> None:
    triangle = made.polygon(
        "T", [(EAST, NORTH, 1), (EAST + 9, NORTH, 2), (EAST, NORTH + 9, 3), (EAST, NORTH, 1)]
    )
    relief = (
        '<dem:ReliefFeature xmlns:dem="urn:dem" gml:id="R"><dem:tin><gml:TriangulatedSurface>'
        + "<gml:trianglePatches>"
        + triangle.replace("gml:Polygon", "gml:Triangle")
        + "</gml:trianglePatches></gml:TriangulatedSurface></dem:tin></dem:ReliefFeature>"
    )
    line = (
        '<tran:Road xmlns:tran="urn:tran" gml:id="L"><tran:lod0Network><gml:LineString>'
        "<gml:posList>550000 200000 0 550010 200000 0</gml:posList></gml:LineString>"
        "</tran:lod0Network></tran:Road>"
    )
    tree = (
        '<veg:Tree xmlns:veg="urn:veg" gml:id="V"><veg:lod1ImplicitRepresentation><ImplicitGeometry>'
        "<referencePoint><gml:Point><gml:pos>550000 200000 5</gml:pos></gml:Point></referencePoint>"
        "</ImplicitGeometry>"
        "</veg:lod1ImplicitRepresentation></veg:Tree>"
    )
    path = made.write(tmp_path / "a.gml", relief, line, tree)
    assert read(path, "ReliefFeature")[1][0]["*"].area == pytest.approx(40.5)
    assert read(path, "Road")[1][0]["*"].length == 10
    assert read(path, "Tree")[1][0]["*"].coords[0] == (EAST, NORTH, 5)
    flat = (
        '<luse:LandUse xmlns:luse="urn:l" gml:id="F"><luse:lod1MultiSurface><gml:MultiSurface>'
        "<gml:surfaceMember><gml:Polygon><gml:exterior><gml:LinearRing>"
        '<gml:posList srsDimension="2">550000 200000 550000 200010 '
        "550010 200010 550000 200000</gml:posList></gml:LinearRing></gml:exterior></gml:Polygon>"
        "</gml:surfaceMember></gml:MultiSurface></luse:lod1MultiSurface></luse:LandUse>"
    )
    _, (field,) = read(made.write(tmp_path / "b.gml", flat), "LandUse")
    assert field["*"].area == 50
    assert field["+"] == {}


def test_surfaces_composed_of_others_are_found(tmp_path: Path) -> None:
    door = made.polygon("D", [(EAST, NORTH, 0), (EAST + 9, NORTH, 0), (EAST, NORTH + 9, 0), (EAST, NORTH, 0)])
    whole = (
        '<bldg:Building gml:id="W"><bldg:interiorRoom><gml:CompositeSurface gml:id="C"><gml:surfaceMember>'
        f"{door}</gml:surfaceMember></gml:CompositeSurface></bldg:interiorRoom>"
        '<bldg:lod2MultiSurface><gml:MultiSurface><gml:surfaceMember><gml:OrientableSurface gml:id="O">'
        '<gml:baseSurface xlink:href="#C"/></gml:OrientableSurface></gml:surfaceMember></gml:MultiSurface>'
        "</bldg:lod2MultiSurface></bldg:Building>"
    )
    _, (row,) = read(made.write(tmp_path / "a.gml", whole))
    assert row["*"].area == pytest.approx(40.5)
    assert "surfaces_missing" not in row
