"""Objects of the run at known distances, and requests for what is nearby."""

from typing import Any, NamedTuple

from dtc_cli.harness.suite import Answer, Blocked, Twin, expect
from suites.phase2.support_live import body, once
from suites.phase2.support_live_geo import Position, ground, point, roomy

NEARBY = "/cities/{city}/spatial/nearby"
PLACES = {
    "centre": (0.0, 0.0),
    "east": (0.4, 0.0),
    "north": (0.0, 0.8),
    "corner": (0.85, 0.85),
    "east-rim": (0.93, 0.0),
    "south-beyond": (0.0, -1.08),
    "far": (-3.0, 0.0),
}
"""East and north of the centre, in radii; `corner` is inside the square, outside the circle."""
INSIDE = ("centre", "east", "north", "east-rim")


class Scene(NamedTuple):
    """Objects of the run at known distances from a centre."""

    centre: Position
    radius: int
    places: dict[str, Position]
    ids: dict[str, str]
    """Landmarks at the places, and `other`: a Utility beside the centre."""

    def name(self, found: object) -> str | None:
        """The name of the place whose object has the id."""
        return next((name for name, given in self.ids.items() if given == found), None)


def made(twin: Twin) -> Scene:
    """The scene of this run: points on the ground, and one of another type; made once.

    Raises:
        Blocked: by DTC-P2-013 when objects cannot be created.
        NotTested: when the city leaves no room for it.
    """

    def make() -> Scene:
        twin.need_hazard("write")
        earth = ground(twin)
        centre, radius = roomy(twin, twin.random, list(PLACES.values()))
        places = {
            name: earth.away(centre, east * radius, north * radius) for name, (east, north) in PLACES.items()
        }
        places["other"] = earth.away(centre, 0.1 * radius, 0.1 * radius)
        ids = {}
        for name, place in places.items():
            sent = twin.scratch.body("Utility" if name == "other" else "Landmark")
            ids[name], _ = twin.scratch.object({**sent, "geometry": point(place)})
        return Scene(centre, radius, places, ids)

    return once(twin, "scene", make)


def ask(twin: Twin, scene: Scene, **members: Any) -> Answer:
    """A nearby request at the centre of the scene; members given as None are left out."""
    request = {"location": point(scene.centre), "radius": scene.radius, "type": "Landmark", **members}
    return twin.rest.post(NEARBY, json={name: value for name, value in request.items() if value is not None})


def results(answer: Answer) -> list[dict[str, Any]]:
    """The results of a nearby answer.

    Raises:
        Blocked: by DTC-P2-078 when there are none of the right kind.
    """
    found = body(answer).get("results") if answer.ok else None
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise Blocked("DTC-P2-078", f"no nearby results (status {answer.status}: {answer.excerpt(120)})")
    return found


def network(twin: Twin, scene: Scene) -> bool:
    """Whether the target declares its distances to be those of a network (C-45)."""
    answer = ask(twin, scene)
    shown = {**body(answer), "results": None}
    return "network" in expect.show(shown).lower()
