"""Looking at a source before anything moves: inventory, defects, suggestions, a score, what is in the way."""

from typing import Any

import msgspec
import numpy as np
import shapely

from dtc_cli.errors import DtcError
from dtc_cli.migrate import duplicates, geometry, suggest
from dtc_cli.migrate import remarks as remarks_of
from dtc_cli.migrate.crs import Projection, contradiction, missing_crs
from dtc_cli.migrate.plan import Thresholds
from dtc_cli.migrate.profile import FieldProfile, Profiler
from dtc_cli.migrate.remarks import Remark
from dtc_cli.migrate.sources.open import open_source
from dtc_cli.migrate.sources.source import Layer, Source

READ_SIZE = 8192
PICTURE_SHAPES = 1500
"""Outlines that the picture of the report holds per layer, at most."""
NOTED_ACCURACY_M = 1.0
READY, CONDITIONS, NOT_READY, UNKNOWN = "ready", "ready with conditions", "not ready", "unknown"
WEIGHTS = {"geometry": 0.4, "placement": 0.2, "completeness": 0.2, "identity": 0.1, "text": 0.1}


class LayerAssessment(msgspec.Struct, kw_only=True):
    """One layer as it was found."""

    name: str
    count: int | None
    read: int
    geometry_types: dict[str, int]
    crs: str | None
    operation: dict[str, Any] | None
    encoding: str | None
    encoding_evidence: str
    samples: list[str]
    extent: list[float] | None
    extent_degrees: list[float] | None
    defects: dict[str, int]
    repairable: int
    duplicate_keys: int
    copies: int
    fields: list[FieldProfile]
    type: str
    type_confidence: float
    type_why: str
    key: str | None
    key_why: str
    scheme: str
    role: str | None
    suggestions: list[suggest.Suggestion]
    readiness: str
    remarks: list[Remark]
    score: float
    parts: dict[str, float]
    picture: list[list[list[float]]] = []
    swapped: bool = False
    """x and y stand in the other order than the reference system or the names of columns say."""


class Assessment(msgspec.Struct, kw_only=True):
    """A source as it was found."""

    source: str
    format: str
    layers: list[LayerAssessment]
    readiness: str
    score: float
    """Data quality, 0 to 1: the mean of the layers by their records."""
    summary: list[str] = []
    """The same for a manager, one sentence each."""


def assess(
    path: str,
    *,
    format: str | None = None,
    encoding: str | None = None,
    source_crs: str | None = None,
    options: dict[str, Any] | None = None,
    careful: bool = False,
) -> Assessment:
    """Read a whole source and say what is in it; `careful` is the slower way of the readers.

    Raises:
        DtcError: `migration-source` when it cannot be opened.
    """
    reader = open_source(path, format=format, encoding=encoding, options=options)
    try:
        found = [_layer(reader, layer, source_crs, careful=careful) for layer in reader.layers()]
    finally:
        reader.close()
    _beside(found)
    records = sum(max(layer.read, 1) for layer in found)
    order = (NOT_READY, UNKNOWN, CONDITIONS, READY)
    worst = min((layer.readiness for layer in found), key=order.index, default=NOT_READY)
    if not any(layer.read for layer in found):
        worst = NOT_READY  # a source of no records is never a success (edge case 47)
    return Assessment(
        source=path,
        format=reader.format,
        layers=found,
        readiness=worst,
        score=round(sum(layer.score * max(layer.read, 1) for layer in found) / records, 4) if found else 0.0,
        summary=in_short(found),
    )


def _beside(layers: list[LayerAssessment]) -> None:
    """An empty layer, or a table without places, is passed over beside others; alone it is in the way."""
    nothing = not any(layer.read for layer in layers)
    unplaced = not any(layer.geometry_types or layer.role for layer in layers)
    hindrances = ((remarks_of.EMPTY,) if nothing else ()) + ((remarks_of.PLACELESS,) if unplaced else ())
    for layer in layers:
        remarks = [
            msgspec.structs.replace(one, severity="blocker") if one.text.startswith(hindrances) else one
            for one in layer.remarks
        ]
        if remarks != layer.remarks or (nothing and not layer.read):
            layer.remarks, layer.readiness = remarks, NOT_READY


def _lost(layer: LayerAssessment) -> int:
    """Records that would be quarantined."""
    return sum(times for name, times in layer.defects.items() if not name.startswith("repairable"))


