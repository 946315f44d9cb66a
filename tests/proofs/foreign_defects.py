"""How the suites do on defects that are not among the faults of the bundled twin.

`scripts/prove foreign-defects` judges each with the vectors of its own requirement: is it seen?
`scripts/prove foreign-defects --full [NUMBER...]` judges all of phase 2: what else is blamed?
Numbers, `FROM-TO`, or a requirement's id choose some of them.
"""

import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import NamedTuple

from dtc_cli import console
from dtc_cli.harness.forked import Judge
from dtc_cli.harness.reference import running
from tests.support.defects import DEFECTS as FIRST
from tests.support.defects import Spoilt
from tests.support.defects_callers import CALLERS
from tests.support.defects_history import PAST
from tests.support.defects_lists import LISTS
from tests.support.defects_objects import OBJECTS
from tests.support.defects_reading import READING
from tests.support.defects_reading_callers import READING_CALLERS
from tests.support.defects_reading_lists import READING_LISTS
from tests.support.defects_reading_places import READING_PLACES
from tests.support.defects_reading_sensors import READING_SENSORS
from tests.support.defects_sensors import SENSORS
from tests.support.defects_simulations import SIMULATIONS
from tests.support.forked import judged
from tests.support.relay import relayed

HERE = (*FIRST, *LISTS, *OBJECTS, *SENSORS, *SIMULATIONS, *PAST, *CALLERS)
READ = (*READING, *READING_LISTS, *READING_SENSORS, *READING_PLACES, *READING_CALLERS)
DEFECTS = (*HERE, *READ)
SHARED = 8
"""Defects that one twin is used for."""
WORKERS = 1


class Attempt(NamedTuple):
    """What the suites said of one defect."""

    number: int
    own: str
    """The outcome of the requirement that it breaks."""
    why: str
    others: tuple[str, ...]
    """Other requirements that failed."""


def attempt(number: int, judge: Judge, twin: Path, *, full: bool) -> Attempt:
    """Judge the twin with one defect."""
    defect = DEFECTS[number]
    with tempfile.TemporaryDirectory(prefix="dtc-defect-") as name:
        folder = Path(name)
        with relayed(twin, Spoilt(defect), folder) as file:
            rows = judged(judge, file, folder / "runs", "phase:2" if full else defect.requirement)
    own, why = rows.get(defect.requirement, ("absent", ""))
    others = [key for key, row in rows.items() if row[0] == "failed" and key != defect.requirement]
    return Attempt(number, own, why, tuple(others))


def attempts(numbers: "Queue[int]", found: "Queue[Attempt | None]", *, full: bool) -> None:
    """Judge what is in the queue: one judge, and a new twin after each few, which defects may have soiled."""
    try:
        with Judge() as judge:
            while not numbers.empty():
                with running() as twin:
                    for _ in range(SHARED):
                        found.put(attempt(numbers.get_nowait(), judge, twin, full=full))
    except Empty:
        pass
    finally:
        found.put(None)


def chosen(arguments: Sequence[str]) -> Iterator[int]:
    """The numbers of the defects that are asked for; all without any."""
    wanted = [text for text in arguments if not text.startswith("--")]
    for number, defect in enumerate(DEFECTS):
        ranges = [text.partition("-") for text in wanted if text[0].isdigit()]
        inside = any(int(low) <= number <= int(high or low) for low, _, high in ranges)
        if not wanted or inside or defect.requirement in wanted:
            yield number


def main(arguments: Sequence[str]) -> int:
    """Try the chosen defects, two at a time."""
    full = "--full" in arguments
    numbers = list(chosen(arguments))
    killed = exact = 0
    begun = time.monotonic()
    waiting: Queue[int] = Queue()
    found: Queue[Attempt | None] = Queue()
    for number in numbers:
        waiting.put(number)
    workers = [Thread(target=attempts, args=(waiting, found), kwargs={"full": full}) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    ended = 0
    while ended < len(workers):
        one = found.get()
        if one is None:
            ended += 1
            continue
        killed += one.own == "failed"
        exact += one.own == "failed" and not one.others
        if one.own != "failed" or one.others:
            defect = DEFECTS[one.number]
            also = f"; also {', '.join(one.others)}" if one.others else ""
            shown = f"{one.number:3} {defect.requirement} {defect.what}: {one.own}{also}"
            console.out(f"{shown}  {'' if one.own == 'failed' else one.why[:200]}")
    console.out(f"{killed} of {len(numbers)} defects blamed on the right requirement")
    if full:
        console.out(f"{exact} of them with nothing else failed in phase 2")
    console.status(f"{time.monotonic() - begun:.0f} s")
    return 0 if killed == len(numbers) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
