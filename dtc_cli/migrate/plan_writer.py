"""Writing a plan from an assessment: suggestions with their confidence, for a person to edit."""

import hashlib
import json
import os
import re
import unicodedata
from pathlib import Path
from typing import Any

import msgspec

from dtc_cli.migrate import suggest, suggest_sensing
from dtc_cli.migrate.assess import Assessment, LayerAssessment
from dtc_cli.migrate.plan import BUILDING_NEEDS
from dtc_cli.migrate.remarks import EMPTY
from dtc_cli.migrate.suggest import LEAST_CONFIDENCE, LEAST_FILLED
from dtc_cli.migrate.trouble import source_error

LONGEST_NAME = 60


def _required(layer: LayerAssessment) -> list[str]:
    """What a building must have: of what P4 9.2 asks for, the members whose fields are filled.

    A member that few records have would quarantine the rest; whether that is wanted is a person's decision.
    """
    share = suggest.shares_of_needs(layer.suggestions, layer.fields)
    needed = [name for name in BUILDING_NEEDS if share[name] >= LEAST_FILLED]
    lacking = [name for name in BUILDING_NEEDS if name not in needed]
    sparse = [f"{name} only {share[name]:.0%} filled" for name in lacking if share[name]]
    asked = ", ".join(BUILDING_NEEDS)
    lines = [f"        required: [{', '.join(needed)}]   # P4 9.2 asks for {'; '.join([asked, *sparse])}"]
    if lacking:
        lines.append(
            f"        # DECIDE required: {', '.join(lacking)} may be missing as it stands: a run loads such "
            "buildings and counts them; with the member in the list it keeps them back"
        )
    return lines


def write(
    assessment: Assessment,
    *,
    city: str,
    out: Path,
    source_crs: str | None = None,
    encoding: str | None = None,
    options: dict[str, Any] | None = None,
) -> str:
    """The text of a plan. Lines that a person must decide on begin with `# DECIDE`."""
    name = source_name(assessment.source)
    path = assessment.source
    if "://" not in path:
        path = os.path.relpath(Path(path).resolve(), out.resolve().parent)
    tables: dict[str, dict[str, str]] = {}
    lines = [
        f"# Plan of a migration, suggested from {source_name(assessment.source)}; edit it, then",
        "#   dtc migrate run THIS --target target.yaml --phase pilot",
        "# Each suggestion says how sure it is (0 to 1) and why. docs/migrate.md explains every key.",
        "migration: 1",
        f"name: {_q(name)}",
        f"city: {{id: {city}, create: if-missing, bounds: from-data}}",
        "batch: 100                # P4 9.2",
        "on_existing: quarantine   # what another migration put there; the same source? update takes it over",
        "thresholds: {geometry_integrity: 0.99, sensor_accuracy: 0.95, data_quality: 0.95}",
        "gates: {geometry_integrity: flag, sensor_accuracy: recalibrate, data_quality: rollback}",
        "phases:",
        "  pilot: {limit: 1000}",
        "  incremental: {limit: 50000, needs: pilot}",
        "  full: {}",
        "sources:",
        f"  - name: {_q(name)}",
        f"    path: {_q(path)}",
        f"    format: {assessment.format}",
    ]
    if encoding is not None:
        lines.append(f"    encoding: {_q(encoding)}")
    if options:
        lines.append(f"    options: {json.dumps(options, ensure_ascii=False)}")
    if not assessment.layers:
        raise source_error(
            f"{assessment.source} has no layers", where=assessment.source, why="there is nothing to migrate"
        )
    lines.append("    layers:")
    placed = any(layer.geometry_types for layer in assessment.layers)
    for layer in assessment.layers:
        lines += _layer(layer, tables, source_crs, beside=placed)
    if tables:
        lines.append("tables:                   # code to word; an unknown code is counted and kept as it is")
        for table, entries in tables.items():
            lines.append(f"  {_q(table)}:")
            lines += [f"    {_q(code)}: {_q(word)}" for code, word in entries.items()] or ["    {}"]
    return "\n".join(lines) + "\n"


