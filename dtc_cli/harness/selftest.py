"""The suites judged: the bundled twin is spoilt, one fault at a time, and the right requirement must fail.

A fault counts as killed when its requirement fails. Anything else that fails is listed beside it: a
requirement that depends on the spoilt one may, and a person looks at the rest.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from queue import Empty, Queue
from threading import Thread

import msgspec

from dtc_cli.core import report as reporting
from dtc_cli.core.catalogue import load as catalogue
from dtc_cli.core.model import Level, Outcome, Strength
from dtc_cli.core.runfolder import EVENTS
from dtc_cli.core.target import load as load_target
from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode
from dtc_cli.harness.forked import PARTS, Judge
from dtc_cli.harness.reference import running
from dtc_cli.harness.runner import Run, level_of

NEEDED = {"DTC-P2-060": ("--quality-threshold", "0.8")}
"""Options without which the twin does not claim what a fault spoils."""
MUTUAL = frozenset({"DTC-P3-082"})
"""Requirements that hold for a twin which asks its clients for certificates."""
LOADED = "DTC-PERF-"
LOAD_ATTEMPTS = 3
LOAD_SCALE = 0.01
"""Of the load suites: a fault shows in a small load too, and the clean twin stays undecided there."""
CLEAN = "none"
"""The name of the unspoilt twin in the matrix."""


class Fault(msgspec.Struct, frozen=True):
    """One fault of the bundled twin."""

    id: str
    requirement: str
    why: str


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """What the suites said of the twin with one fault."""

    fault: str
    requirement: str
    """The requirement that the fault breaks; empty for the clean twin."""
    why: str
    outcome: Outcome | None
    """Of that requirement; None for the clean twin."""
    also: tuple[str, ...]
    """Other MUSTs that failed."""
    undecided: tuple[str, ...]
    """MUSTs that ended as error, blocked or not tested."""
    crashes: int = 0
    """Answers with status 500: a fault that breaks the twin by accident shows nothing about the suites."""

    @property
    def killed(self) -> bool:
        """Whether the fault was seen and blamed on its requirement; for the clean twin: no alarm."""
        return self.outcome is Outcome.FAILED if self.requirement else not self.also

    @property
    def exact(self) -> bool:
        """Whether nothing else was blamed."""
        return self.killed and not self.also


def faults() -> tuple[Fault, ...]:
    """All faults of the bundled twin that break a MUST.

    Raises:
        DtcError: `reference-twin` when it cannot list them.
    """
    done = subprocess.run(
        [sys.executable, "-m", "reference_server", "faults"], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise DtcError(
            "reference-twin",
            "the bundled twin cannot list its faults",
            where="python -m reference_server faults",
            why=done.stderr.strip()[-300:],
            exit_code=ExitCode.BUG,
        )
    listed = msgspec.json.decode(done.stdout, type=tuple[Fault, ...])
    requirements = catalogue().requirements
    return tuple(one for one in listed if requirements[one.requirement].strength is Strength.MUST)


def attempt(
    fault: Fault | None,
    *,
    full: bool,
    seed: int,
    clean_level: Level = Level.SILVER,
    judge: Judge | None = None,
) -> Attempt:
    """Judge the twin with this fault, or without any.

    Args:
        fault: the fault; None for the clean twin.
        full: judge the whole level of the fault instead of its requirement only.
        seed: seed of the run.
        clean_level: the level at which the clean twin is judged.
        judge: a process that has suites without watches ready; used where the level needs no others.
    """
    extra = ("--fault", fault.id, *NEEDED.get(fault.requirement, ())) if fault else ()
    requirements = catalogue().requirements
    level = requirements[fault.requirement].level if fault else clean_level
    select = fault.requirement if fault and not full else None
    mutual = fault is not None and fault.requirement in MUTUAL
    with (
        running(extra, level, mutual=mutual) as file,
        tempfile.TemporaryDirectory(prefix="dtc-selftest-") as out,
    ):
        target = load_target(file)
        run = Run(
            target, level_of(select, level) if select else level, out=Path(out), seed=seed, select=select,
            load_scale=LOAD_SCALE,
        )  # fmt: skip
        attacked = own_part(fault) == "security" and not full
        if judge is not None and (attacked or run.plan.level.rank <= Level.SILVER.rank):
            judge.judge(run)
        else:
            for _ in run.judge():
                continue
        rows = {row.id: row for row in reporting.build(run.folder).requirements}
        crashes = (run.folder / EVENTS).read_bytes().count(b'"status":500,')
    musts = [row for row in rows.values() if row.strength is Strength.MUST and row.binds == "target"]
    own = fault.requirement if fault else ""
    undecided = {Outcome.ERROR, Outcome.BLOCKED, Outcome.NOT_TESTED}
    return Attempt(
        fault=fault.id if fault else CLEAN,
        requirement=own,
        why=fault.why if fault else f"the twin as it is, at {clean_level}",
        outcome=rows[own].outcome if own in rows else None,
        also=tuple(row.id for row in musts if row.outcome is Outcome.FAILED and row.id != own),
        undecided=tuple(row.id for row in musts if row.outcome in undecided and row.id != own),
        crashes=crashes,
    )


def own_part(fault: Fault | None) -> str:
    """The folder of suites that holds a fault's own vectors, for parts of Platinum; empty for the phases."""
    names = {"DTC-SEC-": "security", LOADED: "performance"}
    return next((part for word, part in names.items() if fault and fault.requirement.startswith(word)), "")


