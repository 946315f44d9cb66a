"""The oracle over a validator's answer: it allows all that the standard allows, and nothing else."""

from datetime import UTC, datetime
from typing import Any

import pytest

from dtc_cli.core.records.answers import judge_answer, names
from dtc_cli.core.records.case import Case, Want
from dtc_cli.core.records.patching import PatchError, apply
from dtc_cli.core.records.placeholders import resolve


def a_case(expect: str, **members: Any) -> Case:
    usual: dict[str, Any] = {
        "requirement": "DTC-P1-002",
        "id": f"{expect}-x",
        "clause": "P1 4.1",
        "expect": expect,
        "why": "because",
        "template": {},
        "text": None,
        "encoding": "utf-8",
        "fragment": False,
        "wants": (),
        "at": None,
        "also": (),
        "tolerates": (),
        "exact": False,
        "warns": False,
    }
    return Case(**{**usual, **members})


def error(code: str, pointer: str = "", message: str = "") -> dict[str, str]:
    return {"code": code, "pointer": pointer, "message": message}


MISSING = (Want(codes=("ERR_MISSING_FIELD",), names="cityId"),)


@pytest.mark.parametrize(
    ("case", "valid", "errors"),
    [
        (a_case("accept"), True, []),
        (a_case("accept"), True, [{**error("X"), "severity": "Warning"}]),
        (a_case("accept", warns=True), True, [error("ERR_MISSING_REFERENCE")]),
        (a_case("accept", tolerates=("ERR_QUALITY_LOW",)), True, [error("ERR_QUALITY_LOW")]),
        (a_case("accept", tolerates=("ERR_QUALITY_LOW",)), False, [error("ERR_QUALITY_LOW")]),
        (
            a_case("accept", fragment=True, tolerates=("ERR_MISSING_FIELD",)),
            False,
            [error("ERR_MISSING_FIELD", "/bounds"), error("ERR_MISSING_FIELD", "", "city_id is required")],
        ),
        (a_case("reject"), False, [error("ANYTHING")]),
        (a_case("reject", wants=MISSING), False, [error("ERR_MISSING_FIELD", "/cityId")]),
        (a_case("reject", wants=MISSING), False, [error("OTHER"), error("ERR_MISSING_FIELD", "$.cityId")]),
        (
            a_case("reject", wants=MISSING),
            False,
            [error("ERR_MISSING_FIELD", "", "'cityId' is a required property")],
        ),
        (a_case("reject", exact=True, wants=(Want(codes=("A", "B")),)), False, [error("B"), error("A")]),
        (
            a_case("reject", exact=True, wants=(Want(codes=("A",)),), tolerates=("C",)),
            False,
            [error("C"), error("A")],
        ),
        (a_case("report", wants=(Want(codes=("A",)),)), True, [error("A")]),
        (a_case("report", wants=(Want(codes=("A",)),)), False, [error("A")]),
        (a_case("reject"), False, [{"code": "ONLY_CODE", "pointer": None}]),
    ],
)
def test_right_answers(case: Case, valid: bool, errors: list[dict[str, Any]]) -> None:
    assert judge_answer(case, valid, errors) is None


@pytest.mark.parametrize(
    ("case", "valid", "errors", "words"),
    [
        (
            a_case("accept"),
            False,
            [error("ERR_INVALID_GEOMETRY", "/bounds")],
            "refuses a record that is valid",
        ),
        (a_case("accept"), False, [], "refuses a record that is valid"),
        (a_case("accept"), False, [{**error("X"), "severity": "warning"}], "refuses a record that is valid"),
        (a_case("accept"), True, [{**error("X"), "severity": "error"}], "lists errors"),
        (a_case("accept"), True, [error("X")], "lists errors on a record that is valid"),
        (a_case("accept", warns=True), False, [error("X")], "refuses"),
        (
            a_case("accept", fragment=True, tolerates=("ERR_MISSING_FIELD",)),
            False,
            [error("ERR_MISSING_FIELD", "/sensorNetwork/nodes/0/location")],
            "refuses",
        ),
        (a_case("reject"), True, [], "accepts a record that is not valid"),
        (a_case("reject"), True, [error("X")], "accepts a record that is not valid"),
        (a_case("reject"), False, [], "names no error"),
        (
            a_case("reject", wants=MISSING),
            False,
            [error("OTHER", "/cityId")],
            "does not report ERR_MISSING_FIELD",
        ),
        (a_case("reject", wants=MISSING), False, [error("ERR_MISSING_FIELD", "/version")], "naming cityId"),
        (
            a_case("reject", wants=MISSING + MISSING),
            False,
            [error("ERR_MISSING_FIELD", "/cityId")],
            "does not report",
        ),
        (
            a_case("reject", exact=True, wants=(Want(codes=("A",)),)),
            False,
            [error("A"), error("Z")],
            "reports Z",
        ),
        (a_case("report", wants=(Want(codes=("A",)),)), True, [], "names no error"),
        (a_case("accept"), "yes", [], "no boolean"),
        (a_case("accept"), None, None, "no boolean"),
        (a_case("accept"), True, {}, "no array"),
        (a_case("accept"), True, ["ERR"], "without a `code`"),
        (a_case("reject"), False, [{"code": 3}], "without a `code`"),
        (a_case("reject"), False, [{"code": ""}], "without a `code`"),
    ],
)
def test_wrong_answers(case: Case, valid: object, errors: object, words: str) -> None:
    finding = judge_answer(case, valid, errors)
    assert finding is not None
    assert words in finding.message
    assert finding.clause == "P1 4.1"
    assert finding.expected


