"""No way round the login of stream and broker, and no taking over of another's session (DTC-SEC-004)."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from dtc_cli.harness.suite import (
    NOBODY,
    Arrived,
    Blocked,
    Credential,
    NotTested,
    Twin,
    Violation,
    expect,
    packets,
    verifies,
)
from suites.phase3.support import broker, readings, wia
from suites.phase3.support.broker import Client
from suites.phase3.support.wia import Session

CLAUSE = "P4 8.3, P3 8.2"
GAIN = "an attacker hears, or says, what only callers with credentials may (CWE-306, API2:2023)"
FOREIGN = "https://evil.example"

UNSIGNED: str = (
    ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
        for part in ({"alg": "none"}, {"sub": "admin", "role": "admin", "exp": 4_070_908_800})
    )
    + "."
)
"""A token without a signature, by which its bearer is admin."""

UPGRADES: dict[str, Callable[[Twin], dict[str, Any]]] = {
    "no-credentials": lambda _: {"as_": NOBODY},
    "browser": lambda _: {"as_": NOBODY, "headers": {"Origin": FOREIGN}},
    "own-browser": lambda twin: {"as_": NOBODY, "headers": {"Origin": twin.rest.origin}},
    "wrong-key": lambda twin: {"as_": twin.credentials.key_text("0" * 40, "wrong")},
    "key-with-a-tail": lambda twin: {"as_": twin.credentials.variant(twin.credentials.usual, "suffix")},
    "unsigned-token": lambda twin: {"as_": bearer(twin, UNSIGNED)},
    "empty-token": lambda _: {"as_": NOBODY, "headers": {"Authorization": "Bearer"}},
    "cookie": lambda _: {"as_": NOBODY, "headers": {"Cookie": "session=admin; role=admin"}},
    "from-inside": lambda _: {
        "as_": NOBODY,
        "headers": {"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1", "X-Forwarded-User": "admin"},
    },
    "query": lambda _: {"as_": NOBODY, "query": "?role=admin&authenticated=true"},
    "key-in-the-query": lambda twin: {"as_": NOBODY, "query": f"?api_key={own_key(twin)}"},
    "token-in-the-query": lambda twin: {"as_": NOBODY, "query": f"?access_token={UNSIGNED}"},
}
LOGINS: dict[str, Callable[[Twin], dict[str, Any]]] = {
    "anonymous": lambda _: {"login": (None, None)},
    "user-alone": lambda _: {"login": ("api-key", None)},
    "empty-password": lambda _: {"login": ("api-key", "")},
    "admin-admin": lambda _: {"login": ("admin", "admin")},
    "wrong-key": lambda twin: {"as_": twin.credentials.key_text("0" * 40, "wrong")},
    "key-with-a-tail": lambda twin: {"as_": twin.credentials.variant(twin.credentials.usual, "suffix")},
    "unsigned-token": lambda twin: {"as_": bearer(twin, UNSIGNED)},
    "key-as-user": lambda twin: {"login": (spoilt_key(twin), None)},
    "older-version": lambda _: {"login": (None, None), "level": 4},
    "with-a-will": lambda twin: {
        "login": (None, None),
        "will": {"topic": f"city/{twin.target.city}/alerts/critical/dtc", "payload": b"{}", "qos": 1},
    },
}
MESSAGES = ("SUBSCRIBE", "PUBLISH")


def bearer(twin: Twin, token: str) -> Credential:
    """A token as a credential; it stands in the evidence as what it is."""
    twin.credentials.conceal(token, "unsigned-token")
    return Credential("unsigned-token", {"Authorization": f"Bearer {token}"})


def own_key(twin: Twin) -> str:
    """The usual key, to be sent where no key may be taken."""
    return twin.credentials.secrets[twin.credentials.usual]


def spoilt_key(twin: Twin) -> str:
    """The usual key without its last character: known to the evidence, so that it is kept out of it."""
    (text,) = twin.credentials.variant(twin.credentials.usual, "prefix").headers.values()
    return text


@verifies("DTC-SEC-004", hazard="security")
@pytest.mark.parametrize("door", ["stream", "broker"])
def test_a_caller_with_credentials_hears(twin: Twin, door: str) -> None:
    sensor, mine = readings.sensor(twin, "live"), readings.measurement(twin)
    topic = readings.filter_of(twin)
    if door == "stream":
        session = wia.open_session(twin)
        session.subscribed((topic, 0))
        readings.post(twin, sensor, mine)
        heard: list[Any] = session.publishes(wia.DELIVERY_S, readings.like(sensor, mine["value"]), most=1)
        session.close()
    else:
        client = broker.connect(twin, "sec-ears")
        client.subscribed((topic, 0))
        readings.post(twin, sensor, mine)
        heard = list(client.messages(wia.DELIVERY_S, readings.on_mqtt(sensor, mine["value"]), most=1))
        client.close()
    expect.that(bool(heard), "a subscriber with credentials hears nothing", clause=CLAUSE)


@verifies("DTC-SEC-004", negative=True, hazard="security")
@pytest.mark.parametrize("name", UPGRADES)
def test_a_stranger_hears_nothing_on_the_stream(twin: Twin, name: str) -> None:
    """The upgrade is refused, or granted to nobody (C-85), who is served nothing."""
    link = twin.stream.open(**UPGRADES[name](twin))
    if not link.is_open:
        return
    session = Session(twin, link)
    session.subscribe((readings.filter_of(twin), 0), ("#", 0))
    judge_silent(twin, session, f"an upgrade with {name} and a SUBSCRIBE")


@verifies("DTC-SEC-004", negative=True, hazard="security")
@pytest.mark.parametrize("auth", ["wrong-key", "empty", "unsigned-token", "role-only", "null"])
def test_a_false_connect_opens_no_stream(twin: Twin, auth: str) -> None:
    link = twin.stream.open(as_=NOBODY, headers={"Origin": twin.rest.origin})
    if not link.is_open:
        return
    session = Session(twin, link)
    forms: dict[str, dict[str, Any]] = {
        "wrong-key": {"auth": {"type": "api-key", "apiKey": "0" * 40}, "apiKey": "0" * 40},
        "empty": {"auth": {}},
        "unsigned-token": {"auth": {"type": "bearer", "token": UNSIGNED}, "token": UNSIGNED},
        "role-only": {"auth": {"role": "admin"}, "role": "admin", "authenticated": True},
        "null": {"auth": None, "apiKey": None},
    }
    session.send("CONNECT", {"clientId": f"dtc-sec-{auth}", **forms[auth]})
    session.subscribe((readings.filter_of(twin), 0))
    judge_silent(twin, session, f"a CONNECT with {auth}")


def judge_silent(twin: Twin, session: Session, what: str) -> None:
    """A reading of the run does not come to this session.

    Raises:
        Violation: when it does.
    """
    sensor, mine = readings.sensor(twin, "live"), readings.measurement(twin)
    readings.post(twin, sensor, mine)
    heard = session.publishes(wia.SILENCE_S, readings.like(sensor, mine["value"]), most=1)
    session.close()
    expect.that(
        not heard,
        f"{what} delivers readings",
        expected="a refusal, or no data (UNAUTHORIZED)",
        actual=heard[:1],
        clause=CLAUSE,
        hint=GAIN,
    )


@verifies("DTC-SEC-004", negative=True, hazard="security")
def test_what_a_stranger_says_on_the_stream_is_not_taken(twin: Twin) -> None:
    sensor, mine = readings.sensor(twin, "live"), readings.measurement(twin)
    link = twin.stream.open(as_=NOBODY, headers={"Origin": twin.rest.origin})
    if not link.is_open:
        return
    session = Session(twin, link)
    session.send("PUBLISH", readings.body(sensor, mine), topic=readings.topic(twin, sensor), qos=1)
    session.refusal(wia.SILENCE_S, of={"PUBACK"})
    session.close()
    judge_not_stored(twin, sensor, mine, "an unauthenticated socket")


@verifies("DTC-SEC-004", negative=True, hazard="security")
@pytest.mark.parametrize("name", LOGINS)
def test_a_stranger_is_not_let_in_by_the_broker(twin: Twin, name: str) -> None:
    link = twin.mqtt.connect(broker.client_id(twin, f"sec-{name}"), **LOGINS[name](twin))
    accepted, answer = link.accepted, link.connack
    link.drop()
    expect.that(
        not accepted,
        f"the broker lets in a client with {name}",
        expected="CONNACK 0x86 or 0x87, or the end of the connection",
        actual=broker.told(answer),
        clause=CLAUSE,
        hint=GAIN,
    )


@verifies("DTC-SEC-004", negative=True, hazard="security")
@pytest.mark.parametrize("first", MESSAGES)
@pytest.mark.parametrize("login", ["none", "refused"])
def test_nothing_is_served_before_the_login(twin: Twin, first: str, login: str) -> None:
    """Packets before CONNECT, or sent in one go behind a CONNECT that must be refused."""
    sensor, mine = readings.sensor(twin, "live"), readings.measurement(twin)
    link = twin.mqtt.dial()
    if login == "refused":
        hello = packets.connect(
            broker.client_id(twin, "sec-early"), username="api-key", password="0" * 40, keep_alive=60
        )
        link.send("CONNECT", hello)
    if first == "SUBSCRIBE":
        link.subscribe([(readings.filter_of(twin), 0)])
        readings.post(twin, sensor, mine)
    else:
        link.publish(readings.topic(twin, sensor), json.dumps(readings.body(sensor, mine)).encode(), qos=1)
    came = list(link.during(wia.SILENCE_S))
    link.drop()
    heard = [one for one in came if one.kind == "PUBLISH" and readings.on_mqtt(sensor)(one)]
    expect.that(
        not heard, f"{first} before a login delivers readings", actual=kinds(came), clause=CLAUSE, hint=GAIN
    )
    if first == "PUBLISH":
        judge_not_stored(twin, sensor, mine, "a client that did not log in")


def judge_not_stored(twin: Twin, sensor: str, mine: dict[str, Any], who: str) -> None:
    """A reading that a stranger published is not there."""
    found = readings.stored(twin, sensor, mine["value"])
    expect.that(
        found is None, f"{who} stores readings", expected="a refusal", actual=found, clause=CLAUSE, hint=GAIN
    )


@verifies("DTC-SEC-004", negative=True, hazard="security")
@pytest.mark.parametrize("clean", [True, False], ids=["clean", "resumed"])
def test_another_user_takes_over_no_client(twin: Twin, clean: bool) -> None:
    """With the client id of somebody else: neither are they thrown out, nor is their session had."""
    role = next((one for one in ("device", "viewer", "other_city") if one in twin.credentials.roles), None)
    if role is None:
        raise NotTested("a take-over needs a second credential: auth.api_keys.device or viewer")
    topic = f"city/{twin.target.city}/objects/#"
    owner = broker.connect(twin, "sec-owner", clean=True, values={"sessionExpiry": 60})
    owner.subscribed((topic, 1))
    link = twin.mqtt.connect(
        broker.client_id(twin, "sec-owner"), as_=role, clean=clean, values={"sessionExpiry": 0}
    )
    had = link.accepted and link.session_present
    owner.link.ping()
    alive = owner.reply(("PINGRESP", "DISCONNECT", "END"), within_s=wia.DELIVERY_S)
    stolen = _stolen(twin, link, accepted=link.accepted, thief=role)
    link.drop()
    if alive is not None and alive.kind == "PINGRESP":
        owner.close()
    expect.that(
        not had and not stolen and alive is not None and alive.kind == "PINGRESP",
        f"the role {role} takes over a client of another user",
        expected="CONNACK with a failure (0x85, 0x87), or a session of its own; the owner stays",
        actual=f"session present: {had}, the owner got {broker.told(alive)}, heard {stolen}",
        clause=CLAUSE,
        hint="an attacker throws out clients and reads their messages (CWE-287, API2:2023)",
    )


def _stolen(twin: Twin, link: Any, *, accepted: bool, thief: str) -> list[str]:
    """Topics that the thief hears of the owner's subscription."""
    if not accepted:
        return []
    client = Client(twin, link)
    created, _ = twin.scratch.object()
    got = client.messages(wia.SILENCE_S, lambda one: created.encode() in one.packet.payload, most=1)
    return [f"{one.packet.topic} ({thief})" for one in got]


