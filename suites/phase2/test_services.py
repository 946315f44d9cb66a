"""City services, their categories and states: DTC-P2-075, -076, -077."""

from typing import Any

import pytest

from dtc_cli.harness.suite import Blocked, NotApplicable, Twin, expect, quote, verifies
from suites.phase2.support.replies import refused
from suites.phase2.support_live import answered, body, ids, is_zoneless, listed, moment

CLAUSE = "P2 4.6"
SERVICES = "/cities/{city}/services"
LOOKED_AT = 5
"""Categories and services that are looked at one by one."""
COVERAGES = {
    "Point",
    "MultiPoint",
    "LineString",
    "MultiLineString",
    "Polygon",
    "MultiPolygon",
    "GeometryCollection",
    "Feature",
    "FeatureCollection",
}  # RFC 7946


@pytest.fixture(scope="module")
def services(twin: Twin) -> list[dict[str, Any]]:
    """The services that the city lists.

    Raises:
        Blocked: by DTC-P2-075 when there is no list, or its items have no ids.
        NotApplicable: when it is empty: the standard has no operation that creates a service.
    """
    answer = twin.rest.get(SERVICES)
    items = listed(answer, "services", "items", "data", "results")
    if items is None or not all(isinstance(item.get("id"), str) for item in items):
        raise Blocked("DTC-P2-075", f"there is no list of services (status {answer.status})")
    if len(set(ids(items))) < len(items):
        raise Blocked("DTC-P2-075", "two services have the same id")
    if not items:
        raise NotApplicable("the city lists no service, and the standard has no operation that creates one")
    return items


@verifies("DTC-P2-075")
def test_services_are_listed(twin: Twin) -> None:
    answer = twin.rest.get(SERVICES)
    answered(twin, answer, {200}, clause=CLAUSE)
    shown = expect.json_object(answer, clause=CLAUSE)
    expect.that(
        isinstance(shown.get("services"), list),
        "the answer has no services array",
        expected='{"services": [...]}',
        actual=shown,
        clause=CLAUSE,
    )


@verifies("DTC-P2-075", negative=True)
@pytest.mark.parametrize("member", ["id", "name", "category", "type", "status"])
def test_no_service_lacks(twin: Twin, member: str) -> None:
    shown = body(twin.rest.get(SERVICES)).get("services")
    lacking = [
        item
        for item in (shown if isinstance(shown, list) else [])
        if not isinstance(item, dict) or not isinstance(item.get(member), str) or not item[member]
    ]
    expect.equal(lacking[:2], [], f"a service has no {member}", clause=CLAUSE)


@verifies("DTC-P2-075", negative=True)
def test_no_two_services_share_an_id(twin: Twin) -> None:
    found = ids(listed(twin.rest.get(SERVICES), "services", "items", "data", "results") or [])
    twice = {service for service in found if found.count(service) > 1}
    expect.equal(sorted(twice), [], "two services have the same id", clause=CLAUSE)


@verifies("DTC-P2-075")
def test_coverage_is_geojson(twin: Twin, services: list[dict[str, Any]]) -> None:
    given = [service["coverage"] for service in services if service.get("coverage") is not None]
    if not given:
        raise NotApplicable("no service tells its coverage, and need not")
    wrong = [one for one in given if not isinstance(one, dict) or one.get("type") not in COVERAGES]
    expect.equal(wrong[:2], [], "the coverage of a service is no GeoJSON", clause=CLAUSE)


def categories(services: list[dict[str, Any]]) -> list[str]:
    """The categories that are listed.

    Raises:
        Blocked: by DTC-P2-075 when a service has none.
    """
    found = [service.get("category") for service in services]
    if not all(isinstance(category, str) and category for category in found):
        raise Blocked("DTC-P2-075", "a service has no category")
    return sorted({str(category) for category in found})[:LOOKED_AT]


