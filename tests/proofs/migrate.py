"""Every set of real data into the bundled twin: each record accounted for, each known trap handled.

usage: scripts/prove migrate [SET...]   the sets lie in ../shared/data; without them it is skipped

A set whose format has no reader is red. What the README of the data calls a trap is a check below.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import msgspec
import orjson
import shapely
import yaml

from dtc_cli import console
from dtc_cli.errors import DtcError
from dtc_cli.harness.reference import running
from dtc_cli.migrate import commands, plan_writer, session, verify
from dtc_cli.migrate.assess import Assessment, assess
from dtc_cli.migrate.run import Summary

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
CITY = "XX-PROOF-2025"
Objects = list[dict[str, Any]]
Check = Callable[["Outcome"], Iterator[str]]


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a set, and what a person decides about it."""

    file: str
    crs: str | None = None
    options: dict[str, Any] = {}
    layer: dict[str, Any] = {}
    """Members of each layer of the plan that the person adds."""
    refused: str = ""
    """Words of the refusal, where the right thing is to refuse."""
    read: int | None = None
    """Records that must be read."""
    quarantined: dict[str, int] | None = None
    """Reasons with counts, where they are known."""
    check: Check | None = None


class Outcome(msgspec.Struct, kw_only=True):
    """What became of a case."""

    case: Case
    assessment: Assessment | None = None
    summary: Summary | None = None
    verification: verify.Verification | None = None
    objects: Objects = []
    kept_back: list[dict[str, Any]] = []
    said: str = ""
    problems: list[str] = []


def names(*wanted: str) -> Check:
    """Texts that must be in the objects or in what was kept back: the encoding was found."""

    def check(found: Outcome) -> Iterator[str]:
        told = orjson.dumps([found.objects, found.kept_back]).decode()
        yield from (f"{word} is not among the texts" for word in wanted if word not in told)

    return check


def areas(found: Outcome) -> Iterator[str]:
    """783 km2 of New York, not 8,430: the file is in square feet."""
    total = sum(one["properties"].get("area", 0.0) for one in found.objects) / 1e6
    if not 775 < total < 791:
        yield f"the areas add up to {total:.1f} km2 instead of 783"


def shifted(found: Outcome) -> Iterator[str]:
    """Within 60 m of an independent three-parameter shift (Tokyo to WGS 84 in Korea: -147, 506, 687 m)."""
    import numpy as np
    import pyproj

    folder = DATA / "seoul_admin_2013_cp949"
    import pyogrio.raw

    meta, _, raw, fields = pyogrio.raw.read(folder / "seoul_municipalities.shp", encoding="cp949")
    geographic = pyproj.Transformer.from_crs(
        meta["crs"], pyproj.CRS(meta["crs"]).geodetic_crs, always_xy=True
    )
    bessel = pyproj.Transformer.from_crs(
        "+proj=longlat +ellps=bessel", "+proj=geocent +ellps=bessel", always_xy=True
    )
    modern = pyproj.Transformer.from_crs("+proj=geocent +ellps=WGS84", "EPSG:4979", always_xy=True)
    codes = list(fields[list(meta["fields"]).index("code")])
    shapes = shapely.from_wkb(raw)
    worst = 0.0
    for item in found.objects:
        middle = shapely.centroid(shapely.geometry.shape(item["geometry"]))
        before = shapely.centroid(shapes[codes.index(item["metadata"]["legacyId"])])
        lon, lat = geographic.transform(before.x, before.y)
        x, y, z = bessel.transform(lon, lat, 0.0)
        lon, lat, _ = modern.transform(x - 147.0, y + 506.0, z + 687.0)
        apart = np.hypot((lon - middle.x) * 88_000, (lat - middle.y) * 111_000)
        worst = max(worst, float(apart))
    if not found.objects or worst > 60:
        yield f"the worst of {len(found.objects)} is {worst:.0f} m off"


def antimeridian(found: Outcome) -> Iterator[str]:
    """New Zealand reaches over 180 degrees: parts on both sides, none across the world."""
    for item in found.objects:
        for part in item["geometry"]["coordinates"]:
            spread = [point[0] for ring in part for point in ring]
            if max(spread) - min(spread) > 180:
                yield "a part goes around the world"


def same_objects(found: Outcome) -> Iterator[str]:
    """Feet and degrees of one land: the layers of the file have their own systems and agree."""
    boxes = [shapely.geometry.shape(one["geometry"]).bounds for one in found.objects]
    if len(boxes) != 2 or max(abs(a - b) for a, b in zip(*boxes, strict=True)) > 0.001:
        yield f"the two layers do not lie over each other: {boxes}"


