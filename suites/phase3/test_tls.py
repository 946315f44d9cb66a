"""TLS at every door: DTC-P3-078 to -082; HTTP/2: -075 to -077."""

import urllib.parse

import pytest

from dtc_cli.harness.suite import (
    Blocked,
    Handshake,
    NotApplicable,
    NotTested,
    Tolerated,
    Twin,
    Violation,
    expect,
    packets,
    verifies,
)

CLAUSE = "P3 8.1, C-77"
DOORS = ["rest", "stream", "mqtt"]
SUITES = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"]  # P3 8.1
WEAK = ["TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256"]
GET = b"GET / HTTP/1.1\r\nHost: dtc\r\nConnection: close\r\n\r\n"


def is_local(host: str) -> bool:
    """Whether a host is this machine."""
    return host in ("localhost", "::1") or host.startswith("127.")


def secure(twin: Twin, door: str) -> None:
    """The door is there and speaks TLS.

    Raises:
        Violation: when it is reached in plaintext from elsewhere.
        Tolerated: when it is, on this machine only (C-77).
    """
    if door not in twin.doors:
        raise NotTested(f"the target file names no door: {door}")
    place = twin.doors[door]
    if place.secure:
        return
    if is_local(place.host):
        raise Tolerated("the door has no TLS; it is on this machine only", actual=place.url, clause="C-77")
    raise Violation("the door has no TLS", expected="https, wss, mqtts", actual=place.url, clause=CLAUSE)


def shaken(twin: Twin, door: str, **options: object) -> Handshake:
    """A handshake at a secure door, which must have been reachable."""
    found = twin.tls.handshake(door, **options)  # type: ignore[arg-type]
    if not found.connected:
        raise Blocked("DTC-P3-078", f"the door cannot be reached: {found.error}")
    return found


@verifies("DTC-P3-078")
@pytest.mark.parametrize("door", DOORS)
def test_tls_1_3_is_negotiated(twin: Twin, door: str) -> None:
    secure(twin, door)
    found = shaken(twin, door, lowest="TLSv1.3", verify=False)
    expect.that(
        found.ok and found.version == "TLSv1.3",
        "a client that speaks TLS 1.3 only is refused",
        expected="TLSv1.3",
        actual=found.error or found.version,
        clause=CLAUSE,
    )


@verifies("DTC-P3-078", negative=True)
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("version", ["TLSv1", "TLSv1.1", "TLSv1.2"], ids=["1-0", "1-1", "1-2"])
def test_an_older_version_is_refused(twin: Twin, door: str, version: str) -> None:
    """1.0 and 1.1 never; 1.2 as a fallback is a warning at Gold (C-77)."""
    secure(twin, door)
    found = shaken(twin, door, lowest=version, highest=version, verify=False)
    if found.ok and version == "TLSv1.2":
        raise Tolerated(
            "TLS 1.2 is spoken as a fallback", expected="TLS 1.3 alone", actual=found.cipher, clause="C-77"
        )
    expect.that(
        not found.ok,
        f"{version} is spoken",
        expected="a refused handshake",
        actual=found.cipher,
        clause=CLAUSE,
    )


@verifies("DTC-P3-079")
@pytest.mark.parametrize("door", DOORS)
def test_one_of_the_three_suites_is_taken(twin: Twin, door: str) -> None:
    secure(twin, door)
    answers = {suite: twin.tls.offer(door, suite) for suite in SUITES}
    if shaken(twin, door, lowest="TLSv1.3", verify=False).ok is False:
        raise Blocked("DTC-P3-078", "TLS 1.3 is not spoken")
    taken = [suite for suite, answer in answers.items() if answer == suite]
    expect.that(
        bool(taken),
        "none of the three suites is taken when it is offered alone",
        actual=answers,
        clause="P3 8.1",
    )


@verifies("DTC-P3-079", negative=True)
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("suite", WEAK, ids=["ccm", "ccm-8"])
def test_another_suite_is_not_negotiated(twin: Twin, door: str, suite: str) -> None:
    secure(twin, door)
    answer = twin.tls.offer(door, suite)
    expect.that(
        answer not in WEAK,
        f"{suite} is negotiated",
        expected="handshake_failure",
        actual=answer,
        clause="P3 8.1",
    )


