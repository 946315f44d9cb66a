"""A plan of a migration, parsed: sources, layers, mapping, thresholds, gates and phases."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from dtc_cli.migrate import plan_file
from dtc_cli.migrate.trouble import plan_error

GEOMETRY_INTEGRITY_MIN = 0.99  # P4 9.1
SENSOR_ACCURACY_MIN = 0.95  # P4 9.1
MIGRATION_QUALITY_MIN = 0.95  # P4 9.1
MIGRATION_DOWNTIME_MAX_S = 3600.0  # P4 9.1
MIGRATION_BATCH = 100  # P4 9.2
PHASES = {"pilot": 1000, "incremental": 50_000, "full": None}  # P4 9.1: buildings in each phase
ON_EXISTING = "quarantine"
"""Two sources whose files are called alike make the same ids: nothing of another migration is overwritten
unless the plan says so."""
BUILDING_NEEDS = ("name", "buildingType", "height")  # P4 9.2


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """How one member of an object comes from a record."""

    source: tuple[str, ...] = ()
    value: Any = None
    expr: str | None = None
    table: str | None = None
    unit: str | None = None
    kind: str | None = None
    pattern: str | None = None
    zone: str | None = None
    split: str | None = None
    join: str | None = None
    nulls: tuple[Any, ...] = ()
    least: float | None = None
    most: float | None = None
    default: Any = None


class TypeRule(msgspec.Struct, frozen=True, kw_only=True):
    """The type of an object: a constant, or a field put through a table."""

    constant: str | None = None
    source: str | None = None
    table: str | None = None
    default: str | None = None


class LayerPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What happens to the records of one layer."""

    name: str
    skip: str | None = None
    into: str = "objects"
    """What the records become: `objects` of the city, `sensors`, or `readings` of sensors."""
    type: TypeRule = TypeRule(constant="Landmark")
    source_crs: str | None = None
    swap_axes: bool = False
    key: str | None = None
    scheme: str = "uuid5"
    mixed: str = "keep"
    collapse: str = "review"
    levels: bool = True
    point: tuple[float, ...] | None = None
    placeless: bool = False
    """A table beside the layers with places: its records are kept back, and no gate counts them."""
    required: tuple[str, ...] | None = None
    keep_rest: bool = True
    properties: Mapping[str, Rule] = {}
    sensor: Mapping[str, Rule] = {}


class SourcePlan(msgspec.Struct, frozen=True, kw_only=True):
    """One source: a file, a folder or an address."""

    name: str
    path: str
    format: str | None = None
    encoding: str | None = None
    options: Mapping[str, Any] = {}
    layers: tuple[LayerPlan, ...] = ()


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of a migration; shares are 0 to 1."""

    geometry_integrity: float = GEOMETRY_INTEGRITY_MIN
    sensor_accuracy: float = SENSOR_ACCURACY_MIN
    data_quality: float = MIGRATION_QUALITY_MIN
    crs_accuracy_m: float = 5.0
    area_change: float = 0.01
    downtime_s: float = MIGRATION_DOWNTIME_MAX_S
    tolerance_m: float = 0.05


class Phase(msgspec.Struct, frozen=True, kw_only=True):
    """How much of the source a phase takes; `needs` names the phase that must have passed before."""

    name: str
    limit: int | None = None
    needs: str | None = None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed plan file."""

    file: str
    name: str
    city: str
    create_city: bool
    bounds: tuple[float, ...] | None
    """West, south, east, north in degrees; None takes them from the data."""
    sources: tuple[SourcePlan, ...]
    tables: Mapping[str, Mapping[str, Any]]
    batch: int
    on_existing: str
    thresholds: Thresholds
    gates: Mapping[str, str]
    phases: Mapping[str, Phase]

    def layer(self, source: str, name: str) -> tuple[SourcePlan, LayerPlan]:
        """A layer by its source and its name."""
        for one in self.sources:
            for layer in one.layers:
                if (one.name, layer.name) == (source, name):
                    return one, layer
        raise plan_error(f"the plan has no layer {source}/{name}", where=self.file)


def load(path: Path, *, judged: bool = False) -> Plan:
    """Read and check a plan file; paths in it are taken relative to its folder.

    `judged` says that another process of the same run has checked it.

    Raises:
        DtcError: `migration-plan` with file, line and key.
    """
    data, lines = plan_file.read(path, judged=judged)
    return _plan(data, lines, str(path), path.resolve().parent)


def parse(text: str, *, source: str, folder: Path) -> Plan:
    """As `load`, for the text of a plan."""
    data, lines = plan_file.check(text, source)
    return _plan(data, lines, source, folder)


