"""Reading city objects: round trips (DTC-P2-015), one object (-021), unknown objects (-022)."""

from collections.abc import Mapping
from typing import Any

import pytest

from dtc_cli.harness.suite import Blocked, NotApplicable, Tolerated, Twin, expect, quote, verifies
from suites.phase2.support.creating import ask, create, gone, read
from suites.phase2.support.lists import OBJECTS
from suites.phase2.support.operations import NO_SUCH_ID, UNKNOWN_CITY
from suites.phase2.support.payloads import GEOMETRIES, PROPERTIES, generated_properties, geometries
from suites.phase2.support.records import errors_of, fragment
from suites.phase2.support.replies import error_of, refused, served, set_up
from suites.phase2.support.searching import EDITS, SHAPES, need_valid, search
from suites.phase2.support.values import same, within

CLAUSE = "P2 4.3"


@verifies("DTC-P2-015", hazard="write")
@pytest.mark.parametrize("name", PROPERTIES)
def test_properties_come_back(twin: Twin, name: str) -> None:
    round_trip(twin, {**twin.scratch.body(), "properties": tagged(twin, PROPERTIES[name])}, "properties")


@verifies("DTC-P2-015", hazard="write")
@pytest.mark.parametrize("number", range(4))
def test_generated_properties_come_back(twin: Twin, number: int) -> None:
    random = twin.random
    for _ in range(number):
        random.random()
    body = {**twin.scratch.body(), "properties": tagged(twin, generated_properties(random))}
    round_trip(twin, body, "properties")


@verifies("DTC-P2-015", hazard="write")
@pytest.mark.parametrize("name", GEOMETRIES)
def test_geometry_comes_back(twin: Twin, name: str) -> None:
    geometry = geometries(twin)[name]
    body = twin.scratch.shaped(geometry)
    if faults := errors_of(twin, fragment(twin, objects=[{**body, "id": "x"}])):
        raise AssertionError(f"the vector itself is not valid: {faults[0].message}")
    round_trip(twin, body, "geometry")


@verifies("DTC-P2-015", hazard="write")
def test_searched_geometry(twin: Twin) -> None:
    """Geometries of any kind, with corners anywhere: each comes back to the last decimal."""
    x, y = twin.city.place(twin.random)
    unit = twin.city.side / 8

    def laid(value: Any) -> Any:
        if isinstance(value[0], list):
            return [laid(part) for part in value]
        return [round(x + value[0] * unit, 9), round(y + value[1] * unit, 9)]

    def judge(shape: dict[str, Any]) -> None:
        body = twin.scratch.shaped({"type": shape["type"], "coordinates": laid(shape["coordinates"])})
        need_valid(twin, body)
        round_trip(twin, body, "geometry")

    search(twin, SHAPES, 8, judge)


@verifies("DTC-P2-015", hazard="write")
def test_type_comes_back(twin: Twin) -> None:
    round_trip(twin, twin.scratch.body(), "type")


@verifies("DTC-P2-015", hazard="write", negative=True)
@pytest.mark.parametrize("part", ["properties", "geometry"])
def test_nothing_leaks_from_another_object(twin: Twin, part: str) -> None:
    """Two objects made in a row keep their own content: no member of one shows up in the other."""
    first = twin.scratch.body(onlyFirst="first", nested={"first": 1})
    second = twin.scratch.body("Landmark", onlySecond="second", nested={"second": 2})
    ids = [create(twin, body) for body in (first, second)]
    kept = [read(twin, created) for created in ids]
    if any(part not in one for one in kept):
        raise Blocked("DTC-P2-021", f"an object has no member {part}")
    if part == "geometry":
        same(
            [first["geometry"], second["geometry"]],
            [one.get("geometry") for one in kept],
            part,
            clause=CLAUSE,
        )
        return
    for foreign, own in (("onlySecond", kept[0]), ("onlyFirst", kept[1])):
        expect.that(
            within(own, "properties", foreign) is None,
            f"the object has a member {foreign} that was sent with another object",
            expected="the properties that were sent",
            actual=own.get("properties"),
            clause=CLAUSE,
        )


@verifies("DTC-P2-021", hazard="write")
@pytest.mark.parametrize("kind", ["Building", "Road", "WaterBody"])
def test_reading_one_object(twin: Twin, kind: str) -> None:
    created, _ = twin.scratch.object(twin.scratch.body(kind))
    answer = twin.rest.get(f"{OBJECTS}/{quote(created)}")
    served(answer, {200}, clause=CLAUSE)
    body = expect.json_object(answer, clause=CLAUSE)
    expect.members(body, ("id", "type", "geometry", "properties"), what="the object", clause=CLAUSE)
    expect.equal(body["id"], created, "another object came back than was asked for", clause=CLAUSE)
    # Of what form they are is DTC-P2-108's.
    empty = [name for name in ("type", "geometry", "properties") if body[name] is None]
    expect.equal(empty, [], "members of the object are null", clause="P1 5.1")


