"""A few files of the real data beside a development checkout; `scripts/prove migrate` takes all of them."""

from pathlib import Path

import pytest

from tests.proofs import migrate as proof

FEW = [
    ("broken_shapefiles", "points.shp", None),
    ("broken_shapefiles", "invalid_coordinates.shp", None),
    ("misc_text_kml", "NZ.geojson", None),
    ("misc_text_kml", "wkt.csv", "EPSG:4326"),
]


@pytest.mark.skipif(not proof.DATA.is_dir(), reason="the real data does not lie beside this checkout")
@pytest.mark.parametrize(("name", "file", "crs"), FEW)
def test_a_trap_is_handled_as_its_readme_says(
    name: str, file: str, crs: str | None, tmp_path: Path, target: Path
) -> None:
    case = next(one for one in proof.SETS[name] if (one.file, one.crs) == (file, crs))
    assert proof.migrate(case, proof.DATA / name / file, target, tmp_path).problems == []
