"""Small things that all formats share: visible text, durations, laid-out JSON, symbols."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtc_cli.core.model import Outcome
from dtc_cli.core.report import build
from dtc_cli.core.report.model import Body
from dtc_cli.reports import shown
from tests.support import report_runs as runs
from tests.support.report_runs import http, vector


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("tab\tand\nline", "tab\tand\nline"),
        ("a\r\nb\rc", "a\nb\\x0dc"),
        ("\ud800", "\\ud800"),
        ("é", "é"),
    ],
)
def test_visible(text: str, expected: str) -> None:
    assert shown.visible(text) == expected


@pytest.mark.parametrize(
    ("milliseconds", "expected"),
    [(0, "0 ms"), (999, "999 ms"), (1500, "1.5 s"), (59_999, "60.0 s"), (200_000, "3 min 20 s")],
)
def test_duration(milliseconds: int, expected: str) -> None:
    assert shown.duration(milliseconds) == expected


JSON_TEXT = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(JSON_TEXT)
def test_laying_out_json_changes_no_token(value: object) -> None:
    text = json.dumps(value, separators=(",", ":"))
    body = Body(digest="d", size=1, media="", shown="whole", text=text)
    laid_out = shown.indented(body)
    assert json.dumps(json.loads(laid_out), separators=(",", ":")) == text


@pytest.mark.parametrize("text", ['{"a": "b, {c', "[1, 2", '{"a": 1e5, "a": 0.10}', "{]}[", '{"a": "\\'])
def test_laying_out_broken_json_loses_nothing(text: str) -> None:
    laid_out = shown.indented(Body(digest="d", size=1, media="", shown="excerpt", text=text))
    assert re.sub(r"\s", "", laid_out) == re.sub(r"\s", "", text)


def test_only_json_is_laid_out() -> None:
    for text, how in (("<a>", "whole"), ('{"a":1}', "binary"), ('{\n"a":1}', "whole")):
        assert shown.indented(Body(digest="d", size=1, media="", shown=how, text=text)) == text


def test_every_outcome_has_a_symbol_of_its_own_and_a_meaning() -> None:
    assert set(shown.SYMBOLS) == set(shown.MEANINGS) == set(Outcome)
    assert len(set(shown.SYMBOLS.values())) == len(Outcome)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"status": 201}, "201"),
        ({"status": None, "error": "timed out"}, "timed out"),
        ({"status": 200, "error": "cut off"}, "200, cut off"),
        ({"status": None}, "nothing came back"),
        ({"status": None, "received": b"abc"}, "3 bytes"),
        ({"kind": "clock", "method": None, "url": None, "status": None, "value": "2026"}, "noted"),
        ({"kind": "validator", "status": 0}, "exit status 0"),
    ],
)
def test_what_came_back_in_a_word_or_two(tmp_path: Path, members: dict[str, object], expected: str) -> None:
    run = runs.make(tmp_path / "run", vectors=[vector("R/a")], events=[http(0, "R/a", **members)])
    assert shown.answer(build(run).cases[0].exchanges[0]) == expected
