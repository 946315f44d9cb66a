"""What is nearby: DTC-P2-078, -079, -080."""

from typing import Any

import pytest

from dtc_cli.harness.suite import Blocked, NotApplicable, Tolerated, Twin, expect, verifies
from suites.phase2.support.replies import BAD_REQUEST, refused
from suites.phase2.support_live import answered, body, eventually
from suites.phase2.support_live_geo import ground, position
from suites.phase2.support_live_nearby import INSIDE, Scene, ask, made, network, results

CLAUSE = "P2 4.7"
FAR_OFF = (
    {"type": "Point", "coordinates": [500, 500]},
    {"type": "Point", "coordinates": [129.0, 95.0]},
)
"""Places off the earth, in degrees."""


@pytest.fixture(scope="module")
def scene(twin: Twin) -> Scene:
    """Points on the ground, and one of another type."""
    return made(twin)


@pytest.fixture(scope="module")
def found(twin: Twin, scene: Scene) -> dict[str, dict[str, Any]]:
    """The results for Landmarks within the radius, own objects only, once the one at the centre shows."""

    def look() -> dict[str, dict[str, Any]]:
        named = {scene.name(one.get("id")): one for one in results(ask(twin, scene))}
        return {name: one for name, one in named.items() if name is not None}

    eventually(twin, lambda: set(INSIDE) <= set(look()))
    shown = look()
    if not shown:
        raise Blocked("DTC-P2-078", "nothing is found nearby although objects of the run lie there")
    return shown


@verifies("DTC-P2-078", hazard="write")
def test_nearby_answers_200(twin: Twin, scene: Scene) -> None:
    answered(twin, ask(twin, scene), {200}, clause=CLAUSE)


@verifies("DTC-P2-078", hazard="write")
@pytest.mark.parametrize("member", ["query", "results", "count"])
def test_nearby_has(twin: Twin, scene: Scene, member: str) -> None:
    shown = expect.json_object(ask(twin, scene), clause=CLAUSE)
    expect.members(shown, [member], what="the nearby answer", clause=CLAUSE)
    if member == "query":
        echoed = shown[member] if isinstance(shown[member], dict) else {}
        place = position(echoed.get("location"))
        expect.that(
            echoed.get("radius", scene.radius) == scene.radius
            and (place is None or ground(twin).distance(place, scene.centre) < 1)
            and isinstance(shown[member], dict),
            "query is not an echo of the request",
            expected={"location": scene.centre, "radius": scene.radius, "type": "Landmark"},
            actual=shown[member],
            clause=CLAUSE,
        )


@verifies("DTC-P2-078", hazard="write")
def test_an_object_at_the_place_is_found(twin: Twin, scene: Scene) -> None:
    def look() -> bool:
        shown = body(ask(twin, scene)).get("results")
        return isinstance(shown, list) and any(
            isinstance(one, dict) and scene.name(one.get("id")) for one in shown
        )

    expect.that(
        bool(eventually(twin, look)),
        "nothing is found although objects of the run lie within the radius",
        expected=f"Landmark {scene.ids['centre']}",
        actual=ask(twin, scene).excerpt(),
        clause=CLAUSE,
    )


@verifies("DTC-P2-078", negative=True, hazard="write")
@pytest.mark.parametrize("member", ["id", "name", "distance", "location"])
def test_no_result_lacks(twin: Twin, scene: Scene, found: dict[str, dict[str, Any]], member: str) -> None:
    lacking = [one for one in found.values() if one.get(member) is None]
    expect.equal(lacking[:2], [], f"a result has no {member}", clause=CLAUSE)
    if member == "location":
        wrong = [one for one in found.values() if position(one["location"]) is None]
        expect.equal(wrong[:2], [], "a location is neither a Point nor an array", clause="C-47")


