"""Large files: object by object is the same judgement as the whole, and lines are those a person sees."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtc_cli.core.records import judge, judge_text
from dtc_cli.core.records.advice import advice
from dtc_cli.core.records.bulk import judge_slices
from dtc_cli.core.records.cases import load_cases
from dtc_cli.core.records.finding import Settings
from dtc_cli.core.records.lines import line_numbers
from dtc_cli.core.records.patching import PatchError, apply, lookup
from dtc_cli.core.records.text import LARGE_BYTES
from dtc_cli.paths import SUITES

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
CASES = load_cases(SUITES / "phase1" / "vectors")


def test_object_by_object_is_the_same_judgement() -> None:
    judged = 0
    for case in CASES:
        text = case.document(NOW)
        sliced = judge_slices(text, Settings(now=NOW, fragment=case.fragment))
        if sliced is not None:
            judged += 1
            assert sliced == judge_text(text, now=NOW, fragment=case.fragment), case.vector
    assert judged > 300


RECORDS = [json.loads(case.document(NOW)) for case in CASES if case.requirement == "DTC-P1-083"]
JUNK = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.text(max_size=3), st.just([]), st.just({}))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(RECORDS), JUNK, st.data())
def test_object_by_object_is_the_same_judgement_on_any_damage(
    record: dict[str, Any], junk: Any, data: st.DataObject
) -> None:
    place = data.draw(st.sampled_from([p for p in pointers(record) if p.startswith("/cityObjects/0/")]))
    text = json.dumps(
        apply(json.loads(json.dumps(record)), [{"op": "replace", "path": place, "value": junk}])
    )
    assert judge_slices(text.encode(), Settings(now=NOW)) == judge_text(text.encode(), now=NOW)


def test_a_large_text_is_judged_object_by_object() -> None:
    record = json.loads(next(case for case in CASES if case.vector == "DTC-P1-083/reject-near").document(NOW))
    record["x-padding"] = "p" * LARGE_BYTES
    text = json.dumps(record).encode()
    assert judge_text(text, now=NOW) == judge(record, now=NOW)
    assert not judge_text(text, now=NOW).valid
    repeated = b'{"x-padding": 1, ' + text[1:]
    assert judge_text(repeated, now=NOW) == judge(record, now=NOW)  # repeated names go unseen in a large text
    broken = text[:-1]
    assert [finding.requirement for finding in judge_text(broken, now=NOW).errors] == ["DTC-P1-001"]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{}",
        b'{"cityObjects": {}}',
        b'{"cityObjects": [1,]}',
        b'{"cityObjects": [NaN]}',
        b'{"cityObjects": ["\\ud800"]}',
        b'{"cityObjects": ["\xff"]}',
        b'{"cityObjects": [], "metadata": {"a": Infinity}}',
        b'\xef\xbb\xbf{"cityObjects": []}',
    ],
)
def test_anything_else_is_left_to_the_slow_path(text: bytes) -> None:
    assert judge_slices(text, Settings(now=NOW)) is None


def test_every_finding_of_the_vectors_has_advice() -> None:
    for case in CASES:
        for finding in judge_text(case.document(NOW), now=NOW, fragment=case.fragment).findings:
            assert advice(finding) != "see the clause", finding


TEXT = b"""{
 "a": [1,
  {"b": "x]}\\"",
   "c/d": null}
 ],
 "e": {},
 "": [[[
   7]]],
 "\\u0066": true
}"""


@pytest.mark.parametrize(
    ("pointer", "line"),
    [
        ("", 1),
        ("/a", 2),
        ("/a/0", 2),
        ("/a/1", 3),
        ("/a/1/b", 3),
        ("/a/1/c~1d", 4),
        ("/a/1/missing", 3),
        ("/a/9", 2),
        ("/e/missing/deeper", 6),
        ("//0/0/0", 8),
        ("/f", 9),
        ("/nowhere", 1),
    ],
)
def test_lines(pointer: str, line: int) -> None:
    assert line_numbers(TEXT, [pointer]) == {pointer: line}
    everything = line_numbers(TEXT, ["", "/a", "/a/1/b", "/e", "//0/0", pointer])
    assert everything[pointer] == line


def test_a_text_of_one_value_has_one_line() -> None:
    assert line_numbers(b"\n\n[]", ["", "/0"]) == {"": 1, "/0": 1}
    assert line_numbers(b"3", [""]) == {"": 1}
    assert line_numbers(b'\xef\xbb\xbf{\n"a": 1}', ["/a"]) == {"/a": 2}


names = st.text(st.characters(codec="utf-8"), max_size=4)
values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.integers(), names),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=3)),
    max_leaves=20,
)


def pointers(value: Any, before: str = "") -> list[str]:
    found = [before]
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        found += pointers(inner, f"{before}/{str(step).replace('~', '~0').replace('/', '~1')}")
    return found


@settings(max_examples=200, deadline=None)
@given(values)
def test_the_line_of_a_place_is_where_python_writes_it(value: Any) -> None:
    text = json.dumps(value, indent=1, ensure_ascii=False)
    lines = line_numbers(text.encode(), pointers(value))
    rows = text.split("\n")
    for pointer, line in lines.items():
        inner = lookup(value, pointer)
        first = json.dumps(inner, indent=1, ensure_ascii=False).split("\n")[0]
        assert first in rows[line - 1], pointer


def test_pointers_are_those_of_the_record() -> None:
    for case in CASES:
        text = case.document(NOW)
        judgement = judge_text(text, now=NOW, fragment=case.fragment)
        for finding in judgement.findings:
            if finding.code != "ERR_MISSING_FIELD" and finding.pointer:
                try:
                    lookup(json.loads(text), finding.pointer)
                except PatchError:
                    # Only what is missing may be pointed to without being there.
                    assert finding.requirement in {"DTC-P1-035", "DTC-P1-036", "DTC-P1-045"}, finding
