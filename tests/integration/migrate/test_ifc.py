"""IFC: storeys and spaces on the map, by the statement that comes first, and stopped where two disagree."""

from pathlib import Path
from typing import Any

import pytest
import shapely

from dtc_cli.errors import DtcError
from dtc_cli.migrate.sources.open import open_source
from tests.integration.migrate.conftest import Run
from tests.integration.migrate.reading import read

DATA = Path(__file__).parents[4] / "shared" / "data" / "ifc_duplex_georef"
MAP = (
    "#30=IFCPROJECTEDCRS('EPSG:5186',$,$,$,$,$,{unit});\n"
    "#31=IFCMAPCONVERSION(#11,#30,{east},{north},12.,{turn},{scale});"
)
SEOUL = "(37,30,0,0),(127,0,0,0)"


def model(
    path: Path, *, degrees: str = "$,$", site: str = "0.,0.,0.", milli: bool = False, more: str = ""
) -> Path:
    """A room of 6 m x 4 m x 3 m on one storey, at 10, 20 of the model."""
    prefix, f = (".MILLI.", 1000) if milli else ("$", 1)
    path.write_text(
        f"""ISO-10303-21;
HEADER;
FILE_DESCRIPTION((''),'2;1');
FILE_NAME('a','2026-01-01T00:00:00',(''),(''),'','','');
FILE_SCHEMA(('IFC4'));
ENDSEC;
DATA;
#1=IFCCARTESIANPOINT((0.,0.,0.));
#2=IFCAXIS2PLACEMENT3D(#1,$,$);
#3=IFCCARTESIANPOINT(({site}));
#4=IFCAXIS2PLACEMENT3D(#3,$,$);
#5=IFCLOCALPLACEMENT($,#4);
#6=IFCSIUNIT(*,.LENGTHUNIT.,{prefix},.METRE.);
#7=IFCUNITASSIGNMENT((#6));
#8=IFCPROJECT('0aaaaaaaaaaaaaaaaaaaa1',$,'P',$,$,$,$,(#11),#7);
#9=IFCSIUNIT(*,.LENGTHUNIT.,$,.METRE.);
#11=IFCGEOMETRICREPRESENTATIONCONTEXT($,'Model',3,1.E-05,#2,$);
#12=IFCSITE('0aaaaaaaaaaaaaaaaaaaa2',$,'S',$,$,#5,$,$,.ELEMENT.,{degrees},7.,$,$);
#13=IFCLOCALPLACEMENT(#5,#2);
#40=IFCPOSTALADDRESS($,$,$,$,('Street 1'),$,'Busan',$,'48000',$);
#14=IFCBUILDING('0aaaaaaaaaaaaaaaaaaaa3',$,'B',$,$,#13,$,'Town hall',.ELEMENT.,$,$,#40);
#15=IFCBUILDINGSTOREY('0aaaaaaaaaaaaaaaaaaaa4',$,'1F',$,$,#13,$,$,.ELEMENT.,0.);
#16=IFCCARTESIANPOINT(({10 * f}.,{20 * f}.,0.));
#17=IFCAXIS2PLACEMENT3D(#16,$,$);
#18=IFCLOCALPLACEMENT(#13,#17);
#19=IFCCARTESIANPOINT(({3 * f}.,{2 * f}.));
#20=IFCAXIS2PLACEMENT2D(#19,$);
#21=IFCRECTANGLEPROFILEDEF(.AREA.,$,#20,{6 * f}.,{4 * f}.);
#22=IFCDIRECTION((0.,0.,1.));
#23=IFCEXTRUDEDAREASOLID(#21,#2,#22,{3 * f}.);
#24=IFCSHAPEREPRESENTATION(#11,'Body','SweptSolid',(#23));
#25=IFCPRODUCTDEFINITIONSHAPE($,$,(#24));
#26=IFCSPACE('0aaaaaaaaaaaaaaaaaaaa5',$,'101',$,$,#18,#25,'\\X2\\C9D1\\X0\\',.ELEMENT.,.SPACE.,$);
#27=IFCSPACE('0aaaaaaaaaaaaaaaaaaaa6',$,'102',$,$,#18,$,$,.ELEMENT.,.SPACE.,$);
#50=IFCRELAGGREGATES('0aaaaaaaaaaaaaaaaaaab1',$,$,$,#8,(#12));
#51=IFCRELAGGREGATES('0aaaaaaaaaaaaaaaaaaab2',$,$,$,#12,(#14));
#52=IFCRELAGGREGATES('0aaaaaaaaaaaaaaaaaaab3',$,$,$,#14,(#15));
#53=IFCRELAGGREGATES('0aaaaaaaaaaaaaaaaaaab4',$,$,$,#15,(#26,#27));
#60=IFCPROPERTYSINGLEVALUE('Reference',$,IFCIDENTIFIER('007'),$);
#61=IFCPROPERTYSET('0aaaaaaaaaaaaaaaaaaac1',$,'Pset_SpaceCommon',$,(#60));
#62=IFCRELDEFINESBYPROPERTIES('0aaaaaaaaaaaaaaaaaaac2',$,$,$,(#26),#61);
{more}
ENDSEC;
END-ISO-10303-21;
"""
    )
    return path


def conversion(
    east: str = "200000.", north: str = "550000.", turn: str = "1.,0.", scale: str = "$", unit: str = "$"
) -> str:
    return MAP.format(east=east, north=north, turn=turn, scale=scale, unit=unit)