def _layer(  # noqa: PLR0912 - one arm per line of the plan
    layer: LayerAssessment, tables: dict[str, dict[str, str]], source_crs: str | None, *, beside: bool
) -> list[str]:
    lines = [f"      - name: {_q(layer.name)}   # {layer.read} records, {layer.readiness}"]
    for remark in layer.remarks:
        if remark.severity != "note":
            lines.append(
                f"        # {remark.severity}: {_flat(remark.text)}"
                + (f" -> {_flat(remark.remedy)}" if remark.remedy else "")
            )
    blockers = [one.text for one in layer.remarks if one.severity == "blocker"]
    if layer.read == 0 and all(text.startswith(EMPTY) for text in blockers):
        return [*lines, "        skip: the layer is empty"]
    bare = layer.role is None and not layer.geometry_types and set(layer.defects) <= {"null-geometry"}
    if beside and bare:
        return [
            *lines,
            *_key_line(layer),
            "        # a table without places is kept back; geometry: {point: [lon, lat]} gives it one",
            "        geometry: {place: none}",
        ]
    if layer.role == "measurements":
        return lines + _key_line(layer) + suggest_sensing.readings(layer.fields, tables)
    if layer.role == "sensors":
        lines += suggest_sensing.sensors(layer.fields, layer.key, tables, _q)
        return lines + _crs_lines(layer, source_crs) + _key_line(layer)
    lines.append(f"        type: {layer.type}   # {layer.type_confidence:.2f}: {_flat(layer.type_why)}")
    lines += _crs_lines(layer, source_crs) + _key_line(layer)
    if not layer.geometry_types:
        lines.append("        # DECIDE geometry: {point: [longitude, latitude]}   the records have no place")
    chosen = [one for one in layer.suggestions if one.confidence >= LEAST_CONFIDENCE]
    if layer.type == "Building":
        lines += _required(layer)
    basements = layer.type == "Building" and not any(one.member == "floors.below" for one in chosen)
    if not chosen and not basements:
        return [*lines, "        properties: {}"]
    lines.append("        properties:")
    for one in chosen:
        rule: dict[str, Any] = {"from": one.field}
        if one.unit:
            rule["unit"] = one.unit
        if one.pattern:
            rule = {"from": one.field, "as": "year", "pattern": one.pattern}
        elif one.kind and not one.unit:
            rule["as"] = one.kind
        if one.table:
            table = re.sub(r"\W+", "_", one.field).strip("_").lower() or "codes"
            profile = next(field for field in layer.fields if field.name == one.field)
            tables.setdefault(table, {code: code for code, _ in profile.common})
            rule["table"] = table
        if one.member == "floors.below":
            rule["default"] = 0
        lines.append(f"          {one.member}: {_inline(rule)}   # {one.confidence:.2f}: {_flat(one.why)}")
    if basements:
        lines.append("          floors.below: {value: 0}   # P4 9.2: none where the source says nothing")
    for one in layer.suggestions:
        if one not in chosen:
            told = _inline({"from": one.field})
            lines.append(f"          # {one.member}: {told}   # {one.confidence:.2f}: {_flat(one.why)}")
    return lines


def _crs_lines(layer: LayerAssessment, source_crs: str | None) -> list[str]:
    if layer.swapped:
        told = ["        axis_order: yx   # in the other order no record lies in the area of its system"]
        return told + _crs_lines(msgspec.structs.replace(layer, swapped=False), source_crs)
    if source_crs is not None:
        return [f"        source_crs: {_q(source_crs)}"]
    if layer.crs is None and layer.geometry_types:
        return ["        # DECIDE source_crs: EPSG:...   the source states none"]
    if layer.operation is None and layer.geometry_types:
        return ["        # DECIDE source_crs: EPSG:...   what the source states cannot be used"]
    return []


def _key_line(layer: LayerAssessment) -> list[str]:
    if layer.key is None:
        return [f"        # id: {{key: FIELD}}   {_flat(layer.key_why)}"]
    return [f"        id: {{key: {_q(layer.key)}, scheme: {layer.scheme}}}   # {_flat(layer.key_why)}"]


def source_name(path: str) -> str:
    """The name of a source, of which ids are made: that of the file, in the letters of its language.

    What is left out beyond ASCII, or cut, leaves a digest: files that are called differently stay apart.
    """
    base = os.path.basename(path.rstrip("/")).partition("?")[0].partition(".")[0]
    stem = unicodedata.normalize("NFC", base)  # one system decomposes letters in the names of files
    name = re.sub(r"[^\w.-]+", "-", stem).strip("-._")
    lost = len(name) > LONGEST_NAME or any(not one.isascii() and one not in name for one in stem)
    digest = "-" + hashlib.sha256(stem.encode("utf-8", "surrogateescape")).hexdigest()[:8] if lost else ""
    return (name[:LONGEST_NAME].rstrip("-._") or "source") + digest


def _q(text: str) -> str:
    """A scalar that YAML reads back as the same text."""
    return (
        text
        if re.fullmatch(r"[A-Za-z][A-Za-z0-9_./-]*", text)
        and text.lower() not in ("yes", "no", "on", "off", "true", "false", "null", "y", "n")
        else json.dumps(text, ensure_ascii=False)
    )


def _inline(rule: dict[str, Any]) -> str:
    return (
        "{"
        + ", ".join(
            f"{name}: {_q(value) if isinstance(value, str) else value}" for name, value in rule.items()
        )
        + "}"
    )


def _flat(text: str) -> str:
    return " ".join(text.split())[:200]
