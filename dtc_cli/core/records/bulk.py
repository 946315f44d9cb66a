"""Large records: the same rules over raw slices of the file, one city object in memory at a time."""

from collections.abc import Iterator
from typing import Any

import msgspec
import orjson

from dtc_cli.core.records.envelope import judge_envelope
from dtc_cli.core.records.finding import Judgement, Settings, Sheet
from dtc_cli.core.records.judge import judge_rest
from dtc_cli.core.records.objects import judge_items
from dtc_cli.core.records.values import is_object


def judge_slices(text: bytes, settings: Settings) -> Judgement | None:
    """The judgement on a record's bytes, or None where it has to be read as a whole to be judged.

    Equal to that of the whole record, with one exception: repeated member names, a warning, are not looked
    for. None is the answer for anything but JSON with an array of city objects: the slow path explains it.
    """
    try:
        members = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        slices = msgspec.json.decode(members.pop("cityObjects"), type=list[msgspec.Raw])
        record = {name: orjson.loads(memoryview(raw)) for name, raw in members.items()}
        sheet = Sheet(settings)
        sheet.holds("DTC-P1-001", True)
        frame = judge_envelope(record, sheet)
        sheet.holds("DTC-P1-024", True)
        kept: list[object] = []
        judge_items(_decoded(slices, kept), frame, sheet)
    except (KeyError, msgspec.DecodeError, orjson.JSONDecodeError):
        return None
    record["cityObjects"] = kept
    judge_rest(record, frame, sheet)
    return sheet.judgement()


def _decoded(slices: list[msgspec.Raw], kept: list[object]) -> Iterator[object]:
    """Each city object in turn; what references and uniqueness need of it is kept."""
    for raw in slices:
        item = orjson.loads(memoryview(raw))
        kept.append(_reduced(item) if is_object(item) else item)
        yield item


def _reduced(item: dict[str, Any]) -> dict[str, Any]:
    small: dict[str, Any] = {name: item[name] for name in ("id", "sensors") if name in item}
    properties = item.get("properties")
    if is_object(properties) and is_object(properties.get("occupancy")):
        small["properties"] = {"occupancy": properties["occupancy"]}
    return small
