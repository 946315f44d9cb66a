"""Ten minutes of readings by MQTT with random cuts: published = stored, heard = published, flat memory.

usage: scripts/prove mqtt-soak [SECONDS [RATE]]   default 600 s, 5000 readings a second

Memory is judged after a warm-up, in which what is bounded fills: the logs of the topics (10,000 messages
each, full after some seconds), what waits for the subscriber, and the database's page cache (32 MiB of each
connection in use, full after some 400,000 readings). The driver says how much of a core it took itself.
"""

import random
import sqlite3
import statistics
import sys
import tempfile
import time
from pathlib import Path

from dtc_cli import console
from tests.integration.test_twin.conftest import CITY, Twin
from tests.support.soak import BASE_MS, Publisher, Watcher

FLAT = 1.15
"""Memory of the last quarter against that of the quarter after the warm-up."""
WARM_UP = 0.25
"""Of the whole time: 150 s of ten minutes."""
SHOWN = 10
TURN_S = 0.01
OFTEN = 0.01
"""How likely each connection is cut in a turn: some times a second in all."""
PARTS = 4
"""Publishers of each sensor."""
SPAN = 10**8
"""Readings that a publisher has instants for."""
TOPIC = f"city/{CITY}/sensors/environmental/{{}}/temperature"


def resident_mb(pid: int) -> float:
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("the process has no resident memory")


def stored(db: Path) -> int:
    """Rows in the database of the instants that were published."""
    connection = sqlite3.connect(db)
    tables = [
        name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE name LIKE 'reading_2%'")
    ]
    window = (BASE_MS * 1000, (BASE_MS + PARTS * SPAN) * 1000)
    query = "SELECT count(*) FROM {} WHERE at >= ? AND at < ?"
    total = sum(connection.execute(query.format(name), window).fetchone()[0] for name in tables)
    connection.close()
    return int(total)


def main() -> int:
    """Publish, cut, compare."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 600.0
    rate = float(sys.argv[2]) if len(sys.argv) > 2 else 5000.0
    randomness = random.Random(11)
    with tempfile.TemporaryDirectory(prefix="dtc-soak-") as folder:
        twin = Twin(Path(folder), "--db", f"{folder}/twin.db")
        url, key = twin.announced["mqtt"], twin.key("load")
        before = stored(Path(folder) / "twin.db")
        sensors = [one["id"] for one in twin.get("/sensors?type=EnvironmentalSensor&limit=2")["sensors"]]
        publishers = [
            Publisher(url, key, TOPIC.format(one), one, f"p{one}-{part}", randomness, part * SPAN, OFTEN)
            for one in sensors
            for part in range(PARTS)
        ]
        watcher = Watcher(url, key, f"city/{CITY}/sensors/environmental/{sensors[0]}/#", randomness, OFTEN)
        memory: list[tuple[float, float]] = []
        begun, spent = time.monotonic(), time.process_time()
        while (passed := time.monotonic() - begun) < seconds:
            due = int(passed * rate / len(publishers))
            for i, one in enumerate(publishers):
                one.step(max(0, min(200, due - one.next + one.first)), 1 + i % 2)
            watcher.step()
            if not memory or passed - memory[-1][0] > 2:
                memory.append((passed, resident_mb(twin.announced["pid"])))
            behind = all(one.next - one.first < due for one in publishers)
            if not behind:
                time.sleep(TURN_S)
        for one in publishers:
            one.finish()
        published = sum(one.next - one.first for one in publishers)
        acknowledged = sum(len(one.acknowledged) for one in publishers)
        said = sum(one.next - one.first for one in publishers[:PARTS])
        while len(watcher.heard) < said and watcher.step():
            continue
        watcher.close()
        rows = stored(Path(folder) / "twin.db") - before
        twin.stop()
    cuts = sum(one.cuts for one in publishers) + watcher.cuts
    quarter, warm = max(1, len(memory) // 4), round(len(memory) * WARM_UP)
    early = statistics.median(mb for _, mb in memory[warm : warm + quarter] or memory)
    late = statistics.median(mb for _, mb in memory[-quarter:])
    used = time.process_time() - spent
    console.out(f"published {published} in {passed:.0f} s ({published / passed:.0f}/s), {cuts} cuts")
    console.out(f"acknowledged {acknowledged}, stored {rows}")
    console.out(f"a subscriber heard {len(watcher.heard)} of {said}")
    console.out(f"the driver took {used / passed:.2f} of a core")
    shown = memory[:: max(1, len(memory) // SHOWN)]
    console.out("memory: " + ", ".join(f"{mb:.0f} MB at {at:.0f} s" for at, mb in shown))
    console.out(
        f"after {WARM_UP * seconds:.0f} s of warm-up {early:.0f} MB, in the last quarter {late:.0f} MB"
    )
    good = published == acknowledged == rows and len(watcher.heard) == said
    return 0 if good and late <= FLAT * early else 1


if __name__ == "__main__":
    sys.exit(main())
