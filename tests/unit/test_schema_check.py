"""Documents against a schema: what is right is told fast, what is wrong by `jsonschema`."""

import subprocess
import sys

import pytest

from dtc_cli.core.schema_check import SchemaCheck

SCHEMA = {
    "type": "object",
    "required": ["n"],
    "properties": {"n": {"type": "integer"}},
    "additionalProperties": False,
}


@pytest.mark.parametrize("document", [{"n": 1}, {"n": 1.0}, {"n": 10**30}])
def test_a_sound_document_breaks_nothing(document: object) -> None:
    assert list(SchemaCheck(SCHEMA).iter_errors(document)) == []


@pytest.mark.parametrize(
    ("document", "rules"),
    [
        ({}, ["required"]),
        ([], ["type"]),
        ({"n": "1", "m": 2}, ["additionalProperties", "type"]),
        ({"n": float("nan")}, ["type"]),
        ({"n": 1, "m": {1, 2}}, ["additionalProperties"]),
    ],
)
def test_what_is_broken_is_named(document: object, rules: list[str]) -> None:
    assert sorted(str(error.validator) for error in SchemaCheck(SCHEMA).iter_errors(document)) == rules


def test_what_explains_is_not_loaded_before_there_is_something_to_explain() -> None:
    code = (
        "import sys; from dtc_cli.core.schema_check import SchemaCheck; "
        "assert not list(SchemaCheck({'type': 'object'}).iter_errors({})); print('jsonschema' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
