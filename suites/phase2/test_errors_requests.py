"""Requests that no operation understands: DTC-P2-098 (bodies), -099 (routes and methods)."""

import json

import pytest

from dtc_cli.harness.suite import Answer, Blocked, NotApplicable, Tolerated, Twin, expect, quote, verifies
from suites.phase2.support.lists import OBJECTS
from suites.phase2.support.operations import BY_ID, Operations
from suites.phase2.support.replies import admitted, refused, set_up

CITY = "/cities/{city}"
JSON = "application/json"
MALFORMED: dict[str, bytes] = {
    "printed-example": b"{not json",
    "cut-off": b'{"type": "Building", "geometry": {"type": "Point", "coord',
    "trailing-comma": b'{"type": "Building",}',
    "single-quotes": b"{'type': 'Building'}",
    "no-quotes": b"{type: Building}",
    "two-values": b'{"type": "Building"} {"type": "Park"}',
    "text-after": b'{"type": "Building"} trailing',
    "comment": b'{"type": "Building" /* comment */}',
    "open-array": b'[{"type": "Building"}',
    "plain-text": b"type=Building",
    "not-utf-8": b'{"type": "Caf\xe9"}',
    "deep": b"[" * 20_000,
}
LENIENT = (
    "trailing-comma",
    "comment",
    "single-quotes",
    "no-quotes",
    "text-after",
    "nan",
    "infinity",
    "hexadecimal",
)
"""What some readers of JSON take all the same: shown with a request that is sound otherwise."""
TAKING_BODIES = [
    "create-object",
    "patch-object",
    "patch-city",
    "register-sensor",
    "post-sensor-data",
    "start-simulation",
    "nearby",
    "route",
]
OTHER_MEDIA = {
    "xml": ("text/xml", b"<object><type>Building</type></object>"),
    "application-xml": ("application/xml", b"<object/>"),
    "plain": ("text/plain", b"Building"),
    "form": ("application/x-www-form-urlencoded", b"type=Building"),
    "csv": ("text/csv", b"type,name\nBuilding,x\n"),
    "octets": ("application/octet-stream", b"\x00\x01\x02"),
}
UNKNOWN = {
    "below-city": "/cities/{city}/nothing",
    "below-object": "/cities/{city}/objects/{id}/nothing",
    "below-spatial": "/cities/{city}/spatial/nothing",
    "top": "/nothing",
    "top-deep": "/nothing/at/all",
}
WRONG_METHODS = {
    "put-objects": ("PUT", "/cities/{city}/objects", "GET"),
    "put-statistics": ("PUT", "/cities/{city}/statistics", "GET"),
    "post-statistics": ("POST", "/cities/{city}/statistics", "GET"),
    "delete-statistics": ("DELETE", "/cities/{city}/statistics", "GET"),
    "put-nearby": ("PUT", "/cities/{city}/spatial/nearby", "POST"),
    "delete-route": ("DELETE", "/cities/{city}/spatial/route", "POST"),
}


@verifies("DTC-P2-098", hazard="write")
@pytest.mark.parametrize("space", ["compact", "indented"])
def test_well_formed_body(twin: Twin, space: str) -> None:
    """White space between the tokens changes nothing."""
    twin.need_hazard("write")
    body = (
        b'{"properties":{"name":"dtc"}}'
        if space == "compact"
        else b'\n{ "properties" :\t{ "name" : "dtc" } }\r\n'
    )
    created, _ = twin.scratch.object()
    answer = twin.rest.patch(f"{OBJECTS}/{quote(created)}", content=body, headers={"Content-Type": JSON})
    admitted(answer, {415})
    if not answer.ok and not twin.rest.patch(f"{OBJECTS}/{quote(created)}", json={"properties": {"n": 1}}).ok:
        raise Blocked("DTC-P2-023", f"no PATCH is served (status {answer.status})")
    expect.success(answer, clause="P2 9")


@verifies("DTC-P2-098", hazard="write", negative=True)
@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_body(twin: Twin, name: str) -> None:
    twin.need_hazard("write")
    answer = twin.rest.post(OBJECTS, content=MALFORMED[name], headers={"Content-Type": JSON})
    judge_malformed(answer)


@verifies("DTC-P2-098", hazard="write", negative=True)
@pytest.mark.parametrize("path", [OBJECTS, "/cities/{city}/spatial/nearby"], ids=["objects", "nearby"])
def test_no_body(twin: Twin, path: str) -> None:
    """Nothing is no JSON text; which 4xx says so is not printed."""
    twin.need_hazard("write")
    answer = twin.rest.post(path, headers={"Content-Type": JSON})
    admitted(answer)
    expect.that(
        400 <= answer.status < 500,
        "a request whose body is missing is not refused",
        expected="a 4xx",
        actual=f"status {answer.status}, body {answer.excerpt()}",
        clause="P2 9",
    )


@verifies("DTC-P2-098", hazard="write", negative=True)
@pytest.mark.parametrize("name", LENIENT)
def test_sound_but_for_its_notation(twin: Twin, name: str) -> None:
    """A create request with all its members, in something that is nearly JSON."""
    twin.need_hazard("write")
    wanted = twin.scratch.new_id()
    path = f"{OBJECTS}/{quote(wanted)}"
    twin.journal.plan(f"object {wanted}", "DELETE", path)
    content = nearly_json({**twin.scratch.body(height=12), "id": wanted}, name)
    answer = twin.rest.post(OBJECTS, content=content, headers={"Content-Type": JSON})
    if answer.ok:
        twin.rest.delete(path)
    judge_malformed(answer)


