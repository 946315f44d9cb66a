"""The HTML page and the text: sound, readable, and of a bearable size for large runs."""

import itertools
import re
from pathlib import Path

import msgspec
import pytest

from dtc_cli.core.model import Outcome
from dtc_cli.core.report import build
from dtc_cli.reports import FORMATS, html
from dtc_cli.reports.html.markup import anchor
from tests.support import report_runs as runs
from tests.support.report_readers import Page, from_html, from_json, from_junit
from tests.support.report_runs import line, requirement, vector


def test_an_anchor_is_a_plain_fragment_whatever_the_id() -> None:
    assert anchor("DTC-P1-001/a.b_c") == "DTC-P1-001/a.b_c"
    assert anchor("a b\"<>'é%&#") == "a_b________"
    assert anchor("") == "_"


def test_html_stands_alone_and_is_sound(tmp_path: Path) -> None:
    document = FORMATS["html"](build(runs.ordinary(tmp_path / "run")))
    page = Page(document)
    assert document.startswith(b'<!doctype html>\n<html lang="en">')
    assert not [
        value for name, value in page.attributes if name in {"src", "style"} or value.startswith("//")
    ]
    assert len(page.ids) == len(set(page.ids))
    assert set(page.targets) <= set(page.ids)
    for landmark in ("header", "nav", "main", "footer", "h1"):
        assert page.tags[landmark] == 1
    assert page.tags["caption"] == page.tags["table"]
    policy = next(value for _, value in page.attributes if value.startswith("default-src"))
    assert policy.count("'sha256-") == 2
    assert "unsafe" not in policy


def test_html_headings_never_skip_a_level(tmp_path: Path) -> None:
    document = FORMATS["html"](build(runs.ordinary(tmp_path / "run"))).decode()
    levels = [int(level) for level in re.findall(r"<h([1-6])[ >]", document)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def _themes() -> dict[str, dict[str, str]]:
    """The colours of the style sheet: light, dark and print."""
    style = (Path(html.__file__).parent / "report.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    themes = [dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6})", block)) for block in blocks]
    return dict(zip(("light", "dark", "print"), themes, strict=True))


def _luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    channels = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", ["light", "dark", "print"])
def test_every_text_has_the_contrast_of_wcag_aa(theme: str) -> None:
    colours = _themes()[theme]
    kinds = ("good", "bad", "warn", "doubt", "open", "wait", "none")
    pairs = [(name, under) for name in ("ink", "soft", "link") for under in ("page", "card")]
    pairs += [(kind, f"{kind}-bg") for kind in kinds]
    pairs += [("ink", f"{kind}-bg") for kind in ("good", "bad", "warn")]  # the words of the verdict
    for ink, under in pairs:
        dark, bright = sorted((_luminance(colours[ink]), _luminance(colours[under])))
        assert (bright + 0.05) / (dark + 0.05) >= 4.5, (ink, under)


def test_html_of_a_large_run_lists_passed_tests_in_one_line_each(tmp_path: Path) -> None:
    report = build(runs.ordinary(tmp_path / "run"))
    brief = tuple(
        msgspec.structs.replace(case, exchanges=(), omitted=2) if case.outcome is Outcome.PASSED else case
        for case in report.cases
    )
    page = Page(FORMATS["html"](msgspec.structs.replace(report, cases=brief)))
    assert page.tags["details"] == 6 + 1  # the matrix by check folds too
    assert page.cases == {
        "passed": 4,
        "failed": 1,
        "warned": 1,
        "error": 1,
        "not_applicable": 1,
        "blocked": 2,
    }


def test_a_run_without_a_requirement_or_name_renders_everywhere(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "run.json").write_text("{}")
    report = build(folder)
    assert b"Unnamed target" in FORMATS["html"](report)
    assert b"Unnamed target" in FORMATS["text"](report)
    assert from_junit(report) == ({}, {})
    assert from_json(report) == ({}, {})


def test_cases_outside_the_catalogue_are_shown_all_the_same(tmp_path: Path) -> None:
    run = runs.make(tmp_path / "run", vectors=[vector("X/a")], lines=[line("X/a", Outcome.FAILED)])
    report = build(run)
    assert from_html(report)[1] == from_junit(report)[1] == {"failed": 1}
    assert b"Not in the catalogue of this run." in FORMATS["html"](report)


def test_text_shows_the_first_tests_of_a_requirement_and_counts_the_rest(tmp_path: Path) -> None:
    names = [f"R/{number}" for number in range(9)]
    run = runs.make(
        tmp_path / "run",
        requirements=[requirement("R"), *(requirement(f"B-{number:02}") for number in range(12))],
        vectors=[vector(name) for name in [*names, *(f"B-{number:02}/x" for number in range(12))]],
        lines=[
            *(line(name, Outcome.FAILED) for name in names),
            *(line(f"B-{number:02}/x", Outcome.BLOCKED, blocked_by="R") for number in range(12)),
        ],
    )
    text = FORMATS["text"](build(run)).decode()
    assert "and 4 more tests of R" in text
    assert "B-07 and 4 more" in text
    assert max(len(line) for line in text.splitlines()) <= 100


def test_long_lists_are_cut_in_text_and_folded_in_the_page(tmp_path: Path) -> None:
    failed, open_ones = [f"F-{n:02}" for n in range(20)], [f"O-{n:02}" for n in range(30)]
    run = runs.make(
        tmp_path / "run",
        requirements=[requirement(name) for name in [*failed, *open_ones]],
        vectors=[vector(f"{name}/x") for name in failed],
        lines=[line(f"{name}/x", Outcome.FAILED) for name in failed],
    )
    report = build(run)
    text = FORMATS["text"](report).decode()
    assert "and 6 more steps" in text
    assert "and 10 more that were not decided" in text
    page = FORMATS["html"](report).decode()
    assert "11 more steps" in page
    assert '<ol class="path" start="11">' in page
    alone = runs.make(tmp_path / "alone", requirements=[requirement(name) for name in open_ones])
    assert "likewise O-01, O-02" in FORMATS["text"](build(alone)).decode()
    assert 'Likewise <a href="#O-01">' in FORMATS["html"](build(alone)).decode()


def test_thousands_of_tests_render(tmp_path: Path) -> None:
    """The large form in small; `scripts/prove large-report` renders 34,000."""
    report = build(runs.large(tmp_path / "run", 5))
    sizes = {name: len(render(report)) for name, render in FORMATS.items()}
    assert (report.totals.vectors["failed"], report.totals.vectors["passed"]) == (2, 1_698)
    assert sizes["html"] < 3_000_000, sizes
    assert sizes["text"] < 100_000, sizes
