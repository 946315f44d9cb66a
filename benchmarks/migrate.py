"""How quickly legacy buildings become objects, beside ogr2ogr on the same file in the same run.

    python benchmarks/migrate.py read [--objects 200000]  read, repair, reproject, map, encode; and ogr2ogr
    python benchmarks/migrate.py twin [--objects 50000]   into the bundled twin, read back, taken back
    python benchmarks/migrate.py memory                   the first at 50,000 and 200,000 records

The file is made here: a GeoPackage in EPSG:5186 of buildings with 7 positions and 8 fields (Korean text among
them), two in a hundred a bow-tie, two in a thousand without geometry. ogr2ogr is Debian's, with
`-t_srs EPSG:4326 -makevalid`.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyogrio.raw
import shapely
import yaml

from dtc_cli.harness import reference
from dtc_cli.migrate import commands, frames, session, verify
from dtc_cli.migrate.child import Job

RINGS = np.array([(0, 0), (12, 0), (12, 6), (8, 6), (8, 10), (0, 10), (0, 0)], dtype=float)


def main() -> int:
    """Print the figures that were asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("read", "twin", "memory"))
    parser.add_argument("--objects", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dtc-benchmark-") as folder:
        place = Path(folder)
        if given.what == "read":
            reading(place, given.objects or 200_000)
        elif given.what == "twin":
            loading(place, given.objects or 50_000)
        else:
            for count in (50_000, 200_000):
                reading(place, count, compare=False)
    return 0


def reading(place: Path, count: int, *, compare: bool = True) -> None:
    """The child that reads to encode, against ogr2ogr."""
    source = buildings(place / f"b{count}.gpkg", count)
    plan = plan_of(source)
    baseline = [ogr2ogr(source, place / "a.geojsonl")] if compare else []
    ours = [child(plan, source.stem) for _ in range(2 if compare else 1)]
    if compare:
        baseline.append(ogr2ogr(source, place / "b.geojsonl"))
    for name, runs in (("ogr2ogr", baseline), ("dtc migrate (child)", ours)):
        for seconds, cpu, memory in runs:
            rate = f"{count / seconds:9,.0f}/s"
            told(f"{name:20} {count:,} in {seconds:5.2f} s {rate}  cpu {cpu:5.2f} s  {memory} MB")
    if compare:
        clock, cpu = (min(one[n] for one in baseline) / min(one[n] for one in ours) for n in (0, 1))
        told(f"best of two: {clock:.2f} x ogr2ogr by the clock, {cpu:.2f} x by processor time")


def loading(place: Path, count: int) -> None:
    """The whole way into the bundled twin, read back, and taken back."""
    plan = plan_of(buildings(place / "b.gpkg", count))
    with reference.running() as target:
        begun = time.monotonic()
        done = commands.run(plan, target=target).summary
        loaded = time.monotonic() - begun
        with session.opened(plan) as open_, open_.view() as view:
            found = verify.verify(open_.plan, open_.journal, view)
        whole = time.monotonic() - begun
        taken = commands.rollback(plan)
    told(f"load                 {count:,} in {loaded:5.2f} s  {count / loaded:9,.0f}/s  {done.states}")
    told(f"load and verify      {count:,} in {whole:5.2f} s  {count / whole:9,.0f}/s  whole {found.whole}")
    told(f"rollback             {taken.deleted:,} in {taken.seconds:5.2f} s  "
         f"50,000 would take {taken.forecast_s or 0:.0f} s of 900")  # fmt: skip


def ogr2ogr(source: Path, out: Path) -> tuple[float, float, int]:
    """Seconds, processor seconds and megabytes of ogr2ogr."""
    program = shutil.which("ogr2ogr")
    if program is None:
        sys.exit("ogr2ogr is not installed (gdal-bin)")
    out.unlink(missing_ok=True)
    command = [program, "-f", "GeoJSONSeq", "-t_srs", "EPSG:4326", "-makevalid", str(out), str(source)]
    return measured(subprocess.Popen(command, stderr=subprocess.DEVNULL))


def child(plan: Path, layer: str) -> tuple[float, float, int]:
    """Seconds, processor seconds and megabytes of the reader child; its frames are received and dropped."""
    job = Job(
        plan=str(plan), source="gis", layer=layer, start=0, size=8192, careful=False, stop=None,
        migration="00000000-0000-0000-0000-000000000000", started=datetime.now(UTC).isoformat(), frame=2000,
    )  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-m", "dtc_cli.migrate.child"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the child has no pipes")
    process.stdin.write(msgspec.msgpack.encode(job))
    process.stdin.close()
    out = process.stdout

    def drain() -> None:
        while (frame := frames.read(out)) is not None:
            if frame.kind == frames.FAILED:
                sys.exit(str(frame.head))

    return measured(process, drain)


