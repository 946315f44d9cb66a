"""The judged rows of an import written into a city, within one change per batch.

A row whose entity is there already with the same content leaves no trace, so an import can be run again.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import orjson

from reference_server.bulk import judge
from reference_server.bulk.work import Judged, decoded_fault
from reference_server.errors import ApiError
from reference_server.rules import measurements
from reference_server.rules import objects as object_rules
from reference_server.rules.findings import Findings
from reference_server.services import objects, sensors
from reference_server.services.cities import City
from reference_server.storage.protocol import Reading, Row, RowFault, Transaction

_UNPACK = msgspec.msgpack.Decoder()
UPSERT, INSERT = "upsert", "insert"
MODES = (UPSERT, INSERT)


class Applied(msgspec.Struct):
    """What became of a batch."""

    counts: Counter[str]
    faults: list[RowFault]


class Batch:
    """Writes the rows of one kind."""

    def __init__(self, tx: Transaction, city: City, import_id: str, mode: str) -> None:
        self.tx = tx
        self.city = city
        self.import_id = import_id
        self.mode = mode
        self.counts: Counter[str] = Counter()
        self.faults: list[RowFault] = []
        self._parts = 0
        """Rows that are parts of a row of the body."""

    def apply(self, rows: Sequence[Judged]) -> Applied:
        """Write rows of one kind; a row that the city refuses now becomes a fault."""
        kind = rows[0].kind
        if kind == "fault":
            self.faults.extend(decoded_fault(row) for row in rows)
        elif kind == "object":
            self._objects(rows)
        else:
            takes = {"delete": self._delete, "sensor": self._sensor, "readings": self._readings}
            take = takes.get(kind, self._entity)
            for row in rows:
                try:
                    outcome = take(row)
                    if outcome is not None:
                        self.counts[outcome] += 1
                except ApiError as refusal:
                    self.faults.append(judge.fault(refusal, row.line, row.pointer, None))
        self.counts["failed"] += len(self.faults)
        self.counts["rows"] += len(rows) - self._parts
        self.tx.add_faults(self.import_id, self.faults)
        return Applied(self.counts, self.faults)

    def _objects(self, rows: Sequence[Judged]) -> None:
        prepared = [(row, judge.decoded(row.body)) for row in rows]
        known = self.tx.known(self.city.no, [item.id for _, item in prepared])
        fresh = [item for _, item in prepared if item.id not in known]
        self.tx.put_new_objects(self.city.no, fresh, self.import_id)
        self.counts["created"] += len(fresh)
        for row, item in prepared:
            if item.id in known:
                try:
                    self.counts[self._replace(known[item.id], item.value())] += 1
                except ApiError as refusal:
                    self.faults.append(judge.fault(refusal, row.line, row.pointer, item.id))

    def _replace(self, old: Row, new: dict[str, Any]) -> str:
        stored = orjson.loads(old.body)
        if same(stored, new):
            return "unchanged"
        self._may_replace(old.id)
        objects.check_capacity(self.tx, self.city, stored, new)
        self.tx.put_object(self.city.no, new, old)
        return "updated"

    def _may_replace(self, entity: str) -> None:
        if self.mode == INSERT:
            details = {"rule": "ERR_DUPLICATE_ID", "field": "id"}
            raise ApiError("DUPLICATE_OBJECT", f"{entity[:80]!r} exists already with other content", details)

    def _delete(self, row: Judged) -> str:
        old = self.tx.object(self.city.no, row.body.decode())
        if old is None:
            return "unchanged"
        remove_object(self.tx, self.city, old)
        return "deleted"

    def _sensor(self, row: Judged) -> str:
        raw, given = _UNPACK.decode(row.body)
        node: dict[str, Any] = orjson.loads(raw)
        name = node["id"]
        old = self.tx.sensor(self.city.no, name)
        stored = None if old is None else orjson.loads(old.body)
        try:
            owner = sensors.owner_of(self.tx, self.city, node)
            if old is None:
                outcome = "created"
            elif stored is not None and same(stored, node):
                outcome = "unchanged"
            else:
                self._may_replace(name)
                sensors.still_fits(self.tx, self.city, old, node, owner)
                outcome = "updated"
        except ApiError:
            if old is None:  # an object of this import may name it already
                forget_sensor(self.tx, self.city, name)
            raise
        if outcome != "unchanged":
            self.tx.put_sensor(self.city.no, node, old, self.import_id if old is None else None)
        self._measure(row, node, given, object_rules.capacity(owner))
        return outcome

    def _readings(self, row: Judged) -> None:
        name, given, own = _UNPACK.decode(row.body)
        self._parts += not own
        stored = self.tx.sensor(self.city.no, name)
        if stored is None:
            raise sensors.absent(self.city, name)
        node: dict[str, Any] = orjson.loads(stored.body)
        owner = sensors.owner_of(self.tx, self.city, node)
        self._measure(row, node, given, object_rules.capacity(owner))

    def _measure(self, row: Judged, node: Mapping[str, Any], given: Sequence[Any], capacity: Any) -> None:
        sound: list[Reading] = []
        limit = node.get("specifications", {}).get("maxValue")
        for index, *values in given:
            one = Reading(*values)
            unknown = row.kind == "readings" and limit is not None  # when the row was judged
            if unknown or (one.parameter == "occupancy" and capacity is not None):
                found = Findings()
                shown = {"parameter": one.parameter, "value": one.value, "unit": one.unit}
                at = f"{row.pointer}/measurements/{index}"
                measurements.judge_range(found, shown, at, capacity, limit)
                if len(found):
                    first = found.items[0]
                    self.faults.append(
                        RowFault(row.line, first.pointer, node["id"], first.code, first.message)
                    )
                    continue
            sound.append(one)
        stored = self.tx.sensor(self.city.no, node["id"])
        if sound and stored is not None:
            new, replaced = self.tx.add_readings(stored.no, sound)
            self.counts["measurements"] += new
            self.counts["measurementsReplaced"] += replaced

    def _entity(self, row: Judged) -> str:
        item: dict[str, Any] = orjson.loads(row.body)
        old = self.tx.entity(self.city.no, row.kind, item["id"])
        if old is not None and orjson.loads(old.body) == item:
            return "unchanged"
        if old is not None:
            self._may_replace(old.id)
        self.tx.put_entity(self.city.no, row.kind, item, old, self.import_id if old is None else None)
        return "created" if old is None else "updated"


def same(stored: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    """Whether an entity is what is stored already, whatever the server's own stamps say."""
    a, b = dict(stored), dict(given)
    kept, stated = a.pop("metadata", {}), b.pop("metadata", {})
    return a == b and _unstamped(kept) == _unstamped(stated)