def in_short(layers: list[LayerAssessment]) -> list[str]:
    """What a manager wants to know: how much arrives, and what is in the way."""
    read = sum(layer.read for layer in layers)
    lost = sum(_lost(layer) for layer in layers)
    mended = sum(layer.repairable for layer in layers)
    ready = [
        layer for layer in layers if layer.readiness in (READY, CONDITIONS) and layer.read > _lost(layer)
    ]
    told = [
        f"{read:,} records in {len(layers)} layers; {len(ready)} of the layers can be migrated now.",
        f"{max(read - lost, 0):,} records have a usable geometry, {mended:,} of them after a repair; "
        f"{lost:,} would be kept back with the reason.",
    ]
    for layer in layers:
        first = next((one for one in layer.remarks if one.severity == "blocker"), None)
        if first is not None:
            remedy = f" ({first.remedy})" if first.remedy else ""
            told.append(f"{layer.name} waits for a decision: {first.text}{remedy}.")
    open_points = sum(one.severity == "condition" for layer in layers for one in layer.remarks)
    if open_points:
        told.append(f"{open_points} points should be looked at before the load; the layers below name them.")
    return told


class _Sums:
    """What a pass over the records of a layer adds up to."""

    def __init__(self, layer: Layer) -> None:
        self.profilers = {field.name: Profiler(field.name, field.kind) for field in layer.fields}
        self.types: dict[str, int] = {}
        self.defects: dict[str, int] = {}
        self.read = self.repairable = 0
        self.extent: list[float] | None = None
        self.degrees: list[float] | None = None
        self.picture: list[list[list[float]]] = []
        self.trouble: str | None = None
        self.overlapping = self.repeated = self.beyond = 0

    def defect(self, name: str, times: int = 1) -> None:
        if times:
            self.defects[name] = self.defects.get(name, 0) + times


def _layer(reader: Source, layer: Layer, source_crs: str | None, *, careful: bool) -> LayerAssessment:
    remarks = [Remark(severity="note", text=note) for note in layer.notes]
    remarks += [Remark(severity="blocker", text=text) for text in layer.blockers]
    sums = _Sums(layer)
    projection = _projection(layer, source_crs, remarks)
    swapped = False
    if not layer.blockers:
        _pass(reader, layer, projection, sums, careful=careful)
        swapped = _fits_swapped(reader, layer, projection, sums)
        if swapped:
            sums = _Sums(layer)
            _pass(reader, layer, projection, sums, swap_axes=True, careful=careful)
            text = (
                "x and y stand in the other order: so, and only so, the records lie in the area of the system"
            )
            remarks.append(
                Remark(
                    severity="condition", text=text, remedy="axis_order: yx, which dtc migrate plan writes"
                )
            )
    if sums.trouble is not None:
        remarks.append(
            Remark(severity="blocker", text=sums.trouble, remedy="look at the file with another program")
        )
    fields = [profiler.done() for profiler in sums.profilers.values()]
    placeless = layer.role == "measurements"
    if projection is None and sums.extent is not None and not (source_crs or layer.crs or placeless):
        problem = missing_crs(layer.name, sums.extent, layer.name)
        remarks.append(Remark(severity="blocker", text=f"{problem.what}: {problem.why}", remedy=problem.hint))
    key, _, key_why = suggest.key_field(fields, layer.key)
    twice = duplicates.Duplicates()
    stated = layer.key or key
    if stated is not None and sums.trouble is None and not layer.blockers:
        twice = duplicates.find(reader, layer.name, stated)
        if layer.key is not None and layer.key in {field.name for field in fields}:
            key, key_why = layer.key, key_why if key == layer.key else "the format makes it the key"
    kind, sure, why = suggest.object_type(layer.name, fields, _kind(layer, sums))
    if layer.role in ("sensors", "measurements"):
        # A sensor may have no place and a reading never needs one.
        sums.defects.pop("null-geometry", None)
        kind, sure, why = ("Sensor", 0.9, "") if layer.role == "sensors" else ("Reading", 0.9, "")
    unit = projection.metres_per_unit if projection and not projection.is_geographic else None
    suggestions = suggest.mapping(kind, fields, unit)
    remarks_of.add(layer, sums, fields, twice, projection, kind, suggestions, key, remarks)
    parts = _parts(sums, fields, twice, projection, layer)
    if kind == "Building":  # what P4 9.2 asks for and is not there is no complete record
        needs = suggest.shares_of_needs(suggestions, fields).values()
        parts["completeness"] *= sum(needs) / len(needs)
    blocked = any(one.severity == "blocker" for one in remarks)
    conditions = any(one.severity == "condition" for one in remarks)
    readiness = NOT_READY if blocked else CONDITIONS if conditions else READY
    if not blocked and layer.count is None and sums.read == 0:
        readiness = UNKNOWN
    return LayerAssessment(
        name=layer.name,
        count=layer.count,
        read=sums.read,
        geometry_types=sums.types,
        crs=source_crs or layer.crs,
        operation=msgspec.to_builtins(projection.operation) if projection else None,
        encoding=layer.encoding,
        encoding_evidence=layer.encoding_evidence,
        samples=_samples(fields),
        extent=sums.extent,
        extent_degrees=sums.degrees,
        defects=sums.defects,
        repairable=sums.repairable,
        duplicate_keys=len(twice.conflicts),
        copies=len(twice.copies),
        fields=fields,
        type=kind,
        type_confidence=sure,
        type_why=why,
        key=key,
        key_why=key_why,
        scheme=layer.scheme,
        role=layer.role,
        suggestions=suggestions,
        readiness=readiness,
        remarks=remarks,
        score=round(sum(WEIGHTS[name] * value for name, value in parts.items()), 4),
        parts={name: round(value, 4) for name, value in parts.items()},
        picture=sums.picture,
        swapped=swapped,
    )


