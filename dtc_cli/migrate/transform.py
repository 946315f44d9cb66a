"""A batch of legacy records becomes objects of a twin: mended, placed, mapped, encoded, hashed."""

import difflib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
import numpy as np
import orjson
import shapely

from dtc_cli.migrate import content, geojson, geometry, levels, sensed, sensing
from dtc_cli.migrate.crs import Projection, beyond_area, contradiction
from dtc_cli.migrate.duplicates import Duplicates
from dtc_cli.migrate.identity import Identity, sensor_name
from dtc_cli.migrate.mapping import Mapper
from dtc_cli.migrate.plan import BUILDING_NEEDS, LayerPlan, Plan, SourcePlan
from dtc_cli.migrate.readings import BAD, GOOD, Readings
from dtc_cli.migrate.sources.source import Batch, Layer
from dtc_cli.migrate.table import Table, plain
from dtc_cli.migrate.trouble import plan_error
from dtc_cli.migrate.wholes import OWN_KEYS, Wholes

_SORTED = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS
MAX_OBJECT_BYTES = 1024 * 1024
"""An object beyond this is kept back before it is sent: targets refuse such bodies."""


class Record(msgspec.Struct, array_like=True):
    """One source record after the transformation, with what the journal needs to know."""

    n: int
    """Ordinal in its layer."""
    key: str
    id: str
    type: str
    state: str
    """`ready`, `repaired`, `quarantined`, `unchanged` (a copy of a record that came before)."""
    code: str
    detail: str
    hash: str
    length: int
    """Bytes of the body (the object, or the raw record when quarantined)."""
    repair: str
    """JSON about the repair; empty without one."""


