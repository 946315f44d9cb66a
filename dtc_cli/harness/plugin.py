"""The pytest plugin: collects vectors, runs them against the twin, writes one matrix line for each.

Options: `--dtc-run DIR` judges into a prepared run folder (that is what `dtc certify` does), `--target FILE`
prepares one by itself (for work by hand), `--dtc-vectors FILE` only writes the list of vectors.
"""

import json
import re
import signal
import sys
import time
from collections.abc import Callable, Generator, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dtc_cli.clients.answer import TargetMisbehaves, TargetUnreachable
from dtc_cli.clients.validator import ValidatorFailed
from dtc_cli.core import baseline_file
from dtc_cli.core.baseline import known
from dtc_cli.core.canonical import canonical_json
from dtc_cli.core.model import Finding, MatrixLine, Outcome, Requirement, Strength, Vector
from dtc_cli.core.runfolder import END, MATRIX, read
from dtc_cli.core.target import load as load_target
from dtc_cli.harness.clock import rfc3339
from dtc_cli.harness.outcomes import Blocked, VectorOutcome, Violation
from dtc_cli.harness.twin import Twin

INTERRUPTED = "the run was interrupted"
VECTOR = pytest.StashKey[Vector]()
SESSION = pytest.StashKey["RunSession"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the three ways to use the suites."""
    group = parser.getgroup("dtc", "certification of a city twin")
    group.addoption("--dtc-run", type=Path, help="run folder prepared by dtc certify")
    group.addoption("--target", type=Path, help="target file, to run suites by hand")
    group.addoption("--dtc-replay", type=Path, help="run folder to judge again, without its target")
    group.addoption("--dtc-vectors", type=Path, help="write the list of vectors to this file and stop")
    group.addoption(
        "--dtc-fail-fast", action="store_true", help="stop after the first vector of a MUST that fails"
    )
    group.addoption("--dtc-baseline", type=Path, help="known failures, which --dtc-fail-fast runs past")
    group.addoption("--dtc-progress", action="store_true", help="print progress as JSON lines on stdout")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker and open the run."""
    config.addinivalue_line("markers", "verifies(requirement, ...): this test is a vector of a requirement")
    config.addinivalue_line("markers", "background(watch): this vector judges what a watch sees meanwhile")
    config.addinivalue_line("markers", "late: run after all that is not late")
    folder: Path | None = config.getoption("--dtc-run")
    recorded: Path | None = config.getoption("--dtc-replay")
    if folder is not None and recorded is not None:
        from dtc_cli.harness.replayed import ReplaySession

        config.stash[SESSION] = ReplaySession(folder, recorded, progress=config.getoption("--dtc-progress"))
        return
    target: Path | None = config.getoption("--target")
    if target is None:
        return
    if folder is None:
        from dtc_cli.harness.runner import prepare_by_hand

        folder = prepare_by_hand(target)
    # dtc stops its child by this signal, which a job in the background of a shell begins by ignoring.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.stash[SESSION] = RunSession(folder, target, progress=config.getoption("--dtc-progress"))
    if config.getoption("--dtc-fail-fast"):
        config.stash[SESSION].fail_fast(config.getoption("--dtc-baseline"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give each test its vector; keep those of the plan, in the order in which they stand in the suites."""
    for item in items:
        item.stash[VECTOR] = vector_of(item)
    seen: set[str] = set()
    for item in items:
        vector = item.stash[VECTOR].id
        if vector in seen:
            raise pytest.UsageError(f"two tests have the vector id {vector}")
        seen.add(vector)
    listing: Path | None = config.getoption("--dtc-vectors")
    if listing is not None:
        vectors = sorted((item.stash[VECTOR] for item in items), key=lambda vector: vector.id)
        listing.write_bytes(msgspec.json.format(msgspec.json.encode(vectors), indent=1) + b"\n")
        items.clear()
        return
    session = config.stash.get(SESSION, None)
    if session is not None:
        planned = [item for item in items if item.stash[VECTOR].id in session.expected]
        config.hook.pytest_deselected(items=[item for item in items if item not in planned])
        # What is judged in the background while other vectors wait for the network comes after them.
        items[:] = sorted(planned, key=lambda item: item.get_closest_marker("late") is not None)
        session.tell("collected", total=len(items))
        session.watch(items)


def vector_of(item: pytest.Item) -> Vector:
    """The vector that a test is.

    Raises:
        pytest.UsageError: when the test has no `verifies` marker, or more than one.
    """
    marks = list(item.iter_markers("verifies"))
    if len(marks) != 1:
        raise pytest.UsageError(f"{item.nodeid} must carry exactly one verifies(...) marker")
    given = marks[0].kwargs
    name = item.name.removeprefix("test_").split("[")[0].replace("_", "-")
    case = item.callspec.id if isinstance(item, pytest.Function) and hasattr(item, "callspec") else ""
    # Where one function serves many requirements the parameter ids begin with them, to be unique by
    # themselves: pytest would number equal ones, and the number would change with their order.
    case = kebab(case.removeprefix(given["requirement"]))
    return Vector(
        id=f"{given['requirement']}/{name}" + (f".{case}" if case else ""),
        requirement=given["requirement"],
        polarity=given["polarity"],
        hazard=given["hazard"],
        title=given["title"] or name.replace("-", " ") + (f": {case.replace('-', ' ')}" if case else ""),
    )


def kebab(text: str) -> str:
    """The text in lower case with hyphens between its words; a minus sign stays a word."""
    return re.sub(r"[^a-z0-9.]+", "-", re.sub(r"(?<![a-z0-9])-(?=[0-9])", "minus-", text.lower())).strip("-")


@pytest.fixture(scope="session")
def twin(request: pytest.FixtureRequest) -> Twin:
    """The twin under test."""
    session = request.config.stash.get(SESSION, None)
    if session is None:
        pytest.exit("give a target: pytest suites/phase2 --target target.yaml", returncode=2)
    return session.twin


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Open the vector before its test and write its matrix line after it."""
    session = item.config.stash.get(SESSION, None)
    if session is None:
        return (yield)
    session.begin(item.stash[VECTOR])
    try:
        return (yield)
    finally:
        session.end(item.stash[VECTOR])
        if session.stopped_by:
            item.session.shouldfail = f"{session.stopped_by} failed"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Judge what a phase of the test raised; undecided outcomes show as skipped, with their reason."""
    report = yield
    session = item.config.stash.get(SESSION, None)
    if session is not None and call.excinfo is not None:
        outcome = session.judge(item.stash[VECTOR], call.excinfo.value)
        if outcome not in (Outcome.FAILED, Outcome.ERROR):
            report.outcome = "skipped"
            line = item.location[1] or 0
            report.longrepr = (str(item.path), line, f"{outcome}: {call.excinfo.value}")
    return report


def pytest_unconfigure(config: pytest.Config) -> None:
    """Clean up in the target and close the run."""
    session = config.stash.get(SESSION, None)
    if session is not None:
        session.close()


class RunSession:
    """The state of one judged run inside the pytest process."""

    def __init__(self, folder: Path, target: Path, *, progress: bool) -> None:
        prepared = read(folder)
        # What a run that is taken up again has judged already stands.
        self.expected = {vector.id for vector in prepared.vectors} - {line.vector for line in prepared.lines}
        self._folder = folder
        self.twin = self.open_twin(target, prepared.run)
        self._requirements: dict[str, Requirement] = {entry.id: entry for entry in prepared.requirements}
        self._seed: int = prepared.run["seed"]
        self._matrix = (folder / MATRIX).open("ab")
        self._progress = progress
        self._judged: tuple[Outcome, str | None, str | None, Finding | None] | None = None
        self._started = (datetime.now(UTC), 0.0)
        self._stops: Callable[[MatrixLine], bool] = lambda _: False
        self.stopped_by: str | None = None
        """The vector whose failure ended the run early, under --dtc-fail-fast."""

    def fail_fast(self, baseline: Path | None) -> None:
        """Stop after the first failed vector of a MUST that the baseline does not know."""
        entries = baseline_file.parse(baseline.read_text(encoding="utf-8"), str(baseline)) if baseline else ()
        today = datetime.now(UTC).date()
        self._stops = lambda line: line.outcome is Outcome.FAILED and not known(entries, line, today)

    def open_twin(self, source: Path, run: dict[str, Any]) -> Twin:
        """The twin that the target file describes."""
        twin = Twin(load_target(source), run, self._folder)
        twin.journal_all()
        twin.note_target()
        return twin

    def watch(self, items: Iterable[pytest.Item]) -> None:
        """Start what the vectors want to be watched from the beginning of the run."""
        for mark in (mark for item in items for mark in item.iter_markers("background")):
            if self.twin.may_watch(client=mark.kwargs["client"]):
                self.twin.background.start(mark.args[0])

    def begin(self, vector: Vector) -> None:
        """Events from now on belong to this vector."""
        self._judged = None
        self.twin.remark = None
        self._started = (datetime.now(UTC), time.monotonic())
        self.twin.recorder.begin(vector.id)
        self.tell("started", vector=vector.id)

    def judge(self, vector: Vector, raised: BaseException) -> Outcome:
        """Turn what a vector raised into its outcome; the first thing raised decides."""
        if self._judged is None:
            self._judged = classify(raised)
        return self._judged[0]

    def end(self, vector: Vector) -> None:
        """Append the matrix line of this vector."""
        outcome, justification, blocked_by, finding = self._judged or (
            Outcome.PASSED, self.twin.remark, None, None
        )  # fmt: skip
        redact = self.twin.recorder.redactor.text
        span = self.twin.recorder.end()
        requirement = self._requirements[vector.requirement]
        if outcome is Outcome.FAILED and requirement.strength is not Strength.MUST:
            outcome = Outcome.WARNED
        line = MatrixLine(
            vector=vector.id,
            requirement=vector.requirement,
            level=requirement.level,
            strength=requirement.strength,
            outcome=outcome,
            justification=redact(justification) if justification else None,
            blocked_by=blocked_by,
            started_at=rfc3339(self._started[0]),
            duration_ms=int((time.monotonic() - self._started[1]) * 1000),
            attempts=span.attempts,
            seed=self._seed,
            events=(span.first, span.last),
            request_digest=span.requests,
            response_digest=span.responses,
            finding=_redacted(finding, redact) if finding else None,
        )
        self._matrix.write(canonical_json(msgspec.to_builtins(line)) + b"\n")
        self._matrix.flush()
        self.tell("finished", vector=vector.id, outcome=outcome.value)
        if self._stops(line):
            self.stopped_by = vector.id

    def tell(self, event: str, **members: Any) -> None:
        """Print a progress line for the parent process; it also shows when the parent is gone."""
        if self._progress:
            try:
                sys.__stdout__.write(json.dumps({"event": event, **members}) + "\n")  # type: ignore[union-attr]
                sys.__stdout__.flush()  # type: ignore[union-attr]
            except BrokenPipeError:
                pytest.exit("dtc is gone, nobody reads the progress", returncode=3)

    def close(self) -> None:
        """Clean up in the target and leave the end of the event chain where the runner finds it."""
        left = self.twin.close()
        self._matrix.close()
        end = {
            "head": self.twin.recorder.head,
            "count": self.twin.recorder.count,
            "leftBehind": left,
            "tlsSpki": sorted(self.twin.rest.spki) if self.twin.has_rest else [],
            "stoppedBy": self.stopped_by,
        }
        (self._folder / END).write_text(json.dumps(end), encoding="utf-8")


def _redacted(finding: Finding, redact: Callable[[str], str]) -> Finding:
    return Finding(
        message=redact(finding.message),
        expected=redact(finding.expected),
        actual=redact(finding.actual),
        clause=finding.clause,
        hint=redact(finding.hint),
        event=finding.event,
    )


def classify(raised: BaseException) -> tuple[Outcome, str | None, str | None, Finding | None]:
    """Outcome, justification, blocking requirement and finding of what ended a vector."""
    if isinstance(raised, Violation):
        return raised.outcome, None, None, raised.finding
    if isinstance(raised, Blocked):
        return raised.outcome, raised.message, raised.by, None
    if isinstance(raised, VectorOutcome):
        return raised.outcome, raised.message, None, None
    if isinstance(raised, KeyboardInterrupt):
        return Outcome.NOT_TESTED, INTERRUPTED, None, None
    return _of_the_way(raised)


def _of_the_way(raised: BaseException) -> tuple[Outcome, None, None, Finding]:
    """The outcome of what went wrong between suite and target, or inside the suite."""
    if isinstance(raised, TargetMisbehaves):
        finding = Finding(message=str(raised), expected="an HTTP answer", event=raised.event)
        return Outcome.FAILED, None, None, finding
    if isinstance(raised, TargetUnreachable | ValidatorFailed):
        return Outcome.ERROR, None, None, Finding(message=str(raised))
    text = f"the suite itself failed: {type(raised).__name__}: {raised}"
    return Outcome.ERROR, None, None, Finding(message=text[:1000], hint="this is a defect of dtc: report it")
