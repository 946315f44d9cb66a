"""Deleting city objects: DTC-P2-025."""

from typing import Any

import pytest

from dtc_cli.harness.suite import Blocked, NotApplicable, Twin, expect, quote, verifies
from suites.phase2.support.creating import gone, read
from suites.phase2.support.lists import OBJECTS, items_of, walk
from suites.phase2.support.operations import NO_SUCH_ID
from suites.phase2.support.replies import set_up
from suites.phase2.support.values import within
from suites.phase2.support_live import eventually

CLAUSE = "P2 4.3, C-39"


@verifies("DTC-P2-025", hazard="write")
@pytest.mark.parametrize("kind", ["Building", "Road", "Landmark"])
def test_deleted_object_is_gone(twin: Twin, kind: str) -> None:
    created, _ = twin.scratch.object(twin.scratch.body(kind))
    read(twin, created)
    delete(twin, created)
    judge_gone(twin, created, "a deleted object is still answered")


@verifies("DTC-P2-025", hazard="write")
def test_deleted_after_a_patch(twin: Twin) -> None:
    """A version that a PATCH left behind does not outlive the object."""
    created, _ = twin.scratch.object()
    path = f"{OBJECTS}/{quote(created)}"
    twin.rest.patch(path, json={"properties": {"name": "second"}})
    delete(twin, created)
    judge_gone(twin, created, "an older version is still answered")


@verifies("DTC-P2-025", hazard="write", negative=True)
@pytest.mark.parametrize("how", ["all", "by-type", "by-property", "by-bounds"])
def test_deleted_object_is_not_listed(twin: Twin, how: str) -> None:
    mark = twin.scratch.new_id()
    created, body = twin.scratch.object(twin.scratch.body("Park", dtcMark=mark))
    x, y = body["geometry"]["coordinates"][0][0]
    reach = 2 * twin.city.side
    params = {
        "all": {},
        "by-type": {"type": "Park"},
        "by-property": {"properties.dtcMark": mark},
        "by-bounds": {"bounds": f"{x - reach:.7f},{y - reach:.7f},{x + reach:.7f},{y + reach:.7f}"},
    }[how]
    delete(twin, created)
    answer = twin.rest.get(OBJECTS, params={**params, "limit": 1000})
    if not answer.ok or items_of(answer) is None:
        by = {"by-type": "DTC-P2-027", "by-property": "DTC-P2-030", "by-bounds": "DTC-P2-028"}
        raise Blocked(by.get(how, "DTC-P2-026"), f"the list cannot be had (status {answer.status})")
    found = walk(twin, params, first=answer)
    if created in found.ids:
        eventually(twin, lambda: created not in walk(twin, params).ids)
        found = walk(twin, params)
    expect.that(
        created not in found.ids,
        "a deleted object is still listed",
        expected=f"no object {created} in the list",
        actual=f"the object among {len(found.items)} listed",
        clause=CLAUSE,
    )


@verifies("DTC-P2-025", hazard="write", negative=True)
def test_deleted_object_is_not_nearby(twin: Twin) -> None:
    created, body = twin.scratch.object(twin.scratch.body("Landmark"))
    request = {"location": body["geometry"], "radius": 50}

    def nearby() -> list[str] | None:
        answer = twin.rest.post("/cities/{city}/spatial/nearby", json=request)
        found = answer.json().get("results") if answer.ok and answer.is_json else None
        return [str(within(one, "id")) for one in found] if isinstance(found, list) else None

    if not eventually(twin, lambda: created in (nearby() or ())):
        raise NotApplicable("the object is not found nearby before it is deleted: see DTC-P2-079")
    delete(twin, created)
    eventually(twin, lambda: created not in (nearby() or ()))
    expect.that(
        created not in (nearby() or ()),
        "a deleted object is still found nearby",
        expected=f"no object {created} among the results",
        actual="the object among them",
        clause=CLAUSE,
    )


@verifies("DTC-P2-025", hazard="write", negative=True)
def test_other_objects_stay(twin: Twin) -> None:
    body = twin.scratch.body()
    neighbours = [twin.scratch.object(body)[0], twin.scratch.object(body)[0]]
    created, _ = twin.scratch.object(body)
    for one in neighbours:
        read(twin, one)
    delete(twin, created)
    for one in neighbours:
        answer = twin.rest.get(f"{OBJECTS}/{quote(one)}")
        expect.status(answer, {200}, clause=CLAUSE, message="a DELETE removed another object")


def judge_gone(twin: Twin, created: str, message: str) -> None:
    """A GET of the object answers 404.

    Raises:
        Blocked: by DTC-P2-022 when it is refused as any unknown object is, only with another status.
    """
    gone(twin, created)
    answer = twin.rest.get(f"{OBJECTS}/{quote(created)}")
    if not answer.ok and answer.status != 404:
        unknown = twin.rest.get(f"{OBJECTS}/{NO_SUCH_ID}")
        if unknown.status == answer.status:
            raise Blocked("DTC-P2-022", f"unknown objects are answered with status {unknown.status}")
    expect.status(answer, {404}, clause=CLAUSE, message=message)


def delete(twin: Twin, created: str) -> Any:
    """DELETE the object; any 2xx is right (C-39)."""
    answer = twin.rest.delete(f"{OBJECTS}/{quote(created)}")
    if answer.status in {401, 403, 405, 501}:
        set_up(answer, "DTC-P2-025", "the object cannot be deleted")
    expect.success(answer, clause=CLAUSE)
    twin.journal.done(f"object {created}")
    return answer
