"""Markup stays text: when it is stored (DTC-SEC-011) and when it is reflected (DTC-SEC-012)."""

import json
from typing import Any

import pytest

from dtc_cli.harness.suite import Answer, Tolerated, Twin, expect, quote, verifies
from suites.phase2.support.lists import OBJECTS
from suites.phase2.support.queries import stored
from suites.phase2.support.values import within
from suites.security.support.requests import base_path, send
from suites.security.support.secret import CLAUSE
from suites.security.support.spellings import target_of

TAGS = {
    "script": "<script>alert(1)</script>",
    "image": "<img src=x onerror=alert(1)>",
    "svg": "<svg/onload=alert(1)>",
    "attribute": '"><b onmouseover=alert(1)>',
}
PAGES = ("/", "/docs", "/dashboard", "/index.html", "/live")


@verifies("DTC-SEC-011", hazard="security")
@pytest.mark.parametrize("name", TAGS)
def test_stored_markup_comes_back_as_data(twin: Twin, name: str) -> None:
    created = _marked(twin, TAGS[name])
    if not created:
        return  # refused, which keeps it out as well
    for path in (f"{OBJECTS}/{quote(created)}", f"{OBJECTS}/{quote(created)}/history", OBJECTS):
        _judge_data(twin.rest.get(path))
    kept = within(stored(twin, created), "properties", "name")
    if kept != f"dtc {TAGS[name]}":
        # Inert all the same; that text is kept as it is where it is no markup, DTC-SEC-010 judges.
        raise Tolerated(
            "markup is washed when it is stored",
            expected=f"dtc {TAGS[name]}, as data",
            actual=kept,
            clause=CLAUSE,
        )


@verifies("DTC-SEC-011", negative=True, hazard="security")
@pytest.mark.parametrize(
    "accept",
    ["text/html", "application/xhtml+xml", "*/*", "image/svg+xml"],
    ids=["html", "xhtml", "any", "svg"],
)
def test_a_browser_gets_no_page_of_it(twin: Twin, accept: str) -> None:
    created = _marked(twin, TAGS["script"])
    if not created:
        return
    answer = twin.rest.get(f"{OBJECTS}/{quote(created)}", headers={"Accept": accept})
    if answer.ok:
        _judge_data(answer)
    expect.that(
        not _is_page(answer.headers.get("content-type", "")) or TAGS["script"].encode() not in answer.body,
        "stored markup is served as a page (CWE-79)",
        expected="application/json",
        actual=answer.headers.get("content-type"),
        clause=CLAUSE,
    )


