"""Routes: DTC-P2-081, -082."""

from typing import Any, NamedTuple

import pytest

from dtc_cli.harness.suite import Answer, Blocked, NotApplicable, NotTested, Twin, expect, verifies
from suites.phase2.support.replies import ANY_REFUSAL, BAD_REQUEST, refused
from suites.phase2.support.values import within
from suites.phase2.support_live import answered, body, judged, listed, once
from suites.phase2.support_live_geo import Ground, Position, ground, point, position

CLAUSE = "P2 4.7"
ROUTE = "/cities/{city}/spatial/route"
NO_WAY = (404, 409, 422)
"""How a target may say that no route leads there: the standard names no status for it."""
SNAP_M = 500.0
"""How far a route may begin and end from the places asked for: it snaps to roads."""
LEAST_SPEED, GREATEST_SPEED = 0.05, 120.0
"""Metres per second between which any mean of a journey lies: that duration is in seconds (C-45)."""


class Journey(NamedTuple):
    """A request for a route and its answer."""

    start: Position
    end: Position
    answer: Answer
    earth: Ground

    @property
    def straight(self) -> float:
        """Metres of the straight line."""
        return self.earth.distance(self.start, self.end)

    @property
    def slack(self) -> float:
        """Metres by which the ends of the route may be off: some 100 m, or 10 % of the way."""
        return max(0.1 * self.straight, min(SNAP_M, 0.3 * self.straight))


def ask(twin: Twin, begin: Position, goal: Position, **members: Any) -> Answer:
    """A route request by car; members given as None are left out."""
    request: dict[str, Any] = {"start": point(begin), "end": point(goal), "mode": "driving", **members}
    return twin.rest.post(ROUTE, json={name: value for name, value in request.items() if value is not None})


