"""After a load: is what stands in the target what the source had, by count, by content, and in metres."""

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import msgspec
import orjson

from dtc_cli.migrate import compare, content, sensing
from dtc_cli.migrate.gates import lower_bound
from dtc_cli.migrate.journal import Journal
from dtc_cli.migrate.plan import Plan
from dtc_cli.migrate.reader import LayerReader

SAMPLE_MIN = 299
"""With no failure among so many, a share of 0.99 is certain to 95 % (edge case 43)."""
CHECK_ALL_BELOW = 1000
LEAST_OF_EACH = 50
"""Of each type, mended and not, at least so many are compared."""
LISTED = 200


class View(Protocol):
    """A target that can be read back."""

    def walk(self) -> Iterator[dict[str, Any]]:
        """All objects."""
        ...


class FileView:
    """The objects in a file that `FileSink` wrote."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def walk(self) -> Iterator[dict[str, Any]]:
        """All objects, in the order of the file."""
        if self._path.suffix.lower() == ".json":
            record = orjson.loads(self._path.read_bytes())
            yield from record["cityObjects"]
            for node in (record.get("sensorNetwork") or {}).get("nodes", ()):
                yield sensing.from_sensor(node)
                for one in node.get("measurements", ()):
                    yield sensing.from_reading(node["id"], one)
            return
        with self._path.open("rb") as stream:
            for line in stream:
                item = orjson.loads(line)
                if item.get("type") == "Feature":
                    yield _from_feature(item)
                else:
                    yield from sensing.from_native(item)


def _from_feature(item: dict[str, Any]) -> dict[str, Any]:
    properties = dict(item["properties"])
    return {
        "id": properties.pop("cityObjectId"), "type": properties.pop("type"), "geometry": item["geometry"],
        "metadata": properties.pop("metadata", {}), "properties": properties,
    }  # fmt: skip


class Verification(msgspec.Struct, kw_only=True):
    """What a verification found."""

    expected: int
    found: int
    missing: list[str]
    missing_count: int
    differs: list[dict[str, Any]]
    differs_count: int
    twice: int
    outdated: list[dict[str, Any]]
    """Objects that stand, though the source as last read does not give them so: `diff` calls them extra."""
    outdated_count: int
    by_type: dict[str, dict[str, int]]
    sampled: int
    beyond_tolerance: int
    worst_m: float
    integrity: float | None
    integrity_bound: float | None
    whole: bool
    """Counts and contents agree, nothing outdated stands, no sampled geometry is off."""


def verify(plan: Plan, journal: Journal, view: View, *, seed: int = 1, geometry: bool = True) -> Verification:
    """Compare the target with the journal (all objects) and with the source (a sample in strata).

    Args:
        plan: the plan.
        journal: its journal.
        view: the target, read back.
        seed: chooses the sample.
        geometry: whether to read the source again for the comparison in metres.
    """
    wanted = Counter(item["type"] for item in journal.live_objects())
    expected = sum(wanted.values())
    chosen = _chosen(journal, expected, seed) if geometry else set()
    seen, twice, found_types = 0, 0, Counter[str]()
    differs: list[dict[str, Any]] = []
    differing = 0
    sample: dict[str, dict[str, Any]] = {}
    seen_ids: set[str] = set()
    # The source is read anew while the target is.
    with ThreadPoolExecutor(1, thread_name_prefix="verify") as pool:
        anew = pool.submit(_given_again, plan, journal, chosen)
        for part in _parts(view.walk(), 500):
            known = journal.objects(str(item.get("id")) for item in part)
            for item in part:
                identifier = str(item.get("id"))
                standing = known.get(identifier)
                if standing is None or standing[1] != "live":
                    continue
                if identifier in seen_ids:
                    twice += 1
                    continue
                seen_ids.add(identifier)
                seen += 1
                found_types[str(item.get("type"))] += 1
                if not content.matches(item, standing[0]):
                    differing += 1
                    if len(differs) < LISTED:
                        differs.append(
                            {"id": identifier, "layer": standing[4].split("\n")[0], "why": "content differs"}
                        )
                if identifier in chosen:
                    sample[identifier] = item
        given = anew.result()
    missing = [item["id"] for item in journal.live_objects() if item["id"] not in seen_ids]
    checked, off, worst = _geometry(plan, given, sample)
    for one in off[:LISTED]:
        differs.append(one)
    good = checked - len(off)
    outdated = [one for one in journal.outdated(int(journal.fact("epoch"))) if one["id"] in seen_ids]
    return Verification(
        expected=expected,
        found=seen,
        missing=missing[:LISTED],
        missing_count=len(missing),
        differs=differs,
        differs_count=differing,
        twice=twice,
        outdated=outdated[:LISTED],
        outdated_count=len(outdated),
        by_type={
            kind: {"expected": wanted[kind], "found": found_types[kind]}
            for kind in sorted(wanted | found_types)
        },
        sampled=checked,
        beyond_tolerance=len(off),
        worst_m=round(worst, 4),
        integrity=good / checked if checked else None,
        integrity_bound=lower_bound(good, checked),
        whole=seen == expected and not (missing or differing or twice or off or outdated),
    )


def _chosen(journal: Journal, expected: int, seed: int) -> set[str]:
    """Ids for the comparison in metres: all of a small migration, else some of each type, mended or not."""
    if expected <= CHECK_ALL_BELOW:
        return {item["id"] for item in journal.live_objects()}
    share, dice = 2 * SAMPLE_MIN / max(expected, 1), random.Random(seed)
    strata: Counter[tuple[str, bool]] = Counter()
    mended, found = journal.repaired(), set()
    for item in journal.live_objects():
        stratum = (item["type"], item["id"] in mended)
        if strata[stratum] < LEAST_OF_EACH or dice.random() < share:
            strata[stratum] += 1
            found.add(item["id"])
    return found


def _given_again(plan: Plan, journal: Journal, chosen: set[str]) -> list[tuple[str, dict[str, Any]]]:
    """What the source gives now for the chosen objects: (layer, object).

    They are looked for where they stood; where the source was changed since, all of it is read.
    """
    if not chosen:
        return []
    found = list(_mapped(_readers(plan, journal, chosen), chosen))
    if {item["id"] for _, item in found} == chosen:
        return found
    return list(_mapped(_readers(plan, journal), chosen))


def _geometry(
    plan: Plan, given: list[tuple[str, dict[str, Any]]], sample: dict[str, dict[str, Any]]
) -> tuple[int, list[dict[str, Any]], float]:
    """Compare the sampled objects with what the source gives now."""
    checked, off, worst = 0, [], 0.0
    for layer, expected in given:
        now = sample.get(expected["id"])
        if now is None:
            continue
        if expected["geometry"] is None:
            continue
        checked += 1
        try:
            apart = compare.distance(expected["geometry"], now.get("geometry") or {})
        except ValueError as problem:
            off.append({"id": expected["id"], "layer": layer, "why": str(problem)})
            continue
        worst = max(worst, apart.hausdorff_m)
        if apart.hausdorff_m > plan.thresholds.tolerance_m:
            off.append(
                {
                    "id": expected["id"],
                    "layer": layer,
                    "why": f"geometry is {apart.hausdorff_m:.3f} m off",
                    "metres": round(apart.hausdorff_m, 3),
                }
            )
    return checked, off, worst


def expected_objects(plan: Plan, journal: Journal) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects that the source gives now, as the plan maps them: (layer, object)."""
    return _mapped(_readers(plan, journal), None)


