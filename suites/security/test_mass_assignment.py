"""Members that the server controls are not a client's to set (DTC-SEC-008)."""

from typing import Any

import pytest

from dtc_cli.harness.suite import NotApplicable, Twin, expect, quote, verifies
from suites.phase2.support.lists import OBJECTS
from suites.phase2.support.operations import Operations
from suites.phase2.support.queries import stored
from suites.phase2.support.values import within
from suites.security.support.secret import CLAUSE

PAST = "2001-02-03T04:05:06Z"
INSTANTS = {
    "created": ("created",),
    "updated": ("lastUpdated",),
    "metadata-created": ("metadata", "created"),
    "metadata-updated": ("metadata", "lastUpdated"),
}
"""Where an object may carry the instants that a server sets (P1 3.1, P2 4.3)."""
OTHER_INSTANTS = ("createdAt", "updatedAt", "modifiedAt", "lastModified", "timestamp")
AUTHORS = ("owner", "ownerId", "createdBy", "updatedBy", "modifiedBy", "tenant", "tenantId")
"""Other names for instants, and for whose an object is or who wrote it; at its top or in its metadata."""
INTRUDER = "dtc-intruder"


@verifies("DTC-SEC-008", hazard="security")
def test_the_server_sets_the_instant_of_a_change(twin: Twin) -> None:
    created, _ = twin.scratch.object()
    kept = stored(twin, created) or {}
    expect.that(
        any(within(kept, *place) for place in INSTANTS.values()),
        "an object has no instant of the server's own",
        expected="metadata.created or metadata.lastUpdated",
        actual=", ".join(sorted(kept)),
        clause=CLAUSE,
    )


@verifies("DTC-SEC-008", negative=True, hazard="security")
@pytest.mark.parametrize("name", INSTANTS)
@pytest.mark.parametrize("how", ["created", "changed"])
def test_a_backdated_instant(twin: Twin, name: str, how: str) -> None:
    """Judged where the server itself sets the member; elsewhere it is a client's own, whatever its name."""
    place = INSTANTS[name]
    created, _ = twin.scratch.object()
    if within(stored(twin, created), *place) is None:
        raise NotApplicable(f"the server sets no {'.'.join(place)}")
    sent: dict[str, Any] = {place[0]: PAST} if len(place) == 1 else {place[0]: {place[1]: PAST}}
    if how == "created":
        answer = twin.scratch.post({**twin.scratch.body(), **sent})
        if not answer.ok or not answer.is_json:
            return  # refused as a whole, which is right as well
        created = str(answer.json().get("id"))
    else:
        twin.rest.patch(f"{OBJECTS}/{quote(created)}", json={**sent, "properties": {"name": "dtc test"}})
    kept = within(stored(twin, created), *place)
    expect.that(
        not str(kept).startswith(PAST[:19]),
        f"a client set {'.'.join(place)} (CWE-915, API3:2023)",
        expected="the server's own instant",
        actual=kept,
        clause=CLAUSE,
    )


@verifies("DTC-SEC-008", negative=True, hazard="security")
@pytest.mark.parametrize("how", ["created", "changed"])
@pytest.mark.parametrize("kind", ["author", "instant"])
def test_a_member_of_the_servers_own(twin: Twin, kind: str, how: str) -> None:
    """Members that the server itself sets on an object that was sent without them."""
    names, false = (AUTHORS, INTRUDER) if kind == "author" else (OTHER_INSTANTS, PAST)
    created, sent = twin.scratch.object()
    shown = stored(twin, created)
    places = [
        place
        for name in names
        for place in ((name,), ("metadata", name))
        if within(shown, *place) is not None and within(sent, *place) is None
    ]
    if not places:
        raise NotApplicable(f"the server sets none of {', '.join(names)}")
    claims: dict[str, Any] = {place[0]: false for place in places if len(place) == 1}
    inside = {place[1]: false for place in places if len(place) == 2}
    if inside:
        claims["metadata"] = inside
    if how == "created":
        answer = twin.scratch.post({**twin.scratch.body(), **claims})
        if not answer.ok or not answer.is_json:
            return  # refused as a whole, which is right as well
        created = str(answer.json().get("id"))
    else:
        twin.rest.patch(f"{OBJECTS}/{quote(created)}", json={**claims, "properties": {"name": "dtc test"}})
    kept = stored(twin, created)
    taken = [
        ".".join(place) for place in places if str(within(kept, *place)).startswith(false.removesuffix("Z"))
    ]
    expect.that(
        not taken,
        f"a client set {', '.join(taken)} (CWE-915, API3:2023)",
        expected="the server's own",
        actual=false,
        clause=CLAUSE,
    )


