"""The target's own validator (D-11): a command with `{file}`, or a URL that takes the file."""

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import msgspec
import orjson

from dtc_cli.clients.recorder import Recorder
from dtc_cli.core.canonical import sha256_hex
from dtc_cli.core.target import Target

TIMEOUT_S = 60.0
GONE_AFTER = 5
"""So many records in a row without an answer, and the validator is not asked any more."""
NOTES = 2000
"""How many bytes of standard error are kept."""
MAX_ANSWER_BYTES = 16 * 1024 * 1024


class ValidatorFailed(Exception):  # noqa: N818 - a state, reported as the outcome `error` or as a finding
    """The validator gave no answer: it cannot be started, ran too long, or could not be reached."""


class ValidatorAnswer(msgspec.Struct, frozen=True):
    """What the validator said, as it said it."""

    event: int
    output: bytes
    exit_status: int
    """Exit code of the command, or HTTP status."""
    notes: str
    """Standard error of the command, shortened."""

    def json(self) -> Any:
        """The parsed answer; None when it is not JSON."""
        try:
            return orjson.loads(self.output)
        except orjson.JSONDecodeError:
            return None


class RawAnswer(msgspec.Struct, frozen=True):
    """What came out of the validator before it was looked at."""

    output: bytes
    exit_status: int
    notes: str


class TargetValidator:
    """Puts records to the target's validator, several at a time, and records each answer when it is used."""

    def __init__(self, target: Target, recorder: Recorder) -> None:
        self._target = target
        self._recorder = recorder
        self._pool = ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1))
        self._ahead: dict[str, Future[RawAnswer]] = {}
        self._running: set[subprocess.Popen[bytes]] = set()
        self._silent = 0
        self._folder = tempfile.TemporaryDirectory(prefix="dtc-validator-")

    @property
    def offered(self) -> bool:
        """Whether the target file names a validator."""
        return self._target.validator is not None

    def prepare(self, contents: Iterable[bytes]) -> None:
        """Begin to judge these in the background; `check` of an equal record then only waits."""
        for content in contents:
            digest = sha256_hex(content)
            if digest not in self._ahead:
                self._ahead[digest] = self._pool.submit(self._ask, content, digest)

    def check(self, content: bytes) -> ValidatorAnswer:
        """The validator's answer about one record; equal records that were prepared are asked once.

        Raises:
            ValidatorFailed: when there is no answer at all.
        """
        digest = sha256_hex(content)
        asked = self._ahead.get(digest)
        try:
            raw = asked.result() if asked else self._ask(content, digest)
        except (OSError, subprocess.SubprocessError, httpx.HTTPError) as problem:
            self._note(content, None, error=f"{type(problem).__name__}: {problem}")
            raise ValidatorFailed(f"the validator gave no answer: {problem}") from problem
        event = self._note(content, raw)
        good = 200 if self._target.validator and self._target.validator.url else 0
        if raw.exit_status != good:
            how = "answered" if good else "ended with exit code"
            raise ValidatorFailed(
                f"the validator {how} {raw.exit_status}; it must be {good} for all records, valid or not"
            )
        redact = self._recorder.redactor
        return ValidatorAnswer(event, redact.data(raw.output), raw.exit_status, redact.text(raw.notes))

    def close(self) -> None:
        """Stop the background work and remove the temporary files."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in list(self._running):
            _kill(process)
        self._pool.shutdown(wait=True)
        self._folder.cleanup()

    def _ask(self, content: bytes, digest: str) -> RawAnswer:
        validator = self._target.validator
        if self._silent >= GONE_AFTER:
            raise OSError(f"it gave no answer {GONE_AFTER} times and is not asked again")
        try:
            if validator is None:
                raise OSError("the target file names no validator")
            raw = self._post(validator.url, content) if validator.url else self._run(content, digest)
        except (OSError, subprocess.SubprocessError, httpx.HTTPError):
            self._silent += 1
            raise
        self._silent = 0
        return raw

    def _post(self, url: str, content: bytes) -> RawAnswer:
        headers = {"Content-Type": "application/json"}
        received = bytearray()
        with httpx.stream(
            "POST", url, content=content, headers=headers, timeout=TIMEOUT_S, trust_env=False
        ) as answer:
            for chunk in answer.iter_bytes():
                received += chunk
                if len(received) > MAX_ANSWER_BYTES:
                    raise OSError(f"its answer is longer than {MAX_ANSWER_BYTES} bytes")
        return RawAnswer(bytes(received), answer.status_code, "")

    def _run(self, content: bytes, digest: str) -> RawAnswer:
        """Run the command in a process group of its own, which never outlives its time or this run."""
        file = Path(self._folder.name) / f"{digest[:16]}.json"
        file.write_bytes(content)
        command = self._target.validator.command if self._target.validator else None
        with subprocess.Popen(  # noqa: S603 - the user's own command, an argv without a shell (D-11)
            [word.replace("{file}", str(file)) for word in command or ()],
            cwd=self._target.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as process:
            self._running.add(process)
            notes: list[bytes] = []
            drain = threading.Thread(target=_drain, args=(process, notes), daemon=True)
            drain.start()
            alarm = threading.Timer(TIMEOUT_S, _kill, (process,))
            alarm.start()
            try:
                output = process.stdout.read(MAX_ANSWER_BYTES + 1) if process.stdout else b""
                if len(output) > MAX_ANSWER_BYTES:
                    raise OSError(f"its answer is longer than {MAX_ANSWER_BYTES} bytes")
                status = process.wait()
            finally:
                late = not alarm.is_alive()
                alarm.cancel()
                _kill(process)
                self._running.discard(process)
                drain.join()
        file.unlink()
        if late:
            raise OSError(f"it ran longer than {TIMEOUT_S:.0f} s")
        return RawAnswer(output, status, b"".join(notes)[:NOTES].decode("utf-8", "backslashreplace"))

    def _note(self, content: bytes, raw: RawAnswer | None, error: str | None = None) -> int:
        validator = self._target.validator
        how = (validator.url or " ".join(validator.command or ())) if validator else ""
        # A query may hold a token.
        how = how.partition("?")[0] if validator and validator.url else how
        return self._recorder.event(
            "validator",
            method="VALIDATE",
            url=self._recorder.redactor.text(how),
            reqDigest=self._recorder.body(content),
            reqSize=len(content),
            status=raw.exit_status if raw else None,
            respDigest=self._recorder.body(raw.output) if raw else None,
            respSize=len(raw.output) if raw else 0,
            error=self._recorder.redactor.text(error) if error else None,
        )


def _drain(process: "subprocess.Popen[bytes]", notes: list[bytes]) -> None:
    """Read the standard error to its end, keep its start: a full pipe would stop the command."""
    while process.stderr and (chunk := os.read(process.stderr.fileno(), 65536)):
        if sum(map(len, notes)) < NOTES:
            notes.append(chunk)


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """End the command and all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
