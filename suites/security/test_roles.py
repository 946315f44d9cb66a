"""Roles and cities limit what a caller may do (DTC-SEC-005, -006)."""

from typing import Any

import pytest

from dtc_cli.harness.suite import NotApplicable, Twin, expect, quote, verifies
from suites.phase2.support.attempts import attempt
from suites.phase2.support.lists import OBJECTS
from suites.phase2.support.operations import NO_SUCH_ID, READS, WRITES, Operations
from suites.phase3.support import readings
from suites.security.support.secret import CLAUSE, Secret
from suites.security.support.tenants import other_city

WRITING = [row.id for row in WRITES]
READING = [row.id for row in READS]
REFUSED = {401, 403, 404, 405}


@verifies("DTC-SEC-005", hazard="security")
def test_a_viewer_reads(twin: Twin, secret: Secret) -> None:
    twin.need_role("viewer")
    answer = twin.rest.get(secret.path, as_="viewer")
    expect.that(
        answer.ok,
        "the key viewer may not read",
        expected="status 200",
        actual=f"status {answer.status}",
        clause=CLAUSE,
    )


@verifies("DTC-SEC-005", negative=True, hazard="security")
@pytest.mark.parametrize("operation", WRITING)
def test_a_viewer_changes_nothing(twin: Twin, operations: Operations, operation: str) -> None:
    answer, undone = attempt(twin, operations, operation, twin.need_role("viewer"))
    operations.need_routed(operation, answer)
    if answer.status == 404 and NO_SUCH_ID in answer.url:
        raise NotApplicable("there is nothing to try this operation on, and the target looks for it first")
    expect.that(
        answer.status in REFUSED,
        "a caller that may only read was not refused",
        expected="403 with FORBIDDEN",
        actual=f"status {answer.status}, body {answer.excerpt(120)}",
        clause=CLAUSE,
    )
    undone()


@verifies("DTC-SEC-005", negative=True, hazard="security")
@pytest.mark.parametrize("claim", ["X-Role", "X-User-Role", "X-Scope", "X-Admin"])
def test_a_header_gives_no_rights(twin: Twin, secret: Secret, claim: str) -> None:
    answer = twin.rest.patch(
        secret.path,
        json={"properties": {"name": "dtc intruder"}},
        headers={claim: "admin"},
        as_=twin.need_role("viewer"),
    )
    expect.that(
        not answer.ok,
        f"the header {claim} gives a viewer rights",
        actual=f"status {answer.status}",
        clause=CLAUSE,
    )
    secret.judge_kept(f"a viewer with the header {claim}")


@verifies("DTC-SEC-006", hazard="security")
def test_the_own_city(twin: Twin) -> None:
    answer = twin.rest.get(f"/cities/{quote(other_city(twin))}", as_="other_city")
    expect.that(
        answer.ok,
        "the key of another city does not read its own city",
        expected="status 200",
        actual=f"status {answer.status}",
        clause=CLAUSE,
    )


@verifies("DTC-SEC-006", negative=True, hazard="security")
@pytest.mark.parametrize("operation", READING)
def test_another_city_is_not_read(twin: Twin, operations: Operations, operation: str) -> None:
    other_city(twin)
    answer = operations.send(operation, as_="other_city")
    operations.need_routed(operation, answer)
    expect.that(
        not answer.ok,
        "a caller entitled to another city reads this one",
        expected="403 or 404, no data",
        actual=f"status {answer.status}, body {answer.excerpt(120)}",
        clause=CLAUSE,
    )


@verifies("DTC-SEC-006", negative=True, hazard="security")
@pytest.mark.parametrize("operation", WRITING)
def test_another_city_is_not_changed(twin: Twin, operations: Operations, operation: str) -> None:
    other_city(twin)
    answer, undone = attempt(twin, operations, operation, twin.credentials.role("other_city"))
    operations.need_routed(operation, answer)
    expect.that(
        not answer.ok,
        "a caller entitled to another city changes this one",
        expected="403 or 404",
        actual=f"status {answer.status}, body {answer.excerpt(120)}",
        clause=CLAUSE,
    )
    undone()


@verifies("DTC-SEC-006", negative=True, hazard="security")
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_an_id_guessed_under_the_own_city(twin: Twin, secret: Secret, method: str) -> None:
    """The path names the caller's own city, the id an object of another one."""
    path = f"{OBJECTS.replace('{city}', quote(other_city(twin)))}/{quote(secret.id)}"
    options: dict[str, Any] = {"json": {"properties": {"name": "dtc intruder"}}} if method == "PATCH" else {}
    answer = twin.rest.request(method, path, as_="other_city", **options)
    secret.judge_hidden(answer, f"{method} under the caller's own city with an id of another")
    secret.judge_kept(f"{method} under the caller's own city with an id of another")


@verifies("DTC-SEC-006", negative=True, hazard="security")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_sensor_guessed_under_the_own_city(twin: Twin, method: str) -> None:
    """Data of a sensor of this city, read and written by the path of another."""
    other, sensor = quote(other_city(twin)), readings.sensor(twin, "live")
    mine = readings.measurement(twin)
    readings.post(twin, sensor, mine)
    path = f"/cities/{other}/sensors/{quote(sensor)}/data"
    body = {"measurements": [readings.measurement(twin)]}
    options: dict[str, Any] = {"json": body} if method == "POST" else {}
    answer = twin.rest.request(method, path, as_="other_city", **options)
    expect.that(
        not answer.ok,
        f"{method} under the caller's own city reaches a sensor of another (CWE-639, API1:2023)",
        expected="404 or 403",
        actual=f"status {answer.status}, body {answer.excerpt(120)}",
        clause=CLAUSE,
    )


@verifies("DTC-SEC-006", negative=True, hazard="security")
@pytest.mark.parametrize("name", ["cityId", "city", "city_id", "tenant"])
def test_a_city_in_the_query(twin: Twin, secret: Secret, name: str) -> None:
    path = OBJECTS.replace("{city}", quote(other_city(twin)))
    answer = twin.rest.get(path, params={name: twin.rest.city, "limit": 1000}, as_="other_city")
    secret.judge_hidden(answer, f"the query parameter {name}")