@verifies("DTC-P2-021", hazard="write")
def test_empty_properties_are_shown(twin: Twin) -> None:
    """Properties may be empty, and an object has them all the same (DTC-P1-028)."""
    twin.need_hazard("write")
    answer = twin.scratch.post({**twin.scratch.body(), "id": twin.scratch.new_id(), "properties": {}})
    body = answer.json() if answer.ok and answer.is_json else None
    created = body.get("id") if isinstance(body, dict) else None
    if not isinstance(created, str):
        raise NotApplicable(f"the target takes no object with empty properties (status {answer.status})")
    shown = read(twin, created)
    expect.that(
        isinstance(shown.get("properties"), Mapping),
        "an object whose properties are empty has none",
        expected="properties of {}",
        actual=shown,
        clause="P1 5.1",
    )


@verifies("DTC-P2-021", hazard="write")
@pytest.mark.parametrize("name", ["created", "lastUpdated"])
def test_known_metadata_is_told(twin: Twin, name: str) -> None:
    """The target knows when it made the object: it told so on creation, and must be able to advance it."""
    created, _ = twin.scratch.object()
    metadata = read(twin, created).get("metadata")
    expect.that(
        isinstance(metadata, Mapping) and metadata.get(name) is not None,
        f"the object does not tell metadata.{name}",
        expected=f"metadata with {name}",
        actual=metadata,
        clause=CLAUSE,
    )


@verifies("DTC-P2-021", hazard="write")
def test_metadata_of_the_client_is_told(twin: Twin) -> None:
    created, _ = twin.scratch.object(
        {**twin.scratch.body(), "metadata": {"dataSource": "dtc survey", "accuracy": 0.5}}
    )
    metadata = read(twin, created).get("metadata")
    for name, sent in (("dataSource", "dtc survey"), ("accuracy", 0.5)):
        if within({"metadata": metadata}, "metadata", name) != sent:
            raise Tolerated(
                f"metadata.{name} of a create request is not kept",
                expected=expect.show(sent),
                actual=expect.show(metadata),
                clause=CLAUSE,
            )


@verifies("DTC-P2-021", hazard="write", negative=True)
@pytest.mark.parametrize("number", [0, 1, 2])
def test_no_other_object_is_served(twin: Twin, number: int) -> None:
    """Of several objects each id gives its own."""
    ids = [twin.scratch.object(twin.scratch.body(kind))[0] for kind in ("Building", "Park", "Utility")]
    body = read(twin, ids[number])
    expect.equal(body.get("id"), ids[number], "another object came back than was asked for", clause=CLAUSE)


@verifies("DTC-P2-021", hazard="write")
@pytest.mark.parametrize(
    "tail", ["A b", "ä한", "50%", "a+b", "x.y:z"], ids=["space", "unicode", "percent", "plus", "dots"]
)
def test_ids_of_the_client_are_found(twin: Twin, tail: str) -> None:
    """Any non-empty text is an id (C-24); in a path it travels percent-encoded."""
    twin.need_hazard("write")
    wanted = f"{twin.scratch.new_id()}-{tail}"
    answer = twin.scratch.post({**twin.scratch.body(), "id": wanted})
    body = answer.json() if answer.ok and answer.is_json else None
    if not isinstance(body, dict) or body.get("id") != wanted:
        raise NotApplicable(f"the target does not take this id from a client (status {answer.status})")
    answer = twin.rest.get(f"{OBJECTS}/{quote(wanted)}")
    served(answer, {200}, clause="C-24", message=f"the object {wanted} is not found under its id")
    expect.equal(expect.json_object(answer).get("id"), wanted, "the id came back changed", clause="C-24")


@verifies("DTC-P2-022", hazard="write")
def test_existing_object_is_found(twin: Twin) -> None:
    created, _ = twin.scratch.object()
    answer = twin.rest.get(f"{OBJECTS}/{quote(created)}")
    expect.that(
        answer.status != 404,
        "an object that exists is answered as unknown",
        expected="status 200",
        actual=f"status {answer.status}, body {answer.excerpt()}",
        clause="P2 9.1",
    )


@verifies("DTC-P2-022", negative=True, hazard="write")
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
@pytest.mark.parametrize("name", [NO_SUCH_ID, "building-invalid"])
def test_unknown_object(twin: Twin, method: str, name: str) -> None:
    twin.need_hazard("write" if method != "GET" else "read")
    answer = ask(twin, method, name)
    refused(answer, {404}, {"OBJECT_NOT_FOUND"}, clause="P2 9.1, C-33")


