"""A library of an extra that is not installed is told with the command that installs it."""

import sys
from pathlib import Path

import pytest

from dtc_cli.errors import DtcError
from dtc_cli.migrate.sources.open import open_source


@pytest.mark.parametrize(
    ("name", "module", "extra"),
    [
        ("a.osm.pbf", "osmium", "osm"),
        ("a.ifc", "ifcopenshell", "ifc"),
        ("a.parquet", "pyarrow.parquet", "parquet"),
        ("postgresql://me@localhost/city", "psycopg", "postgis"),
        ("a.gpkg", "pyogrio", "migrate"),
    ],
)
def test_a_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, module: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    path = name
    if "://" not in name:
        (tmp_path / name).write_bytes(b"x")
        path = str(tmp_path / name)
    with pytest.raises(DtcError) as refused:
        open_source(path)
    error = refused.value
    assert error.code == "extra-missing"
    assert all((error.what, error.where, error.why))
    assert error.hint == f'pip install "dtc[{extra}]"'
