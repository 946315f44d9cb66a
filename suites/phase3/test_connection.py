"""The upgrade to the stream: DTC-P3-001 to -005, and framing: -007."""

import json

import pytest

from dtc_cli.harness.suite import (
    NOBODY,
    Blocked,
    Credential,
    NotApplicable,
    StreamLink,
    Twin,
    Violation,
    expect,
    verifies,
)
from suites.phase2.support.tokens import Tokens
from suites.phase2.support_live import once
from suites.phase3.support import wia
from suites.phase3.support.logins import expired, first_token
from suites.phase3.support.wia import Session, open_session

CLAUSE = "P3 4.1.1"
KEY, ACCEPT = "x3JJHMbDL1EzLkh9GBhXDw==", "HSmrc0sMlYUkAGmm5OPpG2HaGWk="  # P3 4.1.1
KEYS = ("dGhlIHNhbXBsZSBub25jZQ==", "AAAAAAAAAAAAAAAAAAAAAA==", "/////////////////////w==")
NO_UPGRADE = {"Upgrade": None, "Connection": None}
DEADLINE_S = 8.0
"""Seconds for CONNECT after an upgrade without credentials (5, C-85), and some slack."""
SHUT_CODES = {1000, 1002, 1008, 3000, 3003, *range(4000, 5000)}


def opened(twin: Twin, **options: object) -> StreamLink:
    """A link of which the upgrade must have been granted."""
    link = twin.stream.open(**options)  # type: ignore[arg-type]
    if link.status in (401, 403):
        raise Blocked("DTC-P3-005", f"the credentials are refused with {link.status}")
    expect.that(
        link.is_open,
        f"the upgrade is answered with {link.status}",
        expected="101 Switching Protocols",
        actual=f"{link.status} {link.body[:120]!r}",
        clause=CLAUSE,
    )
    return link


@verifies("DTC-P3-001")
def test_an_upgrade_is_granted(twin: Twin) -> None:
    link = opened(twin)
    link.drop()
    expect.that(
        link.headers.get("upgrade", "").lower() == "websocket"
        and "upgrade" in link.headers.get("connection", "").lower(),
        "the answer 101 does not name the upgrade",
        expected="Upgrade: websocket, Connection: Upgrade",
        actual=dict(link.headers),
        clause=CLAUSE,
    )


@verifies("DTC-P3-001")
def test_names_and_tokens_of_headers_know_no_case(twin: Twin) -> None:
    """RFC 9110 5.1 and RFC 6455 4.2.1: also a Connection header with several tokens is an upgrade."""
    opened(twin, headers={"Upgrade": "WebSocket", "Connection": "keep-alive, Upgrade"}).drop()


@verifies("DTC-P3-001", negative=True)
@pytest.mark.parametrize(
    "headers",
    [NO_UPGRADE, {"Upgrade": None}, {"Connection": None}, {"Upgrade": "h2c"}],
    ids=["plain-get", "no-upgrade-header", "no-connection-header", "another-protocol"],
)
def test_no_upgrade_where_none_is_asked_for(twin: Twin, headers: dict[str, str | None]) -> None:
    link = twin.stream.open(headers=headers)
    expect.that(
        link.status is not None and link.status != 101 and not 500 <= link.status <= 599,
        f"a request that asks for no WebSocket is answered with {link.status}",
        expected="400 or 426, never 101",
        actual=link.status,
        clause=CLAUSE,
    )
    expect.that(
        (link.status or 0) // 100 != 2,
        f"the stream's address serves a plain request with {link.status}",
        expected="400 or 426",
        actual=link.status,
        clause=CLAUSE,
    )


@verifies("DTC-P3-002")
@pytest.mark.parametrize("key", [KEY, *KEYS], ids=["printed", "sample", "zeros", "ones"])
def test_accept_belongs_to_the_key(twin: Twin, key: str) -> None:
    link = opened(twin, key=key)
    link.drop()
    wanted = ACCEPT if key == KEY else link.accept
    expect.equal(
        link.headers.get("sec-websocket-accept"), wanted, "Sec-WebSocket-Accept is wrong", clause=CLAUSE
    )


