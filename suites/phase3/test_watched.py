"""Timers, watched in the background: DTC-P3-038, -039, -040, -055."""

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from dtc_cli.harness.suite import (
    Blocked,
    MqttLink,
    NotApplicable,
    Scene,
    TargetUnreachable,
    Twin,
    background,
    expect,
    verifies,
)
from suites.phase3.support import broker, wia
from suites.phase3.support.wia import open_session

PING_S = 30.0  # P3 4.1.3, 6.3
IDLE_S = 65.0
DEAD_S, DEAD_SLACK_S = 40.0, 5.0  # P3 6.3
MUTE_WATCH_S = 50.0
PONG_S = 10.0  # P3 6.3
KEEP_ALIVE_S = 4
ANSWER_S = 10.0
"""A busy server may take its time; one that has dropped the client is seen at once."""
LATE_ATTEMPTS = 3
SILENT_KEEP_ALIVE_S = 12
"""Long enough to tell 1.5 intervals from two, with the slack that a busy machine needs."""
FACTOR = 1.5  # P3 4.2.1, MQTT 5 3.1.2.10


def _envelope(scene: Scene, kind: str, number: int, **payload: Any) -> str:
    return json.dumps(
        {
            "version": wia.VERSION,
            "type": kind,
            "messageId": f"{scene.run_id}-{number}",
            "timestamp": "2025-01-15T10:30:00+09:00",
            "payload": payload,
        }
    )


def idle(scene: Scene) -> dict[str, Any]:
    """A client that says nothing by itself but answers each heartbeat, for 65 s."""
    link = scene.stream().open()
    if not link.is_open:
        raise TargetUnreachable(f"the upgrade is answered with {link.status}")
    start = link.now_s
    beats: list[float] = []
    number = 0
    end = None
    for found in link.during(IDLE_S):
        message = wia.message_of(found)
        if found.kind == "ping":
            beats.append(found.at_s - start)
        elif message is not None and message.get("type") == "PING":
            beats.append(found.at_s - start)
            number += 1
            link.send_text(_envelope(scene, "PONG", number))
        elif found.over:
            end = {"kind": found.kind, "code": found.code, "at": found.at_s - start}
    link.drop()
    return {"beats": beats, "end": end}


def mute(scene: Scene) -> dict[str, Any]:
    """A client that subscribes, then answers no heartbeat; when and how it is dropped."""
    link = scene.stream().open()
    if not link.is_open:
        raise TargetUnreachable(f"the upgrade is answered with {link.status}")
    link.mute = True
    start = link.now_s
    end, last, beats = None, start, 0
    for found in link.during(MUTE_WATCH_S):
        if found.over:
            end = {"kind": found.kind, "code": found.code, "at": found.at_s - start}
        else:
            last = found.at_s
            beats += found.kind == "ping" or (wia.message_of(found) or {}).get("type") == "PING"
    link.drop()
    return {"end": end, "last": last - start, "beats": beats}


def silent(scene: Scene) -> dict[str, Any]:
    """An MQTT client with a short Keep Alive that says nothing; when it is dropped."""
    link = scene.mqtt().connect(f"dtc-{scene.run_id[-8:]}-silent", keep_alive=SILENT_KEEP_ALIVE_S)
    if not link.accepted or link.connack is None:
        raise TargetUnreachable(f"CONNECT is refused: {broker.told(link.connack)}")
    start = link.connack.at_s
    interval = link.granted.get("serverKeepAlive", SILENT_KEEP_ALIVE_S)
    end = None
    for found in link.during(min(110.0, interval * FACTOR + 10)):
        if found.over:
            end = found.at_s - start
    link.drop()
    return {"end": end, "interval": interval}


def lively(scene: Scene) -> dict[str, Any]:
    """An MQTT client with a short Keep Alive that sends PINGREQ in time, for four intervals."""
    return {"answers": _speaking(scene, "lively", 4, MqttLink.ping, "PINGRESP")}


def busy(scene: Scene) -> dict[str, Any]:
    """An MQTT client with a short Keep Alive that sends no PINGREQ, but something else in time."""
    filters = [(f"city/{scene.mqtt().city}/objects/#", 0 | 0x20)]
    return {"answers": _speaking(scene, "busy", 3, lambda link: link.subscribe(filters), "SUBACK")}


