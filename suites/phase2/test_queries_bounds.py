"""The bounds filter: DTC-P2-028 (what it finds), -029 (what it refuses)."""

from typing import Any

import pytest

from dtc_cli.harness.suite import Blocked, Twin, quote, verifies
from suites.phase2.support.creating import read
from suites.phase2.support.dataset import Sample
from suites.phase2.support.filters import every, in_box, of_property, of_type
from suites.phase2.support.lists import OBJECTS, need_items, page, walk
from suites.phase2.support.queries import Filter, judge_filter
from suites.phase2.support.replies import BAD_REQUEST, admitted, refused
from suites.phase2.support.searching import BOXES, search
from suites.phase2.support.shapes import Box, meets
from suites.phase2.support_live import eventually
from suites.phase2.test_queries_properties import excused

CLAUSE = "P2 4.3, C-17"
REACH = 22
"""The test field has so many units across and up; the box in its middle is 4..8."""
TRIES = 400
KINDS = {"Point": "Utility", "LineString": "Road"}
"""Types that the geometries of the field fit; a Park for areas."""


class Field:
    """Objects around and in a box in one corner of the city, each touching the box in another way."""

    def __init__(self, twin: Twin) -> None:
        twin.need_hazard("write")
        left, low, right, high = twin.city.box
        self._unit = min(twin.city.side / 4, (right - left) / 100, (high - low) / 100)
        self._x, self._y = self._place(twin)
        self.slack = self._unit / 50
        self.box = self._box(4, 4, 8, 8)
        self.sample = Sample("", {})
        bodies = {}
        for name, geometry in self._shapes().items():
            kind = KINDS.get(geometry["type"], "Park")
            body = {**twin.scratch.body(kind, dtcField=name), "geometry": geometry}
            created, _ = twin.scratch.object(body)
            bodies[created] = body
        self.sample = Sample("", bodies)
        eventually(twin, lambda: set(bodies) <= set(walk(twin, {"properties.dtcRun": twin.run_id}).ids))

    def _place(self, twin: Twin) -> tuple[float, float]:
        """The lower left corner of a place for the field, inside the bounds with all its corners."""
        left, low, right, high = twin.city.box
        random, reach = twin.random, (REACH + 2) * self._unit
        for _ in range(TRIES):
            x, y = round(random.uniform(left, right), 6), round(random.uniform(low, high), 6)
            near, far = 2 * self._unit, reach
            corners = [(x - near, y - near), (x + far, y - near), (x + far, y + far), (x - near, y + far)]
            if all(twin.city.holds(corner) for corner in corners):
                return x, y
        raise Blocked("DTC-P2-003", "the city bounds leave no room for the test field")

    def named(self, *boxes: Box) -> list[Filter]:
        """The filters for these boxes."""
        return [Filter({"bounds": box.text}, in_box(box, self.slack), "DTC-P2-028", CLAUSE) for box in boxes]

    def boxes(self) -> dict[str, Box]:
        """Boxes to ask for, by what they show."""
        return {
            "middle": self.box,
            "all": self._box(-1, -1, 13, 13),
            "left-half": self._box(-1, -1, 5.5, 13),
            "upper-right": self._box(6.5, 6.5, 13, 13),
            "thin": self._box(-1, 5.7, 13, 6.3),
            "empty": self._box(20, 20, 21, 21),
        }

    def drawn(self, box: tuple[float, float, float, float]) -> Box:
        """The box with these edges, in units of the field."""
        return self._box(*box)

    def _box(self, left: float, low: float, right: float, high: float) -> Box:
        corner, opposite = self._at(left, low), self._at(right, high)
        return Box(corner[0], corner[1], opposite[0], opposite[1])

    def _at(self, across: float, up: float) -> list[float]:
        return [round(self._x + across * self._unit, 9), round(self._y + up * self._unit, 9)]

    def _line(self, *points: tuple[float, float]) -> dict[str, Any]:
        return {"type": "LineString", "coordinates": [self._at(*point) for point in points]}

    def _ring(self, left: float, low: float, right: float, high: float) -> list[list[float]]:
        corners = [(left, low), (right, low), (right, high), (left, high), (left, low)]
        return [self._at(*corner) for corner in corners]

    def _shapes(self) -> dict[str, dict[str, Any]]:
        """Geometries by how they lie to the box 4..8 in both directions."""

        def polygon(*ring: float) -> dict[str, Any]:
            return {"type": "Polygon", "coordinates": [self._ring(*ring)]}

        hole = list(reversed(self._ring(3, 3, 9, 9)))
        return {
            "point-inside": {"type": "Point", "coordinates": self._at(6.1, 5.2)},
            "point-with-altitude": {"type": "Point", "coordinates": [*self._at(5.1, 7.2), 12.5]},
            "point-left": {"type": "Point", "coordinates": self._at(2.2, 6)},
            "point-above": {"type": "Point", "coordinates": self._at(6, 9.4)},
            "point-corner": {"type": "Point", "coordinates": self._at(9.5, 9.5)},
            "polygon-inside": polygon(4.8, 4.8, 5.8, 5.6),
            "polygon-partly": polygon(1, 1, 5, 5),
            "polygon-last-corner": polygon(7.2, 7.4, 11, 11),
            "polygon-around": polygon(0, 0, 12, 12),
            "polygon-across": polygon(1, 5.1, 11, 6.9),
            "polygon-outside": polygon(9, 1, 11, 3),
            "frame": {"type": "Polygon", "coordinates": [self._ring(0.5, 0.5, 11.5, 11.5), hole]},
            "triangle-near": {
                "type": "Polygon",
                "coordinates": [[self._at(0, 12), self._at(0, 6.5), self._at(5.5, 12), self._at(0, 12)]],
            },
            "line-across": self._line((1, 5), (11, 7)),
            "line-diagonal": self._line((1.5, 2), (10.5, 9)),
            "line-ends-inside": self._line((10, 2), (7.1, 4.9)),
            "line-around": self._line((3, 3), (3, 9.1), (9.1, 9.1)),
            "line-beside": self._line((2, 5.2), (6.6, 1.1)),
            "parts-second-inside": {
                "type": "MultiPolygon",
                "coordinates": [[self._ring(0, 9, 1, 10)], [self._ring(6.9, 4.4, 7.6, 5.1)]],
            },
            "parts-around": {
                "type": "MultiPolygon",
                "coordinates": [[self._ring(1, 1, 2, 2)], [self._ring(10, 10, 11, 11)]],
            },
        }


