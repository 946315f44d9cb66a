"""Recorded events as numbered exchanges: what was sent, what came back, and a line that repeats it."""

import bisect
import shlex
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from dtc_cli.core.canonical import sha256_hex
from dtc_cli.core.model import MatrixLine, Outcome
from dtc_cli.core.report.command import LONGEST_INLINE_BODY, MARK, curl, safe_headers
from dtc_cli.core.report.live_command import mosquitto, wscat
from dtc_cli.core.report.model import Body, Exchange
from dtc_cli.core.report.runfile import Event, parse_event
from dtc_cli.core.runfolder import RunFolder

LARGE_RUN = 5000
"""Vectors. Beyond it the exchanges of passed cases stay in the run folder and are only counted."""

EXCERPT_PASSED = 600
EXCERPT_OTHER = 4000
"""Characters of a body that are shown for a case that passed, and for any other."""

TEXT_BUDGET = 8_000_000
"""Characters of all bodies together, so that a run in which everything fails is still a readable file."""

SHOWN_BYTES_OF_BINARY = 64


def by_vector(folder: RunFolder, lines: Sequence[MatrixLine]) -> dict[str, list[Event]]:
    """The events of each vector, in order.

    An event belongs to the vector it names. One without a name (set-up that several cases share)
    belongs to the case in whose range of sequence numbers it lies.

    Raises:
        DtcError: `run-damaged` for an event that is not what a run writes.
    """
    ranges = sorted((line.events, line.vector) for line in lines if line.events[1] >= line.events[0])
    starts = [events[0] for events, _ in ranges]
    found: dict[str, list[Event]] = defaultdict(list)
    for data in folder.events():
        event = parse_event(data, str(folder.path))
        if event.vector is not None:
            found[event.vector].append(event)
        elif place := bisect.bisect_right(starts, event.seq):
            (_, last), vector = ranges[place - 1]
            if event.seq <= last:
                found[vector].append(event)
    return dict(found)


class Shower:
    """Makes exchanges out of events, within the size that a report may have."""

    def __init__(
        self, folder: RunFolder, events: Mapping[str, Sequence[Event]], outcomes: Mapping[str, Outcome]
    ) -> None:
        self._folder = folder
        self._large = len(outcomes) > LARGE_RUN
        bodies = {True: 0, False: 0}
        for vector, of_vector in events.items():
            passed = outcomes.get(vector) is Outcome.PASSED
            bodies[passed] += sum((e.req_digest is not None) + (e.resp_digest is not None) for e in of_vector)
        self._limit = {
            True: min(EXCERPT_PASSED, TEXT_BUDGET // 2 // max(1, bodies[True])),
            False: min(EXCERPT_OTHER, TEXT_BUDGET // max(1, bodies[False])),
        }
        self.missing = 0
        self.altered = 0

    def exchanges(self, events: Iterable[Event], outcome: Outcome) -> tuple[Exchange, ...]:
        """The exchanges of one case; none for a passed case of a large run."""
        passed = outcome is Outcome.PASSED
        if passed and self._large:
            return ()
        return tuple(
            self._exchange(number, event, self._limit[passed]) for number, event in enumerate(events, start=1)
        )

    def _exchange(self, number: int, event: Event, limit: int) -> Exchange:
        credential = event.credential or ""
        sent = safe_headers(event.req_headers or {}, credential)
        received = safe_headers(event.resp_headers or {}, "")
        request, whole = self._body(event.req_digest, event.req_size, sent, limit)
        response, _ = self._body(event.resp_digest, event.resp_size, received, limit)
        return Exchange(
            number=number,
            event=event.seq,
            kind=event.kind,
            at=event.t_utc,
            credential=credential,
            method=event.method or "",
            url=event.url or "",
            request_headers=sent,
            request=request,
            status=event.status,
            response_headers=received,
            response=response,
            error=event.error or "",
            note=event.text or event.value or "",
            command=_command(event, sent, credential, whole),
        )

    def _body(
        self, digest: str | None, size: int | None, headers: Mapping[str, str], limit: int
    ) -> tuple[Body | None, str | None]:
        """The body as it is shown, and its whole text when that is printable and short."""
        if not digest:
            return None, None
        media = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
        data = self._folder.body(digest)
        shown, text, whole = "missing", "", None
        if data is None:
            self.missing += 1
        elif sha256_hex(data) != digest:
            self.altered += 1
            shown = "altered"
        else:
            shown, text, whole = _excerpt(data, limit)
        known = size if size is not None else len(data or b"")
        return Body(digest=digest, size=known, media=media, shown=shown, text=text), whole


def _excerpt(data: bytes, limit: int) -> tuple[str, str, str | None]:
    """How a body is shown, the text that is shown, and its whole text when it is printable."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return "binary", data[:SHOWN_BYTES_OF_BINARY].hex(" "), None
    printable = len(text) <= LONGEST_INLINE_BODY and text.replace("\n", "").replace("\t", "").isprintable()
    whole = text if printable else None
    if len(text) <= limit:
        return "whole", text, whole
    return ("excerpt", text[:limit], whole) if limit >= 40 else ("left out", "", whole)


def _command(event: Event, headers: Mapping[str, str], credential: str, body: str | None) -> str:
    """A shell line, to be run in the run folder (it may name a file in `bodies/`)."""
    if event.kind == "document" and event.resp_digest:
        return f"dtc validate {_file(event.resp_digest)}"
    if event.kind == "validator" and event.req_digest:
        return _validation(event.url or "", event.req_digest)
    if event.kind in ("stream", "mqtt") and event.url:
        return _live(event, body)
    if event.kind != "http" or not event.url:
        return ""
    if credential and credential != "none" and not any(MARK.search(value) for value in headers.values()):
        headers = {**headers, "X-API-Key": f"[redacted:{credential}]"}
    return curl(event.method or "GET", event.url, headers, body=body, digest=event.req_digest or "")


def _live(event: Event, body: str | None) -> str:
    """A line for a frame or packet that was sent; what came is shown by those before it."""
    facts = {name.lower(): value for name, value in (event.req_headers or {}).items()}
    credential, url = event.credential or "", event.url or ""
    if event.kind == "mqtt":
        return mosquitto(url, credential, facts, facts.get("payload")) if event.method == "SEND" else ""
    if event.method == "OPEN":
        return wscat(url, credential, protocol=facts.get("sec-websocket-protocol", ""), text=None)
    if event.method == "SEND" and facts.get("frame") == "text" and body is not None:
        return wscat(url, credential, protocol="wia-dtc-v1", text=body)
    return ""


def _validation(how: str, digest: str) -> str:
    """The target's own validator on a recorded record: its address (POST) or its command with `{file}`."""
    if how.startswith(("http://", "https://")):
        return curl("POST", how, {"content-type": "application/json"}, body=None, digest=digest)
    return how.replace("{file}", _file(digest)) if how.isprintable() else ""


def _file(digest: str) -> str:
    return shlex.quote(f"bodies/{digest}")
