"""What an assessment remarks about a layer, and what helps."""

from typing import Any

import msgspec

from dtc_cli.migrate import ambiguous, duplicates, suggest
from dtc_cli.migrate.crs import Projection
from dtc_cli.migrate.profile import FieldProfile
from dtc_cli.migrate.sources.source import Layer


class Remark(msgspec.Struct, frozen=True, kw_only=True):
    """What was found about a layer, and what helps."""

    severity: str
    """`blocker`, `condition` or `note`."""
    text: str
    remedy: str = ""


def add(
    layer: Layer,
    sums: Any,
    fields: list[FieldProfile],
    twice: duplicates.Duplicates,
    projection: Projection | None,
    kind: str,
    suggestions: list[suggest.Suggestion],
    key: str | None,
    remarks: list[Remark],
) -> None:
    """Add what was found: what is empty, lost, doubled, doubtful or missing."""

    def condition(text: str, remedy: str) -> None:
        remarks.append(Remark(severity="condition", text=text, remedy=remedy))

    if sums.read == 0 and not layer.blockers:
        condition("the layer is empty", "skip: it, with the reason; or ask why the source gives nothing")
    if layer.count is not None and layer.count != sums.read and sums.trouble is None and not layer.blockers:
        condition(f"the source says {layer.count} records and gives {sums.read}", "ask its owner")
    for text, remedy in ambiguous.questions(fields):
        condition(text, remedy)
    for times, what in ((sums.overlapping, "overlap a neighbour"), (sums.repeated, "repeat a position")):
        if times:
            remarks.append(
                Remark(severity="note", text=f"{times} records {what}; they are loaded as they are")
            )
    _losses(layer, sums, remarks)
    if twice.conflicts:
        condition(
            f"{len(twice.conflicts)} keys belong to several records that differ",
            "none of those is loaded until it is settled",
        )
    if any(field.suspicious for field in fields):
        condition(
            "texts hold characters of a wrong encoding", "look at the samples; encoding: overrides the guess"
        )
    if key is None and sums.read:
        condition(
            "no field identifies a record", "ids are made of the content; sync sees a change as new and gone"
        )
    if kind == "Building" and sums.read:
        have = {one.member for one in suggestions}
        missing = [name for name in ("name", "buildingType", "height") if name not in have]
        if missing:
            condition(
                f"no field was found for {', '.join(missing)}, which a building must have (P4 9.2)",
                "map a field, give a default, or shorten required: knowingly",
            )


def _losses(layer: Layer, sums: Any, remarks: list[Remark]) -> None:
    """Records that would be quarantined; a layer of which not one can be placed is not ready."""

    def condition(text: str, remedy: str) -> None:
        remarks.append(Remark(severity="condition", text=text, remedy=remedy))

    lost = sum(times for name, times in sums.defects.items() if not name.startswith("repairable"))
    if lost:
        told = ", ".join(
            f"{times} {name}"
            for name, times in sorted(sums.defects.items())
            if not name.startswith("repairable")
        )
        if lost >= sums.read and layer.geometry is not None:
            remarks.append(
                Remark(
                    severity="blocker",
                    text=f"not one of {sums.read} records can be placed: {told}",
                    remedy="see source_crs and axis_order; or skip: the layer, with the reason",
                )
            )
        elif layer.geometry is None and sums.defects.get("null-geometry") == sums.read:
            condition(
                f"a table without places: {told}",
                "options: {x, y} or {wkt} name columns; geometry: {point: [lon, lat]} gives one place to all",
            )
        else:
            condition(
                f"{lost} records would be quarantined: {told}",
                "correct them in the source, or accept the loss",
            )
