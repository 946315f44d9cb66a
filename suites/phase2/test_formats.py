"""Forms of all answers: media type (DTC-P2-002), zones of instants (-107), phase 1 rules (-108)."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from dtc_cli.harness.suite import Answer, Blocked, NotApplicable, Twin, Violation, expect, quote, verifies
from suites.phase2.support.dataset import Sample
from suites.phase2.support.lists import OBJECTS, items_of, page
from suites.phase2.support.operations import Operations
from suites.phase2.support.records import conforms, fragment
from suites.phase2.support.refusals import KINDS, Refusals
from suites.phase2.support.replies import admitted, set_up
from suites.phase2.support.served import Served
from suites.phase2.support.values import Path

JSON = "application/json"
BY_NAME = {kind.name: kind for kind in KINDS}
SERVED = (
    "city",
    "statistics",
    "object",
    "objects",
    "created-object",
    "patched-object",
    "sensors",
    "created-sensor",
    "sensor-data",
    "services",
    "service-status",
    "nearby",
    "route",
    "history",
    "snapshot",
    "started-simulation",
    "simulation",
    "simulation-results",
)
INSTANTS = re.compile(
    r"created|createdAt|lastUpdated|updated|updatedAt|completed|completedAt|started|startedAt|timestamp"
    r"|estimatedCompletion|validUntil|start|end|instant|at|from|to|lastSeen|lastMeasurement"
)
"""Members of an answer that hold an instant, if they hold text or a number."""
CONTENT = frozenset(
    {"properties", "specifications", "parameters", "geometry", "location", "bounds", "details"}
)
"""Members whose content is the client's own, or no instants."""
MEANING_MORE = frozenset(
    {
        "at", "from", "to", "start", "end", "updated", "completed", "started", "created", "instant",
        "lastSeen", "lastMeasurement",
    }
)  # fmt: skip
UNZONED = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}([.,]\d+)?)?", re.ASCII)


@verifies("DTC-P2-002", hazard="write")
@pytest.mark.parametrize("name", SERVED)
def test_media_type_of_what_is_served(served: Served, name: str) -> None:
    answer = served.get(name)
    if answer.body.strip():
        judge_media(answer)


@verifies("DTC-P2-002", hazard="write", negative=True)
@pytest.mark.parametrize("kind", BY_NAME)
def test_media_type_of_an_error(refusals: Refusals, kind: str) -> None:
    """No refusal is labelled as a page or as text; one that is no JSON at all is DTC-P2-093's."""
    answer = refusals.get(BY_NAME[kind]).answer
    if answer.body.strip() and not answer.is_json:
        raise Blocked("DTC-P2-093", f"the error is no JSON: {answer.excerpt(120)}")
    judge_media(answer)


@verifies("DTC-P2-002", hazard="write")
def test_json_with_charset_is_taken(twin: Twin) -> None:
    twin.need_hazard("write")
    answer = twin.scratch.post(twin.scratch.body(), headers={"Content-Type": f"{JSON}; charset=utf-8"})
    set_up(twin.scratch.post(twin.scratch.body()), "DTC-P2-013", "no object can be created")
    admitted(answer)
    expect.success(answer, clause="P2 4.1")


@verifies("DTC-P2-002", negative=True)
@pytest.mark.parametrize("accept", ["*/*", "text/html, */*;q=0.5"], ids=["anything", "page-first"])
def test_no_page_for_a_browser(twin: Twin, accept: str) -> None:
    answer = twin.rest.get("/cities/{city}", headers={"Accept": accept})
    set_up(answer, "DTC-P2-003", "the city cannot be read")
    judge_media(answer)


@verifies("DTC-P2-107", hazard="write")
@pytest.mark.parametrize("name", SERVED)
def test_instants_carry_a_zone(served: Served, name: str) -> None:
    body = json_of(served.get(name))
    for path, value in instants(body):
        expect.instant(value, what="/" + "/".join(str(step) for step in path), clause="P1 7.1 VAL-004")


@verifies("DTC-P2-107", hazard="write", negative=True)
@pytest.mark.parametrize("name", SERVED)
def test_no_text_looks_like_an_instant_without_zone(served: Served, name: str) -> None:
    body = json_of(served.get(name))
    naive = [
        ("/" + "/".join(str(step) for step in path), value)
        for path, value in leaves(body)
        if isinstance(value, str) and UNZONED.fullmatch(value)
    ]
    expect.equal(naive, [], "an instant carries no zone", clause="P1 7.1 VAL-004")


