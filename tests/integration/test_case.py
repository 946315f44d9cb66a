"""The case of a certification: what is missing is said exactly, and no mark outlives what it was about."""

import json
import shutil
import tarfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dtc_cli.app import main
from dtc_cli.casefile import case
from dtc_cli.core.model import Level
from dtc_cli.signing import pkcs8
from tests.support import beside, packages
from tests.support.beside import BODY, BUSAN, LAB

TARGET = """\
dtc: 1
target: {name: Busan Twin, vendor: Example Works, version: 4.2.0}
city: KR-BUSAN-2025
documents: ["*.json"]
"""


class Desk:
    """A case folder, keys as files, and the policy of a body that knows them."""

    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str], level: str) -> None:
        self.folder, self.case, self._capfd = folder, folder / "case", capfd
        for name in ("vendor", "lab"):
            file = folder / f"{name}.pem"
            file.write_bytes(pkcs8.plain(beside.auditor(name)._private))
            file.chmod(0o600)
        self.policy = beside.policy(folder, BUSAN, LAB, BODY, catalogues=packages.accepted())
        (folder / "target.yaml").write_text(TARGET)
        self.level = level
        self(
            "init",
            self.case,
            "--target",
            folder / "target.yaml",
            "--level",
            level,
            "--contact",
            "twin@example.org",
        )

    def __call__(self, *arguments: object, code: int = 0) -> Any:
        found = main(["case", *(str(each) for each in arguments), "--json"])
        out = self._capfd.readouterr().out
        assert found == code, out
        return json.loads(out)

    def say(self, item: str, who: str = "vendor", *more: str, code: int = 0) -> Any:
        key = self.folder / f"{who}.pem"
        return self("assess", self.case, item, "--by", "K. Kim", "--key", key, *more, code=code)

    def missing(self) -> list[str]:
        code = main(["case", "submit", str(self.case), "--policy", str(self.policy), "--check", "--json"])
        found = json.loads(self._capfd.readouterr().out)["missing"]
        assert code == (6 if found else 0)
        return list(found)


@pytest.fixture
def desk(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    return Desk(tmp_path, capfd, "silver")


def complete(desk: Desk) -> None:
    (desk.folder / "openapi.json").write_text("{}")
    desk("add", desk.case, desk.folder / "openapi.json", "--as", "openapi")
    for item in ("organisation", "contact", "documented-api", "data-owner", "own-run"):
        desk.say(item)
    finished = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
    package = packages.make(desk.folder / "run", level=Level.SILVER, finished=finished)
    desk("add", desk.case, package, "--as", "package")


def test_a_new_case_lacks_what_silver_needs_and_nothing_else(desk: Desk) -> None:
    missing = desk.missing()
    assert [line.split(": ")[1] for line in missing if "not confirmed" in line] == [
        "organisation", "contact", "documented-api", "data-owner", "own-run",
    ]  # fmt: skip
    assert any("no package" in line for line in missing)
    steps = desk("status", desk.case, "--policy", desk.policy, code=6)["steps"]
    assert [step["step"] for step in steps] == [
        "registration", "self-assessment", "technical-review", "testing", "audit", "certification",
        "maintenance",
    ]  # fmt: skip
    assert {step["step"]: step["state"] for step in steps}["audit"] == "not needed"


def test_a_complete_case_is_packed(desk: Desk) -> None:
    complete(desk)
    assert desk.missing() == []
    out = desk.folder / "case.tar"
    desk("submit", desk.case, "--policy", desk.policy, "--out", out)
    with tarfile.open(out) as packed:
        names = packed.getnames()
    assert {"case/case.json", "case/documents/openapi.json", "case/marks/own-run.dsse.json"} <= set(names)
    steps = desk("status", desk.case, "--policy", desk.policy, code=6)["steps"]
    assert [step["step"] for step in steps if step["state"] == "open"] == ["certification", "maintenance"]


def test_a_mark_does_not_outlive_what_it_was_about(desk: Desk) -> None:
    complete(desk)
    (desk.folder / "other.json").write_text("[]")
    desk("add", desk.case, desk.folder / "other.json", "--as", "openapi")
    missing = desk.missing()
    assert len(missing) == 2
    assert any("the document was changed" in line for line in missing)
    registration = desk.case / "case.json"
    registration.write_text(registration.read_text().replace("silver", "bronze"))
    assert sum("about another registration" in line for line in desk.missing()) == 5


def test_a_mark_needs_the_right_signer_and_a_yes(desk: Desk) -> None:
    complete(desk)
    desk.say("contact", "lab")
    assert any("not trusted as vendor" in line for line in desk.missing())
    desk.say("contact", "vendor", "--answer", "no", "--note", "nobody is there")
    assert any("K. Kim says no: nobody is there" in line for line in desk.missing())


def test_no_bit_of_a_mark_can_be_changed(desk: Desk) -> None:
    complete(desk)
    path = desk.case / "marks" / "own-run.dsse.json"
    data = path.read_bytes()
    before = case.marks(desk.case)[0]["own-run"]
    for place in range(0, len(data), 29):
        flipped = bytearray(data)
        flipped[place] ^= 1
        path.write_bytes(bytes(flipped))
        found = case.marks(desk.case)[0]
        assert found.get("own-run", before) == before, place  # only the hint whose key it is may differ
    path.write_bytes(data)
    shutil.copyfile(path, desk.case / "marks" / "contact.dsse.json")
    assert any("it is a mark of own-run" in line for line in desk.missing())


def test_gold_needs_an_auditor(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    desk = Desk(tmp_path, capfd, "gold")
    lacking = {line.split(": ")[1] for line in desk.missing() if "(auditor)" in line}
    assert lacking == {"architecture", "profile", "witnessed", "operations"}
    assert desk.say("architecture", "lab", code=2)["error"]["code"] == "document-missing"
    desk.say("operations", "lab")
    assert not any(line.startswith("Audit: operations") for line in desk.missing())


@pytest.mark.parametrize(
    "arguments",
    [
        ("assess", "CASE", "nothing", "--by", "x"),
        ("assess", "CASE", "contact", "--by", " "),
        ("assess", "CASE", "contact", "--by", "x", "--answer", "perhaps"),
        ("assess", "CASE/none", "contact", "--by", "x", "--key", "CASE/../vendor.pem"),
        ("add", "CASE", "CASE/case.json", "--as", "poem"),
        ("add", "CASE", "CASE/none", "--as", "package"),
        ("init", "CASE", "--target", "CASE/../target.yaml", "--level", "gold", "--contact", "x"),
        ("submit", "CASE", "--policy", "CASE/../policy.json"),
        ("status", "CASE", "--policy", "CASE/none"),
    ],
)
def test_mistakes_are_explained(desk: Desk, arguments: tuple[str, ...]) -> None:
    found = desk(*(each.replace("CASE", str(desk.case)) for each in arguments), code=2)
    assert set(found["error"]) == {"code", "what", "where", "why", "try"}
