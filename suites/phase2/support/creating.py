"""Creating and reading objects as a means, with the blame kept apart when that does not work."""

from collections.abc import Mapping
from typing import Any

from dtc_cli.harness.suite import Answer, Blocked, Twin, expect, quote
from suites.phase2.support.lists import OBJECTS
from suites.phase2.support.replies import set_up
from suites.phase2.support_live import eventually

CLAUSE = "P2 4.3"

ABOUT_THE_BODY = frozenset(range(400, 500)) - {401, 403, 404, 405, 429}


def post(twin: Twin, body: Mapping[str, Any]) -> Answer:
    """The answer to a create request; one that wants an id of the client's is another requirement's matter.

    Raises:
        Blocked: by DTC-P2-014 when the same request is served with an id and not without.
    """
    answer = twin.scratch.post(body)
    if answer.status in ABOUT_THE_BODY and "id" not in body and with_id(twin, body):
        raise Blocked("DTC-P2-014", f"create requests without an id are refused (status {answer.status})")
    return answer


def with_id(twin: Twin, body: Mapping[str, Any]) -> bool:
    """Whether the request is served with a new id of the client's."""
    return twin.scratch.post({**body, "id": twin.scratch.new_id()}).ok


def need_shape(twin: Twin, geometry: object) -> None:
    """Make sure that sound geometries of this type are taken, before one of them is judged.

    Raises:
        Blocked: by DTC-P2-016 when they are not.
    """
    kind = geometry.get("type") if isinstance(geometry, Mapping) else None
    if kind not in {"Point", "LineString", "MultiPolygon"}:
        return
    sound = {**twin.scratch.shaped(twin.scratch.geometry(str(kind))), "id": twin.scratch.new_id()}
    answer = twin.scratch.post(sound)
    if answer.status in ABOUT_THE_BODY:
        raise Blocked("DTC-P2-016", f"a sound {kind} is refused (status {answer.status})")


def create(twin: Twin, body: dict[str, Any]) -> str:
    """Create an object whose content matters; the plain one is created when this one is refused.

    Raises:
        Blocked: when not even a plain object can be created.
    """
    twin.need_hazard("write")
    answer = post(twin, body)
    if not answer.ok:
        twin.scratch.object()
        need_shape(twin, body.get("geometry"))
        expect.success(answer, clause=CLAUSE)
    found = expect.json_object(answer, clause=CLAUSE).get("id")
    if not isinstance(found, str) or not found:
        raise Blocked("DTC-P2-013", "the answer to a create request holds no id")
    return found


def read(twin: Twin, created: str) -> dict[str, Any]:
    """The object, as a means to judge its content.

    Raises:
        Blocked: by DTC-P2-021 when it cannot be read.
    """
    answer = ask(twin, "GET", created)
    if answer.status == 404:  # the standard promises no instant at which what was written can be read
        eventually(twin, lambda: ask(twin, "GET", created).ok, within_s=2)
        answer = ask(twin, "GET", created)
    set_up(answer, "DTC-P2-021", f"object {created} cannot be read")
    body = answer.json() if answer.is_json else None
    if not isinstance(body, dict):
        raise Blocked("DTC-P2-021", f"object {created} came back as something else: {answer.excerpt(120)}")
    return body


def ask(twin: Twin, method: str, name: str) -> Answer:
    """A request to one object; a PATCH carries a harmless body."""
    body = b'{"properties": {"name": "dtc test"}}' if method == "PATCH" else b""
    return twin.rest.request(method, f"{OBJECTS}/{quote(name)}", content=body)


def gone(twin: Twin, name: str) -> bool:
    """Whether a deleted object is answered as unknown, now or within a few seconds.

    A target may take a DELETE in and carry it out a moment later (202, C-39).
    """
    return bool(eventually(twin, lambda: not ask(twin, "GET", name).ok))
