"""What runs beside each other in a load: frames are read ahead, and pages wait for their answers in order."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from dtc_cli.migrate.journal import Written
from dtc_cli.migrate.sinks import Item, Sink

FRAMES_AHEAD = 2
"""Frames that are read before they are wanted; each is at most some megabytes."""
MOST_PAGES = 4
"""Pages on their way at once, at most, whatever a target would take."""
GLANCE_S = 0.5
"""How often a reader that has nowhere to put its frame looks whether anybody still wants it."""

Landed = Callable[[list[Written]], None]


class Flight:
    """Pages that were sent to a target and not yet answered.

    They are settled in the order in which they were sent: what a journal holds as sent is always the end of
    what it holds. Where the target takes one page at a time (`Sink.ahead` is 0), it is waited for.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._pages: deque[tuple[Future[list[Written]], Landed, frozenset[str]]] = deque()
        self._pool: ThreadPoolExecutor | None = None

    def send(self, items: Sequence[Item], landed: Landed) -> None:
        """Send a page; `landed` is called with what became of it, now or by a later call here.

        Raises:
            DtcError: from the target, for this page or one before.
        """
        most = min(MOST_PAGES, self._sink.ahead(items))
        while self._pages and len(self._pages) >= most:
            self._land()
        if not most:
            landed(self._sink.put(items))
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(MOST_PAGES, thread_name_prefix="page")
        ids = frozenset(item.id for item in items)
        self._pages.append((self._pool.submit(self._sink.put, items), landed, ids))

    def carries(self, ids: Iterable[str]) -> bool:
        """Whether one of these ids is on its way."""
        return bool(self._pages) and any(not page[2].isdisjoint(ids) for page in self._pages)

    def wait(self) -> None:
        """Settle all that was sent."""
        while self._pages:
            self._land()

    def close(self) -> None:
        """Let go; what is unanswered stays so in the journal, and is sent again by a later run."""
        if self._pool is not None:
            for future, _, _ in self._pages:
                future.cancel()
            if self._pages:
                self._sink.halt()
            self._pool.shutdown(wait=True)
            self._pool = None
        self._pages.clear()

    def _land(self) -> None:
        future, landed, _ = self._pages[0]
        written = future.result()
        self._pages.popleft()
        landed(written)


def ahead(
    frames: Generator[Any, None, None], stop: Callable[[], None] | None = None
) -> Generator[Any, None, None]:
    """The frames of a reader, read by a thread while those before them are worked on.

    Args:
        frames: the frames.
        stop: ends a reader that is waited for, so that nothing waits for it when no more frames are wanted.
    """
    ready: queue.Queue[tuple[bool, Any]] = queue.Queue(FRAMES_AHEAD)
    unwanted = threading.Event()

    def put(whole: bool, what: Any) -> bool:
        while not unwanted.is_set():
            try:
                ready.put((whole, what), timeout=GLANCE_S)
            except queue.Full:
                continue
            return True
        return False

    def read() -> None:
        try:
            for frame in frames:
                if not put(True, frame):
                    return
            put(False, None)
        except BaseException as problem:  # it is raised again where the frames are used
            put(False, problem)
        finally:
            frames.close()

    thread = threading.Thread(target=read, name="read-ahead", daemon=True)
    thread.start()
    try:
        while True:
            whole, what = ready.get()
            if whole:
                yield what
            elif what is None:
                return
            else:
                raise what
    finally:
        unwanted.set()
        if stop is not None and thread.is_alive():
            stop()
        while not ready.empty():
            ready.get_nowait()
        thread.join()
