"""Only the exact key in its header opens anything (DTC-SEC-003)."""

from collections.abc import Callable

import pytest

from dtc_cli.harness.suite import NOBODY, Credential, NotApplicable, Twin, expect, verifies
from suites.security.support.requests import base_path, send
from suites.security.support.secret import CLAUSE, Secret

KEY = "X-API-Key"
VARIANTS: dict[str, Callable[[str], str]] = {
    "empty": lambda key: "",
    "blank": lambda key: "   ",
    "prefix": lambda key: key[:-1],
    "half": lambda key: key[: len(key) // 2],
    "suffix": lambda key: key + "x",
    "doubled": lambda key: key + key,
    "listed": lambda key: f"{key},{key}",
    "upper": lambda key: key.upper(),
    "lower": lambda key: key.lower(),
    "swapped": lambda key: key.swapcase(),
    "reversed": lambda key: key[::-1],
    "quoted": lambda key: f'"{key}"',
    "percent-space": lambda key: key + "%20",
    "no-break-space": lambda key: key + "\u00a0",
    "wildcard": lambda key: "*",
    "like": lambda key: "%",
    "null": lambda key: "null",
    "sql": lambda key: "' OR '1'='1",
    "operator": lambda key: '{"$ne": null}',
    "overlong": lambda key: key + "a" * 6000,
    "other-end": lambda key: key[:-1] + turned(key[-1:]),
    "other-begin": lambda key: turned(key[:1]) + key[1:],
    "other-second-half": lambda key: key[: len(key) // 2] + turned(key[len(key) // 2 :]),
    "other-first-half": lambda key: turned(key[: len(key) // 2]) + key[len(key) // 2 :],
    "other-end-and-length": lambda key: key[: len(key) * 3 // 4] + "x",
}
"""A plain blank at the end is no variant: it is not part of a header's value (RFC 9110 5.5)."""
NOBODYS = frozenset({"empty", "blank", "wildcard", "like", "null", "sql", "operator"})
"""Those that hold nothing of a key: words of every document, which stay in the evidence as they are."""
PARAMETERS = {
    "snake": "api_key",
    "lower": "apikey",
    "camel": "apiKey",
    "key": "key",
    "header": "X-API-Key",
    "small-header": "x-api-key",
    "dashed": "api-key",
    "access-token": "access_token",
    "token": "token",
    "api-token": "apiToken",
    "auth": "auth",
    "auth-token": "auth_token",
    "authorization": "authorization",
}


def turned(text: str) -> str:
    """The same length and kind, another text."""
    return "".join(
        "1" if c == "0" else "0" if c.isdigit() else "b" if c in "aA" else "a" if c.isalpha() else c
        for c in text
    )


@verifies("DTC-SEC-003", hazard="security")
def test_the_exact_key(twin: Twin, secret: Secret) -> None:
    answer = twin.rest.get(secret.path)
    expect.that(
        answer.ok and secret.shown_in(answer.body),
        "the exact key does not read the object",
        expected="status 200",
        actual=f"status {answer.status}",
        clause=CLAUSE,
    )


@verifies("DTC-SEC-003", negative=True, hazard="security")
@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_of_the_key(twin: Twin, secret: Secret, name: str) -> None:
    key = twin.credentials.role("admin").headers[KEY]
    text = VARIANTS[name](key)
    if text == key:
        raise NotApplicable(f"the key has no variant {name}")
    if name not in NOBODYS:
        twin.credentials.key_text(text, f"admin-{name}")
    target = base_path(twin) + secret.path.replace("{city}", twin.rest.city)
    reply = send(twin, "GET", target, [(KEY, text)])
    expect.that(
        not secret.shown_in(reply.body) and not 200 <= reply.status < 300,
        f"the key in the form {name} is accepted",
        expected="401",
        actual=f"status {reply.status}",
        clause=CLAUSE,
    )


@verifies("DTC-SEC-003", negative=True, hazard="security")
@pytest.mark.parametrize("order", ["right-first", "wrong-first"])
def test_two_keys_in_one_request(twin: Twin, secret: Secret, order: str) -> None:
    """A gateway that looks at one header and a server that looks at the other would disagree."""
    key = twin.credentials.role("admin").headers[KEY]
    headers = [(KEY, key), (KEY, "dtc-wrong-key")]
    target = base_path(twin) + secret.path.replace("{city}", twin.rest.city)
    reply = send(twin, "GET", target, headers if order == "right-first" else headers[::-1])
    expect.that(
        not secret.shown_in(reply.body),
        "a request with a right and a wrong key is served",
        expected="400 or 401",
        actual=f"status {reply.status}",
        clause=CLAUSE,
    )


@verifies("DTC-SEC-003", negative=True, hazard="security")
@pytest.mark.parametrize("name", PARAMETERS)
def test_a_key_in_the_query(twin: Twin, secret: Secret, name: str) -> None:
    """Addresses end up in logs, histories and referrers."""
    key = twin.credentials.role("admin").headers[KEY]
    answer = twin.rest.get(secret.path, params={PARAMETERS[name]: key}, as_=NOBODY)
    secret.judge_hidden(answer, f"the key in the query parameter {PARAMETERS[name]}")


@verifies("DTC-SEC-003", negative=True, hazard="security")
@pytest.mark.parametrize("name", ["cookie", "basic", "bearer"])
def test_a_key_in_another_place(twin: Twin, secret: Secret, name: str) -> None:
    key = twin.credentials.role("admin").headers[KEY]
    headers = {
        "cookie": {"Cookie": f"{KEY}={key}; api_key={key}"},
        "basic": {"Authorization": f"Basic {key}"},
        "bearer": {"Authorization": f"Bearer {key}"},
    }
    answer = twin.rest.get(secret.path, as_=Credential(f"admin-{name}", headers[name]))
    if name == "bearer" and answer.ok:
        raise NotApplicable("the target takes keys as bearer tokens too, which no clause forbids")
    secret.judge_hidden(answer, f"the key as {name}")