def attempts(
    chosen: Sequence[Fault | None],
    *,
    full: bool,
    seed: int,
    clean_level: Level = Level.SILVER,
    record: Path | None = None,
) -> Iterator[Attempt]:
    """Judge all of them, as many at a time as there are cores; in the order in which they end.

    Runs of the clean twin have a seed each, counted up from `seed`.

    Args:
        chosen: the faults; None for the clean twin.
        full: judge the whole level.
        seed: seed of the runs.
        clean_level: the level at which the clean twin is judged.
        record: a file with a JSON line for each attempt. What it holds is taken as it is, what is judged
            is added, so that a self-test of hours can be taken up again.
    """
    known = _recorded(record) if record else {}
    clean = 0
    waiting: Queue[tuple[str, Fault | None, int]] = Queue()
    for fault in chosen:
        name = fault.id if fault else f"{CLEAN}-{clean_level}-{seed + clean}"
        if name in known:
            yield known[name]
        else:
            waiting.put((name, fault, seed if fault else seed + clean))
        clean += fault is None
    loaded: Queue[tuple[str, Fault | None, int]] = Queue()
    others: Queue[tuple[str, Fault | None, int]] = Queue()
    while not waiting.empty():
        one = waiting.get_nowait()
        (loaded if one[1] is not None and one[1].requirement.startswith(LOADED) else others).put(one)
    cores = max(1, os.cpu_count() or 1)
    # What shows under load only is judged alone, after the others: a generator needs a core of its own.
    for part, workers in ((others, cores), (loaded, 1)):
        for name, made in _judged(part, workers, full=full, clean_level=clean_level):
            if record is not None:
                with record.open("ab") as lines:
                    lines.write(msgspec.json.encode({"name": name, "attempt": made}) + b"\n")
            yield made


def _judged(
    waiting: "Queue[tuple[str, Fault | None, int]]", count: int, *, full: bool, clean_level: Level
) -> Iterator[tuple[str, Attempt]]:
    """Judge what waits, by so many workers."""
    found: Queue[tuple[str, Attempt] | BaseException | None] = Queue()
    workers = [
        Thread(target=_work, args=(waiting, found, full, clean_level), daemon=True) for _ in range(count)
    ]
    for worker in workers:
        worker.start()
    try:
        for _ in workers:
            while (one := found.get()) is not None:
                if isinstance(one, BaseException):
                    raise one
                yield one
    finally:
        with contextlib.suppress(Empty):
            while True:
                waiting.get_nowait()
        for worker in workers:
            worker.join()