def test_spaces_storeys_and_buildings_with_their_sets(tmp_path: Path) -> None:
    path = model(tmp_path / "a.ifc", more=conversion())
    facts, (room, empty) = read(path, "spaces")
    assert (facts.crs, facts.key, facts.blockers) == ("EPSG:5186", "GlobalId", ())
    assert (room["number"], room["name"], room["Pset_SpaceCommon.Reference"]) == ("101", "집", "007")
    assert room["*"].bounds == (200_010, 550_020, 200_016, 550_024)
    assert (room["z_min"], room["z_max"], room["height"]) == (12, 15, 3)
    assert empty["*"] is None
    _, (storey,) = read(path, "storeys")
    assert room["parent"] == storey["GlobalId"]
    _, (building,) = read(path, "buildings")
    assert (building["name"], building["storeys"], building["address"]) == (
        "Town hall",
        1,
        "Street 1, 48000, Busan",
    )
    assert building["*"].equals(room["*"])


@pytest.mark.parametrize(
    ("milli", "how"),
    [
        (True, {"scale": "0.001", "unit": "#9"}),
        (True, {"scale": "$", "unit": "#9"}),
        (True, {"east": "200000000.", "north": "550000000."}),
        (False, {"turn": "2.,0."}),
    ],
)
def test_units_and_scales_of_all_habits_give_one_place(
    tmp_path: Path, milli: bool, how: dict[str, str]
) -> None:
    _, (room, _) = read(model(tmp_path / "a.ifc", milli=milli, more=conversion(**how)), "spaces")
    assert room["*"].bounds == pytest.approx((200_010, 550_020, 200_016, 550_024), abs=0.01)
    assert room["height"] == pytest.approx(3)


def test_the_model_is_turned_to_the_map(tmp_path: Path) -> None:
    _, (room, _) = read(model(tmp_path / "a.ifc", more=conversion(turn="0.,1.")), "spaces")
    assert room["*"].bounds == pytest.approx((199_976, 550_010, 199_980, 550_016), abs=0.01)


def test_the_last_resort_is_the_site(tmp_path: Path) -> None:
    north = "#70=IFCDIRECTION((1.,0.));"
    path = model(tmp_path / "a.ifc", degrees=SEOUL, more=north)
    path.write_text(path.read_text().replace("1.E-05,#2,$)", "1.E-05,#2,#70)"))
    facts, (room, _) = read(path, "spaces")
    assert facts.crs is not None
    assert "+lat_0=37.5" in facts.crs
    assert "seldom surveyed" in facts.notes[0]
    assert room["z_min"] == 7
    # North is along x: a model's x, y are north and west.
    assert room["*"].bounds == pytest.approx((-24, 10, -20, 16), abs=0.01)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({}, "nothing in the model says"),
        ({"degrees": "(41,52,27,840000),(-87,-38,-21,-839999)", "more": conversion()}, "two places"),
        ({"site": "200000.,550000.,0.", "more": conversion()}, "georeferenced twice"),
        ({"site": "200000.,550000.,0."}, "not named"),
        ({"more": conversion(east="9.E9")}, "outside the area"),
        ({"more": conversion().replace("EPSG:5186", "Local grid")}, "none that is known"),
    ],
)
def test_a_model_that_does_not_say_where_is_stopped(tmp_path: Path, how: dict[str, Any], words: str) -> None:
    source = open_source(str(model(tmp_path / "a.ifc", **how)))
    assert words in source.layers()[0].blockers[0]


def test_a_person_decides(dtc: Run, tmp_path: Path) -> None:
    path = model(tmp_path / "a.ifc", degrees="(41,52,27,840000),(-87,-38,-21,-839999)", more=conversion())
    facts, _ = read(path, "spaces", options={"georeference": "map"})
    assert (facts.crs, facts.blockers) == ("EPSG:5186", ())
    facts, _ = read(path, "spaces", options={"georeference": "site"})
    assert "+lat_0=41.8744" in str(facts.crs)
    placed = model(tmp_path / "b.ifc", site="200000.,550000.,0.")
    facts, (room, _) = read(placed, "spaces", options={"crs": "EPSG:5186"})
    assert room["*"].bounds[0] == 200_010
    with pytest.raises(DtcError, match="georeference is"):
        open_source(str(path), options={"georeference": "here"})
    plan = tmp_path / "plan.yaml"
    assert dtc("plan", path, "--city", "KR-SEOUL-2025", "--out", plan)[0] == 0
    code, answer = dtc("run", plan, "--to", tmp_path / "out.ndjson")
    assert code != 0
    assert "two places" in answer["error"]["why"]


def test_files_that_are_none_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.ifc").write_text("no model")
    with pytest.raises(DtcError, match="no IFC that can be read"):
        open_source(str(tmp_path / "a.ifc"))


@pytest.mark.skipif(not DATA.exists(), reason="the shared data sets are not on this machine")
def test_the_duplex_that_stands_in_chicago_and_luxembourg_stops() -> None:
    source = open_source(str(DATA / "Duplex_A_20110907_georeferenced.ifc"))
    assert "6,859 km apart" in source.layers()[0].blockers[0]
    facts, rows = read(DATA / "Duplex_A_20110907.ifc", "spaces")
    assert (facts.count, len(rows)) == (21, 21)
    assert all(isinstance(row["*"], shapely.Polygon) for row in rows)
