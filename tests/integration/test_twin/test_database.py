"""Database files: those of an earlier version are brought up to date, others are refused in words."""

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_twin.conftest import ROOT

VERSION_1 = (
    "DROP TABLE object_sensor",
    "DROP TABLE import_job",
    "DROP TABLE import_error",
    "DROP TABLE retired_secret",
    "DROP INDEX sensor_by_import",
    "DROP INDEX entity_by_import",
    "ALTER TABLE sensor DROP COLUMN import",
    "ALTER TABLE entity DROP COLUMN import",
    "UPDATE meta SET value = '1' WHERE name = 'schema'",
)
"""What leads back from schema 2 to schema 1, as it was written before there were imports."""


def changed(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_a_database_of_the_first_schema_goes_on(start: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    first = start("--db", str(path))
    before = first.get("/export?measurements=all")
    assert first.stop() == 0
    changed(path, *VERSION_1)
    twin = start("--db", str(path))
    after = twin.get("/export?measurements=all")
    assert {**after, "timestamp": ""} == {**before, "timestamp": ""}
    sensor = next(one for one in after["sensorNetwork"]["nodes"] if "attachedTo" in one)
    holder = f"/objects/{sensor['attachedTo']}"
    assert sensor["id"] in twin.get(holder)["sensors"]
    assert twin.call("DELETE", f"/sensors/{sensor['id']}").status_code == 204
    assert sensor["id"] not in twin.get(holder)["sensors"]
    job = twin.call("POST", "/import", json={"type": "FeatureCollection", "features": []})
    assert job.status_code == 202
    again = refused(path)
    assert "another server uses it" in again


def refused(path: Path) -> str:
    """What a server says that cannot use a file."""
    done = subprocess.run(
        [sys.executable, "-m", "reference_server", "--db", str(path), "--mqtt-port", "none"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: cannot use the database {path}: ")
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize("kind", ["newer", "foreign", "text", "folder"])
def test_what_is_no_database_of_this_program_is_refused_in_words(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "city.db"
    if kind == "newer":
        changed(
            path,
            "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT)",
            "INSERT INTO meta VALUES ('schema', '99')",
        )
        assert "has schema 99, this program knows" in refused(path)
    elif kind == "foreign":
        changed(path, "CREATE TABLE gpkg_contents (table_name TEXT)")
        assert "belongs to another program" in refused(path)
    elif kind == "text":
        path.write_text("hello, world\n" * 100)
        assert "not a database" in refused(path)
    else:
        path.mkdir()
        refused(path)