def candidates(twin: Twin) -> list[tuple[Position, Position]]:
    """Pairs of places to travel between: far apart on the roads that the city lists, then anywhere in it."""
    far = ground(twin).distance
    ends = sorted(
        {place for road in roads(twin) if (place := first_position(road)) and twin.city.holds(place)}
    )
    pairs = []
    if len(ends) > 1:
        middle = ends[len(ends) // 2]
        pairs.append((ends[0], max(ends, key=lambda place: far(ends[0], place))))
        pairs.append((middle, max(ends, key=lambda place: far(middle, place))))
    places = [twin.city.place(twin.random)]
    left, low, right, high = twin.city.box
    for share in (0.3, 0.7, 0.5):
        place = round(left + share * (right - left), 6), round(low + share * (high - low), 6)
        places += [place] if twin.city.holds(place) else []
    pairs += [(one, other) for one in places for other in places if far(one, other) > 100][:3]
    if not pairs:
        raise NotTested("the city leaves no room for a journey")
    return pairs


def roads(twin: Twin) -> list[dict[str, Any]]:
    """The roads that the city lists, except those of the run, which lead nowhere."""
    answer = twin.rest.get("/cities/{city}/objects", params={"type": "Road", "limit": "200"})
    found = listed(answer, "objects", "items", "data", "results") or []
    return [road for road in found if within(road, "properties", "dtcRun") is None]


def first_position(road: dict[str, Any]) -> Position | None:
    """The first position of a road's line."""
    geometry = road.get("geometry")
    coordinates = geometry.get("coordinates") if isinstance(geometry, dict) else None
    return position(coordinates[0]) if isinstance(coordinates, list) and coordinates else None


def travelled(twin: Twin) -> list[Journey]:
    """A journey there and back, between the first places for which there is a route; asked once.

    Raises:
        Blocked: by DTC-P2-081 when no request is answered, by DTC-P2-106 when there is no such operation.
    """

    def make() -> list[Journey]:
        last: Answer | None = None
        earth = ground(twin)
        for start, end in candidates(twin):
            last = ask(twin, start, end)
            if last.ok:
                back = ask(twin, end, start)
                # One-way roads may leave no way back: a refusal of it is not judged, an error is.
                returns = [] if 400 <= back.status < 500 else [Journey(end, start, back, earth)]
                return [Journey(start, end, last, earth), *returns]
        if last is not None and last.status in NO_WAY and not roads(twin):
            raise NotTested("the city lists no road, and the target finds no route between its places")
        if last is not None:
            answered(twin, last, set(range(600)), clause=CLAUSE)
        raise Blocked("DTC-P2-081", f"no route is answered: {last.excerpt(120) if last else ''}")

    return once(twin, "journeys", make)


@pytest.fixture(scope="module")
def journeys(twin: Twin) -> list[Journey]:
    """The journeys for the vectors of DTC-P2-081, which others are blocked by."""
    return judged("DTC-P2-081", lambda: travelled(twin))


def line(journey: Journey) -> list[Position]:
    """The positions of a route: a LineString of two or more."""
    route = body(journey.answer).get("route")
    coordinates = route.get("coordinates") if isinstance(route, dict) else None
    places = [position(each) for each in coordinates] if isinstance(coordinates, list) else []
    found = [place for place in places if place is not None]
    expect.that(
        isinstance(route, dict)
        and route.get("type") == "LineString"
        and len(found) == len(places)
        and len(found) > 1,
        "route is no LineString of two or more positions",
        expected="a LineString",
        actual=route,
        clause=CLAUSE,
    )
    return found


def number(journey: Journey, member: str) -> float:
    """A member that is a positive number."""
    value = body(journey.answer).get(member)
    expect.that(
        isinstance(value, int | float) and not isinstance(value, bool) and value > 0,
        f"{member} is no positive number",
        expected="a number above 0",
        actual=value,
        clause=CLAUSE,
    )
    return float(value or 0)


@verifies("DTC-P2-081")
def test_a_route_answers_200(twin: Twin, journeys: list[Journey]) -> None:
    for journey in journeys:
        answered(twin, journey.answer, {200}, clause=CLAUSE)


@verifies("DTC-P2-081")
@pytest.mark.parametrize("member", ["route", "distance", "duration", "mode", "instructions"])
def test_a_route_has(twin: Twin, journeys: list[Journey], member: str) -> None:
    for journey in journeys:
        shown = expect.json_object(journey.answer, clause=CLAUSE)
        expect.members(shown, [member], what="the route answer", clause=CLAUSE)
        if member == "route":
            line(journey)
        if member in ("distance", "duration"):
            number(journey, member)
        if member == "mode":
            expect.equal(shown[member], "driving", "mode is not that of the request", clause=CLAUSE)
        if member == "instructions":
            expect.that(
                isinstance(shown[member], list),
                "instructions is no array",
                actual=shown[member],
                clause=CLAUSE,
            )


@verifies("DTC-P2-081")
@pytest.mark.parametrize("end", ["start", "end"])
def test_a_route_leads_from_place_to_place(twin: Twin, journeys: list[Journey], end: str) -> None:
    for journey in journeys:
        places = line(journey)
        wanted, given = (journey.start, places[0]) if end == "start" else (journey.end, places[-1])
        expect.that(
            journey.earth.distance(wanted, given) <= journey.slack,
            f"the route does not {'begin' if end == 'start' else 'end'} near the place asked for",
            expected=f"within {journey.slack:.0f} m of {wanted}",
            actual=f"{given}, {journey.earth.distance(wanted, given):.0f} m away",
            clause=CLAUSE,
        )


@verifies("DTC-P2-081", negative=True)
def test_no_route_is_shorter_than_the_straight_line(twin: Twin, journeys: list[Journey]) -> None:
    for journey in journeys:
        places, told = line(journey), number(journey, "distance")
        far = journey.earth.distance
        off = far(journey.start, places[0]) + far(places[-1], journey.end)
        least = 0.99 * max(journey.straight - min(off, 2 * journey.slack), far(places[0], places[-1]))
        expect.that(
            told >= least - 1,
            "the distance of a route is less than that of the straight line, in metres",
            expected=f"at least {least:.0f}",
            actual=told,
            clause="P2 4.7, C-45",
        )


@verifies("DTC-P2-081")
def test_the_distance_is_that_of_the_line(twin: Twin, journeys: list[Journey]) -> None:
    for journey in journeys:
        along, told = journey.earth.length(line(journey)), number(journey, "distance")
        expect.that(
            0.9 * along - 10 <= told <= 2.5 * along + 2 * journey.slack + 10,
            "the distance of a route is not that of its line",
            expected=f"about {along:.0f} m",
            actual=told,
            clause="P2 4.7, C-45",
        )


@verifies("DTC-P2-081", negative=True)
def test_no_journey_is_impossibly_fast_or_slow(twin: Twin, journeys: list[Journey]) -> None:
    for journey in journeys:
        speed = journey.earth.length(line(journey)) / number(journey, "duration")
        expect.that(
            LEAST_SPEED <= speed <= GREATEST_SPEED,
            "duration is not in seconds",
            expected=f"a mean speed of {LEAST_SPEED} to {GREATEST_SPEED} m/s",
            actual=f"{speed:.3g} m/s",
            clause="C-45",
        )


@verifies("DTC-P2-081")
@pytest.mark.parametrize("mode", ["walking", "cycling", "transit"])
def test_another_mode_is_echoed(twin: Twin, mode: str) -> None:
    journey = judged("DTC-P2-081", lambda: travelled(twin))[0]
    answer = ask(twin, journey.start, journey.end, mode=mode)
    if not answer.ok:
        raise NotApplicable(f"the mode {mode} is not offered, and need not be (C-52)")
    expect.equal(body(answer).get("mode"), mode, "mode is not that of the request", clause=CLAUSE)


@verifies("DTC-P2-082")
@pytest.mark.parametrize("mode", ["driving", "walking", "cycling", "transit"])
def test_a_mode_is_taken(twin: Twin, mode: str) -> None:
    journey = travelled(twin)[0]
    answer = ask(twin, journey.start, journey.end, mode=mode)
    if mode != "driving" and answer.status in (400, 404, 409, 422):
        raise NotApplicable(f"the mode {mode} is not offered, and need not be (C-52)")
    answered(twin, answer, clause="P2 4.7, C-52")


@verifies("DTC-P2-082")
def test_driving_is_the_default(twin: Twin) -> None:
    journey = travelled(twin)[0]
    answer = ask(twin, journey.start, journey.end, mode=None)
    answered(twin, answer, clause="P2 4.7")
    if body(journey.answer).get("mode") != "driving":
        raise Blocked("DTC-P2-081", "mode is not echoed")
    expect.equal(body(answer).get("mode"), "driving", "driving is not the default", clause="P2 4.7")


@verifies("DTC-P2-082", negative=True)
@pytest.mark.parametrize("case", ["no-end", "no-start", "unknown-mode", "end-off-the-earth"])
def test_a_bad_route_request_is_refused(twin: Twin, case: str) -> None:
    journey = travelled(twin)[0]
    if case == "end-off-the-earth" and not journey.earth.degrees:
        raise NotApplicable(f"the city's system is {twin.city.system}, degrees do not apply")
    cases: dict[str, dict[str, Any]] = {
        "no-end": {"end": None},
        "no-start": {"start": None},
        "unknown-mode": {"mode": "teleport"},
        "end-off-the-earth": {"end": {"type": "Point", "coordinates": [500, 500]}},
    }
    # The requirement names a missing end and an unknown mode; a place off the earth may also be one that
    # no route leads to.
    statuses = ANY_REFUSAL if case == "end-off-the-earth" else BAD_REQUEST
    refused(ask(twin, journey.start, journey.end, **cases[case]), statuses, clause="P2 4.7, C-34, C-52")
