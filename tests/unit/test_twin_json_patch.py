"""JSON Patch by the cases of RFC 6902 appendix A, its bounds, and its agreement with an edit by hand."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_server.errors import ApiError
from reference_server.services import json_patch

CASES: list[tuple[Any, list[dict[str, Any]], Any]] = [
    ({"a": 1}, [{"op": "add", "path": "/b", "value": 2}], {"a": 1, "b": 2}),
    ({"a": [1, 3]}, [{"op": "add", "path": "/a/1", "value": 2}], {"a": [1, 2, 3]}),
    ({"a": [1]}, [{"op": "add", "path": "/a/-", "value": [2]}], {"a": [1, [2]]}),
    ({"a": [1]}, [{"op": "add", "path": "/a/1", "value": 2}], {"a": [1, 2]}),
    ({"a": 1, "b": 2}, [{"op": "remove", "path": "/b"}], {"a": 1}),
    ({"a": [1, 2, 3]}, [{"op": "remove", "path": "/a/1"}], {"a": [1, 3]}),
    ({"a": 1}, [{"op": "replace", "path": "/a", "value": None}], {"a": None}),
    ({"a": [1]}, [{"op": "replace", "path": "/a/0", "value": 2}], {"a": [2]}),
    ({"a": {"b": 1}, "c": {}}, [{"op": "move", "from": "/a/b", "path": "/c/d"}], {"a": {}, "c": {"d": 1}}),
    ({"a": [1, 2, 3]}, [{"op": "move", "from": "/a/0", "path": "/a/2"}], {"a": [2, 3, 1]}),
    ({"a": 1}, [{"op": "move", "from": "/a", "path": "/a"}], {"a": 1}),
    ({"a": {"b": 1}}, [{"op": "copy", "from": "/a", "path": "/c"}], {"a": {"b": 1}, "c": {"b": 1}}),
    ({"a/b": 1, "m~n": 2}, [{"op": "remove", "path": "/a~1b"}, {"op": "test", "path": "/m~0n", "value": 2}],
     {"m~n": 2}),
    ({"~1": 1}, [{"op": "test", "path": "/~01", "value": 1}], {"~1": 1}),
    ({"": 1}, [{"op": "replace", "path": "/", "value": 2}], {"": 2}),
    ({"a": 1}, [{"op": "replace", "path": "", "value": {"b": 2}}], {"b": 2}),
    ({"a": 1}, [{"op": "test", "path": "", "value": {"a": 1.0}}], {"a": 1}),
    ({"a": 1}, [{"op": "add", "path": "/b", "value": 2, "from": "ignored"}], {"a": 1, "b": 2}),
    ({"a": 1}, [], {"a": 1}),
]  # fmt: skip


@pytest.mark.parametrize(("document", "operations", "result"), CASES)
def test_operations_do_what_the_rfc_says(document: Any, operations: Any, result: Any) -> None:
    before = copy.deepcopy(document)
    assert json_patch.apply(document, operations) == result
    assert document == before


REFUSED: list[tuple[Any, str]] = [
    ({"op": "add"}, "VALIDATION_ERROR"),
    ([{"op": "spam", "path": "/a"}], "VALIDATION_ERROR"),
    ([{"path": "/a"}], "VALIDATION_ERROR"),
    (["add"], "VALIDATION_ERROR"),
    ([{"op": ["add"], "path": "/a", "value": 1}], "VALIDATION_ERROR"),
    ([{"op": "add", "path": "/a"}], "VALIDATION_ERROR"),
    ([{"op": "add", "value": 1}], "VALIDATION_ERROR"),
    ([{"op": "copy", "path": "/a"}], "VALIDATION_ERROR"),
    ([{"op": "add", "path": "a", "value": 1}], "VALIDATION_ERROR"),
    ([{"op": "add", "path": "/a~2", "value": 1}], "VALIDATION_ERROR"),
    ([{"op": "add", "path": 5, "value": 1}], "VALIDATION_ERROR"),
    ([{"op": "move", "from": "/o", "path": "/o/p"}], "VALIDATION_ERROR"),
    ([{"op": "test", "path": "/a", "value": 2}], "CONFLICT"),
    ([{"op": "test", "path": "/a", "value": True}], "CONFLICT"),
    ([{"op": "test", "path": "/a", "value": "1"}], "CONFLICT"),
    ([{"op": "test", "path": "/l", "value": [1]}], "CONFLICT"),
    ([{"op": "test", "path": "/none", "value": None}], "CONFLICT"),
    ([{"op": "remove", "path": "/none"}], "CONFLICT"),
    ([{"op": "replace", "path": "/none", "value": 1}], "CONFLICT"),
    ([{"op": "add", "path": "/none/x", "value": 1}], "CONFLICT"),
    ([{"op": "add", "path": "/a/x", "value": 1}], "CONFLICT"),
    ([{"op": "add", "path": "/l/3", "value": 1}], "CONFLICT"),
    ([{"op": "add", "path": "/l/01", "value": 1}], "CONFLICT"),
    ([{"op": "add", "path": "/l/-1", "value": 1}], "CONFLICT"),
    ([{"op": "remove", "path": "/l/-"}], "CONFLICT"),
    ([{"op": "remove", "path": "/l/2"}], "CONFLICT"),
    ([{"op": "copy", "from": "/none", "path": "/b"}], "CONFLICT"),
]


@pytest.mark.parametrize(("operations", "code"), REFUSED)
def test_what_cannot_be_done_is_refused(operations: Any, code: str) -> None:
    with pytest.raises(ApiError) as refusal:
        json_patch.apply({"a": 1, "l": [1, 2], "o": {}}, operations)
    assert refusal.value.code == code
    assert refusal.value.status == (400 if code == "VALIDATION_ERROR" else 409)


def test_a_few_operations_cannot_build_a_giant() -> None:
    doubling = [{"op": "copy", "from": "", "path": f"/{n}"} for n in range(40)]
    with pytest.raises(ApiError, match="copies may add up"):
        json_patch.apply({"text": "x" * 100}, doubling)
    nested: Any = {}
    for _ in range(30):
        nested = {"a": nested}
    down = [{"op": "copy", "from": "", "path": "/a" * depth} for depth in (31, 62, 124, 248, 496)]
    with pytest.raises(ApiError, match="nests deeper"):
        json_patch.apply(nested, down)
    with pytest.raises(ApiError, match="nests deeper"):
        json_patch.apply({}, [{"op": "add", "path": "/a" * depth, "value": {}} for depth in range(1, 70)])
    with pytest.raises(ApiError, match="may have 1000"):
        json_patch.apply({}, [{"op": "test", "path": "", "value": {}}] * 1001)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=3), JSON, max_size=4), st.text(max_size=3), JSON)
def test_adding_testing_and_removing_a_member_is_the_identity(
    document: dict[str, Any], name: str, value: Any
) -> None:
    path = "/" + name.replace("~", "~0").replace("/", "~1")
    added = json_patch.apply(
        document, [{"op": "add", "path": path, "value": value}, {"op": "test", "path": path, "value": value}]
    )
    assert added == {**document, name: value}
    without = {key: kept for key, kept in document.items() if key != name}
    assert json_patch.apply(added, [{"op": "remove", "path": path}]) == without