@verifies("DTC-P3-002", negative=True)
def test_accept_is_not_the_same_for_two_keys(twin: Twin) -> None:
    links = [opened(twin, key=key) for key in (KEY, KEYS[0])]
    for link in links:
        link.drop()
    first, second = (link.headers.get("sec-websocket-accept") for link in links)
    expect.that(first != second, "two keys have one Sec-WebSocket-Accept", actual=first, clause=CLAUSE)


@verifies("DTC-P3-002", negative=True)
def test_no_upgrade_without_a_key(twin: Twin) -> None:
    """RFC 6455 4.2.1: without Sec-WebSocket-Key there is no opening handshake."""
    link = twin.stream.open(headers={"Sec-WebSocket-Key": None})
    expect.that(
        not link.is_open, "an upgrade without Sec-WebSocket-Key is granted", expected="400", clause=CLAUSE
    )


@verifies("DTC-P3-003")
@pytest.mark.parametrize(
    "offer", [("wia-dtc-v1",), ("foo", "wia-dtc-v1"), ("wia-dtc-v1", "mqtt")], ids=["alone", "last", "first"]
)
def test_the_subprotocol_is_selected(twin: Twin, offer: tuple[str, ...]) -> None:
    link = opened(twin, protocols=offer)
    link.drop()
    expect.equal(
        link.headers.get("sec-websocket-protocol"),
        "wia-dtc-v1",
        "the subprotocol is not selected",
        clause=CLAUSE,
    )


@verifies("DTC-P3-003", negative=True)
@pytest.mark.parametrize("offer", [("foo",), ("wia-dtc-v2",), ()], ids=["another", "another-version", "none"])
def test_what_was_not_offered_is_not_selected(twin: Twin, offer: tuple[str, ...]) -> None:
    """Refused, or upgraded without the subprotocol: then WIA messages are not spoken (C-68)."""
    link = twin.stream.open(protocols=offer)
    link.drop()
    expect.that(
        "wia-dtc-v1" not in link.headers.get("sec-websocket-protocol", ""),
        "a subprotocol is selected that was not offered",
        expected="400, or no Sec-WebSocket-Protocol: wia-dtc-v1",
        actual=f"{link.status}, {link.headers.get('sec-websocket-protocol')}",
        clause="P3 4.1.1, RFC 6455 4.1",
    )
    expect.that(
        link.is_open or 400 <= (link.status or 0) < 500,
        f"an offer of other subprotocols is answered with {link.status}",
        expected="400",
        actual=link.status,
        clause="C-68",
    )


@verifies("DTC-P3-004")
def test_version_13_is_spoken(twin: Twin) -> None:
    opened(twin, version="13").drop()


@verifies("DTC-P3-004", negative=True)
@pytest.mark.parametrize("version", ["8", "7", "14", "0"])
def test_another_version_is_refused(twin: Twin, version: str) -> None:
    link = twin.stream.open(version=version)
    link.drop()
    expect.that(
        link.status in (400, 426),
        f"WebSocket version {version} is answered with {link.status}",
        expected="426 with Sec-WebSocket-Version: 13, or 400",
        actual=link.status,
        clause=CLAUSE,
    )
    if link.status == 426:
        expect.that(
            "13" in link.headers.get("sec-websocket-version", ""),
            "426 does not say which version is spoken",
            expected="Sec-WebSocket-Version: 13",
            actual=dict(link.headers),
            clause=CLAUSE,
        )


