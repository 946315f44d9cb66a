"""Watching the target in the background: long timers run beside the other vectors, each once."""

import json
import threading
from collections.abc import Callable
from typing import Any

import msgspec

from dtc_cli.clients.answer import TargetMisbehaves, TargetUnreachable
from dtc_cli.clients.mqtt import Mqtt
from dtc_cli.clients.raw import Raw
from dtc_cli.clients.stream import Stream
from dtc_cli.clients.track import Seen, Track

LONGEST_WATCH_S = 450.0
STOP_S = 5.0


class Scene(msgspec.Struct, frozen=True):
    """What a watch may use: ports of its own, whose lines become part of the observation."""

    stream: Callable[[], Stream]
    mqtt: Callable[[], Mqtt]
    raw: Callable[[], Raw]
    run_id: str
    city: str
    client: Callable[..., dict[str, Any]]
    """Run the target's own client: a `Part`, seconds, and how many connections are enough."""
    wait: Callable[[float], object]
    """Let so many seconds pass; it ends early when the run ends."""


Watch = Callable[[Scene], Any]
"""Holds a conversation and returns what it saw, as JSON."""


class Background:
    """Runs watches in threads of their own and hands their observations out.

    Args:
        scene: makes the scene of a watch from an event that tells it to stop; returns it with its lines.
        track: where observations are recorded, at the moment in which a vector asks for them.
    """

    def __init__(
        self, scene: Callable[[threading.Event], tuple[Scene, list[dict[str, Any]], Callable[[], None]]],
        track: Track,
    ) -> None:  # fmt: skip
        self._scene = scene
        self._track = track
        self._running: dict[str, _Running] = {}
        self._stop = threading.Event()

    def start(self, watch: Watch) -> None:
        """Begin to watch, unless it has begun already."""
        if watch.__name__ not in self._running:
            self._running[watch.__name__] = _Running(watch, *self._scene(self._stop))

    def observation(self, watch: Watch) -> Any:
        """What the watch saw; waits for its end.

        Raises:
            TargetUnreachable: when it could not reach the target.
        """
        name = watch.__name__
        seen, _ = self._track.step("OBSERVE", f"background:{name}", lambda: self._finish(watch))
        told = json.loads(seen.data)
        if "unreachable" in told:
            raise TargetUnreachable(told["unreachable"])
        if "broken" in told:
            raise RuntimeError(told["broken"])
        return told["result"]

    def close(self) -> None:
        """Stop all watches."""
        self._stop.set()
        for running in self._running.values():
            running.end()

    def _finish(self, watch: Watch) -> Seen:
        self.start(watch)
        return Seen(data=json.dumps(self._running[watch.__name__].result(), sort_keys=True).encode())


class _Running:
    """A watch in its thread."""

    def __init__(
        self, watch: Watch, scene: Scene, lines: list[dict[str, Any]], close: Callable[[], None]
    ) -> None:
        self._watch = watch
        self._scene = scene
        self._lines = lines
        self._close = close
        self._told: dict[str, Any] = {"broken": f"the watch {watch.__name__} did not end"}
        self._thread = threading.Thread(target=self._run, daemon=True, name=watch.__name__)
        self._thread.start()

    def result(self) -> dict[str, Any]:
        self._thread.join(LONGEST_WATCH_S)
        return {**self._told, "lines": self._lines}

    def end(self) -> None:
        self._close()
        self._thread.join(STOP_S)

    def _run(self) -> None:
        try:
            self._told = {"result": self._watch(self._scene)}
        except (TargetUnreachable, TargetMisbehaves) as problem:
            self._told = {"unreachable": str(problem)}
        except Exception as problem:
            self._told = {"broken": f"{type(problem).__name__}: {problem}"}
        finally:
            self._close()
