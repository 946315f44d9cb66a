"""The black box of a run: every exchange on disk, redacted, in a hash chain, the moment it happened."""

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from dtc_cli.clients.redaction import Redactor
from dtc_cli.core.canonical import canonical_json, sha256_hex
from dtc_cli.core.chain import SpanDigest, link
from dtc_cli.core.runfolder import BODIES, EVENTS, whole_lines


class Span(msgspec.Struct, frozen=True):
    """The events of one vector, and digests of what they carried."""

    first: int
    last: int
    """-1 when there are none; `first` is 0 then."""
    requests: str | None
    """Digest of what was sent, as `core.chain.SpanDigest` makes it."""
    responses: str | None
    """Digest of what came back, likewise."""
    attempts: tuple[dict[str, Any], ...] = ()
    """Exchanges that were repeated because of 429 or network trouble (D-08)."""


class Recorder:
    """Appends events to `events.jsonl` and bodies to `bodies/<sha256>`.

    Each line is flushed to the operating system before `event` returns, so that a killed run keeps all it
    did. Times: `tUtc` is RFC 3339 in UTC with microseconds, `tMonoUs` microseconds of a monotonic clock
    since the recorder was opened.
    """

    def __init__(self, folder: Path, genesis: str, redactor: Redactor) -> None:
        self.redactor = redactor
        self.count = 0
        self.head = genesis
        self.vector: str | None = None
        """The vector that is being judged; written into each event."""
        self._bodies = folder / BODIES
        self._bodies.mkdir(parents=True, exist_ok=True)
        self._kept: set[str] = set()
        """Digests of bodies that are there; many are the same."""
        self._start = time.monotonic_ns()
        self._go_on(folder / EVENTS)
        self._file = (folder / EVENTS).open("ab")
        self._lock = threading.Lock()
        self._began = 0
        self._digest = SpanDigest()
        self._attempts: list[dict[str, Any]] = []

    def _go_on(self, events: Path) -> None:
        """Continue the chain of a run that is taken up again; its clock has gone on meanwhile."""
        last = b""
        for line in whole_lines(events):
            last = line
            self.head = link(line)
            self.count += 1
        if last:
            event = json.loads(last)
            gone = datetime.now(UTC) - datetime.fromisoformat(event["tUtc"])
            since_us = event["tMonoUs"] + max(0, gone // timedelta(microseconds=1))
            self._start -= since_us * 1000

    def begin(self, vector: str) -> None:
        """Events from now on belong to this vector."""
        with self._lock:
            self.vector = vector
            self._began = self.count
            self._attempts = []
            self._digest = SpanDigest()

    def end(self) -> Span:
        """Close the vector that `begin` opened."""
        with self._lock:
            self.vector = None
            if self.count == self._began:
                return Span(0, -1, None, None)
            return Span(
                self._began,
                self.count - 1,
                self._digest.requests,
                self._digest.answers,
                tuple(self._attempts),
            )

    def repeated(self, **attempt: Any) -> None:
        """Note that an exchange is repeated, and why; it goes into the vector's matrix line."""
        self._attempts.append(attempt)

    def event(self, kind: str, **members: Any) -> int:
        """Append one event and return its sequence number. Members are taken as redacted already."""
        with self._lock:
            seq = self.count
            event = {
                "seq": seq,
                "prev": self.head,
                "tMonoUs": (time.monotonic_ns() - self._start) // 1000,
                "tUtc": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
                "vector": self.vector,
                "kind": kind,
                **members,
            }
            line = canonical_json(event)
            self._file.write(line + b"\n")
            self._file.flush()
            self.head = link(line)
            self._digest.add(event)
            self.count += 1
            return seq

    def body(self, data: bytes) -> str | None:
        """Keep a body without its secrets; its SHA-256 (hex), or None when it is empty."""
        if not data:
            return None
        clean = self.redactor.data(data)
        digest = sha256_hex(clean)
        if digest not in self._kept:
            file = self._bodies / digest
            if not file.exists():
                partial = file.with_suffix(".part")
                partial.write_bytes(clean)
                partial.replace(file)
            self._kept.add(digest)
        return digest

    def close(self) -> None:
        """Close the file; the head and the count stay readable."""
        self._file.close()
