"""Every format tells the same story, and nothing that a target said becomes markup in any of them."""

import csv
import io
import itertools
import json
import re
import string
import tempfile
import time
import xml.etree.ElementTree as ET
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dtc_cli.core.model import Finding, Level, Outcome, Strength
from dtc_cli.core.report import Report, build
from dtc_cli.core.report.model import Body
from dtc_cli.reports import FILE_NAMES, FORMATS, ctrf, earl, html, shown
from dtc_cli.reports.html.markup import anchor
from tests.support import report_runs as runs
from tests.support.report_runs import http, line, requirement, vector

VOID = {"meta", "input", "br", "link"}


class Page(HTMLParser):
    """Reads a report back, and insists that every element is closed where it should be."""

    def __init__(self, document: bytes) -> None:
        super().__init__()
        self.totals: dict[str, list[int]] = {}
        self.rows: Counter[str] = Counter()
        self.cases: Counter[str] = Counter()
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.tags: Counter[str] = Counter()
        self.texts: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self._open: list[str] = []
        self._total = ""
        self.feed(document.decode("utf-8"))
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.tags[tag] += 1
        self.attributes += list(values.items())
        if tag not in VOID:
            self._open.append(tag)
        if "id" in values:
            self.ids.append(values["id"])
        if values.get("href", "").startswith("#"):
            self.targets.append(values["href"][1:])
        if "data-total" in values:
            self._total = values["data-total"]
            self.totals[self._total] = []
        if tag == "tr" and "data-outcome" in values:
            self.rows[values["data-outcome"]] += 1
        if "data-case" in values:
            self.cases[values["data-case"]] += 1

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        if tag == "tr":
            self._total = ""

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self._total and self._open[-1] == "td" and data.replace(",", "").isdigit():
            self.totals[self._total].append(int(data.replace(",", "")))


def from_json(report: Report) -> tuple[dict[str, int], dict[str, int]]:
    model = json.loads(FORMATS["json"](report))
    rows = Counter(row["outcome"] for row in model["requirements"])
    cases = Counter(case["outcome"] for case in model["cases"])
    assert {name: number for name, number in model["totals"]["requirements"].items() if number} == rows
    assert {name: number for name, number in model["totals"]["vectors"].items() if number} == cases
    return dict(rows), dict(cases)


def from_html(report: Report) -> tuple[dict[str, int], dict[str, int]]:
    page = Page(FORMATS["html"](report))
    assert set(page.totals) == {outcome.value for outcome in Outcome}
    assert {name: both[0] for name, both in page.totals.items() if both[0]} == page.rows
    assert {name: both[1] for name, both in page.totals.items() if both[1]} == page.cases
    return dict(page.rows), dict(page.cases)


def from_junit(report: Report) -> tuple[dict[str, int], dict[str, int]]:
    root = ET.fromstring(FORMATS["junit"](report))  # noqa: S314 - our own output
    rows: dict[str, int] = {}
    cases: Counter[str] = Counter()
    seen: set[tuple[str, str]] = set()
    rows_by_id = {row.id: row for row in report.requirements}
    for case in root.iter("testcase"):
        key = (case.attrib["classname"], case.attrib["name"])
        assert key not in seen
        seen.add(key)
        facts = {p.attrib["name"]: p.attrib["value"] for p in case.iter("property")}
        outcome = facts["dtc.outcome"]
        kinds = {child.tag for child in case} & {"failure", "error", "skipped"}
        row = rows_by_id.get(facts["dtc.requirement"])
        free = row is not None and (row.strength is not Strength.MUST or row.binds != "target")
        undecided = {"skipped"} if free else {"failure"}
        assert kinds == {
            "failed": {"failure"}, "not_tested": undecided, "blocked": undecided,
            "error": {"skipped"} if free else {"error"}, "not_applicable": {"skipped"},
            "passed": set(), "warned": set(),
        }[outcome]  # fmt: skip
        if "dtc.untested" not in facts:
            cases[outcome] += 1
    for element in (root, *root.iter("testsuite")):
        assert int(element.attrib["tests"]) == len(list(element.iter("testcase")))
        for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(element.attrib[attribute]) == len(list(element.iter(tag)))
    for fact in root.iter("property"):
        if fact.attrib["name"].startswith("dtc.requirements.") and fact.attrib["value"] != "0":
            rows[fact.attrib["name"].removeprefix("dtc.requirements.")] = int(fact.attrib["value"])
    return rows, dict(cases)


