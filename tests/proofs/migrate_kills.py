"""`kill -9` twenty times at random moments of a migration into the bundled twin, and the way back.

usage: scripts/prove migrate-kills [SEED]

After the last resume every record is in one state, every object stands in the twin once, and all contents
agree. A rollback leaves the twin as it was before, also when it comes straight after a kill, without resume.
"""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np

from dtc_cli import console
from dtc_cli.core.target import load
from dtc_cli.harness.reference import running
from dtc_cli.migrate import commands, session, verify
from dtc_cli.migrate.twin import Twin
from dtc_cli.migrate.wire import Wire
from tests.integration.migrate import made

KILLS, COUNT, OLDER, DEAD_ENDS = 20, 20_000, 300, 3
CITY = {"id": "KR-KILLS-2025", "bounds": [126.0, 36.0, 129.0, 39.0]}
BY_KEY = {"id": {"key": "UFID", "scheme": "arcgis"}}
CHANGES = ("lastUpdated", "revision", "updated")


def main() -> int:
    """Kill, resume, verify, take back; 0 when nothing was lost, doubled or left."""
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else int(time.time())
    console.out(f"seed {seed}")
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="dtc-kills-") as folder, running() as target:
        older = made.plan(
            made.buildings(Path(folder) / "b.gpkg", OLDER, HEIGHT=np.full(OLDER, 2.0)),
            layer=BY_KEY,
            city=CITY,
        )
        commands.run(older, target=target)
        before = snapshot(target)
        problems = killed(Path(folder) / "many", target, chance)
        for number in range(DEAD_ENDS):
            problems += dead_end(Path(folder) / f"end{number}", target, chance, before)
        if snapshot(target) != before:
            problems.append("the twin is not as it was before the migration")
    for problem in problems:
        console.out(problem)
    console.out(
        f"{KILLS} kills, {DEAD_ENDS} rollbacks straight after a kill: "
        + ("NOT PROVEN" if problems else "proven")
    )
    return 1 if problems else 0


def killed(folder: Path, target: Path, chance: random.Random) -> list[str]:
    """Twenty kills and resumes; then everything is there once, and goes again."""
    plan, kills, problems = _plan(folder), 0, []
    while kills < KILLS:
        if _run_and_kill(plan, target, chance, COUNT // 15):
            kills += 1
            console.status(f"kill {kills}: {_progress(plan)} of {COUNT} records in the journal")
            continue
        problems += _whole(plan)  # it got through: back to the start
        commands.rollback(plan)
        plan = _plan(folder.with_name(f"{folder.name}-{kills}"))
    commands.resume(plan)
    problems += _whole(plan)
    commands.rollback(plan)
    return problems


def dead_end(folder: Path, target: Path, chance: random.Random, before: Any) -> list[str]:
    """A kill, and the way back at once."""
    plan = _plan(folder)
    _run_and_kill(plan, target, chance, COUNT // 3)
    taken = commands.rollback(plan)
    console.status(f"rollback after a kill: {taken.deleted} deleted, {taken.restored} restored")
    problems = [] if taken.whole else [f"not taken back: {taken.edited[:3]} {taken.failed}"]
    return problems if snapshot(target) == before else [*problems, "something is left after a rollback"]


def _plan(folder: Path) -> Path:
    folder.mkdir()
    return made.plan(made.buildings(folder / "b.gpkg", COUNT), layer=BY_KEY, city=CITY)


def _run_and_kill(plan: Path, target: Path, chance: random.Random, most: int) -> bool:
    """Run until some more records are in the journal, then kill; False where it came to its end."""
    command = [
        sys.executable,
        "-m",
        "dtc_cli",
        "migrate",
        "run",
        str(plan),
        "--target",
        str(target),
        "--json",
    ]
    wanted = _progress(plan) + chance.randint(1, most)
    delay = chance.uniform(0, 0.3)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and _progress(plan) < wanted:
            time.sleep(0.01)
        time.sleep(delay)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            return True
    return False


def _progress(plan: Path) -> int:
    file = session.journal_of(plan) / "journal.sqlite"
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=1)) as db:
        return int(db.execute("SELECT COUNT(*) FROM record").fetchone()[0])
    return 0


def _whole(plan: Path) -> list[str]:
    """What is wrong with a finished migration."""
    from dtc_cli.migrate.run import summarise

    with session.opened(plan) as open_, open_.view() as view:
        summary = summarise(open_.plan, open_.journal, phase="full")
        found = verify.verify(open_.plan, open_.journal, view)
    problems = []
    if not (summary.accounted and summary.complete) or sum(summary.states.values()) != COUNT:
        problems.append(f"not all records are accounted for: {summary.states} {summary.problems}")
    arrived = sum(summary.states.get(state, 0) for state in ("loaded", "repaired", "unchanged"))
    if not found.whole or found.found != arrived:
        problems.append(
            f"{found.found} of {arrived} objects; missing {found.missing_count}, {found.differs[:2]}"
        )
    return problems


def snapshot(target: Path) -> dict[str, Any]:
    """All objects of the city, without what changes with every write."""
    wire = Wire(load(target))
    try:
        found = {}
        for item in Twin(wire, str(CITY["id"]), migration="").walk():
            for name in CHANGES:
                item.pop(name, None)
                item.get("metadata", {}).pop(name, None)
            found[str(item["id"])] = item
        return found
    finally:
        wire.close()


if __name__ == "__main__":
    sys.exit(main())