@pytest.fixture(scope="module")
def field(twin: Twin) -> Field:
    """The test field."""
    return Field(twin)


@verifies("DTC-P2-028", hazard="write")
@pytest.mark.parametrize("name", ["middle", "all", "left-half", "upper-right", "thin"])
def test_objects_in_a_box(twin: Twin, field: Field, name: str) -> None:
    judge_filter(twin, field.sample, field.named(field.boxes()[name])[0])


@verifies("DTC-P2-028", hazard="write")
def test_searched_box(twin: Twin, field: Field) -> None:
    search(twin, BOXES, 8, lambda box: judge_filter(twin, field.sample, field.named(field.drawn(box))[0]))


@verifies("DTC-P2-028", hazard="write")
def test_objects_in_a_box_in_small_pages(twin: Twin, field: Field) -> None:
    """The filter comes before the paging: pages are cut from what matches."""
    judge_filter(twin, field.sample, field.named(field.box)[0], limit=3)


@verifies("DTC-P2-028", hazard="write", negative=True)
@pytest.mark.parametrize("name", ["middle", "empty", "far"])
def test_nothing_from_outside_the_box(twin: Twin, field: Field, name: str) -> None:
    """Nothing comes from a box that no object of the field touches, and only what touches from another."""
    if name != "far":
        judge_filter(twin, field.sample, field.named(field.boxes()[name])[0], limit=200)
        return
    box = Box(*twin.city.outside(), *(value + twin.city.side for value in twin.city.outside()))
    judge_filter(twin, field.sample, field.named(box)[0])


@verifies("DTC-P2-028", hazard="write")
def test_whole_city(twin: Twin, sample: Sample) -> None:
    """A box around the city filters nothing out."""
    box = Box(*twin.city.box).grown(twin.city.side)
    judge_filter(twin, sample, Filter({"bounds": box.text}, in_box(box, 0.0), "DTC-P2-028", CLAUSE))


