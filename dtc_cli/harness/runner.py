"""A run from end to end: a folder with the plan, a child pytest that judges into it, and its closing."""

import base64
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from dtc_cli import __version__
from dtc_cli.core import plan as planning
from dtc_cli.core import runfolder, selection
from dtc_cli.core.catalogue import load as catalogue
from dtc_cli.core.model import LEVELS, Level, Outcome, Strength
from dtc_cli.core.plan import Plan
from dtc_cli.core.runfolder import END, MATRIX, REQUIREMENTS, RUN, VECTORS, RunFolder
from dtc_cli.core.target import Target
from dtc_cli.core.target import load as load_target
from dtc_cli.errors import DtcError, as_word
from dtc_cli.exit_codes import ExitCode
from dtc_cli.harness import identity
from dtc_cli.harness.clock import rfc3339
from dtc_cli.harness.doctor import Diagnosis
from dtc_cli.paths import SUITES

LOG = "log.txt"
STANDARD = {"id": "wia-digital-twin-city", "version": "1.0.0"}
# Performance is late, after what waits for the background: nothing else runs while figures are taken. The
# rules that bind the programme look at the whole run, so they come last.
PARTS = ("phase1", "phase2", "phase3", "security", "performance", "phase4")
PATIENCE_S = 30.0
"""How long an interrupted child may take to finish its vector and to clean up in the target."""


class Previous(NamedTuple):
    """The signed run that a recheck follows."""

    digest: str
    """SHA-256 (hex) of its SHA256SUMS."""
    sequence: int
    """Number of the new run in the chain."""


