"""CycloneDX in a package: bills of materials and attestations, by somebody else's validator."""

import json
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from dtc_cli.core.model import Finding, Outcome
from dtc_cli.core.report import build
from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode
from dtc_cli.reports import FORMATS
from dtc_cli.signing import layout, package, sbom
from tests.support import packages, report_runs, runs


def test_the_bill_of_the_suite_is_valid_whole_and_always_the_same() -> None:
    data = sbom.suite()
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(data.decode()) is None
    value = json.loads(data)
    names = {component["name"] for component in value["components"]}
    assert {"httpx", "cryptography", "rfc8785", "pytest", "httpcore", "cffi"} <= names
    assert {entry["ref"] for entry in value["dependencies"]} == names | {"dtc"}
    assert sbom.suite() == data


def test_the_attestations_are_valid_and_complete(tmp_path: Path) -> None:
    report = build(report_runs.ordinary(tmp_path / "run"))
    data = FORMATS["cdxa"](report)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(data.decode()) is None
    value = json.loads(data)
    mapped = {entry["requirement"]: entry for entry in value["declarations"]["attestations"][0]["map"]}
    claims = {claim["predicate"] for claim in value["declarations"]["claims"]}
    assert claims == {f"{row.id}: {row.outcome.value}" for row in report.requirements}
    for row in report.requirements:
        score = mapped[row.id].get("conformance", {}).get("score")
        assert score == {"passed": 1, "warned": 1, "not_applicable": 1, "failed": 0}.get(row.outcome.value)
    assert value["definitions"]["standards"][0]["levels"][0]["identifier"] == "bronze"


def test_annotations_escape_what_a_target_said(tmp_path: Path) -> None:
    run = report_runs.make(
        tmp_path / "run",
        requirements=[report_runs.requirement("DTC-P1-001", title="a, b: c")],
        vectors=[report_runs.vector("DTC-P1-001/x")],
        lines=[
            report_runs.line(
                "DTC-P1-001/x", Outcome.FAILED,
                finding=Finding(message="100 %\n::error::forged"),
            )
        ],
    )  # fmt: skip
    lines = FORMATS["github"](build(run)).decode().splitlines()
    assert lines[0].startswith("::error title=DTC-P1-001 a%2C b%3A c::failed")
    assert "100 %25%0A::error::forged" in lines[0]
    assert [line.partition(" ")[0] for line in lines] == ["::error", "::notice"]


CYCLONEDX = {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1}
SPDX = {"spdxVersion": "SPDX-2.3", "SPDXID": "SPDXRef-DOCUMENT"}


@pytest.mark.parametrize(("value", "name"), [(CYCLONEDX, sbom.CYCLONEDX), (SPDX, sbom.SPDX)])
def test_both_bills_go_into_the_signed_package(tmp_path: Path, value: dict[str, object], name: str) -> None:
    given = tmp_path / "bill.json"
    given.write_text(json.dumps(value))
    run = runs.make(tmp_path / "run", packages.catalogue())
    sbom.write(run, given)
    made = package.build(run, tmp_path, {}, packages.key())
    contents = packages.unpack(made)
    assert contents[layout.SBOM + name] == given.read_bytes()
    assert contents[layout.SBOM + sbom.SUITE] == sbom.suite()
    assert packages.check(made, packages.trust_file(tmp_path)).exit_code is ExitCode.OK


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        "{}",
        '{"bomFormat": "CycloneDX", "specVersion": "1.1"}',
        '{"spdxVersion": "SPDX-2.1"}',
        "[" * 9999,
    ],
)
def test_what_is_no_bill_is_refused(tmp_path: Path, text: str) -> None:
    given = tmp_path / "bill.json"
    given.write_text(text)
    with pytest.raises(DtcError) as caught:
        sbom.target(given)
    assert caught.value.code == "sbom"
    with pytest.raises(DtcError):
        sbom.target(tmp_path / "none.json")
