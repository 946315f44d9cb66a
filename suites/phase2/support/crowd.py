"""As many objects as a paging check needs, and lists that stand still while they are looked at."""

from collections.abc import Mapping
from typing import Any

from dtc_cli.harness.suite import Blocked, NotTested, Twin
from suites.phase2.support.dataset import Sample
from suites.phase2.support.lists import PAGE_MAX, need_items, page, total_of, walk

CROWD = "dtc crowd"
SMALL = 300
"""A city of at most so many objects is paged through whole; of a larger one only the sample."""


def crowd(twin: Twin, wanted: int, params: Mapping[str, str] | None = None) -> None:
    """See to it that the city holds at least so many objects, or so many that a query of the crowd finds.

    Raises:
        NotTested: when the city is too small and may not be written to.
        Blocked: when objects cannot be created.
    """
    have = _count(twin, wanted, params or {})
    if have >= wanted:
        return
    if "write" not in twin.target.hazards:
        raise NotTested(f"the city holds {have} objects, {wanted} are needed, and writing is not allowed")
    role = "load" if wanted > PAGE_MAX and "load" in twin.credentials.roles else "admin"
    # The first one alone: it shows whether the key may write.
    first = twin.scratch.post(_one(twin), as_=role)
    if first.status in {401, 403} and role == "load":
        role = "admin"
        first = twin.scratch.post(_one(twin))
    rest = twin.scratch.posts([_one(twin) for _ in range(wanted - have - 1)], as_=role) if first.ok else []
    for made in (first, *rest):
        if isinstance(made, Exception):
            raise made
        if not made.ok:
            raise Blocked("DTC-P2-013", f"no object could be created (status {made.status})")


def _one(twin: Twin) -> dict[str, Any]:
    return twin.scratch.body("Utility", name=CROWD)


def settled(twin: Twin, sample: Sample) -> tuple[dict[str, str], list[str]]:
    """A query whose matches nobody else writes, and the ids it gives in order.

    A small city is taken whole, so that paging does not stand on a filter; of a large one the sample.

    Raises:
        Blocked: by DTC-P2-030 when the sample of a large city cannot be singled out.
    """
    whole = walk(twin, pages=2)
    if whole.ended and len(whole.items) <= SMALL:
        return {}, list(dict.fromkeys(whole.ids))
    items = need_items(page(twin, {**sample.narrow, "limit": PAGE_MAX}), "DTC-P2-030")
    ids = list(dict.fromkeys(str(item.get("id")) for item in items))
    if set(ids) != set(sample.bodies):
        raise Blocked("DTC-P2-030", "the objects of the run cannot be singled out of a large city")
    return dict(sample.narrow), ids


def _count(twin: Twin, wanted: int, params: Mapping[str, str]) -> int:
    """How many objects the city holds, as far as it matters."""
    answer = page(twin, {**params, "limit": min(wanted, PAGE_MAX)})
    items = need_items(answer)
    if len(items) >= wanted or wanted <= PAGE_MAX:
        total = total_of(answer)
        return max(len(items), total if total is not None and len(items) == PAGE_MAX else 0)
    return len(set(walk(twin, params).ids))