@verifies("DTC-P3-080")
@pytest.mark.parametrize("door", DOORS)
def test_the_certificate_is_accepted(twin: Twin, door: str) -> None:
    secure(twin, door)
    found = shaken(twin, door)
    expect.that(
        not found.verify,
        "the certificate is not accepted",
        expected="a chain to the given authority, the host's name, within its dates",
        actual=found.verify,
        clause=CLAUSE,
    )
    if not found.ok:
        raise Blocked("DTC-P3-078", f"the handshake fails: {found.error}")


@verifies("DTC-P3-080", negative=True)
@pytest.mark.parametrize("door", DOORS)
def test_the_certificate_is_not_accepted_under_another_name(twin: Twin, door: str) -> None:
    """A certificate for every name, or for the address of another host, proves nothing."""
    secure(twin, door)
    found = twin.tls.handshake(door, name="dtc-another-name.invalid")
    if not found.connected:
        raise Blocked("DTC-P3-078", f"the door cannot be reached: {found.error}")
    expect.that(
        bool(found.verify) or not found.ok, "the certificate is valid for another name", clause=CLAUSE
    )


@verifies("DTC-P3-081")
@pytest.mark.parametrize("door", DOORS)
def test_the_secure_port_carries_no_plaintext(twin: Twin, door: str) -> None:
    secure(twin, door)
    said = twin.raw.say(door, GET if door != "mqtt" else hello(), plain=True, wait_s=3.0)
    expect.that(
        not carries_data(said.data),
        "the port of a secure door answers plaintext",
        expected="the end of the connection, or a redirect",
        actual=said.data[:200].decode("latin-1"),
        clause=CLAUSE,
    )


@verifies("DTC-P3-081", negative=True)
@pytest.mark.parametrize(
    ("door", "port"), [("rest", 80), ("stream", 80), ("mqtt", 1883)], ids=["api", "stream", "broker"]
)
def test_no_plaintext_beside_the_secure_door(twin: Twin, door: str, port: int) -> None:
    """Port 80 only redirects, 1883 is closed; on this machine either may be open (C-77)."""
    secure(twin, door)
    place = twin.doors[door]
    path = urllib.parse.urlsplit(place.url).path or "/"
    get = f"GET {path} HTTP/1.1\r\nHost: {place.host}\r\nConnection: close\r\n\r\n".encode()
    said = twin.raw.say(door, hello() if door == "mqtt" else get, plain=True, port=port, wait_s=2.0)
    if said.status is None:
        return
    if carries_data(said.data) and is_local(place.host):
        raise Tolerated(f"port {port} carries plaintext, on this machine only", clause="C-77")
    expect.that(
        not carries_data(said.data),
        f"port {port} carries plaintext",
        expected="closed, or a redirect to https",
        actual=said.data[:200].decode("latin-1"),
        clause=CLAUSE,
    )


def hello() -> bytes:
    """A CONNECT that any broker answers."""
    return packets.connect("dtc-plain", username="api-key", password="dtc-no-key")  # noqa: S106 - made up


def carries_data(data: bytes) -> bool:
    """Whether an answer serves: not a redirect, not a refusal to speak plaintext, not an alert of TLS."""
    if data.startswith(b"HTTP/"):
        status = data[9:12]
        return (
            status.isdigit()
            and not status.startswith(b"3")
            and status not in (b"400", b"403", b"404", b"421", b"426", b"497")
        )
    return data[:1] == b"\x20"  # a CONNACK


def need_mtls(twin: Twin, door: str) -> None:
    """The condition `declares.mtls`, and a certificate to show."""
    if not twin.target.declares.get("mtls"):
        raise NotApplicable("the target declares no mutual TLS (declares.mtls)")
    secure(twin, door)
    if twin.doors[door].tls_files.cert is None:
        raise NotTested(f"the target file names no client certificate for {door} (client_cert, client_key)")


