"""The list of sensors, its filters and its pages: DTC-P2-047."""

from collections.abc import Mapping
from typing import Any

import pytest

from dtc_cli.harness.suite import Blocked, NotApplicable, Twin, Violation, expect, verifies
from suites.phase2.support.replies import refused
from suites.phase2.support_live import answered, body, eventually, ids, listed
from suites.phase2.support_live_sensors import SENSORS, Sensor, at, every, exists, page, sensor, view

CLAUSE = "P2 4.4"
OBJECTS = "/cities/{city}/objects"


@pytest.fixture(scope="module")
def environmental(twin: Twin) -> Sensor:
    """An EnvironmentalSensor of the run."""
    return sensor(twin)


@pytest.fixture(scope="module")
def traffic(twin: Twin) -> Sensor:
    """A TrafficSensor of the run."""
    return sensor(twin, "TrafficSensor")


@verifies("DTC-P2-047")
def test_the_list_is_a_list(twin: Twin) -> None:
    answer = twin.rest.get(SENSORS)
    answered(twin, answer, {200}, clause=CLAUSE)
    expect.that(
        page(answer) is not None,
        "GET /sensors is no list of sensors",
        expected="a bare array, or an object with one array member (C-37)",
        actual=answer.excerpt(),
        clause=CLAUSE,
    )


@verifies("DTC-P2-047", hazard="write")
def test_a_registered_sensor_is_listed(twin: Twin, environmental: Sensor, traffic: Sensor) -> None:
    def look() -> bool:
        return {environmental.id, traffic.id} <= set(ids(wanted_list(twin)))

    if not eventually(twin, look):
        for one in (environmental, traffic):
            if not exists(twin, one.id):
                raise Blocked("DTC-P2-044", f"the sensor {one.id} is gone")
        expect.that(
            False,
            "a registered sensor is not listed",
            expected=f"{environmental.id} and {traffic.id} in the list",
            actual=ids(wanted_list(twin)),
            clause=CLAUSE,
        )


@verifies("DTC-P2-047", hazard="write")
@pytest.mark.parametrize("kind", ["EnvironmentalSensor", "TrafficSensor"])
def test_the_type_filter_finds(twin: Twin, environmental: Sensor, traffic: Sensor, kind: str) -> None:
    mine = environmental if kind == "EnvironmentalSensor" else traffic
    everything_works(twin, mine)
    found = eventually(twin, lambda: mine.id in ids(wanted_list(twin, type=kind)))
    expect.that(
        bool(found),
        f"?type={kind} does not list the run's sensor of that type",
        expected=mine.id,
        clause=CLAUSE,
    )


@verifies("DTC-P2-047", negative=True, hazard="write")
@pytest.mark.parametrize("kind", ["EnvironmentalSensor", "TrafficSensor", "no-such-type"])
def test_the_type_filter_leaves_out(twin: Twin, environmental: Sensor, traffic: Sensor, kind: str) -> None:
    wanted = "NoSuchSensor" if kind == "no-such-type" else kind
    answer = twin.rest.get(SENSORS, params={"type": wanted, "limit": "1000"})
    if kind == "no-such-type" and answer.status in (400, 422):
        return
    strangers = [item for item in page(answer) or [] if item.get("type", wanted) != wanted]
    if strangers and shared_fault(twin, {"type": "NoSuchType"}):
        raise Blocked("DTC-P2-027", "objects are not filtered by type either")
    expect.equal(strangers[:3], [], f"?type={wanted} lists sensors of another type", clause=CLAUSE)


@verifies("DTC-P2-047", hazard="write")
def test_a_sensor_is_either_operational_or_offline(
    twin: Twin, environmental: Sensor, traffic: Sensor
) -> None:
    everything_works(twin, environmental)
    states = {state: set(ids(wanted_list(twin, status=state))) for state in ("operational", "offline")}
    for one in (environmental, traffic):
        shown = [state for state, members in states.items() if one.id in members]
        expect.that(
            len(shown) == 1,
            "a sensor is not in exactly one of ?status=operational and ?status=offline",
            expected=f"{one.id} in one of them",
            actual=shown,
            clause="P2 4.2, 4.4",
        )


@verifies("DTC-P2-047", negative=True, hazard="write")
def test_the_operational_ones_are_operational(twin: Twin, environmental: Sensor) -> None:
    out_of_order = sensor(twin, "EnvironmentalSensor", name="out of operation")
    patched = twin.rest.patch(at(out_of_order.id), json={"status": {"operational": False}})
    listing = wanted_list(twin, status="operational")
    wrong = [item for item in listing if operational(item) is False]
    expect.equal(ids(wrong)[:3], [], "?status=operational lists sensors out of operation", clause=CLAUSE)
    shown = body(twin.rest.get(at(out_of_order.id)))
    if not patched.ok or operational(shown) is not False:
        if any(operational(item) is not None for item in listing):
            return
        raise NotApplicable("no sensor can be put out of operation here (PATCH of a sensor is optional)")
    gone = eventually(twin, lambda: out_of_order.id not in ids(wanted_list(twin, status="operational")))
    expect.that(bool(gone), "?status=operational lists a sensor put out of operation", clause=CLAUSE)
    offline = ids(wanted_list(twin, status="offline"))
    expect.that(
        out_of_order.id in offline,
        "?status=offline does not list a sensor put out of operation",
        expected=out_of_order.id,
        actual=offline,
        clause=CLAUSE,
    )


