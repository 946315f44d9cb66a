"""Secrets leave no trace, in any spelling."""

import base64
import json
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtc_cli.clients.redaction import Redactor

SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=6, max_size=40)


def redactor(secret: str) -> Redactor:
    one = Redactor()
    one.register(secret, "admin")
    return one


@given(SECRETS, st.binary(max_size=5), st.binary(max_size=5))
def test_a_secret_is_found_inside_base64_at_any_alignment(secret: str, before: bytes, after: bytes) -> None:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        text = encode(before + secret.encode() + after)
        clean = redactor(secret).data(b"Basic " + text)
        assert b"[redacted:admin]" in clean
        decoded = base64.urlsafe_b64decode(text.replace(b"+", b"-").replace(b"/", b"_"))
        assert secret.encode() in decoded
        assert text not in clean


@given(SECRETS)
def test_a_secret_is_found_in_every_spelling(secret: str) -> None:
    one = redactor(secret)
    for spelling in (
        secret,
        json.dumps({"key": secret}),
        urllib.parse.quote(secret, safe=""),
        urllib.parse.quote_plus(secret),
        secret.encode().hex(),
    ):
        clean = one.text(f"a {spelling} b")
        assert "[redacted:admin]" in clean
        assert secret not in clean.replace("[redacted:admin]", "")


@given(st.binary(max_size=200))
def test_a_body_without_secrets_is_unchanged(body: bytes) -> None:
    if b'"' not in body:
        assert redactor("a-very-unlikely-secret").data(body) == body


@pytest.mark.parametrize("name", ["access_token", "client_secret", "password", "apiKey", "API_KEY"])
def test_secrets_are_blanked_by_the_name_of_their_member(name: str) -> None:
    body = json.dumps({name: 'unknown "value"', "other": "kept"}).encode()
    clean = json.loads(Redactor().data(body))
    assert clean == {name: "[redacted]", "other": "kept"}


def test_headers_are_blanked_by_name_and_joined() -> None:
    clean = Redactor().headers(
        [("Authorization", "Bearer x.y.z"), ("Set-Cookie", "a=1"), ("Vary", "A"), ("Vary", "B")]
    )
    assert clean == {"authorization": "[redacted]", "set-cookie": "[redacted]", "vary": "A, B"}


def test_a_known_key_in_a_header_keeps_its_name() -> None:
    assert redactor("s3cret-key").headers({"X-API-Key": "s3cret-key"}) == {"x-api-key": "[redacted:admin]"}


def test_the_longest_secret_wins() -> None:
    one = Redactor()
    one.register("secret", "short")
    one.register("secret-and-more", "long")
    assert one.text("secret-and-more") == "[redacted:long]"


def test_a_very_short_value_does_not_blank_out_everything() -> None:
    one = Redactor()
    one.register("a", "tiny")
    assert one.text("banana") == "banana"


def test_text_that_is_no_unicode_is_kept_readable() -> None:
    assert redactor("s3cret").text("x\ud800s3cret") == "x\\xed\\xa0\\x80[redacted:admin]"
