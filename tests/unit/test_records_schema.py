"""The rules against an independent program: jsonschema with the draft-07 schema of P1 4.1."""

import json
from datetime import UTC, datetime
from typing import Any

import jsonschema
from hypothesis import given, settings
from hypothesis import strategies as st

from dtc_cli.core.records import judge, parse
from dtc_cli.core.records.cases import load_cases
from dtc_cli.paths import SPEC, SUITES

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
SCHEMA = json.loads((SPEC / "schemas" / "record.schema.json").read_bytes())
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)
CASES = [
    case for case in load_cases(SUITES / "phase1" / "vectors") if case.text is None and not case.fragment
]
RECORDS = [json.loads(case.document(NOW)) for case in CASES]


def test_the_schema_is_one_and_has_the_id_of_the_standard() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    assert SCHEMA["$id"] == "https://wia.live/digital-twin-city/v1/schema.json"


def test_accepted_vectors_validate_and_none_that_fails_the_schema_is_accepted() -> None:
    for case, record in zip(CASES, RECORDS, strict=True):
        if case.expect == "accept":
            assert VALIDATOR.is_valid(record), case.vector


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a JSON value."""
    found: list[tuple[Any, Any]] = []
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        found.append((value, key))
        if isinstance(value[key], dict | list):
            found.extend(places(value[key]))
    return found


JUNK = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.text(max_size=4), st.just([]), st.just({}), st.floats()
)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(RECORDS), st.data())
def test_what_the_schema_refuses_the_judge_refuses(record: dict[str, Any], data: st.DataObject) -> None:
    copy = json.loads(json.dumps(record))
    for _ in range(data.draw(st.integers(1, 2))):
        holder, key = data.draw(st.sampled_from(places(copy)))
        if isinstance(holder, dict) and data.draw(st.booleans()):
            del holder[key]
        else:
            holder[key] = data.draw(JUNK)
        if not places(copy):
            break
    if not VALIDATOR.is_valid(copy):
        assert not judge(copy, now=NOW).valid


def test_a_parsed_record_is_the_value_that_the_schema_sees() -> None:
    for case, record in zip(CASES, RECORDS, strict=True):
        assert parse(case.document(NOW)).record == record
