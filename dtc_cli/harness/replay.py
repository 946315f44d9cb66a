"""Judging a recorded run again: offline by its evidence, or one of its vectors against a live target."""

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from dtc_cli.core import runfolder
from dtc_cli.core.canonical import sha256_hex
from dtc_cli.core.chain import SpanDigest, genesis, link
from dtc_cli.core.levels import UNDECIDED
from dtc_cli.core.model import MatrixLine, Outcome
from dtc_cli.core.runfolder import EVENTS, MATRIX, REQUIREMENTS, RUN, VECTORS, RunFolder
from dtc_cli.errors import DtcError, as_word
from dtc_cli.exit_codes import ExitCode
from dtc_cli.harness import identity
from dtc_cli.harness.replayed import CHANGED, PART, judged
from dtc_cli.harness.runner import LOG, child_command, child_environment
from dtc_cli.paths import SUITES

PASSING = (Outcome.PASSED, Outcome.NOT_APPLICABLE)
_VOLATILE = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    r"|\d{4}-\d\d-\d\d[Tt]\d\d(:|%3A)\d\d(:|%3A)\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)?"
    r"|dtc-[0-9a-f]{12}-[0-9a-f]+|\d+\.\d{3,}|\d{5,}|[0-9a-f]{12,}"
)
"""What differs between two runs of one vector: ids, instants, positions, long numbers."""


class Difference(msgspec.Struct, frozen=True):
    """A vector that does not come out as in the run."""

    vector: str
    recorded: str
    replayed: str
    """The outcome now, or `CHANGED` where the suite asks what the run did not ask."""
    why: str


class Replay(msgspec.Struct, frozen=True):
    """What a replay found."""

    run: str
    judged: int
    differences: tuple[Difference, ...]
    complete: bool
    """Whether the run reached its end and judged all its vectors."""
    same_suites: bool
    """Whether the suites are those that judged the run."""

    @property
    def changed(self) -> int:
        """Vectors about which nothing can be said: they ask otherwise than in the run."""
        return sum(difference.replayed == "CHANGED" for difference in self.differences)

    @property
    def exit_code(self) -> ExitCode:
        """1 for another verdict, 6 where some vector could not be judged again, else 0."""
        if self.changed < len(self.differences):
            return ExitCode.NOT_CONFORMANT
        return ExitCode.OK if self.complete and not self.differences else ExitCode.INCOMPLETE


def replay(folder: Path, watch: Callable[[Iterator[dict[str, Any]], int], None]) -> Replay:
    """Judge a recorded run again by its evidence alone; no socket is opened.

    Args:
        folder: the run folder.
        watch: shows the progress events of that many vectors, to their end.

    Raises:
        DtcError: `not-a-run`, `evidence-changed` (exit 3), `evidence-missing` (exit 6), `suite-crashed`.
    """
    recorded = runfolder.read(folder)
    check(recorded)
    lines = judged(recorded)
    with tempfile.TemporaryDirectory(prefix="dtc-replay-") as name:
        again = Path(name)
        for file in (RUN, VECTORS, REQUIREMENTS):
            shutil.copyfile(folder / file, again / file)
        changed: dict[str, str] = {}
        for part in parts(recorded):
            (again / PART).write_text(json.dumps(part), encoding="utf-8")
            watch(_judge(folder, again), len(part))
            changed |= json.loads((again / CHANGED).read_bytes())
        replayed = {line.vector: line for line in runfolder.read(again).lines}
    return Replay(
        run=recorded.run["runId"],
        judged=len(lines),
        differences=tuple(_differences(lines, replayed, changed)),
        complete=recorded.run["status"] == "complete" and len(lines) == len(recorded.vectors),
        same_suites=recorded.run["suite"]["digest"] == identity.suite_digest(),
    )


def parts(recorded: RunFolder) -> list[list[str]]:
    """The judged vectors of each sitting of the run, in their order; several when it was taken up again.

    What a fixture made for several vectors was made anew in each sitting.
    """
    starts = [event["seq"] for event in recorded.events() if event["kind"] == "note" and "resumed" in event]
    found: list[list[str]] = [[]]
    for line in judged(recorded):
        first, last = line.events
        if last >= first and len(found) <= len(starts) and first > starts[len(found) - 1]:
            found.append([])
        found[-1].append(line.vector)
    return found


def check(recorded: RunFolder) -> None:
    """Make sure that the evidence is what the run wrote, and all of it.

    Raises:
        DtcError: `evidence-changed` when the chain, a body or a line of the matrix does not hold (exit 3);
            `evidence-missing` when a body or the description of the target is not there (exit 6).
    """
    run, spans, noted = recorded.run, dict[str, SpanDigest](), False
    ranges = {line.vector: line.events for line in recorded.lines}
    head = genesis(run["nonce"], run["runId"], run["standard"]["catalogueDigest"], run["profile"]["digest"])
    count = 0
    for line in runfolder.whole_lines(recorded.path / EVENTS):
        event = json.loads(line)
        if event["prev"] != head or event["seq"] != count:
            raise _changed(recorded, f"line {count + 1} of {EVENTS} does not continue the one before")
        head, count = link(line), count + 1
        noted = noted or (event["kind"] == "note" and "target" in event)
        if event["vector"] is not None:
            first, last = ranges.get(event["vector"], (0, -1))
            if first <= event["seq"] <= last:
                spans.setdefault(event["vector"], SpanDigest()).add(event)
            for digest in filter(None, (event.get("reqDigest"), event.get("respDigest"))):
                _check_body(recorded, digest)
    if run.get("events") and (run["events"]["count"], run["events"]["head"]) != (count, head):
        raise _changed(recorded, f"{EVENTS} does not end where {RUN} says")
    for row in recorded.lines:
        span = spans.get(row.vector, SpanDigest())
        if (row.request_digest, row.response_digest) != (span.requests, span.answers):
            raise _changed(recorded, f"the line of {row.vector} in {MATRIX} was judged by other exchanges")
    if not noted and recorded.lines:
        raise _missing(recorded, "the run does not describe its target: an older dtc made it")


