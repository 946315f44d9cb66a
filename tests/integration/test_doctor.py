"""The preflight against real servers: set-up mistakes are red, faults of the target are not."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import msgspec
import pytest

from dtc_cli.core.model import Level
from dtc_cli.core.target import Target, parse
from dtc_cli.errors import DtcError
from dtc_cli.harness.doctor import Diagnosis, examine, refuse
from tests.support.spoilt import CITY, answer, serving


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Target]:
    def make(origin: str, more: str = "") -> Target:
        text = (
            "dtc: 1\ntarget: {name: a, vendor: b, version: c}\ncity: KR-BUSAN-2025\n"
            f"rest: {{base_url: '{origin}/v1', timeout_s: 2}}\n"
            f"auth: {{api_keys: {{admin: admin-key-1, viewer: viewer-key-1}}}}\n{more}"
        )
        return parse(text, source="target.yaml", folder=tmp_path)

    return make


def statuses(diagnosis: Diagnosis) -> dict[str, str]:
    return {check.check: check.status for check in diagnosis.checks}


def healthy(request: BaseHTTPRequestHandler) -> None:
    if request.command == "POST":
        answer(request, 201, {"id": "obj-1"})
    elif request.command == "DELETE":
        answer(request, 200, {})
    else:
        answer(request, 200, CITY, headers={"X-RateLimit-Limit": "1000"})


def test_a_healthy_target(read: Callable[..., Target]) -> None:
    with serving(healthy) as origin:
        found = examine(read(origin), Level.SILVER)
    assert found.red is None
    checks = statuses(found)
    assert checks["target"] == checks["clock"] == checks["viewer key"] == checks["write"] == "ok"
    assert found.skew_ms == 0
    refuse(found)


def test_what_is_created_is_deleted(read: Callable[..., Target]) -> None:
    seen: list[str] = []

    def watch(request: BaseHTTPRequestHandler) -> None:
        seen.append(f"{request.command} {request.path}")
        healthy(request)

    with serving(watch) as origin:
        examine(read(origin), Level.SILVER)
    assert seen[-1] == "DELETE /v1/cities/KR-BUSAN-2025/objects/obj-1"


def test_a_run_that_may_not_write_does_not_write(read: Callable[..., Target]) -> None:
    def no_post(request: BaseHTTPRequestHandler) -> None:
        assert request.command == "GET"
        healthy(request)

    with serving(no_post) as origin:
        found = examine(read(origin, "hazards: [read]\n"), Level.SILVER)
    assert statuses(found)["write"] == "skipped"


def test_an_unknown_viewer_key_is_red(read: Callable[..., Target]) -> None:
    def admin_only(request: BaseHTTPRequestHandler) -> None:
        if request.headers["X-API-Key"] == "admin-key-1":
            healthy(request)
        else:
            answer(request, 401, {"error": {"code": "INVALID_API_KEY"}})

    with serving(admin_only) as origin:
        found = examine(read(origin), Level.BRONZE)
    assert found.red is not None
    assert found.red.check == "viewer key"
    assert found.red.where.startswith("target.yaml:5")


def test_a_broken_create_is_left_to_the_suites(read: Callable[..., Target]) -> None:
    def broken(request: BaseHTTPRequestHandler) -> None:
        if request.command == "POST":
            answer(request, 500, b"oops", media="text/plain")
        else:
            healthy(request)

    with serving(broken) as origin:
        found = examine(read(origin), Level.SILVER)
    assert found.red is None
    assert statuses(found)["write"] == "warn"


@pytest.mark.parametrize(("minutes", "status"), [(0, "ok"), (2, "warn"), (-30, "fail")])
def test_the_clock(read: Callable[..., Target], minutes: int, status: str) -> None:
    def off(request: BaseHTTPRequestHandler) -> None:
        request.date_time_string = lambda timestamp=None: format_datetime(  # type: ignore[method-assign]
            datetime.now(UTC) + timedelta(minutes=minutes), usegmt=True
        )
        healthy(request)

    with serving(off) as origin:
        found = examine(read(origin), Level.BRONZE)
    assert statuses(found)["clock"] == status


def test_a_redirect_names_the_other_address(read: Callable[..., Target]) -> None:
    def moved(request: BaseHTTPRequestHandler) -> None:
        answer(request, 308, {}, headers={"Location": "https://other.example/v1"})

    with serving(moved) as origin, pytest.raises(DtcError) as caught:
        refuse(examine(read(origin), Level.BRONZE))
    assert caught.value.exit_code == 7
    assert "https://other.example/v1" in caught.value.what


def test_patterns_that_match_nothing_are_red(read: Callable[..., Target]) -> None:
    with serving(healthy) as origin:
        found = examine(read(origin, "documents: ['none/*.json']\n"), Level.BRONZE)
    assert statuses(found)["documents"] == "fail"


@pytest.mark.parametrize(
    ("command", "word"),
    [
        ("./not-there {file}", "no answer"),
        ("echo hello {file}", "does not answer with JSON"),
        ("false {file}", "exit code 1"),
        ("""printf '{"valid": "yes"}' {file}""", "boolean valid"),
    ],
)
def test_a_validator_that_is_none(read: Callable[..., Target], command: str, word: str) -> None:
    with serving(healthy) as origin:
        quoted = command.replace("'", "''")
        found = examine(read(origin, f"validator: {{command: '{quoted}'}}\n"), Level.BRONZE)
    red = found.red
    assert red is not None
    assert red.check == "validator"
    assert word in red.detail


def test_a_validator_whose_errors_name_no_place(read: Callable[..., Target]) -> None:
    said = '{"valid": false, "errors": [{"code": "ERR_MISSING_FIELD", "message": "no cityId"}]}'
    quoted = f"printf '{said}' {{file}}".replace("'", "''")
    with serving(healthy) as origin:
        found = examine(read(origin, f"validator: {{command: '{quoted}'}}\n"), Level.BRONZE)
    line = next(check for check in found.checks if check.check == "validator")
    assert line.status == "warn"
    assert "pointer" in line.detail


def test_a_level_that_needs_more_than_the_file_has(tmp_path: Path) -> None:
    text = "dtc: 1\ntarget: {name: a, vendor: b, version: c}\ncity: KR-BUSAN-2025\n"
    found = examine(parse(text, source="target.yaml", folder=tmp_path), Level.SILVER)
    assert found.red is not None
    assert "bronze needs documents or" in found.red.detail


def test_an_allowance_is_read_where_requests_are_counted(read: Callable[..., Target]) -> None:
    def counted(request: BaseHTTPRequestHandler) -> None:
        if request.command == "GET" and request.path.endswith("KR-BUSAN-2025"):
            answer(request, 200, CITY, headers={"x-RateLimit-limit": "900"})
        else:
            healthy(request)

    with serving(counted) as origin:
        found = examine(read(origin), Level.SILVER)
    assert "900 requests per window" in {check.detail for check in found.checks}


def test_a_client_identifier_may_be_short_and_a_secret_may_not(tmp_path: Path) -> None:
    def details(client: str, secret: str) -> str:
        text = (
            "dtc: 1\ntarget: {name: a, vendor: b, version: c}\ncity: KR-BUSAN-2025\n"
            "rest: {base_url: 'http://127.0.0.1:9/v1'}\nauth: {api_keys: {admin: admin-key-1}, oauth: "
            f"{{token_url: 'http://127.0.0.1:9/t', client_id: '{client}', client_secret: '{secret}'}}}}\n"
        )
        found = examine(parse(text, source="target.yaml", folder=tmp_path), Level.BRONZE)
        return " ".join(check.detail for check in found.checks)

    assert "fewer than" not in details("dtc", "long-enough")
    assert "auth.oauth.client_secret has fewer than 4" in details("dtc", "abc")


def test_a_secret_that_is_not_there_is_explained(tmp_path: Path) -> None:
    text = (
        "dtc: 1\ntarget: {name: a, vendor: b, version: c}\ncity: KR-BUSAN-2025\n"
        "rest: {base_url: 'http://127.0.0.1:9/v1'}\nauth: {api_keys: {admin: 'file:none.key'}}\n"
    )
    found = examine(parse(text, source="target.yaml", folder=tmp_path), Level.BRONZE)
    assert found.red is not None
    assert "none.key" in found.red.detail


@pytest.mark.parametrize(
    ("more", "check", "status"),
    [
        ("hazards: [write]\n", "hazards", "fail"),
        ("profile: {excluded: {DTC-P1-999: 'none of ours'}}\n", "profile", "fail"),
        ("profile: {excluded: {DTC-P1-001: 'we do without'}}\n", "profile", "warn"),
        ("sbom: none.json\n", "sbom", "fail"),
    ],
)
def test_claims_that_cannot_hold(read: Callable[..., Target], more: str, check: str, status: str) -> None:
    with serving(healthy) as origin:
        found = examine(read(origin, more), Level.BRONZE)
    assert statuses(found)[check] == status


def test_a_200_with_an_error_inside(read: Callable[..., Target]) -> None:
    def lies(request: BaseHTTPRequestHandler) -> None:
        answer(request, 200, {"error": {"code": "INTERNAL_ERROR", "message": "no"}})

    with serving(lies) as origin:
        found = examine(read(origin), Level.BRONZE)
    assert found.red is not None
    assert "no city" in found.red.detail


def test_a_ca_file_that_is_none(read: Callable[..., Target], tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("not a certificate")
    for name in ("ca.pem", "missing.pem", "."):
        with serving(healthy) as origin:
            text = f"{origin}/v1', ca: '{name}"
            target = read(origin)
            spoilt = parse(
                f"dtc: 1\ntarget: {{name: a, vendor: b, version: c}}\ncity: {target.city}\n"
                f"rest: {{base_url: '{text}'}}\nauth: {{api_keys: {{admin: admin-key-1}}}}\n",
                source="target.yaml",
                folder=tmp_path,
            )
            found = examine(spoilt, Level.BRONZE)
        assert found.red is not None
        assert "CA file" in found.red.detail


def test_a_server_that_fails_at_everything_is_red(read: Callable[..., Target]) -> None:
    def broken(request: BaseHTTPRequestHandler) -> None:
        answer(request, 500, {"error": {"code": "INTERNAL_ERROR"}})

    with serving(broken) as origin:
        found = examine(read(origin), Level.BRONZE)
    assert found.red is not None
    assert found.red.check == "target-misbehaves"
    assert "500 to all" in found.red.detail


def test_one_broken_place_is_left_to_the_suites(read: Callable[..., Target]) -> None:
    def broken(request: BaseHTTPRequestHandler) -> None:
        if request.path.endswith("/KR-BUSAN-2025"):
            answer(request, 500, {"error": {"code": "INTERNAL_ERROR"}})
        else:
            healthy(request)

    with serving(broken) as origin:
        found = examine(read(origin), Level.BRONZE)
    assert found.red is None
    assert statuses(found)["target"] == "warn"


def test_an_admin_key_that_may_not_create_is_named(read: Callable[..., Target]) -> None:
    def load_only(request: BaseHTTPRequestHandler) -> None:
        if request.command == "POST" and request.headers["X-API-Key"] == "admin-key-1":
            answer(request, 403, {"error": {"code": "FORBIDDEN"}})
        else:
            healthy(request)

    with serving(load_only) as origin:
        target = read(origin)
        keys = {**target.api_keys, "load": target.api_keys["viewer"]}
        found = examine(msgspec.structs.replace(target, api_keys=keys), Level.SILVER)
    write = next(check for check in found.checks if check.check == "write")
    assert (write.status, "admin key answers 403" in write.detail) == ("warn", True)
    assert "auth.api_keys.admin" in write.hint


def test_a_key_under_two_names_is_red_where_rights_are_judged(read: Callable[..., Target]) -> None:
    with serving(healthy) as origin:
        target = read(origin)
        same = msgspec.structs.replace(
            target, api_keys={**target.api_keys, "viewer": target.api_keys["admin"]}
        )
        assert statuses(examine(same, Level.BRONZE))["viewer key"] == "warn"
        found = examine(same, Level.SILVER)
    assert found.red is not None
    assert found.red.check == "viewer key"


def test_json_that_is_cut_off_is_called_that(read: Callable[..., Target]) -> None:
    with serving(lambda request: answer(request, 200, b'{"a":', media="application/json")) as origin:
        found = examine(read(origin), Level.BRONZE)
    assert found.red is not None
    assert "not valid JSON" in found.red.detail


def test_tls_asked_of_a_port_that_speaks_none(read: Callable[..., Target]) -> None:
    with serving(healthy) as origin:
        found = examine(read(origin.replace("http:", "https:")), Level.BRONZE)
    assert found.red is not None
    assert "speaks no TLS" in found.red.hint