def within(west: float, south: float, east: float, north: float) -> Check:
    """A box in which all objects must lie."""

    def check(found: Outcome) -> Iterator[str]:
        box = shapely.box(west, south, east, north)
        out = [one["id"] for one in found.objects if not box.covers(shapely.geometry.shape(one["geometry"]))]
        if out or not found.objects:
            yield f"{len(out)} of {len(found.objects)} objects lie outside of the place they belong to"

    return check


def solids(found: Outcome) -> Iterator[str]:
    """Buildings keep their shells as geometries of level 1 or more, with heights, beside the footprint."""
    tall = [one for one in found.objects if one["properties"].get("lods")]
    if not tall:
        yield "no object has a geometry of a higher level of detail"
    for one in tall:
        levels = [shape["lod"] for shape in one["properties"]["lods"]]
        if len(set(levels)) != len(levels) or one["geometry"].get("lod") != 0:
            yield f"{one['id']}: levels {levels} and {one['geometry'].get('lod')}"


PLACE = {"geometry": {"point": [127.0, 37.5]}}
"""Tables without a place get one by decision."""
LOCAL = "EPSG:5186"
"""Drawings and teaching data name no system; a person states one for the proof."""
SETS: dict[str, list[Case]] = {
    "seoul_admin_2013_cp949": [
        Case(file="seoul_municipalities.shp", refused="datum"),
        Case(file="seoul_municipalities.shp", crs="EPSG:5174", read=25, quarantined={}, check=shifted),
        Case(file="seoul_submunicipalities.shp", crs="EPSG:5174", read=423, check=names("천호2동")),
        Case(file="reference_municipalities_geo_simple.json", read=25, quarantined={}, check=names("강동구")),
    ],
    "nyc_boroughs_2263ft": [
        Case(file="nybb_16a.zip", read=5, quarantined={}, check=areas),
        Case(file="nybb_16a.zip", read=5, check=within(-74.3, 40.4, -73.6, 41.0)),
    ],
    "encodings_dbf": [
        Case(file="big5.shp", refused="coordinate reference system"),
        Case(file="chinese.shp", read=1, quarantined={"outside-crs-area": 1}, check=names("简体")),
        *(
            Case(file=f"{name}.dbf", layer=PLACE, read=1, quarantined={}, check=names(text))
            for name, text in (
                ("euckr", "한국말"), ("koi8r", "русский"), ("latin2", "čeština"), ("win1251", "РУССКИЙ"),
                ("win874", "ภาษาไทย"), ("shiftjis", "カタカナ"), ("nocpg/utf8", "国语國語"),
            )
        ),
        *(
            Case(file=f"nocpg/{name}.dbf", layer=PLACE, quarantined={}, check=names(text))
            for name, text in (
                ("eucjp", "ひたちなか市"), ("shiftjis", "ひたちなか市"), ("gbk", "国语"), ("gb2312", "国语"),
                ("latin1", "México"),
            )
        ),
        Case(file="utf16.dbf", refused="UTF-16"),
    ],
    "broken_shapefiles": [
        Case(file="data_corruption_error.shp", read=8, quarantined={}),
        Case(file="max_callstack_error.shp", read=138),
        Case(file="invalid_coordinates.shp", read=1, quarantined={"sentinel-coordinates": 1}),
        Case(file="points.shp", refused="coordinate reference system"),
        # Its first point stands at 0, 0, which is no place.
        Case(file="points.shp", crs="EPSG:4326", read=2, quarantined={"sentinel-coordinates": 1}),
        Case(file="duplicate_fields.dbf", layer=PLACE, read=5, quarantined={}, check=names("not_in_lab")),
        Case(file="comma_separated.dbf", layer=PLACE, read=7, quarantined={}),
    ],
    "gpkg_crs_traps": [
        Case(file="mixed_crs.gpkg", read=2, quarantined={}, check=same_objects),
        Case(file="missing_crs_mixed_ranges.gpkg", refused="coordinate reference system"),
        Case(file="null_crs_gdal.gpkg", refused="coordinate reference system"),
        Case(file="null_crs_gdal.gpkg", crs="EPSG:4326", read=1, quarantined={}),
        Case(file="data_only_tables.gpkg", read=11, quarantined={"null-geometry": 11}),
        Case(file="data_only_tables.gpkg", layer=PLACE, read=11, quarantined={}),
        Case(file="Oregon_customCRS.gpkg", read=1, quarantined={}, check=within(-125, 41.5, -116, 46.6)),
        Case(file="world_land_robin.gpkg", read=1),
    ],
    "misc_text_kml": [
        Case(file="Albania.kmz", read=63, quarantined={}, check=within(-180, -90, 180, 90)),
        Case(file="NZ.geojson", read=1, quarantined={}, check=antimeridian),
        Case(file="wkt.csv", refused="coordinate reference system"),
        Case(file="wkt.csv", crs="EPSG:4326", read=3, quarantined={}, check=names("Zürich")),
        *(
            Case(file=f"{name}.csv", layer=PLACE, read=1, quarantined={}, check=names("ALAMANCE"))
            for name in ("utf16_be_bom", "utf16_le_bom", "utf8_bom")
        ),
        Case(file="ne_110m_admin_0_pacific_groupings.shp", read=62, quarantined={}),
    ],
    "filegdb_levees": [
        Case(file="test_fgdb.gdb.zip", layer=PLACE, quarantined={}, check=names("Chena River")),
        Case(file="test_datetime.geojson", read=2, quarantined={}),
        Case(file="test_datetime_tz.geojson", read=2, quarantined={}),
    ],
    "esri_featureserver_dumps": [
        Case(file="us-esri-test/us-esri-test-0.json", read=1000, quarantined={"null-geometry": 162}),
        Case(file="us-mi-kent/us-mi-kent-0.json", read=15, check=within(-86.5, 42.5, -85, 43.7)),
        Case(file="us-ca-tuolumne/us-ca-tuolumne-0.json", read=15),
        Case(file="us-ca-carson/us-ca-carson-0.json", read=6),
        Case(file="us-ms-madison/us-ms-madison-0.json", read=1, quarantined={"collapsed-geometry": 1}),
        Case(file="us-il-cook/page-full.json", read=500, quarantined={}),
        Case(file="us-il-cook/page-partial.json", read=2, quarantined={}),
        Case(file="us-mo-columbia/us-mo-columbia-0.json", read=43, quarantined={}),
        Case(file="us-fl-polk/us-fl-polk-0.json", read=10, quarantined={}),
    ],
    "plateau_multi_citygml2": [
        Case(file="52397519_bldg_6697_op.gml", check=solids),
        Case(file="64413325_bldg_6697_op.gml", check=solids),
        Case(file="523836_luse_6668_op.gml", read=225, check=within(138, 34, 140, 36)),
        Case(file="523857_lsld_6668_op.gml", read=81),
        Case(file="533957_urf_6668_op.gml"),
    ],
    "citygml2_vs_3_pairs": [
        *(
            Case(file=f"53394517_bldg_6697_2_op_CityGML{version}.gml", check=solids) for version in (2, 3)
        ),
        *(
            Case(file=f"v{version}/Building_LOD{lod}-EPSG25832.gml")
            for version in (2, 3) for lod in (0, 1, 2, 3)
        ),
        Case(file="LocalCRS_CityGML3.gml", refused="local-CRS-1"),
        Case(file="Opera-Lyon_CityGML3.0_LOD2_with_xAL3_FreeText.gml", check=within(4.7, 45.6, 5.0, 45.9)),
    ],
    "cityjson_nl_ch": [
        Case(file="delft.json", check=within(4.2, 51.9, 4.5, 52.1)),
        Case(file="zurich_subset_lod2.json", check=within(8.3, 47.2, 8.7, 47.5)),
        Case(file="rotterdam_subset.json", refused="coordinate reference system"),
        Case(file="rotterdam_subset.json", crs="EPSG:28992", check=within(4.3, 51.8, 4.7, 52.0)),
        Case(file="DH_01_subs.city.json", crs="EPSG:28992", check=within(4.2, 52.0, 4.4, 52.15)),
        Case(file="rectangle.json", refused="coordinate reference system"),
    ],
    "ifc_duplex_georef": [
        Case(file="Duplex_A_20110907_georeferenced.ifc", refused="Luxembourg"),
        Case(file="Duplex_A_20110907.ifc", check=within(-87.7, 41.8, -87.6, 41.9)),
    ],
    "osm_helsinki_pbf": [
        Case(file="Helsinki.osm.pbf", check=within(24.8, 60.1, 25.1, 60.3)),
        Case(file="test.osm.pbf"),
    ],
    "dxf_ezdxf": [
        Case(file="duplicate_handles.dxf", refused="coordinate reference system"),
        Case(file="duplicate_handles.dxf", crs=LOCAL, read=160),
        Case(file="bin_dxf_r13.dxf", crs=LOCAL, read=3),
        Case(file="custom_blocks.dxf", crs=LOCAL, read=5),
        Case(file="groups.dxf", crs=LOCAL, read=13),
        Case(file="recover01.dxf", crs=LOCAL, read=63),
        Case(file="POLI-ALL210_12.DXF", crs=LOCAL, read=31),
        Case(file="dxf_unicode.dxf", crs=LOCAL, refused="no records"),
    ],
    "gtfs_cairns_nyc": [
        Case(file="sample_gtfs.zip"),
        Case(file="cairns_gtfs.zip", check=within(145, -18, 147, -16)),
        Case(file="nyc_subway_gtfs.zip", check=within(-74.3, 40.4, -73.6, 41.0)),
    ],
    "shp_noprj_pysal": [
        Case(file="columbus.shp", refused="coordinate reference system"),
        Case(file="baltim.shp", refused="coordinate reference system"),
        Case(file="mexicojoin.shp", crs="EPSG:4326", read=32),
        Case(file="10740.shp", crs="EPSG:4326", read=195),
        Case(file="Polygon_Holes.shp", read=3, quarantined={}),
    ],
}  # fmt: skip


