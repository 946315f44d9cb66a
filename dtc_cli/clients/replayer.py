"""Ports that answer from the evidence of a run instead of the network: the same calls, the same answers."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import Any

import httpx

from dtc_cli.clients.answer import Answer, TargetMisbehaves
from dtc_cli.clients.documents import Document, Documents
from dtc_cli.clients.recorder import Recorder
from dtc_cli.clients.redaction import SECRET_HEADERS
from dtc_cli.clients.rest import Outgoing, Received, Rest
from dtc_cli.clients.track import Seen, Track
from dtc_cli.clients.validator import RawAnswer, TargetValidator
from dtc_cli.core.canonical import sha256_hex
from dtc_cli.core.runfolder import RunFolder

Event = dict[str, Any]

_OF_THE_WAY = SECRET_HEADERS | {"accept-encoding", "connection", "content-length", "host", "user-agent"}
"""Headers that may differ between two equal requests: those of the library, and those that are blanked."""
_OF_THE_LINE = {"seq", "prev", "tMonoUs", "tUtc", "vector", "kind"}
"""Members that the recorder gives to each event."""


class NotRecorded(Exception):  # noqa: N818 - a state: the suite has changed since the run
    """A vector asks for something that it did not ask for in the run."""


class Tape:
    """The recorded events of a run, handed out vector by vector in their order.

    Events of no vector (the clean-up after the run) are left out. What a fixture of a whole module asked
    belongs to the vector that needed it first, in the replay as in the run.
    """

    def __init__(self, run: RunFolder, recorder: Recorder) -> None:
        self.changed: dict[str, str] = {}
        """Vector id to the first thing that it asks otherwise than in the run."""
        self._run = run
        self._recorder = recorder
        self._events: dict[str, deque[Event]] = {}
        ranges = {line.vector: line.events for line in run.lines}
        for event in run.events():
            # Of a vector that was cut off and judged anew, what was asked when it was judged.
            first, last = ranges.get(event["vector"], (0, event["seq"]))
            if event["vector"] is not None and first <= event["seq"] <= last:
                self._events.setdefault(event["vector"], deque()).append(event)

    def next(self, kind: str, what: str, fits: Callable[[Event], bool] = lambda _: True) -> Event:
        """The event that comes next in the present vector.

        Args:
            kind: the kind that is asked for.
            what: what is asked for, in words.
            fits: whether an event of this kind is the one.

        Raises:
            NotRecorded: when the run goes on otherwise.
        """
        found = self.peek(kind)
        if found is None or not fits(found):
            raise self.otherwise(what)
        return self._events[self._vector].popleft()

    def peek(self, kind: str) -> Event | None:
        """The event that comes next, if it is of this kind."""
        queue = self._events.get(self._vector)
        return queue[0] if queue and queue[0]["kind"] == kind else None

    def repeat(self, event: Event) -> int:
        """Record the event again, in the replay's own log; its number there."""
        members = {name: value for name, value in event.items() if name not in _OF_THE_LINE}
        return self._recorder.event(event["kind"], **members)

    def body(self, digest: str | None) -> bytes:
        """The redacted body of that digest."""
        return self._run.body(digest) or b""

    def end(self, vector: str) -> None:
        """Note what the vector did not ask for any more."""
        left = self._events.pop(vector, ())
        if left:
            self.changed.setdefault(vector, f"{len(left)} recorded exchanges are not asked for any more")

    def otherwise(self, what: str) -> NotRecorded:
        """The present vector has changed: it asks for `what`; to be raised."""
        queue = self._events.get(self._vector)
        then = _words(queue[0]) if queue else "nothing"
        why = f"now {what}; in the run {then}".replace(self._run.run["target"]["baseUrl"] or "\0", "")
        self.changed.setdefault(self._vector, why)
        return NotRecorded(why)

    @property
    def _vector(self) -> str:
        return self._recorder.vector or ""


