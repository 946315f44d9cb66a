"""Every format tells the same story, and nothing that a target said becomes markup in any of them."""

import json
import string
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dtc_cli.core.model import Finding, Level, Outcome, Strength
from dtc_cli.core.report import build, places
from dtc_cli.reports import FILE_NAMES, FORMATS
from tests.support import report_runs as runs
from tests.support.report_readers import READERS
from tests.support.report_runs import http, line, requirement, vector

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


def test_a_finding_about_a_document_points_at_its_line(tmp_path: Path) -> None:
    """Documents are read once, by the first test of them; findings of the others name file and pointer."""
    text = '{\n "a": [1,\n  {"b/c": "}]\\"",\n   "d": 2}],\n "e": null}\n'
    said = "exports/it.json at /a/1/d: is not"
    document = {"seq": 0, "tMonoUs": 0, "tUtc": "", "vector": "R/a", "kind": "document", "method": "READ"}
    run = runs.make(
        tmp_path / "run",
        requirements=[requirement("R")],
        vectors=[vector("R/a"), vector("R/b")],
        lines=[
            line("R/a", Outcome.FAILED, events=(0, 0), finding=Finding(message=f"{said} 3")),
            line("R/b", Outcome.FAILED, events=(0, -1), finding=Finding(message=f"{said} 4")),
        ],
        events=[{**document, "url": "exports/it.json", "received": text.encode()}],
    )
    report = build(run)
    assert [(case.document, case.document_line) for case in report.cases] == [("exports/it.json", 4)] * 2
    results = json.loads(FORMATS["sarif"](report))["runs"][0]["results"]
    assert {each["locations"][0]["physicalLocation"]["region"]["startLine"] for each in results} == {4}
    assert b"::error file=exports/it.json,line=4,title=" in FORMATS["github"](report)
    assert b'file="exports/it.json" line="4"' in FORMATS["junit"](report)
    expected = {
        "": 1,
        "/a": 2,
        "/a/0": 2,
        "/a/1": 3,
        "/a/1/b~1c": 3,
        "/e": 5,
        "/a/7": 2,
        "/x/y": 1,
        "/e/z": 5,
    }
    assert {pointer: places.line_of(text, pointer) for pointer in expected} == expected
    assert [places.line_of(broken, "/a/b") for broken in ("", "\n\n", "\n{", '{"a":', "{a", '{"a" 1}')] == [
        1, 3, 2, 1, 1, 1,
    ]  # fmt: skip


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
