"""`dtc certify` as a user runs it."""

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import NamedTuple

import pytest

from dtc_cli.core.runfolder import END
from dtc_cli.harness.reference import running
from dtc_cli.signing import bundle, layout
from tests.e2e.conftest import Dtc, Result
from tests.support.packages import unpack
from tests.support.spoilt import CITY, answer, serving


def target_file(folder: Path, base_url: str, *, more: str = "", key: str = "a-key-0123456789") -> Path:
    file = folder / "target.yaml"
    file.write_text(
        "dtc: 1\ntarget: {name: Spoilt, vendor: Nobody, version: '1'}\ncity: KR-BUSAN-2025\n"
        f"rest: {{base_url: '{base_url}', timeout_s: 2}}\nauth: {{api_keys: {{admin: {key}}}}}\n{more}",
        encoding="utf-8",
    )
    return file


HAS_SIGSTORE = importlib.util.find_spec("sigstore") is not None and shutil.which("openssl") is not None


class Again(NamedTuple):
    """A second run with the seed of the first, and the services by which an identity signed it."""

    done: Result
    services: tuple[str, ...]
    """The options that name services and token; none without the extra."""
    folder: Path
    leaves: list[bytes]


@pytest.fixture(scope="module")
def again(dtc: Dtc, twin: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Again]:
    """Signed by an identity where the extra is there: services of Sigstore on loopback."""
    folder = tmp_path_factory.mktemp("again")
    ask = ("certify", twin, "--out", folder / "runs", "--seed", "7", "--json")
    if not HAS_SIGSTORE:
        yield Again(dtc(*ask), (), folder, [])
        return
    from tests.support import sigstore_world

    with sigstore_world.running(folder / "world") as world:
        config, token = folder / "services.json", folder / "token.txt"
        config.write_text(json.dumps(world.config))
        (folder / "root.json").write_text(json.dumps(world.root))
        token.write_text(world.token())
        named = ("--sign", "sigstore", "--trust-config", str(config), "--identity-token-file", str(token))
        yield Again(dtc(*ask, *named), named, folder, world.leaves)


class TestBronze:
    def test_the_reference_twin_reaches_bronze(self, bronze: tuple[Result, Path]) -> None:
        result, _ = bronze
        assert result.code == 0, result.err
        assert result.json["level"] == {"claimed": "bronze", "achieved": "bronze"}

    def test_the_json_contract(self, bronze: tuple[Result, Path]) -> None:
        summary = bronze[0].json
        assert set(summary) == {"run", "package", "level", "requirements", "totals"}
        assert Path(summary["run"]).is_dir()
        assert Path(summary["package"]).is_file()
        outcomes = {"passed", "failed", "warned", "error", "not_applicable", "not_tested", "blocked"}
        assert set(summary["totals"]) == outcomes
        for name, entry in summary["requirements"].items():
            assert re.fullmatch(r"DTC-P[14]-\d{3}", name)
            assert set(entry) == {"outcome", "strength", "message"}
            assert entry["outcome"] in outcomes
            assert entry["strength"] in {"must", "should", "may"}
        assert sum(summary["totals"].values()) == len(summary["requirements"])

    def test_every_must_of_phase_1_passed(self, bronze: tuple[Result, Path]) -> None:
        open_ones = {
            name: entry
            for name, entry in bronze[0].json["requirements"].items()
            if entry["strength"] == "must" and entry["outcome"] != "passed"
        }
        assert open_ones == {}

    def test_reports_lie_in_the_run_folder(self, bronze: tuple[Result, Path]) -> None:
        folder = Path(bronze[0].json["run"]) / "report"
        assert {"junit.xml", "report.html", "report.json"} <= {file.name for file in folder.iterdir()}

    def test_no_secret_in_any_artefact(self, bronze: tuple[Result, Path], twin: Path) -> None:
        keys = [file.read_bytes().strip() for file in twin.parent.glob("*.key")]
        assert len(keys) >= 5
        for file in bronze[1].rglob("*"):
            if file.is_file():
                content = file.read_bytes()
                assert not [key for key in keys if key in content], file

    def test_the_package_verifies(self, dtc: Dtc, bronze: tuple[Result, Path], tmp_path: Path) -> None:
        public = tmp_path / "public.pem"
        assert dtc("keys", "export-public", "default", "--out", public).code == 0
        package = bronze[0].json["package"]
        assert dtc("verify", package, "--trust", public, "--level", "bronze").code == 0
        assert dtc("verify", package, "--trust", public, "--level", "silver").code == 1
        assert dtc("verify", package).code == 4

    def test_the_same_seed_sends_the_same(self, bronze: tuple[Result, Path], again: Again) -> None:
        first, second = (
            {name: entry["outcome"] for name, entry in one.json["requirements"].items()}
            for one in (bronze[0], again.done)
        )
        assert first == second

    def test_a_report_can_be_made_again(self, dtc: Dtc, bronze: tuple[Result, Path]) -> None:
        result = dtc("report", bronze[0].json["run"])
        assert result.code == 0
        assert "Bronze" in result.out


