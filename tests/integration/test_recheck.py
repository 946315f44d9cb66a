"""A recheck names the signed run before it; the register takes no run that leaves one out."""

import json
from pathlib import Path

import pytest

from dtc_cli.app import main
from dtc_cli.commands import certify
from dtc_cli.core import report, runfolder
from dtc_cli.core.model import Level
from dtc_cli.core.target import load
from dtc_cli.exit_codes import ExitCode
from dtc_cli.harness.runner import Run
from tests.support import beside, packages

TARGET = """
dtc: 1
target: {{name: {name}, vendor: Example Works, version: 4.2.0}}
city: KR-BUSAN-2025
rest: {{base_url: "http://127.0.0.1:9/digital-twin-city/v1"}}
"""


def described(folder: Path, name: str) -> Path:
    file = folder / f"{name.split(maxsplit=1)[0]}.yaml"
    file.write_text(TARGET.format(name=name))
    return file


def test_a_recheck_carries_number_and_digest_of_the_run_before(tmp_path: Path) -> None:
    target = described(tmp_path, "Busan Twin")
    first = packages.make(tmp_path, sequence=4)
    previous = certify._before(first, target)
    run = Run(load(target), Level.BRONZE, out=tmp_path / "runs", seed=1, previous=previous, mode="recheck")
    said = json.loads((run.folder / "run.json").read_bytes())
    assert (said["sequence"], said["previousRun"], said["mode"]) == (5, beside.sums(first), "recheck")


def test_another_product_or_a_damaged_package_is_refused_before_the_run(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    package = packages.make(tmp_path)
    other = described(tmp_path, "Ulsan Twin")
    arguments = ["certify", str(other), "--recheck", str(package), "--out", str(tmp_path / "runs"), "--json"]
    assert main(arguments) == ExitCode.USAGE
    assert json.loads(capfd.readouterr().out)["error"]["code"] == "other-product"
    package.write_bytes(package.read_bytes()[:-9])
    assert main(arguments) == ExitCode.INTEGRITY
    for more in (["--sign", "pen"], ["--sign", "sigstore", "--key", "k.pem"], ["--trust-config", "c.json"]):
        assert main(["certify", str(other), *more]) == ExitCode.USAGE
    assert not (tmp_path / "runs").exists()


def test_a_target_that_is_replaced_while_it_is_judged_reaches_nothing(tmp_path: Path) -> None:
    """The preflight saw one TLS key, the suites saw another one too: the run is of no one product."""
    for number, (shown, status) in enumerate(((["a" * 64], "complete"), (["a" * 64, "c" * 64], "aborted"))):
        run = Run(load(described(tmp_path, "Busan Twin")), Level.BRONZE, out=tmp_path / str(number), seed=1)
        run.facts["target"]["fingerprint"] = {"tlsSpki": ["a" * 64]}
        for name in (runfolder.EVENTS, runfolder.MATRIX):
            (run.folder / name).touch()
        end = {"head": "0" * 64, "count": 0, "leftBehind": [], "tlsSpki": shown}
        (run.folder / runfolder.END).write_text(json.dumps(end))
        run.judged_elsewhere(complete=True)
        assert run.facts["status"] == status
        told = [each for each in report.build(run.folder).notes if "another TLS key" in each]
        assert len(told) == (status == "aborted")
        assert not told or "cccccccccccccccc" in told[0]
