"""Records that are drawn, put to the target's validator: geometries, instants and ids that nobody wrote down.

Each is looked at by a second opinion and by the judge of phase 1 just before it is sent.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import cycle
from typing import Any

import pytest

from dtc_cli.harness.suite import (
    RECORD_VECTORS,
    Blocked,
    Case,
    NotApplicable,
    Twin,
    Violation,
    Want,
    judge,
    judge_answer,
    verifies,
)
from suites.phase1 import spaces
from suites.phase1.second_opinion import is_city_id, is_instant, is_sound
from suites.phase1.test_refused import TOLERANCE

pytestmark = pytest.mark.late

BASE = json.loads((RECORD_VECTORS / "base" / "minimal.json").read_bytes())
CLAUSES = {"DTC-P1-008": "P1 3.2.1", "DTC-P1-011": "P1 7.1 VAL-004", "DTC-P1-025": "P1 4.1, 5.1"}
WHOLE = ("DTC-P1-020", "DTC-P1-035", "DTC-P1-036", "DTC-P1-037", "DTC-P1-039", "DTC-P1-083")
"""What a record of many shapes has of everything; what refuses it may have been found before."""


def record(**members: Any) -> dict[str, Any]:
    """The smallest record, with these members."""
    return {**BASE, **members}


def objects(shapes: Iterable[dict[str, Any]], names: Sequence[str] = ()) -> list[dict[str, Any]]:
    """City objects with these geometries."""
    return [
        {
            "id": names[number] if names else f"drawn-{number}",
            "type": "Building",
            "geometry": shape,
            "properties": {},
        }
        for number, shape in enumerate(shapes)
    ]


def readings(instants: Iterable[str]) -> dict[str, Any]:
    """A network of one sensor with a reading at each instant."""
    taken = [
        {"parameter": "humidity", "value": 40.5, "unit": "percent", "timestamp": instant, "quality": "good"}
        for instant in instants
    ]
    return {"nodes": [{"id": "drawn-sensor", "type": "EnvironmentalSensor", "measurements": taken}]}


def case(
    requirement: str,
    content: dict[str, Any],
    *,
    refused: tuple[str, ...] | None = None,
    also: tuple[str, ...] = (),
) -> Case:
    """A case like those of the files: to be accepted, or to be refused with one of these codes.

    No code where the standard names none (C-12).
    """
    return Case(
        requirement=requirement,
        id="drawn",
        clause=CLAUSES.get(requirement, "P1 6.2"),
        expect="accept" if refused is None else "reject",
        why="drawn, and looked at by two judges before it was sent",
        template=content,
        text=None,
        encoding="utf-8",
        fragment=False,
        wants=(Want(codes=refused),) if refused else (),
        at=None,
        also=also,
        tolerates=(),
        exact=False,
        warns=False,
    )


def put(twin: Twin, cases: Sequence[Case], *, sound: Callable[[Case], bool]) -> None:
    """Put drawn cases to the validator, several at a time, and judge the answers in order.

    Raises:
        NotApplicable: without a validator.
        Violation: of the first case that is answered wrongly.
        Blocked: where a requirement that such a record needs has failed before.
        AssertionError: where a judge does not agree with what was drawn: a defect of the vector.
    """
    if not twin.validator.offered:
        raise NotApplicable("the target file names no validator")
    for one in cases:
        wanted = one.expect == "accept"
        content = json.loads(twin.case_document(one))
        now = datetime.fromisoformat(content["timestamp"]) + timedelta(minutes=5)
        errors = [found for found in judge(content, now=now).findings if found.severity == "error"]
        if sound(one) is not wanted or (not errors) is not wanted:
            raise AssertionError(f"a drawn record is not what it should be: {errors[:1]}")
        if errors and {found.requirement for found in errors} - {one.requirement, *one.also}:
            raise AssertionError(f"a drawn record breaks another rule: {errors[0]}")
    twin.judge_ahead(cases)
    for number, one in enumerate(cases, 1):
        answer = twin.validator.check(twin.case_document(one)).json()
        given = answer if isinstance(answer, dict) else {}
        finding = judge_answer(one, given.get("valid"), given.get("errors"))
        if finding is None:
            continue
        known = [name for name in twin.own_run.failed() if name in (*TOLERANCE, *one.also)]
        if known and known[0] != one.requirement:
            raise Blocked(known[0], f"{finding.message}; that requirement failed before")
        raise Violation(
            f"{finding.message} (drawn case {number})",
            expected=finding.expected,
            actual=finding.actual,
            clause=finding.clause,
            hint=f"drawn case {number} of seed {twin.seed}: {twin.case_document(one).decode()[:600]}",
        )


def shapes_of(one: Case) -> bool:
    """Whether all geometries of a case are sound."""
    return all(is_sound(entry["geometry"]) for entry in one.template["cityObjects"])


def instants_of(one: Case) -> bool:
    """Whether all instants of a case are real."""
    taken = one.template["sensorNetwork"]["nodes"][0]["measurements"]
    return all(is_instant(reading["timestamp"]) for reading in taken)


@verifies("DTC-P1-036")
def test_searched_shapes(twin: Twin) -> None:
    content = record(cityObjects=objects(twin.drawn(spaces.SHAPES, 16)))
    put(twin, [case("DTC-P1-036", content, also=WHOLE)], sound=shapes_of)


@verifies("DTC-P1-037", negative=True)
def test_searched_broken_ring(twin: Twin) -> None:
    shapes = twin.drawn(spaces.AREAS, 4)
    breaks = [how for (how,) in twin.drawn(spaces.BREAKS.map(lambda how: [how]), 4)]
    cases = [
        case(
            "DTC-P1-037",
            record(cityObjects=objects([spaces.broken(shape, how)])),
            refused=("ERR_INVALID_GEOMETRY",),
        )
        for shape, how in zip(shapes, cycle(breaks))
    ]
    put(twin, cases, sound=shapes_of)


@verifies("DTC-P1-011")
def test_searched_instants(twin: Twin) -> None:
    content = record(sensorNetwork=readings(twin.drawn(spaces.INSTANTS, 16)))
    put(twin, [case("DTC-P1-011", content)], sound=instants_of)


@verifies("DTC-P1-011", negative=True)
def test_searched_broken_instant(twin: Twin) -> None:
    instants = twin.drawn(spaces.INSTANTS, 4)
    flaws = [flaw for (flaw,) in twin.drawn(spaces.FLAWS.map(lambda flaw: [flaw]), 4)]
    cases = [
        case(
            "DTC-P1-011",
            record(sensorNetwork=readings([spaces.flawed(instant, flaw)])),
            refused=(),
        )
        for instant, flaw in zip(instants, cycle(flaws))
    ]
    put(twin, cases, sound=instants_of)


@verifies("DTC-P1-008")
def test_searched_city_id(twin: Twin) -> None:
    cases = [case("DTC-P1-008", record(cityId=name)) for name in twin.drawn(spaces.CITY_IDS, 3)]
    put(twin, cases, sound=lambda one: is_city_id(one.template["cityId"]))


@verifies("DTC-P1-008", negative=True)
def test_searched_city_id_with_a_slip(twin: Twin) -> None:
    names, slips = twin.drawn(spaces.CITY_IDS, 4), twin.drawn(spaces.SLIPS, 4)
    cases = [
        case("DTC-P1-008", record(cityId=spaces.slipped(name, slip)), refused=("ERR_INVALID_CITY_ID",))
        for name, slip in zip(names, cycle(slips))
    ]
    put(twin, cases, sound=lambda one: is_city_id(one.template["cityId"]))


def different(one: Case) -> bool:
    """Whether no two objects of a case share an id, and none is empty."""
    names = [entry["id"] for entry in one.template["cityObjects"]]
    return all(names) and all(name not in names[at + 1 :] for at, name in enumerate(names))


POINT = {"type": "Point", "coordinates": [-8.6, 41.2]}


@verifies("DTC-P1-025")
def test_searched_ids(twin: Twin) -> None:
    names = twin.drawn(spaces.IDS, 1)[0]
    content = record(cityObjects=objects([POINT] * len(names), names))
    put(twin, [case("DTC-P1-025", content)], sound=different)


@verifies("DTC-P1-081", negative=True)
def test_searched_duplicate(twin: Twin) -> None:
    names = twin.drawn(spaces.IDS, 1)[0]
    again = [*names[:7], names[1]]
    content = record(cityObjects=objects([POINT] * len(again), again))
    put(twin, [case("DTC-P1-081", content, refused=("ERR_DUPLICATE_ID",))], sound=different)
