"""Manifests follow from a signed run, or from their members, and nothing else holds."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dtc_cli.app import main
from dtc_cli.core import catalogue, report
from dtc_cli.core.model import Outcome
from dtc_cli.exit_codes import ExitCode
from dtc_cli.reports import crosswalk
from dtc_cli.signing import attestation, keys, profile
from tests.support import beside, packages, report_runs
from tests.support.packages import trust_file

EDGE = "WIA-P4-INTEGRATION-Edge-only/2"
FAILED = "DTC-P1-001/negative-case"


class Desk:
    """Two products with a signed run each, and somebody who signs their manifests."""

    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capfd = folder, capfd
        assert main(["keys", "generate", "default", "--no-passphrase"]) == 0
        assert main(["keys", "export-public", "default", "--out", str(folder / "own.pub")]) == 0
        self.own = folder / "own.pub"
        self.packages = {
            "busan": packages.make(folder / "busan"),
            "ulsan": packages.make(folder / "ulsan", number=2, outcomes={FAILED: Outcome.FAILED}),
        }

    def __call__(self, *arguments: object, code: int = 0) -> Any:
        self._capfd.readouterr()
        found = main(["profile", *(str(each) for each in arguments), "--json"])
        out = self._capfd.readouterr().out
        assert found == code, out
        return json.loads(out)

    def build(self, name: str) -> Path:
        out = self.folder / f"{name}.profile.json"
        self("build", self.packages[name], "--name", EDGE, "--topology", "single-tenant-edge", "--out", out)
        return out


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Desk:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    return Desk(tmp_path, capfd)


def test_a_manifest_says_what_the_run_showed(desk: Desk) -> None:
    made = desk.build("ulsan")
    verify = ("verify", made, "--trust", desk.own)
    found = desk(*verify, "--package", desk.packages["ulsan"])
    assert found["says"] == f"{EDGE} of Busan Twin: 100 of 101 supported"
    assert desk(*verify, code=ExitCode.CANNOT_DECIDE)["checked"] is False
    assert desk("verify", made, "--package", desk.packages["ulsan"], code=4)["trusted"] is False
    assert desk("verify", made, "--trust", trust_file(desk.folder), code=4)["trusted"] is False
    error = desk(*verify, "--package", desk.packages["busan"], code=ExitCode.INTEGRITY)["error"]
    assert error["code"] == "manifest-refused"


def test_a_manifest_that_claims_more_than_its_run_is_refused(desk: Desk) -> None:
    from dtc_cli.signing import evidence
    from dtc_cli.signing.reader import open_package

    package = desk.packages["ulsan"]
    with open_package(package) as files:
        facts = evidence.read(files)
    honest = profile.make(facts, EDGE, "federated-mesh", attestation.now())
    assert honest.requirements["DTC-P1-001"].status == "partial"
    assert honest.requirements["DTC-P1-001"].reason.startswith("failed")
    bold = {**honest.requirements, "DTC-P1-001": profile.Status(status="supported")}
    claims: tuple[dict[str, Any], ...] = ({"requirements": bold}, {"level": "gold"}, {"run_id": "another"})
    for changes in claims:
        said = msgspec.structs.replace(honest, **changes)
        made = desk.folder / "bold.json"
        made.write_bytes(attestation.make(profile.PROFILE, said, beside.sums(package), keys.load("default")))
        desk("verify", made, "--trust", desk.own, "--package", package, code=ExitCode.INTEGRITY)


def test_a_federation_follows_from_its_members(desk: Desk) -> None:
    one, two = desk.build("busan"), desk.build("ulsan")
    made = desk.folder / "coast.profile.json"
    counts = desk("merge", one, two, "--name", "Coast-Federation/1", "--out", made)
    assert (counts["members"], counts["union"], counts["intersection"]) == (2, 101, 100)
    verify = ("verify", made, "--trust", desk.own)
    assert desk(*verify, "--member", two, "--member", one)["checked"] is True
    assert desk(*verify, code=ExitCode.CANNOT_DECIDE)["checked"] is False
    desk(*verify, "--member", one, code=ExitCode.INTEGRITY)
    desk("merge", made, one, "--name", "Coast-Federation/1", code=ExitCode.INTEGRITY)
    data = bytearray(two.read_bytes())
    data[len(data) // 2] ^= 1
    two.write_bytes(data)
    desk(*verify, "--member", one, "--member", two, code=ExitCode.INTEGRITY)


@pytest.mark.parametrize(
    ("option", "value"), [("--name", "no version"), ("--name", "Edge/0"), ("--topology", "ring")]
)
def test_wrong_names_are_explained(desk: Desk, option: str, value: str) -> None:
    given = {"--name": EDGE, "--topology": "federated-mesh", option: value}
    words = [word for pair in given.items() for word in pair]
    assert desk("build", desk.packages["busan"], *words, code=ExitCode.USAGE)["error"]["code"] == "usage"


def test_each_check_of_the_catalogue_has_its_place_in_the_crosswalk(tmp_path: Path) -> None:
    entries = catalogue.load().requirements.values()
    assert {entry.check for entry in entries} == set(crosswalk.TABLE)
    rows = crosswalk.render(report.build(report_runs.ordinary(tmp_path / "run"))).decode().splitlines()
    assert rows[0] == ",".join(crosswalk.COLUMNS)
    assert any("JSON Schema" in row and row.startswith("DTC-") for row in rows[1:])
