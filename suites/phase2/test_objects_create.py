"""Creating city objects: DTC-P2-013, -014, -016, -017."""

from datetime import timedelta
from typing import Any

import pytest

from dtc_cli.harness.suite import Blocked, NotApplicable, Tolerated, Twin, expect, quote, verifies
from suites.phase2.support.creating import post, with_id
from suites.phase2.support.lists import OBJECTS
from suites.phase2.support.queries import stored
from suites.phase2.support.replies import BAD_REQUEST, refused, set_up
from suites.phase2.support.values import near, within
from suites.phase2.support_live import eventually, is_zoneless

CLAUSE = "P2 4.3"
NOW = timedelta(minutes=5)
"""How far an instant of creation may be from the present: what P2 9.1 allows an error's."""
FITTING = (
    ("Building", "Polygon"),
    ("Building", "MultiPolygon"),
    ("Road", "LineString"),
    ("Road", "Polygon"),
    ("Bridge", "LineString"),
    ("Bridge", "Polygon"),
    ("Park", "Polygon"),
    ("Park", "MultiPolygon"),
    ("Utility", "Point"),
    ("Utility", "LineString"),
    ("Landmark", "Point"),
    ("Landmark", "Polygon"),
    ("TransportHub", "Point"),
    ("TransportHub", "Polygon"),
    ("WaterBody", "Polygon"),
    ("WaterBody", "LineString"),
)


UNUSUAL = {
    ("Road", "Polygon"),
    ("Bridge", "Polygon"),
    ("Utility", "LineString"),
    ("Landmark", "Polygon"),
    ("TransportHub", "Polygon"),
    ("WaterBody", "LineString"),
}
"""Pairs that a target may think unfitting: which kinds fit which type is not printed."""


@verifies("DTC-P2-013", hazard="write")
def test_creating_answers_201(twin: Twin) -> None:
    twin.need_hazard("write")
    answer = post(twin, twin.scratch.body())
    set_up_routing(answer.status)
    expect.status(answer, {201}, clause=CLAUSE)


@verifies("DTC-P2-013", hazard="write")
@pytest.mark.parametrize("kind", ["Building", "Road", "Landmark"])
def test_created_object_is_described(twin: Twin, kind: str) -> None:
    twin.need_hazard("write")
    answer = post(twin, twin.scratch.body(kind))
    set_up_routing(answer.status)
    if kind != "Building":
        set_up(answer, "DTC-P2-016", f"no {kind} can be created")
    expect.success(answer, clause=CLAUSE)
    body = expect.json_object(answer, clause=CLAUSE)
    expect.members(body, ("id", "type", "created"), what="the answer to a create request", clause=CLAUSE)
    expect.that(
        isinstance(body["id"], str) and body["id"] != "",
        "the id of a created object is no text",
        expected="a non-empty string",
        actual=body["id"],
        clause=CLAUSE,
    )
    expect.equal(body["type"], kind, "the answer tells another type than was sent", clause=CLAUSE)


@verifies("DTC-P2-013", hazard="write", negative=True)
def test_created_is_no_other_instant_than_now(twin: Twin) -> None:
    twin.need_hazard("write")
    answer = post(twin, twin.scratch.body())
    set_up_routing(answer.status)
    body = expect.json_object(answer, clause=CLAUSE)
    created = body.get("created")
    if is_zoneless(created):
        raise Blocked("DTC-P2-107", f"created has no zone: {created}")
    expect.that(
        near(created, twin.clock.now(), NOW),
        "`created` is not the instant of creation",
        expected=f"about {twin.clock.now().isoformat(timespec='seconds')}",
        actual=created,
        clause=CLAUSE,
    )


@verifies("DTC-P2-013", hazard="write", negative=True)
def test_creating_is_no_dry_run(twin: Twin) -> None:
    """A 201 without an object behind it: neither the object nor the list knows it."""
    created, _ = twin.scratch.object()
    if eventually(twin, lambda: twin.rest.get(f"{OBJECTS}/{quote(created)}").ok):
        return
    answer = twin.rest.get(f"{OBJECTS}/{quote(created)}")
    listed = twin.rest.get(OBJECTS, params={"limit": 1000})
    if created.encode() in listed.body:
        raise Blocked("DTC-P2-021", "the object is listed but cannot be read")
    expect.status(answer, {200}, clause=CLAUSE, message="an object that was created is not there")


@verifies("DTC-P2-014", hazard="write")
def test_same_request_twice_gives_two_objects(twin: Twin) -> None:
    twin.need_hazard("write")
    body = twin.scratch.body()
    first, second = (created_id(twin, body) for _ in range(2))
    expect.that(
        first != second,
        "two create requests were given the same id",
        expected="two different ids",
        actual=f"{first} twice",
        clause=CLAUSE,
    )
    for created in (first, second):
        if stored(twin, created) is None:
            raise Blocked("DTC-P2-021", f"object {created} cannot be read")


@verifies("DTC-P2-014", hazard="write", negative=True)
def test_assigned_ids_never_repeat(twin: Twin) -> None:
    twin.need_hazard("write")
    ids = [created_id(twin, twin.scratch.body("Landmark")) for _ in range(5)]
    twin.rest.delete(f"{OBJECTS}/{quote(ids[-1])}")
    ids.append(created_id(twin, twin.scratch.body("Landmark")))
    expect.that(
        len(set(ids)) == len(ids),
        "an id was assigned twice",
        expected="ids that are unique in the city",
        actual=ids,
        clause=CLAUSE,
    )