@verifies("DTC-P3-004", negative=True)
def test_a_handshake_without_a_version_is_refused(twin: Twin) -> None:
    link = twin.stream.open(headers={"Sec-WebSocket-Version": None})
    link.drop()
    expect.that(
        link.status in (400, 426),
        f"a handshake that names no WebSocket version is answered with {link.status}",
        expected="400, or 426 with Sec-WebSocket-Version: 13",
        actual=link.status,
        clause=f"{CLAUSE}, RFC 6455 4.2.1",
    )


@verifies("DTC-P3-005")
@pytest.mark.parametrize("role", ["admin", "operator", "viewer", "device"])
def test_a_key_opens_the_stream(twin: Twin, role: str) -> None:
    if role not in twin.credentials.roles:
        raise NotApplicable(f"the target file names no key auth.api_keys.{role}")
    judge_admitted(twin.stream.open(as_=role), f"the key {role}")


@verifies("DTC-P3-005")
def test_a_token_opens_the_stream(twin: Twin) -> None:
    if twin.target.oauth is None:
        raise NotApplicable("the target file names no client (auth.oauth)")
    once(twin, "p3-first-token", lambda: first_token(twin))
    judge_admitted(twin.stream.open(as_=Tokens(twin).bearer()), "a valid token")


def need_bare_callers(twin: Twin) -> None:
    """A caller without key and token may be without any credential.

    Raises:
        NotApplicable: where a client certificate must be shown, which is one (P3 8.2.3).
    """
    if twin.target.declares.get("mtls") and twin.stream.door.tls_files.cert is not None:
        raise NotApplicable("callers show a client certificate, which is a credential (declares.mtls)")


@verifies("DTC-P3-005", negative=True)
def test_nobody_gets_data(twin: Twin) -> None:
    need_bare_callers(twin)
    judge_shut(twin, twin.stream.open(as_=NOBODY), "no credentials")


@verifies("DTC-P3-005", negative=True)
def test_a_page_without_credentials_gets_no_data(twin: Twin) -> None:
    """A page cannot send the headers; it may be let in to say CONNECT, and hears nothing before (C-85)."""
    need_bare_callers(twin)
    place = twin.stream.door
    origin = f"{'https' if place.secure else 'http'}://{place.host}:{place.port}"
    judge_shut(twin, twin.stream.open(as_=NOBODY, headers={"Origin": origin}), "a page without credentials")


@verifies("DTC-P3-005", negative=True)
@pytest.mark.parametrize("how", ["prefix", "suffix", "doubled", "upper", "lower"])
def test_a_spoilt_key_gets_no_data(twin: Twin, how: str) -> None:
    if twin.credentials.variant("admin", how).headers == twin.credentials.role("admin").headers:
        raise NotApplicable("the key has no such variant")
    judge_shut(twin, twin.stream.open(as_=twin.credentials.variant("admin", how)), f"a key with {how}")


@verifies("DTC-P3-005", negative=True)
@pytest.mark.parametrize(
    "header",
    [{"X-API-Key": "nonsense"}, {"Authorization": "Bearer x.y.z"}, {"Authorization": "Basic ZHRjOmR0Yw=="}],
    ids=["key", "token", "basic"],
)
def test_made_up_credentials_get_no_data(twin: Twin, header: dict[str, str]) -> None:
    judge_shut(twin, twin.stream.open(as_=Credential("made-up", header)), "made-up credentials")


@verifies("DTC-P3-005", negative=True)
@pytest.mark.parametrize("how", ["shorter", "unsigned", "changed-content"])
def test_a_spoilt_token_gets_no_data(twin: Twin, how: str) -> None:
    if twin.target.oauth is None:
        raise NotApplicable("the target file names no client (auth.oauth)")
    judge_shut(twin, twin.stream.open(as_=Tokens(twin).spoilt(how)), f"a token ({how})")


@verifies("DTC-P3-005", negative=True)
@pytest.mark.late
def test_an_expired_token_gets_no_data(twin: Twin) -> None:
    """The token that the run got first, once its time is over; only a target whose tokens are short-lived."""
    if twin.target.oauth is None:
        raise NotApplicable("the target file names no client (auth.oauth)")
    judge_shut(twin, twin.stream.open(as_=Tokens(twin).credential(expired(twin))), "an expired token")


