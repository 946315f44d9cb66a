"""Strict JSON, safe names and the closed list: everything with two readings is refused."""

import hashlib
import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from dtc_cli.core.canonical import canonical_json
from dtc_cli.signing import layout, strict_json
from dtc_cli.signing.merkle import MerkleTree
from dtc_cli.signing.refusal import Refusal

AMBIGUOUS = {
    "duplicate key": b'{"a":1,"a":2}',
    "duplicate key inside": b'[{"x":{"b":1,"c":2,"b":1}}]',
    "duplicate by escape": b'{"a":1,"\\u0061":2}',
    "NaN": b"[NaN]",
    "Infinity": b"[-Infinity]",
    "number too large": b"[1e999]",
    "integer without end": b"[" + b"9" * 5000 + b"]",
    "lone surrogate": b'["\\ud800"]',
    "lone surrogate key": b'{"\\udc00":1}',
    "not UTF-8": b'["\xff"]',
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf{}",
    "empty": b"",
    "two values": b"{}{}",
    "trailing comma": b"[1,]",
    "single quotes": b"{'a':1}",
    "control character": b'["\x01"]',
    "deep": b"[" * 65 + b"]" * 65,
    "very deep": b"[" * 200_000 + b"]" * 200_000,
}


@pytest.mark.parametrize("data", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
def test_ambiguous_json_is_refused(data: bytes) -> None:
    with pytest.raises(Refusal, match=r"^file\.json is not strict JSON"):
        strict_json.parse(data, "file.json")


def test_wide_json_and_pairs_of_surrogates_are_fine() -> None:
    assert strict_json.parse(b"[" + b"[]," * 1000 + b"[]]", "it") == [[]] * 1001
    assert strict_json.parse(b'["\\ud83c\\udf06"]', "it") == ["\U0001f306"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=20,
)


@given(JSON)
def test_any_ordinary_value_is_read_as_it_is(value: object) -> None:
    assert strict_json.parse(json.dumps(value).encode(), "it") == value


@pytest.mark.parametrize(
    "line", [b'{"b":1,"a":2}', b'{"a": 1}', b"1.0", b'"\\u0041"', b"1e2", b"[9007199254740993]"]
)
def test_a_line_that_is_not_its_own_canonical_form_is_refused(line: bytes) -> None:
    with pytest.raises(Refusal, match="RFC 8785"):
        strict_json.parse_canonical(line, "it")


ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(-1e15, 1e15)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=10,
)


@given(ANY_JSON, st.booleans())
def test_a_line_is_accepted_exactly_when_it_is_the_canonical_form(value: object, ours: bool) -> None:
    try:
        canonical = rfc8785.dumps(value)  # type: ignore[arg-type]
    except rfc8785.CanonicalizationError:
        canonical = b""
    plain = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
    line = canonical if ours and canonical else plain
    if line == canonical:
        assert rfc8785.dumps(strict_json.parse_canonical(line, "it")) == line
    else:
        with pytest.raises(Refusal):
            strict_json.parse_canonical(line, "it")


def test_keys_beyond_the_basic_plane_sort_as_rfc_8785_says() -> None:
    value = {"\U0001f306": 1, "\uffee": 2}
    assert strict_json.parse_canonical(rfc8785.dumps(value), "it") == value
    with pytest.raises(Refusal, match="RFC 8785"):
        strict_json.parse_canonical('{"\uffee":2,"\U0001f306":1}'.encode(), "it")


BAD_NAMES = [
    "", "/etc/passwd", "../x", "evidence/../x", "evidence//x", "./x", "evidence/.", ".hidden", "a\\b", "C:x",
    "a b", "a\nb", "a\0b", "é", "evidence/", "-rf", "~x", "x" * 101, "evidence/\u202ejson",
]  # fmt: skip


@pytest.mark.parametrize("name", BAD_NAMES, ids=repr)
def test_a_name_that_could_go_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(Refusal, match="may not stand in a package"):
        layout.safe(name)


@pytest.mark.parametrize(
    "names", [("a/B", "a/b"), ("evidence/x", "evidence/X"), ("a", "a/b"), ("a/b/c", "A/b")], ids=repr
)
def test_names_that_meet_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(Refusal, match=r"collide|both a file and a folder"):
        layout.distinct(names)


A, B = "a" * 64, "b" * 64
BAD_SUMS = {
    "one space": f"{A} evidence/a\n",
    "binary mark": f"{A} *evidence/a\n",
    "short": f"{A[1:]}  evidence/a\n",
    "capitals": f"{'A' * 64}  evidence/a\n",
    "no newline": f"{A}  evidence/a",
    "empty line": f"{A}  evidence/a\n\n",
    "carriage return": f"{A}  evidence/a\r\n",
    "unsorted": f"{A}  evidence/b\n{B}  evidence/a\n",
    "twice": f"{A}  evidence/a\n{A}  evidence/a\n",
    "twice, two digests": f"{A}  evidence/a\n{B}  evidence/a\n",
    "outside": f"{A}  keys/a\n",
    "upwards": f"{A}  evidence/../a\n",
    "comment": f"# list\n{A}  evidence/a\n",
}


@pytest.mark.parametrize("text", BAD_SUMS.values(), ids=BAD_SUMS.keys())
def test_a_list_written_in_another_way_is_refused(text: str) -> None:
    with pytest.raises(Refusal, match=r"SHA256SUMS|may not stand"):
        layout.parse_sums(text.encode())


def test_a_list_is_read_back() -> None:
    digests = {"evidence/b": B, "evidence/a": A, "exports/c": B}
    assert layout.parse_sums(layout.render_sums(digests)) == digests


def reference_root(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, word by word."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    left, right = reference_root(leaves[:split]), reference_root(leaves[split:])
    return hashlib.sha256(b"\1" + left + right).digest()


@given(st.lists(st.binary(max_size=8), max_size=40))
def test_the_merkle_root_is_that_of_rfc_6962(leaves: list[bytes]) -> None:
    tree = MerkleTree()
    for leaf in leaves:
        tree.add(leaf)
    assert tree.root() == reference_root(leaves).hex()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(value=VALUES, blanks=st.booleans(), twice=st.booleans())
@settings(max_examples=150, deadline=None)
def test_the_quick_way_accepts_nothing_that_the_slow_one_refuses(
    value: Any, blanks: bool, twice: bool
) -> None:
    text = json.dumps(value, separators=None if blanks else (",", ":"), sort_keys=True)
    data = (text.replace('{"', '{"a":1,"a":1,"', 1) if twice else text).encode()
    quick = strict_json._quick(data)
    if quick is not None:
        assert strict_json._parse(data, "it", []) == quick
        assert canonical_json(quick) == data
