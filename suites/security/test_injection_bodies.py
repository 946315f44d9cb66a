"""Text in bodies is data wherever it stands, now and in later queries (DTC-SEC-010)."""

import gzip
import json
from typing import Any

import pytest

from dtc_cli.harness.suite import Answer, Twin, expect, quote, verifies
from suites.phase2.support.lists import OBJECTS, items_of
from suites.phase2.support.queries import stored
from suites.phase2.support.values import within
from suites.phase3.support import readings
from suites.security.support.injections import OPERATORS, SQL, judge_harmless
from suites.security.support.requests import send
from suites.security.support.secret import CLAUSE, Secret
from suites.security.support.spellings import target_of

TEXTS = SQL | OPERATORS | {"name": 'O\'Brien & "Sons"; --'}
CHOSEN = ("quote", "double-quote", "stacked", "union", "not-equal", "where", "backslash", "name")
CANARY_S = 2.0
DEPTH = 20_000
LARGE = 64 * 1024 * 1024
"""Bytes of a body once it is unpacked; some 64 kB are sent."""
LINKS = ("url", "href", "source", "callback", "webhook", "image", "redirect", "next")


@verifies("DTC-SEC-010", negative=True, hazard="security")
@pytest.mark.parametrize("place", ["sensor", "change", "simulation", "reading", "search"])
@pytest.mark.parametrize("name", CHOSEN)
def test_text_in_another_body(twin: Twin, secret: Secret, place: str, name: str) -> None:
    judge_harmless(_send(twin, place, TEXTS[name]), f"a body ({place}) with {name}", clause=CLAUSE)
    secret.judge_kept(f"a body ({place}) with {name}")


@verifies("DTC-SEC-010", negative=True, hazard="security")
@pytest.mark.parametrize("name", CHOSEN)
def test_stored_text_is_found_by_itself(twin: Twin, name: str) -> None:
    """Harmless when it is stored is not enough: later queries are made of it."""
    text = f"dtc {TEXTS[name]}"
    answer = twin.scratch.post(twin.scratch.body(name=text))
    judge_harmless(answer, f"a name with {name}", clause=CLAUSE)
    if not answer.ok or not answer.is_json:
        return  # refused, which keeps it out as well
    created = quote(str(answer.json().get("id")))
    found = twin.rest.get(OBJECTS, params={"properties.name": text})
    judge_harmless(found, f"a filter for a stored name with {name}", clause=CLAUSE)
    if found.ok:
        expect.that(
            bool(items_of(found)),
            "an object is not found by the text that it was stored with",
            expected="the object, or 400",
            actual="nothing",
            clause=CLAUSE,
        )
    for path in (f"{OBJECTS}/{created}/history", "/cities/{city}/statistics"):
        judge_harmless(twin.rest.get(path), f"a later query over a name with {name}", clause=CLAUSE)
    judge_harmless(
        twin.rest.patch(f"{OBJECTS}/{created}", json={"properties": {"name": f"{text} again"}}),
        f"a change of a name with {name}",
        clause=CLAUSE,
    )


@verifies("DTC-SEC-010", negative=True, hazard="security")
@pytest.mark.parametrize("operator", ["$ne", "$gt", "$where", "$set", "__proto__", "constructor"])
def test_a_member_that_looks_like_an_operator(twin: Twin, secret: Secret, operator: str) -> None:
    """Kept as it was sent, or refused with a 4xx; never carried out, never dropped."""
    sent = {operator: "dtc"}
    answer = twin.scratch.post(twin.scratch.body(name="dtc operators", dtcNote=sent))
    judge_harmless(answer, f"a member {operator}", clause=CLAUSE)
    if answer.ok and answer.is_json:
        kept = stored(twin, str(answer.json().get("id")))
        expect.equal(
            within(kept, "properties", "dtcNote"), sent, "members did not come back as sent", clause=CLAUSE
        )
    secret.judge_kept(f"a member {operator}")


