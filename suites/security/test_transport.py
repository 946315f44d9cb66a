"""TLS as it is offered: DTC-SEC-020 (versions), -021 (suites, keys), -022 (HSTS and plain HTTP)."""

import re

import pytest

from dtc_cli.harness.suite import NotTested, Tolerated, Twin, expect, verifies
from suites.security.support import hello
from suites.security.support.requests import base_path, parse
from suites.security.support.secret import CLAUSE

DOORS = ("rest", "stream", "mqtt")
OLD = ("TLSv1", "TLSv1.1")
HSTS_S = 31536000  # P4 8.3, as spec/limits.yaml has it
STRONG = re.compile(r"RSA (\d+)|EC (\d+)|Ed(25519|448)")


@verifies("DTC-SEC-020", hazard="security")
@pytest.mark.parametrize("door", DOORS)
def test_the_newest_version(twin: Twin, door: str) -> None:
    _need(twin, door)
    found = twin.tls.handshake(door, lowest="TLSv1.3", verify=False)
    expect.that(found.ok, f"{door} does not speak TLS 1.3", actual=found.error, clause=CLAUSE)


@verifies("DTC-SEC-020", negative=True, hazard="security")
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("version", OLD)
def test_an_old_version(twin: Twin, door: str, version: str) -> None:
    _need(twin, door)
    found = hello.offer(twin, door, version=hello.VERSIONS[version], suites=hello.COMMON)
    expect.that(
        not found.accepted,
        f"{door} speaks {version} (CWE-326)",
        expected="a refusal",
        actual=f"ServerHello with suite {found.suite:#06x}",
        clause=CLAUSE,
    )


@verifies("DTC-SEC-020", negative=True, hazard="security")
@pytest.mark.parametrize("door", DOORS)
def test_version_1_2(twin: Twin, door: str) -> None:
    _need(twin, door)
    if twin.tls.handshake(door, lowest="TLSv1.2", highest="TLSv1.2", verify=False).ok:
        raise Tolerated(
            f"{door} speaks TLS 1.2; the standard names TLS 1.3 alone",
            expected="TLS 1.3 only",
            actual="TLS 1.2",
            clause=f"{CLAUSE}, C-77",
        )


@verifies("DTC-SEC-021", hazard="security")
@pytest.mark.parametrize("door", DOORS)
def test_the_key_of_the_certificate(twin: Twin, door: str) -> None:
    _need(twin, door)
    found = twin.tls.handshake(door, verify=False)
    if not found.ok:
        raise NotTested(f"no handshake with {door}: {found.error}")
    match = STRONG.fullmatch(found.key)
    strong = match is not None and (
        int(match[1] or 0) >= 2048 or int(match[2] or 0) >= 256 or match[3] is not None
    )
    expect.that(
        strong,
        f"the key of {door} is weak (CWE-326)",
        expected="RSA 2048, P-256 or more",
        actual=found.key,
        clause=CLAUSE,
    )


@verifies("DTC-SEC-021", negative=True, hazard="security")
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("kind", hello.WEAK)
def test_a_weak_suite(twin: Twin, door: str, kind: str) -> None:
    _need(twin, door)
    found = hello.offer(twin, door, version=hello.VERSIONS["TLSv1.2"], suites=hello.WEAK[kind])
    expect.that(
        not found.accepted,
        f"{door} takes a suite of the kind {kind} (CWE-327)",
        expected="a refusal",
        actual=f"suite {found.suite:#06x}",
        clause=CLAUSE,
    )


@verifies("DTC-SEC-021", negative=True, hazard="security")
@pytest.mark.parametrize("door", DOORS)
def test_no_compression(twin: Twin, door: str) -> None:
    _need(twin, door)
    found = hello.offer(twin, door, version=hello.VERSIONS["TLSv1.2"], suites=hello.COMMON, compression=True)
    expect.that(
        not (found.accepted and found.compression),
        f"{door} compresses TLS (CWE-310)",
        expected="no compression",
        actual=found.compression,
        clause=CLAUSE,
    )


@verifies("DTC-SEC-022", hazard="security")
def test_strict_transport_security(twin: Twin) -> None:
    _need(twin, "rest")
    text = twin.rest.get("/cities/{city}").headers.get("strict-transport-security", "")
    age = re.search(r"max-age=\"?(\d+)", text, re.IGNORECASE)
    expect.that(
        age is not None and int(age[1]) >= HSTS_S,
        "answers carry no Strict-Transport-Security of a year",
        expected=f"max-age of at least {HSTS_S}",
        actual=text or "no such header",
        clause=CLAUSE,
    )


@verifies("DTC-SEC-022", negative=True, hazard="security")
def test_plain_http_only_redirects(twin: Twin) -> None:
    """On the port of HTTPS itself; what else listens on the host is not the target's."""
    _need(twin, "rest")
    request = (
        f"GET {base_path(twin)}/cities/{twin.rest.city} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    seen = twin.raw.say("rest", request.encode(), plain=True)
    reply = parse(seen.data)
    expect.that(
        not 200 <= reply.status < 300,
        "plain HTTP is served",
        expected="a redirect, 400, or no answer",
        actual=reply.status,
        clause=CLAUSE,
    )


def _need(twin: Twin, door: str) -> None:
    place = twin.raw.doors.get(door)
    if place is None:
        raise NotTested(f"the target file names no {door}")
    if not place.secure:
        raise NotTested(f"{door} is reached without TLS ({place.scheme}): its TLS cannot be judged")
