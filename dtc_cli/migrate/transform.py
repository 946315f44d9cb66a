"""A batch of legacy records becomes objects of a twin: mended, placed, mapped, encoded, hashed."""

import difflib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
import numpy as np
import orjson
import shapely

from dtc_cli.migrate import content, geometry, levels
from dtc_cli.migrate.crs import Projection
from dtc_cli.migrate.duplicates import Duplicates
from dtc_cli.migrate.identity import Identity
from dtc_cli.migrate.mapping import Mapper, plain
from dtc_cli.migrate.plan import BUILDING_NEEDS, LayerPlan, Plan, SourcePlan
from dtc_cli.migrate.sources.source import Batch, Layer
from dtc_cli.migrate.trouble import plan_error

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
            swap_axes=layer.swap_axes,
        )
        given = layer.source_crs or facts.crs
        self.projection = Projection(given, limit_m=self._limit_m, where=where) if given else None
        stamp = started.isoformat(timespec="seconds").replace("+00:00", "Z")
        self._stamp = orjson.dumps(
            {"migrationId": migration, "migrationDate": stamp, "dataSource": self._identity.data_source}
        )[1:-1]
        self._required = layer.required
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
        mended = self._mend(batch)
        shown = geometry.as_geojson(mended.shapes)
        self._widen(mended.shapes)
        levels.place(batch, self.projection, swap_axes=self._policy.swap_axes)
        names = list(batch.columns)
        rows = list(zip(*batch.columns.values(), strict=True)) if names else [()] * batch.size
        records, bodies = [], []
        for index, values in enumerate(rows):
            row = dict(zip(names, values, strict=True))
            problem = batch.problems.get(index) or mended.problems.get(index)
            record, body = self._record(batch, index, row, shown[index], problem, mended.repairs.get(index))
            records.append(record)
            bodies.append(body)
        return records, bodies

    def _mend(self, batch: Batch) -> geometry.Mended:
        if self.projection is None:
            given = batch.geometry[~shapely.is_missing(batch.geometry)]
            if len(given):
                from dtc_cli.migrate.crs import missing_crs

                raise missing_crs(self._layer.name, shapely.total_bounds(given).tolist(), self._where)
            return geometry.Mended(shapes=batch.geometry, problems={}, repairs={})
        return geometry.mend(batch.geometry, self.projection, self._policy)

    def _widen(self, shapes: Any) -> None:
        bounds = shapely.total_bounds(shapes).tolist()
        if bounds[0] != bounds[0]:
            return
        if self.bounds is None:
            self.bounds = bounds
        else:
            low = np.minimum(self.bounds[:2], bounds[:2]).tolist()
            self.bounds = low + np.maximum(self.bounds[2:], bounds[2:]).tolist()

    def _record(
        self,
        batch: Batch,
        index: int,
        row: dict[str, Any],
        shown: dict[str, Any] | None,
        problem: tuple[str, str] | None,
        repair: dict[str, Any] | None,
    ) -> tuple[Record, bytes]:
        n = batch.first + index
        kind = self._mapper.type_of(row)
        properties, rest = self._mapper.properties(row)
        key = self._identity.key_of(row)
        extra = batch.extra.get(index) or {}
        stable = key is not None
        if key is None and self._layer.key is not None and problem is None:
            problem = ("missing-key", f"the key field {self._layer.key} is empty")
        if problem is None and key in self.duplicates.conflicts:
            problem = (
                "duplicate-key",
                f"several records have the key {key} and differ; none of them is loaded",
            )
        if shown is None and problem is None:
            shown, problem = self._without_geometry()
        if problem is None:
            problem = self._lacking(kind, properties)
        if problem is not None:
            body = _raw(row, batch, index)
            return (
                Record(n, key or batch.fids[index], "", kind, "quarantined", *problem, "", len(body), ""),
                body,
            )
        levels.mark(shown, extra)
        extra_properties = extra.get("properties")
        if extra_properties:
            properties = {**extra_properties, **properties}
        if key is None:
            whole = orjson.dumps([kind, shown, properties, rest], option=orjson.OPT_NON_STR_KEYS)
            key = self._identity.from_content(whole)
        identifier = self._identity.id_of(kind, key)
        core = content.encode_core(
            {"geometry": shown, "id": identifier, "properties": properties, "type": kind}
        )
        metadata = {"legacyId": key if stable else batch.fids[index], **extra.get("metadata", {})}
        if not stable:
            metadata["legacyIdStable"] = False
        if repair:
            metadata["geometryRepaired"] = repair["reason"]
        if rest:
            metadata["legacyAttributes"] = rest
        stated = orjson.dumps(metadata, option=orjson.OPT_NON_STR_KEYS)
        digest = content.digest(core, rest)
        body = core[:-1] + b',"metadata":{' + self._stamp + b"," + stated[1:] + b"}"
        if len(body) > MAX_OBJECT_BYTES:
            problem = ("too-large", f"the object takes {len(body)} bytes, more than {MAX_OBJECT_BYTES}")
            body = _raw(row, batch, index)
            return Record(n, key, "", kind, "quarantined", *problem, "", len(body), ""), body
        state, told = ("repaired", orjson.dumps(repair).decode()) if repair else ("ready", "")
        if n > self.duplicates.copies.get(key, n):
            told = "an identical record came before"
            return Record(
                n, key, identifier, kind, "unchanged", "duplicate-identical", told, digest, 0, ""
            ), b""
        return (
            Record(
                n, key, identifier, kind, state, "", repair["reason"] if repair else "", digest,
                len(body), told,
            ),
            body,
        )  # fmt: skip

    def _without_geometry(self) -> tuple[dict[str, Any] | None, tuple[str, str] | None]:
        """A record without a place: the plan may give one, else it is kept back (edge case 6)."""
        if self._layer.point is not None:
            return {"type": "Point", "coordinates": list(self._layer.point)}, None
        return None, ("null-geometry", "the record has no geometry")

    def _lacking(self, kind: str, properties: dict[str, Any]) -> tuple[str, str] | None:
        """P4 9.2: a building has name, buildingType and height. A height of 0 is one (C-101)."""
        needs = self._required
        if needs is None:
            needs = BUILDING_NEEDS if kind == "Building" else ()
        missing = [name for name in needs if properties.get(name) is None]
        return ("missing-property", "lacks " + ", ".join(missing)) if missing else None


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


def _raw(row: dict[str, Any], batch: Batch, index: int) -> bytes:
    """The record as it stood in the source, for the quarantine."""
    raw = batch.raw.get(index)
    shape = batch.geometry[index]
    if raw is None and shape is not None:
        raw = shapely.to_wkb(shape)
    fields = {name: plain(value) for name, value in row.items()}
    value = {"fields": fields, "wkb": raw.hex() if raw is not None else None, "fid": batch.fids[index]}
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