def kinds(came: list[Arrived]) -> str:
    """Packets in words."""
    if not came:
        raise Blocked("DTC-P3-051", "the broker neither answers nor ends a connection without a login")
    return ", ".join(broker.told(one) for one in came)


@verifies("DTC-SEC-016", hazard="security")
def test_a_client_without_an_origin_connects(twin: Twin) -> None:
    wia.open_session(twin).close()


@verifies("DTC-SEC-016", negative=True, hazard="security")
@pytest.mark.parametrize("name", ["foreign", "null", "lookalike", "prefix"])
def test_a_foreign_page_with_cookies_is_refused(twin: Twin, name: str) -> None:
    host = twin.rest.origin.partition("://")[2]
    origin = {
        "foreign": FOREIGN,
        "null": "null",
        "lookalike": f"https://{host.split(':')[0]}.evil.example",
        "prefix": f"https://evil-{host}",
    }[name]
    link = twin.stream.open(as_=NOBODY, headers={"Origin": origin, "Cookie": "session=dtc; token=dtc"})
    status, opened = link.status, link.is_open
    if opened:
        link.close()
        raise Violation(
            f"a page of {origin} may open a stream with the cookies of its visitor",
            expected="a refusal: the origin is on no allow list",
            actual=f"status {status}",
            clause="P4 8.3",
            hint="compare Origin with a list of your own pages (CWE-1385)",
        )
