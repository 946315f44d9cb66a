"""Text is data: in paths and queries (DTC-SEC-009), in bodies and names of filters (DTC-SEC-010)."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from dtc_cli.harness.suite import Answer, NotTested, Twin, expect, quote, verifies
from suites.phase2.support.lists import OBJECTS, items_of
from suites.phase2.support.queries import stored
from suites.phase2.support.values import within
from suites.phase3.support import readings
from suites.security.support.injections import DELAY_MAX_S, OPERATORS, SLOW, SQL, judge_harmless, seconds
from suites.security.support.secret import CLAUSE, Secret

TEXTS = SQL | OPERATORS
PLACES = ("type", "bounds", "limit", "offset", "properties.name", "sort", "updatedSince", "name")
PAIRS = 3
OTHER_QUERIES = {
    "sensors": ("/cities/{city}/sensors", ("type", "limit", "status", "parameter")),
    "cities": ("/cities", ("name", "limit", "country")),
    "data": ("/cities/{city}/sensors/{sensor}/data", ("start", "end", "parameter", "limit")),
    "aggregation": ("/cities/{city}/sensors/aggregate", ("parameter", "function", "interval", "start")),
    "history": ("/cities/{city}/objects/{object}/history", ("start", "end", "limit")),
    "services": ("/cities/{city}/services", ("type", "status")),
}
FILES = ("../../../../etc/passwd", "..%2f..%2f..%2f..%2fetc%2fpasswd", "/etc/passwd", "file:///etc/passwd")
CANARY_S = 3.0
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
DELAYED = {name: OTHER_PATHS[name] for name in ("city", "sensor", "data", "history", "snapshot")}


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
@pytest.mark.parametrize("place", OTHER_QUERIES)
@pytest.mark.parametrize("name", ["quote", "union", "stacked", "not-equal", "percent"])
def test_text_in_another_query(twin: Twin, secret: Secret, place: str, name: str) -> None:
    path, names = OTHER_QUERIES[place]
    wanted = path.replace("{object}", quote(secret.id))
    if "{sensor}" in wanted:
        wanted = wanted.replace("{sensor}", quote(readings.sensor(twin, "live")))
    for one in names:
        answer = twin.rest.get(wanted, params={one: TEXTS[name]})
        judge_harmless(answer, f"{one} of {place} with {name}", clause=CLAUSE)
    secret.judge_kept(f"a query of {place} with {name}")


@verifies("DTC-SEC-009", negative=True, hazard="security")
@pytest.mark.parametrize("name", ["up", "encoded", "absolute", "file"])
def test_no_file_of_the_server_is_read(twin: Twin, name: str) -> None:
    text = FILES[["up", "encoded", "absolute", "file"].index(name)]
    for path in (f"{OBJECTS}/{quote(text)}", f"/cities/{{city}}/snapshots/{quote(text)}", f"/{quote(text)}"):
        answer = twin.rest.get(path)
        judge_harmless(answer, f"a path with {text}", clause=CLAUSE)
        expect.that(
            b"root:x:0:0" not in answer.body,
            "a file of the server is read by its path (CWE-22, API8:2023)",
            expected="404 or 400",
            actual=answer.excerpt(120),
            clause=CLAUSE,
        )


@verifies("DTC-SEC-009", negative=True, hazard="security")
@pytest.mark.parametrize("operator", ["$ne", "$nin", "$not"])
def test_an_operator_in_the_name_of_a_filter(twin: Twin, operator: str) -> None:
    """`type[$ne]=Building`: where it is carried out, exactly the objects of that type are missing."""
    plain = items_of(twin.rest.get(OBJECTS, params={"limit": 50})) or ()
    if not plain:
        raise NotTested("the city shows no objects")
    kind = plain[0].get("type")
    answer = twin.rest.get(OBJECTS, params={f"type[{operator}]": str(kind), "limit": 50})
    judge_harmless(answer, f"a filter named type[{operator}]", clause=CLAUSE)
    found = (items_of(answer) or ()) if answer.ok else ()
    expect.that(
        not found or any(one.get("type") == kind for one in found),
        f"type[{operator}] is carried out as an operator (CWE-943, API8:2023)",
        expected="400, an unknown filter ignored, or no object",
        actual=f"{len(found)} objects, none of them {kind}",
        clause=CLAUSE,
    )


@verifies("DTC-SEC-009", negative=True, hazard="security")
@pytest.mark.parametrize("place", ["id", "type", "properties.name", "sort", *DELAYED])
@pytest.mark.parametrize("name", SLOW)
def test_no_shift_in_time(twin: Twin, place: str, name: str) -> None:
    text = SLOW[name]

    def ask() -> Answer:
        if place == "id":
            return twin.rest.get(f"{OBJECTS}/{quote(text)}")
        if place in DELAYED:
            return twin.rest.get(DELAYED[place].format(text=quote(text)))
        return twin.rest.get(OBJECTS, params={place: text, "limit": 1})

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
@pytest.mark.parametrize("place", ["object", "sensor", "simulation", "import"])
def test_no_address_in_a_body_is_fetched(twin: Twin, place: str) -> None:
    """An address of a listener of the run, wherever a body may hold one: it is data, and stays unvisited."""
    mark = f"/dtc-{twin.run_id[-12:]}-{place}"
    url = twin.canary.url + mark
    links = dict.fromkeys(("url", "href", "source", "callback", "webhook", "image", "documentation"), url)
    if place == "object":
        twin.scratch.post(twin.scratch.body(**links, model={"href": url}))
    elif place == "sensor":
        twin.scratch.post_sensor(twin.scratch.sensor_body(**links, firmware=url))
    elif place == "simulation":
        parameters = {"event": "dtc", "expectedAttendance": 10, **links}
        twin.scratch.post_simulation({"type": "CrowdDynamics", "parameters": parameters})
    else:
        twin.rest.post("/cities/{city}/import", json={**links, "format": "geojson"})
    heard = twin.canary.heard((mark,), CANARY_S)
    expect.that(
        not heard,
        "the target fetches an address that a body names (CWE-918, API7:2023)",
        expected="nobody comes to the listener of the run",
        actual=heard[:3],
        clause=CLAUSE,
        hint="an attacker reaches what only the server may: allow named hosts alone, or fetch nothing",
    )


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
    """A delay counts when it comes each time, and never without the text.

    After a first slow answer, `PAIRS` requests without and with the text alternate. That all with it are
    slower than all without has, by chance, the probability 1 / C(2n, n) (rank test, one-sided).
    """
    if seconds(twin, ask) <= DELAY_MAX_S:
        return
    usual, shifted = [], []
    for _ in range(PAIRS):
        usual.append(seconds(twin, plain))
        shifted.append(seconds(twin, ask))
        if shifted[-1] <= DELAY_MAX_S:
            return  # once is a pause of the target's, or of the network's
        if usual[-1] > DELAY_MAX_S / 2:
            raise NotTested("the target is slow without the text as well")
    chance = 1 / math.comb(2 * PAIRS, PAIRS)
    expect.that(
        min(shifted) <= max(usual) + DELAY_MAX_S / 2,
        f"{what} delays the answer: text reaches a query (CWE-89, API8:2023)",
        expected=f"at most {DELAY_MAX_S:g} s, as without it ({' '.join(f'{one:.1f}' for one in usual)} s)",
        actual=f"{' '.join(f'{one:.1f}' for one in shifted)} s; by chance p = {chance:.2f}",
        clause=CLAUSE,
    )
