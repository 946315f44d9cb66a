"""Judging a filtered list: all that matches and only what matches, with the blame where it belongs."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from dtc_cli.harness.suite import Answer, Blocked, Twin, Violation, expect, quote
from suites.phase2.support.dataset import Sample
from suites.phase2.support.filters import Judge
from suites.phase2.support.lists import OBJECTS, Item, Walk, items_of, page, walk
from suites.phase2.support.replies import admitted

LOOKED_UP = 3
"""So many suspicious objects are read one by one before the filter is blamed."""


STRIDE = 25
"""The least page with which the list without a filter is walked."""


class Filter(NamedTuple):
    """A filter as it is sent, our evaluation of it, and whose requirement it is."""

    params: Mapping[str, str]
    judge: Judge
    requirement: str
    clause: str = "P2 4.3"

    @property
    def shown(self) -> str:
        """The query as text, for messages."""
        return "&".join(f"{name}={value}" for name, value in self.params.items())


def judge_filter(twin: Twin, sample: Sample, wanted: Filter, *, limit: int = 1000) -> None:
    """The list with this filter holds all objects of the sample that match, and nothing that does not.

    Args:
        twin: the twin under test.
        sample: objects of the run, some of which match.
        wanted: the filter.
        limit: page size of the walk; a small one shows filters that are applied after paging.

    Raises:
        Violation: when it does not.
        Blocked: when the objects are not stored as sent, or the list without the filter is already wrong.
    """
    found = _filtered(twin, wanted, limit)
    for item in found.items:
        _judge_item(twin, sample, wanted, item)
    missing = _missing(sample, wanted, found)
    if missing and not found.ended:
        missing = _missing(sample, wanted, _filtered(twin, wanted, 1000, {**sample.narrow}))
        if missing:
            raise Blocked("DTC-P2-030", "the city is too large to walk, and the sample cannot be singled out")
    if missing:
        if len(set(found.ids)) < len(found.ids):
            raise Blocked("DTC-P2-037", "the pages of the filtered list overlap")
        _excuse(twin, sample, wanted, missing, limit)
        raise Violation(
            f"?{wanted.shown} misses {len(missing)} object(s) that match",
            expected=f"object {missing[0]} among the results",
            actual=f"{len(found.items)} objects: {', '.join(found.ids[:8])}",
            clause=wanted.clause,
        )


def stored(twin: Twin, created: str) -> Item | None:
    """The object as the target keeps it, None when it cannot be read."""
    answer = twin.rest.get(f"{OBJECTS}/{quote(created)}")
    body = answer.json() if answer.ok and answer.is_json else None
    return body if isinstance(body, dict) else None


def _filtered(twin: Twin, wanted: Filter, limit: int, extra: Mapping[str, str] | None = None) -> Walk:
    params: dict[str, Any] = {**wanted.params, **(extra or {})}
    first = page(twin, {**params, "limit": limit})
    _judge_answer(twin, first, wanted)
    return walk(twin, params, limit=limit, pages=8 if limit >= 1000 else 40, first=first)


def _judge_answer(twin: Twin, answer: Answer, wanted: Filter) -> None:
    admitted(answer)
    if answer.ok and items_of(answer) is not None:
        return
    plain = page(twin, {"limit": 1})
    if not plain.ok or items_of(plain) is None:
        raise Blocked("DTC-P2-026", f"the list without a filter does not work (status {plain.status})")
    expect.status(answer, {200}, clause=wanted.clause, message=f"?{wanted.shown} gives no list")
    raise Violation(
        f"?{wanted.shown} gives no list",
        expected="an array, or an object with one array",
        actual=answer.excerpt(),
        clause=wanted.clause,
    )


def _judge_item(twin: Twin, sample: Sample, wanted: Filter, item: Item) -> None:
    created = str(item.get("id"))
    subject = sample.bodies.get(created, item)
    if wanted.judge(subject) is not False:
        return
    kept = stored(twin, created) if created in sample.bodies else None
    if kept is not None and wanted.judge(kept) is not False:
        raise Blocked("DTC-P2-015", f"object {created} is not stored as it was sent")
    if created not in sample.bodies and ("type" not in item or not isinstance(item.get("properties"), dict)):
        raise Blocked("DTC-P2-108", f"the listed object {created} lacks members to judge it by")
    raise _stranger(wanted, item)


def _stranger(wanted: Filter, item: Item) -> Violation:
    return Violation(
        f"?{wanted.shown} returns an object that does not match",
        expected="only objects that match the filter",
        actual=expect.show(item),
        clause=wanted.clause,
    )


def _missing(sample: Sample, wanted: Filter, found: Walk) -> list[str]:
    seen = set(found.ids)
    return [
        created
        for created, body in sample.bodies.items()
        if wanted.judge(body) is True and created not in seen
    ]


def _excuse(twin: Twin, sample: Sample, wanted: Filter, missing: list[str], limit: int) -> None:
    """Look whether something else than the filter keeps the objects from the list.

    Raises:
        Blocked: when it does.
    """
    for created in missing[:LOOKED_UP]:
        kept = stored(twin, created)
        if kept is None:
            raise Blocked("DTC-P2-021", f"object {created} cannot be read")
        if wanted.judge(kept) is not True:
            raise Blocked("DTC-P2-015", f"object {created} is not stored as it was sent")
    for size in {min(1000, max(limit, STRIDE)), 1000}:
        plain = walk(twin, limit=size, pages=8 if size >= 1000 else 40)
        if len(set(plain.ids)) < len(plain.ids):
            raise Blocked("DTC-P2-037", "the pages of the list without a filter overlap")
        if plain.ended and not set(missing) <= set(plain.ids):
            by = "DTC-P2-026" if size >= 1000 else "DTC-P2-037"
            raise Blocked(by, f"the list without a filter, limit {size}, misses object {missing[0]} too")