def from_text(report: Report) -> tuple[dict[str, int], dict[str, int]]:
    text = FORMATS["text"](report).decode("utf-8")
    found = []
    for label in ("Requirements", "Tests"):
        match = re.search(rf"^{label} +([\d,]+): (.*)$", text, re.MULTILINE)
        assert match
        counts = {
            name.replace(" ", "_"): int(number.replace(",", ""))
            for number, name in re.findall(r"([\d,]+) ([a-z ]+)", match[2])
        }
        assert sum(counts.values()) == int(match[1].replace(",", ""))
        found.append(counts)
    return found[0], found[1]


def from_ctrf(report: Report) -> tuple[dict[str, int], dict[str, int]]:
    results = json.loads(FORMATS["ctrf"](report))["results"]
    tests, summary = results["tests"], results["summary"]
    assert summary["tests"] == len(tests) == sum(summary[status] for status in ctrf.STATUSES)
    for status in ctrf.STATUSES:
        assert summary[status] == sum(test["status"] == status for test in tests)
    cases = Counter(test["rawStatus"] for test in tests if "/" in test["name"])
    rows = {name: number for name, number in summary["extra"]["requirements"].items() if number}
    return rows, dict(cases)


def from_csv(report: Report) -> tuple[dict[str, int], dict[str, int]]:
    lines = list(csv.DictReader(io.StringIO(FORMATS["csv"](report).decode("utf-8"), newline="")))
    rows = {line["requirement"]: line["requirement_outcome"] for line in lines}
    return dict(Counter(rows.values())), dict(Counter(line["outcome"] for line in lines if line["test"]))


def from_sarif(report: Report) -> tuple[dict[str, int], dict[str, int]]:
    full = json.loads(FORMATS["sarif-full"](report))["runs"][0]
    findings = json.loads(FORMATS["sarif"](report))["runs"][0]["results"]
    assert findings == [result for result in full["results"] if result["kind"] == "fail"]
    for result in full["results"]:
        assert (result["level"] == "none") == (result["kind"] != "fail")
        assert full["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["locations"][0]["physicalLocation"]["region"]["startLine"] >= 1
    cases = Counter(r["properties"]["outcome"] for r in full["results"] if r["properties"]["test"])
    rows = {name: number for name, number in full["properties"]["requirements"].items() if number}
    assert {entry["id"] for entry in full["tool"]["driver"]["rules"]} == {r.id for r in report.requirements}
    return rows, dict(cases)


def from_earl(report: Report) -> tuple[dict[str, int], dict[str, int]]:
    graph = json.loads(FORMATS["earl"](report))["@graph"]
    assertions = [node for node in graph if node["@type"] == "earl:Assertion"]
    names = {"passed", "warned", "failed", "error", "not_applicable", "not_tested", "blocked"}
    for node in assertions:
        assert node["earl:result"]["dtc:outcome"] in names
        assert node["earl:result"]["earl:outcome"]["@id"] == earl.OUTCOMES[node["earl:result"]["dtc:outcome"]]
    cases = Counter(
        node["earl:result"]["dtc:outcome"]
        for node in assertions
        if node["earl:test"]["@type"] == "earl:TestCase"
    )
    return from_json(report)[0], dict(cases)


def from_markdown(report: Report) -> tuple[dict[str, int], dict[str, int]]:
    text = FORMATS["markdown"](report).decode("utf-8")
    rows, cases = {}, {}
    for outcome in Outcome:
        found = re.search(rf"^\| . {shown.words(outcome)} \| ([\d,]+) \| ([\d,]+) \|$", text, re.MULTILINE)
        assert found
        rows[outcome.value], cases[outcome.value] = (int(n.replace(",", "")) for n in found.groups())
    return {k: n for k, n in rows.items() if n}, {k: n for k, n in cases.items() if n}


READERS = {"json": from_json, "html": from_html, "junit": from_junit, "text": from_text}
READERS |= {
    "ctrf": from_ctrf,
    "csv": from_csv,
    "sarif": from_sarif,
    "earl": from_earl,
    "markdown": from_markdown,
}

HOSTILE = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"]),
        st.sampled_from("<>&\"'\0\x01\x0b\x1b\x7f\x85\u2028\u202e\ufffe\uffff]"),
    ),
    max_size=20,
)


