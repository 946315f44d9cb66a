"""Sizes and compression on the stream: DTC-P3-008, -009, -010."""

import json

import pytest

from dtc_cli.harness.suite import (
    Blocked,
    NotApplicable,
    Received,
    Tolerated,
    Twin,
    Violation,
    expect,
    verifies,
)
from suites.phase3.support import readings, wia
from suites.phase3.support.wia import Session, open_session

FRAME_MAX = 65_536  # P3 4.1.3, C-75
MESSAGE_MAX = 1_048_576  # P3 4.1.3, C-75
PIECE = 60_000
CLAUSE = "P3 4.1.3, C-75"
OFFER = "permessage-deflate; client_no_context_takeover; server_no_context_takeover"


def padded(session: Session, size: int) -> str:
    """A PING of so many bytes: its source, a text of any length, fills it."""
    message = session.envelope("PING", source="")
    return json.dumps({**message, "source": "x" * (size - len(json.dumps(message)))})


def send_in_pieces(session: Session, text: str, piece: int = PIECE) -> None:
    """Send a text in fragments."""
    parts = [text[at : at + piece] for at in range(0, len(text), piece)]
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        session.link.send_frame(0x1 if number == 0 else 0x0, part.encode(), fin=last)


def judge_pong(session: Session, what: str) -> None:
    """The padded PING was answered."""
    answer = session.reply({"PONG", "ERROR", "DISCONNECT"}, within_s=10.0)
    session.close()
    expect.that(
        answer is not None and answer.get("type") == "PONG",
        f"{what} is not taken",
        expected="PONG",
        actual=session.told(answer),
        clause=CLAUSE,
    )


def judge_too_large(session: Session, what: str) -> None:
    """Refused with 1009; a connection that just ends while we still send has lost its close frame."""
    end: Received | None = None
    for found in session.link.during(10.0):
        if found.over:
            end = found
        message = wia.message_of(found)
        expect.that(
            message is None or message.get("type") != "PONG",
            f"{what} is taken",
            expected="close 1009",
            actual="PONG",
            clause=CLAUSE,
        )
    session.link.drop()
    expect.that(
        end is not None and (end.kind == "eof" or end.code == 1009),
        f"{what} is not refused with 1009",
        expected="close 1009",
        actual=f"{end.kind} {end.code}" if end else "the connection goes on",
        clause=CLAUSE,
    )


@verifies("DTC-P3-008")
@pytest.mark.parametrize("size", [1_000, 30_000, 60_000])
def test_a_frame_of_up_to_60_kb_is_taken(twin: Twin, size: int) -> None:
    session = open_session(twin)
    session.link.send_text(padded(session, size))
    judge_pong(session, f"a frame of {size} bytes")


@verifies("DTC-P3-008", hazard="write")
def test_the_target_sends_no_larger_frame(twin: Twin) -> None:
    """A long message comes to its subscriber in frames of at most 64 KB."""
    sensor, hearer, speaker = readings.sensor(twin), open_session(twin), open_session(twin)
    hearer.subscribed((readings.filter_of(twin), 0))
    mine = readings.measurement(twin)
    payload = {**readings.body(sensor, mine), "note": "x" * 200_000}
    message = speaker.envelope("PUBLISH", payload, topic=readings.topic(twin, sensor), qos=0)
    send_in_pieces(speaker, json.dumps(message))
    largest = 0
    for found in hearer.link.during(wia.DELIVERY_S):
        largest = max(largest, *found.sizes, 0)
        one = wia.message_of(found)
        if one is not None and readings.about(one, sensor, mine["value"]):
            break
    speaker.close()
    hearer.close()
    expect.that(
        largest <= FRAME_MAX,
        "the target sends a frame above 64 KB",
        expected=f"at most {FRAME_MAX} bytes",
        actual=largest,
        clause=CLAUSE,
    )


