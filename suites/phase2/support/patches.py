"""Objects to patch, patching them, and what RFC 7396 makes of it."""

import copy
from collections.abc import Mapping
from typing import Any

from dtc_cli.harness.suite import Blocked, Twin, quote
from suites.phase2.support.creating import create, read
from suites.phase2.support.lists import OBJECTS
from suites.phase2.support.operations import NO_SUCH_ID
from suites.phase2.support.replies import admitted
from suites.phase2.support.values import moment, within

CLAUSE = "C-38 (RFC 7396)"
START: dict[str, Any] = {
    "name": "Tower",
    "energyClass": "B",
    "floors": {"above": 20, "below": 3, "plan": {"lifts": 4, "stairs": 2}},
    "tags": ["a", "b", "c"],
    "height": 80.5,
    "heated": True,
    "owner": "city",
    "empty": [],
}


def make(
    twin: Twin,
    properties: Mapping[str, Any] | None = None,
    *,
    kind: str = "Building",
) -> tuple[str, dict[str, Any]]:
    """An object to patch, as it was stored: what the target did not keep on creation is not expected here."""
    content = {**copy.deepcopy(dict(properties if properties is not None else START)), "dtcRun": twin.run_id}
    created = create(twin, {**twin.scratch.body(kind), "properties": content})
    kept = read(twin, created)
    stored = kept.get("properties")
    if not isinstance(stored, dict) or NO_SUCH_ID in stored:
        raise Blocked("DTC-P2-021", "the object has no properties")
    return created, {**kept, "properties": stored}


def patch(twin: Twin, created: str, change: Mapping[str, Any]) -> Any:
    """The answer to a PATCH of that object."""
    return twin.rest.patch(f"{OBJECTS}/{quote(created)}", json=dict(change))


def worked(answer: Any) -> None:
    """Make sure that a PATCH was served.

    Raises:
        Blocked: by DTC-P2-023, which demands it, otherwise.
    """
    admitted(answer)
    if not answer.ok:
        raise Blocked("DTC-P2-023", f"the PATCH got status {answer.status}: {answer.excerpt(120)}")


def updated(twin: Twin, created: str) -> Any:
    """The instant metadata.lastUpdated of the object.

    Raises:
        Blocked: by DTC-P2-021 when it is not told.
    """
    found = moment(within(read(twin, created), "metadata", "lastUpdated"))
    if found is None:
        raise Blocked("DTC-P2-021", "the object does not tell metadata.lastUpdated")
    return found


def merged(target: Any, change: Any) -> Any:
    """What RFC 7396 makes of a value and a change."""
    if not isinstance(change, Mapping):
        return copy.deepcopy(change)
    result = dict(target) if isinstance(target, Mapping) else {}
    for name, value in change.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def without(target: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """The members of the target that a change does not name, at any depth."""
    left: dict[str, Any] = {}
    for name, value in target.items():
        if name not in change:
            left[name] = value
        elif isinstance(value, Mapping) and isinstance(change[name], Mapping):
            left[name] = without(value, change[name])
    return left
