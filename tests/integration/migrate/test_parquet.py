"""GeoParquet: systems, encodings, nulls, and reading from the middle."""

from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from dtc_cli.errors import DtcError
from dtc_cli.migrate.sources.open import detect, open_source
from tests.integration.migrate.reading import read

CORNERS = [{"x": 0.0, "y": 0.0}, {"x": 1.0, "y": 0.0}, {"x": 0.0, "y": 1.0}]
PROJJSON = {"type": "ProjectedCRS", "name": "x", "id": {"authority": "EPSG", "code": 5186}}


def write(path: Path, shapes: Any, *, geo: Any = None, raw: bytes | None = None, **column: Any) -> Path:
    count = len(shapes)
    table = pa.table(
        {
            "id": pa.array([4294968191 + n for n in range(count)], pa.int64()),
            "name": [None if n == 1 else f"집 {n}" for n in range(count)],
            "geometry": shapes,
        }
    )
    facts = {"encoding": "WKB", "geometry_types": ["Point"], "crs": PROJJSON, **column}
    meta = (
        geo
        if geo is not None
        else {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": facts}}
    )
    packed = raw if raw is not None else orjson.dumps(meta)
    pq.write_table(table.replace_schema_metadata({b"geo": packed} if meta else {}), path, row_group_size=2)
    return path


def points(count: int = 7) -> list[bytes | None]:
    return [None if n == 3 else shapely.to_wkb(shapely.Point(n, n)) for n in range(count)]


def test_records_ids_and_system(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", [*points(), b"\x01\x03junk"])
    assert detect(str(path)) == "geoparquet"
    facts, rows = read(path)
    assert (facts.count, facts.crs, facts.geometry, facts.key) == (8, "EPSG:5186", "Point", "id")
    assert [row["id"] for row in rows] == [4294968191 + n for n in range(8)]
    assert (rows[0]["name"], rows[1]["name"], rows[3]["*"]) == ("집 0", None, None)
    assert rows[7]["!"][0] == "unparseable-geometry"


@pytest.mark.parametrize(
    ("column", "crs"),
    [
        ({"crs": None}, None),
        ({"crs": {"id": {"authority": "OGC", "code": "CRS84"}}}, "EPSG:4326"),
        ({"crs": "EPSG:2056"}, "EPSG:2056"),
        ({"crs": {"type": "ProjectedCRS", "name": "own"}}, '{"type":"ProjectedCRS","name":"own"}'),
    ],
)
def test_systems(tmp_path: Path, column: dict[str, Any], crs: str | None) -> None:
    assert read(write(tmp_path / "a.parquet", points(), **column))[0].crs == crs


def test_a_missing_system_is_longitude_and_latitude(tmp_path: Path) -> None:
    geo = {"version": "1.0.0", "primary_column": "geometry", "columns": {"geometry": {"encoding": "WKB"}}}
    assert read(write(tmp_path / "a.parquet", points(), geo=geo))[0].crs == "EPSG:4326"


@pytest.mark.parametrize(
    ("encoding", "value", "wkt"),
    [
        ("point", {"x": 1.0, "y": 2.0}, "POINT (1 2)"),
        ("linestring", [{"x": 0.0, "y": 0.0}, {"x": 1.0, "y": 1.0}], "LINESTRING (0 0, 1 1)"),
        ("polygon", [CORNERS], "POLYGON ((0 0, 1 0, 0 1, 0 0))"),
        ("multipoint", [{"x": 1.0, "y": 2.0}], "MULTIPOINT ((1 2))"),
        ("multilinestring", [[{"x": 0.0, "y": 0.0}, {"x": 1.0, "y": 1.0}]], "MULTILINESTRING ((0 0, 1 1))"),
        ("multipolygon", [[CORNERS]], "MULTIPOLYGON (((0 0, 1 0, 0 1, 0 0)))"),
    ],
)  # fmt: skip
def test_native_encodings(tmp_path: Path, encoding: str, value: Any, wkt: str) -> None:
    _, rows = read(write(tmp_path / "a.parquet", [value, None], encoding=encoding, edges="spherical"))
    assert rows[0]["*"].wkt == wkt
    assert rows[1]["*"] is None


def test_a_broken_native_line_stays_alone(tmp_path: Path) -> None:
    _, rows = read(write(tmp_path / "a.parquet", [[{"x": 0.0, "y": 0.0}], None], encoding="linestring"))
    assert rows[0]["!"][0] == "unparseable-geometry"


def test_tables_and_files_that_are_none(tmp_path: Path) -> None:
    facts, rows = read(write(tmp_path / "a.parquet", points(), geo={}))
    assert (facts.geometry, facts.crs, rows[0]["*"]) == (None, None, None)
    (tmp_path / "b.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DtcError, match="no Parquet file"):
        open_source(str(tmp_path / "b.parquet"))
    with pytest.raises(DtcError, match="metadata that cannot be read"):
        open_source(str(write(tmp_path / "c.parquet", points(), raw=b"{")))
    with pytest.raises(DtcError, match="no column shape"):
        open_source(str(tmp_path / "a.parquet"), options={"geometry": "shape"})
