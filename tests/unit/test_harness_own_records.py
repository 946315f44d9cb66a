"""What dtc put into a target itself is not held against it; all else is."""

import json
from datetime import UTC, datetime
from typing import Any

from dtc_cli.core.records import judge_text
from dtc_cli.harness.own_records import without_own

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def findings(*properties: dict[str, Any]) -> list[str]:
    """Pointers of what is found in a city whose objects lack all but these properties."""
    content = json.dumps({"cityObjects": [{"properties": one} for one in properties]}).encode()
    return [finding.pointer for finding in without_own(judge_text(content, now=NOW), content).findings]


def test_leftovers_are_left_out() -> None:
    found = findings({"name": "theirs"}, {"dtcRun": "a run"}, {"dtcRun": "a run", "dtcSeed": True})
    assert any(pointer.startswith("/cityObjects/0") for pointer in found)
    assert not any(pointer.startswith("/cityObjects/1") for pointer in found)
    assert any(pointer.startswith("/cityObjects/2") for pointer in found)
    assert any(not pointer.startswith("/cityObjects") for pointer in found)


def test_what_is_no_json_is_judged_as_it_is() -> None:
    judgement = judge_text(b"{", now=NOW)
    assert judgement.findings
    assert without_own(judgement, b"{") == judgement