@verifies("DTC-SEC-011", negative=True, hazard="security")
@pytest.mark.parametrize("place", ["list", "history", "search", "suffix", "format", "sensors"])
def test_a_browser_gets_no_page_of_anything(twin: Twin, place: str) -> None:
    """Lists, searches and addresses that end like a page, asked for as a browser does."""
    created = _marked(twin, TAGS["script"])
    if not created:
        return
    path, headers = (
        f"{OBJECTS}/{quote(created)}",
        {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"},
    )
    if place == "search":
        here = {"location": twin.scratch.geometry("Point"), "radius": 5000}
        answer = twin.rest.post("/cities/{city}/spatial/nearby", json=here, headers=headers)
    else:
        asked: dict[str, tuple[str, dict[str, Any]]] = {
            "list": (OBJECTS, {}),
            "history": (f"{path}/history", {}),
            "suffix": (f"{path}.html", {}),
            "format": (path, {"format": "html", "f": "html"}),
            "sensors": ("/cities/{city}/sensors", {}),
        }
        where, params = asked[place]
        answer = twin.rest.get(where, params=params, headers=headers)
    if answer.ok:
        _judge_data(answer)


@verifies("DTC-SEC-011", negative=True, hazard="security")
@pytest.mark.parametrize("name", ["script", "image"])
def test_markup_in_a_sensor(twin: Twin, name: str) -> None:
    body = twin.scratch.sensor_body(manufacturer=TAGS[name])
    answer = twin.scratch.post_sensor(body)
    if answer.ok and answer.is_json:
        path = f"/cities/{{city}}/sensors/{quote(str(answer.json().get('id')))}"
        for headers in ({}, {"Accept": "text/html"}):
            shown = twin.rest.get(path, headers=headers)
            if shown.ok:
                _judge_data(shown)


@verifies("DTC-SEC-012", hazard="security")
def test_an_error_is_data(twin: Twin) -> None:
    answer = twin.rest.get(f"{OBJECTS}/dtc-no-such-id")
    expect.that(
        not _is_page(answer.headers.get("content-type", "")),
        "an error of the API is a page",
        expected="application/json",
        actual=answer.headers.get("content-type"),
        clause=CLAUSE,
    )


@verifies("DTC-SEC-012", negative=True, hazard="security")
@pytest.mark.parametrize("place", ["id", "route", "query", "name", "header", "origin"])
@pytest.mark.parametrize("name", TAGS)
def test_reflected_markup(twin: Twin, place: str, name: str) -> None:
    tag, base = TAGS[name], base_path(twin)
    city = f"{base}/cities/{twin.rest.city}"
    key = [("X-API-Key", twin.credentials.role("admin").headers["X-API-Key"]), ("Accept", "text/html")]
    ask = {
        "id": (f"{city}/objects/{quote(tag)}", []),
        "route": (f"{base}/{quote(tag)}", []),
        "query": (f"{city}/objects?type={quote(tag)}&limit={quote(tag)}", []),
        "name": (f"{city}/objects?{quote(tag)}=1", []),
        "header": (f"{city}/objects/dtc-none", [("User-Agent", tag), ("Referer", f"http://x/{tag}")]),
        "origin": (f"/{quote(tag)}", [("X-Forwarded-Host", tag)]),
    }
    target, more = ask[place]
    reply = send(twin, "GET", target, [*key, *more])
    expect.that(
        not (_is_page(reply.headers.get("content-type", "text/html")) and tag.encode() in reply.body),
        f"input from {place} comes back as markup (CWE-79)",
        expected="escaped text, or JSON",
        actual=f"status {reply.status}, {reply.headers.get('content-type', 'no content type')}",
        clause=CLAUSE,
    )


@verifies("DTC-SEC-012", negative=True, hazard="security")
@pytest.mark.parametrize("method", ["POST", "PUT", "BREW"])
@pytest.mark.parametrize("name", TAGS)
def test_a_refused_request_comes_back_as_no_markup(twin: Twin, method: str, name: str) -> None:
    """In the body, the path and the query of what is refused."""
    tag = TAGS[name]
    key = [*twin.credentials.role("admin").headers.items(), ("Accept", "text/html")]
    body = json.dumps({"type": tag, tag: tag, "geometry": tag}).encode()
    target = target_of(twin, f"{OBJECTS}/{quote(tag)}" if method != "POST" else OBJECTS)
    sent = [*key, ("Content-Type", "application/json")]
    for reply in (
        send(twin, method, f"{target}?q={quote(tag)}", sent, body),
        send(twin, method, target, sent, body[:-1]),
    ):
        expect.that(
            not (_is_page(reply.headers.get("content-type", "text/html")) and tag.encode() in reply.body),
            f"what a refused {method} said comes back as markup (CWE-79)",
            expected="escaped text, or JSON",
            actual=f"status {reply.status}, {reply.headers.get('content-type', 'no content type')}",
            clause=CLAUSE,
        )


@verifies("DTC-SEC-012", negative=True, hazard="security")
@pytest.mark.parametrize("place", ["id", "route", "query"])
def test_no_header_is_made_of_input(twin: Twin, place: str) -> None:
    """Line breaks in a path or query that end up in a header of the answer begin another one."""
    text = "x%0d%0aX-Dtc-Split:%20yes%0d%0a%0d%0a%3Cb%3E"
    targets = {
        "id": target_of(twin, f"{OBJECTS}/{text}"),
        "route": f"/{text}",
        "query": f"{target_of(twin, OBJECTS)}?type={text}&lang={text}",
    }
    key = [*twin.credentials.role("admin").headers.items()]
    reply = send(twin, "GET", targets[place], key)
    expect.that(
        "x-dtc-split" not in reply.headers,
        f"input from {place} becomes a header of the answer (CWE-113)",
        expected="no header of the caller's making",
        actual=reply.headers.get("x-dtc-split"),
        clause=CLAUSE,
    )


@verifies("DTC-SEC-012", negative=True, hazard="security")
@pytest.mark.parametrize("page", PAGES, ids=["root", "docs", "dashboard", "index", "live"])
def test_a_page_has_a_policy(twin: Twin, page: str) -> None:
    """Only where there is a page; a policy is what the standard recommends, so its lack is a warning."""
    reply = send(twin, "GET", f"{page}?q={quote(TAGS['script'])}")
    if not _is_page(reply.headers.get("content-type", "")) or not 200 <= reply.status < 300:
        return
    expect.that(
        TAGS["script"].encode() not in reply.body,
        "a page reflects its query (CWE-79)",
        actual=page,
        clause=CLAUSE,
    )
    if (
        "content-security-policy" not in reply.headers
        and b"content-security-policy" not in reply.body.lower()
    ):
        raise Tolerated(
            f"the page {page} has no Content-Security-Policy",
            expected="a Content-Security-Policy",
            actual=", ".join(sorted(reply.headers)),
            clause=CLAUSE,
        )


def _marked(twin: Twin, tag: str) -> str:
    answer = twin.scratch.post(twin.scratch.body(name=f"dtc {tag}"))
    expect.that(
        answer.status < 500, "markup in a name makes the server fail", actual=answer.status, clause=CLAUSE
    )
    return str(answer.json().get("id")) if answer.ok and answer.is_json else ""


def _judge_data(answer: Answer) -> None:
    kind = answer.headers.get("content-type", "")
    expect.that(
        "json" in kind.lower() and not _is_page(kind),
        "stored text is not served as JSON",
        expected="application/json",
        actual=kind or "no content type",
        clause=CLAUSE,
    )
    expect.equal(
        answer.headers.get("x-content-type-options", "").lower(),
        "nosniff",
        "a browser may take the answer for a page",
        clause=CLAUSE,
    )


def _is_page(kind: str) -> bool:
    return any(word in kind.lower() for word in ("html", "svg", "text/xml", "application/xml"))