def _readers(plan: Plan, journal: Journal, chosen: set[str] | None = None) -> list[tuple[str, LayerReader]]:
    """A reader for each layer that was migrated, as far as it was; for some objects, where they stood."""
    started = datetime.fromisoformat(journal.fact("started"))
    epoch = int(journal.fact("epoch"))
    stops = {
        f"{one['source']}/{one['layer']}": None if one["done"] else one["read"]
        for one in journal.layers(epoch)
    }
    found = []
    places = None if chosen is None else journal.ordinals(epoch, chosen)
    for source in plan.sources:
        for layer in source.layers:
            name = f"{source.name}/{layer.name}"
            if layer.skip or name not in stops or stops[name] == 0:
                continue
            if places is not None and name not in places:
                continue
            reader = LayerReader(
                Path(plan.file),
                source.name,
                layer.name,
                migration=str(journal.fact("migration")),
                started=started,
                frame=2000,
                stop=stops[name],
                only=None if places is None else places[name],
            )
            found.append((name, reader))
    return found


def _mapped(
    readers: Iterable[tuple[str, LayerReader]], chosen: set[str] | None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The objects of layers; where some are chosen, those only."""
    for name, reader in readers:
        for frame in reader.frames():
            for record, body in frame.items():
                if record.state in ("ready", "repaired") and (chosen is None or record.id in chosen):
                    yield name, orjson.loads(body)


def _parts(items: Iterable[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    part: list[dict[str, Any]] = []
    for item in items:
        part.append(item)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part
