"""The quarantine: what was not loaded, why, and the record as it stood; listed, exported, tried again."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from dtc_cli.migrate.journal import Journal, Row
from dtc_cli.migrate.trouble import target_error

REMEDIES = {
    "null-geometry": "give the record a place, or geometry: {point: ...} in the plan",
    "no-place": "geometry: {point: [lon, lat]} gives the table a place; else they stay in the journal",
    "empty-geometry": "draw the geometry in the source",
    "sentinel-coordinates": "replace the stand-in coordinates in the source",
    "unparseable-geometry": "correct the geometry in the source as the detail says, or draw it anew",
    "bad-coordinate": "correct the number in the source, or leave the cell empty",
    "collapsed-geometry": "the shape has no area left; draw it anew",
    "ambiguous-geometry": "decide which reading is meant, or geometry: {collapse: accept}",
    "outside-crs-area": "check source_crs and axis_order",
    "missing-property": "fill the field, map a default, or shorten required",
    "missing-key": "fill the key field, or leave id.key out",
    "duplicate-key": "correct the keys in the source",
    "id-taken": "another record of this migration has the id: see id.key and id.scheme",
    "target: id-taken": "another source: a name: of its own in the plan, of which ids are made, and a new "
    "--journal; the same source: on_existing: update, and dtc migrate quarantine retry takes the object over",
    "other-geometry-type": "give such records a layer of their own, or mixed: keep",
    "target: OUT_OF_BOUNDS": "check source_crs and axis_order, or the bounds of the city",
    "target: ERR_OUT_OF_BOUNDS": "check source_crs and axis_order, or the bounds of the city",
    "too-large": "split or simplify the geometry",
    "not-a-point": "give the sensor one place: its location is a point",
    "no-value": "nothing: the source says that there was no measurement",
    "bad-value": "correct the number in the source",
    "bad-time": "options: {pattern: ...} says how times are written; or correct it in the source",
    "target: SENSOR_NOT_FOUND": "migrate the inventory of sensors first, then retry",
    "unreadable-line": "correct the line in the source",
    "bad-row": "correct the row in the source: it has more values than columns",
    "reader-crash": "the reading library crashes here; save the file anew with another program",
}


def listing(journal: Journal, *, code: str | None = None, limit: int | None = None) -> list[dict[str, Any]]:
    """Quarantined records: reason, remedy, the id of an older version that stands in the target."""
    found = []
    outdated = journal.outdated(int(journal.fact("epoch")))
    older = {(one["layer"], one["key"]): one["id"] for one in outdated if one["quarantined"]}
    for row in _rows(journal, code):
        found.append(
            {
                "layer": row.layer, "n": row.n, "key": row.key, "type": row.type, "code": row.code,
                "detail": row.detail, "try": REMEDIES.get(row.code, "see what the target says"),
                "olderVersion": older.get((row.layer, row.key)),
            }
        )  # fmt: skip
        if limit is not None and len(found) >= limit:
            break
    return found


def export(journal: Journal, out: Path, *, code: str | None = None) -> int:
    """Write quarantined records with their raw content: `.csv`, else JSON lines. How many."""
    count = 0
    try:
        if out.suffix.lower() == ".csv":
            with out.open("w", encoding="utf-8-sig", newline="") as stream:
                writer = csv.writer(stream)
                writer.writerow(["layer", "n", "key", "code", "detail", "record"])
                for row in _rows(journal, code):
                    cells = (row.layer, row.key, row.code, row.detail, (row.raw or b"").decode())
                    layer, *rest = (_harmless(cell) for cell in cells)
                    writer.writerow([layer, row.n, *rest])
                    count += 1
            return count
        with out.open("wb") as stream_b:
            for row in _rows(journal, code):
                line = {
                    "layer": row.layer, "n": row.n, "key": row.key, "code": row.code, "detail": row.detail,
                    "record": orjson.loads(row.raw) if row.raw else None,
                }  # fmt: skip
                stream_b.write(orjson.dumps(line) + b"\n")
                count += 1
    except OSError as problem:
        raise target_error(
            f"{out} cannot be written", where=str(out), why=problem.strerror or str(problem)
        ) from problem
    return count


def _harmless(cell: str) -> str:
    """A text that a spreadsheet would take for a formula, marked as text with an apostrophe."""
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def _rows(journal: Journal, code: str | None) -> Iterator[Row]:
    epoch = int(journal.fact("epoch"))
    return (row for row in journal.records(epoch, "quarantined") if code is None or row.code.startswith(code))
