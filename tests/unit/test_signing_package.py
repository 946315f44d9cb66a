"""The package of a run: what is in it, what is signed, and that a failed run gets one like any other."""

import json
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dtc_cli.core import catalogue as catalogues
from dtc_cli.core.canonical import canonical_json, sha256_hex
from dtc_cli.core.model import Level, Outcome
from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode
from dtc_cli.signing import archive, bundle, layout, package, statement
from dtc_cli.signing.refusal import Refusal
from tests.support import runs
from tests.support.packages import catalogue, ed_key, key, make, unpack

FIRST = "DTC-P1-001/positive-case"


def signed(path: Path) -> dict[str, Any]:
    payload = bundle.parse(unpack(path)[layout.RUN_BUNDLE], "it").envelope.payload
    value: dict[str, Any] = json.loads(payload)
    assert canonical_json(value) == payload
    return value


def test_layout_and_list(tmp_path: Path) -> None:
    path = make(tmp_path)
    contents = unpack(path)
    assert path.name == "dtc-busan-twin-0190a1b2-0000-7000-8000-000000000001.dtcpack.tar.gz"
    beside = [name for name in contents if not name.startswith(layout.BODIES)]
    assert beside == [
        "SHA256SUMS",
        "attestations/run.sigstore.json",
        "attestations/test-result.sigstore.json",
        "evidence/events.jsonl",
        "evidence/matrix.jsonl",
        "evidence/profile.json",
        "evidence/requirements.json",
        "evidence/run.json",
        "evidence/suite/catalogue.json",
        "evidence/vectors.json",
        "exports/junit.xml",
        f"keys/{key().keyid}.pub",
    ]
    listed = layout.parse_sums(contents["SHA256SUMS"])
    assert listed == {
        n: sha256_hex(d) for n, d in contents.items() if n.startswith(("evidence/", "exports/"))
    }


def test_two_packages_of_a_run_differ_in_the_signature_only(tmp_path: Path) -> None:
    run = runs.make(tmp_path / "run", catalogue())
    one = unpack(package.build(run, tmp_path / "one", {}, key()))
    two = unpack(package.build(run, tmp_path / "two", {}, key()))
    assert {name for name in one if one[name] != two[name]} <= {layout.RUN_BUNDLE, layout.TEST_RESULT}
    deterministic = [
        package.build(run, tmp_path / folder, {}, ed_key()).read_bytes() for folder in ("a", "b")
    ]
    assert deterministic[0] == deterministic[1]


def test_the_statement_says_what_the_run_says(tmp_path: Path) -> None:
    path = make(tmp_path, outcomes={FIRST: Outcome.FAILED, "DTC-P1-002/positive-case": Outcome.BLOCKED})
    contents, value = unpack(path), signed(path)
    assert value["subject"] == [
        {"name": "SHA256SUMS", "digest": {"sha256": sha256_hex(contents["SHA256SUMS"])}}
    ]
    predicate = value["predicate"]
    assert value["predicateType"] == "urn:dtc:attestation:compliance-run:v1"
    assert predicate["runId"] == runs.RUN_ID.format(1)
    assert predicate["target"]["baseUrls"] == ["https://twin.example/digital-twin-city/v1"]
    assert predicate["requirements"]["DTC-P1-001"] == "failed"
    assert predicate["requirements"]["DTC-P1-002"] == "blocked"
    bronze = len(catalogue().for_level(Level.BRONZE))
    assert predicate["results"] == {
        "total": bronze, "passed": bronze - 2, "failed": 1, "warned": 0, "error": 0,
        "excluded": 0, "notRun": 1,
    }  # fmt: skip
    assert predicate["level"] == {"claimed": "bronze", "achieved": "none", "bronze": "FAILED"}
    assert predicate["verdict"] == "FAILED"
    assert predicate["validity"] == {
        "notBefore": "2026-11-20T12:00:20Z",
        "notAfter": "2027-11-20T12:00:20Z",
        "recheckDue": "2027-02-20T12:00:20Z",
    }
    assert predicate["matrix"]["lines"] == contents["evidence/matrix.jsonl"].count(b"\n")
    assert predicate["eventLog"]["count"] == contents["evidence/events.jsonl"].count(b"\n")
    assert predicate["selection"] == {"complete": True, "expression": None, "seed": 42}


