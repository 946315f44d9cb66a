"""A hostile owner of a trusted key puts anything into evidence and statement: there is always an answer."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dtc_cli.core.canonical import canonical_json, sha256_hex
from dtc_cli.core.model import Requirement, Vector
from dtc_cli.exit_codes import ExitCode
from dtc_cli.signing import bundle, dsse, evidence, layout, statement
from dtc_cli.signing.reader import MappedFiles
from tests.support.packages import Contents, check, failing, key, make, pack, scratch, trust_file, unpack

FOLDER = scratch("fuzz")
QUIET = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
LINES = (layout.MATRIX, layout.EVENTS)
DOCUMENTS = (layout.RUN, layout.VECTORS, layout.CATALOGUE, layout.PROFILE, layout.VERDICTS)

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(-1e9, 1e9)
    | st.text(max_size=5)
    | st.sampled_from(["none", "gold", "2026-02-30T00:00:00Z", "0" * 64, "DTC-P1-001", "\ud800", "a" * 3000]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


@cache
def original() -> Contents:
    return unpack(make(scratch("fuzz-original")))


@cache
def trust() -> Path:
    return trust_file(FOLDER)


def places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in a JSON value, with each of its keys or indices."""
    if isinstance(node, dict | list):
        for index in list(node) if isinstance(node, dict) else range(len(node)):
            yield node, index
            yield from places(node[index])


def spoil(value: Any, which: int, new: Any, *, remove: bool) -> Any:
    """Replace or remove one member anywhere inside a value."""
    every = list(places(value))
    if not every:
        return new
    node, index = every[which % len(every)]
    if remove:
        del node[index]
    else:
        node[index] = new
    return value


def sealed(contents: Contents, edit: Any = None) -> Contents:
    """The contents with a fitting list, and the original statement (or an edited one) signed about it."""
    covered = {name: data for name, data in contents.items() if layout.covered(name)}
    files = MappedFiles(covered)
    sums = layout.render_sums({name: files.digest(name) for name in covered})
    value = json.loads(bundle.parse(original()[layout.RUN_BUNDLE], "it").envelope.payload)
    value["subject"][0]["digest"]["sha256"] = sha256_hex(sums)
    payload = canonical_json(value) if edit is None else edit(value)
    signed = bundle.render(dsse.sign(payload, statement.PAYLOAD_TYPE, key()))
    return {**contents, layout.SUMS: sums, layout.RUN_BUNDLE: signed}


def test_an_untouched_package_sealed_again_is_fine() -> None:
    assert check(pack(sealed(dict(original())), FOLDER / "same.tar.gz"), trust()).exit_code is ExitCode.OK


@QUIET
@given(name=st.sampled_from(DOCUMENTS), which=st.integers(0, 10**6), new=VALUES, remove=st.booleans())
def test_any_evidence_document_gets_an_answer(name: str, which: int, new: Any, remove: bool) -> None:
    after = spoil(json.loads(original()[name]), which, new, remove=remove)
    contents = {**original(), name: json.dumps(after).encode()}
    result = check(pack(sealed(contents), FOLDER / "document.tar.gz"), trust())
    if result.exit_code is ExitCode.OK:
        # Only what claims nothing may differ: environment, doctor, an optional member left out.
        assert claims(name, contents[name]) == claims(name, original()[name])
    else:
        assert result.exit_code is ExitCode.INTEGRITY


def claims(name: str, data: bytes) -> Any:
    """What a document says to a verifier."""
    shapes: dict[str, Any] = {
        layout.RUN: evidence.Run,
        layout.VECTORS: tuple[Vector, ...],
        layout.CATALOGUE: tuple[Requirement, ...],
    }
    return evidence.typed(json.loads(data), name, shapes[name])


@QUIET
@given(name=st.sampled_from(LINES), line=st.integers(0, 10**6), which=st.integers(0, 10**6), new=VALUES)
def test_any_evidence_line_gets_an_answer(name: str, line: int, which: int, new: Any) -> None:
    lines = original()[name].splitlines()
    value = spoil(json.loads(lines[line % len(lines)]), which, new, remove=False)
    try:
        lines[line % len(lines)] = canonical_json(value)
    except ValueError:
        lines[line % len(lines)] = json.dumps(value).encode()
    contents = {**original(), name: b"\n".join(lines) + b"\n"}
    result = check(pack(sealed(contents), FOLDER / "line.tar.gz"), trust())
    assert contents[name] == original()[name] or result.exit_code is ExitCode.INTEGRITY


@QUIET
@given(which=st.integers(0, 10**6), new=VALUES, remove=st.booleans())
def test_any_statement_gets_an_answer(which: int, new: Any, remove: bool) -> None:
    def edit(value: Any) -> bytes:
        after = spoil(value, which, new, remove=remove)
        try:
            return canonical_json(after)
        except ValueError:
            return json.dumps(after).encode()

    contents = sealed(dict(original()), edit)
    result = check(pack(contents, FOLDER / "statement.tar.gz"), trust())
    assert result.exit_code in set(ExitCode) - {ExitCode.BUG, ExitCode.USAGE}


@pytest.mark.parametrize("name", [layout.VECTORS, layout.CATALOGUE, layout.MATRIX, layout.EVENTS, layout.RUN])
@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"null", b"[null]\n", b"\n", b"\n\n", b"\xff\n", b"0\n"])
def test_hollow_files_get_an_answer(name: str, data: bytes) -> None:
    path = pack(sealed({**original(), name: data}), FOLDER / "hollow.tar.gz")
    assert check(path, trust()).exit_code is ExitCode.INTEGRITY


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2026-02-30T00:00:00Z"])
def test_instants_at_the_end_of_time_get_an_answer(moment: str) -> None:
    run = {**json.loads(original()[layout.RUN]), "finishedAt": moment}
    path = pack(sealed({**original(), layout.RUN: json.dumps(run).encode()}), FOLDER / "time.tar.gz")
    assert "evidence.format" in failing(check(path, trust()))

    def edit(value: Any) -> bytes:
        value["predicate"] |= {
            "finishedAt": moment,
            "validity": dict.fromkeys(value["predicate"]["validity"], moment),
        }
        return canonical_json(value)

    path = pack(sealed(dict(original()), edit), FOLDER / "time.tar.gz")
    assert {"time.clock", "time.freshness"} <= set(failing(check(path, trust())))
