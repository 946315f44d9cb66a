"""Help and documents say what the program does."""

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from dtc_cli.app import app
from dtc_cli.paths import PACKAGE

ROOT = PACKAGE.parent
SNAPSHOTS = Path(__file__).parent / "help_snapshots"
UPDATE = bool(os.environ.get("DTC_UPDATE_SNAPSHOTS"))
GROUPS = tuple(
    path
    for group in app.registered_groups
    for path in (
        (str(group.name),),
        *(
            (str(group.name), str(inner.name))
            for inner in getattr(group.typer_instance, "registered_groups", ())
        ),
    )
)


@cache
def dtc(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "dtc_cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "100"},
    )


def listed(*group: str) -> list[tuple[str, ...]]:
    """The commands that `--help` of a group names."""
    text = dtc(*group, "--help").stdout
    _, _, commands = text.partition("Commands:\n")
    return [(*group, match[1]) for match in re.finditer(r"^  ([a-z][a-z-]*)  ", commands, re.MULTILINE)]


COMMANDS = [name for group in ((), *GROUPS) for name in listed(*group) if name not in GROUPS]


@pytest.mark.parametrize("command", [(), *COMMANDS], ids=lambda command: "-".join(command) or "dtc")
def test_help_is_as_agreed(command: tuple[str, ...]) -> None:
    done = dtc(*command, "--help")
    assert done.returncode == 0
    snapshot = SNAPSHOTS / f"{'-'.join(command) or 'dtc'}.txt"
    if UPDATE:
        snapshot.parent.mkdir(exist_ok=True)
        snapshot.write_text(done.stdout, encoding="utf-8")
    assert done.stdout == snapshot.read_text(encoding="utf-8")


@pytest.mark.parametrize("command", COMMANDS, ids="-".join)
def test_help_has_examples_and_exit_codes(command: tuple[str, ...]) -> None:
    text = dtc(*command, "--help").stdout
    assert "Examples:" in text
    assert f"dtc {' '.join(command)}" in text.partition("Examples:")[2]
    assert "Exit codes:" in text


def documents() -> list[Path]:
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("**/*.md")])


@pytest.mark.parametrize("document", documents(), ids=lambda path: path.name)
def test_documents_name_commands_and_options_that_exist(document: Path) -> None:
    for block in re.findall(
        r"```(?:sh|console|bash)\n(.*?)```", document.read_text(encoding="utf-8"), re.DOTALL
    ):
        for line in block.splitlines():
            words = line.split("#")[0].split()
            if words[:1] != ["dtc"] or len(words) < 2 or words[1].startswith("-"):
                continue
            depth = max(
                (len(group) for group in GROUPS if tuple(words[1 : len(group) + 1]) == group), default=0
            )
            command = tuple(words[1 : depth + 2])
            assert command in COMMANDS, f"{document.name}: {line}"
            text = dtc(*command, "--help").stdout
            for word in words:
                if word.startswith("--"):
                    assert word.split("=")[0] in text, f"{document.name}: {line}"


@pytest.mark.parametrize("document", documents(), ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")):
        if "://" not in link:
            assert (document.parent / link).exists(), link


def test_the_readme_opens_with_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    first = re.search(r"```sh\n(.*?)```", text, re.DOTALL)
    assert first is not None
    assert [line.split()[0] for line in first[1].splitlines()] == ["scripts/demo", "scripts/test"]
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings[:3] == [
        "Certify your own twin",
        "How to read a failure",
        "What a certificate does not prove",
    ]


def test_every_command_is_in_a_document() -> None:
    text = "\n".join(document.read_text(encoding="utf-8") for document in documents())
    assert [name for name in COMMANDS if f"dtc {' '.join(name)}" not in text] == []
