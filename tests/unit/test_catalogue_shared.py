"""Nothing of the shared catalogue was lost on its way into the package.

The shared catalogue lies beside a development checkout (`../shared/spec`); elsewhere these tests are skipped.
"""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import yaml

from dtc_cli.core.catalogue import YAML_LOADER, load

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "spec"
pytestmark = pytest.mark.skipif(
    not (SHARED / "requirements.yaml").is_file(), reason="the shared catalogue is not beside this checkout"
)

OWN_MEMBERS = {"interpretations", "partly", "when", "binds"}
EXAMPLES = {
    "4.2-1": "city",
    "4.2-3": "statistics",
    "4.3-1": "create-object",
    "4.3-2": "created-object",
    "4.4-1": "register-sensor",
    "4.4-2": "sensor-data",
    "4.4-3": "submit-data",
    "4.5-1": "start-simulation",
    "4.5-2": "simulation-accepted",
    "4.5-3": "simulation-status",
    "4.5-4": "simulation-results",
    "4.7-1": "nearby-request",
    "4.7-2": "nearby",
    "4.7-3": "route-request",
    "9.1-1": "error",
}


def shared_rows() -> list[list[str]]:
    text = (SHARED / "interpretations.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| C-")]
    return [
        [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines
    ]


def plain(text: str) -> str:
    """The text with the names of the companion documents made equal."""
    text = re.sub(r"\bseeds? ?(?=\d)", "companion ", text).replace("companions ", "companion ")
    return text.replace("P4 seed / current", "P4, two texts").replace("phase4-current", "the newer text")


def test_every_shared_requirement_is_here_word_for_word() -> None:
    shared: list[dict[str, Any]] = yaml.load(
        (SHARED / "requirements.yaml").read_bytes(),
        Loader=YAML_LOADER,  # noqa: S506  (a safe loader)
    )
    here = [msgspec.to_builtins(entry) for entry in load().requirements.values()]
    stripped = [
        {key: value for key, value in entry.items() if key not in OWN_MEMBERS and value is not None}
        for entry in here
    ]
    assert stripped == shared


def test_every_shared_reading_is_here() -> None:
    rows = shared_rows()
    assert [row[0] for row in rows] == list(load().interpretations)
    for id_, where, gap, resolution, _ in rows:
        reading = load().interpretations[id_]
        assert [plain(text) for text in (where, gap, resolution)] == [
            plain(reading.where),
            plain(reading.gap),
            plain(reading.resolution),
        ]


def test_every_link_of_the_shared_table_is_here() -> None:
    links = 0
    for row in shared_rows():
        named = [f"DTC-{short}" for short in re.findall(r"(?:P\d|PERF|SEC)-\d+", row[4])]
        more = int(found[1]) if (found := re.search(r"\+(\d+)$", row[4])) else 0
        entries = load().interpretations[row[0]].entries
        assert set(named) <= set(entries)
        assert len(entries) == len(named) + more
        links += len(entries)
    assert links > 200


@pytest.mark.parametrize(("clause", "name"), EXAMPLES.items())
def test_printed_examples_have_the_served_shapes(clause: str, name: str) -> None:
    document = json.loads((SHARED / "examples" / "phase2" / f"{clause}.json").read_bytes())
    jsonschema.Draft202012Validator(load().schema(name)).validate(document)
