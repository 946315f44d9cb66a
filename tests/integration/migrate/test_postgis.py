"""PostGIS: tables and views of a real server, with keys, systems, curves and numbers of any precision."""

from collections.abc import Iterator

import psycopg
import pytest

from dtc_cli.errors import DtcError
from dtc_cli.migrate.sources.open import detect, open_source
from tests.integration.migrate.reading import read
from tests.support import postgres

WHY = postgres.absent()
pytestmark = pytest.mark.skipif(WHY is not None, reason=WHY or "")

TABLES = """
CREATE EXTENSION postgis;
CREATE TABLE bldg (gid bigint PRIMARY KEY, "Name; DROP" text, area numeric, h real, built timestamptz,
                   geom geometry(Geometry, 5186), other geometry);
INSERT INTO bldg SELECT 4294968191 + n, '집 ' || n, 12345678901234567.123 + n, NULL, '2020-01-01T00:00:00+09',
  ST_SetSRID(ST_MakePoint(200000 + n, 550000), 5186), NULL FROM generate_series(6, 0, -1) n;
UPDATE bldg SET geom = NULL WHERE gid = 4294968192;
UPDATE bldg SET geom = ST_GeomFromText('CURVEPOLYGON(CIRCULARSTRING(0 0, 10 10, 20 0, 10 -10, 0 0))', 5186)
  WHERE gid = 4294968193;
CREATE VIEW tall AS SELECT gid, geom FROM bldg WHERE gid > 4294968194;
CREATE TABLE mixed (a int, b int, geom geometry, PRIMARY KEY (a, b));
INSERT INTO mixed VALUES (1, 1, 'SRID=4326;POINT(1 2)'), (1, 2, 'SRID=5186;POINT(1 2)');
CREATE SCHEMA city; CREATE TABLE city.notes (t text, raw bytea);
INSERT INTO city.notes VALUES ('x', '\\x00ff'), ('y', NULL);
CREATE TABLE unplaced (id int PRIMARY KEY, geom geography(Point));
INSERT INTO unplaced VALUES (1, 'POINT(127 37)');
"""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with postgres.serving() as place:
        with psycopg.connect(place, autocommit=True) as link:
            link.execute(TABLES)
        yield place


def test_a_table_is_read_in_the_order_of_its_key(address: str) -> None:
    assert detect(address) == "postgis"
    facts, rows = read(address, "bldg")
    assert (facts.count, facts.crs, facts.key, facts.geometry) == (7, "EPSG:5186", "gid", "Unknown")
    assert [row["gid"] for row in rows] == [4294968191 + n for n in range(7)]
    assert rows[0]["Name; DROP"] == "집 0"
    assert rows[0]["area"] == "12345678901234567.123"
    assert rows[0]["h"] is None
    assert (
        rows[0]["built"].isoformat().startswith("2020-01-01") or "2019-12-31" in rows[0]["built"].isoformat()
    )
    assert (rows[1]["*"], rows[0]["*"].wkt) == (None, "POINT (200000 550000)")
    assert rows[2]["*"].geom_type == "Polygon"
    assert rows[2]["*"].area == pytest.approx(314.159, rel=0.01)
    assert any("other" in note for note in facts.notes)
    source = open_source(address, options={"tables": ["bldg"]})
    assert set(source.keys("bldg", "gid")) == {4294968191 + n for n in range(7)}  # type: ignore[attr-defined]
    source.close()


def test_views_schemas_tables_without_place_and_geographies(address: str) -> None:
    facts, rows = read(address, "tall")
    assert (facts.count, facts.key, len(rows)) == (3, None, 3)
    facts, rows = read(address, "city.notes")
    assert (facts.geometry, facts.crs, rows[0]["raw"], rows[1]["raw"]) == (None, None, b"\x00\xff", None)
    assert any("no primary key" in note for note in facts.notes)
    facts, rows = read(address, "unplaced")
    assert (facts.crs, rows[0]["*"].wkt) == ("EPSG:4326", "POINT (127 37)")
    facts, _ = read(address, "mixed")
    assert "4326, 5186" in facts.blockers[0]


def test_the_token_changes_with_the_table(address: str) -> None:
    source = open_source(address, options={"tables": ["mixed"]})
    before = source.token()
    with psycopg.connect(address, autocommit=True) as link:
        link.execute("INSERT INTO mixed VALUES (9, 9, NULL)")
    assert source.token() != before
    source.close()


def test_refusals_are_told_in_words(address: str) -> None:
    with pytest.raises(DtcError, match="no such tables"):
        read(address, options={"tables": ["nowhere"]})
    with pytest.raises(DtcError, match="does not let us in"):
        open_source("postgresql://nobody@/postgres?host=/nonexistent")
    with pytest.raises(DtcError, match="credential"):
        open_source("postgresql://me:secret@localhost/city")
    with pytest.raises(DtcError, match="credential"):
        open_source("postgresql://localhost/city?password=secret")
