"""Rights follow the caller, however the request is written (DTC-SEC-005)."""

import json

import pytest

from dtc_cli.harness.suite import Twin, verifies
from suites.security.support.requests import send
from suites.security.support.secret import Secret
from suites.security.support.spellings import PATHS, target_of

JSON = ("Content-Type", "application/json")
INTRUDER = json.dumps({"properties": {"name": "dtc intruder"}}).encode()
QUERIES = ("role=admin", "isAdmin=true", "as=admin", "admin=1", "user=admin", "sudo=true")


@verifies("DTC-SEC-005", negative=True, hazard="security")
@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"])
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("meant", ["DELETE", "PATCH", "PUT"])
def test_a_viewer_means_another_method(
    twin: Twin, secret: Secret, header: str, method: str, meant: str
) -> None:
    """Rights that are looked up by the method as sent, a route by the one that is meant."""
    body = INTRUDER if meant != "DELETE" else b"{}"
    send(twin, method, target_of(twin, secret.path), [*_viewer(twin), (header, meant), JSON], body)
    secret.judge_kept(f"{method} of a viewer with {header}: {meant}")


@verifies("DTC-SEC-005", negative=True, hazard="security")
@pytest.mark.parametrize("method", ["PUT", "MERGE", "delete", "patch"])
def test_a_method_that_a_table_of_rights_forgets(twin: Twin, secret: Secret, method: str) -> None:
    kept = json.dumps({"id": secret.id, **json.loads(INTRUDER)}).encode()
    send(twin, method, target_of(twin, secret.path), [*_viewer(twin), JSON], kept)
    secret.judge_kept(f"{method} of a viewer")


@verifies("DTC-SEC-005", negative=True, hazard="security")
@pytest.mark.parametrize("name", PATHS)
def test_a_viewer_deletes_by_no_spelling_of_the_path(twin: Twin, secret: Secret, name: str) -> None:
    send(twin, "DELETE", target_of(twin, secret.path, PATHS[name]), _viewer(twin))
    secret.judge_kept(f"DELETE of a viewer by a path with {name.replace('-', ' ')}")


@verifies("DTC-SEC-005", negative=True, hazard="security")
@pytest.mark.parametrize("query", QUERIES, ids=[text.partition("=")[0] for text in QUERIES])
def test_a_query_gives_no_rights(twin: Twin, secret: Secret, query: str) -> None:
    target = f"{target_of(twin, secret.path)}?{query}"
    send(twin, "PATCH", target, [*_viewer(twin), JSON], INTRUDER)
    secret.judge_kept(f"PATCH of a viewer with ?{query}")


def _viewer(twin: Twin) -> list[tuple[str, str]]:
    return [*twin.need_role("viewer").headers.items()]
