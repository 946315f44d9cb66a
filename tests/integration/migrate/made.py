"""Legacy data made for tests: buildings with the defects that real registers have."""

import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio.raw
import shapely
import yaml

EAST, NORTH = 200_000.0, 550_000.0


def buildings(
    path: Path, count: int = 120, *, first: int = 0, crs: str = "EPSG:5186", **changes: Any
) -> Path:
    """Square buildings in EPSG:5186 (central Korea): each 20th a bow-tie, each 30th without place."""
    shapes = np.empty(count, dtype=object)
    for index in range(count):
        n = first + index
        x, y = EAST + 20 * (n % 100), NORTH + 20 * (n // 100)
        ring = [(x, y), (x + 10, y), (x + 10, y + 10), (x, y + 10), (x, y)]
        if n % 20 == 19:
            ring[1], ring[2] = ring[2], ring[1]
        shapes[index] = None if n % 30 == 29 else shapely.to_wkb(shapely.Polygon(ring))
    numbers = range(first, first + count)
    fields: dict[str, Any] = {
        "UFID": np.array([f"B{n:06d}" for n in numbers], dtype=object),
        "BLD_NM": np.array([f"건물 {n}" for n in numbers], dtype=object),
        "USE_CD": np.array([("01000", "02000", "09999")[n % 3] for n in numbers], dtype=object),
        "HEIGHT": np.array([3.0 + n % 40 for n in numbers]),
        "GRO_FLO": np.array([1 + n % 12 for n in numbers], dtype=np.int64),
        **changes,
    }
    pyogrio.raw.write(
        str(path),
        shapes,
        list(fields.values()),
        np.array(list(fields)),
        layer=path.stem,
        geometry_type="Polygon",
        crs=crs,
    )
    return path


def plan(source: Path, *, layer: dict[str, Any] | None = None, **top: Any) -> Path:
    """A plan for `buildings`, beside the source."""
    made = {
        "migration": 1,
        "name": "test",
        "city": {"id": "KR-TEST-2025", "bounds": [126.0, 36.0, 129.0, 39.0]},
        "sources": [
            {
                "name": "gis",
                "path": source.name,
                "layers": [
                    {
                        "name": source.stem,
                        "type": "Building",
                        "id": {"key": "UFID"},
                        "properties": {
                            "name": "BLD_NM",
                            "buildingType": {"from": "USE_CD", "table": "use"},
                            "height": {"from": "HEIGHT", "as": "number"},
                            "floors.above": {"from": "GRO_FLO", "as": "integer"},
                        },
                        **(layer or {}),
                    }
                ],
            }
        ],
        "tables": {"use": {"01000": "residential", "02000": "commercial"}},
        "gates": {"data_quality": "flag"},
        **top,
    }
    path = source.with_suffix(".yaml")
    path.write_text(yaml.safe_dump(made, allow_unicode=True), encoding="utf-8")
    return path


def change(path: Path, statement: str) -> None:
    """Run a statement on a GeoPackage, without its triggers, which need functions of GDAL."""
    with sqlite3.connect(path) as db:
        names = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]
        for name in names:
            db.execute(f'DROP TRIGGER "{name}"')
        db.execute(statement)
    db.close()