def filtered(twin: Twin, category: str) -> list[dict[str, Any]]:
    """The services of ?category=..., a 400 or 404 for a category that nobody has taken as none."""
    answer = twin.rest.get(SERVICES, params={"category": category})
    if answer.status in (400, 404, 422):
        return []
    answered(twin, answer, clause=CLAUSE)
    items = listed(answer, "services", "items", "data", "results")
    expect.that(
        items is not None, f"?category={category} gives no list", actual=answer.excerpt(), clause=CLAUSE
    )
    return items or []


@verifies("DTC-P2-076")
def test_the_category_filter_finds_all(twin: Twin, services: list[dict[str, Any]]) -> None:
    for category in categories(services):
        wanted = {str(one["id"]) for one in services if one["category"] == category}
        missing = wanted - set(ids(filtered(twin, category)))
        now = listed(twin.rest.get(SERVICES), "services", "items", "data", "results") if missing else []
        missing &= set(ids(now or []))  # a service that has gone meanwhile is not missing
        expect.equal(sorted(missing), [], f"?category={category} leaves out services of it", clause=CLAUSE)


@verifies("DTC-P2-076", negative=True)
def test_the_category_filter_leaves_out_the_rest(twin: Twin, services: list[dict[str, Any]]) -> None:
    known = categories(services)
    begun = [category[:-1] for category in known[:1] if len(category) > 1]
    for category in (*known, *begun, "dtc-no-such-category"):
        strangers = [
            one
            for one in filtered(twin, category)
            if str(one.get("category", category)).casefold() != category.casefold()
        ]
        expect.equal(strangers[:2], [], f"?category={category} lists services of another one", clause=CLAUSE)


@verifies("DTC-P2-077")
def test_the_status_of_a_service(twin: Twin, services: list[dict[str, Any]]) -> None:
    for service in services[:LOOKED_AT]:
        answer = twin.rest.get(f"{SERVICES}/{quote(service['id'])}/status")
        answered(twin, answer, {200}, clause=CLAUSE)
        shown = expect.json_object(answer, clause=CLAUSE)
        named = shown.get("id", shown.get("serviceId"))
        expect.equal(named, service["id"], "the status does not name the service", clause="P2 4.6, C-51")
        expect.that(
            isinstance(shown.get("status"), str) and shown["status"] != "",
            "the status of a service is missing",
            expected="status: a word",
            actual=shown,
            clause="P2 4.6, C-51",
        )


@verifies("DTC-P2-077")
def test_the_status_is_that_of_the_list(twin: Twin, services: list[dict[str, Any]]) -> None:
    def listing() -> dict[str, Any]:
        items = listed(twin.rest.get(SERVICES), "services", "items", "data", "results") or []
        return {str(item.get("id")): item.get("status") for item in items}

    for service in services[:LOOKED_AT]:
        before = listing().get(service["id"])
        shown = body(twin.rest.get(f"{SERVICES}/{quote(service['id'])}/status")).get("status")
        if shown is None or before is None:
            raise Blocked("DTC-P2-075", "the status is missing in one of the places")
        expect.that(
            shown in (before, listing().get(service["id"])),
            f"the status of {service['id']} is not that of the list",
            expected=before,
            actual=shown,
            clause=CLAUSE,
        )


@verifies("DTC-P2-077", negative=True)
def test_the_status_of_an_unknown_service(twin: Twin, services: list[dict[str, Any]]) -> None:
    answer = twin.rest.get(f"{SERVICES}/dtc-no-such-service/status")
    refused(answer, {404}, clause="P2 4.6, C-34", message="the status of an unknown service is answered")


@verifies("DTC-P2-077", negative=True)
def test_an_instant_in_a_status_is_one(twin: Twin, services: list[dict[str, Any]]) -> None:
    shown = body(twin.rest.get(f"{SERVICES}/{quote(services[0]['id'])}/status"))
    given = shown.get("lastUpdated")
    if given is None or is_zoneless(given):
        raise NotApplicable("the status gives no lastUpdated (its zone is the matter of DTC-P2-107)")
    expect.that(moment(given) is not None, "lastUpdated is no instant", actual=given, clause="C-51")