@verifies("DTC-P3-005", negative=True)
@pytest.mark.parametrize("name", ["api_key", "token"])
def test_a_key_in_the_address_opens_nothing(twin: Twin, name: str) -> None:
    """C-85: no key in the URL, where logs and histories keep it."""
    need_bare_callers(twin)
    key = twin.credentials.role("admin").headers["X-API-Key"]
    judge_shut(twin, twin.stream.open(as_=NOBODY, query=f"?{name}={key}"), "a key in the address")


@verifies("DTC-P3-007")
def test_a_masked_frame_is_taken_and_answered_unmasked(twin: Twin) -> None:
    session = open_session(twin)
    session.send("PING")
    session.reply({"PONG"})
    session.subscribe((f"city/{twin.target.city}/sensors/#", 0))
    answer = session.reply({"SUBACK", "ERROR"})
    expect.that(answer is not None, "a masked text frame is not answered", clause="P3 4.1.2")
    found = session.link.close()
    expect.that(
        found is None or not (found.masked or found.reserved),
        "the target masks its frames or sets reserved bits",
        expected="frames without mask (RFC 6455 5.1)",
        actual=expect.show(str(found)),
        clause="P3 4.1.2, C-60",
    )


@verifies("DTC-P3-007")
def test_no_frame_of_the_target_is_masked_or_reserved(twin: Twin) -> None:
    session = open_session(twin)
    session.send("PING")
    for found in session.link.during(wia.DELIVERY_S, most=1):
        expect.that(
            not (found.masked or found.reserved) and found.kind != "malformed",
            "the target sends a frame that is masked or uses reserved bits",
            actual=f"{found.kind} masked={found.masked} {found.error}",
            clause="P3 4.1.2, RFC 6455 5",
        )
    session.close()


@verifies("DTC-P3-007")
def test_a_control_frame_may_stand_between_fragments(twin: Twin) -> None:
    """RFC 6455 5.4: a ping inside a message is answered, and the message is read as if it were not there."""
    session = open_session(twin)
    text = json.dumps(session.envelope("PING")).encode()
    session.link.send_frame(0x1, text[:20], fin=False)
    session.link.send_frame(0x9, b"between")
    session.link.send_frame(0x0, text[20:40], fin=False)
    session.link.send_frame(0x0, text[40:])
    kinds = []
    for found in session.link.during(wia.DELIVERY_S):
        kinds.append((wia.message_of(found) or {}).get("type") or found.kind)
        if {"pong", "PONG"} <= set(kinds):
            break
    session.close()
    expect.that(
        {"pong", "PONG"} <= set(kinds),
        "a ping between the fragments of a message is not answered, or the message is lost",
        expected="a pong frame, and PONG for the message",
        actual=kinds,
        clause="P3 4.1.2, RFC 6455 5.4",
    )


@verifies("DTC-P3-007")
def test_fragments_may_cut_a_character(twin: Twin) -> None:
    """RFC 6455 5.4, 8.1: the whole message is UTF-8, not each of its frames."""
    session = open_session(twin)
    text = json.dumps(session.envelope("PING", source="\ubd80\uc0b0"), ensure_ascii=False).encode()
    cut = text.index("\ubd80".encode()) + 1
    session.link.send_frame(0x1, text[:cut], fin=False)
    session.link.send_frame(0x0, text[cut : cut + 3], fin=False)
    session.link.send_frame(0x0, text[cut + 3 :])
    answer = session.reply({"PONG", "ERROR", "DISCONNECT"})
    session.close()
    expect.that(
        answer is not None and answer.get("type") == "PONG",
        "a message whose fragments cut a character is not taken",
        expected="PONG",
        actual=session.told(answer),
        clause="P3 4.1.2, RFC 6455 5.4, 8.1",
    )


