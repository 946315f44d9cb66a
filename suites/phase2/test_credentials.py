"""API keys and rights: DTC-P2-086, -087, -088, -091, -092."""

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
from suites.phase2.support.attempts import attempt, judge_no_data
from suites.phase2.support.operations import BY_ID, OPERATIONS, Operations
from suites.phase2.support.replies import error_of, refused
from suites.phase2.support.tokens import bare
from suites.phase2.support.values import within

CITY = "/cities/{city}"
KEY = "X-API-Key"
UNKNOWN = Credential("unknown", {KEY: "nonsense"})
MADE_UP = {
    "percent": "%%%%%%%%",
    "asterisks": "********",
    "undefined": "undefined",
    "null": "null",
    "admin": "admin",
    "zeros": "0000000000000000",
}
ALL = [operation.id for operation in OPERATIONS]
READING = ["get-city", "get-statistics", "list-objects", "get-object", "list-sensors", "list-services"]
GUARDED = [*READING, "create-object", "patch-object", "delete-object", "nearby"]
SPOILT = ("prefix", "suffix", "upper", "lower", "doubled")


@verifies("DTC-P2-086")
@pytest.mark.parametrize("operation", READING)
def test_valid_key_is_served(twin: Twin, operations: Operations, operation: str) -> None:
    answer = operations.send(operation, as_="admin")
    operations.need_routed(operation, answer)
    judge_admitted(answer, "a valid key")


@verifies("DTC-P2-086", hazard="write")
def test_valid_key_may_write(twin: Twin) -> None:
    twin.need_hazard("write")
    judge_admitted(twin.scratch.post(twin.scratch.body(), as_="admin"), "a valid key")


@verifies("DTC-P2-086")
@pytest.mark.parametrize("role", ["operator", "viewer", "load"])
def test_key_of_another_role_is_served(twin: Twin, role: str) -> None:
    if role not in twin.credentials.roles:
        raise NotApplicable(f"the target file names no key auth.api_keys.{role}")
    judge_admitted(twin.rest.get(CITY, as_=role), f"the key {role}")


@verifies("DTC-P2-086")
@pytest.mark.parametrize("name", ["x-api-key", "X-Api-Key", "X-API-KEY"], ids=["lower", "mixed", "upper"])
def test_header_name_in_any_case(twin: Twin, name: str) -> None:
    """Names of HTTP headers know no case (RFC 9110 5.1)."""
    key = twin.credentials.role("admin").headers[KEY]
    answer = twin.rest.get(CITY, as_=Credential("admin", {name: key}))
    judge_admitted(answer, f"the key in the header {name}")


@verifies("DTC-P2-086", negative=True)
@pytest.mark.parametrize("scheme", ["ApiKey", "Token"])
def test_key_under_another_scheme_is_none(twin: Twin, scheme: str) -> None:
    """The key belongs into X-API-Key; under a scheme that the standard does not know it opens nothing."""
    key = twin.credentials.role("admin").headers[KEY]
    elsewhere = Credential("admin-elsewhere", {"Authorization": f"{scheme} {key}"})
    try:
        judge_closed(twin, elsewhere, f"the scheme {scheme}")
    except Violation as accepted:
        # One more way in, for a key that is valid: an extension, and no caller is let in who may not.
        raise Tolerated(accepted.message, actual=accepted.finding.actual, clause="P2 4.1") from accepted


@verifies("DTC-P2-087")
def test_with_credentials(twin: Twin) -> None:
    answer = twin.rest.get(CITY)
    if answer.status in {401, 403}:
        raise Blocked("DTC-P2-086", f"the key admin is refused (status {answer.status})")
    expect.that(answer.status < 500, "a request with a key fails", actual=answer.status, clause="P2 4.1")


@verifies("DTC-P2-087", negative=True, hazard="write")
@pytest.mark.parametrize("operation", ALL)
def test_without_credentials(twin: Twin, operations: Operations, operation: str) -> None:
    if BY_ID[operation].method != "GET":
        twin.need_hazard("write")
    answer, undone = attempt(twin, operations, operation, bare(twin))
    operations.need_routed(operation, answer)
    refused(answer, {401}, {"UNAUTHORIZED"}, clause="P2 9.2, C-35")
    judge_no_data(answer)
    undone()


