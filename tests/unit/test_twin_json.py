"""Names given twice are found, whatever else the text holds."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_server import jsonio
from reference_server.bulk import reader
from reference_server.strictjson import MAX_DEPTH, BadJsonError

TEXTS = st.text(alphabet='a": \\{}[],\n', max_size=6)
VALUES = st.recursive(
    st.none() | st.integers(0, 9) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=12,
)


@given(VALUES)
def test_every_value_is_read_as_it_was_written(value: object) -> None:
    assert jsonio.loads(json.dumps(value).encode()) == value
    assert jsonio.loads(json.dumps(value, ensure_ascii=False, indent=1).encode()) == value


@given(VALUES, TEXTS)
def test_a_name_given_twice_is_refused(value: object, name: str) -> None:
    key, inner = json.dumps(name), json.dumps(value)
    for text in (f"{{{key}:{inner},{key} : 1}}", f'[{{"a":{inner},"b":{{{key}:1,{key}\n:{inner}}}}}]'):
        with pytest.raises(BadJsonError):
            jsonio.loads(text.encode())


def test_depth_is_bounded() -> None:
    jsonio.loads(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    with pytest.raises(BadJsonError):
        jsonio.loads(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1))
    jsonio.loads(b"[" + b"{}," * 1000 + b"{}]")


def test_a_row_that_is_too_long_is_called_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_ROW", 1000)
    monkeypatch.setattr(reader, "CHUNK", 100)
    file = tmp_path / "body"
    file.write_text(json.dumps({"cityObjects": [{"id": "short"}, {"id": "x" * 2000}]}))
    rows = iter(reader.Document(file, lines=False))
    assert next(rows).value == {"id": "short"}
    with pytest.raises(BadJsonError, match="a row may take 1000 characters"):
        next(rows)