def numbers(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [found for item in value.values() for found in numbers(item)]
    if isinstance(value, list):
        return [found for item in value for found in numbers(item)]
    return [value] if isinstance(value, float) else []


def test_the_statement_holds_no_floating_point_number(tmp_path: Path) -> None:
    assert numbers(signed(make(tmp_path))) == []


def test_the_published_schema_accepts_it_and_says_so_with_its_digest(tmp_path: Path) -> None:
    value = signed(make(tmp_path))
    schema = catalogues.load().schema("statement")
    jsonschema.Draft202012Validator(schema).validate(value)
    digests = {entry["name"]: entry["digest"]["sha256"] for entry in value["predicate"]["configuration"]}
    folder = catalogues.load().root / "schemas"
    assert digests == {name: sha256_hex((folder / name).read_bytes()) for name in digests}
    assert sorted(digests) == ["predicate.schema.json", "statement.schema.json"]


def test_a_selection_or_an_interrupted_run_reaches_nothing(tmp_path: Path) -> None:
    selected = {"complete": False, "expression": "P1-00"}
    one = signed(make(tmp_path / "a", selection=selected))["predicate"]
    two = signed(make(tmp_path / "b", status="interrupted"))["predicate"]
    for predicate in (one, two):
        assert predicate["level"] == {"claimed": "bronze", "achieved": "none", "bronze": "FAILED"}
        assert predicate["selection"]["complete"] is False


def test_all_levels_up_to_the_claimed_one_are_in_the_table(tmp_path: Path) -> None:
    failed = next(e.id for e in catalogue().for_level(Level.SILVER) if e.level is Level.SILVER)
    path = make(tmp_path, level=Level.GOLD, outcomes={f"{failed}/negative-case": Outcome.FAILED})
    assert signed(path)["predicate"]["level"] == {
        "claimed": "gold", "achieved": "bronze", "bronze": "PASSED", "silver": "FAILED", "gold": "FAILED"
    }  # fmt: skip


def test_half_a_last_line_is_left_out(tmp_path: Path) -> None:
    run = runs.make(tmp_path / "run", catalogue(), status="interrupted")
    for name in ("events.jsonl", "matrix.jsonl"):
        with (run / name).open("ab") as stream:
            stream.write(b'{"half":')
    contents = unpack(package.build(run, tmp_path, {}, key()))
    assert contents["evidence/events.jsonl"].endswith(b"}\n")
    assert contents["evidence/matrix.jsonl"].endswith(b"}\n")


def test_leftovers_of_a_killed_recorder_stay_outside(tmp_path: Path) -> None:
    run = runs.make(tmp_path / "run", catalogue())
    (run / "bodies" / ("a" * 64 + ".part")).write_bytes(b"half")
    assert not [name for name in unpack(package.build(run, tmp_path, {}, key())) if "part" in name]


@pytest.mark.parametrize("status", ["running", "unknown", None])
def test_a_run_that_has_not_ended_is_not_signed(tmp_path: Path, status: str | None) -> None:
    run = runs.make(tmp_path / "run", catalogue(), status=status)
    with pytest.raises(DtcError) as refused:
        package.build(run, tmp_path / "out", {}, key())
    assert (refused.value.code, refused.value.exit_code) == ("run-not-finished", ExitCode.INCOMPLETE)
    assert not (tmp_path / "out").exists()


def test_a_run_that_broke_off_without_an_end_of_its_log_is_not_signed(tmp_path: Path) -> None:
    run = runs.make(tmp_path / "run", catalogue(), status="aborted", events=None)
    with pytest.raises(DtcError) as refused:
        package.build(run, tmp_path / "out", {}, key())
    assert refused.value.code == "run-not-finished"


DAMAGES = {
    "no run.json": ("run.json", None),
    "no vectors": ("vectors.json", None),
    "no events": ("events.jsonl", None),
    "run.json is a list": ("run.json", b"[]"),
    "run.json twice a key": ("run.json", b'{"status":"complete","status":"running"}'),
    "run.json lacks all": ("run.json", b'{"status":"complete"}'),
    "vectors of another shape": ("vectors.json", b'[{"id":1}]'),
    "matrix not canonical": ("matrix.jsonl", b'{ "vector":"x" }\n'),
    "matrix of another shape": ("matrix.jsonl", b'{"vector":"x"}\n'),
}


@pytest.mark.parametrize(("name", "data"), DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_run_is_not_signed(tmp_path: Path, name: str, data: bytes | None) -> None:
    run = runs.make(tmp_path / "run", catalogue())
    (run / name).unlink()
    if data is not None:
        (run / name).write_bytes(data)
    with pytest.raises(DtcError) as refused:
        package.build(run, tmp_path / "out", {}, key())
    assert (refused.value.code, refused.value.exit_code) == ("run-damaged", ExitCode.INTEGRITY)


def test_an_empty_matrix_can_be_signed(tmp_path: Path) -> None:
    run = runs.make(tmp_path / "run", catalogue())
    (run / "matrix.jsonl").write_bytes(b"")
    assert signed(package.build(run, tmp_path, {}, key()))["predicate"]["verdict"] == "FAILED"


@pytest.mark.parametrize("name", ["../x", "a/../b", "", ".x", "a b", "RUN/../../x"])
def test_an_export_cannot_leave_its_folder(tmp_path: Path, name: str) -> None:
    run = runs.make(tmp_path / "run", catalogue())
    with pytest.raises(DtcError, match="cannot be packaged"):
        package.build(run, tmp_path / "out", {name: b""}, key())


def test_too_much_text_is_refused_with_the_limit(tmp_path: Path) -> None:
    facts = {"name": "Twin", "vendor": "v", "version": "1", "city": "KR-BUSAN-2025"}
    shown = {"tlsSpki": ["e" * 64] * 1000}
    run = runs.make(tmp_path / "run", catalogue(), target={**facts, "fingerprint": shown})
    with pytest.raises(DtcError, match=str(statement.MAX_BYTES)) as refused:
        package.build(run, tmp_path / "out", {}, key())
    assert refused.value.code == "statement-too-large"


def test_a_folder_that_cannot_be_written_is_explained(tmp_path: Path) -> None:
    run = runs.make(tmp_path / "run", catalogue())
    (tmp_path / "file").write_text("")
    with pytest.raises(DtcError) as refused:
        package.build(run, tmp_path / "file", {}, key())
    assert refused.value.code == "package-not-written"


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = runs.make(tmp_path / "run", catalogue())
    monkeypatch.setattr(layout, "MAX_FILES", 100)
    with pytest.raises(DtcError, match="cannot be packaged"):
        package.build(run, tmp_path / "out", {}, key())


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Busan Twin", "busan-twin"),
        ("  --Ünïcode / .. \\ name!! ", "n-code-name"),
        ("부산", "target"),
        ("x" * 100, "x" * 40),
        ("a" * 39 + " b", "a" * 39),
    ],
)
def test_slugs(name: str, slug: str) -> None:
    assert package.slug(name) == slug


def test_the_archive_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(Refusal):
        archive.write(tmp_path / "p.tar.gz", {"a": b"", "../b": b""})
    with pytest.raises(FileNotFoundError):
        archive.write(tmp_path / "p.tar.gz", {"a": b"1", "b": tmp_path / "none"})
    assert list(tmp_path.iterdir()) == []


def test_a_run_folder_may_lie_anywhere_and_is_left_alone(tmp_path: Path) -> None:
    run = runs.make(tmp_path / "run", catalogue())
    shutil.copytree(run, tmp_path / "copy")
    package.build(run, tmp_path / "out", {}, key())
    before = {
        p.relative_to(tmp_path / "copy"): p.read_bytes()
        for p in (tmp_path / "copy").rglob("*")
        if p.is_file()
    }
    assert {p.relative_to(run): p.read_bytes() for p in run.rglob("*") if p.is_file()} == before
