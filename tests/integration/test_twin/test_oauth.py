"""The token endpoint and bearer tokens (P2 8.2; RFC 6749), CORS, metrics."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest


def client(twin: Any) -> tuple[str, str, str]:
    settings = twin.settings["auth"]["oauth"]
    secret = Path(settings["client_secret"].removeprefix("file:")).read_text()
    return settings["token_url"], settings["client_id"], secret


def ask(twin: Any, **form: Any) -> Any:
    url, name, secret = client(twin)
    fields = {"grant_type": "client_credentials", "client_id": name, "client_secret": secret, **form}
    return twin.http.post(url, data={key: value for key, value in fields.items() if value is not None})


def test_a_token_serves_like_a_key(twin: Any) -> None:
    answer = ask(twin)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    shown = answer.json()
    assert shown["token_type"] == "Bearer"
    assert shown["expires_in"] > 0
    bearer = {"Authorization": f"Bearer {shown['access_token']}"}
    url = f"{twin.rest}/cities/KR-BUSAN-2025"
    assert twin.http.get(url, headers=bearer).status_code == 200
    body = {"type": "Park", "geometry": {"type": "Point", "coordinates": [129.07, 35.18]}, "properties": {}}
    assert twin.http.post(f"{url}/objects", headers=bearer, json=body).status_code == 201
    narrow = {"Authorization": f"Bearer {ask(twin, scope='read').json()['access_token']}"}
    assert twin.http.get(url, headers=narrow).status_code == 200
    assert twin.http.post(f"{url}/objects", headers=narrow, json=body).status_code == 403


def test_the_client_may_use_basic(twin: Any) -> None:
    url, name, secret = client(twin)
    answer = twin.http.post(url, data={"grant_type": "client_credentials"}, auth=(name, secret))
    assert answer.status_code == 200
    wrong = twin.http.post(url, data={"grant_type": "client_credentials"}, auth=(name, "no"))
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
    assert "www-authenticate" in wrong.headers


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_id": "nobody"}, 401, "invalid_client"),
        ({"client_secret": None}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": None}, 400, "invalid_request"),
        ({"scope": "everything"}, 400, "invalid_scope"),
    ],
)
def test_refusals_have_the_form_of_rfc_6749(twin: Any, form: dict[str, Any], status: int, error: str) -> None:
    answer = ask(twin, **form)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_a_json_body_is_no_form(twin: Any) -> None:
    answer = twin.http.post(client(twin)[0], json={"grant_type": "client_credentials"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def forged(token: str) -> list[str]:
    head, claims, signature = token.split(".")
    decoded = json.loads(base64.urlsafe_b64decode(claims + "=="))

    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    later = part({**decoded, "exp": decoded["exp"] + 10_000})
    none = part({"alg": "none", "typ": "JWT"})
    return [
        f"{head}.{later}.{signature}",
        f"{none}.{claims}.",
        f"{none}.{claims}.{signature}",
        f"{head}.{claims}.{signature[:-2]}",
        f"{head}.{claims}",
        token + "x",
        "none",
        "..",
        "ü.ü.ü",
    ]


def test_forged_tokens_are_refused(twin: Any) -> None:
    for token in forged(ask(twin).json()["access_token"]):
        headers = {b"Authorization": f"Bearer {token}".encode()}
        answer = twin.http.get(f"{twin.rest}/cities/KR-BUSAN-2025", headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "UNAUTHORIZED"), token


def test_browsers_of_any_origin_may_ask(twin: Any) -> None:
    preflight = twin.http.options(
        f"{twin.rest}/cities/KR-BUSAN-2025/objects",
        headers={"Origin": "https://a.example", "Access-Control-Request-Method": "POST"},
    )
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert "X-API-Key" in preflight.headers["access-control-allow-headers"]
    answer = twin.call("GET", "", headers={"Origin": "https://a.example"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers
    assert "access-control-allow-origin" not in twin.call("GET", "").headers


def test_metrics_count_answers(twin: Any) -> None:
    twin.call("GET", "/objects/none")
    text = twin.http.get(f"{twin.origin}/metrics").text
    assert 'dtc_twin_answers_total{method="GET",operation="OBJECT_NOT_FOUND",status="404"}' in text
    assert 'dtc_twin_entities{city="KR-BUSAN-2025",kind="object"}' in text