def _speaking(scene: Scene, name: str, rounds: int, speak: Callable[[MqttLink], object], answer: str) -> int:
    """How many packets, each sent within the Keep Alive, are answered.

    A busy machine may speak too late itself; being dropped then is right, and it is tried again.

    Raises:
        TargetUnreachable: when CONNECT is refused, or this side was too late each time.
    """
    for attempt in range(LATE_ATTEMPTS):
        link = scene.mqtt().connect(f"dtc-{scene.run_id[-8:]}-{name}{attempt}", keep_alive=KEEP_ALIVE_S)
        if not link.accepted or link.connack is None:
            raise TargetUnreachable(f"CONNECT is refused: {broker.told(link.connack)}")
        interval = link.granted.get("serverKeepAlive", KEEP_ALIVE_S)
        answers, heard, silence = 0, link.connack.at_s, 0.0
        while answers < rounds:
            scene.wait(min(KEEP_ALIVE_S, interval) * 0.8)
            speak(link)
            found = next((one for one in link.during(ANSWER_S) if one.over or one.kind == answer), None)
            if found is None or found.over:
                silence = 0.0 if found is None else found.at_s - heard
                break
            answers, heard = answers + 1, found.at_s
        link.drop()
        if silence < interval * FACTOR - 0.5:
            return answers
    raise TargetUnreachable("this side was too slow to speak within the Keep Alive")


def need_driver(twin: Twin, seen: dict[str, Any]) -> None:
    """The target drives heartbeats, and does not leave them to its clients, as C-69 allows too.

    A target that never sends one and drops a client that says nothing expects them from its clients. One that
    sends none and keeps a dead connection has no heartbeat at all: that is judged.

    Raises:
        NotApplicable: when clients drive them; that the target answers them is judged in any case.
    """
    said = twin.target.declares.get("heartbeat")
    if said == "client":
        raise NotApplicable("the target leaves heartbeats to its clients (declares.heartbeat)")
    if said != "server" and not seen["beats"] and seen["end"] is not None and seen["end"]["at"] >= PING_S:
        raise NotApplicable("the target sends no heartbeat and drops silent clients: clients drive them")


@verifies("DTC-P3-038")
@background(idle)
def test_heartbeats_come_on_an_idle_connection(twin: Twin) -> None:
    """Either kind counts (C-69); the instants are those of an idle connection."""
    seen = twin.observed(idle)
    need_driver(twin, seen)
    if seen["end"] is not None and (seen["beats"] or seen["end"]["at"] < PING_S):
        raise Blocked("DTC-P3-040", f"a client that answers heartbeats is dropped: {seen['end']}")
    expect.that(
        len(seen["beats"]) >= 2,
        "fewer than two heartbeats come in 65 s",
        expected="one every 30 s",
        actual=seen["beats"],
        clause="P3 4.1.3, 6.3, C-69",
    )


@verifies("DTC-P3-038", negative=True)
@background(idle)
def test_no_pause_between_heartbeats_is_longer_than_45_s(twin: Twin) -> None:
    seen = twin.observed(idle)
    if not seen["beats"]:
        raise NotApplicable("no heartbeat came; see the positive vector")
    instants = [0.0, *seen["beats"], IDLE_S if seen["end"] is None else seen["end"]["at"]]
    pauses = [later - earlier for earlier, later in pairwise(instants)]
    expect.that(
        max(pauses) <= 1.5 * PING_S,
        "a pause between heartbeats is longer than 45 s",
        expected="30 s",
        actual=[round(one, 1) for one in pauses],
        clause="P3 4.1.3, 6.3",
    )


@verifies("DTC-P3-038")
def test_a_heartbeat_of_the_client_is_answered(twin: Twin) -> None:
    session = open_session(twin)
    session.send("PING")
    answer = session.reply({"PONG"}, within_s=PONG_S)
    session.close()
    expect.that(answer is not None, "a heartbeat of the client is not answered", clause="P3 6.3, C-69")


@verifies("DTC-P3-039")
def test_a_ping_message_is_answered_by_a_pong_message(twin: Twin) -> None:
    session = open_session(twin)
    payloads: tuple[dict[str, Any] | None, ...] = ({}, None)
    for payload in payloads:
        session.link.send_text(json.dumps({**session.envelope("PING"), "payload": payload}))
        answer = session.reply({"PONG", "ERROR"}, within_s=PONG_S)
        expect.that(
            answer is not None and answer.get("type") == "PONG",
            f"PING with payload {payload} is not answered by PONG",
            expected="PONG within 10 s",
            actual=session.told(answer),
            clause="P3 6.3, C-61",
        )
    session.close()


