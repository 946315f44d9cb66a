"""A used up allowance is used up, whatever a request says about itself (DTC-SEC-017)."""

from collections.abc import Callable
from typing import Any

import pytest

from dtc_cli.harness.suite import Answer, Blocked, NotTested, Twin, expect, verifies
from suites.phase2.support.allowance import CITY, Allowance, Exhaustion
from suites.security.support.requests import Reply, base_path, send
from suites.security.support.secret import CLAUSE

EVASIONS: dict[str, dict[str, str]] = {
    "forwarded-for": {"X-Forwarded-For": "203.0.113.7"},
    "from-inside": {"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1"},
    "from-a-private-net": {"X-Forwarded-For": "10.0.0.7", "Forwarded": "for=10.0.0.7"},
    "session": {"Cookie": "session=dtc-other"},
    "token-beside": {"Authorization": "Bearer dtc-no-such-token"},
    "request-id": {"X-Request-ID": "dtc-other", "X-Correlation-ID": "dtc-other"},
    "uncached": {"Cache-Control": "no-cache", "Pragma": "no-cache"},
    "forwarded-for-list": {"X-Forwarded-For": "203.0.113.7, 203.0.113.8"},
    "forwarded": {"Forwarded": "for=203.0.113.7"},
    "real-ip": {"X-Real-IP": "203.0.113.7"},
    "client-ip": {"X-Client-IP": "203.0.113.7", "True-Client-IP": "203.0.113.7"},
    "cloud": {"CF-Connecting-IP": "203.0.113.7", "X-Azure-ClientIP": "203.0.113.7"},
    "cluster": {"X-Cluster-Client-IP": "203.0.113.7", "X-Originating-IP": "203.0.113.7"},
    "host": {"X-Forwarded-Host": "other.example"},
    "agent": {"User-Agent": "dtc-other/1.0"},
    "referer": {"Referer": "https://other.example/", "Origin": "https://other.example"},
}
PATHS = ("{city}?dtc=1", "{city}/", "{city}/objects", "{city}/statistics", "/{city}")


@verifies("DTC-SEC-017", hazard="security")
def test_the_limit_is_reached(allowance: Allowance) -> None:
    spent = allowance.used_up()
    if spent.refused is None:
        raise Blocked("DTC-P2-101", "the allowance could not be used up")
    expect.equal(spent.refused.status, 429, "a used up allowance is not refused", clause=CLAUSE)


@verifies("DTC-SEC-017", negative=True, hazard="security")
@pytest.mark.parametrize("name", EVASIONS)
def test_a_header_brings_no_new_allowance(twin: Twin, allowance: Allowance, name: str) -> None:
    spent = _spent(allowance)
    _judge(
        twin, spent, lambda: twin.rest.get(CITY, as_=spent.role, headers=EVASIONS[name], patient=False), name
    )


@verifies("DTC-SEC-017", negative=True, hazard="security")
@pytest.mark.parametrize("path", PATHS, ids=["query", "slash", "objects", "statistics", "doubled-slash"])
def test_a_path_brings_no_new_allowance(twin: Twin, allowance: Allowance, path: str) -> None:
    spent = _spent(allowance)
    asked = path.replace("{city}", CITY)
    _judge(twin, spent, lambda: twin.rest.get(asked, as_=spent.role, patient=False), f"the path {path}")


@verifies("DTC-SEC-017", negative=True, hazard="security")
@pytest.mark.parametrize("method", ["HEAD", "POST"])
def test_a_method_brings_no_new_allowance(twin: Twin, allowance: Allowance, method: str) -> None:
    spent = _spent(allowance)
    near: dict[str, Any] = {"location": twin.scratch.geometry("Point"), "radius": 10}

    def ask() -> Answer:
        if method == "HEAD":
            return twin.rest.request("HEAD", CITY, as_=spent.role, patient=False)
        return twin.rest.post(f"{CITY}/spatial/nearby", json=near, as_=spent.role, patient=False)

    _judge(twin, spent, ask, f"the method {method}")


@verifies("DTC-SEC-017", negative=True, hazard="security")
@pytest.mark.parametrize("count", [1, 8], ids=["fresh", "several"])
def test_a_connection_brings_no_new_allowance(twin: Twin, allowance: Allowance, count: int) -> None:
    """On connections of their own, each new; of several the last one is looked at."""
    spent = _spent(allowance)
    key = [*twin.credentials.role(spent.role).headers.items()]
    target = f"{base_path(twin)}{CITY.replace('{city}', twin.rest.city)}"

    def ask() -> Reply:
        return [send(twin, "GET", target, key) for _ in range(count)][-1]

    _judge(twin, spent, ask, f"{count} further connection(s)")


def _spent(allowance: Allowance) -> Exhaustion:
    spent = allowance.used_up()
    if spent.refused is None:
        raise Blocked("DTC-P2-101", "the allowance could not be used up")
    return spent


def _judge(twin: Twin, spent: Exhaustion, ask: Callable[[], Answer | Reply], what: str) -> None:
    """Served, while the plain request before and after is refused: then it was an evasion."""
    for _ in range(2):
        if not _refused_now(twin, spent):
            raise NotTested("the allowance of the key could not be used up again")
        answer = ask()
        if not 200 <= answer.status < 300:
            return
        if twin.rest.get(CITY, as_=spent.role, patient=False).status == 429:
            expect.that(
                False,
                f"{what} evades the limit of the key (CWE-799, API4:2023)",
                expected="429",
                actual=f"status {answer.status}",
                clause=CLAUSE,
            )
    raise NotTested("the window of the allowance ended during the check, twice")


def _refused_now(twin: Twin, spent: Exhaustion) -> bool:
    """Ask until the key is refused: its window may have begun anew."""
    for _ in range(2 * spent.allowance + 2):
        if twin.rest.get(CITY, as_=spent.role, patient=False).status == 429:
            return True
    return False
