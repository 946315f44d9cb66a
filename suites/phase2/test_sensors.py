"""Registering sensors: DTC-P2-044, -045, -046."""

from typing import Any

import pytest

from dtc_cli.harness.suite import Answer, Blocked, NotApplicable, Twin, Violation, expect, quote, verifies
from suites.phase2.support.replies import BAD_REQUEST, code_of, refused
from suites.phase2.support_live import answered, body, eventually, judged
from suites.phase2.support_live_sensors import SENSORS, at, every, in_list, sensor

CASE = "dtcCase"


@pytest.fixture(scope="module")
def post(twin: Twin) -> str:
    """The object that sensors are attached to; sensors can be registered."""
    twin.need_hazard("write")
    return twin.scratch.post_for_sensors()


def registered(twin: Twin, sent: dict[str, Any], mine: str) -> Answer:
    """The answer to a valid registration; blocked when another requirement's rule refuses it."""
    twin.need_hazard("write")
    answer = twin.scratch.post_sensor(sent)
    others = {"OBJECT_NOT_FOUND": "DTC-P2-045", "OUT_OF_BOUNDS": "DTC-P2-046"}
    by = others.get(str(code_of(answer)), "DTC-P2-044")
    if not answer.ok and by != mine:
        raise Blocked(by, f"a valid registration was refused: {answer.excerpt(120)}")
    return answer


@pytest.fixture(scope="module")
def works(twin: Twin) -> None:
    """Valid registrations work, so that a refusal says something about what is refused."""
    sensor(twin)


@verifies("DTC-P2-044", hazard="write")
def test_registering_answers_201_with_an_id(twin: Twin, post: str) -> None:
    answer = registered(twin, twin.scratch.sensor_body(), "DTC-P2-044")
    answered(twin, answer, {201}, clause="P2 4.4, C-39")
    found = expect.json_object(answer, clause="P2 4.4").get("id")
    expect.that(
        isinstance(found, str) and found != "",
        "the answer to a registration gives no id",
        expected="id: a non-empty string",
        actual=answer.excerpt(),
        clause="P2 4.4",
    )


@verifies("DTC-P2-044", hazard="write")
def test_each_sensor_has_an_id_of_its_own(twin: Twin, post: str) -> None:
    sent = twin.scratch.sensor_body()
    given = [body(registered(twin, sent, "DTC-P2-044")).get("id") for _ in range(2)]
    expect.that(
        given[0] != given[1],
        "two registrations answer the same id",
        expected="two ids",
        actual=given,
        clause="P2 4.4",
    )


@verifies("DTC-P2-044", hazard="write")
@pytest.mark.parametrize("member", ["type", "location", "attachedTo", "specifications"])
def test_a_registered_sensor_keeps(twin: Twin, member: str) -> None:
    created = judged("DTC-P2-044", lambda: sensor(twin))
    views = [body(twin.rest.get(at(created.id)))]
    if member not in views[0]:
        views.append(in_list(twin, created.id) or {})
    shown = [view[member] for view in views if member in view]
    if not shown and not views[0]:
        raise NotApplicable("one sensor cannot be asked for (C-50), and the list does not show this member")
    expect.that(
        bool(shown),
        f"the {member} of a registered sensor is gone",
        expected=created.sent[member],
        actual=views[-1],
        clause="P2 4.4",
    )
    expect.that(
        same(member, shown[0], created.sent[member]),
        f"the {member} of a registered sensor is not what was sent",
        expected=created.sent[member],
        actual=shown[0],
        clause="P2 4.4",
    )


def same(member: str, shown: Any, sent: Any) -> bool:
    """Whether a member is kept: a location in either form (C-47), specifications with additions."""
    if member == "location" and isinstance(shown, list):
        return expect.same_json(shown, sent["coordinates"])
    if isinstance(sent, dict):
        return isinstance(shown, dict) and all(
            name in shown and expect.same_json(shown[name], value) for name, value in sent.items()
        )
    return expect.same_json(shown, sent)


@verifies("DTC-P2-044", negative=True, hazard="write")
@pytest.mark.parametrize("case", ["no-type", "empty"])
def test_a_registration_is_refused(twin: Twin, post: str, case: str) -> None:
    sent = twin.scratch.sensor_body() if case == "no-type" else {}
    sent.pop("type", None)
    refused(
        twin.scratch.post_sensor(sent),
        BAD_REQUEST,
        clause="P2 4.4",
        message="a sensor without a type is not refused as invalid",
    )


@verifies("DTC-P2-045", hazard="write")
def test_attached_to_an_existing_object(twin: Twin, post: str) -> None:
    answer = registered(twin, twin.scratch.sensor_body(), "DTC-P2-045")
    if not answer.ok and code_of(answer) != "OBJECT_NOT_FOUND":
        raise Blocked("DTC-P2-044", f"no sensor can be registered (status {answer.status})")
    answered(twin, answer, clause="P1 7.2 BUS-005")


