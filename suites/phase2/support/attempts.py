"""Trying an operation as somebody who may not, and looking that nothing came of it."""

from collections.abc import Callable
from typing import Any

from dtc_cli.harness.suite import (
    Answer,
    Credential,
    Twin,
    Violation,
    expect,
    quote,
)
from suites.phase2.support.lists import OBJECTS
from suites.phase2.support.operations import Operations
from suites.phase2.support.queries import stored
from suites.phase2.support.values import within


def judge_no_data(answer: Answer) -> None:
    """The refusal holds the error and nothing of the resource."""
    body = answer.json() if answer.is_json else None
    members = set(body) if isinstance(body, dict) else set()
    leaked = members & {
        "cityId",
        "bounds",
        "objects",
        "properties",
        "geometry",
        "cityObjects",
        "results",
        "items",
    }
    if leaked:
        raise Violation(
            "the refusal holds data of the resource",
            expected="the error alone",
            actual=", ".join(sorted(leaked)),
            clause="P2 9.2",
        )


def attempt(
    twin: Twin, operations: Operations, operation: str, credential: Credential
) -> tuple[Answer, Callable[[], None]]:
    """Try an operation as a caller without the right; the second result checks that nothing came of it."""
    if operation == "create-object":
        body = operations.body(operation)
        answer = twin.scratch.post(body, as_=credential)
        return answer, lambda: judge_not_created(twin, str(body["id"]))
    if operation in {"patch-object", "delete-object"}:
        created, sent = twin.scratch.object(twin.scratch.body(name="dtc original"))
        options: dict[str, Any] = {}
        if operation == "patch-object":
            options["json"] = {"properties": {"name": "dtc intruder"}}
        answer = operations.send(operation, as_=credential, ids={"objectId": created}, **options)
        return answer, lambda: judge_untouched(twin, created, sent["properties"]["name"])
    return operations.send(operation, as_=credential), lambda: None


def judge_not_created(twin: Twin, wanted: str) -> None:
    """The refused create request left no object."""
    expect.that(
        not twin.rest.get(f"{OBJECTS}/{quote(wanted)}").ok,
        "the refused request created the object all the same",
        expected="status 404",
        actual=f"object {wanted}",
        clause="P2 9.2",
    )


def judge_untouched(twin: Twin, created: str, name: str) -> None:
    """The refused request left the object as it was."""
    kept = stored(twin, created)
    expect.that(kept is not None, "the refused request removed the object", actual=created, clause="P2 9.2")
    expect.that(
        within(kept, "properties", "name") in {name, None},
        "the refused request changed the object",
        expected=name,
        actual=within(kept, "properties", "name"),
        clause="P2 9.2",
    )