WHO, ISSUER = "ci@works.example", "https://accounts.works.example"


@pytest.fixture(scope="module")
def policy(dtc: Dtc, again: Again) -> Path:
    file = again.folder / "trust.json"
    assert dtc("trust", "init", file).code == 0
    assert dtc("trust", "sigstore", file, again.folder / "root.json").code == 0
    name = ("--san", WHO, "--issuer", ISSUER)
    for role, org in (("vendor", "Example Works"), ("auditor", "City Lab")):
        assert dtc("trust", "identity", file, *name, "--role", role, "--org", org).code == 0
    return file


@pytest.mark.skipif(not HAS_SIGSTORE, reason="the extra sigstore or openssl is not installed")
class TestIdentity:
    """`--sign sigstore` from end to end: authority, log and time stamps on loopback, then no network."""

    def test_a_run_is_signed_by_who_made_it(self, dtc: Dtc, again: Again, policy: Path) -> None:
        assert again.done.code == 0, again.done.err
        assert "become public for ever" in again.done.err
        package = again.done.json["package"]
        found = dtc("verify", package, "--trust", policy, "--json").json
        said = {check["name"]: check["reason"] for check in found["checks"]}
        assert (found["exitCode"], found["conformant"]) == (0, "bronze")
        assert said["signer.identity"].startswith(f"{WHO}, by {ISSUER}, signed ")
        assert said["time.trusted"].endswith("by a time stamp")
        assert said["log.inclusion"].startswith("1 entries")
        assert dtc("verify", package).code == 4
        assert not [name for name in unpack(Path(package)) if name.startswith(layout.KEYS)]

    def test_the_library_alone_comes_to_the_same_answer(self, again: Again, tmp_path: Path) -> None:
        held = unpack(Path(again.done.json["package"]))
        files = {"b.json": held[layout.RUN_BUNDLE], "SHA256SUMS": held[layout.SUMS], "other": b"else"}
        for name, data in files.items():
            (tmp_path / name).write_bytes(data)

        def theirs(who: str, file: str) -> int:
            command = [
                sys.executable, "-m", "sigstore", "--trust-config", again.services[3], "verify", "identity",
                "--offline", "--bundle", "b.json", "--cert-identity", who,
                "--cert-oidc-issuer", ISSUER, file,
            ]  # fmt: skip
            return subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode

        assert theirs(WHO, "SHA256SUMS") == 0
        assert theirs(WHO, "other") != 0
        assert theirs("x@works.example", "SHA256SUMS") != 0

    def test_an_auditor_signs_by_identity_too(
        self, dtc: Dtc, again: Again, policy: Path, twin: Path, bronze: tuple[Result, Path]
    ) -> None:
        out = again.folder / "audited.dtcpack.tar.gz"
        done = dtc(
            "audit", bronze[0].json["package"], "--target", twin, "--org", "City Lab", "--sample", "3%",
            "--seed", "7", "--runs", again.folder / "audit", "--out", out, *again.services, "--json",
        )  # fmt: skip
        assert (done.code, done.json["audit"]["decision"]) == (0, "endorse"), done.err
        held = unpack(out)
        beside = bundle.parse(held[done.json["statement"]], "the audit")
        assert beside.identity is not None
        assert beside.identity.san == WHO
        public = again.folder / "vendor.pub"
        assert dtc("keys", "export-public", "default", "--out", public).code == 0
        assert dtc("trust", "add", policy, public, "--role", "vendor", "--org", "Other Works").code == 0
        value = json.loads(policy.read_bytes()) | {
            "levels": {"bronze": {"require": ["auditor"], "sample": 3}}
        }
        policy.write_text(json.dumps(value))
        found = dtc("verify", out, "--trust", policy, "--json").json
        assert (found["exitCode"], found["statement"]["assessment"]) == (0, "audited by City Lab")
        assert dtc("verify", bronze[0].json["package"], "--trust", policy).code == 4
        # Two statements of the run, two of the auditor's own, and the audit: nothing but digests went out.
        assert len(again.leaves) == 5

    def test_options_that_contradict_each_other(self, dtc: Dtc, again: Again, twin: Path) -> None:
        for more in (("--key", "default"), ("--sign", "key")):
            done = dtc("certify", twin, "--out", again.folder / "none", *again.services, *more, "--json")
            assert (done.code, done.json["error"]["code"]) == (2, "usage")
        none = (*again.services[:-1], str(again.folder / "no-token"))
        assert dtc("certify", twin, "--out", again.folder / "none", *none).code == 2
        assert not (again.folder / "none").exists()