def nearly_json(body: dict[str, object], name: str) -> bytes:
    """A body in a notation that RFC 8259 does not have.

    Raises:
        AssertionError: when it is JSON after all.
    """
    text = json.dumps(body)
    changed = {
        "trailing-comma": text[:-1] + ",}",
        "comment": text[:-1] + "/* a comment */}",
        "single-quotes": text.replace('"', "'"),
        "no-quotes": text.replace('"properties":', "properties:"),
        "text-after": text + " and more",
        "nan": text.replace('"height": 12', '"height": NaN'),
        "infinity": text.replace('"height": 12', '"height": -Infinity'),
        "hexadecimal": text.replace('"height": 12', '"height": 0x0C'),
    }[name]
    try:
        json.loads(changed, parse_constant=int)
    except ValueError:
        return changed.encode()
    raise AssertionError(f"the vector {name} is JSON after all")


@verifies("DTC-P2-098", hazard="write", negative=True)
@pytest.mark.parametrize("operation", TAKING_BODIES)
def test_malformed_body_of_an_operation(twin: Twin, operations: Operations, operation: str) -> None:
    twin.need_hazard("write")
    answer = operations.send(operation, content=b"{not json", headers={"Content-Type": JSON})
    operations.need_routed(operation, answer)
    judge_malformed(answer)


@verifies("DTC-P2-098", hazard="write", negative=True)
@pytest.mark.parametrize("name", OTHER_MEDIA)
def test_another_media_type(twin: Twin, name: str) -> None:
    twin.need_hazard("write")
    media, content = OTHER_MEDIA[name]
    answer = twin.rest.post(OBJECTS, content=content, headers={"Content-Type": media})
    refused(answer, {400, 415}, clause="P2 4.1, 9")


@verifies("DTC-P2-098", hazard="write", negative=True)
@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded"], ids=["plain", "form"])
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_json_under_another_media_type(twin: Twin, operations: Operations, method: str, media: str) -> None:
    """The label counts: sound JSON that is called something else is refused."""
    twin.need_hazard("write")
    operation = "create-object" if method == "POST" else "patch-object"
    sound = operations.send(operation)
    set_up(sound, "DTC-P2-013" if method == "POST" else "DTC-P2-023", "the sound request is not served")
    answer = operations.send(operation, json=operations.body(operation), headers={"Content-Type": media})
    refused(answer, {400, 415}, clause="P2 4.1, 9")


@verifies("DTC-P2-099")
def test_known_route(twin: Twin, operations: Operations) -> None:
    answer = twin.rest.get(CITY)
    expect.that(
        operations.is_routed(answer),
        "a known route is answered as unknown",
        expected="status 200",
        actual=f"status {answer.status}, body {answer.excerpt()}",
        clause="P2 4.1",
    )


@verifies("DTC-P2-099", negative=True)
@pytest.mark.parametrize("name", UNKNOWN)
def test_unknown_route(twin: Twin, operations: Operations, name: str) -> None:
    path = UNKNOWN[name].replace("{id}", quote(operations.id("objectId")) if "{id}" in UNKNOWN[name] else "")
    refused(twin.rest.get(path), {404}, clause="P2 9, C-34")


@verifies("DTC-P2-099", negative=True, hazard="write")
@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_unknown_route_with_another_method(twin: Twin, method: str) -> None:
    answer = twin.rest.request(method, f"{CITY}/nothing", content=b"{}" if method == "POST" else b"")
    if answer.status == 405:
        raise NotApplicable("the path is known to this target under another method")
    refused(answer, {404}, clause="P2 9, C-34")


@verifies("DTC-P2-099", negative=True, hazard="write")
@pytest.mark.parametrize("name", WRONG_METHODS)
def test_wrong_method(twin: Twin, name: str) -> None:
    method, path, right = WRONG_METHODS[name]
    content = b"{}" if method in {"PUT", "POST"} else b""
    answer = twin.rest.request(method, path, content=content)
    refused(answer, {404, 405}, clause="P2 9, C-34")
    if answer.status == 404:
        return
    allowed = {text.strip().upper() for text in answer.headers.get("allow", "").split(",")}
    operation = next(row for row in BY_ID.values() if row.path == path.replace("{city}", "{cityId}"))
    if right != operation.method and right not in {"GET", "POST"}:
        raise AssertionError(f"{name} names no operation of the standard")
    expect.that(
        right in allowed and method not in allowed,
        "a 405 does not tell in Allow what the path takes",
        expected=f"Allow with {right} and without {method}",
        actual=answer.headers.get("allow", "no Allow"),
        clause="RFC 9110 15.5.6",
    )


def judge_malformed(answer: Answer) -> None:
    """Status 400; 422, the neighbour that C-33 accepts for bad data, is tolerated."""
    admitted(answer)
    if answer.status == 422:
        raise Tolerated(
            "a body that is no JSON is answered with 422",
            expected="status 400",
            actual="status 422",
            clause="P2 9",
        )
    refused(answer, {400}, clause="P2 9, C-34")