@verifies("DTC-P2-047", hazard="write")
def test_type_and_status_hold_together(twin: Twin, environmental: Sensor, traffic: Sensor) -> None:
    everything_works(twin, environmental)
    both: list[str] = []
    for state in ("operational", "offline"):
        answer = twin.rest.get(SENSORS, params={"type": "TrafficSensor", "status": state, "limit": "1000"})
        both += ids(page(answer) or [])
    if environmental.id in both and shared_fault(twin, {"type": "NoSuchType"}):
        raise Blocked("DTC-P2-027", "objects are not filtered by type either")
    expect.that(
        both.count(traffic.id) == 1 and environmental.id not in both,
        "?type=TrafficSensor&status=... is not the part of each state that has the type",
        expected=f"{traffic.id} once, not {environmental.id}",
        actual=both,
        clause=CLAUSE,
    )


@verifies("DTC-P2-047", hazard="write")
def test_limit_is_honoured(twin: Twin, environmental: Sensor, traffic: Sensor) -> None:
    answer = twin.rest.get(SENSORS, params={"limit": "1"})
    items = page(answer)
    if items is None:
        objects = twin.rest.get(OBJECTS, params={"limit": "1"})
        if listed(objects, "objects", "items", "data", "results") is None:
            raise Blocked("DTC-P2-033", "objects cannot be listed with a limit either")
    elif len(items) > 1 and shared_fault(twin, {"limit": "1"}, most=1):
        raise Blocked("DTC-P2-033", "the limit is ignored for objects, too")
    expect.that(
        items is not None and len(items) == 1,
        "GET /sensors?limit=1 does not give one of two sensors or more",
        expected="one sensor",
        actual=answer.excerpt(),
        clause="P2 4.4, 4.3",
    )


@verifies("DTC-P2-047", hazard="write")
def test_offset_moves_the_page(twin: Twin, environmental: Sensor, traffic: Sensor) -> None:
    def look() -> bool:
        whole = pages(twin, (0, 4))
        return pages(twin, (0, 2)) + pages(twin, (2, 2)) == whole and len(set(whole)) == len(whole)

    sensor(twin, "EnvironmentalSensor", name="out of operation")
    if not eventually(twin, look, within_s=2):
        if len(pages(twin, (0, 2))) > 2 and shared_fault(twin, {"limit": "1"}, most=1):
            raise Blocked("DTC-P2-033", "the limit is ignored for objects, too")
        if not objects_page(twin):
            raise Blocked("DTC-P2-037", "objects are not paged by offset either")
    expect.that(
        look(),
        "pages of two sensors are not the page of four",
        expected=pages(twin, (0, 4)),
        actual=[pages(twin, (0, 2)), pages(twin, (2, 2))],
        clause="P2 4.4, 4.3",
    )


@verifies("DTC-P2-047", negative=True)
@pytest.mark.parametrize("query", ["limit=-1", "limit=abc", "offset=-5", "offset=x"])
def test_a_bad_page_is_refused(twin: Twin, query: str) -> None:
    name, value = query.split("=")
    answer = twin.rest.get(SENSORS, params={name: value})
    if answer.status not in (400, 422) and twin.rest.get(OBJECTS, params={name: value}).status not in (
        400,
        422,
    ):
        raise Blocked("DTC-P2-036" if name == "limit" else "DTC-P2-039", f"objects take {query}, too")
    refused(answer, {400, 422}, clause="P2 4.4, 4.3")


def wanted_list(twin: Twin, **query: str) -> list[dict[str, Any]]:
    """All sensors for a query that the list must honour."""
    try:
        return every(twin, **query)
    except Blocked as missing:
        asked = "&".join(f"{name}={value}" for name, value in query.items())
        raise Violation(
            f"GET /sensors{'?' if asked else ''}{asked} gives no list of sensors",
            expected="200 and a list",
            actual=missing.message,
            clause=CLAUSE,
        ) from missing


def everything_works(twin: Twin, one: Sensor) -> None:
    """Filters are judged on a sensor that the target still has as it was registered.

    Raises:
        Blocked: by DTC-P2-044 when it is gone or has lost its type.
    """
    if not exists(twin, one.id):
        raise Blocked("DTC-P2-044", f"the sensor {one.id} is gone")
    shown = view(twin, one.id)
    if shown and shown.get("type") != one.sent["type"]:
        raise Blocked("DTC-P2-044", f"the sensor {one.id} has lost its type")


def operational(item: Mapping[str, object]) -> object:
    """What a sensor says of its operation: true, false, or None when it says nothing."""
    status = item.get("status")
    if isinstance(status, dict):
        return status.get("operational")
    return {"operational": True, "offline": False}.get(str(status))


def shared_fault(twin: Twin, query: Mapping[str, str], *, most: int = 0) -> bool:
    """Whether objects answer the query with more than they may: then the fault is that of objects."""
    answer = twin.rest.get(OBJECTS, params=query)
    items = listed(answer, "objects", "items", "data", "results")
    return items is not None and len(items) > most


def pages(twin: Twin, *windows: tuple[int, int]) -> list[str]:
    """Ids on the pages (offset, limit)."""
    found: list[str] = []
    for offset, limit in windows:
        answer = twin.rest.get(SENSORS, params={"offset": str(offset), "limit": str(limit)})
        found += ids(page(answer) or [])
    return found


def objects_page(twin: Twin) -> bool:
    """Whether offset moves the page of objects; true also when there are too few to tell."""
    found = []
    for offset in ("0", "1"):
        answer = twin.rest.get(OBJECTS, params={"offset": offset, "limit": "1"})
        found.append(ids(listed(answer, "objects", "items", "data", "results") or []))
    return found[0] != found[1] or not found[0]