@verifies("DTC-P3-007")
def test_a_close_frame_is_answered_by_one(twin: Twin) -> None:
    session = open_session(twin)
    session.link.send_frame(0x8, b"\x03\xe8")
    end = next((found for found in session.link.during(wia.DELIVERY_S) if found.over), None)
    session.link.drop()
    expect.that(
        end is not None and end.kind == "close",
        "a close frame is not answered by a close frame",
        expected="close 1000",
        actual=f"{end.kind} {end.error}" if end else "open after 5 s",
        clause="P3 4.1.2, RFC 6455 5.5.1",
    )


BROKEN = {
    "unmasked-text": (0x1, b"{}", True, 0, False),
    "reserved-opcode": (0x3, b"", True, 0, True),
    "reserved-bit": (0x1, b"{}", True, 2, True),
    "fragmented-ping": (0x9, b"", False, 0, True),
    "long-ping": (0x9, b"x" * 126, True, 0, True),
    "continuation-of-nothing": (0x0, b"{}", True, 0, True),
}


@verifies("DTC-P3-007", negative=True)
@pytest.mark.parametrize("how", BROKEN)
def test_broken_framing_ends_the_connection(twin: Twin, how: str) -> None:
    opcode, payload, fin, rsv, mask = BROKEN[how]
    session = open_session(twin)
    session.link.send_frame(opcode, payload, fin=fin, rsv=rsv, mask=mask)
    end = next((found for found in session.link.during(wia.DELIVERY_S) if found.over), None)
    session.link.drop()
    expect.that(
        end is not None,
        f"the connection goes on after {how.replace('-', ' ')}",
        expected="close 1002, or the end of the connection",
        actual="open after 5 s",
        clause="P3 4.1.2, RFC 6455 5",
    )
    expect.that(
        end is None or end.kind != "close" or end.code in (1002, 1003, 1007, 1008),
        f"{how.replace('-', ' ')} is answered with close {end.code if end else ''}",
        expected="close 1002",
        actual=end.code if end else "",
        clause="RFC 6455 7.4.1",
    )


def judge_admitted(link: StreamLink, what: str) -> None:
    """The caller got past the door."""
    link.drop()
    expect.that(
        link.is_open,
        f"{what} is refused with {link.status}",
        expected="101",
        actual=f"{link.status} {link.body[:120]!r}",
        clause="P3 4.1.1, 8.2",
    )


def judge_shut(twin: Twin, link: StreamLink, what: str) -> None:
    """Refused before the upgrade, or closed at once without any data."""
    clause = "P3 4.1.1, 8.2, C-85"
    if not link.is_open:
        expect.that(
            link.status in (401, 403),
            f"{what}: the upgrade is answered with {link.status}",
            expected="401, or an upgrade that is closed at once",
            actual=link.status,
            clause=clause,
        )
        return
    session = Session(twin, link)
    session.subscribe((f"city/{twin.target.city}/sensors/#", 1))
    granted = [
        message
        for message in session.messages(DEADLINE_S)
        if message.get("type") == "PUBLISH" or (message.get("type") == "SUBACK" and not wia.failure(message))
    ]
    end = session.ended
    session.link.drop()
    if granted:
        raise Violation(
            f"{what}: data flows",
            expected="401, or close 1008",
            actual=session.told(granted[0]),
            clause=clause,
        )
    expect.that(
        end is not None,
        f"{what}: the connection stays open",
        expected="close 1008 within 5 s",
        actual=f"open after {DEADLINE_S:.0f} s",
        clause=clause,
    )
    expect.that(
        end is None or end.code is None or end.code in SHUT_CODES,
        f"{what}: the connection is closed with {end.code if end else ''}",
        expected="1008 or 4401",
        actual=end.code if end else "",
        clause=clause,
    )
