"""Text is data: in paths and queries (DTC-SEC-009), in bodies and names of filters (DTC-SEC-010)."""

from collections.abc import Callable
from typing import Any

import pytest

from dtc_cli.harness.suite import Answer, NotTested, Twin, expect, quote, verifies
from suites.phase2.support.lists import OBJECTS, items_of
from suites.phase2.support.queries import stored
from suites.phase2.support.values import within
from suites.security.support.injections import DELAY_MAX_S, OPERATORS, SLOW, SQL, judge_harmless, seconds
from suites.security.support.secret import CLAUSE, Secret

TEXTS = SQL | OPERATORS
PLACES = ("type", "bounds", "limit", "offset", "properties.name", "sort", "updatedSince", "name")
COUNTS = ("type", "properties.name")
"""Filters of the standard whose value matches nothing that exists: whatever they find is too much."""
OTHER_PATHS = {
    "city": "/cities/{text}",
    "sensor": "/cities/{{city}}/sensors/{text}",
    "data": "/cities/{{city}}/sensors/{text}/data",
    "simulation": "/cities/{{city}}/simulations/{text}",
    "service": "/cities/{{city}}/services/{text}",
    "history": "/cities/{{city}}/objects/{text}/history",
    "snapshot": "/cities/{{city}}/snapshots/{text}",
}


@verifies("DTC-SEC-009", hazard="security")
def test_an_object_is_read_by_its_id(twin: Twin, secret: Secret) -> None:
    answer = twin.rest.get(secret.path)
    expect.that(
        answer.ok, "an object is not read by its id", expected=200, actual=answer.status, clause=CLAUSE
    )


@verifies("DTC-SEC-009", negative=True, hazard="security")
@pytest.mark.parametrize("name", TEXTS)
def test_text_as_an_id(twin: Twin, secret: Secret, name: str) -> None:
    answer = twin.rest.get(f"{OBJECTS}/{quote(TEXTS[name])}")
    judge_harmless(answer, f"an id with {name}", clause=CLAUSE)
    expect.that(
        not answer.ok,
        "an id that nobody has is found",
        expected=404,
        actual=answer.excerpt(160),
        clause=CLAUSE,
    )
    secret.judge_kept(f"reading an id with {name}")


@verifies("DTC-SEC-009", negative=True, hazard="security")
@pytest.mark.parametrize("method", ["DELETE", "PATCH"])
@pytest.mark.parametrize("name", ["quote", "comment", "percent", "stacked", "not-equal"])
def test_a_change_of_an_id(twin: Twin, secret: Secret, method: str, name: str) -> None:
    """A condition that is always true would change what is not meant; an object of the run shows it."""
    options: dict[str, Any] = {"json": {"properties": {"name": "dtc intruder"}}} if method == "PATCH" else {}
    wanted = twin.scratch.new_id() + TEXTS[name].removeprefix("x")
    path = f"{OBJECTS}/{quote(wanted)}"
    answer = twin.rest.request(method, path, **options)
    judge_harmless(answer, f"{method} of an id with {name}", clause=CLAUSE)
    secret.judge_kept(f"{method} of an id with {name}")


@verifies("DTC-SEC-009", negative=True, hazard="security")
@pytest.mark.parametrize("place", OTHER_PATHS)
@pytest.mark.parametrize("name", ["quote", "union", "stacked", "not-equal"])
def test_text_in_another_path(twin: Twin, place: str, name: str) -> None:
    path = OTHER_PATHS[place].format(text=quote(TEXTS[name]))
    judge_harmless(twin.rest.get(path), f"{place} with {name}", clause=CLAUSE)


@verifies("DTC-SEC-009", negative=True, hazard="security")
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", TEXTS)
def test_text_in_the_query(twin: Twin, secret: Secret, place: str, name: str) -> None:
    answer = twin.rest.get(OBJECTS, params={place: TEXTS[name]})
    judge_harmless(answer, f"{place} with {name}", clause=CLAUSE)
    if place in COUNTS and answer.ok:
        found = items_of(answer) or ()
        expect.that(
            not found,
            f"{place} with {name} finds objects: the text widens the query (CWE-89, API8:2023)",
            expected="no object, or 400",
            actual=f"{len(found)} objects",
            clause=CLAUSE,
        )
    if name.startswith("stacked"):
        secret.judge_kept(f"{place} with {name}")


@verifies("DTC-SEC-009", negative=True, hazard="security")
@pytest.mark.parametrize("place", ["id", "type", "properties.name"])
@pytest.mark.parametrize("name", SLOW)
def test_no_shift_in_time(twin: Twin, place: str, name: str) -> None:
    text = SLOW[name]
    ask: Callable[[], Answer] = (
        (lambda: twin.rest.get(f"{OBJECTS}/{quote(text)}"))
        if place == "id"
        else (lambda: twin.rest.get(OBJECTS, params={place: text, "limit": 1}))
    )
    _judge_time(twin, ask, lambda: twin.rest.get(OBJECTS, params={"limit": 1}), f"{place} with a delay")