def admitted(twin: Twin, door: str, certificate: str) -> tuple[bool, str]:
    """Whether a client with this certificate is served, and what was seen."""
    say = hello() if door == "mqtt" else GET
    found = shaken(twin, door, certificate=certificate, say=say)
    data = bytes.fromhex(found.answered)
    refused = data.startswith(b"HTTP/") and data[9:12] in (b"401", b"403", b"495", b"496")
    seen = found.error or data[:60].decode("latin-1")
    return found.ok and bool(data) and not refused, seen


@verifies("DTC-P3-082")
@pytest.mark.parametrize("door", DOORS)
def test_a_client_with_its_certificate_is_let_in(twin: Twin, door: str) -> None:
    need_mtls(twin, door)
    let_in, seen = admitted(twin, door, "own")
    expect.that(
        let_in, "a client with a certificate of the authority is refused", actual=seen, clause="P3 8.2.3"
    )


@verifies("DTC-P3-082", negative=True)
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("certificate", ["none", "other"])
def test_a_client_without_it_is_refused(twin: Twin, door: str, certificate: str) -> None:
    need_mtls(twin, door)
    let_in, seen = admitted(twin, door, certificate)
    expect.that(
        not let_in,
        f"a client is served with the certificate: {certificate}",
        expected="a failed handshake, or 401 or 403",
        actual=seen,
        clause="P3 8.2.3, C-81",
    )


def h2(twin: Twin, *paths: str, push: bool = False) -> list[dict[str, object]]:
    """GETs over one HTTP/2 connection, in the order in which they ended.

    Raises:
        NotApplicable: when the door does not speak it.
    """
    place = twin.doors.get("rest")
    if place is None or not place.secure:
        raise NotApplicable("the API has no TLS, so no ALPN offers HTTP/2")
    found = twin.http2.get([path.replace("{city}", twin.target.city) for path in paths], push=push)
    if found is None:
        raise NotApplicable("the API does not take h2 by ALPN")
    return found


PATHS = (
    "/cities/{city}/objects?limit=50",
    "/cities/{city}/sensors",
    "/cities/{city}/services",
    "/cities/{city}",
)


@verifies("DTC-P3-075")
def test_http_2_is_offered(twin: Twin) -> None:
    place = twin.doors.get("rest")
    if place is None or not place.secure:
        raise NotApplicable("the API has no TLS, so no ALPN offers HTTP/2")
    found = shaken(twin, "rest", verify=False, alpn=("h2", "http/1.1"))
    expect.that(
        found.alpn == "h2",
        "h2 is not taken by ALPN",
        expected="h2",
        actual=found.alpn,
        clause="P3 3.1.1, 4.3",
    )


@verifies("DTC-P3-075", negative=True)
def test_http_2_answers_as_http_1_1(twin: Twin) -> None:
    found = h2(twin, "/cities/{city}")
    plain = twin.rest.get("/cities/{city}")
    expect.that(
        [one["status"] for one in found] == [plain.status],
        "over HTTP/2 a request is answered otherwise",
        expected=plain.status,
        actual=found,
        clause="P3 4.3",
    )


@verifies("DTC-P3-076")
def test_four_streams_go_side_by_side(twin: Twin) -> None:
    found = h2(twin, *PATHS)
    expect.that(
        sorted(int(str(one["stream"])) for one in found) == [1, 3, 5, 7]
        and all(one["status"] == 200 for one in found),
        "four requests on one connection do not all end well",
        expected="streams 1, 3, 5, 7 with 200",
        actual=found,
        clause="P3 4.3.2",
    )


@verifies("DTC-P3-076", negative=True)
def test_a_long_answer_holds_up_no_short_one(twin: Twin) -> None:
    found = h2(twin, "/cities/{city}/objects?limit=1000", *PATHS[1:])
    first = [one["stream"] for one in found]
    expect.that(
        first[0] != 1 or len(first) < 4 or float(str(found[0]["at_s"])) < 0.25,
        "short answers wait for the end of a long one",
        actual=found,
        clause="P3 4.3.2",
    )


@verifies("DTC-P3-077")
def test_no_push_after_it_was_disabled(twin: Twin) -> None:
    found = h2(twin, "/cities/{city}/objects?limit=1", push=False)
    pushed = [one for one in found if one.get("pushed")]
    expect.that(
        not pushed, "PUSH_PROMISE comes though push is disabled", actual=pushed, clause="P3 4.3.1, C-76"
    )
