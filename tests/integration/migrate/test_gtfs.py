"""GTFS: stops and routes, with and without shapes, from a zip and a folder; archives that attack."""

import io
import zipfile
from pathlib import Path

import pytest

from dtc_cli.errors import DtcError
from dtc_cli.migrate.sources.open import detect, open_source
from tests.integration.migrate.reading import read

FILES = {
    "stops.txt": "\ufeffstop_id, stop_name,stop_lat,stop_lon,location_type,parent_station\n"
    '007,"서울역, 1번",37.55,126.97,,S1\nS1,Station,37.551,126.971,1,\nX,Nowhere,,,,\nY,Bad,n/a,1,,\n',
    "routes.txt": "route_id,route_short_name,route_long_name,route_type\n"
    "R1,1,Line 1,1\nR2,2,,3\nR3,3,No trips,3\n",
    "trips.txt": "route_id,service_id,trip_id,shape_id\nR1,w,T1,A\nR1,w,T2,B\nR1,w,T3,A\nR2,w,T4,\n",
    "shapes.txt": "shape_id,shape_pt_lat,shape_pt_lon,shape_pt_sequence\n"
    "A,37.1,127.0,10\nA,37.0,127.0,2\nB,37.0,127.1,1\nB,37.2,127.1,2\nB,37.3,127.1,3\n",
    "stop_times.txt": "trip_id,arrival_time,stop_id,stop_sequence\nT4,29:39:00,S1,2\nT4,24:00:00,007,1\n",
}


def archive(path: Path, folder: str = "", **more: str) -> Path:
    with zipfile.ZipFile(path, "w") as out:
        for name, text in {**FILES, **more}.items():
            out.writestr(folder + name, text)
    return path


@pytest.mark.parametrize("form", ["flat", "nested", "folder"])
def test_stops_and_routes(tmp_path: Path, form: str) -> None:
    path = tmp_path / "feed.zip"
    if form == "folder":
        path = tmp_path
        for name, text in FILES.items():
            (tmp_path / name).write_text(text, encoding="utf-8")
    else:
        archive(path, "feed/" if form == "nested" else "")
    assert detect(str(path)) == "gtfs"
    facts, stops = read(path, "stops")
    assert (facts.key, facts.count, facts.crs) == ("stop_id", 4, "EPSG:4326")
    assert (stops[0]["stop_id"], stops[0]["stop_name"], stops[0]["parent_station"]) == (
        "007",
        "서울역, 1번",
        "S1",
    )
    assert stops[0]["*"].coords[0] == (126.97, 37.55)
    assert (stops[1]["location_type_label"], stops[2]["*"]) == ("station", None)
    assert stops[3]["!"][0] == "bad-coordinate"
    _, routes = read(path, "routes")
    assert routes[0]["*"].geom_type == "MultiLineString"
    assert list(routes[0]["*"].geoms[0].coords) == [(127.0, 37.0), (127.0, 37.1)]
    assert list(routes[1]["*"].coords) == [(126.97, 37.55), (126.971, 37.551)]
    assert (routes[0]["route_type_label"], routes[1]["name"], routes[2]["*"]) == ("subway", "2", None)


@pytest.mark.parametrize("name", ["../stops.txt", "/etc/cron.d/x", "a\\..\\..\\x.txt", "C:\\x.txt"])
def test_an_archive_that_leads_out_of_itself_is_refused(tmp_path: Path, name: str) -> None:
    path = archive(tmp_path / "a.zip", **{name: "x"})
    with pytest.raises(DtcError, match="lead out of it"):
        open_source(str(path))
    with pytest.raises(DtcError, match="lead out of it"):
        open_source(str(path), format="gtfs")


def test_an_archive_that_fills_the_disk_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("xl/sheet1.xml", b"0" * 60_000_000)
    with pytest.raises(DtcError, match="would unpack to"):
        open_source(str(path))


def test_a_workbook_with_entities_is_refused(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as out:
        out.writestr("xl/workbook.xml", '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>')
    (tmp_path / "a.xlsx").write_bytes(inner.getvalue())
    with pytest.raises(DtcError, match="document type"):
        open_source(str(tmp_path / "a.xlsx"))


def test_a_feed_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK no")
    with pytest.raises(DtcError, match="no archive"):
        open_source(str(tmp_path / "a.zip"), format="gtfs")
    latin = tmp_path / "latin"
    latin.mkdir()
    (latin / "stops.txt").write_bytes("stop_id,stop_name\n1,Café\n".encode("latin-1"))
    with pytest.raises(DtcError, match=r"stops\.txt cannot be read"):
        open_source(str(latin)).layers()
    assert read(latin, encoding="latin-1")[1][0]["stop_name"] == "Café"
    (latin / "stops.txt").unlink()
    with pytest.raises(DtcError, match="neither stops nor routes"):
        open_source(str(latin), format="gtfs").layers()
