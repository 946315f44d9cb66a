"""The 22 operations: unknown cities (DTC-P2-005), OpenAPI (-105), routing (-106)."""

import json
from typing import Any

import pytest

from dtc_cli.harness.suite import Answer, Blocked, NotApplicable, Twin, expect, verifies
from suites.phase2.support.operations import BY_ID, NO_SUCH_ID, OPERATIONS, UNKNOWN_CITY, Operations
from suites.phase2.support.replies import error_of, refused

ALL = [operation.id for operation in OPERATIONS]
WRITING = {"create-object", "register-sensor", "post-sensor-data", "start-simulation", "delete-object"}
OPENAPI_PATHS = ("/openapi.json", "/openapi.yaml", "/docs/openapi.json", "/api-docs", "/v3/api-docs")
SCOPES = ("single-tenant", "multi-tenant", "federated")


@verifies("DTC-P2-005")
def test_existing_city(twin: Twin) -> None:
    answer = twin.rest.get("/cities/{city}")
    expect.that(
        answer.status != 404,
        "the city of the target file is answered as unknown",
        expected="status 200",
        actual=f"status {answer.status}, body {answer.excerpt()}",
        clause="P2 4.2",
    )


@verifies("DTC-P2-005", negative=True, hazard="write")
@pytest.mark.parametrize("operation", ALL)
def test_unknown_city(twin: Twin, operations: Operations, operation: str) -> None:
    """Each operation below a city that does not exist, with ids that exist in the city under test."""
    if BY_ID[operation].method != "GET":
        twin.need_hazard("write")
    answer = operations.send(operation, city=UNKNOWN_CITY)
    operations.need_routed(operation, answer)
    if answer.status == 403 and operations.probe("delete-object").ok:
        # The same key writes in the city under test, so this is no matter of its rights (DTC-P2-091).
        expect.status(answer, {404}, clause="P2 9.2, C-33")
    refused(answer, {404}, {"CITY_NOT_FOUND"}, clause="P2 9.2, C-33")


@verifies("DTC-P2-005", negative=True)
@pytest.mark.parametrize("how", ["next-year", "shorter", "longer"])
def test_similar_city(twin: Twin, how: str) -> None:
    """A city id that begins like the real one, or differs in the year."""
    country, name, year = twin.rest.city.split("-")
    similar = {
        "next-year": f"{country}-{name}-{(int(year) + 1) % 10000:04}",
        "shorter": f"{country}-{name[:-1] or 'X'}-{year}",
        "longer": f"{country}-{name}X-{year}",
    }[how]
    if similar == twin.target.other_city:
        raise NotApplicable(f"{similar} is the second city of the target file")
    refused(twin.rest.get(f"/cities/{similar}"), {404}, {"CITY_NOT_FOUND"}, clause="P2 9.2, C-33")


@verifies("DTC-P2-106", hazard="write")
@pytest.mark.parametrize("operation", ALL)
def test_operation_is_routed(twin: Twin, operations: Operations, operation: str) -> None:
    """Asked with ids that exist where they can be had; any answer of the operation itself will do."""
    if BY_ID[operation].method != "GET":
        twin.need_hazard("write")
    judge_routed(operations, operation, operations.probe(operation))


@verifies("DTC-P2-106", hazard="write", negative=True)
@pytest.mark.parametrize("operation", ["nearby", "route", "start-simulation", "patch-city", "get-statistics"])
def test_operation_is_no_stub(twin: Twin, operations: Operations, operation: str) -> None:
    """With a sound request an operation does not say that it is not implemented."""
    if BY_ID[operation].right == "write":
        twin.need_hazard("write")
    judge_routed(operations, operation, operations.send(operation))


@verifies("DTC-P2-105")
def test_openapi_lists_the_operations(twin: Twin) -> None:
    document = openapi(twin)
    expect.that(
        str(document.get("openapi", "")).startswith("3."),
        "the document is no OpenAPI 3 description",
        expected="openapi: 3.x",
        actual=document.get("openapi"),
        clause="Annex E, C-111",
    )
    listed = {
        (method.upper(), shape(path))
        for path, item in dict(document.get("paths") or {}).items()
        if isinstance(item, dict)
        for method in item
    }
    missing = [
        f"{operation.method} {operation.path}"
        for operation in OPERATIONS
        if not any(
            method == operation.method and path.endswith(shape(operation.path)) for method, path in listed
        )
    ]
    expect.equal(missing, [], "the OpenAPI document does not list all operations", clause="Annex E")


@verifies("DTC-P2-105")
def test_openapi_tells_the_scope(twin: Twin) -> None:
    text = json.dumps(openapi(twin)).lower().replace("_", "-").replace(" ", "-")
    expect.that(
        any(scope in text for scope in SCOPES),
        "the OpenAPI document does not tell the operational scope",
        expected=" or ".join(SCOPES),
        actual="none of these words",
        clause="Annex E, G",
    )


@verifies("DTC-P2-105", negative=True)
def test_served_operations_are_not_hidden(twin: Twin, operations: Operations) -> None:
    """An operation that is served is in the document."""
    document = openapi(twin)
    paths = {shape(path) for path in dict(document.get("paths") or {})}
    hidden = [
        operation.path
        for operation in OPERATIONS
        if operation.id in {"get-city", "list-objects", "get-statistics", "list-sensors", "list-services"}
        and operations.is_routed(operations.probe(operation.id))
        and not any(path.endswith(shape(operation.path)) for path in paths)
    ]
    expect.equal(hidden, [], "operations are served that the OpenAPI document hides", clause="Annex E")


def judge_routed(operations: Operations, operation: str, answer: Answer) -> None:
    """The answer is the operation's own."""
    row = BY_ID[operation]
    if operation == "get-service-status" and NO_SUCH_ID in answer.url and not operations.is_routed(answer):
        # C-34: the code of an unknown service is free, and may be that of an unknown route.
        raise NotApplicable("the city lists no service whose status could be asked for")
    if answer.status == 404 and error_of(answer) is None and NO_SUCH_ID in answer.url:
        raise Blocked(
            "DTC-P2-093", "a 404 without envelope does not tell an unknown id from an unknown route"
        )
    expect.that(
        operations.is_routed(answer),
        f"{row.method} {row.path} is not routed",
        expected="an answer of the operation: no 404 for an unknown route, no 405, no 501",
        actual=f"status {answer.status}, body {answer.excerpt()}",
        clause=row.clause,
    )


def shape(path: str) -> str:
    """A path without the names of its placeholders, in any of the usual notations."""
    parts = path.strip("/").split("/")
    return "/" + "/".join("{}" if part[:1] in {"{", ":", "<"} else part for part in parts)


def openapi(twin: Twin) -> dict[str, Any]:
    """The OpenAPI document, looked for below the base and at the origin."""
    for path in OPENAPI_PATHS:
        for absolute in (False, True):
            answer = twin.rest.get(path, absolute=absolute)
            body = answer.json() if answer.ok and answer.is_json else None
            if isinstance(body, dict) and ("openapi" in body or "swagger" in body):
                return body
    expect.that(
        False,
        "no OpenAPI document was found",
        expected="a JSON document at /openapi.json, below the base or at the origin",
        actual=f"none at {', '.join(OPENAPI_PATHS)}",
        clause="Annex E, C-111",
    )
    return {}