class Run:
    """One run: prepared on disk, then judged by a child process, then closed."""

    def __init__(
        self,
        target: Target,
        level: Level,
        *,
        out: Path,
        seed: int,
        diagnosis: Diagnosis | None = None,
        nonce: str | None = None,
        select: str | None = None,
        fail_fast: bool = False,
        baseline: Path | None = None,
        mode: str = "self-assessment",
        load_scale: float = 1.0,
        load_agreed: tuple[str, ...] = (),
        previous: Previous | None = None,
    ) -> None:
        entries = catalogue()
        self.target = target
        self._select = select
        self._mode = mode
        self._load = {
            **({"scale": load_scale} if load_scale < 1 else {}),
            **({"agreed": list(load_agreed)} if load_agreed else {}),
        }
        self._previous = previous
        self._nonce = nonce or base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")
        self._fail_fast = fail_fast
        self._baseline = baseline
        self.stopped_by: str | None = None
        """The vector whose failure ended the run early, where `fail_fast` asks for that."""
        rule = selection.parse(select, entries.requirements, failed_in) if select else None
        self.plan: Plan = planning.make(
            entries.requirements.values(), entries.vectors, level, target.excluded, rule
        )
        self._start = time.monotonic()
        now = datetime.now(UTC)
        self.id = identity.run_id()
        self.folder = out / f"{now:%Y%m%dT%H%M%SZ}-{self.id[-8:]}"
        self._document = self._describe(level, seed, now, diagnosis)
        self._child: subprocess.Popen[str] | None = None
        self._write_folder()

    @classmethod
    def taken_up(cls, target: Target, recorded: RunFolder) -> "Run":
        """A run that was interrupted, ready to judge the rest; `harness.resume` says whether it may be."""
        run = cls.__new__(cls)
        document = recorded.run
        run.target, run.id, run.folder = target, document["runId"], recorded.path
        run.plan = Plan(
            level=Level(document["level"]["claimed"]),
            requirements=recorded.requirements,
            vectors=recorded.vectors,
            excluded=recorded.excluded,
        )
        run.stopped_by = run._baseline = run._child = None
        run._fail_fast = False
        run._document = {**document, "status": "running", "finishedAt": None, "events": None}
        gone = datetime.now(UTC) - datetime.fromisoformat(document["startedAt"])
        run._start = time.monotonic() - gone.total_seconds()
        run._write_run()
        return run

    def judge(self) -> Iterator[dict[str, Any]]:
        """Run the suites in a child process; yields its progress events as they come.

        Raises:
            DtcError: `suite-crashed` (exit 70) when the child ended without judging.
        """
        log = (self.folder / LOG).open("a", encoding="utf-8")
        with log:
            self._child = subprocess.Popen(  # noqa: S603 - our own interpreter and suites
                self._command(),
                stdout=subprocess.PIPE,
                stderr=log,
                stdin=subprocess.DEVNULL,
                text=True,
                cwd=SUITES.parent,
                env=child_environment(),
                # A session of its own: Ctrl-C reaches the child once, from us, and not from the terminal too.
                start_new_session=True,
            )
            assert self._child.stdout is not None  # noqa: S101 - PIPE was asked for
            for line in self._child.stdout:
                if line.startswith("{"):
                    yield json.loads(line)
        if self._child.wait() not in (0, 1):
            self._close("aborted")
            raise self._crashed()
        self._close("complete")

    @property
    def resumed_by(self) -> str:
        """The command that takes the run up when it was interrupted."""
        command = "test" if self._document["selection"]["expression"] else "certify"
        return f"dtc {command} {as_word(self.target.source)} --resume {as_word(self.folder)}"

    def judged_elsewhere(self, *, complete: bool) -> None:
        """Close the folder into which another process has judged this run (`harness.forked`)."""
        self._close("complete" if complete else "aborted")

    @property
    def facts(self) -> dict[str, Any]:
        """What run.json says of the run."""
        return self._document

    def interrupt(self) -> None:
        """Let the child finish its vector and clean up, then close the folder as interrupted."""
        if self._child is not None and self._child.poll() is None:
            self._child.send_signal(signal.SIGINT)
            try:
                self._child.communicate(timeout=PATIENCE_S)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
        self._close("interrupted")

    def _command(self) -> Sequence[str]:
        target = str(Path(self.target.source).resolve())
        return child_command(self.folder.resolve(), "--target", target, *self._stops())

    def _stops(self) -> Sequence[str]:
        """When the child stops early."""
        if not self._fail_fast:
            return ()
        known = ("--dtc-baseline", str(self._baseline.resolve())) if self._baseline else ()
        return ("--dtc-fail-fast", *known)

    def _crashed(self) -> DtcError:
        tail = (self.folder / LOG).read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:]
        return DtcError(
            "suite-crashed",
            "the child process that runs the suites ended without a result",
            where=str(self.folder / LOG),
            why=" | ".join(tail) or "it wrote nothing",
            hint="this is a defect of dtc: report it with the log; the run folder is kept",
            exit_code=ExitCode.BUG,
        )

    def _describe(
        self, level: Level, seed: int, now: datetime, diagnosis: Diagnosis | None
    ) -> dict[str, Any]:
        target = self.target
        checks = [msgspec.to_builtins(check) for check in diagnosis.checks] if diagnosis else []
        return {
            "format": 1,
            "runId": self.id,
            "status": "running",
            "mode": self._mode,
            "sequence": self._previous.sequence if self._previous else 0,
            "previousRun": self._previous.digest if self._previous else None,
            "tool": {"name": "dtc", "version": __version__},
            "standard": {**STANDARD, "catalogueDigest": catalogue().digest},
            "suite": {
                "version": __version__,
                "digest": identity.suite_digest(),
                "dirty": identity.is_dirty(),
            },
            "target": {
                "name": target.name,
                "vendor": target.vendor,
                "version": target.version,
                "city": target.city,
                "baseUrl": target.base_url,
                "streamUrl": target.stream_url,
                "mqttUrl": target.mqtt_url,
                "documents": list(target.documents),
                "validator": target.validator is not None,
                "fingerprint": diagnosis.fingerprint if diagnosis else {},
            },
            "profile": planning.profile(target),
            "level": {"claimed": level.value},
            **({"load": self._load} if self._load else {}),
            "seed": seed,
            "nonce": self._nonce,
            "selection": {
                "complete": self._select is None,
                "expression": self._select,
                **({"compulsory": _compulsory(level)} if self._select is not None else {}),
            },
            "startedAt": rfc3339(now),
            "finishedAt": None,
            "clock": {
                "source": "system",
                "monotonicMs": 0,
                "targetSkewMs": diagnosis.skew_ms if diagnosis else None,
            },
            "environment": identity.environment(),
            "events": None,
            "doctor": [{key: check[key] for key in ("check", "status", "detail")} for check in checks],
        }

    def _write_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True)
            (self.folder / REQUIREMENTS).write_bytes(_pretty(self.plan.requirements))
            (self.folder / VECTORS).write_bytes(_pretty(self.plan.vectors))
            (self.folder / MATRIX).touch()
            self._write_run()
        except OSError as problem:
            raise DtcError(
                "run-folder",
                f"the run folder {self.folder} cannot be written",
                where=str(self.folder),
                why=problem.strerror or str(problem),
                hint="give another folder with --out",
            ) from problem

    def _close(self, status: str) -> None:
        end = self.folder / END
        found = json.loads(end.read_bytes()) if end.is_file() else {}
        events = {"count": found["count"], "head": found["head"]} if "head" in found else None
        if events is None and status == "complete":
            status = "aborted"
        self.stopped_by = found.get("stoppedBy")
        if self.stopped_by and status == "complete":
            status = "interrupted"
        claimed = set(self._document["target"]["fingerprint"].get("tlsSpki", ()))
        drift = sorted(set(found.get("tlsSpki", ())) - claimed) if claimed else []
        if drift and status == "complete":
            # Whoever answered at the end is not who answered the preflight: the run is of no one product.
            status = "aborted"
        self._document |= {"drift": drift} if drift else {}
        self._document |= {"status": status, "finishedAt": rfc3339(datetime.now(UTC)), "events": events}
        self._document["leftBehind"] = found.get("leftBehind", [])
        self._document["clock"]["monotonicMs"] = int((time.monotonic() - self._start) * 1000)
        self._write_run()

    def _write_run(self) -> None:
        partial = self.folder / f"{RUN}.part"
        partial.write_bytes(_pretty(self._document))
        partial.replace(self.folder / RUN)


