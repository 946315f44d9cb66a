"""Nothing that a target said becomes markup, a formula or a terminal command in any format."""

import csv
import io
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from dtc_cli.core.model import Finding, Outcome
from dtc_cli.core.report import Report, build
from dtc_cli.reports import FORMATS
from tests.support import report_runs as runs
from tests.support.report_readers import (
    Page,
)
from tests.support.report_runs import http, line, requirement, vector


@pytest.fixture
def hostile(tmp_path: Path) -> Report:
    """A run in which everything that others wrote tries to break out of its place."""
    words = "<script>alert(1)</script>]]>&quot;'\"\x00\x0b\x1b[31m\u202e\ufffe--><!--"
    event = http(
        0,
        "R/<b>",
        method="POST",
        url="https://twin.example/<img src=x onerror=alert(1)>",
        reqHeaders={"x-<b>": words},
        respHeaders={"content-type": words},
        sent=words.encode(),
        received=(words * 3).encode(),
        error=words,
        credential=words,
    )
    run = runs.make(
        tmp_path / "run",
        requirements=[
            requirement("R", title=words, statement=words, clause=words, check=words, ambiguity=words)
        ],
        vectors=[vector("R/<b>", title=words, polarity=words, hazard=words)],
        lines=[
            line(
                "R/<b>",
                Outcome.FAILED,
                started_at=words,
                finding=Finding(message=words, expected=words, actual=words, clause=words, hint=words),
                attempts=({words: words},),
                blocked_by=words,
            )
        ],
        events=[event],
        target={"name": words + "\ud800", "vendor": words, "baseUrl": words, "documents": [words]},
        profile={"excluded": {words: words}, "declares": {words: words}, "hazards": [words]},
        doctor=[{"check": words, "status": words, "detail": words}],
        nonce=words,
        mode=words,
    )
    return build(run)


def test_html_of_a_hostile_run_has_no_foreign_element(hostile: Report) -> None:
    page = Page(FORMATS["html"](hostile))
    assert page.tags["script"] == 1
    assert page.tags["img"] == 0
    assert page.tags["b"] == 0
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert "<script>alert(1)</script>" in "".join(page.texts)
    document = FORMATS["html"](hostile).decode("utf-8")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\ufffe]", document)
    assert "\\x00\\x0b\\x1b[31m\\u202e\\ufffe" in document


def test_junit_of_a_hostile_run_is_legal_xml(hostile: Report) -> None:
    root = ET.fromstring(FORMATS["junit"](hostile))  # noqa: S314 - our own output
    failure = root.find(".//failure")
    assert failure is not None
    assert failure.attrib["message"].startswith("<script>alert(1)</script>]]>&quot;'\"\\x00\\x0b")
    assert "]]>" in (failure.text or "")


def test_text_of_a_hostile_run_cannot_steer_the_terminal(hostile: Report) -> None:
    text = FORMATS["text"](hostile).decode("utf-8")
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\\x1b[31m" in text


def test_json_of_a_hostile_run_keeps_what_was_said(hostile: Report) -> None:
    model = json.loads(FORMATS["json"](hostile))
    assert model["cases"][0]["message"].startswith("<script>alert(1)</script>]]>")
    assert "folder" not in model


@pytest.mark.parametrize("name", ["csv", "ctrf", "earl", "sarif", "sarif-full", "markdown"])
def test_a_hostile_run_is_spelt_out_in_the_other_formats_too(hostile: Report, name: str) -> None:
    rendered = FORMATS[name](hostile).decode("utf-8")
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202e\ufffe]", rendered)
    assert not re.search(r"\\u00(0[0-8bce-f]|1|7f)", rendered)
    if name == "markdown":
        tags = set(re.findall(r"<(/?[a-z]+)", rendered))
        assert tags <= {
            f"{end}{tag}" for end in ("", "/") for tag in ("code", "details", "summary", "p", "ul", "li")
        }
        assert "://" not in rendered


@pytest.mark.parametrize("start", ["=1+1", "+1", "-1", "@x", "\tx"])
def test_csv_cells_are_no_formulas(tmp_path: Path, start: str) -> None:
    run = runs.make(
        tmp_path / "run",
        requirements=[requirement("R", title=start)],
        vectors=[vector("R/a")],
        lines=[line("R/a", Outcome.FAILED, finding=Finding(message=start))],
    )
    [read] = csv.DictReader(io.StringIO(FORMATS["csv"](build(run)).decode(), newline=""))
    assert (read["title"], read["message"]) == (f"'{start}", f"'{start}")