@verifies("DTC-P2-078", negative=True, hazard="write")
@pytest.mark.parametrize("part", [1, 20], ids=["some", "few"])
def test_count_is_never_another_number(twin: Twin, scene: Scene, part: int) -> None:
    answer = ask(twin, scene, radius=scene.radius // part, type=None)
    shown = expect.json_object(answer, clause=CLAUSE)
    if not isinstance(shown.get("results"), list):
        expect.members(shown, ["results"], what="the nearby answer", clause=CLAUSE)
    expect.that(
        shown.get("count") == len(shown["results"]) and not isinstance(shown["count"], bool),
        "count is not the number of results",
        expected=len(shown["results"]),
        actual=shown.get("count"),
        clause=CLAUSE,
    )


@verifies("DTC-P2-079", hazard="write")
@pytest.mark.parametrize("name", INSIDE)
def test_finds_what_lies_within(
    twin: Twin, scene: Scene, found: dict[str, dict[str, Any]], name: str
) -> None:
    if not network(twin, scene):
        expect.that(
            name in found,
            f"an object within the radius is not found ({name})",
            expected=whereabouts(twin, scene, name),
            actual=sorted(found),
            clause=CLAUSE,
        )


@verifies("DTC-P2-079", negative=True, hazard="write")
@pytest.mark.parametrize("name", ["corner", "south-beyond", "far"])
def test_leaves_out_what_lies_beyond(
    twin: Twin, scene: Scene, found: dict[str, dict[str, Any]], name: str
) -> None:
    expect.that(
        name not in found,
        f"an object beyond the radius is found ({name})",
        expected=whereabouts(twin, scene, name),
        actual=found.get(name),
        clause=CLAUSE,
    )


@verifies("DTC-P2-079", negative=True, hazard="write")
def test_leaves_out_other_types(twin: Twin, scene: Scene, found: dict[str, dict[str, Any]]) -> None:
    expect.that(
        "other" not in found, "an object of another type is found", actual=found.get("other"), clause=CLAUSE
    )
    every = {scene.name(one.get("id")) for one in results(ask(twin, scene, type=None))}
    expect.that(
        "other" in every, "without a type an object within the radius is not found", actual=sorted(found)
    )


@verifies("DTC-P2-079", hazard="write")
@pytest.mark.parametrize("name", ["east", "north", "centre"])
def test_the_distance_is_the_true_one(
    twin: Twin, scene: Scene, found: dict[str, dict[str, Any]], name: str
) -> None:
    if name not in found:
        raise NotApplicable("the object is not found: that is another vector's finding")
    told = found[name].get("distance")
    if not isinstance(told, int | float) or isinstance(told, bool):
        raise Blocked("DTC-P2-078", "a result has no distance")
    true = ground(twin).distance(scene.centre, scene.places[name])
    exact = ground(twin).is_distance(told, scene.centre, scene.places[name])
    expect.that(
        exact or (network(twin, scene) and told >= 0.99 * true),
        "a distance is not the great-circle distance in metres",
        expected=f"{true:.1f} within 1 %",
        actual=told,
        clause="P2 4.7, C-45",
    )


@verifies("DTC-P2-079", negative=True, hazard="write")
def test_no_distance_is_beyond_the_radius(twin: Twin, scene: Scene, found: dict[str, dict[str, Any]]) -> None:
    told = [one.get("distance") for one in results(ask(twin, scene, type=None))]
    beyond = [one for one in told if isinstance(one, int | float) and one > 1.01 * scene.radius + 1]
    expect.equal(beyond[:3], [], f"results lie beyond the radius of {scene.radius:.0f} m", clause=CLAUSE)


@verifies("DTC-P2-079", hazard="write")
def test_the_nearest_comes_first(twin: Twin, scene: Scene, found: dict[str, dict[str, Any]]) -> None:
    told = [one.get("distance") for one in results(ask(twin, scene))]
    numbers = [one for one in told if isinstance(one, int | float)]
    if numbers != sorted(numbers):
        raise Tolerated(
            "results are not in the order of their distance",
            expected="nearest first",
            actual=expect.show(numbers),
            clause="P2 4.7 (SHOULD)",
        )


@verifies("DTC-P2-080", hazard="write")
@pytest.mark.parametrize("case", ["a-fraction-of-a-metre", "without-a-type"])
def test_a_good_request_is_answered(twin: Twin, scene: Scene, case: str) -> None:
    if not ask(twin, scene).ok:
        raise Blocked("DTC-P2-078", "nearby is not answered at all")
    answer = ask(twin, scene, type=None) if case == "without-a-type" else ask(twin, scene, radius=99.5)
    answered(twin, answer, clause=CLAUSE)


@verifies("DTC-P2-080", negative=True, hazard="write")
@pytest.mark.parametrize("radius", [-5, "far", "500m", [500]], ids=["negative", "word", "text", "array"])
def test_a_bad_radius_is_refused(twin: Twin, scene: Scene, radius: Any) -> None:
    if not ask(twin, scene).ok:
        raise Blocked("DTC-P2-078", "nearby is not answered at all")
    refused(ask(twin, scene, radius=radius), BAD_REQUEST, clause="P2 4.7, C-34")


@verifies("DTC-P2-080", negative=True, hazard="write")
@pytest.mark.parametrize(
    "location",
    [
        *FAR_OFF,
        {"type": "Point", "coordinates": []},
        {"type": "Point", "coordinates": ["east", "north"]},
        {"type": "Blob", "coordinates": [129.0, 35.0]},
        "here",
        None,
    ],
    ids=["off-the-earth", "beyond-the-pole", "no-coordinates", "words", "no-geometry", "text", "missing"],
)
def test_a_bad_location_is_refused(twin: Twin, scene: Scene, location: Any) -> None:
    if not ground(twin).degrees and location in FAR_OFF:
        raise NotApplicable(f"the city's system is {twin.city.system}, degrees do not apply")
    if not ask(twin, scene).ok:
        raise Blocked("DTC-P2-078", "nearby is not answered at all")
    refused(ask(twin, scene, location=location), BAD_REQUEST, clause="P2 4.7, C-34")


def whereabouts(twin: Twin, scene: Scene, name: str) -> str:
    """How far a place is from the centre, for a message."""
    metres = ground(twin).distance(scene.centre, scene.places[name])
    return f"{metres:.1f} m away, radius {scene.radius:.0f} m"