@verifies("DTC-P3-039")
@pytest.mark.parametrize("data", [b"", b"dtc", b"x" * 125], ids=["empty", "short", "longest"])
def test_a_ping_frame_is_answered_by_its_pong(twin: Twin, data: bytes) -> None:
    session = open_session(twin)
    session.link.send_frame(0x9, data)
    pong = next((found for found in session.link.during(PONG_S) if found.kind == "pong"), None)
    session.close()
    expect.that(
        pong is not None,
        "a ping frame is not answered",
        expected="a pong frame",
        clause="P3 6.3, RFC 6455 5.5.3",
    )
    expect.that(
        pong is None or pong.data == data, "the pong frame carries other data", clause="RFC 6455 5.5.3"
    )


@verifies("DTC-P3-039", negative=True)
def test_no_ping_is_left_without_its_pong(twin: Twin) -> None:
    session = open_session(twin)
    for _ in range(5):
        session.send("PING")
    answers = [session.reply({"PONG"}, within_s=PONG_S) for _ in range(5)]
    session.close()
    expect.that(
        all(answers),
        "not every PING has its PONG",
        expected=5,
        actual=sum(map(bool, answers)),
        clause="P3 6.3",
    )


@verifies("DTC-P3-040")
@background(idle)
def test_a_client_that_answers_stays_connected(twin: Twin) -> None:
    seen = twin.observed(idle)
    need_driver(twin, seen)
    if not seen["beats"] and seen["end"] is not None and seen["end"]["at"] >= PING_S:
        raise Blocked("DTC-P3-038", "the target sent no heartbeat that could be answered")
    expect.that(seen["end"] is None, "a client that answers is dropped", actual=seen["end"], clause="P3 6.3")


@verifies("DTC-P3-040", negative=True)
@background(mute)
@background(idle)
def test_a_client_that_answers_nothing_is_dropped(twin: Twin) -> None:
    beats, seen = twin.observed(idle)["beats"], twin.observed(mute)
    if seen["end"] is None and (not beats or beats[0] > 1.5 * PING_S):
        raise Blocked("DTC-P3-038", "the target sends no heartbeat in time that could go unanswered")
    expect.that(
        seen["end"] is not None and seen["end"]["at"] <= DEAD_S + DEAD_SLACK_S,
        "a peer that answers no heartbeat is not dropped in time",
        expected="dropped at most 45 s after the last traffic",
        actual=seen["end"] or f"connected after {MUTE_WATCH_S:.0f} s",
        clause="P3 6.3, C-69",
    )


@verifies("DTC-P3-055")
def test_pingreq_is_answered(twin: Twin) -> None:
    client = broker.connect(twin, "ping", keep_alive=60)
    client.link.ping()
    answer = client.reply("PINGRESP")
    client.close()
    expect.that(answer is not None, "PINGREQ is not answered", expected="PINGRESP", clause="P3 4.2.1")


@verifies("DTC-P3-055")
@background(lively)
def test_a_client_that_pings_stays_connected(twin: Twin) -> None:
    seen = twin.observed(lively)
    expect.equal(seen["answers"], 4, "a client that sends PINGREQ in time is dropped", clause="P3 4.2.1")


@verifies("DTC-P3-055")
@background(busy)
def test_any_packet_is_a_sign_of_life(twin: Twin) -> None:
    seen = twin.observed(busy)
    expect.equal(
        seen["answers"],
        3,
        "a client that sends other packets than PINGREQ in time is dropped",
        clause="P3 4.2.1, MQTT 5 3.1.2.10",
    )


@verifies("DTC-P3-055", negative=True)
@background(silent)
def test_a_silent_client_is_dropped_after_one_and_a_half_intervals(twin: Twin) -> None:
    seen = twin.observed(silent)
    limit = seen["interval"] * FACTOR
    expect.that(
        seen["end"] is not None and seen["end"] <= limit + 5,
        "a silent client is not dropped after 1.5 times its Keep Alive",
        expected=f"dropped after {limit:.1f} s",
        actual=f"{seen['end']:.1f} s" if seen["end"] is not None else "connected",
        clause="P3 4.2.1, C-72",
    )
    expect.that(
        seen["end"] is None or seen["end"] >= seen["interval"] - 0.5,
        "a silent client is dropped before its Keep Alive is over",
        expected=f"not before {seen['interval']} s",
        actual=seen["end"],
        clause="P3 4.2.1",
    )


@verifies("DTC-P3-055")
def test_keep_alive_60_is_taken(twin: Twin) -> None:
    """A server may impose another one (Server Keep Alive); it then drops by that."""
    client = broker.connect(twin, "keep", keep_alive=60)
    told = client.link.granted.get("serverKeepAlive", 60)
    client.close()
    expect.that(
        isinstance(told, int) and told > 0, "the server's Keep Alive is none", actual=told, clause="P3 4.2.1"
    )