@verifies("DTC-SEC-010", negative=True, hazard="security")
@pytest.mark.parametrize("kind", ["arrays", "objects", "unclosed", "unpacked"])
def test_a_body_that_exhausts_a_reader(twin: Twin, secret: Secret, kind: str) -> None:
    """Nested deeply, or large once unpacked: refused or read, and the server is there afterwards."""
    head = [
        ("Content-Type", "application/json"),
        *twin.credentials.role(twin.credentials.usual).headers.items(),
    ]
    bodies = {
        "arrays": b'{"type": ' + b"[" * DEPTH + b"]" * DEPTH + b"}",
        "objects": b'{"a":' * DEPTH + b"1" + b"}" * DEPTH,
        "unclosed": b"[" * DEPTH,
        "unpacked": b"",
    }
    body = bodies[kind]
    if kind == "unpacked":
        body = gzip.compress(b" " * LARGE + json.dumps({"type": "dtc"}).encode(), mtime=0)
        head.append(("Content-Encoding", "gzip"))
    reply = send(twin, "POST", target_of(twin, OBJECTS), head, body)
    expect.that(
        reply.status < 500,
        f"a body of the kind {kind} makes the server fail (CWE-400, API4:2023)",
        expected="400, 413 or 415, or the end of the connection",
        actual=f"status {reply.status}, body {reply.body[:160].decode('utf-8', 'replace')}",
        clause=CLAUSE,
    )
    secret.judge_kept(f"a body of the kind {kind}")


@verifies("DTC-SEC-010", negative=True, hazard="security")
def test_no_address_is_visited(twin: Twin) -> None:
    """Addresses of a listener of the run, elsewhere than in what is created."""
    marks = {
        place: f"/dtc-{twin.run_id[-12:]}-{place}"
        for place in ("change", "query", "header", "reading", "search")
    }
    for place, mark in marks.items():
        _name(twin, place, twin.canary.url + mark)
    heard = twin.canary.heard(tuple(marks.values()), CANARY_S)
    visited = [place for place, mark in marks.items() if any(mark in line for line in heard)]
    expect.that(
        not heard,
        f"the target visits an address that a request names ({', '.join(visited)}; CWE-918, API7:2023)",
        expected="nobody comes to the listener of the run",
        actual=heard[:3],
        clause=CLAUSE,
        hint="an attacker reaches what only the server may: allow named hosts alone, or fetch nothing",
    )


def _name(twin: Twin, place: str, url: str) -> None:
    """Send a request that names an address there."""
    links = dict.fromkeys(LINKS, url)
    if place == "change":
        created, _ = twin.scratch.object()
        twin.rest.patch(f"{OBJECTS}/{quote(created)}", json={"properties": links, "model": {"href": url}})
    elif place == "query":
        twin.rest.get(OBJECTS, params={**links, "limit": 1})
    elif place == "header":
        headers = {"Referer": url, "X-Callback-URL": url, "X-Forwarded-Host": url.partition("://")[2]}
        twin.rest.get("/cities/{city}", headers=headers)
    elif place == "reading":
        readings.post(twin, readings.sensor(twin, "live"), {**readings.measurement(twin), **links})
    else:
        here = {"location": twin.scratch.geometry("Point"), "radius": 10}
        twin.rest.post("/cities/{city}/spatial/nearby", json={**here, **links})


def _send(twin: Twin, place: str, text: str) -> Answer:
    """A request with the text in a body of that kind."""
    here = twin.scratch.geometry("Point")
    if place == "sensor":
        return twin.scratch.post_sensor(twin.scratch.sensor_body(manufacturer=text))
    if place == "change":
        created, _ = twin.scratch.object()
        return twin.rest.patch(
            f"{OBJECTS}/{quote(created)}", json={"properties": {"name": text, "dtcNote": text}}
        )
    if place == "simulation":
        parameters = {"event": text, "expectedAttendance": 10}
        return twin.scratch.post_simulation({"type": "CrowdDynamics", "parameters": parameters})
    if place == "reading":
        reading: dict[str, Any] = {**readings.measurement(twin), "parameter": text, "unit": text}
        return twin.scratch.post_readings(readings.sensor(twin, "live"), [reading])
    return twin.rest.post(
        "/cities/{city}/spatial/nearby", json={"location": here, "radius": 10, "type": text}
    )
