"""Ports with a recorder of their own, and what they recorded played back."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dtc_cli.clients.credentials import Credentials
from dtc_cli.clients.mqtt import Mqtt
from dtc_cli.clients.raw import Raw
from dtc_cli.clients.recorder import Recorder
from dtc_cli.clients.redaction import Redactor
from dtc_cli.clients.replayer import ReplayedTrack, Tape
from dtc_cli.clients.stream import Stream
from dtc_cli.clients.tls import Tls
from dtc_cli.clients.track import Track
from dtc_cli.clients.wire import Door
from dtc_cli.core.runfolder import RunFolder
from dtc_cli.core.target import TlsFiles, parse

KEY = "admin-key-0123456789"
CITY = "KR-BUSAN-2025"
VECTOR = "DTC-P3-000/a-test"


class Ports:
    """The ports to one server, recorded into a folder, or played back from one."""

    def __init__(self, folder: Path, doors: dict[str, Door], played: Path | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        text = (
            f"dtc: 1\ntarget: {{name: a, vendor: b, version: c}}\ncity: {CITY}\n"
            f"auth: {{api_keys: {{admin: {KEY}}}}}\n"
        )
        redactor = Redactor()
        credentials = Credentials(parse(text, source="t", folder=folder), redactor)
        self.recorder = Recorder(folder, "0" * 64, redactor)
        self._tape = Tape(RunFolder(played), self.recorder) if played else None
        self.recorder.begin(VECTOR)
        common: dict[str, Any] = {"city": CITY, "credentials": credentials, "timeout_s": 3.0}
        none = Door("ws://127.0.0.1:1/")
        stream, mqtt = doors.get("stream", none), doors.get("mqtt", none)
        self.stream = Stream(stream.url, stream, track=self._track("stream"), **common)
        self.mqtt = Mqtt(mqtt.url, mqtt, track=self._track("mqtt"), **common)
        self.raw = Raw(doors, self._track("raw"), 3.0)
        self.tls = Tls(doors, self._track("tls"), 3.0)

    def _track(self, kind: str) -> Track:
        if self._tape is not None:
            return ReplayedTrack(self._tape, kind, self.recorder)
        return Track(kind, self.recorder)

    def events(self) -> list[dict[str, Any]]:
        """What was recorded."""
        return [json.loads(line) for line in (self.folder / "events.jsonl").read_bytes().splitlines()]

    def kept(self) -> bytes:
        """Everything on disk."""
        return b"".join(file.read_bytes() for file in self.folder.rglob("*") if file.is_file())

    def close(self) -> None:
        """Close sockets and files."""
        self.stream.close()
        self.mqtt.close()
        self.recorder.close()


@contextmanager
def ports(folder: Path, url: str, *, door: str, ca: Path | None = None) -> Iterator[Ports]:
    """Ports of which one door leads to a server."""
    made = Ports(folder, {door: Door(url, TlsFiles(ca=ca))})
    try:
        yield made
    finally:
        made.close()


@contextmanager
def played(folder: Path, recorded: Ports, url: str, *, door: str) -> Iterator[Ports]:
    """The ports again, over what was recorded: no server is needed."""
    (recorded.folder / "run.json").write_text(json.dumps({"target": {"baseUrl": None}}))
    made = Ports(folder, {door: Door(url)}, played=recorded.folder)
    try:
        yield made
    finally:
        made.close()
