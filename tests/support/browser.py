"""A headless Chromium that tests look through: opens a page, asks it questions, photographs it.

It speaks the DevTools protocol over one WebSocket; Chromium gets a profile of its own and no network beyond
what the page itself asks for (reports ask for nothing).
"""

import base64
import itertools
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NODE_MODULES = Path(os.environ.get("DTC_NODE_MODULES", "/nonexistent"))
AXE = NODE_MODULES / "axe-core" / "axe.min.js"


def missing() -> str:
    """Why there is nothing to look through; empty when there is."""
    if PROGRAM is None:
        return "no Chromium is installed"
    return "" if AXE.is_file() else "axe-core is not there (DTC_NODE_MODULES, set by scripts/test)"


class Page:
    """One tab."""

    def __init__(self, socket: ClientConnection, session: str) -> None:
        self._socket = socket
        self._session = session
        self._numbers = itertools.count(1)
        self._events: list[dict[str, Any]] = []

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One DevTools command and its answer."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters, "sessionId": self._session}
        self._socket.send(json.dumps(message))
        while True:
            answer = json.loads(self._socket.recv(timeout=60))
            if answer.get("id") == number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result
            self._events.append(answer)

    def open(self, url: str) -> None:
        """Load a page to its end."""
        self.call("Page.enable")
        self._events.clear()
        self.call("Page.navigate", url=url)
        while not any(event.get("method") == "Page.loadEventFired" for event in self._events):
            self._events.append(json.loads(self._socket.recv(timeout=60)))

    def ask(self, script: str) -> Any:
        """The value of an expression in the page; promises are waited for."""
        done = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def look(self, *, scheme: str = "light", media: str = "screen", width: int = 1280) -> None:
        """Set colour scheme, medium and width."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", media=media, features=features)
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False
        )

    def photo(self) -> bytes:
        """What is seen, as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def axe(self) -> list[str]:
        """Serious and critical findings of axe, each as rule, place and what is wrong."""
        if not self.ask("typeof axe === 'object'"):
            self.ask(AXE.read_text(encoding="utf-8") + "; 1")
        found: list[str] = self.ask(
            "axe.run(document).then(r => r.violations.filter(v => ['serious','critical'].includes(v.impact))"
            ".flatMap(v => v.nodes.map(n => v.id + ' ' + n.target + ' ' + n.failureSummary)))"
        )
        return found


@contextmanager
def browser() -> Iterator[Page]:
    """A fresh browser with one empty tab."""
    assert PROGRAM is not None
    with tempfile.TemporaryDirectory(prefix="dtc-test-browser-") as profile:
        child = subprocess.Popen(
            [
                PROGRAM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                "--no-first-run", "--disable-background-networking", "--disable-extensions",
                f"--user-data-dir={profile}", "--remote-debugging-port=0", "about:blank",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        with child:
            assert child.stderr is not None
            try:
                found = (re.search(r"ws://\S+", line) for line in child.stderr)
                address = next(match[0] for match in found if match)
                with connect(address, max_size=None) as socket:
                    yield Page(socket, _attach(socket))
                    socket.send(json.dumps({"id": 0, "method": "Browser.close"}))
                    child.stderr.read()
            finally:
                child.terminate()
                child.wait()


def _attach(socket: ClientConnection) -> str:
    """The session of the first tab."""

    def call(number: int, method: str, **parameters: Any) -> dict[str, Any]:
        socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(socket.recv(timeout=60))
            if answer.get("id") == number:
                result: dict[str, Any] = answer["result"]
                return result

    tabs = call(1001, "Target.getTargets")["targetInfos"]
    target = next(tab["targetId"] for tab in tabs if tab["type"] == "page")
    return str(call(1002, "Target.attachToTarget", targetId=target, flatten=True)["sessionId"])