@verifies("DTC-P2-108", hazard="write")
@pytest.mark.parametrize("number", range(3))
def test_object_is_phase_1_valid(twin: Twin, sample: Sample, number: int) -> None:
    """Objects that were sent in good order are served in good order."""
    created = list(sample.bodies)[number * len(sample.bodies) // 3]
    answer = twin.rest.get(f"{OBJECTS}/{quote(created)}")
    body = json_of(set_up(answer, "DTC-P2-021", "the object cannot be read"))
    if not isinstance(body, dict) or {"id", "type", "geometry", "properties"} - set(body):
        raise Blocked("DTC-P2-021", "the object lacks members")
    conforms(twin, fragment(twin, objects=[body]), "a served object", clause="P2 1.3")


@verifies("DTC-P2-108", hazard="write")
def test_listed_objects_are_phase_1_valid(twin: Twin, sample: Sample) -> None:
    answers = [page(twin, {"limit": 200}), page(twin, {**sample.narrow, "limit": 100})]
    for answer in answers:
        items = items_of(answer) if answer.ok else None
        if items is None:
            raise Blocked("DTC-P2-026", f"no list came back (status {answer.status})")
        conforms(twin, fragment(twin, objects=list(items)), "a listed object", clause="P2 1.3")


@verifies("DTC-P2-108", hazard="write", negative=True)
def test_listed_object_is_not_cut_down(twin: Twin, sample: Sample) -> None:
    """The items of a list are whole city objects, not summaries."""
    items = items_of(page(twin, {**sample.narrow, "limit": 10})) or items_of(page(twin, {"limit": 10}))
    if not items:
        raise Blocked("DTC-P2-026", "no objects are listed")
    for item in items:
        expect.members(
            item, ("id", "type", "geometry", "properties"), what="a listed object", clause="P1 5.1"
        )


@verifies("DTC-P2-108")
def test_sensors_are_phase_1_valid(twin: Twin, served: Served) -> None:
    items = items_of(served.get("sensors"))
    if not items:
        raise NotApplicable("the city has no sensors")
    # P2 4.4 filters by a status word, so that a sensor over the API may carry the word itself.
    nodes = [{k: v for k, v in item.items() if k != "status" or isinstance(v, dict)} for item in items[:200]]
    conforms(twin, fragment(twin, sensors=nodes), "a listed sensor", clause="P2 1.3")


@verifies("DTC-P2-108", hazard="write")
def test_measurements_are_phase_1_valid(twin: Twin, served: Served) -> None:
    body = json_of(served.get("sensor-data"))
    readings = body.get("measurements") if isinstance(body, dict) else None
    if not isinstance(readings, list) or not readings:
        raise NotApplicable("the sensor has no readings")
    node = {"id": "vector", "type": "EnvironmentalSensor", "measurements": readings}
    conforms(twin, fragment(twin, sensors=[node]), "a served measurement", clause="P2 1.3")


@verifies("DTC-P2-108", hazard="write")
def test_simulation_results_are_phase_1_valid(twin: Twin, served: Served) -> None:
    body = json_of(served.get("simulation-results"))
    if not isinstance(body, dict):
        raise Blocked("DTC-P2-070", "the results are no object")
    simulation = {"parameters": {}, **body, "id": body.get("simulationId") or body.get("id") or "vector"}
    conforms(twin, fragment(twin, simulations=[simulation]), "a simulation result", clause="P2 1.3")


@pytest.fixture(scope="module")
def served(twin: Twin, operations: Operations) -> Served:
    """One answer of each kind that is served."""
    return Served(twin, operations)


def judge_media(answer: Answer) -> None:
    """application/json, with a charset parameter or without."""
    expect.that(
        answer.media_type == JSON,
        "the answer is not labelled application/json",
        expected=JSON,
        actual=answer.headers.get("content-type", "no Content-Type"),
        clause="P2 4.1",
    )
    if not answer.is_json:
        raise Violation("the answer is no JSON", expected="JSON", actual=answer.excerpt(), clause="P2 4.1")


def json_of(answer: Answer) -> Any:
    """The body of an answer.

    Raises:
        Blocked: when it has none, or none in JSON.
    """
    if not answer.body.strip():
        raise NotApplicable("this answer has no body")
    if not answer.is_json:
        raise Blocked("DTC-P2-002", f"the answer is no JSON: {answer.excerpt(120)}")
    return answer.json()


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """All plain values of an answer with their places, except the content of clients."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if name not in CONTENT:
                yield from leaves(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, (*path, index))
    else:
        yield path, value


def instants(value: Any) -> Iterator[tuple[Path, Any]]:
    """The members of an answer that hold an instant."""
    for path, found in leaves(value):
        name = next((step for step in reversed(path) if isinstance(step, str)), "")
        if found is None or isinstance(found, bool) or INSTANTS.fullmatch(name) is None:
            continue
        if name in MEANING_MORE:
            # These words mean other things as well: only what looks like a time is taken for one.
            if isinstance(found, str) and not re.match(r"\d{4}-\d{2}-\d{2}", found):
                continue
            if not isinstance(found, str) and name not in {"created", "completed", "started"}:
                continue
        yield path, found