def _kind(layer: Layer, sums: _Sums) -> str | None:
    """The type of geometry that a layer states, else that of all its records."""
    found = {name.removeprefix("Multi") for name in sums.types}
    return layer.geometry if layer.geometry not in (None, "Unknown") or len(found) != 1 else found.pop()


def _projection(layer: Layer, source_crs: str | None, remarks: list[Remark]) -> Projection | None:
    given = source_crs or layer.crs
    if given is None:
        return None
    try:
        projection = Projection(given, limit_m=float("inf"), where=layer.name, extent=layer.extent)
    except DtcError as problem:
        remarks.append(
            Remark(
                severity="blocker",
                text=f"{problem.what}: {problem.why}" if problem.why else problem.what,
                remedy=problem.hint,
            )
        )
        return None
    if source_crs is not None and (told := contradiction(layer.crs, projection, layer.extent)) is not None:
        remedy = "leave source_crs out where the source is right"
        remarks.append(Remark(severity="condition", text=told, remedy=remedy))
    operation = projection.operation
    if operation.missing_grids:
        remarks.append(
            Remark(
                severity="condition",
                text=f"the best transformation from {projection.name} needs grids that are not here: "
                f"{', '.join(operation.missing_grids)}; the one used states {_metres(operation.accuracy_m)}",
                remedy="install them with projsync, or accept the accuracy",
            )
        )
    elif operation.accuracy_m is not None and operation.accuracy_m > NOTED_ACCURACY_M:
        remarks.append(
            Remark(
                severity="condition",
                text=f"{projection.name} reaches WGS 84 to {operation.accuracy_m:g} m",
                remedy=_accepted(operation.accuracy_m),
            )
        )
    if operation.vertical:
        remarks.append(
            Remark(
                severity="note",
                text=f"heights stay in {operation.vertical}; they are not turned into ellipsoidal heights",
            )
        )
    remarks += [
        Remark(severity="condition", text=note, remedy="source_crs: states it") for note in operation.notes
    ]
    return projection


def _accepted(metres: float) -> str:
    """What to do about an accuracy; beyond the limit that plans have, a run is refused until it is raised."""
    if metres <= Thresholds().crs_accuracy_m:
        return "accept it, or install grids"
    return f"thresholds: {{crs_accuracy_m: {metres:g}}} in the plan accepts it; or install grids"


def _metres(value: float | None) -> str:
    return f"{value:g} m" if value is not None else "no accuracy"


def _fits_swapped(reader: Source, layer: Layer, projection: Projection | None, sums: _Sums) -> bool:
    """Whether hardly a record lies in the area of its system as it is, and swapped all that have a place."""
    outside = sums.defects.get("outside-crs-area", 0)
    if projection is None or sums.trouble or outside < 0.9 * sum(sums.types.values()) or not outside:
        return False
    for batch in reader.batches(layer.name, start=0, size=READ_SIZE, careful=False):
        mended = geometry.mend(batch.geometry, projection, geometry.Policy(swap_axes=True))
        if any(code == "outside-crs-area" for code, _ in mended.problems.values()):
            return False
    return True


def _pass(
    reader: Source,
    layer: Layer,
    projection: Projection | None,
    sums: _Sums,
    *,
    swap_axes: bool = False,
    careful: bool = False,
) -> None:
    try:
        for batch in reader.batches(layer.name, start=0, size=READ_SIZE, careful=careful):
            sums.read += batch.size
            for name, column in batch.columns.items():
                profiler = sums.profilers.get(name)
                if profiler is None:
                    profiler = sums.profilers[name] = Profiler(name, "text")
                profiler.add(column)
            for code, _ in batch.problems.values():
                sums.defect(code)
            _geometry(batch.geometry, set(batch.problems), projection, sums, swap_axes=swap_axes)
    except DtcError as problem:
        sums.trouble = f"{problem.what}: {problem.why}"