@verifies("DTC-SEC-008", negative=True, hazard="security")
def test_a_client_brings_no_results(twin: Twin) -> None:
    """A simulation is sent as if it had ended; what it finds is the server's to say."""
    mark = {"dtcIntruder": 41}
    body = {
        "type": "CrowdDynamics",
        "parameters": {"event": "dtc", "expectedAttendance": 10},
        "status": "completed",
        "progress": 100,
        "results": mark,
        "result": mark,
    }
    answer = twin.scratch.post_simulation(body)
    told = answer.json() if answer.ok and answer.is_json else {}
    name = told.get("id") or told.get("simulationId") if isinstance(told, dict) else None
    later = twin.rest.get(f"/cities/{{city}}/simulations/{quote(name)}") if isinstance(name, str) else answer
    for one in (answer, later):
        kept = one.json() if one.ok and one.is_json else {}
        shown = [kept.get(member) for member in ("results", "result")] if isinstance(kept, dict) else []
        expect.that(
            mark not in shown,
            "a client set the results of a simulation (CWE-915, API3:2023)",
            expected="results that the server found",
            actual=mark,
            clause=CLAUSE,
        )


@verifies("DTC-SEC-008", negative=True, hazard="security")
def test_a_client_does_not_say_when_the_city_changed(twin: Twin) -> None:
    """Sent beside a member that stays as it is; a last honest change brings the instant back."""
    twin.need_hazard("write")
    same = Operations(twin).body("patch-city")
    twin.rest.patch("/cities/{city}", json={**same, "lastUpdated": PAST})
    kept = twin.rest.get("/cities/{city}")
    told = kept.json().get("lastUpdated") if kept.ok and kept.is_json else None
    twin.rest.patch("/cities/{city}", json=same)
    expect.that(
        not str(told).startswith(PAST[:19]),
        "a client set lastUpdated of the city (CWE-915, API3:2023)",
        expected="the server's own instant",
        actual=told,
        clause=CLAUSE,
    )


@verifies("DTC-SEC-008", negative=True, hazard="security")
def test_an_object_keeps_its_id(twin: Twin) -> None:
    created, _ = twin.scratch.object()
    wanted = twin.scratch.new_id()
    twin.rest.patch(f"{OBJECTS}/{quote(created)}", json={"id": wanted, "properties": {"name": "dtc test"}})
    kept = stored(twin, created)
    expect.that(
        kept is not None and kept.get("id") == created,
        "a client changed the id of an object",
        expected=created,
        actual="gone" if kept is None else kept.get("id"),
        clause=CLAUSE,
    )
    expect.that(
        stored(twin, wanted) is None,
        "the object is served under an id that a client set",
        actual=wanted,
        clause=CLAUSE,
    )


@verifies("DTC-SEC-008", negative=True, hazard="security")
def test_an_object_keeps_its_city(twin: Twin) -> None:
    created, _ = twin.scratch.object()
    body = {"cityId": "ZZ-NOWHERE-2025", "properties": {"name": "dtc test"}}
    twin.rest.patch(f"{OBJECTS}/{quote(created)}", json=body)
    expect.that(
        stored(twin, created) is not None,
        "a client moved an object out of its city",
        actual=created,
        clause=CLAUSE,
    )


@verifies("DTC-SEC-008", negative=True, hazard="security")
@pytest.mark.parametrize("member", ["role", "scope", "permissions", "isAdmin"])
def test_a_member_gives_no_rights(twin: Twin, member: str) -> None:
    viewer = twin.need_role("viewer")
    created, _ = twin.scratch.object()
    path = f"{OBJECTS}/{quote(created)}"
    twin.rest.patch(path, json={member: "admin", "properties": {"name": "dtc test"}}, as_=viewer)
    twin.rest.patch("/cities/{city}", json={member: "admin"}, as_=viewer)
    answer = twin.rest.delete(path, as_=viewer)
    expect.that(
        not answer.ok and stored(twin, created) is not None,
        f"a viewer that sent {member}: admin may delete",
        expected="status 403",
        actual=f"status {answer.status}",
        clause=CLAUSE,
    )
