"""Errors show nothing of the program behind the API: DTC-P2-100."""

import json
import re
from collections.abc import Callable

import pytest

from dtc_cli.harness.suite import Answer, Blocked, Twin, Violation, expect, verifies
from suites.phase2.support.lists import OBJECTS
from suites.phase2.support.refusals import KINDS, Refusals
from suites.phase2.support.values import within

BY_NAME = {kind.name: kind for kind in KINDS}
LONGEST = 2000
"""Characters of a message; a longer one is no sentence for people."""
ERRORS = (
    "Key|Type|Value|Attribute|Index|Name|Syntax|Reference|Range|Runtime|Assertion|Recursion|ZeroDivision"
    "|Integrity|Operational|Programming|Unicode(De|En)code|JSONDecode|NotImplemented"
)
INTERNALS = {
    "stack trace": (
        r"Traceback \(most recent call last\)|^\s+at .+:\d+:\d+|\bat [\w$.<>]+\([\w.]+:\d+\)"
        r"|goroutine \d+ \[|\bpanic: "
    ),
    "source line": r"File \"[^\"]+\", line \d+|\b[\w/.-]+\.(py|rb|go|rs|java|kt|cs|php|js|ts):\d+",
    "SQL statement": (
        r"\bSELECT\b[^\"]{1,200}\bFROM\b|\bDELETE FROM\b|\bINSERT (OR \w+ )?INTO\b"
        r"|\bUPDATE\b[^\"]{1,99}\bSET\b|\bsqlite3?\.|SQLSTATE|\bpsycopg"
        r"|\bORA-\d{5}|UNIQUE constraint failed|no such (table|column): "
    ),
    "file path": (
        r"(?<![\w.:/])/(usr|home|root|var|etc|opt|srv|app|tmp|proc|mnt|private)/[\w.-]+|\b[A-Z]:\\+(\w|\.)+\\"
    ),
    "exception": rf"\b({ERRORS})Error\b|\b\w+(\.\w+)+(Error|Exception)\b|\bNullPointerException\b",
    "part of a program": (
        r"<(class|function|module) '|<\w[\w.]* object at 0x|object at 0x[0-9a-f]{6}|\bjava\.(lang|util|sql)\."
        r"|\borg\.(springframework|hibernate|postgresql)\b|node_modules|(site|dist)-packages"
    ),
    "server and version": r"\b(nginx|Apache|Werkzeug|gunicorn|uvicorn|Jetty|Tomcat|PHP|Python|SQLite)/\d",
}
"""What betrays the inside, by name. Matched with case; words of a plain sentence are not among them."""


def _get(path: str, **params: str) -> Callable[[Twin], Answer]:
    return lambda twin: twin.rest.get(path, params=params)


def _post(body: str) -> Callable[[Twin], Answer]:
    media = {"Content-Type": "application/json"}
    return lambda twin: twin.rest.post(OBJECTS, content=body.encode(), headers=media)


ODD: dict[str, Callable[[Twin], Answer]] = {
    "long-id": _get(f"{OBJECTS}/{'x' * 1500}"),
    "zero-byte": _get(f"{OBJECTS}/a%00b"),
    "quote": _get(f"{OBJECTS}/a%27b%22c"),
    "dots": _get(f"{OBJECTS}/..%2F..%2Fsecret"),
    "huge-limit": _get(OBJECTS, limit="99999999999999999999999"),
    "huge-bounds": _get(OBJECTS, bounds="1e400,1e400,1e400,1e400"),
    "quote-in-filter": _get(OBJECTS, **{"properties.a'b": "c'd", "limit": "1"}),
    "odd-sort": _get(OBJECTS, sortBy="properties.'", sortOrder="sideways"),
    "odd-span": _get(f"{OBJECTS}/x/history", start="'", end="'"),
    "odd-snapshot": _get("/cities/{city}/snapshots/9999-99-99T99:99:99Z"),
    "members-of-wrong-type": _post('{"type": {"a": 1}, "geometry": [1], "properties": "x"}'),
    "id-of-wrong-type": _post('{"id": 7, "type": "Building", "geometry": null, "properties": {}}'),
    "nested-deep": _post('{"type": "Building", "properties": ' + '{"a":' * 150 + "1" + "}" * 150 + "}"),
    "numbers-too-large": _post(
        '{"type": "Building", "geometry": {"type": "Point", "coordinates": [1e999, 1]}}'
    ),
}


@verifies("DTC-P2-100", hazard="write", negative=True)
@pytest.mark.parametrize("kind", BY_NAME)
def test_no_internals(refusals: Refusals, kind: str) -> None:
    judge_internals(refusals.get(BY_NAME[kind]).answer)


@verifies("DTC-P2-100", hazard="write", negative=True)
@pytest.mark.parametrize("name", ODD)
def test_no_internals_for_odd_requests(twin: Twin, name: str) -> None:
    """Requests that programs tend to trip over; what they are answered with is judged by nobody here."""
    twin.need_hazard("write")
    judge_internals(ODD[name](twin))


@verifies("DTC-P2-100", hazard="write")
@pytest.mark.parametrize("kind", ["object-unknown", "member-missing", "malformed"])
def test_message_is_for_people(refusals: Refusals, kind: str) -> None:
    answer = refusals.get_sound(BY_NAME[kind]).answer
    message = within(answer.json() if answer.is_json else None, "error", "message")
    if not isinstance(message, str) or not message.strip():
        raise Blocked("DTC-P2-093", "the error has no message")
    expect.that(
        len(message) <= LONGEST,
        "the message of an error is longer than a sentence for people",
        expected=f"at most {LONGEST} characters",
        actual=message,
        clause="P2 9",
    )


def judge_internals(answer: Answer) -> None:
    """The body shows nothing of the program behind the API; what the request itself said is no secret."""
    if answer.ok:
        return
    sent = answer.sent.decode("utf-8", "replace")
    text = answer.body.decode("utf-8", "replace")
    texts = [text]
    if answer.is_json:
        texts.append(json.dumps(answer.json(), ensure_ascii=False).replace("\\n", "\n").replace('\\"', '"'))
    for name, pattern in INTERNALS.items():
        for shown in texts:
            found = re.search(pattern, shown, re.MULTILINE)
            if found and found[0] not in sent and found[0] not in answer.url:
                raise Violation(
                    f"an error answer shows a {name}",
                    expected="a plain message",
                    actual=found[0][:200],
                    clause="P2 9",
                )
