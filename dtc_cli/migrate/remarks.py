"""What an assessment remarks about a layer, and what helps."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgspec

from dtc_cli.migrate import ambiguous, duplicates, suggest, units, values
from dtc_cli.migrate.crs import Projection, beyond_area
from dtc_cli.migrate.mapping import SMALL, UOM
from dtc_cli.migrate.profile import FieldProfile
from dtc_cli.migrate.sources.source import Layer

EMPTY, PLACELESS = "the layer is empty", "a table without places"


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
        condition(EMPTY, "skip: it, with the reason; or ask why the source gives nothing")
    if layer.count is not None and layer.count != sums.read and sums.trouble is None and not layer.blockers:
        condition(f"the source says {layer.count} records and gives {sums.read}", "ask its owner")
    for text, remedy in ambiguous.questions(fields):
        condition(text, remedy)
    for times, what in ((sums.overlapping, "overlap a neighbour"), (sums.repeated, "repeat a position")):
        if times:
            remarks.append(
                Remark(severity="note", text=f"{times} records {what}; they are loaded as they are")
            )
    _losses(layer, sums, projection, remarks)
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
        _, _, why = suggest.key_field(fields, layer.key)
        condition(
            why.partition(": ids are made")[0],
            "id: {key: FIELD} names one that lasts; ids are made of the content else, and sync sees a change "
            "as new and gone",
        )
    _stand_ins(fields, suggestions, condition)
    _stated_units(fields, suggestions, remarks)
    if kind == "Building" and sums.read:
        share = suggest.shares_of_needs(suggestions, fields)
        missing = [name for name, part in share.items() if not part]
        sparse = [
            f"{name} ({part:.0%} filled)" for name, part in share.items() if 0 < part < suggest.LEAST_FILLED
        ]
        told = [f"no field was found for {', '.join(missing)}"] if missing else []
        told += [f"few records have {', '.join(sparse)}"] if sparse else []
        if told:
            condition(
                f"{'; '.join(told)}, which a building must have (P4 9.2)",
                "map a field, or give a default; a suggested plan does not require it: a person decides",
            )


def _stand_ins(
    fields: list[FieldProfile], suggestions: list[suggest.Suggestion], condition: Callable[[str, str], None]
) -> None:
    """Numbers that stand for no value, in the fields that members are to come from."""
    by_name = {field.name: field for field in fields}
    for one in suggestions:
        if one.member not in suggest.NUMERIC:
            continue
        field, nines = by_name[one.field], one.member in SMALL
        ends = [end for end in (field.least, field.most) if end is not None]
        for shown in (*field.examples, *(text for text, _ in field.common)):
            with suppress(ValueError):
                ends.append(float(shown))
        strange = sorted({f"{end:g}" for end in ends if values.stands_in(end, nines=nines)})
        if strange:
            condition(
                f"{field.name} holds {', '.join(strange)}, which stands for no value",
                f"{one.member} is left out there, counted, and the text kept in metadata.legacyAttributes",
            )


def _stated_units(
    fields: list[FieldProfile], suggestions: list[suggest.Suggestion], remarks: list[Remark]
) -> None:
    """Units that stand beside the fields of measures, other than metres."""
    by_name = {field.name: field for field in fields}
    for one in suggestions:
        beside = by_name.get(one.field + UOM)
        if one.member not in units.QUANTITIES or one.unit is not None or beside is None:
            continue
        shown = [text for text, _ in beside.common]
        strange = [text for text in shown if units.stated(text, one.member) is None]
        told = [text for text in shown if text not in strange]
        if told:
            text = f"{one.field} is stated in {', '.join(told)} for some records; {one.member} is converted"
            remarks.append(Remark(severity="note", text=text))
        if strange:
            remarks.append(
                Remark(
                    severity="condition",
                    text=f"{one.field} is stated in {', '.join(strange)}, no unit that is known for it",
                    remedy=f"{one.member} is left out there, counted, and the text kept in "
                    "metadata.legacyAttributes; unit: in the rule says what it is",
                )
            )


def _losses(layer: Layer, sums: Any, projection: Projection | None, remarks: list[Remark]) -> None:
    """Records that would be quarantined; a layer of which not one can be placed is not ready."""

    def condition(text: str, remedy: str) -> None:
        remarks.append(Remark(severity="condition", text=text, remedy=remedy))

    if sums.beyond and projection is not None:
        text = f"{sums.beyond} records {beyond_area(projection)}"
        if 2 * sums.beyond >= sum(sums.types.values()):
            condition(
                text, "source_crs: states another; more than 3 degrees outside, records are quarantined"
            )
        else:
            remarks.append(Remark(severity="note", text=text))
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
                f"{PLACELESS}: {told}",
                "options: {x, y} or {wkt} name columns; geometry: {point: [lon, lat]} gives one place to all",
            )
        else:
            condition(
                f"{lost} records would be quarantined: {told}",
                "correct them in the source, or accept the loss",
            )
