"""Members that the server controls are not a client's to set (DTC-SEC-008)."""

import pytest

from dtc_cli.harness.suite import Twin, expect, quote, verifies
from suites.phase2.support.lists import OBJECTS
from suites.phase2.support.queries import stored
from suites.security.support.secret import CLAUSE

PAST = "2001-02-03T04:05:06Z"
TIMES = ("created", "lastUpdated", "createdAt", "updatedAt")


@verifies("DTC-SEC-008", hazard="security")
def test_the_server_sets_the_instant_of_a_change(twin: Twin) -> None:
    created, _ = twin.scratch.object()
    kept = stored(twin, created) or {}
    text = str(kept.get("lastUpdated", ""))
    expect.that(
        text != "" and not text.startswith("2001-02-03"),
        "an object has no lastUpdated of the server's own",
        expected="an instant",
        actual=text or "no such member",
        clause=CLAUSE,
    )


@verifies("DTC-SEC-008", negative=True, hazard="security")
@pytest.mark.parametrize("name", TIMES)
def test_a_backdated_creation(twin: Twin, name: str) -> None:
    answer = twin.scratch.post({**twin.scratch.body(), name: PAST})
    if not answer.ok:
        return  # refused as a whole, which is right as well
    found = answer.json()["id"] if answer.is_json and "id" in answer.json() else ""
    _judge(twin, str(found), name)


@verifies("DTC-SEC-008", negative=True, hazard="security")
@pytest.mark.parametrize("name", TIMES)
def test_a_backdated_change(twin: Twin, name: str) -> None:
    created, _ = twin.scratch.object()
    twin.rest.patch(f"{OBJECTS}/{quote(created)}", json={name: PAST, "properties": {"name": "dtc test"}})
    _judge(twin, created, name)


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


def _judge(twin: Twin, created: str, name: str) -> None:
    kept = stored(twin, created) or {}
    expect.that(
        not str(kept.get(name, "")).startswith(PAST[:19]),
        f"a client set {name}",
        expected="the server's own value, or none",
        actual=kept.get(name),
        clause=CLAUSE,
    )
