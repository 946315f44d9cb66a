"""The short form of `scripts/prove second-server`: its table is whole, and so is the document of the mock."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from dtc_cli.core.catalogue import load
from dtc_cli.core.target import parse
from dtc_cli.harness.reference import running
from dtc_cli.paths import SPEC
from tests.proofs.second_server import EXPECTED, target_text, word
from tests.support.mock_document import MEDIA, document

pytestmark = pytest.mark.usefixtures("untraced")


@pytest.fixture(scope="module")
def twin() -> Iterator[Path]:
    with running() as target:
        yield target


def test_each_requirement_of_phase_2_has_an_expectation_with_a_reason() -> None:
    rows = yaml.safe_load(EXPECTED.read_text(encoding="utf-8"))
    assert set(rows) == {entry.id for entry in load().requirements.values() if entry.phase == 2}
    assert {row["expect"] for row in rows.values()} == {"pass", "fail", "undecided"}
    assert all(row["because"].strip() for row in rows.values())


@pytest.mark.parametrize(
    ("outcome", "strength", "expected"),
    [
        ("passed", "must", "pass"),
        ("warned", "must", "pass"),
        ("warned", "should", "fail"),
        ("failed", "must", "fail"),
        ("blocked", "must", "fail"),
        ("not_tested", "must", "undecided"),
        ("error", "must", "undecided"),
    ],
)
def test_outcomes_in_the_words_of_the_table(outcome: str, strength: str, expected: str) -> None:
    assert word({"outcome": outcome, "strength": strength}) == expected


def test_the_mock_has_an_example_for_every_operation_that_answers_with_a_body(twin: Path) -> None:
    api, base_path = document(twin)
    assert api["openapi"].startswith("3.1")
    operations = yaml.safe_load((SPEC / "operations.yaml").read_text(encoding="utf-8"))
    compulsory = [
        entry
        for entry in operations
        if entry["strength"] == "must" and entry.get("at", "base") == "base" and entry["method"] != "DELETE"
    ]
    without = []
    for entry in compulsory:
        answers = api["paths"].get(base_path + entry["path"], {}).get(entry["method"].lower(), {})
        bodies = [
            answer["content"][MEDIA]
            for status, answer in answers.get("responses", {}).items()
            if status.startswith("2") and MEDIA in answer.get("content", {})
        ]
        if not any("example" in body for body in bodies):
            without.append(entry["id"])
    # A PATCH of the city would change the twin that other examples describe; /stream is no request.
    assert sorted(without) == ["patch-city", "stream"]


def test_the_target_file_of_the_mock_is_one(tmp_path: Path) -> None:
    target = parse(target_text("http://127.0.0.1:1", "/v1"), source="target.yaml", folder=tmp_path)
    assert target.base_url == "http://127.0.0.1:1/v1"
