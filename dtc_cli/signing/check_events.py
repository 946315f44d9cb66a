"""Checks of the recorded exchanges: an unbroken chain, tied to the matrix, with every body at hand."""

from datetime import timedelta
from typing import Annotated, Any

import msgspec

from dtc_cli.core.canonical import canonical_json
from dtc_cli.core.chain import SpanDigest, genesis, link
from dtc_cli.core.model import MatrixLine
from dtc_cli.exit_codes import ExitCode
from dtc_cli.signing import evidence, layout, statement, strict_json
from dtc_cli.signing.case import Case
from dtc_cli.signing.evidence import Hex, Whole
from dtc_cli.signing.refusal import Refusal

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
NO_EVENTS = (0, -1)
AROUND = timedelta(minutes=5)
"""A preflight before the run, and a clock that is set a little, are no cheat."""


class Event(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the checks need of an event line; it has further members."""

    seq: Count
    prev: Hex
    t_mono_us: Count
    kind: str
    vector: str | None = None
    method: str | None = None
    url: str | None = None
    status: Whole | None = None
    req_digest: Hex | None = None
    resp_digest: Hex | None = None
    t_utc: str | None = None
    tls_spki: str | None = None
    target: dict[str, Any] | None = None
    """Whom the run spoke to, in the note that a run begins with."""


class Log(msgspec.Struct):
    """What was gathered from the event lines."""

    count: int
    head: str
    bodies: set[str]
    spans: dict[str, SpanDigest]
    first: str = ""
    last: str = ""
    """Wall clock of the earliest and latest event, as text."""
    spoken_to: set[str] = msgspec.field(default_factory=set)
    """Base addresses in the notes of the run."""
    tls_keys: set[str] = msgspec.field(default_factory=set)
    """TLS keys that the judged address showed."""


def chain(case: Case) -> str:
    """Every event line continues the one before; start, head and number are those of the signed run.

    Raises:
        Refusal: naming the first line that breaks it.
    """
    run = case.evidence.run
    try:
        start = genesis(run.nonce, run.run_id, run.standard.catalogue_digest, run.profile.digest)
    except ValueError as problem:
        raise Refusal(str(problem)) from problem
    case.log = _read(case, start)
    if (case.log.count, case.log.head) != (run.events.count, run.events.head):
        raise Refusal("the event log does not end where run.json says")
    if canonical_json(case.predicate["eventLog"]) != canonical_json(case.expected["eventLog"]):
        raise Refusal("the event log is not the one that was signed")
    return f"{case.log.count} events from the run's nonce to the signed head"


def ties(case: Case) -> str:
    """Each matrix line names events that exist, and binds what was sent and answered in them.

    Raises:
        Refusal: naming the vector.
    """
    if not case.log.count and case.evidence.lines:
        raise Refusal(
            "vectors were judged and nothing was recorded: evidence is withheld", ExitCode.INCOMPLETE
        )
    for line in case.evidence.lines:
        first, last = line.events
        if line.events != NO_EVENTS and not 0 <= first <= last < case.log.count:
            raise Refusal(f"{line.vector} refers to events {first} to {last}, which do not exist")
        span = case.log.spans.get(line.vector, SpanDigest())
        if line.events != NO_EVENTS and not span.count:
            raise Refusal(f"{line.vector} refers to events that belong to other vectors")
        if (line.request_digest, line.response_digest) != (span.requests, span.answers):
            raise Refusal(f"{line.vector} does not bind the exchanges of its events")
    return f"{len(case.log.spans)} vectors bound to their exchanges"


def story(case: Case) -> str:
    """The exchanges were with the address, in the time and with the TLS key that the run claims.

    Raises:
        Refusal: naming what the events say instead.
    """
    run, log = case.evidence.run, case.log
    others = sorted(log.spoken_to - {run.target.base_url})
    if others:
        raise Refusal(f"the run claims {run.target.base_url}, its events spoke to {others[0]}")
    if log.first:
        began, ended = statement.instant(run.started_at), statement.instant(run.finished_at)
        if statement.instant(log.first) < began - AROUND or statement.instant(log.last) > ended + AROUND:
            raise Refusal(f"events are from {log.first} to {log.last}, outside of the run's own times")
    claimed = set(run.target.fingerprint.tls_spki)
    other = sorted(log.tls_keys - claimed)
    if claimed and other:
        raise Refusal(
            f"the target showed the TLS key {other[0][:16]} during the run, which the run does not claim"
        )
    return f"{len(log.tls_keys)} TLS keys and the times of the events are those of the run"


def bodies(case: Case) -> str:
    """Every body that an event names is in the package, under its own digest.

    Raises:
        Refusal: INCOMPLETE when one is withheld.
    """
    for name, digest in case.digests.items():
        if name.startswith(layout.BODIES) and name != layout.BODIES + digest:
            raise Refusal(f"{name} does not hold the body that its name says")
    withheld = sorted(body for body in case.log.bodies if layout.BODIES + body not in case.digests)
    if withheld:
        raise Refusal(f"{len(withheld)} bodies are withheld, first {withheld[0][:16]}", ExitCode.INCOMPLETE)
    return f"{len(case.log.bodies)} bodies, all in the package"


def _read(case: Case, start: str) -> Log:
    ranges: dict[str, MatrixLine] = {line.vector: line for line in case.evidence.lines}
    log = Log(count=0, head=start, bodies=set(), spans={})
    last_time = 0
    for line in case.files.lines(layout.EVENTS):
        where = f"{layout.EVENTS} line {log.count + 1}"
        value = strict_json.parse_canonical(line, where)
        event = evidence.typed(value, where, Event)
        if event.seq != log.count or event.prev != log.head:
            raise Refusal(f"{where} does not continue the chain")
        if event.t_mono_us < last_time:
            raise Refusal(f"{where} goes back in time")
        if event.vector in ranges:
            first, last = ranges[event.vector].events
            if first <= event.seq <= last:
                log.spans.setdefault(event.vector, SpanDigest()).add(value)
        if event.req_digest:
            log.bodies.add(event.req_digest)
        if event.resp_digest:
            log.bodies.add(event.resp_digest)
        log.head = link(line)
        log.count += 1
        last_time = event.t_mono_us
        _told(log, event, case.evidence.run.target.base_url)
    return log


def _told(log: Log, event: Event, base: str | None) -> None:
    """Note what an event says of whom and when."""
    if event.t_utc:
        if not log.first or event.t_utc < log.first:
            log.first = event.t_utc
        log.last = max(log.last, event.t_utc)
    if event.kind == "note" and event.target is not None and event.target.get("baseUrl"):
        log.spoken_to.add(str(event.target["baseUrl"]))
    if event.tls_spki and base and (event.url or "").startswith(base):
        log.tls_keys.add(event.tls_spki)