@verifies("DTC-P2-045", negative=True, hazard="write")
@pytest.mark.parametrize("case", ["unknown-object", "deleted-object"])
def test_attached_to_nothing(twin: Twin, works: None, case: str) -> None:
    sent = twin.scratch.sensor_body()
    sent["attachedTo"] = twin.scratch.new_id() if case == "unknown-object" else deleted_object(twin)
    sent["specifications"][CASE] = f"attached-{case}"
    refused(
        twin.scratch.post_sensor(sent),
        {400, 404, 422},
        {"OBJECT_NOT_FOUND"},
        clause="P1 7.2 BUS-005, C-31",
        message="a sensor attached to an object that does not exist is not refused with OBJECT_NOT_FOUND",
    )


def deleted_object(twin: Twin) -> str:
    """The id of an object that existed."""
    created, _ = twin.scratch.object()
    path = f"/cities/{{city}}/objects/{quote(created)}"
    twin.rest.delete(path)
    if not eventually(twin, lambda: twin.rest.get(path).status in (404, 410)):
        raise Blocked("DTC-P2-025", f"the object {created} is still there after DELETE")
    return created


@verifies("DTC-P2-046", hazard="write")
@pytest.mark.parametrize("where", ["lower-left", "upper-right", "with-altitude"])
def test_located_inside_the_city(twin: Twin, post: str, where: str) -> None:
    sent = twin.scratch.sensor_body()
    if where == "with-altitude":
        sent["location"]["coordinates"].append(25.0)
    else:
        sent["location"]["coordinates"] = corner(twin, 0.1 if where == "lower-left" else 0.9)
    answer = registered(twin, sent, "DTC-P2-046")
    if not answer.ok and code_of(answer) != "OUT_OF_BOUNDS":
        raise Blocked("DTC-P2-044", f"no sensor can be registered (status {answer.status})")
    answered(twin, answer, clause="P1 7.2 BUS-003")


def corner(twin: Twin, share: float) -> list[float]:
    """A position inside the bounds near a corner of their box."""
    left, low, right, high = twin.city.box
    place = round(left + share * (right - left), 6), round(low + share * (high - low), 6)
    if not twin.city.holds(place):
        raise NotApplicable("the city does not fill its box: that corner is not inside")
    return list(place)


@verifies("DTC-P2-046", negative=True, hazard="write")
@pytest.mark.parametrize("where", ["far-away", "outside-in-x-only", "outside-in-y-only", "in-the-box-only"])
def test_located_outside_the_city(twin: Twin, works: None, where: str) -> None:
    sent = twin.scratch.sensor_body()
    sent["location"] = {"type": "Point", "coordinates": outside(twin, where)}
    sent["specifications"][CASE] = f"located-{where}"
    refused(
        twin.scratch.post_sensor(sent),
        BAD_REQUEST,
        {"OUT_OF_BOUNDS"},
        clause="P1 7.2 BUS-003",
        message="a sensor outside the city is not refused with OUT_OF_BOUNDS",
    )


def outside(twin: Twin, where: str) -> list[float]:
    """A legal position outside the bounds: clear of the edge, by a tenth of the city's size and more."""
    city = twin.city
    if where == "far-away":
        return list(city.outside())
    left, low, right, high = city.box
    width, height, degrees = right - left, high - low, city.system == "WGS84"
    middle = left + width / 2, low + height / 2
    if where == "outside-in-x-only":
        x = right + width / 4 if not degrees or right + width / 4 < 180 else left - width / 4
        return [round(x, 6), round(middle[1], 6)]
    if where == "outside-in-y-only":
        y = high + height / 4 if not degrees or high + height / 4 < 90 else low - height / 4
        return [round(middle[0], 6), round(y, 6)]
    for share in (0.02, 0.98):
        for other in (0.02, 0.98):
            place = left + share * width, low + other * height
            if not city.holds(place):
                return [round(place[0], 6), round(place[1], 6)]
    raise NotApplicable("the bounds fill their box")


@verifies("DTC-P2-045", negative=True, hazard="write")
def test_a_refused_attachment_leaves_no_sensor(twin: Twin, post: str) -> None:
    nothing_left(twin, "attached-")


@verifies("DTC-P2-046", negative=True, hazard="write")
def test_a_refused_location_leaves_no_sensor(twin: Twin, post: str) -> None:
    nothing_left(twin, "located-")


def nothing_left(twin: Twin, kind: str) -> None:
    """No sensor that was to be refused is listed; asked after the vectors that sent them."""
    for item in every(twin):
        specifications = item.get("specifications")
        case = specifications.get(CASE) if isinstance(specifications, dict) else None
        if isinstance(case, str) and case.startswith(kind) and mine(twin, specifications):
            raise Violation(
                f"a sensor that must be refused is listed: {case}",
                expected="no such sensor",
                actual=expect.show(item),
                clause=f"GET {SENSORS}",
            )


def mine(twin: Twin, specifications: Any) -> bool:
    """Whether a sensor is one of this run."""
    return isinstance(specifications, dict) and twin.run_id in specifications.values()