def _plan(data: dict[str, Any], lines: Mapping[str, int], file: str, folder: Path) -> Plan:
    tables = data.get("tables") or {}
    sources = tuple(
        _source(one, f"sources.{index}", tables, lines, file, folder)
        for index, one in enumerate(data["sources"])
    )
    names = [one.name for one in sources]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise plan_error(f"two sources are called {twice}", where=file, hint="ids are made from the name")
    bounds = data["city"].get("bounds", "from-data")
    phases = {name: Phase(name=name, limit=limit) for name, limit in PHASES.items()}
    for name, given in (data.get("phases") or {}).items():
        given = given or {}  # noqa: PLW2901 - an empty phase in YAML is null
        phases[name] = Phase(
            name=name,
            limit=given.get("limit", PHASES[name]),
            needs=given.get("needs"),
        )
    return Plan(
        file=file,
        name=data["name"],
        city=data["city"]["id"],
        create_city=data["city"].get("create", "if-missing") == "if-missing",
        bounds=None if bounds == "from-data" else tuple(bounds),
        sources=sources,
        tables=tables,
        batch=data.get("batch", MIGRATION_BATCH),
        on_existing=data.get("on_existing", ON_EXISTING),
        thresholds=Thresholds(**(data.get("thresholds") or {})),
        gates={
            "geometry_integrity": "flag", "sensor_accuracy": "recalibrate", "data_quality": "rollback",
            "downtime": "rollback", **(data.get("gates") or {}),
        },
        phases=phases,
    )  # fmt: skip


def _source(
    data: dict[str, Any],
    at: str,
    tables: Mapping[str, Any],
    lines: Mapping[str, int],
    file: str,
    folder: Path,
) -> SourcePlan:
    path = data["path"]
    if "://" not in path:
        path = os.path.normpath(folder / Path(path).expanduser())
    layers = tuple(
        _layer(one, f"{at}.layers.{index}", tables, lines, file) for index, one in enumerate(data["layers"])
    )
    return SourcePlan(
        name=data["name"],
        path=path,
        format=data.get("format"),
        encoding=data.get("encoding"),
        options=data.get("options") or {},
        layers=layers,
    )


def _layer(
    data: dict[str, Any], at: str, tables: Mapping[str, Any], lines: Mapping[str, int], file: str
) -> LayerPlan:
    geometry, identity = data.get("geometry") or {}, data.get("id") or {}
    kind = data.get("type", "Landmark")
    rule = (
        TypeRule(constant=kind)
        if isinstance(kind, str)
        else TypeRule(source=kind["from"], table=kind.get("table"), default=kind.get("default"))
    )
    _known_table(rule.table, f"{at}.type.table", tables, lines, file)
    required = data.get("required")
    return LayerPlan(
        name=data["name"],
        skip=data.get("skip"),
        into=data.get("into", "objects"),
        type=rule,
        source_crs=data.get("source_crs"),
        swap_axes=data.get("axis_order") == "yx",
        key=identity.get("key"),
        scheme=identity.get("scheme", "uuid5"),
        mixed=geometry.get("mixed", "keep"),
        collapse=geometry.get("collapse", "review"),
        levels=geometry.get("levels", True),
        placeless=geometry.get("place") == "none",
        point=tuple(geometry["point"]) if "point" in geometry else None,
        required=tuple(required) if required is not None else None,
        keep_rest=data.get("keep_rest", True),
        properties=_rules(data.get("properties") or {}, f"{at}.properties", tables, lines, file),
        sensor=_rules(data.get("sensor") or {}, f"{at}.sensor", tables, lines, file),
    )


def _rules(
    given: Mapping[str, Any], at: str, tables: Mapping[str, Any], lines: Mapping[str, int], file: str
) -> dict[str, Rule]:
    rules = {}
    for member, rule in given.items():
        if not isinstance(rule, dict):
            rules[member] = Rule(source=(rule,)) if isinstance(rule, str) else Rule(value=rule)
            continue
        _known_table(rule.get("table"), f"{at}.{member}.table", tables, lines, file)
        source = rule.get("from", ())
        rules[member] = Rule(
            source=(source,) if isinstance(source, str) else tuple(source),
            value=rule.get("value"),
            expr=rule.get("expr"),
            table=rule.get("table"),
            unit=rule.get("unit"),
            kind=rule.get("as"),
            pattern=rule.get("pattern"),
            zone=rule.get("zone"),
            split=rule.get("split"),
            join=rule.get("join"),
            nulls=tuple(rule.get("nulls", ())),
            least=rule.get("min"),
            most=rule.get("max"),
            default=rule.get("default"),
        )
    return rules


def _known_table(
    name: str | None, key: str, tables: Mapping[str, Any], lines: Mapping[str, int], file: str
) -> None:
    if name is not None and name not in tables:
        raise plan_error(
            f"there is no code table {name}",
            where=f"{file}:{lines.get(key, 0)}  {key}",
            hint="tables of this plan: " + (", ".join(tables) or "none"),
        )
