"""Rights of a caller (DTC-P2-091) and challenges (-092)."""

import pytest

from dtc_cli.harness.suite import (
    Answer,
    Blocked,
    Credential,
    NotApplicable,
    Tolerated,
    Twin,
    Violation,
    expect,
    verifies,
)
from suites.phase2.support.attempts import attempt
from suites.phase2.support.operations import BY_ID, NO_SUCH_ID, WRITES, Operations
from suites.phase2.support.replies import refused
from suites.phase2.support.tokens import bare

CITY = "/cities/{city}"
KEY = "X-API-Key"
UNKNOWN = Credential("unknown", {KEY: "nonsense"})
READING = ["get-city", "get-statistics", "list-objects", "get-object", "list-sensors", "list-services"]
RIGHTLESS = [operation.id for operation in WRITES]


@verifies("DTC-P2-091")
@pytest.mark.parametrize("operation", READING)
def test_viewer_may_read(twin: Twin, operations: Operations, operation: str) -> None:
    twin.need_role("viewer")
    answer = operations.send(operation, as_="viewer")
    operations.need_routed(operation, answer)
    if answer.status == 401:
        raise Blocked("DTC-P2-086", "the key viewer is refused")
    expect.that(
        answer.status != 403,
        "a key that may read is refused the right to read",
        expected="status 200",
        actual=f"status {answer.status}, body {answer.excerpt()}",
        clause="P2 9.2",
    )


@verifies("DTC-P2-091", hazard="write")
def test_admin_may_write(twin: Twin) -> None:
    twin.need_hazard("write")
    answer = twin.scratch.post(twin.scratch.body())
    expect.that(
        answer.status != 403,
        "the key that may write is refused the right to write",
        expected="status 201",
        actual=f"status {answer.status}, body {answer.excerpt()}",
        clause="P2 9.2",
    )


@verifies("DTC-P2-091", negative=True, hazard="write")
@pytest.mark.parametrize("operation", RIGHTLESS)
def test_viewer_may_not_write(twin: Twin, operations: Operations, operation: str) -> None:
    twin.need_hazard("write")
    credential = twin.need_role("viewer")
    answer, undone = attempt(twin, operations, operation, credential)
    operations.need_routed(operation, answer)
    judge_known(twin, answer, "viewer", CITY)
    if answer.status == 404 and NO_SUCH_ID in answer.url:
        raise NotApplicable("there is nothing to try this operation on, and the target looks for it first")
    refused(answer, {403}, {"FORBIDDEN"}, clause="P2 9.2, C-33")
    undone()


@verifies("DTC-P2-091", negative=True, hazard="write")
@pytest.mark.parametrize("operation", ["get-city", "list-objects", "create-object"])
def test_rights_in_another_city_do_not_count(twin: Twin, operations: Operations, operation: str) -> None:
    if "other_city" not in twin.credentials.roles:
        raise NotApplicable("the target file names no key auth.api_keys.other_city")
    if BY_ID[operation].right == "write":
        twin.need_hazard("write")
    answer, undone = attempt(twin, operations, operation, twin.credentials.role("other_city"))
    operations.need_routed(operation, answer)
    judge_known(twin, answer, "other_city", f"/cities/{twin.target.other_city}")
    if answer.status == 404:
        raise Tolerated(
            "a city that the caller may not see is answered as unknown",
            expected="status 403 with FORBIDDEN",
            actual=f"status 404, body {answer.excerpt(120)}",
            clause="P2 9.2",
        )
    refused(answer, {403}, {"FORBIDDEN"}, clause="P2 9.2, C-33")
    undone()


@verifies("DTC-P2-092")
@pytest.mark.parametrize("caller", ["nobody", "unknown-key", "unknown-token"])
def test_scheme_is_named(twin: Twin, caller: str) -> None:
    credential = {
        "nobody": bare(twin) if caller == "nobody" else UNKNOWN,
        "unknown-key": UNKNOWN,
        "unknown-token": Credential("bad-token", {"Authorization": "Bearer x.y.z"}),
    }[caller]
    answer = twin.rest.get(CITY, as_=credential)
    if answer.status != 401:
        by = {"nobody": "DTC-P2-087", "unknown-key": "DTC-P2-088", "unknown-token": "DTC-P2-089"}[caller]
        raise Blocked(by, f"the request is not answered with 401 (status {answer.status})")
    expect.that(
        answer.headers.get("www-authenticate", "").strip() != "",
        "a 401 names no accepted scheme",
        expected="WWW-Authenticate, for example Bearer",
        actual=", ".join(sorted(answer.headers)),
        clause="P2 8, RFC 9110 11.6.1",
    )


@verifies("DTC-P2-092", negative=True)
def test_no_challenge_without_need(twin: Twin) -> None:
    answer = twin.rest.get(CITY)
    if answer.status != 200:
        raise Blocked("DTC-P2-086", f"the key admin is refused (status {answer.status})")
    expect.that(
        "www-authenticate" not in answer.headers,
        "an answer that is served asks for credentials",
        expected="no WWW-Authenticate on 200",
        actual=answer.headers.get("www-authenticate"),
        clause="RFC 9110 11.6.1",
    )


def judge_known(twin: Twin, answer: Answer, role: str, readable: str) -> None:
    """A caller whose key is known elsewhere is not called unknown here.

    Raises:
        Blocked: by DTC-P2-086 when the key is not served anywhere.
    """
    if answer.status != 401:
        return
    if not twin.rest.get(readable, as_=role).ok:
        raise Blocked("DTC-P2-086", f"the key {role} is refused")
    raise Violation(
        "a missing right is answered as missing credentials",
        expected="status 403 with FORBIDDEN",
        actual=f"status 401, body {answer.excerpt()}",
        clause="P2 9.2, C-33",
    )