@verifies("DTC-P2-014", hazard="write")
def test_id_of_the_client_is_accepted(twin: Twin) -> None:
    twin.need_hazard("write")
    wanted = twin.scratch.new_id()
    answer = twin.scratch.post({**twin.scratch.body(), "id": wanted})
    set_up_routing(answer.status)
    expect.success(answer, clause="C-55")
    body = expect.json_object(answer, clause="C-55")
    if body.get("id") != wanted:
        raise Tolerated(
            "an id given by the client is replaced",
            expected=f"id {wanted}",
            actual=expect.show(body.get("id")),
            clause="C-55",
        )


@verifies("DTC-P2-016", hazard="write")
@pytest.mark.parametrize(("kind", "shape"), FITTING, ids=[f"{kind}-{shape}" for kind, shape in FITTING])
def test_type_and_geometry(twin: Twin, kind: str, shape: str) -> None:
    twin.need_hazard("write")
    body = {**twin.scratch.body(kind), "geometry": twin.scratch.geometry(shape)}
    answer = post(twin, body)
    set_up_routing(answer.status)
    if not answer.ok and (kind, shape) != ("Building", "Polygon"):
        set_up(post(twin, twin.scratch.body()), "DTC-P2-013", "nothing can be created")
    if (kind, shape) in UNUSUAL and answer.status in BAD_REQUEST:
        set_up(post(twin, twin.scratch.body(kind)), "DTC-P2-016", f"no {kind} can be created")
        raise Tolerated(
            f"a {kind} as {shape} is refused",
            expected="status 201",
            actual=f"status {answer.status}, body {answer.excerpt(120)}",
            clause="P1 6.1: the kinds that fit a type are not printed",
        )
    expect.success(answer, clause="P1 6.1")


@verifies("DTC-P2-016", hazard="write", negative=True)
@pytest.mark.parametrize("kind", ["WaterBody", "TransportHub", "Landmark", "dtcKiosk"])
def test_type_is_not_replaced_by_another(twin: Twin, kind: str) -> None:
    """Other words than the eight (C-04) are refused or kept, never turned into one of the eight."""
    twin.need_hazard("write")
    answer = post(twin, twin.scratch.body(kind))
    if kind == "dtcKiosk" and not answer.ok:
        raise NotApplicable(f"types beyond the eight are refused (status {answer.status})")
    created = set_up(answer, "DTC-P2-016", f"no {kind} can be created").json()
    kept = stored(twin, str(created.get("id"))) if isinstance(created, dict) else None
    if kept is None:
        raise Blocked("DTC-P2-021", "the object cannot be read")
    if kept.get("type") != kind and kept.get("type") not in dict(FITTING):
        raise Blocked("DTC-P2-015", f"the type came back as {kept.get('type')!r}")
    expect.equal(kept.get("type"), kind, "the object was given another type", clause="P1 6.1, C-04")


@verifies("DTC-P2-017", hazard="write")
def test_new_id_is_no_duplicate(twin: Twin) -> None:
    twin.need_hazard("write")
    twin.scratch.object()
    answer = twin.scratch.post({**twin.scratch.body(), "id": twin.scratch.new_id()})
    set_up_routing(answer.status)
    expect.that(
        answer.status != 409,
        "a new id is refused as a duplicate",
        expected="status 201",
        actual=f"status {answer.status}, body {answer.excerpt()}",
        clause="P1 7.2 BUS-001",
    )


@verifies("DTC-P2-017", hazard="write", negative=True)
@pytest.mark.parametrize("origin", ["assigned", "given"])
@pytest.mark.parametrize("content", ["same", "other"])
def test_existing_id_is_refused(twin: Twin, origin: str, content: str) -> None:
    """The id of an object that exists, whoever chose it, with the same content or another."""
    twin.need_hazard("write")
    body = twin.scratch.body()
    if origin == "given":
        body["id"] = twin.scratch.new_id()
    created, _ = twin.scratch.object(body)
    before = stored(twin, created)
    again = {**(body if content == "same" else twin.scratch.body("Park", name="second")), "id": created}
    answer = twin.scratch.post(again)
    refused(answer, {409}, {"DUPLICATE_OBJECT"}, clause="P1 7.2 BUS-001, C-33")
    kept = stored(twin, created)
    if before is None or kept is None:
        raise Blocked("DTC-P2-021", "the first object cannot be read")
    expect.equal(
        [kept.get("type"), within(kept, "properties", "name")],
        [before.get("type"), within(before, "properties", "name")],
        "the refused duplicate replaced the object",
        clause="P1 7.2 BUS-001",
    )


def created_id(twin: Twin, body: dict[str, Any]) -> str:
    """The id in the answer to a create request; DTC-P2-014 demands that there is one."""
    answer = twin.scratch.post(body)
    if not answer.ok and with_id(twin, body):
        expect.success(answer, clause=CLAUSE)
    set_up(answer, "DTC-P2-013", "no object could be created")
    described = expect.json_object(answer, clause=CLAUSE)
    created = described.get("id")
    if not isinstance(created, str) or not created:
        raise Blocked("DTC-P2-013", f"the answer holds no id: {answer.excerpt(120)}")
    return created


def set_up_routing(status: int) -> None:
    """Keep a missing operation or a refused key apart from a create request that is not served.

    Raises:
        Blocked: for 401, 403, 405 and 501.
    """
    by = {401: "DTC-P2-086", 403: "DTC-P2-091", 405: "DTC-P2-106", 501: "DTC-P2-106"}.get(status)
    if by is not None:
        raise Blocked(by, f"the create request got status {status}")