class Transformer:
    """Transforms the batches of one layer.

    Args:
        plan: the plan.
        source: its source.
        layer: its layer.
        facts: what the reader said about the layer.
        migration: id of the migration, for `metadata.migrationId`.
        started: instant of the run, aware, for `metadata.migrationDate`.

    Raises:
        DtcError: `migration-plan` when the reference system is missing or cannot be used.
    """

    def __init__(
        self,
        plan: Plan,
        source: SourcePlan,
        layer: LayerPlan,
        facts: Layer,
        *,
        migration: str,
        started: datetime,
    ) -> None:
        where = f"{plan.file}  {source.name}/{layer.name}"
        _check_fields(layer, facts, where)
        self._layer = layer
        self._source = source.name
        self._mapper = Mapper(layer, plan.tables, where)
        self._identity = Identity(source.name, layer)
        self._limit_m = plan.thresholds.crs_accuracy_m
        self._where = where
        self._policy = geometry.Policy(
            area_change=plan.thresholds.area_change,
            accept_collapse=layer.collapse == "accept",
            mixed=layer.mixed,
            family=_family(facts.geometry),
            swap_axes=layer.swap_axes,
        )
        given = layer.source_crs or facts.crs
        extent = facts.extent
        if extent is not None and layer.swap_axes:
            extent = (extent[1], extent[0], extent[3], extent[2])
        self.projection = (
            Projection(given, limit_m=self._limit_m, where=where, extent=extent) if given else None
        )
        self._wholes = Wholes(source, layer) if facts.key in OWN_KEYS else None
        self._told: list[str] = []
        """What is to be said of each record with a place."""
        if self.projection is not None and layer.source_crs is not None:
            told = contradiction(facts.crs, self.projection, extent)
            self._told = [told] if told else []
        stamp = started.isoformat(timespec="seconds").replace("+00:00", "Z")
        self._stamp = orjson.dumps(
            {"migrationId": migration, "migrationDate": stamp, "dataSource": self._identity.data_source}
        )[1:-1]
        self._into = layer.into
        self._kinds: dict[str, bytes] = {}
        """Types of objects as JSON: there are a handful."""
        self._required = layer.required
        sensed.check(layer, where)
        self._point = None
        if layer.point is not None:
            self._point = orjson.dumps({"coordinates": list(layer.point), "type": "Point"})
        self._readings = Readings(layer, plan.tables, where, started) if layer.sensor else None
        self.duplicates = Duplicates()
        self.bounds: list[float] | None = None

    @property
    def notices(self) -> Mapping[str, int]:
        """Counts of what the mapping met."""
        return self._mapper.notices

    def batch(self, batch: Batch) -> tuple[list[Record], list[bytes]]:
        """The records of a batch and their bodies.

        Raises:
            DtcError: `migration-plan` when there is geometry and no reference system.
        """
        return self.mapped(batch, self.mended(batch))

    def mapped(self, batch: Batch, mended: geometry.Mended) -> tuple[list[Record], list[bytes]]:
        """As `batch`, for geometries that `mended` has judged; the two may run side by side."""
        table = Table(batch.columns, batch.size)
        shown = geojson.encoded(mended.shapes)
        if self._point is not None:
            shown = [self._point if one is None else one for one in shown]
        kinds, properties = self._mapper.types(table), self._mapper.properties(table)
        if self._wholes is not None:
            self._wholes.add(table, properties)
        if batch.extra:
            self._add_extra(batch, mended.beside, shown, properties)
        rest = self._mapper.rest(table)
        keys = self._identity.keys_of(table)
        refused = self._refused(batch, mended, kinds, keys, shown, properties, table.lost)
        repairs, extras = mended.repairs, batch.extra
        readings = self._readings.judge(table) if self._readings is not None else None
        records, bodies = [], []
        for index, kind in enumerate(kinds):
            n, key = batch.ordinal(index), keys[index] if keys is not None else None
            problem = refused.get(index)
            if problem is None:
                legacy = (rest[index] if rest is not None else None) or None
                if index in table.kept and self._layer.keep_rest:
                    legacy = {**table.kept[index], **(legacy or {})}
                record, body = self._object(
                    n, kind, key, batch.fids[index], shown[index] or b"null", properties[index], legacy,
                    repairs.get(index), extras.get(index),
                )  # fmt: skip
                if len(body) > MAX_OBJECT_BYTES:
                    told = f"the object takes {len(body)} bytes, more than {MAX_OBJECT_BYTES}"
                    problem = ("too-large", told)
            if problem is not None:
                body = _raw(batch, index)
                name = key or batch.fids[index]
                record = Record(n, name, "", kind, "quarantined", *problem, "", len(body), "")
            elif readings is not None and record.state != "unchanged":
                record.code, record.detail = BAD if readings[index] else GOOD, readings[index]
            records.append(record)
            bodies.append(body)
        return records, bodies

    def mended(self, batch: Batch) -> geometry.Mended:
        """The geometries of a batch, judged, repaired and placed.

        Raises:
            DtcError: `migration-plan` when there is geometry and no reference system.
        """
        if self._into == "readings":  # where it was measured, its sensor tells
            return geometry.Mended(shapes=np.full(batch.size, None, dtype=object), problems={}, repairs={})
        if self.projection is None:
            given = batch.geometry[~shapely.is_missing(batch.geometry)]
            if len(given):
                from dtc_cli.migrate.crs import missing_crs

                raise missing_crs(self._layer.name, shapely.total_bounds(given).tolist(), self._where)
            return geometry.Mended(shapes=batch.geometry, problems={}, repairs={})
        done = geometry.mend(batch.geometry, self.projection, self._policy)
        self._widen(done.shapes)
        notices = self._mapper.notices
        if done.beyond:
            notices[beyond_area(self.projection)] += done.beyond
        for told in self._told:
            notices[told] += int((~shapely.is_missing(done.shapes)).sum())
        if batch.extra and self._layer.levels:
            # Here and not with the mapping: a transformation of pyproj belongs to one thread.
            done.beside = levels.place(
                batch, self.projection, swap_axes=self._policy.swap_axes, notices=notices
            )
        return done

    def _widen(self, shapes: Any) -> None:
        bounds = shapely.total_bounds(shapes).tolist()
        if bounds[0] != bounds[0]:
            return
        if self.bounds is None:
            self.bounds = bounds
        else:
            low = np.minimum(self.bounds[:2], bounds[:2]).tolist()
            self.bounds = low + np.maximum(self.bounds[2:], bounds[2:]).tolist()

    def _add_extra(
        self,
        batch: Batch,
        beside: dict[int, list[dict[str, Any]]],
        shown: list[bytes | None],
        properties: list[dict[str, Any]],
    ) -> None:
        """What a reader gives beside fields: further properties, and levels of detail."""
        levels.mark(batch, shown)
        for index, extra in batch.extra.items():
            properties[index] = {**plain(extra.get("properties", {})), **properties[index]}
            if index in beside:
                properties[index]["lods"] = beside[index]

    def _refused(
        self,
        batch: Batch,
        mended: geometry.Mended,
        kinds: list[str],
        keys: list[str | None] | None,
        shown: list[bytes | None],
        properties: list[dict[str, Any]],
        lost: Mapping[int, Mapping[str, str]],
    ) -> dict[int, tuple[str, str]]:
        """Records that may not become objects: index to (code, sentence); the first reason counts."""
        found = {**mended.problems, **batch.problems}
        layer, conflicts = self._layer, self.duplicates.conflicts
        if keys is not None and (conflicts or None in keys):
            for index, key in enumerate(keys):
                if key is None and self._into == "sensors":
                    found.setdefault(index, ("missing-key", f"the key field {layer.key} is empty"))
                elif key in conflicts:
                    told = f"several records have the key {key} and differ; none of them is loaded"
                    found.setdefault(index, ("duplicate-key", told))
        if None in shown and self._into == "objects":
            for index, one in enumerate(shown):
                if one is None:
                    # Kept back, unless the plan gives such records a place (edge case 6).
                    code = "no-place" if layer.placeless else "null-geometry"
                    found.setdefault(index, (code, "the record has no geometry"))
        for index, problem in sensed.refusals(self._into, shown, properties):
            found.setdefault(index, problem)
        # P4 9.2: a building has name, buildingType and height. A height of 0 is one (C-101).
        needs = {kind: self._needs(kind) for kind in set(kinds)}
        for index, (kind, given) in enumerate(zip(kinds, properties, strict=True)):
            if not needs[kind].issubset(given):
                missing = [name for name in sorted(needs[kind]) if not _reached(given, name)]
                if missing:
                    whys = lost.get(index, {})
                    named = ", ".join(f"{one} ({whys[one]})" if one in whys else one for one in missing)
                    found.setdefault(index, ("missing-property", f"lacks {named}"))
        self._count_lacking(kinds, properties, found)
        return found

    def _count_lacking(
        self, kinds: list[str], properties: list[dict[str, Any]], refused: Mapping[int, Any]
    ) -> None:
        """Count the buildings that are loaded without what P4 9.2 asks for, because the plan says so."""
        asked = frozenset(BUILDING_NEEDS).difference(self._needs("Building"))
        if not asked or self._into != "objects":
            return
        for index, (kind, given) in enumerate(zip(kinds, properties, strict=True)):
            if kind == "Building" and not asked.issubset(given) and index not in refused:
                for name in asked.difference(given):
                    self._mapper.notices[
                        f"{name} is missing, which P4 9.2 asks for and the plan does not require"
                    ] += 1

    def _needs(self, kind: str) -> frozenset[str]:
        if self._required is not None:
            return frozenset(self._required)
        return frozenset(BUILDING_NEEDS if kind == "Building" else ())

    def _object(
        self,
        n: int,
        kind: str,
        key: str | None,
        fid: str,
        shown: bytes,
        given: dict[str, Any],
        rest: dict[str, Any] | None,
        repair: dict[str, Any] | None,
        extra: dict[str, Any] | None,
    ) -> tuple[Record, bytes]:
        """The object of a record; its core is written in the order of members that hashing asks for."""
        if self._into == "readings":
            identifier, digest, body = sensed.reading(given, key)
            key = key or identifier
            return self._named(
                Record(n, key, identifier, "Reading", "ready", "", "", digest, len(body), ""), body
            )
        # The mapping gives members in the order of their names; what a reader adds may be in any.
        properties = orjson.dumps(given, option=_SORTED if extra else None)
        legacy = orjson.dumps(rest, option=_SORTED) if rest else b""
        stable = key is not None
        if key is None:
            key = self._identity.from_content(b"\n".join((kind.encode(), shown, properties, legacy)))
        identifier = self._identity.id_of(kind, key)
        if self._into == "sensors":
            identifier = sensing.of_sensor(sensor_name(key))
        shown_kind = self._kinds.get(kind)
        if shown_kind is None:
            shown_kind = self._kinds[kind] = orjson.dumps(kind)
        core = b'{"geometry":%b,"id":%b,"properties":%b,"type":%b}' % (
            shown, orjson.dumps(identifier), properties, shown_kind,
        )  # fmt: skip
        more = b""
        if extra:
            metadata = orjson.dumps(plain(extra.get("metadata", {})))[1:-1]
            more = b"," + metadata if metadata else b""
        if not stable:
            more += b',"legacyIdStable":false'
        if repair:
            more += b',"geometryRepaired":' + orjson.dumps(repair["reason"])
        if legacy:
            more += b',"legacyAttributes":' + legacy
        body = b'%b,"metadata":{%b,"legacyId":%b%b}}' % (
            core[:-1], self._stamp, orjson.dumps(key if stable else fid), more,
        )  # fmt: skip
        digest = content.digest(core, legacy)
        record = Record(n, key, identifier, kind, "ready", "", "", digest, len(body), "")
        if repair:
            record.state, record.detail = "repaired", repair["reason"]
            record.repair = orjson.dumps(repair).decode()
        return self._named(record, body)

    def _named(self, record: Record, body: bytes) -> tuple[Record, bytes]:
        """The record, unless it is a copy of one that came before."""
        copies = self.duplicates.copies
        if not copies or record.n <= copies.get(record.key, record.n):
            return record, body
        told = "an identical record came before"
        return Record(
            record.n, record.key, record.id, record.type, "unchanged", "duplicate-identical", told,
            record.hash, 0, "",
        ), b""  # fmt: skip


