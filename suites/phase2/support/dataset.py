"""The objects that the query suites search in: made once per run, each with what some filter looks for."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from dtc_cli.harness.suite import Blocked, NotTested, Twin
from suites.phase2.support.lists import walk
from suites.phase2.support_live import eventually

Body = dict[str, Any]

SET = "dtcSet"
"""The member of `properties` by which the sample is told from everything else in the city."""
ENOUGH = 20
"""The sample stands when so many of its rows could be created."""

# kind, buildingType, energyClass, floors above, height, heated, code, label
ROWS: tuple[tuple[str, str, str, int, float, bool, str, str], ...] = (
    ("Building", "commercial", "A+", 20, 80.0, True, "007", "Han River"),
    ("Building", "commercial", "A", 2, 9.5, False, "7", "Han"),
    ("Building", "residential", "A+", 200, 100.25, True, "0070", "han river"),
    ("Building", "residential", "B", 20, 10.75, False, "A&B=C", "한강 빌딩"),
    ("Building", "commercial", "a+", 3, 12.125, True, "50%", "Han River East"),
    ("Building", "industrial", "AB", 12, 31.5, False, "x", "Gangnam"),
    ("Building", "commercial", "A+", 21, 81.5, False, "y", "Seocho, south"),
    ("Park", "none", "A+", 0, 0.0, False, "p1", "Seonjeongneung"),
    ("Park", "none", "C", 20, 1.5, True, "p2", "Yangjae"),
    ("Park", "commercial", "B", 1, -2.5, True, "p3", "한강"),
    ("Road", "none", "A", 0, 0.5, False, "r1", "Teheran-ro"),
    ("Road", "none", "B", 0, 0.25, False, "r2", "Han River"),
    ("Road", "commercial", "C", 5, 5.5, True, "r3", "Olympic-daero"),
    ("Bridge", "none", "A+", 2, 22.75, False, "b1", "Banpo"),
    ("Bridge", "none", "C", 4, 25.0, True, "b2", "Jamsu"),
    ("Utility", "none", "B", 1, 3.25, True, "u1", "Substation"),
    ("Utility", "commercial", "A+", 1, 4.5, False, "u2", "Pump"),
    ("Landmark", "commercial", "A", 123, 555.0, True, "l1", "Tower"),
    ("Landmark", "none", "C", 1, 19.25, False, "l2", "Gate"),
    ("TransportHub", "commercial", "A+", 6, 30.0, True, "t1", "Suseo"),
    ("TransportHub", "none", "B", 3, 15.5, False, "t2", "Yongsan"),
    ("WaterBody", "none", "C", 0, -1.25, False, "w1", "Tancheon"),
    ("WaterBody", "none", "A+", 0, -6.75, True, "w2", "한강"),
    ("WaterBody", "none", "B", 20, -3.5, False, "w3", "Seokchon"),
    ("WaterBody", "commercial", "A", 0, -9.0, True, "w4", "Han River"),
)


class Sample(NamedTuple):
    """What was created: the request body by the id under which the target keeps it."""

    tag: str
    bodies: Mapping[str, Body]

    @property
    def narrow(self) -> dict[str, str]:
        """The query by which only the sample is found."""
        return {f"properties.{SET}": self.tag}


def create(twin: Twin) -> Sample:
    """Create the sample.

    Raises:
        Blocked: when too few of its objects can be created.
    """
    twin.need_hazard("write")
    tag = f"set-{twin.run_id[-12:]}"
    bodies: dict[str, Body] = {}
    problem: Blocked | None = None
    for number, row in enumerate(ROWS):
        body = twin.scratch.body(row[0], **properties(row), serial=number, **{SET: tag})
        try:
            created, _ = twin.scratch.object(body)
        except Blocked as blocked:
            problem = blocked
            if number >= len(ROWS) - ENOUGH and not bodies:
                raise
        else:
            bodies[created] = body
    if len(bodies) < ENOUGH:
        raise problem or Blocked("DTC-P2-014", "created objects share an id")
    sample = Sample(tag, bodies)
    settle(twin, sample)
    return sample


def settle(twin: Twin, sample: Sample) -> None:
    """Give an index that follows the objects a few seconds; a wrong list is judged elsewhere."""

    def listed() -> bool:
        try:
            found = walk(twin, sample.narrow)
        except (Blocked, NotTested):
            return True
        return set(sample.bodies) <= set(found.ids)

    eventually(twin, listed)


def properties(row: tuple[str, str, str, int, float, bool, str, str]) -> dict[str, Any]:
    """The properties of a row; a Park has no energyClass below its own, so that a nested name can miss."""
    kind, use, energy, above, height, heated, code, label = row
    found: dict[str, Any] = {
        "buildingType": use,
        "energyClass": energy,
        "height": height,
        "heated": heated,
        "code": code,
        "label": label,
    }
    if kind != "Road":
        found["floors"] = {"above": above, "below": above % 4, "plan": {"lifts": above // 3}}
    return found
