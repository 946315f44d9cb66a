"""The live page in a real browser: it connects, shows a reading, and its policy lets nothing else in."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from tests.integration.test_twin.test_stream import SENSOR, post, reading

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WAIT = """new Promise((found, late) => {
  const text = () => document.body.innerText;
  const look = () => { if (text().includes(%s)) { found(text()); return true; } };
  if (look()) return;
  new MutationObserver(look).observe(document.body, {subtree: true, childList: true, characterData: true});
  setTimeout(() => late(text()), 15000);
})"""


class Page:
    """A page of a headless browser, driven over its DevTools socket."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._count = 0
        self._seen: set[str] = set()

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._count += 1
        self._socket.send(json.dumps({"id": self._count, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=30))
            self._seen.add(message.get("method", ""))
            if message.get("id") == self._count:
                assert "error" not in message, message
                found: dict[str, Any] = message["result"]
                return found

    def heard(self, method: str) -> None:
        """Wait for an event."""
        while method not in self._seen:
            self._seen.add(json.loads(self._socket.recv(timeout=30)).get("method", ""))

    def run(self, script: str) -> Any:
        result = self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")


def follow(page: Page, twin: Any) -> None:
    """Connect on the page, and see what it shows."""
    page.ask("Page.enable")
    page.ask("Page.navigate", url=f"{twin.origin}/live")
    page.heard("Page.loadEventFired")
    page.run(WAIT % json.dumps("DISCONNECTED"))
    key = json.dumps(twin.key("viewer"))
    page.run(f"at('key').value = {key}; at('login').requestSubmit()")
    page.run(WAIT % json.dumps("CONNECTED"))
    post(twin, reading(33.625))
    text = page.run(WAIT % json.dumps("33.625"))
    assert SENSOR in text
    post(twin, reading(160, "air_quality", "aqi"))
    assert "high air-quality-alert" in page.run(WAIT % json.dumps("air-quality-alert"))
    page.run("at('key').value = 'wrong'; at('login').requestSubmit()")
    page.run(WAIT % json.dumps("REFUSED"))


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here: apt-get install chromium")
def test_a_browser_shows_a_reading_as_it_comes(start: Any, tmp_path: Path) -> None:
    twin = start()
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0",
               f"--user-data-dir={tmp_path / 'profile'}", "about:blank"]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        origin = ""
        for line in process.stderr:
            if match := re.search(r"ws://([^/]+)/devtools", line):
                origin = match[1]
                break
        assert origin, "the browser did not start"
        try:
            tabs = twin.http.get(f"http://{origin}/json").json()
            address = next(tab for tab in tabs if tab["type"] == "page")["webSocketDebuggerUrl"]
            with connect(address, max_size=None, proxy=None) as socket:
                follow(Page(socket), twin)
        finally:
            process.kill()


def test_the_page_needs_nothing_from_elsewhere(twin: Any) -> None:
    answer = twin.http.get(f"{twin.origin}/live")
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert re.findall(r"(?:src|href)=", answer.text) == []
    assert "http:" not in answer.text.replace("http/", "")
