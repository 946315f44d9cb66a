"""Patching city objects: siblings stay (DTC-P2-008), the merge itself (-023), identity (-024)."""

import copy
from collections.abc import Mapping
from typing import Any

import pytest

from dtc_cli.harness.suite import Blocked, Tolerated, Twin, Violation, expect, verifies
from suites.phase2.support.creating import create, need_shape, read
from suites.phase2.support.patches import make, merged, patch, updated, without
from suites.phase2.support.payloads import generated_properties
from suites.phase2.support.replies import admitted, refused, served
from suites.phase2.support.searching import CHANGES, PATCHED, need_valid, search
from suites.phase2.support.values import differences, same, within

CLAUSE = "C-38 (RFC 7396)"
COARSE_S = 1.1
"""A target may keep instants in whole seconds: a second patch after this long shows that they advance."""

MERGES: dict[str, dict[str, Any]] = {
    "printed-example": {"occupancy": {"current": 1150, "capacity": 1500}, "energyClass": "A+"},
    "text": {"energyClass": "A+"},
    "unicode": {"name": "강남 타워 🏙️"},
    "number": {"height": 81.125},
    "zero": {"height": 0},
    "false": {"heated": False},
    "empty-text": {"name": ""},
    "nested": {"floors": {"above": 21}},
    "nested-new": {"floors": {"roof": 1}},
    "array-is-replaced": {"tags": ["c", "d"]},
    "array-is-emptied": {"tags": []},
    "array-of-objects": {"tags": [{"a": 1}, {"b": [2]}]},
    "object-over-text": {"energyClass": {"label": "A", "year": 2025}},
    "text-over-object": {"floors": "twenty"},
    "null-removes": {"owner": None},
    "null-removes-nested": {"floors": {"below": None}},
    "null-removes-object": {"floors": None},
    "null-for-nothing": {"noSuchMember": None},
    "several": {"name": "Second", "owner": None, "floors": {"below": 4, "plan": {"stairs": None}}},
}


@verifies("DTC-P2-023", hazard="write")
@pytest.mark.parametrize("name", MERGES)
def test_merge(twin: Twin, name: str) -> None:
    created, sent = make(twin)
    answer = patch(twin, created, {"properties": MERGES[name]})
    served(answer, clause="C-39")
    judge_patched(twin, read(twin, created), sent, MERGES[name])


@verifies("DTC-P2-023", hazard="write")
@pytest.mark.parametrize("number", range(4))
def test_generated_merge(twin: Twin, number: int) -> None:
    random = twin.random
    for _ in range(number):
        random.random()
    start, change = generated_properties(random), generated_properties(random)
    for name in random.sample(sorted(start), k=min(2, len(start))):
        change[name] = random.choice([None, 1, "text", {"inner": None, "other": True}])
    created, sent = make(twin, start)
    served(patch(twin, created, {"properties": change}), clause="C-39")
    judge_patched(twin, read(twin, created), sent, change)


@verifies("DTC-P2-023", hazard="write")
def test_searched_merge(twin: Twin) -> None:
    """One patch after the other on the same object: each meets what the ones before it left."""
    created, kept = make(twin, PATCHED)

    def judge(change: dict[str, Any]) -> None:
        nonlocal kept
        wanted = merged(kept["properties"], change)
        need_valid(twin, {**twin.scratch.body(), "properties": wanted})
        served(patch(twin, created, {"properties": change}), clause="C-39")
        before, kept = kept, read(twin, created)
        judge_patched(twin, kept, before, change)

    search(twin, CHANGES, 9, judge)


@verifies("DTC-P2-023", hazard="write")
@pytest.mark.parametrize("shape", ["Polygon", "Point", "MultiPolygon"])
def test_geometry_is_replaced(twin: Twin, shape: str) -> None:
    """Arrays are replaced as a whole, so nothing of the old coordinates stays."""
    geometry = twin.scratch.geometry(shape)
    # Of a type that both geometries fit.
    created, _ = make(twin, kind="Landmark") if shape == "Point" else make(twin)
    answer = patch(twin, created, {"geometry": geometry})
    if not answer.ok:
        need_shape(twin, geometry)
    served(answer, clause="C-39")
    kept = read(twin, created)
    try:
        same(geometry, kept.get("geometry"), "the patched geometry", clause=CLAUSE)
    except Violation:
        again = read(twin, create(twin, twin.scratch.shaped(geometry)))
        if any(differences(geometry, again.get("geometry"))):
            raise Blocked("DTC-P2-015", "the geometry does not survive a create request either") from None
        raise


@verifies("DTC-P2-023", hazard="write")
def test_type_is_patched(twin: Twin) -> None:
    """The body is merged into the object, of which only the id is fixed (DTC-P2-024)."""
    created, _ = make(twin)
    answer = patch(twin, created, {"type": "Park"})
    if answer.status in {400, 409, 422}:
        raise Tolerated(
            "the type of an object cannot be patched",
            expected="the type merged like any member",
            actual=f"status {answer.status}",
            clause=CLAUSE,
        )
    served(answer, clause="C-39")
    expect.equal(read(twin, created).get("type"), "Park", "the patched type is not visible", clause=CLAUSE)