def _unstamped(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in metadata.items() if name not in judge.STAMPED}


def remove_object(tx: Transaction, city: City, row: Row) -> None:
    """Remove an object; sensors attached to it stay, no longer attached (P1 7.2 BUS-005)."""
    for sensor in tx.sensors_of(city.no, row.id):
        body = orjson.loads(sensor.body)
        del body["attachedTo"]
        tx.put_sensor(city.no, body, sensor)
    tx.delete_object(city.no, row)


def forget_sensor(tx: Transaction, city: City, sensor_id: str) -> None:
    """Take the mention of a sensor out of every object."""
    for owner in tx.objects_with_sensor(city.no, sensor_id):
        body = orjson.loads(owner.body)
        body["sensors"] = [name for name in body["sensors"] if name != sensor_id]
        tx.put_object(city.no, body, owner)


def remove_created(tx: Transaction, city: City, import_id: str, limit: int) -> int:
    """Remove some of what an import created; how many, 0 when nothing is left."""
    for kind in ("sensor", "object"):
        rows = tx.created_by(city.no, kind, import_id, limit)
        for row in rows:
            if kind == "sensor":
                forget_sensor(tx, city, row.id)
                tx.delete_sensor(city.no, row)
            else:
                remove_object(tx, city, row)
        if rows:
            return len(rows)
    for kind in ("aggregation", "simulation", "service"):
        rows = tx.created_by(city.no, kind, import_id, limit)
        for row in rows:
            tx.delete_entity(city.no, kind, row)
        if rows:
            return len(rows)
    return 0