def migrate(case: Case, source: Path, target: Path, work: Path) -> Outcome:
    """Assess, plan, run, verify one file, as the commands do; its city is removed again."""
    found = Outcome(case=case)
    plan = work / "plan.yaml"
    try:
        found.assessment = assess(str(source), source_crs=case.crs, options=case.options)
        written = plan_writer.write(
            found.assessment, city=CITY, out=plan, source_crs=case.crs, options=case.options
        )
        data = yaml.safe_load(written)
        data["gates"]["data_quality"] = "flag"  # what was kept back is counted below, not taken back
        for layer in data["sources"][0]["layers"]:
            layer.update({} if "skip" in layer else deepcopy(case.layer))
        plan.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
        found.summary = commands.run(plan, target=target).summary
        if found.summary.nothing:
            found.said = "no records: " + _remarks(found.assessment)
        with session.opened(plan) as open_, open_.view() as view:
            found.verification = verify.verify(open_.plan, open_.journal, view)
            found.objects = list(view.walk())
            found.kept_back = [
                orjson.loads(row.raw) for row in open_.journal.records(1, "quarantined") if row.raw
            ]
        commands.rollback(plan)
    except DtcError as error:
        found.said = f"{error.what}: {error.why}"
        found.said += " " + _remarks(found.assessment)
    found.problems = list(judged(found))
    return found