@st.composite
def made_runs(draw: st.DrawFn) -> dict[str, object]:
    """Arguments of `report_runs.make`: any mix of outcomes, blocks, exclusions, with hostile words."""
    names = draw(
        st.lists(st.text(string.ascii_uppercase + "-12", min_size=1, max_size=6), unique=True, max_size=6)
    )
    requirements = [
        requirement(
            name,
            title=draw(HOSTILE),
            check=draw(st.sampled_from(["phase1/A", "phase2/B & <C>"])),
            strength=draw(st.sampled_from(Strength)),
            level=draw(st.sampled_from([Level.BRONZE, Level.SILVER])),
            binds=draw(st.sampled_from(["target", "programme"])),
            when=draw(st.sampled_from([None, "declares.x"])),
        )
        for name in names
    ]
    vectors = [
        vector(f"{name}/{slug}", title=draw(HOSTILE))
        for name in names
        for slug in "ab"[: draw(st.integers(0, 2))]
    ]
    lines = [
        line(
            one.id,
            draw(st.sampled_from(Outcome)),
            blocked_by=draw(st.sampled_from([None, *names, *(f"{name}/a" for name in names)])),
            finding=Finding(message=draw(HOSTILE), actual=draw(HOSTILE)),
        )
        for one in vectors
        if draw(st.booleans())
    ]
    events = [http(0, one.id, received=draw(HOSTILE).encode()) for one in vectors[:1]]
    return {
        "requirements": requirements,
        "vectors": vectors,
        "lines": lines,
        "events": events,
        "status": draw(st.sampled_from(["complete", "running"])),
        "level": {"claimed": draw(st.sampled_from(["none", "bronze", "silver"]))},
        "profile": {"excluded": {name: draw(HOSTILE) for name in names[: draw(st.integers(0, 2))]}},
    }


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(made_runs())
def test_all_formats_agree_on_any_run(arguments: dict[str, object]) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        report = build(runs.make(Path(temporary) / "run", **arguments))  # type: ignore[arg-type]
    stories = {name: read(report) for name, read in READERS.items()}
    assert len({json.dumps(story, sort_keys=True) for story in stories.values()}) == 1, stories
    rows, cases = stories["json"]
    assert sum(rows.values()) == len(report.requirements)
    assert sum(cases.values()) == len(report.cases)
    assert {row.id for row in report.requirements} == {
        entry.id
        for entry in arguments["requirements"]  # type: ignore[attr-defined]
    }


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_run_that_was_killed_at_any_byte_has_a_report_that_agrees(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run = runs.ordinary(tmp_path_factory.mktemp("killed") / "run", status="running", finishedAt=None)
    whole = build(run)
    for name in ("matrix.jsonl", "events.jsonl"):
        file = run / name
        content = file.read_bytes()
        file.write_bytes(content[: data.draw(st.integers(0, len(content)), label=name)])
    report = build(run)
    assert report.verdict.achieved is Level.NONE
    assert {row.id for row in report.requirements} == {row.id for row in whole.requirements}
    assert len(report.cases) == len(whole.cases)
    stories = {json.dumps(read(report), sort_keys=True) for read in READERS.values()}
    assert len(stories) == 1


def test_the_guide_names_every_format_and_its_file() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "report.md").read_text(encoding="utf-8")
    for name, file in FILE_NAMES.items():
        assert f"`{name}`" in guide
        assert file in guide or name == "sarif-full"


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


def test_what_holds_no_level_back_turns_no_build_red(tmp_path: Path) -> None:
    run = runs.make(
        tmp_path / "run",
        requirements=[
            requirement("M"),
            requirement("S", strength=Strength.SHOULD),
            requirement("P", binds="programme"),
        ],
        vectors=[vector("M/a")],
        lines=[line("M/a")],
    )
    report = build(run)
    assert report.verdict.achieved is Level.BRONZE
    root = ET.fromstring(FORMATS["junit"](report))  # noqa: S314 - our own output
    assert (root.attrib["failures"], root.attrib["errors"], root.attrib["skipped"]) == ("0", "0", "2")
    assert root.find(".//skipped[@message='not tested: no suite tests this requirement yet']") is not None
    assert json.loads(FORMATS["ctrf"](report))["results"]["summary"]["failed"] == 0
    assert json.loads(FORMATS["sarif"](report))["runs"][0]["results"] == []