@verifies("DTC-P2-023", hazard="write", negative=True)
@pytest.mark.parametrize("name", ["null", "array", "text"])
def test_properties_cannot_be_patched_away(twin: Twin, name: str) -> None:
    """Null in a merge removes a member (RFC 7396), and an object has properties (P1 5.1)."""
    created, _ = make(twin)
    answer = patch(twin, created, {"properties": {"null": None, "array": ["a"], "text": "none"}[name]})
    admitted(answer)
    kept = read(twin, created).get("properties")
    expect.that(
        isinstance(kept, Mapping),
        "a PATCH took the properties from an object",
        expected="the change refused, or an object",
        actual=kept,
        clause="P1 5.1",
    )


@verifies("DTC-P2-023", hazard="write")
def test_patches_add_up(twin: Twin) -> None:
    created, sent = make(twin)
    changes: list[dict[str, Any]] = [{"a": 1}, {"b": {"c": 2}}, {"b": {"d": 3}, "a": None}]
    wanted = copy.deepcopy(sent["properties"])
    for change in changes:
        served(patch(twin, created, {"properties": change}), clause="C-39")
        wanted = merged(wanted, change)
    judge_patched(twin, read(twin, created), {"properties": wanted}, {"a": None})


@verifies("DTC-P2-023", hazard="write")
def test_last_updated_advances(twin: Twin) -> None:
    created, _ = make(twin)
    before = updated(twin, created)
    served(patch(twin, created, {"properties": {"height": 1}}), clause="C-39")
    after = updated(twin, created)
    if after == before:
        twin.clock.wait(COARSE_S)
        served(patch(twin, created, {"properties": {"height": 2}}), clause="C-39")
        after = updated(twin, created)
    expect.that(
        after > before,
        "metadata.lastUpdated does not advance with a PATCH",
        expected=f"later than {before.isoformat()}",
        actual=after.isoformat(),
        clause="P2 4.3",
    )


@verifies("DTC-P2-023", hazard="write", negative=True)
def test_reading_does_not_advance_last_updated(twin: Twin) -> None:
    created, _ = make(twin)
    first = updated(twin, created)
    expect.that(
        updated(twin, created) == first,
        "metadata.lastUpdated changes although nobody changes the object",
        expected=first.isoformat(),
        actual="another instant on the next read",
        clause="P2 4.3",
    )


@verifies("DTC-P2-023", hazard="write", negative=True)
def test_invalid_patch_is_refused_as_a_whole(twin: Twin) -> None:
    """Of a body with a good and a bad member neither is applied."""
    created, sent = make(twin)
    blob = {"type": "Blob", "coordinates": []}
    answer = patch(twin, created, {"properties": {"energyClass": "A+"}, "geometry": blob})
    if answer.ok:
        raise Blocked("DTC-P2-018", "a geometry that is none is accepted")
    refused(answer, {400, 422}, clause="P2 9.2")
    kept = read(twin, created)
    expect.equal(
        within(kept, "properties", "energyClass"),
        within(sent, "properties", "energyClass"),
        "the refused PATCH was applied in part",
        clause="P2 4.3",
    )


def judge_patched(
    twin: Twin, kept: Mapping[str, Any], sent: Mapping[str, Any], change: Mapping[str, Any]
) -> None:
    """The members named by the change have the values of the merge.

    Raises:
        Violation: when they have not.
        Blocked: when a member is lost that the change does not name (DTC-P2-008), or when the values do not
            survive a create request either (DTC-P2-015).
    """
    wanted, found = merged(sent["properties"], change), kept.get("properties")
    try:
        _judge_named(wanted, found, change)
    except Violation:
        if any(differences(without(sent["properties"], change), found)):
            raise Blocked("DTC-P2-008", "members that the PATCH does not name were changed") from None
        again = read(twin, create(twin, {**twin.scratch.body(), "properties": wanted}))
        if any(differences(wanted, again.get("properties"))):
            raise Blocked("DTC-P2-015", "the values do not survive a create request either") from None
        raise


def _judge_named(wanted: Mapping[str, Any], found: Any, change: Mapping[str, Any]) -> None:
    if not isinstance(found, Mapping):
        expect.equal(found, dict(wanted), "the merge gives another value", clause=CLAUSE)
        return
    for name, value in change.items():
        if value is None:
            expect.that(
                name not in found,
                f"null in a PATCH does not remove {name}",
                expected=f"no member {name}",
                actual=found.get(name),
                clause=CLAUSE,
            )
        elif isinstance(value, Mapping) and isinstance(wanted[name], Mapping):
            _judge_named(wanted[name], found.get(name), value)
        else:
            expect.that(name in found, f"the PATCH of {name} is not visible", expected=value, clause=CLAUSE)
            same(wanted[name], found[name], f"the patched member {name}", clause=CLAUSE)