def _work(
    waiting: "Queue[tuple[str, Fault | None, int]]",
    found: "Queue[tuple[str, Attempt] | BaseException | None]",
    full: bool,
    clean_level: Level,
) -> None:
    """Judge what waits, with one judge; None is the end."""
    try:
        if not waiting.empty():
            with Judge((*PARTS, "security")) as judge:
                while True:
                    name, fault, seed = waiting.get_nowait()
                    made = attempt(fault, full=full, seed=seed, clean_level=clean_level, judge=judge)
                    for _ in range(LOAD_ATTEMPTS - 1):
                        # In such an attempt the generator was the limit, and nothing was decided.
                        if not name.startswith(LOADED) or made.outcome is not Outcome.NOT_TESTED:
                            break
                        made = attempt(fault, full=full, seed=seed, clean_level=clean_level, judge=judge)
                    found.put((name, made))
    except Empty:
        pass
    except BaseException as problem:
        found.put(problem)
    found.put(None)


class _Line(msgspec.Struct, frozen=True):
    """One line of the record."""

    name: str
    attempt: Attempt


def _recorded(record: Path) -> dict[str, Attempt]:
    if not record.is_file():
        return {}
    lines = [
        msgspec.json.decode(line, type=_Line) for line in record.read_bytes().splitlines() if line.strip()
    ]
    return {line.name: line.attempt for line in lines}


def matrix(made: Sequence[Attempt], commit: str, *, full: bool, earlier: str = "") -> str:
    """The kill matrix as Markdown: a section per part of the standard, in it a line per fault.

    Args:
        made: what was judged.
        commit: what it was judged at.
        full: whether whole levels were judged.
        earlier: a kill matrix whose sections stay where nothing new was judged of their part.
    """
    sections = dict(_sections(earlier))
    for name in sorted({part_of(one) for one in made}):
        own = sorted(
            (one for one in made if part_of(one) == name), key=lambda one: (one.requirement, one.fault)
        )
        sections[name] = _clean_section(own, commit) if name == UNSPOILT else _section(own, commit, full=full)
    return HEAD + "".join(f"\n## {name}\n\n{sections[name]}" for name in sorted(sections))


HEAD = """# Kill matrix

Generated by `dtc selftest`: the bundled twin with one fault at a time, judged by the suites.
"""
UNSPOILT = "Without a fault"


def part_of(one: Attempt) -> str:
    """The heading under which an attempt stands: `Phase 3`, `SEC`, or that of the clean twin."""
    if not one.requirement:
        return UNSPOILT
    word = one.requirement.split("-")[1]
    return f"Phase {word[1:]}" if word[:1] == "P" and word[1:].isdigit() else word


def _sections(text: str) -> Iterator[tuple[str, str]]:
    for piece in text.split("\n## ")[1:]:
        name, _, body = piece.partition("\n\n")
        yield name, body.rstrip() + "\n"


def _section(made: Sequence[Attempt], commit: str, *, full: bool) -> str:
    lines = [
        f"Made at commit `{commit}`.",
        "",
        f"- {sum(one.killed for one in made)} of {len(made)} faults killed with the right requirement blamed",
        f"- {sum(one.exact for one in made)} of them with nothing else blamed in the whole level"
        if full
        else "- each judged by the vectors of its own requirement; `--full` shows what else is blamed",
        "",
        "| fault | requirement | seen as | also failed | what is spoilt |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {one.fault} | {one.requirement} | {one.outcome} | {', '.join(one.also)} | {_cell(one.why)} |"
        for one in made
    ]
    return "\n".join(lines) + "\n"


def _clean_section(made: Sequence[Attempt], commit: str) -> str:
    lines = [f"Made at commit `{commit}`.", ""]
    for why in sorted({one.why for one in made}):
        own = [one for one in made if one.why == why]
        lines.append(f"- {why}: {sum(not one.killed for one in own)} alarms in {len(own)} runs")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "/")


def as_json(made: Sequence[Attempt]) -> dict[str, object]:
    """The result for `--json`."""
    spoilt = [one for one in made if one.requirement]
    return {
        "faults": len(spoilt),
        "killed": sum(one.killed for one in spoilt),
        "exact": sum(one.exact for one in spoilt),
        "alarms": [one.also for one in made if not one.requirement and not one.killed],
        "attempts": json.loads(msgspec.json.encode(sorted(made, key=lambda one: one.fault))),
    }