@verifies("DTC-P2-087", negative=True)
@pytest.mark.parametrize("name", ["X-API-Token", "Api-Key", "X-Key"])
def test_key_in_another_header_is_none(twin: Twin, name: str) -> None:
    """Without X-API-Key and Authorization there are no credentials, whatever other headers hold."""
    key = twin.credentials.role("admin").headers[KEY]
    judge_closed(twin, Credential("admin-elsewhere", {name: key}), f"the header {name}")


@verifies("DTC-P2-088")
def test_known_key(twin: Twin) -> None:
    answer = twin.rest.get(CITY)
    error = error_of(answer) or {}
    expect.that(
        error.get("code") != "INVALID_API_KEY",
        "a known key is refused as unknown",
        expected="status 200",
        actual=f"status {answer.status}, body {answer.excerpt()}",
        clause="P2 9.2",
    )


@verifies("DTC-P2-088", negative=True, hazard="write")
@pytest.mark.parametrize("operation", GUARDED)
def test_unknown_key(twin: Twin, operations: Operations, operation: str) -> None:
    if BY_ID[operation].method != "GET":
        twin.need_hazard("write")
    answer, undone = attempt(twin, operations, operation, UNKNOWN)
    operations.need_routed(operation, answer)
    judge_unknown_key(answer)
    undone()


@verifies("DTC-P2-088", negative=True)
@pytest.mark.parametrize("how", SPOILT)
def test_spoilt_key(twin: Twin, how: str) -> None:
    """A key counts as a whole: its beginning, another case or two of it in a row are other keys."""
    credential = twin.credentials.variant("admin", how)
    if credential.headers[KEY] == twin.credentials.role("admin").headers[KEY]:
        raise NotApplicable("the key has no such variant")
    judge_unknown_key(twin.rest.get(CITY, as_=credential))


@verifies("DTC-P2-088", negative=True)
@pytest.mark.parametrize("name", MADE_UP)
def test_made_up_key(twin: Twin, name: str) -> None:
    judge_unknown_key(twin.rest.get(CITY, as_=Credential("made-up", {KEY: MADE_UP[name]})))


@verifies("DTC-P2-088", negative=True)
def test_empty_key(twin: Twin) -> None:
    """An empty key is no key or an unknown one: 401 in any case."""
    answer = twin.rest.get(CITY, as_=Credential("empty", {KEY: ""}))
    if answer.ok and twin.rest.get(CITY, as_=bare(twin)).ok:
        raise Blocked("DTC-P2-087", "requests without credentials are served")
    refused(answer, {401}, {"INVALID_API_KEY", "UNAUTHORIZED"}, clause="P2 9.2, C-35")


def judge_admitted(answer: Answer, what: str) -> None:
    """The caller got past the door, whatever the operation then says."""
    expect.that(
        answer.status not in {401, 403},
        f"{what} is refused",
        expected="the request served",
        actual=f"status {answer.status}, body {answer.excerpt()}",
        clause="P2 4.1, 8.1",
    )
    if answer.status >= 500:
        raise Blocked("DTC-P2-106", f"the operation fails (status {answer.status})")


def judge_closed(twin: Twin, credential: Credential, where: str) -> None:
    """A key in the wrong place opens nothing."""
    answer = twin.rest.get(CITY, as_=credential)
    if answer.ok and twin.rest.get(CITY, as_=bare(twin)).ok:
        raise Blocked("DTC-P2-087", "requests without credentials are served")
    expect.that(
        not answer.ok,
        f"a key is accepted in {where}",
        expected="status 401",
        actual=f"status {answer.status}",
        clause="P2 4.1, 9.2",
    )


def judge_unknown_key(answer: Answer) -> None:
    """401 with INVALID_API_KEY; UNAUTHORIZED is tolerated (C-35)."""
    refused(answer, {401}, {"INVALID_API_KEY", "UNAUTHORIZED"}, clause="P2 9.2, C-35")
    if within(error_of(answer), "code") == "UNAUTHORIZED":
        raise Tolerated(
            "an unknown key is refused as missing credentials",
            expected="INVALID_API_KEY",
            actual="UNAUTHORIZED",
            clause="C-35",
        )
    judge_no_data(answer)
