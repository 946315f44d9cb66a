"""What belongs to a city is not reached from another one by ids, names or members (DTC-SEC-006)."""

from collections.abc import Callable
from typing import Any

import pytest

from dtc_cli.harness.suite import NotApplicable, Twin, expect, quote, verifies
from suites.phase2.support.lists import items_of
from suites.security.support.requests import send
from suites.security.support.secret import CLAUSE, Secret
from suites.security.support.spellings import target_of
from suites.security.support.tenants import other_city

GAIN = "a tenant reads or changes what is another's (CWE-639, API1:2023)"
SPELLED: dict[str, Callable[[str], str]] = {
    "lower": str.lower,
    "swapped": str.swapcase,
    "encoded": lambda city: f"%{ord(city[0]):02x}{city[1:]}",
    "blank": lambda city: f"{city}%20",
    "dot": lambda city: f"{city}/.",
    "parameter": lambda city: f"{city};a=b",
    "null": lambda city: f"{city}%00",
}
"""The name of a city as a gate and a database may read it differently."""
HEADERS = ("X-City-Id", "X-City", "X-Tenant-Id", "X-Tenant", "X-Organization-Id", "X-Scope-OrgID")


@verifies("DTC-SEC-006", negative=True, hazard="security")
@pytest.mark.parametrize(
    "suffix", ["/history", "/versions", "/sensors"], ids=["history", "versions", "sensors"]
)
def test_what_is_below_an_object_of_another_city(twin: Twin, secret: Secret, suffix: str) -> None:
    mine = f"/cities/{quote(other_city(twin))}/objects/{quote(secret.id)}{suffix}"
    answer = twin.rest.get(mine, as_="other_city")
    secret.judge_hidden(answer, f"a path under the caller's own city with an id of another, {suffix}")


@verifies("DTC-SEC-006", negative=True, hazard="security")
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_a_sensor_of_another_city(twin: Twin, method: str) -> None:
    other = quote(other_city(twin))
    sensor, _ = twin.scratch.sensor()
    options: dict[str, Any] = {"json": {"status": {"operational": False}}} if method == "PATCH" else {}
    answer = twin.rest.request(
        method, f"/cities/{other}/sensors/{quote(sensor)}", as_="other_city", **options
    )
    expect.that(
        not answer.ok,
        f"{method} under the caller's own city reaches a sensor of another",
        expected="404 or 403",
        actual=f"status {answer.status}, body {answer.excerpt(120)}",
        clause=CLAUSE,
        hint=GAIN,
    )
    expect.that(
        twin.rest.get(f"/cities/{{city}}/sensors/{quote(sensor)}").ok,
        f"{method} under the caller's own city removed a sensor of another",
        clause=CLAUSE,
        hint=GAIN,
    )


@verifies("DTC-SEC-006", negative=True, hazard="security")
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_simulation_of_another_city(twin: Twin, method: str) -> None:
    other = quote(other_city(twin))
    parameters = {"event": "dtc", "expectedAttendance": 10}
    started = twin.scratch.post_simulation({"type": "CrowdDynamics", "parameters": parameters})
    told = started.json() if started.ok and started.is_json else {}
    name = told.get("id") or told.get("simulationId") if isinstance(told, dict) else None
    if not isinstance(name, str):
        raise NotApplicable(f"no simulation could be started (status {started.status})")
    answer = twin.rest.request(method, f"/cities/{other}/simulations/{quote(name)}", as_="other_city")
    expect.that(
        not answer.ok,
        f"{method} under the caller's own city reaches a simulation of another",
        expected="404 or 403",
        actual=f"status {answer.status}, body {answer.excerpt(120)}",
        clause=CLAUSE,
        hint=GAIN,
    )


@verifies("DTC-SEC-006", negative=True, hazard="security")
@pytest.mark.parametrize("name", SPELLED)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_another_spelling_of_the_city(twin: Twin, secret: Secret, name: str, method: str) -> None:
    other_city(twin)
    path = secret.path.replace("{city}", SPELLED[name](twin.rest.city))
    reply = send(twin, method, target_of(twin, path), _foreign(twin))
    expect.that(
        not secret.shown_in(reply.body),
        f"the city spelled otherwise ({name}) shows an object to a caller of another city",
        expected="a refusal without data",
        actual=f"status {reply.status}",
        clause=CLAUSE,
        hint=GAIN,
    )
    secret.judge_kept(f"{method} with the city spelled otherwise ({name})")


@verifies("DTC-SEC-006", negative=True, hazard="security")
@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_header_names_no_city(twin: Twin, secret: Secret, header: str, method: str) -> None:
    path = f"/cities/{quote(other_city(twin))}/objects/{quote(secret.id)}"
    named = {header: twin.rest.city}
    answer = twin.rest.request(method, path, headers=named, as_="other_city")
    secret.judge_hidden(answer, f"the header {header}")
    secret.judge_kept(f"{method} with the header {header}")


@verifies("DTC-SEC-006", negative=True, hazard="security")
@pytest.mark.parametrize("member", ["cityId", "city", "tenantId"])
def test_a_member_of_a_search_names_no_city(twin: Twin, member: str) -> None:
    here = {"location": twin.scratch.geometry("Point"), "radius": 5000}
    mine = _ids(twin.rest.post("/cities/{city}/spatial/nearby", json=here))
    if not mine:
        raise NotApplicable("a search in the city finds nothing that could leak")
    path = f"/cities/{quote(other_city(twin))}/spatial/nearby"
    answer = twin.rest.post(path, json={**here, member: twin.rest.city}, as_="other_city")
    leaked = sorted(mine & _ids(answer))
    expect.that(
        not leaked,
        f"a search with {member} finds objects of another city",
        expected="objects of the caller's city alone, or 400",
        actual=leaked[:3],
        clause=CLAUSE,
        hint=GAIN,
    )


@verifies("DTC-SEC-006", negative=True, hazard="security")
@pytest.mark.parametrize("member", ["cityId", "city", "tenantId"])
def test_a_member_of_an_object_names_no_city(twin: Twin, member: str) -> None:
    """Sent to the caller's own city, the object must not appear in this one."""
    name = twin.scratch.new_id()
    path = f"/cities/{{city}}/objects/{quote(name)}"
    own = f"/cities/{quote(other_city(twin))}/objects"
    body = {**twin.scratch.body(), "id": name, member: twin.rest.city}
    twin.journal.plan(f"object {name}", "DELETE", path)
    answer = twin.rest.post(own, json=body, as_="other_city")
    there = twin.rest.get(path)
    twin.rest.delete(f"{own}/{quote(name)}", as_="other_city")
    expect.that(
        not there.ok,
        f"a caller of another city creates an object here by {member}",
        expected="status 404 here",
        actual=f"status {answer.status}, here {there.status}",
        clause=CLAUSE,
        hint=GAIN,
    )


def _foreign(twin: Twin) -> list[tuple[str, str]]:
    return [*twin.credentials.role("other_city").headers.items()]


def _ids(answer: Any) -> set[str]:
    """Ids of what a search found."""
    body = answer.json() if answer.ok and answer.is_json else None
    found = body.get("results") if isinstance(body, dict) else None
    items = found if isinstance(found, list) else (items_of(answer) or ()) if answer.ok else ()
    return {one["id"] for one in items if isinstance(one, dict) and isinstance(one.get("id"), str)}
