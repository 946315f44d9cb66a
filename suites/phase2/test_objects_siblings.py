"""What a PATCH of a city object leaves alone: siblings (DTC-P2-008), identity (-024)."""

from collections.abc import Mapping
from typing import Any

import pytest

from dtc_cli.harness.suite import Blocked, NotApplicable, Twin, expect, quote, verifies
from suites.phase2.support.creating import read
from suites.phase2.support.lists import OBJECTS
from suites.phase2.support.patches import START, make, patch, without, worked
from suites.phase2.support.replies import admitted
from suites.phase2.support.values import moment, same, within

CLAUSE = "C-38 (RFC 7396)"
SIBLINGS: dict[str, dict[str, Any]] = {
    "one-member": {"energyClass": "A+"},
    "new-member": {"occupancy": {"current": 1150, "capacity": 1500}},
    "nested": {"floors": {"above": 21}},
    "nested-twice": {"floors": {"plan": {"lifts": 5}}},
    "array": {"tags": ["z"]},
    "several": {"energyClass": "C", "heated": False},
    "removal": {"owner": None},
    "nothing": {},
    "nothing-inside": {"floors": {}},
    "nothing-deep-inside": {"floors": {"plan": {}}},
}


@verifies("DTC-P2-008", hazard="write")
@pytest.mark.parametrize("name", SIBLINGS)
def test_siblings_of_properties_stay(twin: Twin, name: str) -> None:
    created, sent = make(twin)
    answer = patch(twin, created, {"properties": SIBLINGS[name]})
    if not answer.ok and name == "nothing":
        raise NotApplicable(f"an empty change is refused (status {answer.status})")
    worked(answer)
    kept = read(twin, created)
    untouched = without(sent["properties"], SIBLINGS[name])
    same(untouched, kept.get("properties"), "a member that the PATCH does not name", clause=CLAUSE)


@verifies("DTC-P2-008", hazard="write")
@pytest.mark.parametrize("part", ["properties", "geometry", "empty"])
def test_other_members_of_the_object_stay(twin: Twin, part: str) -> None:
    created, _ = make(twin)
    before = read(twin, created)
    if {"type", "geometry", "properties"} - set(before):
        raise Blocked("DTC-P2-021", "the object lacks members")
    change: dict[str, Any] = {
        "properties": {"properties": {"energyClass": "A+"}},
        "geometry": {"geometry": twin.scratch.geometry("Polygon")},
        "empty": {},
    }[part]
    answer = patch(twin, created, change)
    if not answer.ok and part == "empty":
        raise NotApplicable(f"an empty change is refused (status {answer.status})")
    worked(answer)
    kept = read(twin, created)
    for name in ("type", "geometry", "properties"):
        if name not in change:
            if name not in kept:
                expect.that(False, f"the PATCH removed {name}", expected=before[name], clause=CLAUSE)
            same(
                before[name],
                kept[name],
                f"{name}, which the PATCH does not name,",
                clause=CLAUSE,
            )


@verifies("DTC-P2-008", hazard="write")
def test_metadata_stays(twin: Twin) -> None:
    """Only metadata.lastUpdated moves, the rest of the metadata keeps its values."""
    created, _ = make(twin)
    before = read(twin, created).get("metadata")
    if not isinstance(before, Mapping):
        raise Blocked("DTC-P2-021", "the object tells no metadata")
    worked(patch(twin, created, {"properties": {"energyClass": "A+"}}))
    after = read(twin, created).get("metadata")
    for name in ("created", "dataSource", "accuracy"):
        if name in before:
            kept = after.get(name) if isinstance(after, Mapping) else None
            alike = moment(kept) == moment(before[name]) if name == "created" else kept == before[name]
            expect.that(
                alike,
                f"the PATCH changed metadata.{name}",
                expected=before[name],
                actual=after,
                clause="P2 4.3",
            )


@verifies("DTC-P2-008", hazard="write", negative=True)
def test_other_objects_are_not_touched(twin: Twin) -> None:
    created, _ = make(twin)
    neighbour, sent = make(twin)
    worked(patch(twin, created, {"properties": {"energyClass": "A+", "owner": None}}))
    kept = read(twin, neighbour)
    same(sent["properties"], kept.get("properties"), "an object that was not patched", clause=CLAUSE)


@verifies("DTC-P2-024", hazard="write")
def test_patch_without_id(twin: Twin) -> None:
    created, _ = make(twin)
    worked(patch(twin, created, {"properties": {"energyClass": "A+"}}))
    expect.equal(read(twin, created).get("id"), created, "the id changed with a PATCH", clause="P2 4.3")


@verifies("DTC-P2-024", hazard="write", negative=True)
@pytest.mark.parametrize("body", ["id-alone", "id-and-properties", "id-null"])
def test_id_cannot_be_patched(twin: Twin, body: str) -> None:
    created, _ = make(twin)
    other = twin.scratch.new_id()
    path = f"{OBJECTS}/{quote(other)}"
    twin.journal.plan(f"object {other}", "DELETE", path)
    change: dict[str, Any] = {"id": None if body == "id-null" else other}
    if body == "id-and-properties":
        change["properties"] = {"energyClass": "A+"}
    answer = patch(twin, created, change)
    admitted(answer)
    expect.that(
        answer.status < 500,
        "a PATCH of the id makes the target fail",
        expected="the id ignored, or a 4xx",
        actual=f"status {answer.status}, body {answer.excerpt()}",
        clause="P2 4.3",
    )
    at_old = twin.rest.get(f"{OBJECTS}/{quote(created)}")
    expect.status(at_old, {200}, clause="P2 4.3", message="the object left its path with a PATCH of its id")
    found = at_old.json().get("id") if at_old.is_json and isinstance(at_old.json(), dict) else None
    expect.equal(found, created, "the PATCH changed the id", clause="P2 4.3")
    expect.that(
        not twin.rest.get(path).ok,
        "the object is served below another id",
        expected="status 404",
        actual=f"an object at {other}",
        clause="P2 4.3",
    )


@verifies("DTC-P2-024", hazard="write", negative=True)
def test_id_of_another_object_cannot_be_taken(twin: Twin) -> None:
    created, _ = make(twin)
    neighbour, sent = make(twin, {**START, "name": "Neighbour"})
    admitted(patch(twin, created, {"id": neighbour, "properties": {"name": "Intruder"}}))
    kept = read(twin, neighbour)
    expect.equal(kept.get("id"), neighbour, "the PATCH of an id moved another object", clause="P2 4.3")
    expect.equal(
        within(kept, "properties", "name"),
        within(sent, "properties", "name"),
        "the PATCH of an id changed another object",
        clause="P2 4.3",
    )
    expect.equal(read(twin, created).get("id"), created, "the PATCH changed the id", clause="P2 4.3")
