"""`dtc trust`, `dtc keys rotate` and `dtc keys revoke`: a policy through its life, as a person keeps it."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer

from dtc_cli.commands import keys as keys_command
from dtc_cli.commands import trust as trust_command
from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode
from dtc_cli.signing import keys, note, package
from tests.support import packages, runs
from tests.support.packages import catalogue, check

app = typer.Typer(rich_markup_mode=None)
app.add_typer(trust_command.app, name="trust")
app.add_typer(keys_command.app, name="keys")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder and a configuration folder of its own for each test."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def dtc(*arguments: str) -> int:
    code = app(args=list(arguments), standalone_mode=False)
    return code if isinstance(code, int) else 0


def refused(*arguments: str) -> str:
    with pytest.raises(DtcError) as error:
        dtc(*arguments)
    return error.value.code


def test_a_policy_through_its_life(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    first = keys.generate("first")
    run = runs.make(home / "run", catalogue(), finished=now - timedelta(hours=1))
    signed = package.build(run, home, {}, first)
    trust = home / "trust.json"

    assert dtc("trust", "init", "trust.json", "--expires", "2099-12-31") == 0
    assert dtc("trust", "check", "trust.json") == ExitCode.NOT_CONFORMANT
    assert check(signed, trust, now=now).exit_code is ExitCode.UNTRUSTED

    dtc("keys", "export-public", "first", "--out", "first.pub")
    assert dtc("trust", "add", "trust.json", "first.pub", "--role", "vendor", "--org", "Example Works") == 0
    assert dtc("trust", "check", "trust.json") == 0
    assert check(signed, trust, now=now).exit_code is ExitCode.OK

    second = keys.generate("second")
    dtc("keys", "rotate", "first", "second", "--out", "rotation.dsse.json")
    assert dtc("trust", "apply", "trust.json", "rotation.dsse.json") == 0
    assert check(signed, trust, now=now).exit_code is ExitCode.OK
    capfd.readouterr()
    dtc("trust", "show", "trust.json", "--json")
    shown = json.loads(capfd.readouterr().out)
    assert [entry["keyid"] for entry in shown["roles"]["vendor"]["keys"]] == [first.keyid, second.keyid]
    assert shown["version"] == 3

    dtc(
        "keys",
        "revoke",
        "first",
        "--reason",
        "lost",
        "--since",
        "2026-01-01",
        "--out",
        "revocation.dsse.json",
    )
    assert dtc("trust", "apply", "trust.json", "revocation.dsse.json") == 0
    result = check(signed, trust, now=now)
    assert (result.exit_code, result.authentic) == (ExitCode.STALE, False)
    capfd.readouterr()
    dtc("trust", "show", "trust.json")
    out = capfd.readouterr().out
    assert "policy version 4, until 2099-12-31" in out
    assert "revoked since 2026-01-01" in out.replace("\n", " ")


def test_a_reader_may_revoke_by_himself(capfd: pytest.CaptureFixture[str]) -> None:
    keys.generate("first")
    dtc("keys", "export-public", "first", "--out", "first.pub")
    dtc("trust", "init", "trust.json")
    dtc("trust", "add", "trust.json", "first.pub", "--role", "lab", "--org", "Lab", "--from", "2026-01-01",
        "--until", "2099-01-01")  # fmt: skip
    assert dtc("trust", "revoke", "trust.json", "first.pub", "--reason", "seen in public") == 0
    capfd.readouterr()
    assert dtc("trust", "check", "trust.json", "--json") == ExitCode.NOT_CONFORMANT
    assert json.loads(capfd.readouterr().out)["problems"][0].endswith("is revoked and still listed")
    assert refused("trust", "add", "trust.json", "first.pub", "--role", "lab", "--org", "x") == "key-revoked"


def test_what_changes_a_policy_tells_scripts_too(capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("first", "second", "root"):
        keys.generate(name, role="root" if name == "root" else "vendor")
        dtc("keys", "export-public", name, "--out", f"{name}.pub")
    log = note.named("body.example/log", packages.ed_key().public)
    add = ("trust", "add", "trust.json")
    who = ("--san", "ci@works.example", "--issuer", "https://accounts.example", "--org", "Works")
    for arguments, member in (
        (("trust", "init", "trust.json"), "version"),
        ((*add, "first.pub", "--role", "vendor", "--org", "Works"), "keyid"),
        ((*add, "root.pub", "--role", "root", "--org", "Body"), "keyid"),
        (("trust", "identity", "trust.json", *who, "--role", "lab"), "san"),
        (("trust", "log", "trust.json", str(log)), "log"),
        (("keys", "rotate", "first", "second", "--out", "rotation.dsse.json"), "statement"),
        (("keys", "revoke", "first", "--out", "revocation.dsse.json"), "keyid"),
        (("trust", "apply", "trust.json", "rotation.dsse.json"), "done"),
        (("trust", "revoke", "trust.json", "second.pub"), "keyid"),
        (("trust", "sign", "trust.json", "--key", "root", "--out", "published.dsse.json"), "envelope"),
        (("trust", "update", "new.json", "published.dsse.json", "--root", "root.pub"), "version"),
    ):
        capfd.readouterr()
        assert dtc(*arguments, "--json") == 0
        assert json.loads(capfd.readouterr().out)[member]
    assert refused(*add, "first.pub", "--role", "king", "--org", "x") == "usage"
    assert refused("trust", "identity", "trust.json", *who, "--role", "registry") == "usage"


def test_an_expired_policy_is_stale() -> None:
    dtc("trust", "init", "trust.json", "--expires", "2026-01-01")
    assert dtc("trust", "check", "trust.json") == ExitCode.STALE


def test_a_strangers_statement_leaves_the_policy_alone(home: Path) -> None:
    keys.generate("first")
    keys.generate("second")
    dtc("trust", "init", "trust.json")
    before = (home / "trust.json").read_bytes()
    dtc("keys", "rotate", "first", "second", "--out", "rotation.dsse.json")
    assert refused("trust", "apply", "trust.json", "rotation.dsse.json") == "statement-refused"
    assert (home / "trust.json").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("trust", "show", "none.json"), "trust-file"),
        (("trust", "show", "first.pub"), "trust-file"),
        (("trust", "init", "trust.json"), "trust-exists"),
        (("trust", "add", "trust.json", "none.pub", "--role", "lab", "--org", "x"), "not-readable"),
        (("trust", "add", "trust.json", "trust.json", "--role", "lab", "--org", "x"), "key-unusable"),
        (("trust", "add", "trust.json", "first.pub", "--role", "king", "--org", "x"), "usage"),
        (("trust", "add", "trust.json", "first.pub", "--role", "lab", "--org", ""), "trust-file"),
        (("trust", "apply", "trust.json", "none.json"), "not-readable"),
        (("trust", "apply", "trust.json", "first.pub"), "statement-refused"),
        (("keys", "rotate", "first", "first", "--out", "x"), "usage"),
        (("keys", "rotate", "first", "none", "--out", "x"), "key-missing"),
        (("keys", "revoke", "first", "--out", "/nonexistent/x"), "not-written"),
    ],
)
def test_wrong_use_is_explained(arguments: tuple[str, ...], code: str) -> None:
    keys.generate("first")
    dtc("keys", "export-public", "first", "--out", "first.pub")
    dtc("trust", "init", "trust.json")
    assert refused(*arguments) == code


def test_locked_keys_rotate_with_their_passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    keys.generate("first", secret=b"phrase")
    keys.generate("second", secret=b"phrase")
    monkeypatch.setenv("PHRASE", "phrase")
    assert dtc("keys", "rotate", "first", "second", "--passphrase-env", "PHRASE", "--out", "x") == 0


def test_every_help_has_examples(capfd: pytest.CaptureFixture[str]) -> None:
    for words in (
        ("trust", "init"), ("trust", "add"), ("trust", "apply"), ("trust", "revoke"), ("trust", "show"),
        ("trust", "check"), ("keys", "rotate"), ("keys", "revoke"),
    ):  # fmt: skip
        dtc(*words, "--help")
        assert "Examples:" in capfd.readouterr().out
