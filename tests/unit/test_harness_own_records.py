"""What dtc put into a target itself is not held against it; all else is."""

import json
from datetime import UTC, datetime
from typing import Any

from dtc_cli.core.records import judge_text
from dtc_cli.harness.own_records import without_own

NOW = datetime(2026, 1, 2, tzinfo=UTC)
RUN, OTHER = "0198a2f0-0000-7000-8000-000000000001", "0198a2f0-0000-7000-8000-000000000002"


def findings(*properties: dict[str, Any]) -> dict[str, str]:
    """Pointer to message of what is found in a city whose objects lack all but these properties."""
    content = json.dumps({"cityObjects": [{"properties": one} for one in properties]}).encode()
    found = without_own(judge_text(content, now=NOW), content, RUN).findings
    return {finding.pointer: finding.message for finding in found}


def told(found: dict[str, str], number: int) -> list[str]:
    return [message for pointer, message in found.items() if pointer.startswith(f"/cityObjects/{number}")]


def test_what_this_run_made_is_left_out() -> None:
    found = findings({"name": "theirs"}, {"dtcRun": RUN}, {"dtcRun": RUN, "dtcSeed": True})
    assert told(found, 0)
    assert not told(found, 1)
    assert told(found, 2)
    assert any(not pointer.startswith("/cityObjects") for pointer in found)


def test_the_tag_of_another_run_excuses_nothing_and_is_named() -> None:
    found = findings({"dtcRun": OTHER}, {"dtcRun": "anything else"}, {"dtcRun": 7})
    assert all(f"dtc clean TARGET --run {OTHER}" in message for message in told(found, 0))
    assert told(found, 0)
    assert told(found, 1)
    assert told(found, 2)
    assert not any("dtc clean" in message for message in told(found, 1) + told(found, 2))


def test_what_is_no_json_is_judged_as_it_is() -> None:
    judgement = judge_text(b"{", now=NOW)
    assert judgement.findings
    assert without_own(judgement, b"{", RUN) == judgement