def _family(geometry_type: str | None) -> int:
    """The dimension that the type of a layer means; surfaces where it says nothing."""
    low = (geometry_type or "").lower()
    return 0 if "point" in low else 1 if "line" in low else 2


def _reached(properties: dict[str, Any], member: str) -> bool:
    """Whether a member is there; `floors.above` reaches into an object."""
    place: Any = properties
    for part in member.split("."):
        place = place.get(part) if isinstance(place, dict) else None
    return place is not None


def _check_fields(layer: LayerPlan, facts: Layer, where: str) -> None:
    """A mapping that names a field which is not there would lose it without a word."""
    known = [field.name for field in facts.fields]
    if not known:
        return
    wanted = [(name, member) for member, rule in layer.properties.items() for name in rule.source]
    wanted += [(name, member) for member, rule in layer.sensor.items() for name in rule.source]
    wanted += [
        (name, what) for name, what in ((layer.key, "id.key"), (layer.type.source, "type.from")) if name
    ]
    for name, member in wanted:
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1)
            raise plan_error(
                f"the layer {layer.name} has no field {name}",
                where=f"{where} {member}",
                hint=(f"did you mean {nearest[0]}? " if nearest else "") + "fields: " + ", ".join(known[:40]),
            )


def _raw(batch: Batch, index: int) -> bytes:
    """The record as it stood in the source, for the quarantine."""
    raw = batch.raw.get(index)
    shape = batch.geometry[index]
    if raw is None and shape is not None:
        raw = shapely.to_wkb(shape)
    fields = {name: plain(value) for name, value in batch.row(index).items()}
    value = {"fields": fields, "wkb": raw.hex() if raw is not None else None, "fid": batch.fids[index]}
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
