"""The line that repeats a request: exact, without secrets, and harmless whoever wrote the run."""

import shlex
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtc_cli.core.report.command import curl, quoted, variable

URL = "https://twin.example/v1/cities"


def words(command: str, **environment: str) -> list[str]:
    """The argument vector that a shell makes of the line."""
    printed = command.replace("curl ", "printf '%s\\0' ", 1)
    done = subprocess.run(["sh", "-c", printed], capture_output=True, check=True, env=environment)
    return done.stdout.decode().split("\0")[:-1]


def test_a_plain_get() -> None:
    assert curl("GET", URL, {}, body=None, digest="") == f"curl -i {URL}"


@pytest.mark.parametrize("body", ["it's", '{"a": "$HOME `id` \\"}', "two\nlines", "!!", "@file", "", "-x"])
def test_a_body_arrives_as_it_was_sent(body: str) -> None:
    command = curl("POST", URL, {"content-type": "application/json"}, body=body, digest="d")
    assert words(command) == [
        "-i", "-X", "POST", "-H", "content-type: application/json", "--data-raw", body, URL,
    ]  # fmt: skip


SENDABLE = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60)


@given(SENDABLE.filter(lambda text: "[redacted" not in text))
def test_any_text_is_one_shell_word(text: str) -> None:
    done = subprocess.run(["sh", "-c", f"printf %s {quoted(text)}"], capture_output=True, check=True)
    assert done.stdout.decode() == text


def test_the_shell_fills_in_the_key() -> None:
    command = curl("GET", URL, {"x-api-key": "[redacted:admin]", "accept": "*/*"}, body=None, digest="")
    assert '-H "x-api-key: $TWIN_ADMIN_KEY"' in command
    assert words(command, TWIN_ADMIN_KEY="s3cret $x") == [
        "-i", "-H", "x-api-key: s3cret $x", "-H", "accept: */*", URL,
    ]  # fmt: skip


def test_a_key_inside_a_body_or_an_address_is_filled_in() -> None:
    body = '{"name": "it\'s", "key": "[redacted:device]", "more": "[redacted]"}'
    command = curl("POST", f"{URL}?k=[redacted:admin]&l=1", {}, body=body, digest="d")
    given_words = words(command, TWIN_DEVICE_KEY="D", TWIN_ADMIN_KEY="A", TWIN_KEY="K")
    assert given_words[-2:] == ['{"name": "it\'s", "key": "D", "more": "K"}', f"{URL}?k=A&l=1"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("admin", "$TWIN_ADMIN_KEY"),
        ("admin-prefix", "$TWIN_ADMIN_PREFIX_KEY"),
        ("access_token", "$TWIN_ACCESS_TOKEN"),
        ("client_secret", "$TWIN_CLIENT_SECRET"),
        ("", "$TWIN_KEY"),
        ("none", "$TWIN_KEY"),
        ('"; rm -rf ~', "$TWIN_RM_RF_KEY"),
    ],
)
def test_the_name_of_the_variable(name: str, expected: str) -> None:
    assert variable(name) == expected


def test_what_curl_must_be_told() -> None:
    digest = "a" * 64
    assert "-g" in words(curl("GET", f"{URL}?bbox=[1,2]", {}, body=None, digest=""))
    assert "--path-as-is" in words(curl("GET", f"{URL}/../admin", {}, body=None, digest=""))
    assert "--path-as-is" not in words(curl("GET", f"{URL}/..x", {}, body=None, digest=""))
    assert "--head" in words(curl("HEAD", URL, {}, body=None, digest=""))
    assert words(curl("GET", URL, {"x-empty": ""}, body=None, digest=""))[1:3] == ["-H", "x-empty;"]
    long = words(curl("PUT", URL, {}, body="x" * 3000, digest=digest))
    assert long == ["-i", "-X", "PUT", "-H", "content-type:", "--data-binary", f"@bodies/{digest}", URL]
    assert (
        "user-agent" not in curl("GET", URL, {"User-Agent": "x", "Host": "y"}, body=None, digest="").lower()
    )


@pytest.mark.parametrize(
    ("method", "url", "headers", "digest"),
    [
        ("GET", "-o/etc/passwd", {}, ""),
        ("GET", "file:///etc/passwd", {}, ""),
        ("GET;id", URL, {}, ""),
        ("", URL, {}, ""),
    ],
)
def test_no_command_for_what_curl_should_not_be_given(
    method: str, url: str, headers: dict[str, str], digest: str
) -> None:
    assert curl(method, url, headers, body=None, digest=digest) == ""


def test_a_header_or_digest_cannot_name_a_file() -> None:
    command = curl("PUT", URL, {"@/etc/passwd": "x"}, body=None, digest="../../etc/passwd")
    assert "passwd" not in command
    assert shlex.split(command)[-1] == URL
