"""The broker's login: DTC-P3-052 to -054."""

import pytest

from dtc_cli.harness.suite import NOBODY, Blocked, MqttLink, NotApplicable, Twin, expect, verifies
from suites.phase2.support.tokens import Tokens
from suites.phase2.support_live import once
from suites.phase3.support import broker, wia
from suites.phase3.support.broker import REFUSED_LOGIN, client_id
from suites.phase3.support.logins import expired, first_token


def judge_refused(link: MqttLink, what: str, codes: set[int], *, clause: str) -> None:
    """CONNACK with one of the reasons, and the connection ends; an end without CONNACK refuses too."""
    answer = link.connack
    rest = [] if answer is None or answer.over else list(link.during(wia.DELIVERY_S))
    link.drop()
    accepted = answer is not None and answer.kind == "CONNACK" and answer.packet.reason == 0
    expect.that(
        answer is not None and not accepted,
        f"{what} is accepted" if accepted else f"{what} is not answered",
        expected=" or ".join(f"{code:#04x}" for code in sorted(codes)),
        actual=broker.told(answer),
        clause=clause,
    )
    if answer is not None and answer.kind == "CONNACK":
        expect.that(
            answer.packet.reason in codes,
            f"{what} is refused with another reason",
            expected=" or ".join(f"{code:#04x}" for code in sorted(codes)),
            actual=broker.told(answer),
            clause=clause,
        )
        expect.that(
            any(one.over for one in rest),
            "the connection stays open after a refusal",
            clause=f"{clause}, MQTT 5 3.1.4",
        )


@verifies("DTC-P3-052")
@pytest.mark.parametrize("role", ["admin", "operator", "viewer", "device"])
def test_a_key_logs_in(twin: Twin, role: str) -> None:
    if role not in twin.credentials.roles:
        raise NotApplicable(f"the target file names no key auth.api_keys.{role}")
    link = twin.mqtt.connect(client_id(twin, f"key-{role}"), as_=role)
    link.drop()
    expect.that(
        link.accepted,
        f"user name api-key with the key {role} is refused",
        expected="CONNACK 0x00",
        actual=broker.told(link.connack),
        clause="P3 8.2.1, C-71",
    )


@verifies("DTC-P3-052", negative=True)
@pytest.mark.parametrize("how", ["nonsense", "prefix", "suffix", "doubled", "upper", "empty"])
def test_a_wrong_key_is_refused(twin: Twin, how: str) -> None:
    if how in ("nonsense", "empty"):
        key = {"nonsense": "dtc-no-such-key", "empty": ""}[how]
    else:
        key = twin.credentials.variant("admin", how).headers["X-API-Key"]
        if key == twin.credentials.role("admin").headers["X-API-Key"]:
            raise NotApplicable("the key has no such variant")
    link = twin.mqtt.connect(client_id(twin, f"wrong-{how}"), login=("api-key", key))
    judge_refused(link, f"a wrong key ({how})", REFUSED_LOGIN, clause="P3 8.2.1")


@verifies("DTC-P3-052", negative=True)
def test_a_key_under_another_name_is_refused(twin: Twin) -> None:
    """C-71: api-key and oauth are the names; another one is no login."""
    key = twin.credentials.role("admin").headers["X-API-Key"]
    link = twin.mqtt.connect(client_id(twin, "name"), login=("somebody", key))
    judge_refused(link, "a key under the user name somebody", REFUSED_LOGIN, clause="P3 8.2, C-71")


@verifies("DTC-P3-053")
def test_a_token_logs_in(twin: Twin) -> None:
    once(twin, "p3-first-token", lambda: first_token(twin))
    link = twin.mqtt.connect(client_id(twin, "token"), as_=Tokens(twin).bearer())
    link.drop()
    expect.that(
        link.accepted,
        "user name oauth with a valid token is refused",
        expected="CONNACK 0x00",
        actual=broker.told(link.connack),
        clause="P3 8.2.2",
    )


@verifies("DTC-P3-053", negative=True)
@pytest.mark.parametrize("how", ["made-up", "opaque", "shorter", "unsigned", "changed-content"])
def test_a_spoilt_token_is_refused(twin: Twin, how: str) -> None:
    tokens = Tokens(twin)
    text = tokens.spoilt(how).headers["Authorization"].removeprefix("Bearer ")
    link = twin.mqtt.connect(client_id(twin, f"token-{how}"), login=("oauth", text))
    judge_refused(link, f"a token ({how})", REFUSED_LOGIN, clause="P3 8.2.2")


@verifies("DTC-P3-053", negative=True)
@pytest.mark.late
def test_an_expired_token_is_refused(twin: Twin) -> None:
    """The token that the run got first, once its time is over; only a target whose tokens are short-lived."""
    text = expired(twin)
    link = twin.mqtt.connect(client_id(twin, "token-expired"), login=("oauth", text))
    judge_refused(link, "an expired token", REFUSED_LOGIN, clause="P3 8.2.2")


@verifies("DTC-P3-053", negative=True)
def test_a_key_is_no_token(twin: Twin) -> None:
    key = twin.credentials.role("admin").headers["X-API-Key"]
    link = twin.mqtt.connect(client_id(twin, "key-as-token"), login=("oauth", key))
    judge_refused(link, "an API key under the user name oauth", REFUSED_LOGIN, clause="P3 8.2.2")


@verifies("DTC-P3-054")
def test_a_client_with_credentials_is_let_in(twin: Twin) -> None:
    link = twin.mqtt.connect(client_id(twin, "known"))
    link.drop()
    if not link.accepted:
        raise Blocked("DTC-P3-052", f"the key is refused: {broker.told(link.connack)}")


@verifies("DTC-P3-054", negative=True)
@pytest.mark.parametrize("how", ["nobody", "name-only", "password-only"])
def test_anonymous_clients_are_refused(twin: Twin, how: str) -> None:
    if twin.target.declares.get("mtls") and twin.mqtt.door.tls_files.cert is not None:
        raise NotApplicable("clients show a certificate, which is a credential (declares.mtls)")
    key = twin.credentials.role("admin").headers["X-API-Key"]
    login = {"nobody": (None, None), "name-only": ("api-key", None), "password-only": (None, key)}[how]
    link = twin.mqtt.connect(client_id(twin, f"anonymous-{how}"), as_=NOBODY, login=login)
    codes = REFUSED_LOGIN if how == "nobody" else {*REFUSED_LOGIN, 0x81, 0x82, 0x8C}
    judge_refused(link, f"a client without credentials ({how})", codes, clause="P3 4.2.1, 8")