@pytest.fixture(scope="module")
def failed(dtc: Dtc, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A Bronze certification of a twin whose measurements lack their parameter.

    By what it produces: its validator, a process per record, is judged by the certification that passes.
    """
    with running(("--fault", "DTC-P1-052")) as target:
        lines = target.read_text(encoding="utf-8").splitlines()
        plain = target.with_name("plain.yaml")
        plain.write_text("\n".join(line for line in lines if not line.startswith('"validator"')))
        out = tmp_path_factory.mktemp("failed")
        return dtc("certify", plain, "--level", "bronze", "--out", out, "--json")


class TestFailure:
    def test_exactly_the_broken_requirement_fails(self, failed: Result) -> None:
        assert failed.code == 1
        outcomes = {name: entry["outcome"] for name, entry in failed.json["requirements"].items()}
        assert [name for name, outcome in outcomes.items() if outcome == "failed"] == ["DTC-P1-052"]
        assert failed.json["level"]["achieved"] == "none"

    def test_a_failed_run_is_packaged_and_verified_like_a_passed_one(
        self, dtc: Dtc, failed: Result, tmp_path: Path
    ) -> None:
        public = tmp_path / "public.pem"
        assert dtc("keys", "export-public", "default", "--out", public).code == 0
        result = dtc("verify", failed.json["package"], "--trust", public, "--json")
        assert result.code == 1
        assert result.json["authentic"] is True


class TestBadInput:
    def test_a_port_where_nothing_listens(self, dtc: Dtc, tmp_path: Path) -> None:
        with serving(lambda request: answer(request, 200)) as origin:
            pass
        result = dtc("certify", target_file(tmp_path, f"{origin}/digital-twin-city/v1"))
        assert result.code == 7
        assert "nothing listens there" in result.err
        assert "Traceback" not in result.err

    @pytest.mark.parametrize(
        ("status", "body", "media", "word"),
        [
            (200, b"<html>hello</html>", "text/html", "not with JSON"),
            (401, {"error": {"code": "INVALID_API_KEY"}}, "application/json", "admin key is refused"),
            (404, {"error": {"code": "CITY_NOT_FOUND"}}, "application/json", "does not know the city"),
        ],
    )
    def test_an_answer_that_shows_a_wrong_set_up(
        self, dtc: Dtc, tmp_path: Path, status: int, body: object, media: str, word: str
    ) -> None:
        with serving(lambda request: answer(request, status, body, media=media)) as origin:
            result = dtc("certify", target_file(tmp_path, f"{origin}/digital-twin-city/v1"), "--json")
        assert result.code == 7
        error = result.json["error"]
        assert set(error) == {"code", "what", "where", "why", "try"}
        assert word in error["what"]
        assert error["try"]

    def test_a_200_with_an_error_inside_is_no_pass(self, dtc: Dtc, tmp_path: Path) -> None:
        def lies(request: BaseHTTPRequestHandler) -> None:
            answer(request, 200, {"error": {"code": "CITY_NOT_FOUND", "message": "no"}})

        with serving(lies) as origin:
            result = dtc(
                "certify", target_file(tmp_path, f"{origin}/v1"), "--out", tmp_path / "runs", "--json"
            )
        assert result.code == 7
        assert "no city" in result.json["error"]["what"]

    def test_a_wrong_tls_name(self, dtc: Dtc, tmp_path: Path) -> None:
        key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
        subprocess.run(
            [
                *(
                    "openssl",
                    "req",
                    "-x509",
                    "-newkey",
                    "ec",
                    "-pkeyopt",
                    "ec_paramgen_curve:P-256",
                    "-nodes",
                ),
                *("-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", "/CN=other.example"),
                *("-addext", "subjectAltName=DNS:other.example"),
            ],
            check=True,
            capture_output=True,
        )
        with serving(lambda request: answer(request, 200, CITY), certificate=(certificate, key)) as origin:
            file = target_file(tmp_path, f"{origin}/v1")
            file.write_text(file.read_text().replace("timeout_s: 2", "timeout_s: 2, ca: cert.pem"))
            result = dtc("certify", file, "--json")
        assert result.code == 7
        assert "certificate" in result.json["error"]["what"].lower()

    @pytest.mark.parametrize(
        ("arguments", "word"),
        [
            (("certify",), "either a target file or --reference"),
            (("certify", "no-such.yaml"), "there is no target file"),
            (("certify", "--reference", "--level", "lead"), "there is no level lead"),
            (("certify", "--nonsense"), "nonsense"),
            (("nonsense",), "nonsense"),
        ],
    )
    def test_usage(self, dtc: Dtc, tmp_path: Path, arguments: tuple[str, ...], word: str) -> None:
        result = dtc(*arguments, cwd=tmp_path)
        assert result.code == 2
        assert word in result.err
        assert "Traceback" not in result.err
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("key", ["no-such.pem", ".", "target.yaml"])
    def test_a_signing_key_that_is_none_is_seen_before_the_run(
        self, dtc: Dtc, twin: Path, tmp_path: Path, key: str
    ) -> None:
        (tmp_path / "target.yaml").write_text(twin.read_text())
        result = dtc("certify", twin, "--key", tmp_path / key, "--out", tmp_path / "runs", "--json")
        assert result.code == 2
        assert result.json["error"]["code"]
        assert not (tmp_path / "runs").exists()

    def test_a_folder_that_cannot_be_written(self, dtc: Dtc, twin: Path, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        result = dtc("certify", twin, "--out", tmp_path / "file")
        assert result.code == 2
        assert "preflight" not in result.err

    def test_a_nonce_that_is_none(self, dtc: Dtc, twin: Path, tmp_path: Path) -> None:
        for nonce in ("", "short", "not base64 at all!!!!!!!!"):
            assert dtc("certify", twin, "--nonce", nonce, "--out", tmp_path).code == 2

    def test_a_reader_that_goes_away(self, environment: dict[str, str]) -> None:
        command = f"{sys.executable} -m dtc_cli requirements --json | head -c 10"
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command], capture_output=True, env=environment, check=False
        )
        assert done.returncode == 141
        assert done.stderr == b""

    def test_a_key_that_is_not_there(self, dtc: Dtc, tmp_path: Path) -> None:
        result = dtc("certify", target_file(tmp_path, "http://127.0.0.1:1/v1", key="env:TWIN_NO_SUCH_KEY"))
        assert result.code == 7
        assert "TWIN_NO_SUCH_KEY" in result.err

    def test_an_exclusion_that_is_no_requirement(self, dtc: Dtc, twin: Path, tmp_path: Path) -> None:
        file = tmp_path / "target.yaml"
        file.write_text(twin.read_text() + "\nprofile: {excluded: {DTC-P9-999: 'not ours'}}\n")
        result = dtc("certify", file, "--out", tmp_path / "runs")
        assert result.code == 2
        assert "DTC-P9-999" in result.err


class TestInterruption:
    def begin(
        self, environment: dict[str, str], twin: Path, out: Path, *options: str, before: tuple[str, ...] = ()
    ) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "dtc_cli", "certify", str(twin), "--out", str(out), *options]
        process = subprocess.Popen(
            [*before, *command],
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            start_new_session=True,
        )
        assert process.stderr is not None
        for line in process.stderr:
            if re.match(r"\s+\d+/\d+ ", line):
                return process
        raise AssertionError("the run did not begin")

    def test_ctrl_c_leaves_a_run_that_can_be_reported(
        self, dtc: Dtc, environment: dict[str, str], twin: Path, tmp_path: Path
    ) -> None:
        process = self.begin(environment, twin, tmp_path)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "Traceback" not in err
        (run,) = tmp_path.iterdir()
        assert json.loads((run / "run.json").read_bytes())["status"] == "interrupted"
        result = dtc("report", run)
        assert result.code == 0, result.err

    def test_sigterm_is_like_ctrl_c_and_json_stays_json(
        self, dtc: Dtc, environment: dict[str, str], twin: Path, tmp_path: Path
    ) -> None:
        """In the background of a shell too, where whatever is started begins by ignoring Ctrl-C."""
        ignoring = (
            "import os, sys; from signal import *; signal(2, SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
        )
        before = (sys.executable, "-c", ignoring)
        process = self.begin(environment, twin, tmp_path, "--json", before=before)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 130
        error = json.loads(out)["error"]
        assert error["code"] == "interrupted"
        assert Path(error["where"], END).is_file(), "the suites were killed, and took nothing back"
        assert dtc("report", error["where"]).code == 0

    def test_sigkill_leaves_a_run_that_can_be_reported(
        self, dtc: Dtc, environment: dict[str, str], twin: Path, tmp_path: Path
    ) -> None:
        process = self.begin(environment, twin, tmp_path)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        (run,) = tmp_path.iterdir()
        result = dtc("report", run, "--json")
        assert result.code == 0, result.err
        assert (run / "matrix.jsonl").stat().st_size > 0