def test_a_long_answer_is_shortened() -> None:
    finding = judge_answer(a_case("accept"), False, [error("X", "/" + "a" * 500)] * 9)
    assert finding is not None
    assert "and 4 more" in finding.actual
    assert len(finding.actual) < 1000


@pytest.mark.parametrize(
    "text", ["/cityId", "$.cityId", "city_id", "missing: City ID", "root['cityId']", "city-id"]
)
def test_a_member_is_recognised_in_any_notation(text: str) -> None:
    assert names({"code": "X", "message": text}, "cityId")


@pytest.mark.parametrize("text", ["/cityIdentifier", "/cityObjects/0/id", "city", "electricityId"])
def test_another_member_is_not_taken_for_it(text: str) -> None:
    assert not names({"code": "X", "pointer": text}, "cityId")


NOW = datetime(2026, 7, 1, 12, 0, 30, 250_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("{now}", "2026-07-01T12:00:30Z"),
        ("{now-5m}", "2026-07-01T11:55:30Z"),
        ("{now+1h +09:00}", "2026-07-01T22:00:30+09:00"),
        ("{now-1d -03:30}", "2026-06-30T08:30:30-03:30"),
        ("{now-90s .125}", "2026-07-01T11:59:00.125Z"),
        ("{now zoneless}", "2026-07-01T12:00:30"),
        ("a {now} b {now+1s}", "a 2026-07-01T12:00:30Z b 2026-07-01T12:00:31Z"),
        ("{nowhere} {now+1y}", "{nowhere} {now+1y}"),
    ],
)
def test_placeholders(text: str, instant: str) -> None:
    assert resolve({"a": [text, 1, None]}, NOW) == {"a": [instant, 1, None]}


def test_patches() -> None:
    document = {"a": [1, 2], "b/c": {"~": 0}}
    changed = apply(
        document,
        [
            {"op": "add", "path": "/a/0", "value": 0},
            {"op": "add", "path": "/a/-", "value": 3},
            {"op": "replace", "path": "/a/1", "value": 9},
            {"op": "remove", "path": "/a/2"},
            {"op": "copy", "from": "/a", "path": "/d"},
            {"op": "replace", "path": "/b~1c/~0", "value": None},
        ],
    )
    assert changed == {"a": [0, 9, 3], "b/c": {"~": None}, "d": [0, 9, 3]}
    assert apply({"a": 1}, [{"op": "replace", "path": "", "value": []}]) == []


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "/x"},
        {"op": "remove", "path": "/a/2"},
        {"op": "replace", "path": "/x", "value": 1},
        {"op": "replace", "path": "/a/-", "value": 1},
        {"op": "add", "path": "/a/x", "value": 1},
        {"op": "add", "path": "/a/0/b", "value": 1},
        {"op": "add", "path": "/a"},
        {"op": "move", "path": "/a", "from": "/b"},
        {"op": "add", "path": "a", "value": 1},
        {"op": "add"},
        {"op": "copy", "from": "/x", "path": "/y"},
    ],
)
def test_a_patch_that_leads_nowhere_is_refused(operation: dict[str, Any]) -> None:
    with pytest.raises(PatchError):
        apply({"a": [1, 2]}, [operation])