@verifies("DTC-P2-028", hazard="write")
def test_moved_object_is_found_where_it_is(twin: Twin, field: Field) -> None:
    box = field.boxes()["empty"]
    created, _ = twin.scratch.object(twin.scratch.body("Utility"))
    middle = (round((box.left + box.right) / 2, 9), round((box.low + box.high) / 2, 9))
    if not twin.city.holds(middle):
        raise Blocked("DTC-P2-003", "the city is too small for the test field")
    inside = {"type": "Point", "coordinates": list(middle)}
    answer = twin.rest.patch(f"{OBJECTS}/{quote(created)}", json={"geometry": inside})
    kept = read(twin, created)
    if not answer.ok or meets(kept.get("geometry"), box, 0.0) is not True:
        raise Blocked("DTC-P2-023", "the geometry cannot be patched")
    moved = Sample("", {created: kept})
    eventually(twin, lambda: created in walk(twin, {"bounds": box.text}).ids, within_s=2)
    judge_filter(twin, moved, field.named(box)[0])
    old = field.named(Box(*twin.city.outside(), *(value + twin.city.side for value in twin.city.outside())))[
        0
    ]
    judge_filter(twin, moved, old)
    twin.rest.delete(f"{OBJECTS}/{quote(created)}")


@verifies("DTC-P2-032", hazard="write")
@pytest.mark.parametrize("kind", ["Park", "Utility"])
def test_box_and_type(twin: Twin, field: Field, kind: str) -> None:
    single = field.named(field.box)[0]
    typed = Filter({"type": kind}, of_type(kind), "DTC-P2-027")

    def both(item: Any) -> bool | None:
        return False if typed.judge(item) is False else single.judge(item)

    together = Filter({**single.params, **typed.params}, both, "DTC-P2-032", CLAUSE)
    excused(twin, field.sample, together, 1000, [single, typed])


@verifies("DTC-P2-032", hazard="write")
@pytest.mark.parametrize("where", ["inside", "outside"])
def test_box_and_property(twin: Twin, field: Field, where: str) -> None:
    single = field.named(field.box)[0]
    names = [
        str(body["properties"]["dtcField"])
        for body in field.sample.bodies.values()
        if single.judge(body) is (where == "inside")
    ]
    named = Filter({"properties.dtcField": names[0]}, of_property("dtcField", names[0]), "DTC-P2-030")
    together = Filter({**single.params, **named.params}, every(single.judge, named.judge), "DTC-P2-032")
    excused(twin, field.sample, together, 1000, [single, named])


@verifies("DTC-P2-029", hazard="write")
def test_sound_bounds_are_taken(twin: Twin) -> None:
    answer = page(twin, {"bounds": Box(*twin.city.box).text, "limit": 1})
    admitted(answer)
    if answer.status not in BAD_REQUEST:
        return
    refused(answer, (), clause="P2 4.3", message="four finite numbers in order are refused as bounds")


@verifies("DTC-P2-029", negative=True)
@pytest.mark.parametrize(
    "name",
    [
        "three",
        "five",
        "one",
        "letters",
        "one-letter",
        "not-a-number",
        "infinite",
        "semicolons",
        "gap",
        "x-reversed",
        "y-reversed",
        "both-reversed",
        "json",
    ],
)
def test_malformed_bounds(twin: Twin, name: str) -> None:
    left, low, right, high = Box(*twin.city.box).text.split(",")
    text = {
        "three": f"{left},{low},{right}",
        "five": f"{left},{low},{right},{high},1",
        "one": left,
        "letters": "a,b,c,d",
        "one-letter": f"{left},{low},{right},x",
        "not-a-number": f"{left},{low},{right},NaN",
        "infinite": f"{left},{low},inf,{high}",
        "semicolons": f"{left};{low};{right};{high}",
        "gap": f"{left},,{right},{high}",
        "x-reversed": f"{right},{low},{left},{high}",
        "y-reversed": f"{left},{high},{right},{low}",
        "both-reversed": f"{right},{high},{left},{low}",
        "json": "{}",
    }[name]
    answer = page(twin, {"bounds": text, "limit": 10})
    if answer.ok:
        bounds_work(twin)
    refused(answer, BAD_REQUEST, clause="C-34")


def bounds_work(twin: Twin) -> None:
    """Make sure that sound bounds have an effect before bad ones are judged by having none.

    Raises:
        Blocked: when they have none.
    """
    far = twin.city.outside()
    box = Box(*far, far[0] + twin.city.side, far[1] + twin.city.side)
    answer = page(twin, {"bounds": box.text, "limit": 10})
    if need_items(answer, "DTC-P2-028"):
        raise Blocked("DTC-P2-028", "sound bounds have no effect either")