def child_environment() -> dict[str, str]:
    """The environment of the child pytest: a user's pytest options do not reach a judgement."""
    kept = {
        name: value for name, value in os.environ.items() if name not in {"PYTEST_ADDOPTS", "PYTEST_PLUGINS"}
    }
    return {**kept, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def child_command(folder: Path, *options: str) -> Sequence[str]:
    """The command line of the child pytest that judges into a run folder."""
    parts = [str(SUITES / part) for part in PARTS if (SUITES / part).is_dir()]
    return [
        sys.executable, "-m", "pytest", "-c", str(SUITES / "pytest.ini"), "--rootdir", str(SUITES),
        "-p", "no:terminal", "-s", "--dtc-progress", "--dtc-run", str(folder), *options, *parts,
    ]  # fmt: skip


def _compulsory(highest: Level) -> dict[str, int]:
    """How many compulsory requirements of the target each level has, those below it included."""
    counted = [
        entry
        for entry in catalogue().requirements.values()
        if entry.strength is Strength.MUST and entry.binds == "target"
    ]
    return {
        level.value: sum(entry.level.rank <= level.rank for entry in counted)
        for level in LEVELS
        if level.rank <= highest.rank
    }


def level_of(select: str, highest: Level) -> Level:
    """The lowest level that holds all that a selection selects below `highest`.

    Raises:
        DtcError: `selection` when it selects no vector at all.
    """
    entries = catalogue()
    rule = selection.parse(select, entries.requirements, failed_in)
    chosen = planning.make(entries.requirements.values(), entries.vectors, highest, {}, rule).requirements
    if not chosen:
        raise DtcError(
            "selection",
            f"{select} selects no vector up to {highest}",
            where=f"--select {select}",
            why="what it names has no vector yet, or is of a higher level",
            hint="dtc requirements --coverage shows what has vectors",
        )
    return max((entry.level for entry in chosen), key=lambda level: level.rank)


def failed_in(run: str) -> set[str]:
    """The vectors of a run folder that did not pass, for the selector `failed:RUN`."""
    folder = runfolder.read(Path(run))
    passed = {
        line.vector for line in folder.lines if line.outcome in (Outcome.PASSED, Outcome.NOT_APPLICABLE)
    }
    return {vector.id for vector in folder.vectors} - passed


def prepare_by_hand(target_file: Path) -> Path:
    """A throw-away run folder for `pytest suites/... --target FILE`: all levels, no preflight."""
    out = Path(tempfile.mkdtemp(prefix="dtc-by-hand-"))
    return Run(load_target(target_file), LEVELS[-1], out=out, seed=0).folder


def _pretty(value: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n"
