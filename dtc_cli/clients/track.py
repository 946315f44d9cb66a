"""The record of a conversation: each step of it is an event, and a replay takes the steps from the events."""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, TypeVar

import msgspec

from dtc_cli.clients.recorder import Recorder
from dtc_cli.core.canonical import sha256_hex


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What a step brought."""

    status: int | None = None
    data: bytes = b""
    facts: Mapping[str, str] = {}
    """Small facts about it, as text: time, kind of frame, close code."""
    error: str | None = None


class Track:
    """Performs the steps of one kind of conversation and records each, secrets removed.

    Steps are taken on the suite's own thread, one after the other, and their order is that of the events.
    """

    def __init__(self, kind: str, recorder: "Recorder | Notebook") -> None:
        self.kind = kind
        self.redactor = recorder.redactor
        self._recorder = recorder
        self._vector: str | None = None
        self._opened = 0
        self.started = time.monotonic()

    @property
    def now_s(self) -> float:
        """Seconds since the track was made, to the millisecond."""
        return round(time.monotonic() - self.started, 3)

    def label(self, url: str) -> str:
        """The address with the number that the next conversation has in the present vector."""
        if self._recorder.vector != self._vector:
            self._vector, self._opened = self._recorder.vector, 0
        self._opened += 1
        return f"{url}#{self._opened}"

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
        """Perform a step and record it; what it brought, and the number of its event.

        Args:
            method: what is done: OPEN, SEND, RECV, CLOSE ...
            url: the conversation, as `label` named it.
            perform: does it.
            sent: what goes out.
            facts: small facts about what goes out.
            credential: the name of the credential in use.
        """
        seen = perform()
        number = self._recorder.event(
            self.kind,
            method=method,
            url=self.redactor.text(url),
            reqHeaders=self.redactor.headers(facts or {}),
            reqDigest=self._recorder.body(sent),
            reqSize=len(sent),
            status=seen.status,
            respHeaders=self.redactor.headers(seen.facts),
            respDigest=self._recorder.body(seen.data),
            respSize=len(seen.data),
            error=self.redactor.text(seen.error) if seen.error else None,
            credential=credential,
        )
        return seen, number

    def fits(self, event: Mapping[str, Any], method: str, url: str, sent: bytes) -> bool:
        """Whether a recorded event is this step."""
        clean = self.redactor.data(sent)
        return bool(
            event["method"] == method
            and event["url"] == self.redactor.text(url)
            and event["reqDigest"] == (sha256_hex(clean) if sent else None)
        )


class Came(Protocol):
    """Something that came over a conversation."""

    @property
    def at_s(self) -> float:
        """When, in seconds since the port was made."""

    @property
    def over(self) -> bool:
        """Whether nothing follows."""


C = TypeVar("C", bound=Came)


def during(receive: Callable[[float], tuple[Seen, C | None]], seconds: float, most: int) -> Iterator[C]:
    """What comes within the next seconds, until the conversation ends or there are so many.

    The time runs from the first step on, by what the steps recorded: a replay takes the same steps.

    Args:
        receive: waits for so many seconds; the step and what it brought, None for nothing.
        seconds: for how long.
        most: how many at most.
    """
    until, wait = None, seconds
    for _ in range(most):
        seen, found = receive(wait)
        if found is None:
            return
        yield found
        if found.over:
            return
        until = float(seen.facts["asked-s"]) + seconds if until is None else until
        wait = until - found.at_s
        if wait <= 0:
            return


class Notebook:
    """Stands in for the recorder where a conversation is held in the background: it keeps lines in memory."""

    def __init__(self, recorder: Recorder) -> None:
        self.redactor = recorder.redactor
        self.vector = "background"
        self.lines: list[dict[str, Any]] = []

    def event(self, kind: str, **members: Any) -> int:
        """Keep a line."""
        self.lines.append(
            {"kind": kind, **{name: value for name, value in members.items() if value not in (None, {}, 0)}}
        )
        return len(self.lines) - 1

    def body(self, data: bytes) -> str | None:
        """The body as text, shortened."""
        if not data:
            return None
        return self.redactor.data(data[:400]).decode("utf-8", "backslashreplace")