@verifies("DTC-SEC-010", hazard="security")
@pytest.mark.parametrize("name", TEXTS)
def test_text_in_a_body_is_kept_literally(twin: Twin, secret: Secret, name: str) -> None:
    """Kept as it was sent, or refused with a 4xx; never changed."""
    answer = twin.scratch.post(twin.scratch.body(name=f"dtc {TEXTS[name]}"))
    judge_harmless(answer, f"a name with {name}", clause=CLAUSE)
    if answer.ok and answer.is_json:
        kept = stored(twin, str(answer.json().get("id")))
        expect.equal(
            within(kept, "properties", "name"),
            f"dtc {TEXTS[name]}",
            "text did not come back as sent",
            clause=CLAUSE,
        )
    secret.judge_kept(f"a name with {name}")


@verifies("DTC-SEC-010", negative=True, hazard="security")
@pytest.mark.parametrize(
    "member", ["type", "id", "properties.status", "geometry.type"], ids=["type", "id", "status", "geometry"]
)
@pytest.mark.parametrize("name", ["quote", "stacked", "union", "not-equal"])
def test_text_in_a_member(twin: Twin, secret: Secret, member: str, name: str) -> None:
    body = twin.scratch.body()
    first, _, second = member.partition(".")
    if second:
        body[first] = {**body[first], second: TEXTS[name]}
    else:
        body[first] = TEXTS[name]
    judge_harmless(twin.scratch.post(body), f"{member} with {name}", clause=CLAUSE)
    secret.judge_kept(f"{member} with {name}")


@verifies("DTC-SEC-010", negative=True, hazard="security")
@pytest.mark.parametrize("operator", ["$ne", "$gt", "$where", "$regex"], ids=["ne", "gt", "where", "regex"])
def test_an_operator_in_place_of_a_value(twin: Twin, secret: Secret, operator: str) -> None:
    bodies = [
        {"location": {operator: ""}, "radius": 10},
        {"location": twin.scratch.geometry("Point"), "radius": {operator: 0}},
        {"location": twin.scratch.geometry("Point"), "radius": 10, "type": {operator: ""}},
    ]
    for body in bodies:
        answer = twin.rest.post("/cities/{city}/spatial/nearby", json=body)
        judge_harmless(answer, f"a search with {operator}", clause=CLAUSE)
    secret.judge_kept(f"a search with {operator}")


@verifies("DTC-SEC-010", negative=True, hazard="security")
@pytest.mark.parametrize(
    "name",
    [
        "a'b",
        'a"b',
        "a') OR ('1'='1",
        "name') --",
        "$where",
        "name[$ne]",
        "__proto__",
        "a;DROP TABLE objects",
        "a\\",
    ],
    ids=["quote", "double-quote", "or", "comment", "where", "bracket", "proto", "stacked", "backslash"],
)
def test_text_as_the_name_of_a_filter(twin: Twin, secret: Secret, name: str) -> None:
    answer = twin.rest.get(OBJECTS, params={f"properties.{name}": "dtc-nothing"})
    judge_harmless(answer, f"a filter named {name}", clause=CLAUSE)
    secret.judge_kept(f"a filter named {name}")


@verifies("DTC-SEC-010", negative=True, hazard="security")
@pytest.mark.parametrize("name", SLOW)
def test_no_shift_in_time_by_a_body(twin: Twin, name: str) -> None:
    text = SLOW[name]
    _judge_time(
        twin,
        lambda: twin.scratch.post({**twin.scratch.body(), "type": text}),
        lambda: twin.scratch.post({**twin.scratch.body(), "type": "dtc-unknown"}),
        "a type with a delay",
    )


def _judge_time(twin: Twin, ask: Callable[[], Answer], plain: Callable[[], Answer], what: str) -> None:
    """A delay counts when it comes twice and the same request without the text is quick each time."""
    took = seconds(twin, ask)
    if took <= DELAY_MAX_S:
        return
    usual, again, after = seconds(twin, plain), seconds(twin, ask), seconds(twin, plain)
    if max(usual, after) > DELAY_MAX_S / 2:
        raise NotTested("the target is slow without the text as well")
    expect.that(
        again <= DELAY_MAX_S,
        f"{what} delays the answer: text reaches a query (CWE-89, API8:2023)",
        expected=f"at most {DELAY_MAX_S:g} s, as without it ({usual:.1f} s)",
        actual=f"{took:.1f} s and {again:.1f} s",
        clause=CLAUSE,
    )
