"""The target file: what is accepted, and how a mistake is explained."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtc_cli.core.target import Secret, Target, load, parse
from dtc_cli.errors import DtcError
from dtc_cli.paths import SPEC

GOOD = """\
dtc: 1
target: {name: Busan Twin, vendor: Example Works, version: 4.2.0}
city: KR-BUSAN-2025
rest: {base_url: "https://twin.example/digital-twin-city/v1/", ca: ca.pem, timeout_s: 3}
auth:
  api_keys: {admin: "env:TWIN_ADMIN_KEY", viewer: file:viewer.key, device: device-secret}
  oauth: {token_url: "https://twin.example/oauth/token", client_id: me, client_secret: "env:SECRET"}
other_city: {id: KR-ULSAN-2025, key: other-secret}
documents: ["exports/*.json"]
validator: {command: "./check --strict '{file}'"}
profile: {excluded: {DTC-P3-082: "no mutual TLS in this product"}}
hazards: [read, write]
declares: {quality_threshold: 0.8}
"""


def read(text: str) -> Target:
    return parse(text, source="target.yaml", folder=Path("/somewhere"))


def refused(text: str) -> DtcError:
    with pytest.raises(DtcError) as caught:
        read(text)
    assert caught.value.exit_code == 2
    return caught.value


def test_a_full_file() -> None:
    target = read(GOOD)
    assert target.base_url == "https://twin.example/digital-twin-city/v1"
    assert target.ca == Path("/somewhere/ca.pem")
    assert target.api_keys["admin"] == Secret("env", "TWIN_ADMIN_KEY")
    assert target.api_keys["other_city"] == Secret("literal", "other-secret")
    assert target.validator is not None
    assert target.validator.command == ("./check", "--strict", "{file}")
    assert target.excluded == {"DTC-P3-082": "no mutual TLS in this product"}
    assert target.where("rest.base_url") == "target.yaml:4  rest.base_url"


def test_the_template_of_init_is_valid() -> None:
    text = (SPEC / "target.template.yaml").read_text(encoding="utf-8").replace("@CITY@", "KR-BUSAN-2025")
    assert read(text).hazards == ("read", "write")


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (("https://twin.example/digital", "https://me:hunter2@twin.example/digital"), "rest.base_url"),
        (("https://twin.example/oauth", "https://me:hunter2@twin.example/oauth"), "auth.oauth.token_url"),
        (("https://twin.example/digital", "http://[::1/digital"), "rest.base_url"),
        (("https://twin.example/digital", "http://a..b/digital"), "rest.base_url"),
        (("https://twin.example/digital", "http://a:99999/digital"), "rest.base_url"),
        (("https://twin.example/digital", "http://a\\0b/digital"), "rest.base_url"),
        (("timeout_s: 3", "timeout_s: .nan"), "rest.timeout_s"),
        (("city: KR-BUSAN-2025", 'city: "KR-BUSAN-2025\\n"'), "city"),
        (("{file}'", "{file}\\0'"), "validator.command"),
    ],
)
def test_addresses_and_words_that_no_system_takes(change: tuple[str, str], where: str) -> None:
    error = refused(GOOD.replace(*change))
    assert where in error.where
    assert "hunter2" not in error.as_text()


def test_an_alias_bomb_is_refused_at_once() -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)
    )
    assert "alias" in refused(bomb).what


def test_a_secret_does_not_show_itself() -> None:
    assert "device-secret" not in repr(read(GOOD).api_keys)


@pytest.mark.parametrize(
    ("change", "what", "where", "hint"),
    [
        (("rest:", "rst:"), "unknown key rst in the top level", "target.yaml:4  rst", "did you mean rest?"),
        (("timeout_s", "timeout"), "unknown key timeout in rest", "target.yaml:4  rest.timeout", "timeout_s"),
        (("KR-BUSAN-2025\nrest", "busan\nrest"), "city is not valid", "target.yaml:3  city", "KR-BUSAN-2025"),
        (("[read, write]", "[reed]"), "hazards.0 is not valid", "target.yaml:12  hazards.0", "read, write"),
        (("4.2.0", "4.2"), "target.version is not valid", "target.yaml:2  target.version", '"4.2"'),
        (("vendor: Example Works, ", ""), "target lacks vendor", "target.yaml:2  target", "dtc init"),
        (("dtc: 1", "dtc: 2"), "dtc is not valid", "target.yaml:1  dtc", "write 1"),
        (("{file}", "file"), "the validator command has no {file}", "target.yaml:10", "./check {file}"),
        (("'{file}'", "'{file}"), "a command cannot be split into words", "target.yaml:10", ""),
        (
            ("hazards: [read, write]", "city: KR-X-2025"),
            "the key city is given twice",
            "target.yaml:12",
            "keep",
        ),
    ],
)
def test_a_mistake_names_its_line_and_a_way_out(
    change: tuple[str, str], what: str, where: str, hint: str
) -> None:
    error = refused(GOOD.replace(*change))
    assert error.what.startswith(what)
    assert error.where.startswith(where)
    assert hint in error.hint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "just words",
        "dtc: [1",
        "a: &a [*a]",
        "a: &a\n  b: *a",
        "\t- x",
        "dtc: !!python/object:os.system {}",
    ],
)
def test_what_is_no_target_file_is_refused(text: str) -> None:
    refused(text)


def test_a_bad_key_value_is_not_repeated_in_the_message() -> None:
    error = refused(GOOD.replace("device: device-secret", "device: [hunter2hunter2]"))
    assert "hunter2" not in error.as_text()


def test_dates_in_declares_stay_text() -> None:
    target = read(GOOD.replace("{quality_threshold: 0.8}", "{retention: 2025-01-01}"))
    assert target.declares["retention"] == "2025-01-01"


@given(st.text(max_size=200))
def test_any_text_gives_a_target_or_an_explained_error(text: str) -> None:
    codes = set()
    try:
        read(text)
    except DtcError as error:
        codes.add(error.code)
    assert codes <= {"target-file"}


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DtcError) as caught:
        load(tmp_path / "none.yaml")
    assert "dtc init" in caught.value.hint


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    file = tmp_path / "target.yaml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DtcError) as caught:
        load(file)
    assert caught.value.code == "target-file"


def test_a_file_that_nests_absurdly_is_refused_before_its_end_is_read() -> None:
    with pytest.raises(DtcError, match="not YAML") as problem:
        parse("a: " + "[" * 30_000, source="target.yaml", folder=Path())
    assert "nested too deeply" in problem.value.why
