"""What holds across a whole record: unique ids and references that resolve (DTC-P1-081, -085..087)."""

from collections.abc import Iterable, Iterator
from typing import Any

from dtc_cli.core.records.finding import Code, Path, Severity, Sheet
from dtc_cli.core.records.values import is_id, is_number, is_object, kind, show


class Index:
    """The identified entities of a record, by collection.

    A collection is `complete` when every item has a usable id. References into one that is not are left
    unjudged: the broken item is reported for itself, and nobody can know whether it was the one referred to.
    """

    def __init__(self, record: dict[str, Any]) -> None:
        network = record.get("sensorNetwork")
        broken_network = "sensorNetwork" in record and not is_object(network)
        sensors = network if is_object(network) else {}
        self.objects = _Collection(record, "cityObjects", ("cityObjects",))
        self.nodes = _Collection(sensors, "nodes", ("sensorNetwork", "nodes"), broken=broken_network)
        self.simulations = _Collection(record, "simulations", ("simulations",))
        self.aggregations = _Collection(sensors, "aggregations", ("sensorNetwork", "aggregations"))

    def capacities(self) -> dict[str, float]:
        """The occupancy capacity of each city object that states one (C-14)."""
        found: dict[str, float] = {}
        for item, _ in self.objects.items():
            properties = item.get("properties")
            occupancy = properties.get("occupancy") if is_object(properties) else None
            capacity = occupancy.get("capacity") if is_object(occupancy) else None
            if is_id(item.get("id")) and is_number(capacity):
                found[item["id"]] = capacity
        return found


class _Collection:
    def __init__(self, members: dict[str, Any], name: str, path: Path, *, broken: bool = False) -> None:
        value = members.get(name, [])
        self.present = name in members
        self.path = path
        self._items = value if isinstance(value, list) else []
        self.ids: set[str] = set()
        identified = 0
        for item in self._items:
            own = item.get("id") if is_object(item) else None
            if is_id(own):
                identified += 1
                self.ids.add(own)
        self.complete = not broken and isinstance(value, list) and identified == len(self._items)

    def items(self, *, having: str = "id") -> Iterator[tuple[dict[str, Any], Path]]:
        """The objects of the collection that have the member, with their paths."""
        for nth, item in enumerate(self._items):
            if is_object(item) and having in item:
                yield item, (*self.path, nth)


def judge_ids(index: Index, sheet: Sheet) -> None:
    """Report ids used twice: an error inside a collection, a warning across collections (C-29).

    Repeated ids of aggregations are a warning too: a list may hold one aggregation at several instants.
    """
    owners: dict[str, Path] = {}
    for collection in (index.objects, index.nodes, index.simulations, index.aggregations):
        seen: dict[str, Path] = {}
        for item, path in collection.items():
            name = item["id"]
            if not is_id(name):
                continue
            first = seen.setdefault(name, path)
            other = owners.get(name)
            own = collection is not index.aggregations
            if not sheet.holds("DTC-P1-081", first is path) and own:
                _blame_twice(name, path, first, sheet, Severity.ERROR)
            elif first is not path or other is not None:
                _blame_twice(name, path, first if other is None else other, sheet, Severity.WARNING)
        for name, path in seen.items():
            owners.setdefault(name, path)


def judge_references(index: Index, sheet: Sheet) -> None:
    """Report ids that lead nowhere: attachedTo as an error, the others as C-06 weighs them."""
    whole = not sheet.settings.fragment
    severity = Severity.ERROR if sheet.settings.live else Severity.WARNING
    if (index.objects.present or whole) and index.objects.complete:
        for node, path in index.nodes.items(having="attachedTo"):
            _judge_attachment(node, path, index.objects.ids, sheet)
    if (index.nodes.present or whole) and index.nodes.complete:
        for item, path in index.objects.items(having="sensors"):
            _judge_list(
                "DTC-P1-086", item, "sensors", path, known=index.nodes.ids, severity=severity, sheet=sheet
            )
        for item, path in index.aggregations.items(having="sensors"):
            _judge_list(
                "DTC-P1-087", item, "sensors", path, known=index.nodes.ids, severity=severity, sheet=sheet
            )
    if (index.objects.present or whole) and index.objects.complete and index.nodes.complete:
        known = index.objects.ids | index.nodes.ids
        for item, path in index.simulations.items(having="results"):
            results = item["results"]
            for name in _affected(results if is_object(results) else {}):
                place = (*path, "results")
                _judge_list("DTC-P1-087", results, name, place, known=known, severity=severity, sheet=sheet)


def _blame_twice(name: str, path: Path, first: Path, sheet: Sheet, severity: Severity) -> None:
    other = "/" + "/".join(str(step) for step in first)
    message = f"id {show(name)} is already that of {other}"
    sheet.blame("DTC-P1-081", Code.DUPLICATE_ID, (*path, "id"), message, severity=severity)


def _judge_attachment(node: dict[str, Any], path: Path, known: set[str], sheet: Sheet) -> None:
    attached = node["attachedTo"]
    if attached is None:
        return  # says that it is attached to nothing; there is no reference that could be missing
    if not sheet.holds("DTC-P1-085", isinstance(attached, str) and attached in known):
        named = show(attached) if isinstance(attached, str) else f"{kind(attached)} {show(attached)}"
        message = f"attachedTo {named} is not the id of a city object"
        sheet.blame("DTC-P1-085", Code.MISSING_REFERENCE, (*path, "attachedTo"), message)


def _judge_list(
    requirement: str,
    members: dict[str, Any],
    name: str,
    path: Path,
    *,
    known: set[str],
    severity: Severity,
    sheet: Sheet,
) -> None:
    listed = members.get(name)
    if not isinstance(listed, list):
        return
    for index, reference in enumerate(listed):
        if isinstance(reference, str) and not sheet.holds(requirement, reference in known):
            message = f"{name} refers to {show(reference)}, which is not in the record"
            sheet.blame(requirement, Code.MISSING_REFERENCE, (*path, name, index), message, severity=severity)


def _affected(results: dict[str, Any]) -> Iterable[str]:
    """The result members that list ids of the city: affectedRoads and its like."""
    return (name for name in results if isinstance(name, str) and name.startswith("affected"))
