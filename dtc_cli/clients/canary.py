"""A listener of the run: whoever fetches its address was made to by a request (CWE-918)."""

import contextlib
import json
import socket
import threading
import time

from dtc_cli.clients.track import Seen, Track
from dtc_cli.clients.wire import Door

LONGEST = 2048
ANSWER = b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Canary:
    """Listens on an address that the target can reach, if it stands where the run's host can be reached."""

    def __init__(self, door: Door, track: Track) -> None:
        self._track = track
        self._label = track.label("canary")
        self._heard: list[str] = []
        self._socket: socket.socket | None = None
        seen, _ = track.step("LISTEN", self._label, lambda: self._listen(door))
        self.url: str = seen.facts.get("url", "")
        """Its address; empty when nothing could listen."""

    def heard(self, marks: tuple[str, ...], within_s: float) -> list[str]:
        """The first lines of requests that came, those that hold one of the marks.

        Args:
            marks: what stands in the addresses that were given away.
            within_s: how long to wait for the first.
        """

        def wait() -> Seen:
            until = time.monotonic() + within_s
            while time.monotonic() < until and not self._of(marks):
                time.sleep(0.05)
            return Seen(data=json.dumps(self._of(marks)).encode())

        seen, _ = self._track.step("HEARD", self._label, wait)
        found: list[str] = json.loads(seen.data)
        return found

    def close(self) -> None:
        """Stop listening."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
            self._thread.join(timeout=5)

    def _of(self, marks: tuple[str, ...]) -> list[str]:
        return [line for line in tuple(self._heard) if any(mark in line for mark in marks)]

    def _listen(self, door: Door) -> Seen:
        try:
            with socket.create_connection((door.host, door.port), timeout=5) as there:
                family, host = there.family, there.getsockname()[0]
            self._socket = socket.create_server((host, 0), family=family)
        except OSError as problem:
            return Seen(error=str(problem))
        self._thread = threading.Thread(target=self._serve, args=(self._socket,), daemon=True)
        self._thread.start()
        shown = f"[{host}]" if ":" in host else host
        return Seen(facts={"url": f"http://{shown}:{self._socket.getsockname()[1]}"})

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                link, _ = listener.accept()
            except OSError:
                return
            with link:
                link.settimeout(2)
                try:
                    first = link.recv(LONGEST).split(b"\r\n", 1)[0]
                    self._heard.append(first.decode("latin-1"))
                    link.sendall(ANSWER)
                except OSError:
                    continue
