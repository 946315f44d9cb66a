"""A hostile vendor who owns a trusted key and tells a false story that hangs together, or nearly."""

import json
import os
import shutil
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dtc_cli.core import report as reporting
from dtc_cli.core.canonical import canonical_json
from dtc_cli.core.model import Level, Outcome
from dtc_cli.exit_codes import ExitCode
from dtc_cli.harness import identity
from dtc_cli.registry.rendered import rendered
from dtc_cli.reports import FORMATS
from dtc_cli.signing import layout, package
from dtc_cli.signing.refusal import Refusal
from dtc_cli.signing.trust import alike
from tests.support import beside, cheating, packages, runs
from tests.support.beside import BODY, BUSAN, LAB, audited, auditor, policy
from tests.support.packages import Contents, changed, check, failing, make, resigned, trust_file

FAILED = "DTC-P1-001/negative-case"
INTEGRITY, UNTRUSTED = ExitCode.INTEGRITY, ExitCode.UNTRUSTED


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The honest package of a failed run."""
    return make(tmp_path_factory.mktemp("failed"), outcomes={FAILED: Outcome.FAILED})


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trust_file(tmp_path_factory.mktemp("trust"))


def reported(folder: Path, **run: Any) -> tuple[Path, Path]:
    """A run of this very build, and its package with the reports that follow from it."""
    suite = {"version": "0.1.0", "digest": identity.suite_digest(), "dirty": False}
    made = runs.make(folder / "run", packages.catalogue(), suite=suite, **run)
    model = reporting.build(made)
    exports = {"report.html": FORMATS["html"](model), "junit.xml": FORMATS["junit"](model)}
    return made, package.build(made, folder, exports, packages.key())


def test_a_report_that_says_something_else_than_the_evidence(tmp_path: Path, trust: Path) -> None:
    """The vendor signs honest evidence of a failed run, and beside it the report of a passed one."""
    _, good = reported(tmp_path / "good")
    run, _ = reported(tmp_path / "bad", outcomes={FAILED: Outcome.FAILED}, number=1)
    assert "exports.match" not in failing(check(good, trust, render=rendered))
    lies = {"report.html": packages.unpack(good)["exports/report.html"]}
    more = {"certificate.pdf": b"%PDF-1.7 GOLD"}
    for exports, named in ((lies, "report.html says"), (more, "certificate.pdf is no report")):
        path = package.build(run, tmp_path / named[:6], exports, packages.key())
        assert check(path, trust).exit_code is ExitCode.NOT_CONFORMANT
        result = check(path, trust, render=rendered)
        assert (result.exit_code, failing(result)[0]) == (INTEGRITY, "exports.match")
        assert any(named in each.reason for each in result.checks)


def test_reports_of_another_build_are_not_judged_by_this_ones(failed: Path, trust: Path) -> None:
    result = check(failed, trust, render=rendered)
    said = next(each for each in result.checks if each.name == "exports.match")
    assert (said.status.value, said.code) == ("not-required", None)


def note(base: str, at: str, last: str = "a" * 64) -> Callable[[Contents], object]:
    """The events of a run with a note of whom they were with, chained again."""

    def edit(events: list[dict[str, Any]]) -> None:
        events[0]["target"] = {"baseUrl": base}
        events[0]["kind"] = "note"
        for event in events:
            event["tUtc"] = at
            event["tlsSpki"] = "a" * 64
        events[-1]["tlsSpki"] = last

    return cheating.rechained(edit)


def told(run: dict[str, Any], **members: Any) -> Callable[[Contents], object]:
    def change(contents: Contents) -> None:
        value = json.loads(contents[layout.RUN])
        value["target"] |= run
        value |= members
        contents[layout.RUN] = canonical_json(value)

    return change


HERE = "https://twin.example/digital-twin-city/v1"
DURING = (runs.FINISHED - timedelta(seconds=3)).isoformat().replace("+00:00", "Z")
BEFORE = (runs.FINISHED - timedelta(days=40)).isoformat().replace("+00:00", "Z")
STORIES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "the run was of another address": (HERE, DURING, {"baseUrl": "https://twin.ulsan.example/v1"}),
    "the exchanges are older than the run": (HERE, BEFORE, {"baseUrl": HERE}),
    "the target showed another key": (
        HERE, DURING, {"baseUrl": HERE, "fingerprint": {"tlsSpki": ["b" * 64]}},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("base", "at", "claims"), STORIES.values(), ids=STORIES)
def test_events_that_tell_another_story(
    tmp_path: Path, trust: Path, failed: Path, base: str, at: str, claims: dict[str, Any]
) -> None:
    honest = {"baseUrl": HERE, "fingerprint": {"tlsSpki": ["a" * 64]}}
    fine = resigned(failed, tmp_path, cheating.both(told(honest), note(HERE, DURING)))
    assert check(fine, trust).exit_code is ExitCode.NOT_CONFORMANT
    result = check(resigned(failed, tmp_path, cheating.both(told(claims), note(base, at))), trust)
    assert (result.exit_code, failing(result)[0]) == (INTEGRITY, "events.story")


def test_a_target_that_was_replaced_during_the_run(tmp_path: Path, trust: Path, failed: Path) -> None:
    honest = told({"baseUrl": HERE, "fingerprint": {"tlsSpki": ["a" * 64]}})
    result = check(
        resigned(failed, tmp_path, cheating.both(honest, note(HERE, DURING, last="c" * 64))), trust
    )
    assert (result.exit_code, failing(result)[0]) == (INTEGRITY, "events.story")
    assert any("showed the TLS key cccccccccccccccc during the run" in each.reason for each in result.checks)


def test_an_auditor_whose_name_only_looks_like_another_organisation(tmp_path: Path) -> None:
    """The vendor audits itself under a name with a Cyrillic letter; readers would not see the difference."""
    gold = make(tmp_path, level=Level.GOLD)
    twin = ("auditor", "lab", "Ex\u0430mple  WORKS")
    result = check(audited(gold, auditor("lab")), policy(tmp_path, BUSAN, twin))
    assert (result.exit_code, failing(result)) == (UNTRUSTED, ["audit.endorsed"])
    assert alike("City Lab") == alike("\uff23ity\u00a0l\u0430b") != alike("City Lab 2")


def test_two_look_alikes_are_not_two_organisations(tmp_path: Path) -> None:
    platinum = make(tmp_path, level=Level.PLATINUM)
    audited(platinum, auditor("lab"))
    audited(platinum, auditor("lab2"))
    look = ("auditor", "lab2", "C\u0456ty Lab")
    assert check(platinum, policy(tmp_path, BUSAN, LAB, look)).exit_code is UNTRUSTED
    other = ("auditor", "lab2", "Second Lab")
    assert check(platinum, policy(tmp_path, BUSAN, LAB, other)).exit_code is ExitCode.OK


def test_a_key_that_is_vendor_and_auditor_audits_nothing(tmp_path: Path) -> None:
    gold = audited(make(tmp_path, level=Level.GOLD), auditor("vendor"))
    both = policy(tmp_path, BUSAN, ("auditor", "vendor", "City Lab"))
    assert check(gold, both).exit_code is UNTRUSTED


TRICKS: dict[str, Callable[[Contents], object]] = {
    "a duplicate key in a matrix line": lambda held: held.update(
        {layout.MATRIX: held[layout.MATRIX].replace(b'"outcome":', b'"outcome":"passed","outcome":', 1)}
    ),
    "a duplicate key in run.json": lambda held: held.update(
        {layout.RUN: held[layout.RUN].replace(b"{", b'{"mode":"lab",', 1)}
    ),
    "a byte order mark": lambda held: held.update({layout.RUN: b"\xef\xbb\xbf" + held[layout.RUN]}),
    "a second object after the first": lambda held: held.update(
        {layout.PROFILE: held[layout.PROFILE] + b"{}"}
    ),
    "another seed than the matrix": told({}, seed=8),
    "fewer vectors, plan and matrix alike": cheating.both(
        cheating.without(layout.VECTORS, "id", FAILED), cheating.drop_line(FAILED)
    ),
    "an easier catalogue": lambda held: held.update(
        {layout.CATALOGUE: held[layout.CATALOGUE].replace(b'"strength":"must"', b'"strength":"may"')}
    ),
    "a nonce of another run": told({}, nonce="AAAAAAAAAAAAAAAAAAAAAA"),
    "another run's id": told({}, runId=runs.RUN_ID.format(9)),
}


@pytest.mark.parametrize("trick", TRICKS.values(), ids=TRICKS)
def test_a_trick_in_evidence_that_is_signed_again(
    failed: Path, trust: Path, tmp_path: Path, trick: Callable[[Contents], object]
) -> None:
    try:
        path = resigned(failed, tmp_path, trick)
    except Refusal:
        path = packages.by_hand(failed, tmp_path, trick)
    result = check(path, trust)
    assert result.exit_code is INTEGRITY
    assert failing(result) != ["matrix.summary"]
    assert result.conformant is None


TROUBLE: dict[str, Callable[[Path], object]] = {
    "link": lambda at: os.symlink("/etc/hostname", at / "evidence" / "more"),
    "folder-link": lambda at: os.symlink("/etc", at / "more"),
    "case": lambda at: (at / "evidence" / "RUN.json").write_bytes(b"{}"),
    "fifo": lambda at: os.mkfifo(at / "evidence" / "pipe"),
    "blank": lambda at: (at / "evidence" / "run .json").write_bytes(b"{}"),
}


def test_links_and_colliding_names_in_a_folder(failed: Path, trust: Path, tmp_path: Path) -> None:
    for name, make_it in TROUBLE.items():
        folder = tmp_path / name
        for file, data in packages.unpack(failed).items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(data)
        make_it(folder)
        assert check(folder, trust).exit_code is INTEGRITY, name
        shutil.rmtree(folder)


def test_every_kind_of_file_of_a_package_is_watched(tmp_path: Path) -> None:
    """Bills of materials, audit, verdict and reports too: changed, removed or doubled, none passes."""
    made = runs.make(tmp_path / "run", packages.catalogue(), level=Level.GOLD)
    (made / "sbom").mkdir()
    (made / "sbom" / "suite.cdx.json").write_bytes(b'{"bomFormat":"CycloneDX"}')
    path = package.build(made, tmp_path, {"junit.xml": b"<testsuites/>\n"}, packages.key())
    beside.decided(audited(path, auditor()), auditor("body"))
    asked = policy(tmp_path, BUSAN, LAB, BODY, levels={"gold": {"require": ["auditor", "registry"]}})
    assert check(path, asked).exit_code is ExitCode.OK
    kinds: dict[str, str] = {}
    for name in packages.unpack(path):
        many = name.startswith((layout.BODIES, layout.KEYS))
        kinds.setdefault(name.rpartition("/")[0] if many else name, name)
    assert "evidence/sbom/suite.cdx.json" in kinds
    assert len([name for name in kinds if name.startswith("attestations/")]) == 4
    for name in kinds.values():
        for change in (flipped, removed, doubled, emptied):
            result = check(changed(path, tmp_path, partial(change, name=name)), asked)
            assert result.exit_code is not ExitCode.OK, (name, change.__name__)


def flipped(held: Contents, name: str) -> None:
    data = bytearray(held[name])
    data[len(data) // 2] ^= 4
    held[name] = bytes(data)


def removed(held: Contents, name: str) -> None:
    del held[name]


def doubled(held: Contents, name: str) -> None:
    stem, _, suffix = name.rpartition(".")
    held[f"{stem}2.{suffix}" if stem else f"{name}2"] = held[name]


def emptied(held: Contents, name: str) -> None:
    held[name] = b""