def compared(before: MatrixLine, now: MatrixLine) -> tuple[str, ExitCode]:
    """What became of a vector since the run, in two words, and the exit code for it."""
    if now.outcome in PASSING:
        return ("STILL PASSING" if before.outcome in PASSING else "FIXED"), ExitCode.OK
    if now.outcome is Outcome.WARNED:
        # A SHOULD that is not followed, or a form that is tolerated: it holds no level back.
        return ("STILL WARNED" if _essence(before) == _essence(now) else "CHANGED"), ExitCode.OK
    code = ExitCode.INCOMPLETE if now.outcome in UNDECIDED else ExitCode.NOT_CONFORMANT
    if before.outcome in (*PASSING, Outcome.WARNED):
        return ("NOW UNDECIDED" if now.outcome in UNDECIDED else "NOW FAILING"), code
    if _essence(before) != _essence(now):
        return "CHANGED", code
    return ("STILL UNDECIDED" if now.outcome in UNDECIDED else "STILL FAILING"), code


def reason(line: MatrixLine) -> str:
    """Why the line has its outcome, in one line of text."""
    if line.finding is None:
        return line.justification or ""
    return " ".join(f"{line.finding.message} {line.finding.actual}".split())


def line_of(recorded: RunFolder, vector: str) -> MatrixLine:
    """The line of a vector.

    Raises:
        DtcError: `not-in-the-run`.
    """
    for line in recorded.lines:
        if line.vector == vector:
            return line
    raise DtcError(
        "not-in-the-run",
        f"the run judged no vector {vector}",
        where=str(recorded.path),
        hint=f"dtc report {as_word(recorded.path)} --to csv   lists its vectors",
    )


def _judge(folder: Path, again: Path) -> Iterator[dict[str, Any]]:
    with (again / LOG).open("w+", encoding="utf-8") as log:
        child = subprocess.Popen(  # noqa: S603 - our own interpreter and suites
            child_command(again, "--dtc-replay", str(folder.resolve())),
            stdout=subprocess.PIPE,
            stderr=log,
            stdin=subprocess.DEVNULL,
            text=True,
            cwd=SUITES.parent,
            env=child_environment(),
        )
        with child:
            assert child.stdout is not None  # noqa: S101 - PIPE was asked for
            for line in child.stdout:
                if line.startswith("{"):
                    yield json.loads(line)
        # 5: no vector of the run is in the suites any more.
        if child.returncode not in (0, 1, 5):
            log.seek(0)
            raise DtcError(
                "suite-crashed",
                "the child process that runs the suites ended without a result",
                where=str(folder),
                why=" | ".join(log.read().strip().splitlines()[-3:]) or "it wrote nothing",
                hint="this is a defect of dtc: report it",
                exit_code=ExitCode.BUG,
            )


def _differences(
    lines: list[MatrixLine], replayed: dict[str, MatrixLine], changed: dict[str, str]
) -> Iterator[Difference]:
    for line in lines:
        now = replayed.get(line.vector)
        if line.vector in changed or now is None:
            why = changed.get(line.vector, "the suites have no such vector any more")
            yield Difference(line.vector, line.outcome.value, "CHANGED", why)
        elif now.outcome is not line.outcome:
            yield Difference(line.vector, line.outcome.value, now.outcome.value, reason(now))


def _essence(line: MatrixLine) -> tuple[Outcome, str | None, str]:
    return line.outcome, line.blocked_by, _VOLATILE.sub("#", reason(line))


def _check_body(recorded: RunFolder, digest: str) -> None:
    body = recorded.body(digest)
    if body is None:
        raise _missing(recorded, f"the body {digest[:16]} is not there")
    if sha256_hex(body) != digest:
        raise _changed(recorded, f"the body {digest[:16]} is not what was recorded")


def _changed(recorded: RunFolder, why: str) -> DtcError:
    return DtcError(
        "evidence-changed",
        "the evidence of the run was changed",
        where=str(recorded.path),
        why=why,
        hint="use the original folder",
        exit_code=ExitCode.INTEGRITY,
    )


def _missing(recorded: RunFolder, why: str) -> DtcError:
    return DtcError(
        "evidence-missing",
        "the run cannot be judged again",
        where=str(recorded.path),
        why=why,
        hint="use the whole run folder, of a run made with this version of dtc",
        exit_code=ExitCode.INCOMPLETE,
    )
