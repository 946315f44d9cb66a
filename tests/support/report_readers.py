"""Reads every report format back into counts, each by its own means."""

import csv
import io
import json
import re
import xml.etree.ElementTree as ET
from collections import Counter
from html.parser import HTMLParser

from dtc_cli.core.model import Outcome, Strength
from dtc_cli.core.report import Report
from dtc_cli.reports import FORMATS, ctrf, earl, shown

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