def _remarks(found: Assessment | None) -> str:
    return " ".join(one.text for layer in found.layers for one in layer.remarks) if found else ""


def judged(found: Outcome) -> Iterator[str]:
    """What is wrong with the outcome of a case."""
    case, done = found.case, found.summary
    if case.refused:
        if done is not None and not done.nothing:
            yield f"it was loaded, and should have been refused ({case.refused})"
        elif case.refused not in found.said:
            yield f"refused for another reason: {found.said}"
        return
    if done is None:
        yield found.said
        return
    if not (done.accounted and done.complete):
        yield "not all records are accounted for: " + "; ".join(done.problems)
    if done.nothing:
        yield "nothing was read"
    if case.read is not None and done.read != case.read:
        yield f"{done.read} records were read instead of {case.read}"
    if case.quarantined is not None and done.reasons != case.quarantined:
        yield f"kept back {done.reasons} instead of {case.quarantined}"
    if found.verification is not None and not found.verification.whole:
        yield f"verification: {found.verification.missing_count} missing, {found.verification.differs[:2]}"
    if case.check is not None:
        yield from case.check(found)


def prove(cases: list[tuple[str, Case]], target: Path) -> list[tuple[str, ...]]:
    """Migrate each; rows of the table."""
    rows = []
    for name, case in cases:
        begun = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="dtc-proof-") as folder:
            found = migrate(case, DATA / name / case.file, target, Path(folder))
        whole = found.verification is not None and found.verification.whole
        states = found.summary.states if found.summary else {}
        kept = ", ".join(f"{n} {code}" for code, n in found.summary.reasons.items()) if found.summary else ""
        rows.append(
            (
                name, case.file.rpartition("/")[2] + (f" as {case.crs}" if case.crs else ""),
                str(found.summary.read) if found.summary else "-",
                *(str(states.get(state, 0)) for state in ("loaded", "repaired", "unchanged")),
                kept or "0",
                "refused" if case.refused else "yes" if whole else "no",
                "; ".join(found.problems)[:220] or "as it should be",
                f"{time.monotonic() - begun:.1f}",
            )
        )  # fmt: skip
        console.status(f"{name}/{case.file}: {rows[-1][-2]}")
    return rows


def main() -> int:
    """Migrate all sets, or those named; print the table."""
    if not DATA.is_dir():
        console.out("skipped: the real data (../shared/data) is not beside this checkout")
        return 0
    wanted = sys.argv[1:] or list(SETS)
    cases = [(name, case) for name in wanted for case in SETS[name]]
    with running() as target:
        rows = prove(cases, target)
    console.table(
        ("set", "file", "read", "loaded", "repaired", "unchanged", "kept back", "verified", "", "s"), rows
    )
    red = sorted({row[0] for row in rows if row[8] != "as it should be"})
    good = len(set(wanted)) - len(red)
    console.out(
        f"{good} of {len(set(wanted))} sets as they should be" + (f"; not: {', '.join(red)}" if red else "")
    )
    return 1 if red else 0


if __name__ == "__main__":
    sys.exit(main())