def _geometry(
    shapes: Any, known: set[int], projection: Projection | None, sums: _Sums, *, swap_axes: bool
) -> None:
    kinds, times = np.unique(shapely.get_type_id(shapes), return_counts=True)
    for kind, count in zip(kinds.tolist(), times.tolist(), strict=True):
        if kind < 0:
            sums.defect("null-geometry", count - len(known))
        else:
            name = geometry.TYPE_NAMES[kind]
            sums.types[name] = sums.types.get(name, 0) + count
    sums.extent = _widened(sums.extent, shapely.total_bounds(shapes).tolist())
    if projection is None:
        broken = shapely.is_valid(shapes) | shapely.is_missing(shapes)
        sums.defect("invalid-geometry", int((~broken).sum()))
        return
    mended = geometry.mend(shapes, projection, geometry.Policy(swap_axes=swap_axes))
    for code, _ in mended.problems.values():
        sums.defect(code)
    for repair in mended.repairs.values():
        sums.defect("repairable: " + repair["reason"])
    sums.repairable += len(mended.repairs)
    sums.beyond += mended.beyond
    _neighbours(shapes, sums)
    sums.degrees = _widened(sums.degrees, shapely.total_bounds(mended.shapes).tolist())
    room = PICTURE_SHAPES - len(sums.picture)
    if room > 0:
        _draw(mended.shapes, room, sums)


def _neighbours(shapes: Any, sums: _Sums) -> None:
    """Count what is told and left as it is (edge case 14): overlaps among the records read together."""
    kinds = shapely.get_type_id(shapes)
    areas = shapes[np.isin(kinds, geometry.POLYGONAL) & shapely.is_valid(shapes)]
    if len(areas):
        tree = shapely.STRtree(areas)
        first, second = tree.query(areas, predicate="overlaps")
        sums.overlapping += len(np.unique(first[first != second]))
    given = shapes[kinds > 0]
    if len(given):
        sums.repeated += _repeating(given)


def _repeating(given: Any) -> int:
    """How many shapes repeat a position. Rings of nothing but one position cannot be asked."""
    try:
        fewer = shapely.get_num_coordinates(shapely.remove_repeated_points(given))
    except shapely.errors.GEOSException:
        return (
            sum(_repeating(given[place : place + 1]) for place in range(len(given))) if len(given) > 1 else 1
        )
    return int((fewer < shapely.get_num_coordinates(given)).sum())


def _draw(shapes: Any, room: int, sums: _Sums) -> None:
    present = shapes[~shapely.is_missing(shapes)]
    if not len(present):
        return
    bounds = shapely.total_bounds(present)
    size = max(bounds[2] - bounds[0], bounds[3] - bounds[1], 1e-9)
    step = max(1, len(present) // room)
    for shape in shapely.simplify(present[::step][:room], size / 500, preserve_topology=False):
        for part in shapely.get_parts(shape)[:20]:
            ring = shapely.get_exterior_ring(part) if shapely.get_type_id(part) == 3 else part
            if ring is not None and not shapely.is_empty(ring) and shapely.get_type_id(ring) in (0, 1, 2):
                sums.picture.append(np.round(shapely.get_coordinates(ring), 6).tolist())


def _widened(before: list[float] | None, new: list[float]) -> list[float] | None:
    if not np.isfinite(new).all():
        return before
    if before is None:
        return new
    return [min(before[0], new[0]), min(before[1], new[1]), max(before[2], new[2]), max(before[3], new[3])]


def _samples(fields: list[FieldProfile]) -> list[str]:
    """Five decoded texts in which an encoding would show: those outside ASCII first."""
    texts = [text for field in fields if field.kind == "text" for text in field.examples]
    return sorted(texts, key=str.isascii)[:5]


def _parts(
    sums: _Sums,
    fields: list[FieldProfile],
    twice: duplicates.Duplicates,
    projection: Projection | None,
    layer: Layer,
) -> dict[str, float]:
    """The parts of the score, each 0 to 1."""
    read = max(sums.read, 1)
    lost = sum(times for name, times in sums.defects.items() if not name.startswith("repairable"))
    texts = [field for field in fields if field.kind == "text"]
    count = sum(field.count - field.nulls for field in texts)
    placed = layer.geometry is None or projection is not None
    accuracy = projection.operation.accuracy_m if projection else None
    return {
        "geometry": max(0.0, 1 - (lost + 0.2 * sums.repairable) / read) if sums.read else 0.0,
        "placement": 0.0 if not placed else 1.0 if accuracy is None or accuracy <= NOTED_ACCURACY_M else 0.7,
        "completeness": sum(field.filled for field in fields) / len(fields) if fields else 1.0,
        "identity": 1 - min(1.0, len(twice.conflicts) / read),
        "text": 1 - sum(field.suspicious for field in texts) / count if count else 1.0,
    }
