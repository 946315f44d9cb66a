"""How long `dtc validate` takes on a large record, and its memory: 100,000 city objects of 1 KB by default.

    python benchmarks/validate.py [--objects 100000] [--runs 3] [--broken 0]

Prints one line per run and the median. With --broken N every Nth object has an unknown geometry type, so that
the findings and their lines are part of what is measured.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WEST, SOUTH, EAST, NORTH = -8.7, 41.1, -8.5, 41.25
SIDE = 0.0002


def house(number: int, dice: random.Random) -> dict[str, object]:
    x, y = dice.uniform(WEST, EAST - SIDE), dice.uniform(SOUTH, NORTH - SIDE)
    ring = [[x, y], [x + SIDE, y], [x + SIDE, y + SIDE], [x, y + SIDE], [x, y]]
    return {
        "id": f"building-{number:06}",
        "type": "Building",
        "geometry": {"type": "Polygon", "coordinates": [ring], "lod": 0},
        "properties": {
            "name": f"House {number}",
            "buildingType": "residential",
            "constructionYear": 1950 + number % 70,
            "floors": {"above": 3, "below": 1},
            "height": 10.5,
            "area": 210.0,
            "occupancy": {"current": 3, "capacity": 12},
            "energyClass": "B",
            "note": "n" * 330,
        },
        "metadata": {
            "created": "2021-01-10T08:00:00+01:00",
            "lastUpdated": "2025-01-15T10:30:00Z",
            "dataSource": "survey",
            "accuracy": 0.9,
        },
    }


def write(path: Path, objects: int, broken: int) -> None:
    dice = random.Random(7)
    corners = [[WEST, SOUTH], [EAST, SOUTH], [EAST, NORTH], [WEST, NORTH], [WEST, SOUTH]]
    head = {
        "version": "1.0.0",
        "cityId": "PT-PORTO-2026",
        "timestamp": "2025-01-15T10:30:00Z",
        "bounds": {"type": "Polygon", "coordinates": [corners]},
        "coordinateSystem": {"type": "WGS84", "epsg": 4326},
    }
    with path.open("w") as out:
        out.write(json.dumps(head)[:-1] + ', "cityObjects": [\n')
        for number in range(objects):
            item = house(number, dice)
            if broken and number % broken == 0:
                item["geometry"] = {"type": "Circle"}
            out.write(json.dumps(item) + (",\n" if number < objects - 1 else "\n"))
        out.write("]}\n")


def run(path: Path) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and peak MB of one `dtc validate`."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "dtc_cli", "validate", str(path)], stdout=subprocess.DEVNULL
    )
    _, _, usage = os.wait4(process.pid, 0)
    return time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure dtc validate on a large record.")
    parser.add_argument("--objects", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--broken", type=int, default=0, metavar="N")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "city.json"
        write(path, options.objects, options.broken)
        print(f"{options.objects} objects, {path.stat().st_size / 1e6:.0f} MB")
        results = []
        for _ in range(options.runs):
            wall, cpu, memory = run(path)
            results.append(wall)
            print(f"  {wall:.2f} s wall, {cpu:.2f} s CPU, {memory:.0f} MB")
        print(f"median {statistics.median(results):.2f} s")


if __name__ == "__main__":
    main()