@verifies("DTC-P3-008", negative=True)
@pytest.mark.parametrize("size", [131_072, 300_000])
def test_a_larger_frame_is_refused(twin: Twin, size: int) -> None:
    session = open_session(twin)
    session.link.send_text(padded(session, size))
    judge_too_large(session, f"a frame of {size} bytes")


@verifies("DTC-P3-009")
@pytest.mark.parametrize(("size", "piece"), [(200_000, PIECE), (900_000, PIECE), (100_000, 10_000)])
def test_a_message_in_pieces_is_taken(twin: Twin, size: int, piece: int) -> None:
    session = open_session(twin)
    send_in_pieces(session, padded(session, size), piece)
    judge_pong(session, f"a message of {size} bytes in fragments")


@verifies("DTC-P3-009", negative=True)
def test_a_message_above_1_mb_is_refused(twin: Twin) -> None:
    session = open_session(twin)
    send_in_pieces(session, padded(session, 1_500_000))
    judge_too_large(session, "a message of 1.5 MB in fragments")


@verifies("DTC-P3-009", negative=True)
def test_a_message_above_1_mb_is_refused_however_small_it_travels(twin: Twin) -> None:
    """1.5 MB in a compressed frame of some kilobytes."""
    session = open_session(twin, deflate=OFFER)
    if "permessage-deflate" not in session.link.extensions:
        raise NotApplicable("permessage-deflate is not granted, which another vector judges")
    session.link.send_deflated(padded(session, 1_500_000))
    try:
        judge_too_large(session, "a compressed message of 1.5 MB")
    except Violation as found:  # whether 1 MB counts before or after compression is not said
        raise Tolerated(
            found.message,
            expected=found.finding.expected,
            actual=found.finding.actual,
            clause=found.finding.clause,
        ) from None


@verifies("DTC-P3-010")
def test_compression_is_granted(twin: Twin) -> None:
    link = twin.stream.open(deflate=OFFER)
    if not link.is_open:
        raise Blocked("DTC-P3-001", f"the upgrade is answered with {link.status}")
    link.drop()
    expect.that(
        "permessage-deflate" in link.extensions,
        "permessage-deflate is not granted",
        actual=link.extensions,
        clause="P3 4.1.3",
    )


@verifies("DTC-P3-010")
def test_compressed_messages_go_both_ways(twin: Twin) -> None:
    session = open_session(twin, deflate=OFFER)
    if "permessage-deflate" not in session.link.extensions:
        raise NotApplicable("permessage-deflate is not granted, which another vector judges")
    for _ in range(3):
        session.link.send_deflated(padded(session, 5_000))
        answer = session.reply({"PONG"})
        if answer is None:
            break
    session.close()
    expect.that(
        answer is not None,
        "a compressed message is not answered, or the answer cannot be read",
        actual=session.told(answer),
        clause="P3 4.1.3, RFC 7692",
    )


@verifies("DTC-P3-010")
def test_a_client_without_compression_is_served(twin: Twin) -> None:
    session = open_session(twin)
    session.link.send_text(padded(session, 5_000))
    answer = session.reply({"PONG"})
    granted = session.link.extensions
    session.close()
    expect.that(answer is not None, "an uncompressed message is not answered", clause="P3 4.1.3")
    expect.that(
        not granted, "an extension is granted that was not offered", actual=granted, clause="RFC 6455 9.1"
    )


@verifies("DTC-P3-010", negative=True)
def test_a_compressed_frame_without_negotiation_ends_the_connection(twin: Twin) -> None:
    session = open_session(twin)
    session.link.send_deflated(padded(session, 500))
    end = next((found for found in session.link.during(wia.DELIVERY_S) if found.over), None)
    session.link.drop()
    expect.that(
        end is not None and (end.kind == "eof" or end.code == 1002),
        "RSV1 without negotiation does not end the connection",
        expected="close 1002",
        actual=f"{end.kind} {end.code}" if end else "open",
        clause="RFC 6455 5.2",
    )