@verifies("DTC-P2-022", negative=True)
def test_refusal_names_city_and_object(twin: Twin) -> None:
    """Judged where the target names ids in `details` at all; that it does is DTC-P2-097's (C-122)."""
    elsewhere = twin.rest.get(f"/cities/{UNKNOWN_CITY}")
    if within(error_of(elsewhere), "details", "cityId") != UNKNOWN_CITY:
        raise NotApplicable("errors of this target name no ids in details")
    answer = ask(twin, "GET", NO_SUCH_ID)
    refused(answer, {404}, {"OBJECT_NOT_FOUND"}, clause="P2 9.1, C-33")
    details = within(error_of(answer), "details")
    for name, wanted in (("cityId", twin.rest.city), ("objectId", NO_SUCH_ID)):
        expect.equal(
            within({"details": details}, "details", name),
            wanted,
            f"details.{name} of OBJECT_NOT_FOUND is not the id of the request",
            clause="P2 9.1",
        )


@verifies("DTC-P2-022", negative=True, hazard="write")
@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_deleted_object_is_unknown(twin: Twin, method: str) -> None:
    created, _ = twin.scratch.object()
    set_up(ask(twin, "DELETE", created), "DTC-P2-025", "the object cannot be deleted")
    if not gone(twin, created):
        raise Blocked("DTC-P2-025", "the deleted object is still there")
    refused(ask(twin, method, created), {404}, {"OBJECT_NOT_FOUND"}, clause="P2 9.1, C-33")


@verifies("DTC-P2-022", negative=True, hazard="write")
def test_patching_an_unknown_object_creates_nothing(twin: Twin) -> None:
    twin.need_hazard("write")
    name = twin.scratch.new_id()
    path = f"{OBJECTS}/{quote(name)}"
    twin.journal.plan(f"object {name}", "DELETE", path)
    answer = twin.rest.patch(path, json=twin.scratch.body())
    refused(answer, {404}, {"OBJECT_NOT_FOUND"}, clause="P2 9.1, C-33")
    refused(twin.rest.get(path), {404}, clause="P2 9.1", message="the refused PATCH created an object")


@verifies("DTC-P2-022", negative=True, hazard="write")
@pytest.mark.parametrize("how", ["upper", "longer", "shorter"])
def test_similar_id_is_unknown(twin: Twin, how: str) -> None:
    created, _ = twin.scratch.object({**twin.scratch.body(), "id": f"{twin.scratch.new_id()}-abc"})
    similar = {"upper": created.upper(), "longer": created + "x", "shorter": created[:-1]}[how]
    if similar == created or not similar:
        raise NotApplicable("the id has no such variant")
    refused(ask(twin, "GET", similar), {404}, {"OBJECT_NOT_FOUND"}, clause="P2 9.1, C-33")


@verifies("DTC-P2-022", negative=True, hazard="write")
def test_searched_id(twin: Twin) -> None:
    """An id that differs in one character from that of an object is unknown."""
    created, _ = twin.scratch.object({**twin.scratch.body(), "id": twin.scratch.new_id()})

    def judge(edit: tuple[str, int, str]) -> None:
        how, back, letter = edit
        at = max(0, len(created) - 1 - back)
        head, tail = created[:at], created[at + 1 :]
        similar = {
            "insert": head + created[at] + letter + tail,
            "replace": head + letter + tail,
            "remove": head + tail,
        }[how]
        if similar in ("", created):
            return
        answer = ask(twin, "GET", similar)
        found = answer.json() if answer.ok and answer.is_json else None
        if isinstance(found, dict) and found.get("id") == similar:
            return  # ids of the target's own making may lie that close together
        refused(answer, {404}, {"OBJECT_NOT_FOUND"}, clause="P2 9.1, C-33")

    search(twin, EDITS, 6, judge)


@verifies("DTC-P2-022", negative=True, hazard="write")
def test_object_of_another_city_is_unknown(twin: Twin) -> None:
    """Ids are scoped to their city (C-29): the object of one city is not found below another."""
    other = twin.target.other_city
    if other is None:
        raise NotApplicable("the target file names no second city (other_city)")
    created, _ = twin.scratch.object()
    role = "other_city" if "other_city" in twin.credentials.roles else "admin"
    answer = twin.rest.get(f"/cities/{quote(other)}/objects/{quote(created)}", as_=role)
    if answer.status in {401, 403}:
        raise NotApplicable(f"the key {role} may not read the second city")
    refused(answer, {404}, {"OBJECT_NOT_FOUND"}, clause="C-29")


def round_trip(twin: Twin, body: dict[str, Any], part: str) -> None:
    """Create the object, read it back and compare one part of it."""
    created = create(twin, body)
    kept = read(twin, created)
    if part not in kept:
        raise Blocked("DTC-P2-021", f"the object has no member {part}")
    if part != "type" and not isinstance(kept[part], dict):
        raise Blocked("DTC-P2-108", f"the member {part} is no object")
    same(body[part], kept[part], part, clause=CLAUSE)


def tagged(twin: Twin, properties: Mapping[str, Any]) -> dict[str, Any]:
    """The properties with the run id, by which the run's objects are known."""
    return {**properties, "dtcRun": twin.run_id, "dtcCity": UNKNOWN_CITY}