def test_sarif_points_at_the_document_else_at_the_evidence(tmp_path: Path) -> None:
    document = {"seq": 1, "tMonoUs": 0, "tUtc": "", "vector": "R/b", "kind": "document", "method": "READ"}
    run = runs.make(
        tmp_path / "run",
        requirements=[requirement("R")],
        vectors=[vector(f"R/{name}") for name in "abc"],
        lines=[line(f"R/{name}", Outcome.FAILED, events=place) for name, place in
               (("a", (4, 5)), ("b", (1, 1)), ("c", (0, -1)))],
        events=[{**document, "url": "exports/my city.json", "received": b"{}"}],
    )  # fmt: skip
    results = json.loads(FORMATS["sarif"](build(run)))["runs"][0]["results"]
    places = [result["locations"][0]["physicalLocation"] for result in results]
    assert [(p["artifactLocation"]["uri"], p["region"]["startLine"]) for p in places] == [
        ("events.jsonl", 5),
        ("exports/my%20city.json", 1),
        ("matrix.jsonl", 1),
    ]


def test_markdown_stays_short_and_gives_no_half_command(tmp_path: Path) -> None:
    names = [f"R-{number:02}/x" for number in range(40)]
    run = runs.make(
        tmp_path / "run",
        requirements=[requirement(name[:4]) for name in names],
        vectors=[vector(name) for name in names],
        lines=[line(name, Outcome.FAILED, finding=Finding(message="m" * 5000)) for name in names],
        events=[http(0, names[0], sent=b"x" * 1000), http(1, names[1], sent=b"y")],
    )
    text = FORMATS["markdown"](build(run)).decode()
    assert len(text) < 65_536
    assert "…and 10 more." in text
    assert "…and 20 more tests" in text
    assert text.count("repeat: <code>curl") == 1
    assert "m" * 401 not in text


@pytest.mark.parametrize(
    ("instant", "dated"), [("2026-01-02T03:04:05Z", True), ("now", False), ("2026-99-01T", False)]
)
def test_earl_dates_only_what_is_an_instant(tmp_path: Path, instant: str, dated: bool) -> None:
    run = runs.make(
        tmp_path / "run",
        requirements=[requirement("R")],
        vectors=[vector("R/a")],
        lines=[line("R/a", started_at=instant)],
        startedAt=instant,
    )
    report = build(run)
    assertion = json.loads(FORMATS["earl"](report))["@graph"][-1]
    assert ("dct:date" in assertion["earl:result"]) is dated
    assert (json.loads(FORMATS["ctrf"](report))["results"]["summary"]["start"] > 0) is dated


@pytest.mark.parametrize("name", FORMATS)
def test_no_format_shows_where_the_run_was_read_from(tmp_path: Path, name: str) -> None:
    report = build(runs.ordinary(tmp_path / "a-very-particular-place"))
    rendered = FORMATS[name](report)
    assert b"a-very-particular-place" not in rendered
    assert rendered == FORMATS[name](msgspec.structs.replace(report, folder="/elsewhere"))
    assert rendered.endswith(b"\n")
    assert name in FILE_NAMES


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


def test_34000_tests_render_in_seconds(tmp_path: Path) -> None:
    """Correctness of the large form is what is asserted; times are not (they are printed on failure only)."""
    requirements = [requirement(f"DTC-P1-{number:03}") for number in range(340)]
    names = [f"{entry.id}/case-{number:03}" for entry in requirements for number in range(100)]
    run = runs.make(
        tmp_path / "run",
        requirements=requirements,
        vectors=[vector(name) for name in names],
        lines=[
            line(name, Outcome.FAILED if place % 1000 == 0 else Outcome.PASSED, events=(place, place))
            for place, name in enumerate(names)
        ],
        events=[http(place, name, received=b'{"a":1}') for place, name in enumerate(names)],
    )
    started = time.monotonic()
    report = build(run)
    sizes = {name: len(render(report)) for name, render in FORMATS.items()}
    took = time.monotonic() - started
    assert report.totals.vectors["failed"] == 34, f"{took:.1f} s"
    assert report.totals.vectors["passed"] == 33_966
    assert sizes["html"] < 20_000_000, sizes
    assert sizes["text"] < 100_000, sizes


# Small things that all formats share


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
