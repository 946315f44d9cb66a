"""No way round authentication (DTC-SEC-001), for what gateways and routers may read differently."""

import json

import pytest

from dtc_cli.harness.suite import NOBODY, Twin, expect, verifies
from suites.phase2.support.attempts import attempt
from suites.phase2.support.operations import OPERATIONS, Operations
from suites.phase2.support.replies import served
from suites.security.support.requests import Reply, base_path, parse, send
from suites.security.support.secret import CLAUSE, Secret
from suites.security.support.spellings import PATHS, target_of

READS = [row.id for row in OPERATIONS if row.method == "GET"]
OTHERS = [row.id for row in OPERATIONS if row.method != "GET"]
COLLECTIONS = {
    "cities": "/cities",
    "city": "/cities/{city}",
    "objects": "/cities/{city}/objects",
    "sensors": "/cities/{city}/sensors",
    "services": "/cities/{city}/services",
    "statistics": "/cities/{city}/statistics",
}
HEADERS = {
    "method-override": ("X-HTTP-Method-Override", "GET"),
    "forwarded-for": ("X-Forwarded-For", "127.0.0.1"),
    "forwarded": ("Forwarded", "for=127.0.0.1;proto=https"),
    "real-ip": ("X-Real-IP", "127.0.0.1"),
    "client-ip": ("X-Client-IP", "127.0.0.1"),
    "forwarded-user": ("X-Forwarded-User", "admin"),
    "remote-user": ("Remote-User", "admin"),
    "role": ("X-Role", "admin"),
    "original-url": ("X-Original-URL", "/health"),
    "rewrite-url": ("X-Rewrite-URL", "/health"),
    "host": ("X-Forwarded-Host", "localhost"),
    "internal": ("X-Internal-Request", "true"),
    "cookie": ("Cookie", "session=admin; role=admin; authenticated=true"),
    "probe": ("User-Agent", "kube-probe/1.31"),
    "health-check": ("User-Agent", "ELB-HealthChecker/2.0"),
    "own-page": ("Sec-Fetch-Site", "same-origin"),
    "upgrade": ("Upgrade", "websocket"),
    "installation": ("Authorization", "Basic YWRtaW46YWRtaW4="),
    "undefined": ("Authorization", "Bearer undefined"),
    "usual-key": ("X-API-Key", "admin"),
    "changed-key": ("X-API-Key", "changeme"),
}
"""Among them accounts and keys that installations begin with."""


@verifies("DTC-SEC-001", hazard="security")
def test_a_key_reads_the_object(twin: Twin, secret: Secret) -> None:
    answer = twin.rest.get(secret.path)
    served(answer, clause=CLAUSE)
    expect.that(
        secret.shown_in(answer.body), "the object does not show what was stored", actual=answer.excerpt()
    )


@verifies("DTC-SEC-001", negative=True, hazard="security")
@pytest.mark.parametrize("name", PATHS)
def test_another_spelling_of_the_path(twin: Twin, secret: Secret, name: str) -> None:
    reply = send(twin, "GET", target_of(twin, secret.path, PATHS[name]))
    _judge(secret, reply, f"a path with {name.replace('-', ' ')} and no credentials")


@verifies("DTC-SEC-001", negative=True, hazard="security")
@pytest.mark.parametrize("name", HEADERS)
def test_a_header_is_no_credential(twin: Twin, secret: Secret, name: str) -> None:
    reply = send(twin, "GET", target_of(twin, secret.path), [HEADERS[name]])
    _judge(secret, reply, f"the header {HEADERS[name][0]} and no credentials")


@verifies("DTC-SEC-001", negative=True, hazard="security")
@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"])
def test_an_overridden_method(twin: Twin, secret: Secret, name: str) -> None:
    """What may be open to anybody (OPTIONS) is not turned into what is not."""
    target = target_of(twin, secret.path)
    for method in ("OPTIONS", "POST", "HEAD"):
        _judge(secret, send(twin, method, target, [(name, "GET")]), f"{method} with {name}: GET")
        send(twin, method, target, [(name, "DELETE")])
    secret.judge_kept(f"{name}: DELETE without credentials")


@verifies("DTC-SEC-001", negative=True, hazard="security")
@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "get", "GETS", "PROPFIND", "TRACE"])
def test_another_method(twin: Twin, secret: Secret, method: str) -> None:
    reply = send(twin, method, target_of(twin, secret.path))
    _judge(secret, reply, f"the method {method} and no credentials")
    expect.that(
        method != "HEAD" or not 200 <= reply.status < 300,
        "HEAD without credentials is served",
        expected="401",
        actual=reply.status,
        clause=CLAUSE,
    )


@verifies("DTC-SEC-001", negative=True, hazard="security")
@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "_method"])
def test_an_overridden_delete(twin: Twin, secret: Secret, name: str) -> None:
    target = target_of(twin, secret.path)
    if name == "_method":
        send(twin, "POST", f"{target}?_method=DELETE", [("Content-Type", "application/json")], b"{}")
    else:
        send(twin, "POST", target, [(name, "DELETE"), ("Content-Type", "application/json")], b"{}")
    secret.judge_kept(f"DELETE by {name} without credentials")


