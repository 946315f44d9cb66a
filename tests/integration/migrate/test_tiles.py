"""Cities in tiles: folders and archives of CityGML and CityJSON are one source each."""

import zipfile
from pathlib import Path

import orjson
import pytest

from dtc_cli.errors import DtcError
from dtc_cli.migrate.sources.open import detect, open_source
from tests.integration.migrate.conftest import Run
from tests.support import citygml_made as made

EAST, NORTH = 200_000.0, 550_000.0
SHARES = (
    '<bldg:Building gml:id="N"><bldg:lod1MultiSurface><gml:MultiSurface>'
    '<gml:surfaceMember xlink:href="a.gml#B0-1-Ground"/><gml:surfaceMember xlink:href="../x.gml#B0"/>'
    "</gml:MultiSurface></bldg:lod1MultiSurface></bldg:Building>"
)


def tiles(folder: Path) -> Path:
    """Two that share B1 and a surface, one in a folder of its own, one without objects."""
    (folder / "inner").mkdir(parents=True)
    (folder / "codelists").mkdir()
    blocks = [made.block(f"B{n}", EAST + 20 * n, NORTH, 9.5) for n in range(4)]
    made.write(folder / "a.gml", *blocks[:2])
    made.write(folder / "b.gml", blocks[1], blocks[2], SHARES)
    made.write(folder / "empty.gml")
    made.write(folder / "inner" / "c.gml", blocks[3])
    made.write(folder / "codelists" / "no-tile.gml", blocks[3])
    return folder


def test_a_folder_of_tiles_is_one_source(dtc: Run, tmp_path: Path) -> None:
    folder = tiles(tmp_path / "udx")
    assert detect(str(folder)) == "citygml"
    source = open_source(str(folder))
    layer = source.layers()[0]
    assert (layer.name, layer.count, layer.crs) == ("Building", 6, "EPSG:5186")
    assert any("empty.gml" in note for note in layer.notes)
    found = [
        batch
        for start in (0, 3, 5)
        for batch in source.batches("Building", start=start, size=9, careful=False)
    ]
    ids = [(batch.first + n, batch.columns["gml_id"][n]) for batch in found for n in range(batch.size)]
    whole = [(0, "B0"), (1, "B1"), (2, "B1"), (3, "B2"), (4, "N"), (5, "B3")]
    assert ids == whole + whole[3:] + whole[5:]
    neighbour = found[1].row(2)
    assert (found[1].geometry[2].area, neighbour["surfaces_missing"]) == (100, 1)  # the other lies outside
    before = source.token()
    source.close()
    out, plan = tmp_path / "out.ndjson", tmp_path / "plan.yaml"
    assert dtc("plan", folder, "--city", "KR-TILES-2025", "--out", plan)[0] == 0
    code, summary = dtc("run", plan, "--to", out)
    assert (code, summary["states"]) == (0, {"loaded": 5, "unchanged": 1}), summary  # B1 stands in two tiles
    made.write(folder / "inner" / "c.gml", made.block("B9", EAST, NORTH, 1))
    assert open_source(str(folder)).token() != before


def test_an_archive_of_tiles_is_one_too(tmp_path: Path) -> None:
    folder, archive = tiles(tmp_path / "udx"), tmp_path / "city.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for file in sorted(folder.rglob("*.gml")):
            packed.write(file, f"set/{file.relative_to(tmp_path)}")
    assert detect(str(archive)) == "citygml"
    source = open_source(str(archive))
    other = open_source(str(archive))
    assert (source.layers()[0].count, source.token()) == (6, other.token())
    other.close()
    assert len(source.keys("Building", "gml_id")) == 6  # type: ignore[attr-defined]
    source.close()


def test_tiles_of_cityjson_and_of_several_systems(tmp_path: Path) -> None:
    def tile(name: str, system: str) -> None:
        one = {"type": "Building", "attributes": {"h": 3}, "geometry": []}
        city = {
            "type": "CityJSON", "version": "2.0", "CityObjects": {name: one}, "vertices": [],
            "transform": {"scale": [1, 1, 1], "translate": [0, 0, 0]},
            "metadata": {"referenceSystem": f"https://www.opengis.net/def/crs/EPSG/0/{system}"},
        }  # fmt: skip
        (tmp_path / f"{name}.city.json").write_bytes(orjson.dumps(city))

    tile("one", "28992")
    tile("two", "28992")
    layer = open_source(str(tmp_path)).layers()[0]
    assert (layer.count, layer.crs, layer.blockers) == (2, "EPSG:28992", ())
    tile("three", "25832")
    source = open_source(str(tmp_path))
    assert "different reference systems" in source.layers()[0].blockers[0]
    assert list(source.keys("Building", "cityjson_id")) == ["one", "three", "two"]  # type: ignore[attr-defined]


def test_folders_that_are_no_source_say_why(tmp_path: Path) -> None:
    made.write(tmp_path / "empty.gml")
    with pytest.raises(DtcError, match="none of the 1 files"):
        open_source(str(tmp_path)).layers()
    (tmp_path / "empty.gml").unlink()
    (tmp_path / "notes.xml").write_text("<notes/>")
    with pytest.raises(DtcError, match="is a folder"):
        detect(str(tmp_path))