class ReplayedRest(Rest):
    """The REST port over recorded exchanges; repeats after trouble go as in the run, without the waits."""

    def __init__(self, tape: Tape, **options: Any) -> None:
        super().__init__(**options, wait=lambda _: None)
        self._tape = tape
        self._at = 0.0

    def _begin(self, pool: ThreadPoolExecutor, outgoing: Outgoing) -> None:
        """Nothing is sent ahead: each answer comes from the tape in its turn."""

    def _send_patiently(
        self, outgoing: Outgoing, *, patient: bool, first: "Future[Received] | None" = None
    ) -> Answer:
        # Whether a target that was gone was asked again was a matter of time; here the events tell.
        event = self._tape.peek("http")
        asked = event is not None and self._fits(outgoing, event)
        self._silent_until = -math.inf if asked else math.inf
        return super()._send_patiently(outgoing, patient=patient, first=first)

    def _send(self, outgoing: Outgoing, first: "Future[Received] | None" = None) -> Answer:
        del first
        url = self._recorder.redactor.text(str(outgoing.request.url))
        what = f"{outgoing.request.method} {url} as {outgoing.credential}"
        if (then := self._tape.peek("http")) is not None and _words(then) == what:
            what += " with another body or other headers"
        event = self._tape.next("http", what, lambda event: self._fits(outgoing, event))
        self._at = datetime.fromisoformat(event["tUtc"]).timestamp()
        if event["status"] is None:
            name, _, text = (event["error"] or "").partition(": ")
            raise _trouble(name)(text)
        number = self._tape.repeat(event)
        if event["error"]:
            raise TargetMisbehaves(f"{outgoing.request.method} {url}: {event['error']}", number)
        return Answer(
            event=number,
            method=event["method"],
            url=url,
            status=event["status"],
            headers=event["respHeaders"],
            body=self._tape.body(event["respDigest"]),
            sent=outgoing.body,
            credential=outgoing.credential,
            elapsed_s=0.0,
        )

    def _time(self) -> float:
        return self._at

    def _fits(self, outgoing: Outgoing, event: Event) -> bool:
        redactor, request = self._recorder.redactor, outgoing.request
        return (
            event["method"] == request.method
            and event["url"] == redactor.text(str(request.url))
            and event["credential"] == outgoing.credential
            and event["reqDigest"] == _digest(redactor.data(outgoing.body))
            and _telling(event["reqHeaders"]) == _telling(redactor.headers(request.headers.multi_items()))
        )


class ReplayedTrack(Track):
    """A conversation as it was recorded: what came then comes now, at the instants of then."""

    def __init__(self, tape: Tape, kind: str, recorder: Recorder) -> None:
        super().__init__(kind, recorder)
        self._tape = tape

    def step(
        self,
        method: str,
        url: str,
        perform: Callable[[], Seen],
        *,
        sent: bytes = b"",
        facts: Mapping[str, str] | None = None,
        credential: str | None = None,
    ) -> tuple[Seen, int]:
        """The recorded step that comes next; `perform` is not called."""
        what = f"{method} {self.redactor.text(url)}" + (f" as {credential}" if credential else "")
        event = self._tape.next(self.kind, what, lambda event: self.fits(event, method, url, sent))
        seen = Seen(
            status=event["status"],
            data=self._tape.body(event["respDigest"]),
            facts=event["respHeaders"],
            error=event["error"],
        )
        return seen, self._tape.repeat(event)


class ReplayedValidator(TargetValidator):
    """The answers that the target's validator gave."""

    def __init__(self, tape: Tape, *args: Any) -> None:
        super().__init__(*args)
        self._tape = tape

    def prepare(self, contents: Iterable[bytes]) -> None:
        """Nothing: all is answered already."""

    def _ask(self, content: bytes, digest: str) -> RawAnswer:
        digest = sha256_hex(self._recorder.redactor.data(content))
        event = self._tape.next(
            "validator",
            f"VALIDATE {digest[:12]}",
            lambda event: event["reqDigest"] == (digest if content else None),
        )
        if event["status"] is None:
            raise OSError(event["error"])
        return RawAnswer(self._tape.body(event["respDigest"]), event["status"], "")


class ReplayedDocuments(Documents):
    """The documents as they were read."""

    def __init__(self, tape: Tape, *args: Any) -> None:
        super().__init__(*args)
        self._tape = tape

    def read(self, now: datetime) -> Iterator[Document]:
        """Each recorded document; the snapshot comes through the REST port as in the run."""
        if not self._target.documents:
            yield from super().read(now)
        while (event := self._tape.peek("document")) is not None:
            event = self._tape.next("document", "READ")
            yield Document(event["url"], self._tape.body(event["respDigest"]), self._tape.repeat(event))


def _trouble(name: str) -> type[httpx.TransportError]:
    found = getattr(httpx, name, None)
    if isinstance(found, type) and issubclass(found, httpx.TransportError):
        return found
    return httpx.TransportError


def _digest(data: bytes) -> str | None:
    return sha256_hex(data) if data else None


def _telling(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in _OF_THE_WAY}


def _words(event: Event) -> str:
    what = " ".join(str(event[name]) for name in ("method", "url") if event.get(name))
    return (what or f"the {event['kind']}") + (
        f" as {event['credential']}" if event.get("credential") else ""
    )