@verifies("DTC-SEC-001", negative=True, hazard="security")
@pytest.mark.parametrize("operation", READS)
def test_every_reading_operation_is_closed(operations: Operations, operation: str) -> None:
    answer = operations.send(operation, as_=NOBODY)
    operations.need_routed(operation, answer)
    expect.that(
        not answer.ok,
        "an operation is open to callers without credentials",
        expected="401 with UNAUTHORIZED",
        actual=f"status {answer.status}, body {answer.excerpt(160)}",
        clause=CLAUSE,
    )


@verifies("DTC-SEC-001", negative=True, hazard="security")
@pytest.mark.parametrize("operation", OTHERS)
def test_every_other_operation_is_closed(twin: Twin, operations: Operations, operation: str) -> None:
    """Writing operations, and searches that are sent by POST."""
    answer, undone = attempt(twin, operations, operation, NOBODY)
    operations.need_routed(operation, answer)
    expect.that(
        not answer.ok,
        "an operation is open to callers without credentials (CWE-306, API2:2023)",
        expected="401 with UNAUTHORIZED",
        actual=f"status {answer.status}, body {answer.excerpt(160)}",
        clause=CLAUSE,
    )
    undone()


@verifies("DTC-SEC-001", negative=True, hazard="security")
@pytest.mark.parametrize("name", COLLECTIONS)
def test_no_head_without_credentials(twin: Twin, name: str) -> None:
    reply = send(twin, "HEAD", target_of(twin, COLLECTIONS[name]))
    expect.that(
        not 200 <= reply.status < 300,
        "HEAD without credentials is served",
        expected="401",
        actual=reply.status,
        clause=CLAUSE,
    )


@verifies("DTC-SEC-001", negative=True, hazard="security")
@pytest.mark.parametrize("header", ["X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Uri", "X-Accel-Redirect"])
@pytest.mark.parametrize("front", ["/", "/health", "{base}/health"], ids=["root", "health", "below"])
def test_a_header_names_no_other_path(twin: Twin, secret: Secret, header: str, front: str) -> None:
    """A gateway looks at the path that was sent, the server behind it at the one in a header."""
    target = front.format(base=base_path(twin))
    reply = send(twin, "GET", target, [(header, target_of(twin, secret.path))])
    _judge(secret, reply, f"{target} with {header} and no credentials")


@verifies("DTC-SEC-001", negative=True, hazard="security")
def test_a_connection_stays_nobodys(twin: Twin, secret: Secret) -> None:
    """A request without a key behind one with a key, on the same connection."""
    door = twin.raw.doors["rest"]
    key = "".join(f"{name}: {text}\r\n" for name, text in _key(twin))
    first = f"GET {target_of(twin, '/cities/{city}')} HTTP/1.1\r\nHost: {door.host}:{door.port}\r\n{key}\r\n"
    second = (
        f"GET {target_of(twin, secret.path)} HTTP/1.1\r\n"
        f"Host: {door.host}:{door.port}\r\nConnection: close\r\n\r\n"
    )
    seen = twin.raw.say("rest", (first + second).encode("latin-1"), wait_s=10.0)
    _judge(secret, parse(seen.data), "a request without credentials on a connection that had some")


@verifies("DTC-SEC-001", negative=True, hazard="security")
@pytest.mark.parametrize("name", ["plain", "query"])
def test_no_cache_answers_a_stranger(twin: Twin, secret: Secret, name: str) -> None:
    """What was just read with a key is not kept for those without."""
    target = target_of(twin, secret.path) + ("?dtc=cached" if name == "query" else "")
    for _ in range(2):
        send(twin, "GET", target, _key(twin))
    _judge(secret, send(twin, "GET", target), "a request without credentials for what was just read")


@verifies("DTC-SEC-001", negative=True, hazard="security")
def test_a_body_is_no_credential(twin: Twin, secret: Secret) -> None:
    body = json.dumps({"apiKey": "admin", "role": "admin", "api_key": "admin"}).encode()
    target = target_of(twin, secret.path)
    _judge(
        secret, send(twin, "GET", target, [("Content-Type", "application/json")], body), "a key in the body"
    )


def _key(twin: Twin) -> list[tuple[str, str]]:
    return [*twin.credentials.role(twin.credentials.usual).headers.items()]


def _judge(secret: Secret, reply: Reply, what: str) -> None:
    """Any answer is right that does not show the object: 401, 404, a redirect, or a page of somebody else."""
    expect.that(
        not secret.shown_in(reply.body),
        f"{what} reads an object of the city",
        expected="401, 404 or another refusal without data",
        actual=f"status {reply.status}, body {reply.body[:200].decode('utf-8', 'replace')}",
        clause=CLAUSE,
    )
