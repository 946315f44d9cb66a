"""What another site can make a browser do: DTC-SEC-013 (cookies), -014 (CORS), -015 (forms)."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from dtc_cli.harness.suite import NOBODY, Credential, Twin, expect, quote, verifies
from suites.phase2.support.lists import OBJECTS
from suites.phase2.support.operations import Operations
from suites.phase2.support.queries import stored
from suites.phase3.support import readings
from suites.security.support.secret import CLAUSE, Secret

EVIL = "https://evil.example"
ORIGINS = {
    "foreign": EVIL,
    "null": "null",
    "plain": "http://evil.example",
    "look-alike": "https://localhost.evil.example",
    "port": "https://evil.example:8443",
    "own-with-a-tail": "{own}.evil.example",
    "own-behind-a-word": "https://evil-{host}",
}
FORMS = {
    "text": "text/plain",
    "text-with-charset": "text/plain; charset=utf-8",
    "urlencoded": "application/x-www-form-urlencoded",
    "multipart": "multipart/form-data; boundary=dtc",
    "text-that-says-json": "text/plain; application/json",
    "text-with-a-parameter": "text/plain; charset=application/json",
    "upper-case": "TEXT/PLAIN",
}
ELSEWHERE = ("register-sensor", "post-sensor-data", "start-simulation")
"""Operations that write, besides those on objects."""


@verifies("DTC-SEC-013", hazard="security")
def test_a_change_with_a_key(twin: Twin) -> None:
    created, _ = twin.scratch.object()
    answer = twin.rest.patch(f"{OBJECTS}/{quote(created)}", json={"properties": {"name": "dtc changed"}})
    expect.that(
        answer.ok, "a change with a key is refused", expected="2xx", actual=answer.status, clause=CLAUSE
    )


@verifies("DTC-SEC-013", negative=True, hazard="security")
@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
@pytest.mark.parametrize("cookie", ["own", "made-up", "key"])
def test_a_cookie_alone_changes_nothing(twin: Twin, secret: Secret, method: str, cookie: str) -> None:
    """One that the target gave, one that nobody gave, and the key itself: a browser sends each by itself."""
    given = twin.rest.get("/cities/{city}").headers.get("set-cookie", "") if cookie == "own" else ""
    pair = given.partition(";")[0] or "session=admin; token=admin"
    if cookie == "key":
        key = next(iter(twin.credentials.role("admin").headers.values()))
        pair = "; ".join(f"{name}={key}" for name in ("X-API-Key", "api_key", "apiKey", "token", "session"))
    browser = Credential("cookie", {"Cookie": pair, "Origin": EVIL, "Referer": f"{EVIL}/"})
    if method == "POST":
        body = {**twin.scratch.body(), "id": twin.scratch.new_id()}
        answer = twin.scratch.post(body, as_=browser)
        expect.that(
            stored(twin, str(body["id"])) is None,
            "a cookie alone created an object",
            actual=answer.status,
            clause=CLAUSE,
        )
    else:
        options: dict[str, Any] = (
            {"json": {"properties": {"name": "dtc intruder"}}} if method == "PATCH" else {}
        )
        answer = twin.rest.request(method, secret.path, as_=browser, **options)
    expect.that(
        not answer.ok,
        f"{method} with a cookie alone, from another site, is served (CWE-352)",
        expected="401 or 403",
        actual=f"status {answer.status}",
        clause=CLAUSE,
    )
    secret.judge_kept(f"{method} with a cookie alone")


@verifies("DTC-SEC-014", hazard="security")
def test_an_answer_without_an_origin(twin: Twin) -> None:
    answer = twin.rest.get("/cities/{city}")
    _judge_cors(answer.headers, "no origin")


@verifies("DTC-SEC-014", negative=True, hazard="security")
@pytest.mark.parametrize("name", ORIGINS)
@pytest.mark.parametrize("how", ["simple", "preflight", "refused", "list", "missing", "sensors", "search"])
def test_a_foreign_origin(twin: Twin, name: str, how: str) -> None:
    host = twin.rest.origin.partition("://")[2].partition(":")[0]
    origin = ORIGINS[name].format(own=twin.rest.origin.rpartition(":")[0] or EVIL, host=host)
    headers = {"Origin": origin}
    if how == "preflight":
        headers |= {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "x-api-key"}
        answer = twin.rest.request("OPTIONS", "/cities/{city}", headers=headers, as_=NOBODY)
    elif how == "search":
        here = {"location": twin.scratch.geometry("Point"), "radius": 10}
        answer = twin.rest.post("/cities/{city}/spatial/nearby", json=here, headers=headers)
    else:
        paths = {"list": OBJECTS, "missing": f"{OBJECTS}/dtc-no-such-id", "sensors": "/cities/{city}/sensors"}
        path = paths.get(how, "/cities/{city}")
        answer = twin.rest.get(path, headers=headers, as_=NOBODY if how == "refused" else None)
    _judge_cors(answer.headers, origin)


@verifies("DTC-SEC-015", hazard="security")
def test_a_write_as_json(twin: Twin) -> None:
    answer = twin.scratch.post(twin.scratch.body())
    expect.that(answer.ok, "a write as JSON is refused", expected="2xx", actual=answer.status, clause=CLAUSE)


@verifies("DTC-SEC-015", negative=True, hazard="security")
@pytest.mark.parametrize("name", FORMS)
def test_a_form_creates_nothing(twin: Twin, name: str) -> None:
    body = {**twin.scratch.body(), "id": twin.scratch.new_id()}
    path = f"{OBJECTS}/{quote(str(body['id']))}"
    twin.journal.plan(f"object {body['id']}", "DELETE", path)
    answer = twin.rest.post(OBJECTS, content=_content(name, body), headers={"Content-Type": FORMS[name]})
    left = stored(twin, str(body["id"]))
    expect.that(
        not answer.ok and left is None,
        f"a write sent as {FORMS[name].partition(';')[0]} is taken; any site can send it (CWE-352)",
        expected="415 or 400",
        actual=f"status {answer.status}",
        clause=CLAUSE,
    )


@verifies("DTC-SEC-015", negative=True, hazard="security")
@pytest.mark.parametrize("name", FORMS)
def test_a_form_changes_nothing(twin: Twin, secret: Secret, name: str) -> None:
    body = {"properties": {"name": "dtc intruder"}}
    answer = twin.rest.patch(secret.path, content=_content(name, body), headers={"Content-Type": FORMS[name]})
    expect.that(
        not answer.ok,
        f"a change sent as {FORMS[name].partition(';')[0]} is taken (CWE-352)",
        expected="415 or 400",
        actual=f"status {answer.status}",
        clause=CLAUSE,
    )
    secret.judge_kept("a change sent as a form")


@verifies("DTC-SEC-015", negative=True, hazard="security")
@pytest.mark.parametrize("operation", ELSEWHERE)
@pytest.mark.parametrize("name", ["text", "urlencoded", "multipart", "text-that-says-json"])
def test_a_form_writes_nothing_elsewhere(
    twin: Twin, operations: Operations, operation: str, name: str
) -> None:
    ids = {"sensorId": readings.sensor(twin, "live")} if operation == "post-sensor-data" else {}
    answer = operations.send(
        operation,
        ids=ids,
        content=_content(name, operations.body(operation)),
        headers={"Content-Type": FORMS[name]},
    )
    operations.need_routed(operation, answer)
    expect.that(
        not answer.ok,
        f"{operation} sent as {FORMS[name].partition(';')[0]} is taken; any site can send it (CWE-352)",
        expected="415 or 400",
        actual=f"status {answer.status}",
        clause=CLAUSE,
    )


def _judge_cors(headers: Mapping[str, str], origin: str) -> None:
    allowed = headers.get("access-control-allow-origin", "")
    credentials = headers.get("access-control-allow-credentials", "").lower() == "true"
    expect.that(
        not (credentials and allowed in {"*", origin}),
        "any site may read answers with the credentials of its visitor (CWE-942)",
        expected="no Access-Control-Allow-Credentials for a foreign origin",
        actual=f"Access-Control-Allow-Origin {allowed} with credentials",
        clause="P4 8.3, C-93",
    )


def _content(name: str, body: Mapping[str, object]) -> bytes:
    text = json.dumps(body)
    if name == "multipart":
        part = 'Content-Disposition: form-data; name="body"\r\nContent-Type: application/json'
        return f"--dtc\r\n{part}\r\n\r\n{text}\r\n--dtc--\r\n".encode()
    return text.encode()
