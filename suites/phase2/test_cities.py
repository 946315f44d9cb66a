"""The city resource: DTC-P2-001, -003, -004, -006, -007, and its part of -008."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from dtc_cli.harness.suite import Answer, Blocked, Tolerated, Twin, Violation, expect, quote, verifies
from suites.phase2.support.operations import Operations
from suites.phase2.support.records import errors_of
from suites.phase2.support.replies import BAD_REQUEST, admitted, code_of, refused, served
from suites.phase2.support.values import differences, same, within
from suites.phase2.support_live import is_zoneless

CITY = "/cities/{city}"
BASE = "/digital-twin-city/v1"  # P2 4.1
MEMBERS = ("cityId", "name", "bounds", "coordinateSystem", "statistics", "lastUpdated")
STANDING = ("cityId", "name", "bounds", "coordinateSystem")
"""Members that stay; statistics, instants and what a target adds may move by themselves."""
COUNTS = ("totalObjects", "buildings", "roads", "sensors")
FRAME_RULES = frozenset(f"DTC-P1-{number:03}" for number in (13, 14, 15, 16, 17, 18, 40, 41))
PATCHES: dict[str, dict[str, Any]] = {
    "description": {"metadata": {"description": "dtc test description"}},
    "frequency": {"metadata": {"updateFrequency": "1hour"}},
    "unicode": {"metadata": {"description": "서울 디지털 트윈 — dtc 🏙️"}},
    "both": {"metadata": {"description": "dtc both", "updateFrequency": "5min"}},
    "printed-example": {
        "metadata": {"description": "Seoul Metropolitan Digital Twin Platform", "updateFrequency": "1min"}
    },
}
ODD_IDS = {
    "small-word": "seoul",
    "short-year": "KR-SEOUL-25",
    "no-country": "SEOUL-2025",
    "trailing": "{city}x",
    "underscores": "KR_SEOUL_2025",
    "space": "KR-SEOUL-2025%20",
}


@pytest.fixture
def restored(twin: Twin) -> Iterator[dict[str, Any]]:
    """The city as it is, whose metadata is put back afterwards; the way back is journalled first."""
    twin.need_hazard("write")
    before = city_of(twin)
    metadata = before.get("metadata")
    old = metadata if isinstance(metadata, Mapping) else {}
    back = {"metadata": {name: old.get(name) for name in ("description", "updateFrequency")}}
    twin.journal.plan("city metadata", "PATCH", CITY, back)
    yield before
    if twin.rest.patch(CITY, json=back).ok:
        twin.journal.done("city metadata")


@verifies("DTC-P2-001")
@pytest.mark.parametrize(
    "path", [CITY, f"{CITY}/objects", f"{CITY}/statistics"], ids=["city", "objects", "statistics"]
)
def test_resources_below_the_base(twin: Twin, operations: Operations, path: str) -> None:
    answer = twin.rest.get(path)
    admitted(answer)
    if answer.status == 404 and code_of(answer) == "CITY_NOT_FOUND":
        raise Blocked("DTC-P2-003", "the city of the target file is not known")
    if path != CITY and not operations.is_routed(answer):
        raise Blocked("DTC-P2-106", f"{path} is not routed")
    expect.that(
        answer.status != 404,
        "the resource is not served below the base URL",
        expected=f"an answer of {twin.rest.base_url}{path}",
        actual=f"status {answer.status}",
        clause="P2 4.1, C-53",
    )


@verifies("DTC-P2-001")
def test_base_ends_as_printed(twin: Twin) -> None:
    expect.that(
        twin.rest.base_url.rstrip("/").endswith(BASE),
        "the base URL has another end than the standard prints",
        expected=f"a URL that ends in {BASE}",
        actual=twin.rest.base_url,
        clause="P2 4.1",
    )


@verifies("DTC-P2-001", negative=True)
@pytest.mark.parametrize(
    "prefix", ["", "/digital-twin-city", "/v1"], ids=["origin", "no-version", "version-alone"]
)
@pytest.mark.parametrize("tail", ["", "/objects"], ids=["city", "objects"])
def test_nothing_outside_the_base(twin: Twin, prefix: str, tail: str) -> None:
    answer = twin.rest.get(f"{prefix}{CITY}{tail}", absolute=True)
    # A page for people that the origin gives for any path is none of the resources.
    expect.that(
        not (answer.ok and answer.is_json and is_resource(answer.json())),
        "the resources are served outside the base URL as well",
        expected="status 404",
        actual=f"status {answer.status}, body {answer.excerpt()}",
        clause="P2 4.1, C-53",
    )


@verifies("DTC-P2-003")
def test_city_is_described(twin: Twin) -> None:
    answer = twin.rest.get(CITY)
    served(answer, {200}, clause="P2 4.2")
    body = expect.json_object(answer, clause="P2 4.2")
    expect.members(body, MEMBERS, what="the city", clause="P2 4.2")
    empty = [name for name in MEMBERS if body[name] is None]
    expect.equal(empty, [], "members of the city are null", clause="P2 4.2")
    told = body["lastUpdated"]
    if not is_zoneless(told):  # a missing zone is DTC-P2-107's
        expect.instant(told, what="lastUpdated of the city", clause="P2 4.2, P1 7.1 VAL-004")


@verifies("DTC-P2-003")
@pytest.mark.parametrize("name", ["cityId", "name"])
def test_member_of_the_city(twin: Twin, name: str) -> None:
    value = city_of(twin).get(name)
    expect.that(
        isinstance(value, str) and value != "",
        f"{name} of the city is no text",
        expected="a non-empty string",
        actual=value,
        clause="P2 4.2",
    )
    if name == "cityId":
        expect.equal(value, twin.rest.city, "the city is another than in the path", clause="P2 4.2")


@verifies("DTC-P2-003", negative=True)
def test_frame_breaks_no_rule(twin: Twin) -> None:
    """No open ring, no other geometry than a Polygon, no unknown system, no position beyond the degrees."""
    body = city_of(twin)
    frame: dict[str, Any] = {name: body[name] for name in ("bounds", "coordinateSystem") if name in body}
    if len(frame) < 2:
        raise Violation(
            "the city lacks bounds or coordinateSystem",
            expected="both",
            actual=", ".join(sorted(body)),
            clause="P2 4.2",
        )
    for finding in errors_of(twin, frame):
        if finding.requirement in FRAME_RULES:
            raise Violation(
                f"the frame of the city breaks {finding.requirement}: {finding.message}",
                expected="bounds and coordinateSystem as phase 1 has them",
                actual=expect.show(frame),
                clause="P1 3.1, 3.2.2",
            )


@verifies("DTC-P2-003", negative=True)
def test_another_city_is_not_served_for_it(twin: Twin) -> None:
    other = twin.target.other_city
    if other is None:
        expect.equal(city_of(twin).get("cityId"), twin.rest.city, "another city came", clause="P2 4.2")
        return
    role = "other_city" if "other_city" in twin.credentials.roles else "admin"
    answer = twin.rest.get(f"/cities/{quote(other)}", as_=role)
    told = answer.json().get("cityId") if answer.ok and answer.is_json else other
    expect.equal(told, other, "the second city is answered with another one", clause="P2 4.2")


@verifies("DTC-P2-004")
@pytest.mark.parametrize("name", COUNTS)
def test_count_of_the_city(twin: Twin, name: str) -> None:
    block = statistics_of(twin)
    expect.members(block, (name,), what="statistics of the city", clause="P2 4.2")
    expect.that(
        counts(block[name]),
        f"statistics.{name} is no count",
        expected="a non-negative integer",
        actual=block[name],
        clause="P2 4.2",
    )


@verifies("DTC-P2-004", negative=True)
def test_no_other_form_of_counts(twin: Twin) -> None:
    """Neither text, nor fractions, nor numbers below zero, nor null."""
    block = statistics_of(twin)
    wrong = {name: block[name] for name in COUNTS if name in block and not counts(block[name])}
    expect.equal(wrong, {}, "statistics hold values that are no counts", clause="P2 4.2")


@verifies("DTC-P2-006")
def test_well_formed_city_id(twin: Twin) -> None:
    expect.equal(city_of(twin).get("cityId"), twin.rest.city, "another city came", clause="P2 4.2")


@verifies("DTC-P2-006", negative=True)
@pytest.mark.parametrize("name", [*ODD_IDS, "small-letters"])
def test_malformed_city_id(twin: Twin, name: str) -> None:
    path = "/cities/" + (twin.rest.city.lower() if name == "small-letters" else ODD_IDS[name])
    answer = twin.rest.get(path)
    codes = {"CITY_NOT_FOUND"} if answer.status == 404 else {"INVALID_CITY_DATA"}
    refused(answer, {400, 404, 422}, codes, clause="P1 7.1 VAL-001, C-31")


@verifies("DTC-P2-007", hazard="write")
@pytest.mark.parametrize("name", PATCHES)
def test_patch_of_the_city(twin: Twin, restored: dict[str, Any], name: str) -> None:
    del restored
    served(twin.rest.patch(CITY, json=PATCHES[name]), clause="P2 4.2, C-39")
    found = city_of(twin).get("metadata")
    same(PATCHES[name]["metadata"], found, "the patched metadata", clause="P2 4.2, C-38")


@verifies("DTC-P2-007", hazard="write", negative=True)
def test_null_in_a_patch_of_the_city_removes(twin: Twin, restored: dict[str, Any]) -> None:
    """Null removes a member (RFC 7396); a target that shows what it does not have as null is as right."""
    del restored
    patched(twin, {"metadata": {"description": "dtc to be removed"}})
    if within(city_of(twin), "metadata", "description") != "dtc to be removed":
        raise Violation("the patched metadata is not visible", clause="P2 4.2, C-38")
    answer = twin.rest.patch(CITY, json={"metadata": {"description": None}})
    if answer.status in {400, 422}:
        raise Tolerated(
            "a member of the city cannot be removed by null",
            expected="the member removed",
            actual=f"status {answer.status}",
            clause="C-38",
        )
    served(answer, clause="P2 4.2, C-39")
    left = within(city_of(twin), "metadata", "description")
    expect.that(
        left in (None, ""),
        "null in a PATCH does not remove the member",
        expected="no description",
        actual=left,
        clause="C-38",
    )


@verifies("DTC-P2-007", hazard="write", negative=True)
@pytest.mark.parametrize("name", ["word", "small-letters", "with-more"])
def test_bad_city_id_cannot_be_patched_in(twin: Twin, restored: dict[str, Any], name: str) -> None:
    bodies: dict[str, dict[str, Any]] = {
        "word": {"cityId": "bad"},
        "small-letters": {"cityId": twin.rest.city.lower()},
        "with-more": {"cityId": "bad", "metadata": {"description": "dtc must not stay"}},
    }
    answer = twin.rest.patch(CITY, json=bodies[name])
    refused(answer, BAD_REQUEST, {"INVALID_CITY_DATA"}, clause="P2 9.2, C-31")
    after = city_of(twin)
    expect.equal(after.get("cityId"), restored.get("cityId"), "the PATCH changed the cityId", clause="P2 4.2")
    expect.equal(
        within(after, "metadata", "description"),
        within(restored, "metadata", "description"),
        "the refused PATCH was applied in part",
        clause="P2 4.2",
    )


@verifies("DTC-P2-008", hazard="write")
@pytest.mark.parametrize("name", ["description", "frequency"])
def test_other_members_of_the_city_stay(twin: Twin, restored: dict[str, Any], name: str) -> None:
    """Siblings in metadata and the members beside it stay; instants and counts move by themselves."""
    patched(twin, {"metadata": {"description": "dtc before", "updateFrequency": "5min"}})
    patched(twin, PATCHES[name])
    after = city_of(twin)
    kept = "updateFrequency" if name == "description" else "description"
    wanted = {"updateFrequency": "5min", "description": "dtc before"}[kept]
    expect.equal(
        within(after, "metadata", kept), wanted, f"the PATCH changed metadata.{kept} too", clause="C-38"
    )
    erased = sorted(set(restored) - set(after))
    expect.equal(erased, [], "the PATCH erased members that it does not name", clause="C-38")
    before = {key: restored[key] for key in STANDING if key in restored}
    same(copy.deepcopy(before), after, "a member that the PATCH does not name", clause="C-38")


def is_resource(body: Any) -> bool:
    """Whether an answer is a city or a list of objects."""
    return isinstance(body, list) or (
        isinstance(body, Mapping)
        and (
            bool({"cityId", "bounds"} & set(body)) or any(isinstance(value, list) for value in body.values())
        )
    )


def city_of(twin: Twin) -> dict[str, Any]:
    """The city resource.

    Raises:
        Blocked: by DTC-P2-003 when it cannot be read.
    """
    answer = twin.rest.get(CITY)
    admitted(answer)
    body = answer.json() if answer.ok and answer.is_json else None
    if not isinstance(body, dict):
        raise Blocked("DTC-P2-003", f"the city cannot be read (status {answer.status})")
    return body


def statistics_of(twin: Twin) -> dict[str, Any]:
    """The statistics block of the city resource."""
    block = city_of(twin).get("statistics")
    if block is None:
        raise Blocked("DTC-P2-003", "the city has no statistics")
    if not isinstance(block, dict):
        raise Violation("statistics is no object", actual=expect.show(block), clause="P2 4.2")
    return block


def counts(value: object) -> bool:
    """Whether a JSON value is a non-negative integer; 5.0 is the integer 5."""
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 and value == int(value)
    )


def patched(twin: Twin, change: dict[str, Any]) -> Answer:
    """PATCH the city as a means to judge what stays.

    Raises:
        Blocked: by DTC-P2-007 when it is not served or not visible.
    """
    answer = twin.rest.patch(CITY, json=change)
    admitted(answer)
    if not answer.ok or any(differences(change["metadata"], city_of(twin).get("metadata"))):
        raise Blocked("DTC-P2-007", f"the city cannot be patched (status {answer.status})")
    return answer
