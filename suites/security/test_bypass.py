"""No way round authentication (DTC-SEC-001), for what gateways and routers may read differently."""

import json

import pytest

from dtc_cli.harness.suite import NOBODY, Twin, expect, verifies
from suites.phase2.support.operations import OPERATIONS, Operations
from suites.phase2.support.replies import served
from suites.security.support.requests import Reply, base_path, send
from suites.security.support.secret import CLAUSE, Secret

READS = [row.id for row in OPERATIONS if row.method == "GET"]
PATHS = {
    "doubled-slash": "/{base}{rest}",
    "doubled-inside": "{base}//{rest_bare}",
    "dot-segment": "{base}/.{rest}",
    "up-and-down": "{base}/x/..{rest}",
    "encoded-up": "{base}/x/%2e%2e{rest}",
    "trailing-slash": "{base}{rest}/",
    "trailing-dot": "{base}{rest}/.",
    "encoded-letter": "{base}/%63ities{rest_tail}",
    "encoded-slash": "{base}%2f{rest_bare}",
    "upper-case": "{base}/CITIES{rest_tail}",
    "upper-case-base": "{upper_base}{rest}",
    "parameter": "{base}/cities;a=b{rest_tail}",
    "parameter-at-the-end": "{base}{rest};.css",
    "suffix": "{base}{rest}.json",
    "below-health": "/health/..{base}{rest}",
    "below-docs": "/docs/..{base}{rest}",
    "null-byte": "{base}{rest}%00",
    "absolute-form": "http://{host}{base}{rest}",
    "query-of-health": "{base}{rest}?path=/health",
    "backslash": "{base}\\\\{rest_bare}",
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
}


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
    reply = send(twin, "GET", _target(twin, secret, PATHS[name]))
    _judge(secret, reply, f"a path with {name.replace('-', ' ')} and no credentials")


@verifies("DTC-SEC-001", negative=True, hazard="security")
@pytest.mark.parametrize("name", HEADERS)
def test_a_header_is_no_credential(twin: Twin, secret: Secret, name: str) -> None:
    reply = send(twin, "GET", _target(twin, secret, "{base}{rest}"), [HEADERS[name]])
    _judge(secret, reply, f"the header {HEADERS[name][0]} and no credentials")


@verifies("DTC-SEC-001", negative=True, hazard="security")
@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"])
def test_an_overridden_method(twin: Twin, secret: Secret, name: str) -> None:
    """What may be open to anybody (OPTIONS) is not turned into what is not."""
    target = _target(twin, secret, "{base}{rest}")
    for method in ("OPTIONS", "POST", "HEAD"):
        _judge(secret, send(twin, method, target, [(name, "GET")]), f"{method} with {name}: GET")
        send(twin, method, target, [(name, "DELETE")])
    secret.judge_kept(f"{name}: DELETE without credentials")


@verifies("DTC-SEC-001", negative=True, hazard="security")
@pytest.mark.parametrize("method", ["HEAD", "get", "GETS", "PROPFIND", "TRACE"])
def test_another_method(twin: Twin, secret: Secret, method: str) -> None:
    reply = send(twin, method, _target(twin, secret, "{base}{rest}"))
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
    target = _target(twin, secret, "{base}{rest}")
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
def test_a_body_is_no_credential(twin: Twin, secret: Secret) -> None:
    body = json.dumps({"apiKey": "admin", "role": "admin", "api_key": "admin"}).encode()
    target = _target(twin, secret, "{base}{rest}")
    _judge(
        secret, send(twin, "GET", target, [("Content-Type", "application/json")], body), "a key in the body"
    )


def _target(twin: Twin, secret: Secret, pattern: str) -> str:
    base = base_path(twin)
    rest = secret.path.replace("{city}", twin.rest.city)
    door = twin.raw.doors["rest"]
    return pattern.format(
        base=base,
        upper_base=base.upper() or "",
        rest=rest,
        rest_bare=rest.removeprefix("/"),
        rest_tail=rest.removeprefix("/cities"),
        host=f"{door.host}:{door.port}",
    )


def _judge(secret: Secret, reply: Reply, what: str) -> None:
    """Any answer is right that does not show the object: 401, 404, a redirect, or a page of somebody else."""
    expect.that(
        not secret.shown_in(reply.body),
        f"{what} reads an object of the city",
        expected="401, 404 or another refusal without data",
        actual=f"status {reply.status}, body {reply.body[:200].decode('utf-8', 'replace')}",
        clause=CLAUSE,
    )
