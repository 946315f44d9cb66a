"""Bearer tokens (DTC-P2-089) and the endpoint that gives them (-090)."""

import pytest

from dtc_cli.harness.suite import (
    NOBODY,
    Answer,
    Blocked,
    Credential,
    Tolerated,
    Twin,
    Violation,
    expect,
    verifies,
)
from suites.phase2.support.operations import Operations
from suites.phase2.support.replies import NOT_ROUTED, code_of, refused
from suites.phase2.support.tokens import Tokens

CITY = "/cities/{city}"
CLAUSE = "P2 8.2, RFC 6749"
READING = ["get-city", "get-statistics", "list-objects", "list-sensors", "list-services"]
SPOILT = ["shorter", "longer", "other-case", "made-up", "opaque", "unsigned", "changed-content"]
BAD_FORMS = {
    "other-grant": (
        {"grant_type": "password"},
        # A target that has this grant for other clients misses the name, or the right to it.
        {"unsupported_grant_type", "unauthorized_client", "invalid_request"},
    ),
    "made-up-grant": ({"grant_type": "dtc"}, {"unsupported_grant_type"}),
    "no-grant": ({"grant_type": ""}, {"invalid_request", "unsupported_grant_type"}),
}


@pytest.fixture(scope="module")
def tokens(twin: Twin) -> Tokens:
    """The token endpoint of the target."""
    return Tokens(twin)


@verifies("DTC-P2-089")
@pytest.mark.parametrize("operation", READING)
def test_valid_token_is_served(operations: Operations, tokens: Tokens, operation: str) -> None:
    answer = operations.send(operation, as_=tokens.bearer())
    operations.need_routed(operation, answer)
    expect.that(
        answer.status not in {401, 403},
        "a valid token is refused",
        expected="the request served",
        actual=f"status {answer.status}, body {answer.excerpt()}",
        clause="P2 4.1, 8.2",
    )


@verifies("DTC-P2-089", negative=True)
@pytest.mark.parametrize("how", SPOILT)
def test_spoilt_token(twin: Twin, tokens: Tokens, how: str) -> None:
    judge_unauthorized(twin, twin.rest.get(CITY, as_=tokens.spoilt(how)))


@verifies("DTC-P2-089", negative=True)
@pytest.mark.parametrize("name", ["made-up", "basic"])
def test_authorization_that_is_no_token(twin: Twin, name: str) -> None:
    """What a target must refuse whether or not it gives tokens to this run."""
    text = {"made-up": "Bearer x.y.z", "basic": "Basic ZHRjOmR0Yw=="}[name]
    judge_unauthorized(
        twin, twin.rest.get(CITY, as_=Credential(f"authorization-{name}", {"Authorization": text}))
    )


@verifies("DTC-P2-089", negative=True)
def test_token_under_another_scheme(twin: Twin, tokens: Tokens) -> None:
    tokens.bearer()
    credential = Credential("token-basic", {"Authorization": f"Basic {tokens.text()}"})
    judge_unauthorized(twin, twin.rest.get(CITY, as_=credential))


@verifies("DTC-P2-090")
def test_token_is_given(tokens: Tokens) -> None:
    answer = tokens.post(tokens.form())
    if answer.status in NOT_ROUTED:
        raise Violation("there is no token endpoint", actual=f"status {answer.status}", clause=CLAUSE)
    expect.status(answer, {200}, clause=CLAUSE)
    body = expect.json_object(answer, clause=CLAUSE)
    expect.members(body, ("access_token", "token_type", "expires_in"), what="the token answer", clause=CLAUSE)


@verifies("DTC-P2-090")
@pytest.mark.parametrize("name", ["access_token", "token_type", "expires_in"], ids=["token", "kind", "life"])
def test_member_of_the_token_answer(tokens: Tokens, name: str) -> None:
    answer = tokens.post(tokens.form())
    value = expect.json_object(answer, clause=CLAUSE).get(name)
    sound = {
        "access_token": isinstance(value, str) and value != "",
        "token_type": isinstance(value, str) and value.lower() == "bearer",
        "expires_in": isinstance(value, int | float) and not isinstance(value, bool) and value > 0,
    }[name]
    wanted = {"access_token": "non-empty text", "token_type": "Bearer", "expires_in": "seconds above 0"}[name]
    expect.that(
        sound,
        f"{name} of the token answer is not as it should be",
        expected=wanted,
        actual="text" if name == "access_token" and value else value,
        clause="RFC 6749 5.1",
    )


@verifies("DTC-P2-090", negative=True)
@pytest.mark.parametrize("name", ["wrong-secret", "unknown-client", "no-secret", "no-client"])
def test_wrong_client_gets_no_token(tokens: Tokens, name: str) -> None:
    form = tokens.form()
    if name == "wrong-secret":
        form["client_secret"] = "dtc-wrong-secret"  # noqa: S105 - it opens nothing
    elif name == "unknown-client":
        form["client_id"] = "dtc-unknown-client"
    else:
        form.pop("client_secret" if name == "no-secret" else "client_id")
    answer = tokens.post(form)
    codes = (
        {"invalid_client"}
        if name in {"wrong-secret", "unknown-client"}
        else {"invalid_client", "invalid_request"}
    )
    judge_refusal(answer, {401, 400}, codes)
    if answer.status == 400 and name == "wrong-secret":
        raise Tolerated(
            "a wrong client is answered with 400",
            expected="status 401",
            actual="status 400, which RFC 6749 5.2 allows",
            clause="RFC 6749 5.2",
        )


@verifies("DTC-P2-090", negative=True)
@pytest.mark.parametrize("name", BAD_FORMS)
def test_bad_token_request(tokens: Tokens, name: str) -> None:
    change, codes = BAD_FORMS[name]
    form = {key: value for key, value in {**tokens.form(), **change}.items() if value}
    judge_refusal(tokens.post(form), {400}, codes)


def judge_unauthorized(twin: Twin, answer: Answer) -> None:
    """401 with UNAUTHORIZED (C-35).

    Raises:
        Blocked: by DTC-P2-087 when a request without any credentials is answered in the same wrong way.
    """
    if answer.status != 401 or code_of(answer) != "UNAUTHORIZED":
        nobody = twin.rest.get(CITY, as_=NOBODY)
        right = nobody.status == 401 and code_of(nobody) == "UNAUTHORIZED"
        if not right and (nobody.status, code_of(nobody)) == (answer.status, code_of(answer)):
            raise Blocked("DTC-P2-087", f"no credentials are answered with status {nobody.status} as well")
    refused(answer, {401}, {"UNAUTHORIZED"}, clause="P2 9.2, C-35")


def judge_refusal(answer: Answer, statuses: set[int], codes: set[str]) -> None:
    """A refusal in the form of RFC 6749 5.2: the code stands as text in `error`."""
    if answer.status in NOT_ROUTED or answer.status == 404:
        raise Blocked("DTC-P2-090", f"there is no token endpoint (status {answer.status})")
    expect.status(answer, statuses, clause="RFC 6749 5.2")
    body = answer.json() if answer.is_json else None
    error = body.get("error") if isinstance(body, dict) else None
    expect.that(
        error in codes if isinstance(error, str) else False,
        "the token endpoint refuses with another error",
        expected=f"error {' or '.join(sorted(codes))}",
        actual=answer.excerpt(),
        clause="RFC 6749 5.2",
    )
