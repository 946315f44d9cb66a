"""Create and patch requests that are refused: DTC-P2-018 (geometry), -019 (bounds), -020 (members)."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from dtc_cli.harness.suite import Blocked, Tolerated, Twin, Violation, expect, judge, quote, verifies
from suites.phase2.support import flaws
from suites.phase2.support.creating import need_shape, post, read
from suites.phase2.support.lists import OBJECTS
from suites.phase2.support.records import errors_of, fragment
from suites.phase2.support.replies import ANY_REFUSAL, BAD_REQUEST, admitted, error_of, refused, set_up
from suites.phase2.support.values import differences, within

GEOMETRY = frozenset({"INVALID_GEOMETRY"})
BOUNDS = frozenset({"OUT_OF_BOUNDS"})
METHODS = ("POST", "PATCH")
MISSING = ANY_REFUSAL - {404}
"""DTC-P2-020 demands a 4xx and names none."""
NO_GEOMETRY = frozenset({"geometry-text", "geometry-array", "no-type", "no-coordinates", "coordinates-null"})
"""Not even the members of a geometry are there: another code than INVALID_GEOMETRY is as good (C-34)."""


class Victims:
    """The objects that refused patches are aimed at, one of each type that a geometry may fit.

    What a victim is before each patch is read anew.
    """

    def __init__(self, twin: Twin) -> None:
        self._twin = twin
        self._ids: dict[str, str] = {}

    def of(self, geometry: Any) -> str:
        """The victim whose type the geometry fits."""
        self._twin.need_hazard("write")
        # A merge (RFC 7396) completes a Point without coordinates where the victim is a point already.
        whole = isinstance(geometry, Mapping) and "coordinates" in geometry
        kind = str(self._twin.scratch.shaped(geometry)["type"]) if whole else "Building"
        if kind not in self._ids:
            self._ids[kind] = self._twin.scratch.object(self._twin.scratch.body(kind))[0]
        return self._ids[kind]


@pytest.fixture(scope="module")
def victims(twin: Twin) -> Victims:
    """The objects that refused patches are aimed at."""
    return Victims(twin)


@verifies("DTC-P2-018", hazard="write")
@pytest.mark.parametrize("shape", ["Point", "LineString", "Polygon", "MultiPolygon"])
@pytest.mark.parametrize("method", METHODS)
def test_sound_geometry_is_taken(twin: Twin, victims: Victims, method: str, shape: str) -> None:
    geometry = twin.scratch.geometry(shape)
    if errors_of(twin, fragment(twin, objects=[described(geometry)])):
        raise AssertionError("the vector itself is not valid")
    answer, _ = send(twin, victims, method, geometry)
    admitted(answer)
    if not answer.ok and method == "PATCH":
        need_shape(twin, geometry)
    error = error_of(answer) or {}
    expect.that(
        error.get("code") != "INVALID_GEOMETRY",
        "a sound geometry is refused as invalid",
        expected="the geometry taken",
        actual=f"status {answer.status}, body {answer.excerpt()}",
        clause="P1 7.1",
    )


@verifies("DTC-P2-018", hazard="write", negative=True)
@pytest.mark.parametrize("name", flaws.INVALID)
@pytest.mark.parametrize("method", METHODS)
def test_invalid_geometry(twin: Twin, victims: Victims, method: str, name: str) -> None:
    geometry = flaws.invalid(twin, name)
    found = judge({"cityObjects": [described(geometry)]}, now=twin.clock.now(), fragment=True)
    if found.valid:
        raise AssertionError(f"the geometry {name} is valid after all")
    codes = frozenset() if name in NO_GEOMETRY else GEOMETRY
    judge_refusal(twin, victims, method, geometry, codes, clause="P1 7.1 VAL-002, VAL-005")


@verifies("DTC-P2-018", hazard="write", negative=True)
@pytest.mark.parametrize("name", flaws.BEYOND)
@pytest.mark.parametrize("method", METHODS)
def test_position_beyond_the_degrees(twin: Twin, victims: Victims, method: str, name: str) -> None:
    geometry = flaws.beyond(twin, name)
    record = {
        "coordinateSystem": {"type": "WGS84", "epsg": 4326},
        "cityObjects": [described(geometry)],
    }
    if judge(record, now=twin.clock.now(), fragment=True).valid:
        raise AssertionError(f"the geometry {name} is valid after all")
    judge_refusal(twin, victims, method, geometry, GEOMETRY, clause="P1 7.1 VAL-002")


@verifies("DTC-P2-018", hazard="write", negative=True)
def test_geometry_cannot_be_removed(twin: Twin) -> None:
    """Null in a merge removes a member (RFC 7396), and an object has a geometry (P1 5.1)."""
    created, _ = twin.scratch.object()
    before = read(twin, created).get("geometry")
    if before is None:
        raise Blocked("DTC-P2-021", "the object is shown without geometry")
    answer = twin.rest.patch(f"{OBJECTS}/{quote(created)}", json={"geometry": None})
    admitted(answer)
    after = read(twin, created).get("geometry")
    expect.that(
        after is not None and not any(differences(before, after)),
        "a PATCH took the geometry from an object",
        expected=before,
        actual=after,
        clause="P1 5.1",
    )


@verifies("DTC-P2-019", hazard="write")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", ["Point", "LineString", "Polygon"])
def test_geometry_inside_is_taken(twin: Twin, victims: Victims, method: str, shape: str) -> None:
    geometry = twin.scratch.geometry(shape)
    if flaws.leaves(twin, geometry):
        raise AssertionError("the vector itself leaves the bounds")
    answer, _ = send(twin, victims, method, geometry)
    admitted(answer)
    if not answer.ok and method == "PATCH":
        need_shape(twin, geometry)
    error = error_of(answer) or {}
    expect.that(
        error.get("code") != "OUT_OF_BOUNDS",
        "a geometry inside the bounds is refused as outside",
        expected="the geometry taken",
        actual=f"status {answer.status}, body {answer.excerpt()}",
        clause="P1 7.2 BUS-003",
    )


@verifies("DTC-P2-019", hazard="write", negative=True)
@pytest.mark.parametrize("name", flaws.OUTSIDE)
@pytest.mark.parametrize("method", METHODS)
def test_geometry_outside_the_bounds(twin: Twin, victims: Victims, method: str, name: str) -> None:
    geometry = flaws.outside(twin, name)
    if not flaws.leaves(twin, geometry):
        raise AssertionError(f"the geometry {name} lies inside the bounds after all")
    judge_refusal(twin, victims, method, geometry, BOUNDS, clause="P1 7.2 BUS-003, C-17")


@verifies("DTC-P2-019", hazard="write", negative=True)
def test_point_beside_bounds_that_are_no_rectangle(twin: Twin, victims: Victims) -> None:
    judge_refusal(twin, victims, "POST", flaws.beside(twin), BOUNDS, clause="P1 7.2 BUS-003, C-17")


@verifies("DTC-P2-020", hazard="write")
def test_all_members_present(twin: Twin) -> None:
    twin.need_hazard("write")
    body = twin.scratch.body()
    answer = post(twin, {name: body[name] for name in ("type", "geometry", "properties")})
    admitted(answer)
    expect.that(
        answer.status < 400,
        "a create request with type, geometry and properties is refused",
        expected="status 201",
        actual=f"status {answer.status}, body {answer.excerpt()}",
        clause="P2 4.3",
    )


@verifies("DTC-P2-020", hazard="write", negative=True)
@pytest.mark.parametrize("name", ["type", "geometry", "properties"])
def test_missing_member(twin: Twin, name: str) -> None:
    twin.need_hazard("write")
    wanted = twin.scratch.new_id()
    body = {key: value for key, value in twin.scratch.body().items() if key != name}
    answer = twin.scratch.post({**body, "id": wanted})
    refused(answer, MISSING, clause="P1 5.1, C-03", message=f"an object without {name} is not refused")
    error = error_of(answer)
    if error is None:
        raise Blocked("DTC-P2-093", f"the refusal has no error envelope: {answer.excerpt(120)}")
    expect.that(
        name in json.dumps(error, ensure_ascii=False).lower(),
        f"the refusal does not name the missing member {name}",
        expected=f"{name} in message or details",
        actual=error,
        clause="P2 4.3",
    )
    nothing_stored(twin, wanted)


@verifies("DTC-P2-020", hazard="write", negative=True)
@pytest.mark.parametrize(
    "name", ["type-alone", "properties-alone", "nothing", "array", "text", "number", "null"]
)
def test_body_that_is_no_object(twin: Twin, name: str) -> None:
    """Bodies that lack several of the members, or are no JSON object that could have them."""
    twin.need_hazard("write")
    bodies: Mapping[str, Any] = {
        "type-alone": {"type": "Building"},
        "properties-alone": {"properties": {"name": "dtc test"}},
        "nothing": {},
        "array": [],
        "text": "Building",
        "number": 42,
        "null": None,
    }
    answer = twin.rest.post(OBJECTS, json=bodies[name])
    refused(answer, MISSING, clause="P1 5.1, C-03")


@verifies("DTC-P2-020", hazard="write", negative=True)
@pytest.mark.parametrize(
    "name",
    [
        "type-null",
        "type-empty",
        "type-number",
        "geometry-null",
        "properties-null",
        "properties-array",
        "properties-text",
    ],
)
def test_member_that_is_none(twin: Twin, name: str) -> None:
    """A member of another kind is none: what is stored of it would break the rules of phase 1."""
    twin.need_hazard("write")
    member, _, kind = name.partition("-")
    value = {"null": None, "empty": "", "number": 7, "array": ["dtc"], "text": "dtc"}[kind]
    wanted = twin.scratch.new_id()
    answer = twin.scratch.post({**twin.scratch.body(), "id": wanted, member: value})
    if answer.ok and name == "properties-null":
        kept = read(twin, wanted)
        if isinstance(kept.get("properties"), dict):
            raise Tolerated(
                "properties of null are taken for none",
                expected="a 4xx",
                actual=expect.show(kept["properties"]),
                clause="P1 5.1, C-03",
            )
    refused(
        answer,
        MISSING,
        clause="P1 5.1, C-03",
        message=f"an object whose {member} is {value!r} is not refused",
    )
    nothing_stored(twin, wanted)


def described(geometry: Any) -> dict[str, Any]:
    """A city object with that geometry, as the rules of phase 1 see it."""
    return {"id": "vector", "type": "Building", "geometry": geometry, "properties": {}}


def send(
    twin: Twin, victims: Victims, method: str, geometry: Any, beside: Mapping[str, Any] | None = None
) -> tuple[Any, str]:
    """Create an object with the geometry, or patch one to it; the answer and the id that it concerns.

    With `beside` a PATCH changes these properties as well.
    """
    twin.need_hazard("write")
    if method == "POST":
        wanted = twin.scratch.new_id()
        return twin.scratch.post({**twin.scratch.shaped(geometry), "id": wanted}), wanted
    victim = victims.of(geometry)
    changed = {"geometry": geometry, **({"properties": beside} if beside else {})}
    return twin.rest.patch(f"{OBJECTS}/{quote(victim)}", json=changed), victim


def judge_refusal(
    twin: Twin, victims: Victims, method: str, geometry: Any, codes: frozenset[str], *, clause: str
) -> None:
    """The geometry is refused with the code, and the store is as it was."""
    before = read(twin, victims.of(geometry)).get("geometry") if method == "PATCH" else None
    # What stands beside the geometry is sound: it must not be taken where the geometry is refused.
    mark = twin.scratch.new_id()
    answer, concerned = send(twin, victims, method, geometry, {"dtcBeside": mark})
    try:
        refused(answer, BAD_REQUEST, codes, clause=clause)
    except Violation:
        need_shape(twin, geometry)
        if method == "PATCH" and answer.ok:
            need_patch(twin, concerned)
        if method == "POST" and answer.ok:
            twin.rest.delete(f"{OBJECTS}/{quote(concerned)}")
        raise
    if method == "POST":
        nothing_stored(twin, concerned)
        return
    after = read(twin, concerned)
    expect.that(
        not any(differences(before, after.get("geometry"))),
        "the refused PATCH changed the geometry",
        expected=before,
        actual=after.get("geometry"),
        clause=clause,
    )
    expect.that(
        within(after, "properties", "dtcBeside") != mark,
        "a PATCH that was refused for its geometry changed the properties",
        expected=f"no dtcBeside of {mark}",
        actual=within(after, "properties"),
        clause=clause,
    )


def need_patch(twin: Twin, victim: str) -> None:
    """Make sure that a PATCH has an effect, before one is judged by being answered with success.

    Raises:
        Blocked: by DTC-P2-023 when it has none.
    """
    mark = twin.scratch.new_id()
    twin.rest.patch(f"{OBJECTS}/{quote(victim)}", json={"properties": {"dtcMark": mark}})
    if within(read(twin, victim), "properties", "dtcMark") != mark:
        raise Blocked("DTC-P2-023", "a PATCH has no effect")


def nothing_stored(twin: Twin, wanted: str) -> None:
    """The refused create request left no object."""
    answer = twin.rest.get(f"{OBJECTS}/{quote(wanted)}")
    if answer.status >= 500:
        set_up(answer, "DTC-P2-022", "an unknown object cannot be asked for")
    expect.that(
        not answer.ok,
        "the refused object was stored all the same",
        expected="status 404",
        actual=f"status {answer.status}, body {answer.excerpt()}",
        clause="P2 9.2",
    )
