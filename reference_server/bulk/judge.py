"""The rows of an import against the rules of phase 1, made ready to be written.

The checks are those of single writes (`services`), so that no way into the city is wider than another.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from reference_server import geometry, instants
from reference_server.bulk import plain
from reference_server.bulk.reader import Item
from reference_server.bulk.work import NUMBERED, Work
from reference_server.errors import ApiError
from reference_server.rules import sensors as sensor_rules
from reference_server.rules import shapes, simulations
from reference_server.rules.findings import Findings
from reference_server.services import objects, readings, sensors
from reference_server.services.cities import City
from reference_server.services.refusal import refuse
from reference_server.storage.properties import indexed
from reference_server.storage.protocol import Prepared, RowFault

STAMPED = ("created", "lastUpdated", "revision")
"""Members of metadata that the server gives."""
AT_ONCE = 2000
"""Readings of a sensor that are written in one change: some ten milliseconds."""
_PACK = msgspec.msgpack.Encoder()
_PREPARED = msgspec.msgpack.Decoder(Prepared)
BYTES_OF_CHARACTER = 4
"""In UTF-8, at most."""
FINAL = ("completed", "failed", "cancelled")


class Judge:
    """Judges rows for a city and puts them into the work file."""

    def __init__(self, city: City, work: Work, threshold: float | None) -> None:
        self.city = city
        self.work = work
        self.threshold = threshold
        self._takes = {
            "object": self._object,
            "feature": self._feature,
            "sensor": self._sensor,
            "readings": self._readings,
            "aggregation": self._aggregation,
            "simulation": self._simulation,
            "service": self._service,
        }

    def take(self, item: Item) -> None:
        """Judge a row."""
        if item.kind == "city":
            return
        if item.wrong is not None:
            self.work.fault(RowFault(item.line, item.pointer, None, "MALFORMED_REQUEST", item.wrong))
            return
        entity = item.value.get("id") if isinstance(item.value, dict) else None
        try:
            if not isinstance(item.value, dict):
                raise ApiError("VALIDATION_ERROR", "a row must be an object", {"rule": "ERR_INVALID_TYPE"})
            self._takes[item.kind](item, item.value)
        except ApiError as refusal:
            named = entity if isinstance(entity, str) else None
            self.work.fault(fault(refusal, item.line, item.pointer, named))

    def _object(self, item: Item, value: dict[str, Any]) -> None:
        if value.get("delete") is True and set(value) == {"id", "delete"}:
            name = objects.checked_id(value["id"])
            self.work.add("delete", name, item.line, item.pointer, name.encode())
            return
        self._put(item, value)

    def _put(self, item: Item, value: dict[str, Any]) -> None:
        box = plain.box_of(self.city, value)
        if box is None:
            objects.check(self.city, value)
            _need(value, "id")
        prepared = prepare(value, objects.checked_id(value["id"]), box)
        if box is not None and len(prepared.head) > objects.MAX_BODY // BYTES_OF_CHARACTER:
            objects.check(self.city, value)
        refs = [("sensor", name) for name in prepared.sensors]
        self.work.add("object", prepared.id, item.line, item.pointer, _PACK.encode(prepared), refs)

    def _feature(self, item: Item, value: dict[str, Any]) -> None:
        try:
            self._put(item, from_feature(value))
        except ApiError as refusal:
            named = value.get("id")
            shown = fault(refusal, item.line, "", named if isinstance(named, str) else None)
            moved = {"/id": "/properties/cityObjectId", "/type": "/properties/type"}
            pointer = item.pointer + moved.get(shown.pointer, shown.pointer)
            self.work.fault(msgspec.structs.replace(shown, pointer=pointer))

    def _sensor(self, item: Item, value: dict[str, Any]) -> None:
        node = {name: part for name, part in value.items() if name != "measurements"}
        given = _measurements(value)
        sensors.check(self.city, node)
        _need(node, "id")
        name = objects.checked_id(node["id"])
        if name in sensors.SHADOWED:
            raise ApiError("VALIDATION_ERROR", "this id is reserved", {"field": "id"})
        kept = self._kept(item, name, given, node.get("specifications", {}).get("maxValue"))
        node.pop("_links", None)
        if "metadata" in node and past(node["metadata"].get("created")) is None:
            node["metadata"] = {key: part for key, part in node["metadata"].items() if key != "created"}
        body = _PACK.encode((orjson.dumps(node), kept[:AT_ONCE]))
        attached = node.get("attachedTo")
        refs = [] if attached is None else [("object", attached)]
        self.work.add("sensor", name, item.line, item.pointer, body, refs)
        self._split(item, name, kept[AT_ONCE:], own=False)

    def _readings(self, item: Item, value: dict[str, Any]) -> None:
        _need(value, "sensorId")
        name = objects.checked_id(value["sensorId"])
        _need(value, "measurements")
        self._split(item, name, self._kept(item, name, _measurements(value), None), own=True)

    def _kept(self, item: Item, name: str, given: list[Any], limit: Any) -> list[Any]:
        """The sound readings of a row, each with its place; the others become faults."""
        kept: list[Any] = []
        for index, one in enumerate(given):
            try:
                readings.check([one], None, limit)
                if self.threshold is not None:
                    readings.check_quality([one], self.threshold)
            except ApiError as refusal:
                member = str(refusal.details.get("field", "")).split(".")[2:]
                pointer = "/".join((item.pointer, "measurements", str(index), *member))
                code = str(refusal.details.get("rule", refusal.code))
                self.work.fault(RowFault(item.line, pointer, name, code, refusal.message))
            else:
                kept.append([index, *msgspec.structs.astuple(readings.parsed(one))])
        return kept

    def _split(self, item: Item, name: str, kept: list[Any], *, own: bool) -> None:
        """Rows of readings that can be written in one go each; `own` ones count as rows of the body."""
        for start in range(0, len(kept), AT_ONCE):
            row = f"{name}{NUMBERED}{item.line}.{start}"
            body = _PACK.encode((name, kept[start : start + AT_ONCE], own and start == 0))
            self.work.add("readings", row, item.line, item.pointer, body, [("sensor", name)])

    def _aggregation(self, item: Item, value: dict[str, Any]) -> None:
        found = Findings()
        for name in ("id", "type"):
            found.text(value, name, "", 85)
        sensor_rules.aggregation(found, value, "", self.city.system)
        self._entity("aggregation", item, value, found)

    def _simulation(self, item: Item, value: dict[str, Any]) -> None:
        found = Findings()
        simulations.judge(found, value, "")
        status = value.get("status", "completed")
        if not len(found) and status not in FINAL:
            found.add(78, "ERR_INVALID_VALUE", "/status", f"a run that is {status} cannot be taken over")
        at = value.get("timestamp") or instants.show(instants.now_us())
        run = {name: part for name, part in value.items() if name != "timestamp"}
        run = {"created": at, **run, "status": status}
        if status == "completed":
            run = {"completed": at, **run, "progress": 100}
        self._entity("simulation", item, run, found)

    def _service(self, item: Item, value: dict[str, Any]) -> None:
        found = Findings()
        for name in ("id", "name", "category", "type", "status"):
            found.text(value, name, "", 23)
        shapes.coverage(found, value.get("coverage"), "/coverage", self.city.system)
        self._entity("service", item, value, found)

    def _entity(self, kind: str, item: Item, value: dict[str, Any], found: Findings) -> None:
        refuse(sorted(found, key=lambda one: one.code != "ERR_MISSING_FIELD"))
        name = objects.checked_id(value["id"])
        value.pop("_links", None)
        self.work.add(kind, name, item.line, item.pointer, orjson.dumps(value))


def _measurements(value: Mapping[str, Any]) -> list[Any]:
    given = value.get("measurements", [])
    if not isinstance(given, list):
        found = Findings()
        found.wrong_type(51, "/measurements", "an array")
        refuse(found)
    readings: list[Any] = given
    return readings


def _need(value: Mapping[str, Any], name: str) -> None:
    found = Findings()
    if name not in value:
        found.missing(25, f"/{name}")
    refuse(found)


def fault(refusal: ApiError, line: int, pointer: str, entity: str | None) -> RowFault:
    """A refusal as the reason of a row."""
    violations = refusal.details.get("violations")
    if violations:
        first = violations[0]
        return RowFault(line, pointer + first["pointer"], entity, first["rule"], first["message"])
    field = refusal.details.get("field")
    where = pointer if field is None else f"{pointer}/{str(field).replace('.', '/')}"
    return RowFault(line, where, entity, str(refusal.details.get("rule", refusal.code)), refusal.message)


def prepare(value: Mapping[str, Any], object_id: str, box: geometry.Box | None = None) -> Prepared:
    """A sound object with all that can be worked out before it is written; `box` is its own, if known."""
    metadata = value.get("metadata", {})
    kept = {name: part for name, part in metadata.items() if name not in STAMPED}
    body = {name: part for name, part in value.items() if name not in ("metadata", "_links")}
    inner = orjson.dumps(kept).decode()[1:-1]
    head = f'{orjson.dumps(body).decode()[:-1]},"metadata":{{{inner}{"," if inner else ""}'
    accuracy = metadata.get("accuracy")
    return Prepared(
        object_id,
        value["type"],
        head,
        past(metadata.get("created")),
        geometry.box_of(value["geometry"]) if box is None else box,
        list(indexed(value["properties"])),
        list(value.get("sensors", ())),
        accuracy if isinstance(accuracy, int | float) and 0 <= accuracy <= 1 else None,
    )


def past(instant: Any) -> str | None:
    """An instant that lies before the present, None for anything else."""
    moment = instants.parse(instant)
    return instant if moment is not None and moment <= instants.now_us() else None


def decoded(body: bytes) -> Prepared:
    """A prepared object from the work file."""
    return _PREPARED.decode(body)


def from_feature(feature: Mapping[str, Any]) -> dict[str, Any]:
    """A GeoJSON Feature as a city object (P1 6.2); what is missing stays missing and is judged.

    `objectProperties` holds properties that the Feature's own `type` and `cityObjectId` would hide.
    """
    properties = feature.get("properties")
    given = dict(properties) if isinstance(properties, dict) else {}
    made: dict[str, Any] = {}
    name = given.pop("cityObjectId", feature.get("id"))
    if name is not None:
        made["id"] = str(name) if isinstance(name, int) and not isinstance(name, bool) else name
    if "type" in given:
        made["type"] = given.pop("type")
    if feature.get("geometry") is not None:
        made["geometry"] = feature["geometry"]
    hidden = feature.get("objectProperties")
    if isinstance(properties, dict):
        made["properties"] = {**given, **(hidden if isinstance(hidden, dict) else {})}
    for member in ("sensors", "metadata"):
        if member in feature:
            made[member] = feature[member]
    return made
