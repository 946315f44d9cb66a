"""Whether sampled answers were true under load: status, schema and content (DTC-PERF-010).

An answer is held against the request that asked for it, never against another implementation's taste: forms
that the standard leaves open (C-37, C-47) are read as the suites read them.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import jsonschema_rs
import msgspec

from dtc_cli.load.lanes import Sample
from dtc_cli.paths import SPEC

MOST_EXAMPLES = 10
SLACK_M = 1.0
"""Metres by which a nearby result may lie beyond the radius: rounding of printed distances."""


class Findings(msgspec.Struct, frozen=True):
    """What the sampled answers showed."""

    checked: int
    wrong: int
    reasons: dict[str, int]
    examples: tuple[str, ...]


def check(samples: Sequence[Sample], routes: Sequence[str]) -> Findings:
    """Judge sampled answers of a run; those that failed by status are counted as errors elsewhere."""
    reasons: Counter[str] = Counter()
    examples: list[str] = []
    checked = 0
    for sample in samples:
        judge = JUDGES.get(routes[sample.route])
        if judge is None or not 200 <= sample.status < 300 or not sample.whole:
            continue
        checked += 1
        reason = _judge(judge, sample)
        if reason:
            reasons[f"{routes[sample.route]}: {reason}"] += 1
            if len(examples) < MOST_EXAMPLES:
                examples.append(f"{routes[sample.route]} {sample.about}: {reason}; got {_shown(sample.body)}")
    return Findings(checked, sum(reasons.values()), dict(reasons.most_common()), tuple(examples))


def items(value: Any) -> list[dict[str, Any]]:
    """The entries of a list answer in any of the forms of C-37."""
    if isinstance(value, list):
        found = value
    else:
        named = (value.get(name) for name in ("objects", "sensors", "items", "data", "results"))
        arrays = [entry for entry in (*named, *value.values()) if isinstance(entry, list)]
        found = arrays[0] if arrays else []
    return [entry for entry in found if isinstance(entry, dict)]


def _judge(judge: Callable[[Any, dict[str, Any]], str], sample: Sample) -> str:
    try:
        body = json.loads(sample.body)
    except ValueError:
        return "the body is not JSON"
    try:
        return judge(body, json.loads(sample.about))
    except (AttributeError, KeyError, TypeError, ValueError) as problem:
        return f"the body has another shape ({type(problem).__name__})"


def _object(body: Any, about: dict[str, Any]) -> str:
    if not _valid("city-object", body):
        return "no city object by the schema"
    return "" if body.get("id") == about["id"] else "another object"


def _list(body: Any, about: dict[str, Any]) -> str:
    if not _valid("object-list", body):
        return "no list of city objects by the schema"
    count = len(items(body))
    if count > about["limit"]:
        return "more entries than the limit"
    return "" if count >= about["at_least"] else "entries are missing"


def _bounds(body: Any, about: dict[str, Any]) -> str:
    if not _valid("object-list", body):
        return "no list of city objects by the schema"
    return (
        ""
        if about["holds"] in {entry.get("id") for entry in items(body)} or about["crowded"]
        else "an object is missing"
    )


def _nearby(body: Any, about: dict[str, Any]) -> str:
    if not _valid("nearby", body):
        return "no nearby answer by the schema"
    results = body["results"]
    if any(entry["distance"] > about["radius"] + SLACK_M for entry in results):
        return "a result beyond the radius"
    return "" if results else "no result where an object stands"


def _series(body: Any, about: dict[str, Any]) -> str:
    if not _valid("sensor-data", body):
        return "no sensor data by the schema"
    if body["sensorId"] != about["id"]:
        return "another sensor"
    return "" if len(body["measurements"]) >= about["at_least"] else "measurements are missing"


JUDGES: Mapping[str, Callable[[Any, dict[str, Any]], str]] = {
    "keyed": _object,
    "list": _list,
    "bounds": _bounds,
    "nearby": _nearby,
    "series": _series,
}


@cache
def _schema(name: str) -> Any:
    resources = {}
    for path in (SPEC / "schemas").glob("*.schema.json"):
        schema = json.loads(path.read_bytes())
        if "$id" in schema:
            resources[schema["$id"]] = schema
    registry = jsonschema_rs.Registry(list(resources.items()))
    return jsonschema_rs.validator_for(resources[f"urn:dtc:schema:{name}"], registry=registry)


def _valid(name: str, body: Any) -> bool:
    return bool(_schema(name).is_valid(body))


def _shown(body: bytes) -> str:
    text = body[:160].decode("utf-8", "replace")
    return text + ("..." if len(body) > 160 else "")