def measured(process: "subprocess.Popen[bytes]", work: Any = None) -> tuple[float, float, int]:
    """Wait for a process: seconds, processor seconds of it and its helpers, peak megabytes of them all.

    Pages that processes share are counted once (the proportional set size of Linux, 20 times a second).
    """
    begun, peak, over = time.monotonic(), [0], threading.Event()
    watcher = threading.Thread(target=_watch, args=(process.pid, peak, over))
    watcher.start()
    if work is not None:
        work()
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.monotonic() - begun
    over.set()
    watcher.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.stdout is not None:
        process.stdout.close()
    if process.returncode:
        sys.exit(f"a measured process ended with {process.returncode}")
    return seconds, used.ru_utime + used.ru_stime, max(peak[0], used.ru_maxrss if not peak[0] else 0) // 1024


def _watch(pid: int, peak: list[int], over: threading.Event) -> None:
    """Keep the largest sum of memory, in KiB, of a process and its children."""
    while not over.wait(0.05):
        total = 0
        for one in (pid, *_children(pid)):
            try:
                text = Path(f"/proc/{one}/smaps_rollup").read_text(encoding="ascii")
            except OSError:
                continue
            total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
        peak[0] = max(peak[0], total)


def _children(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except OSError:
        return []
    return [int(one) for one in text.split()]


def buildings(path: Path, count: int) -> Path:
    """The source."""
    generator = np.random.default_rng(7)
    corner = np.column_stack(
        [180_000 + 20.0 * (np.arange(count) % 1000), 540_000 + 20.0 * (np.arange(count) // 1000)]
    )
    points = corner[:, None, :] + RINGS[None, :, :] + generator.uniform(-0.5, 0.5, (count, 1, 2))
    bow = generator.random(count) < 0.02
    points[bow, 1], points[bow, 2] = points[bow, 2].copy(), points[bow, 1].copy()
    shapes = shapely.to_wkb(shapely.polygons(points))
    shapes[generator.random(count) < 0.002] = None
    numbers = np.arange(count)
    fields: dict[str, Any] = {
        "UFID": np.array([f"B{n:09d}" for n in numbers], dtype=object),
        "BLD_NM": np.array([f"건물 {n}" for n in numbers], dtype=object),
        "RN_ADR": np.array([f"서울특별시 중구 세종대로 {n % 300}" for n in numbers], dtype=object),
        "USE_CD": np.array([("01000", "02000", "03000")[n % 3] for n in numbers], dtype=object),
        "HEIGHT": 3.0 + numbers % 40,
        "GRO_FLO": (1 + numbers % 12).astype(np.int64),
        "USE_APR": np.array([f"{1960 + n % 60}0501" for n in numbers], dtype=object),
        "AREA": 100.0 + numbers % 7 / 3,
    }
    pyogrio.raw.write(
        str(path), shapes, list(fields.values()), np.array(list(fields)), layer=path.stem,
        geometry_type="Polygon", crs="EPSG:5186",
    )  # fmt: skip
    return path


def plan_of(source: Path) -> Path:
    """A plan that maps all eight fields."""
    rules = {
        "name": "BLD_NM",
        "address": "RN_ADR",
        "buildingType": {"from": "USE_CD", "table": "use"},
        "height": {"from": "HEIGHT", "as": "number"},
        "floors.above": {"from": "GRO_FLO", "as": "integer"},
        "constructionYear": {"from": "USE_APR", "as": "year", "pattern": "%Y%m%d"},
        "area": {"from": "AREA", "as": "number"},
    }
    layer = {"name": source.stem, "type": "Building", "id": {"key": "UFID"}, "properties": rules}
    plan = {
        "migration": 1,
        "name": "benchmark",
        "city": {"id": "KR-BENCH-2025"},
        "sources": [{"name": "gis", "path": source.name, "layers": [layer]}],
        "tables": {"use": {"01000": "residential", "02000": "commercial", "03000": "industrial"}},
    }
    path = source.with_suffix(".yaml")
    path.write_text(yaml.safe_dump(plan), encoding="utf-8")
    return path


def told(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
