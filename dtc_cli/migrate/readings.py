"""Readings of sensors in a layer, judged one by one for the gate of sensor accuracy (P4 9.1, F-047)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from dtc_cli.migrate.mapping import Mapper
from dtc_cli.migrate.plan import LayerPlan
from dtc_cli.migrate.table import Table
from dtc_cli.migrate.trouble import plan_error

MEMBERS = ("value", "at", "reference", "tolerance")
GOOD, BAD = "reading-good", "reading-bad"


class Readings:
    """Judges the readings of one layer, as its `sensor` rules say.

    A reading is good when its value is a number that its rule lets through (`min`, `max`, `nulls`), its
    time is known and not in the future, and it is within the tolerance of a reference measurement. What
    no rule asks for is not judged.

    Args:
        layer: the layer, with `sensor` rules.
        tables: code tables of the plan.
        where: place for messages.
        now: instant of the run, aware.

    Raises:
        DtcError: `migration-plan` for a member that is none of MEMBERS, or without `value`.
    """

    def __init__(
        self, layer: LayerPlan, tables: Mapping[str, Mapping[str, Any]], where: str, now: datetime
    ) -> None:
        rules = layer.sensor
        unknown = next((name for name in rules if name not in MEMBERS), None)
        if unknown is not None or "value" not in rules or ("reference" in rules) != ("tolerance" in rules):
            raise plan_error(
                f"sensor has no member {unknown}" if unknown else "the sensor rules are not complete",
                where=f"{where} sensor",
                why="" if unknown else "value is needed, and a reference goes with a tolerance",
                hint="members: " + ", ".join(MEMBERS),
            )
        self._mapper = Mapper(msgspec.structs.replace(layer, properties=rules, sensor={}), tables, where)
        self._timed, self._compared, self._now = "at" in rules, "reference" in rules, now

    def judge(self, table: Table) -> list[str]:
        """Why each reading is no good; empty where it is."""
        return [self._judged(row) for row in self._mapper.properties(table)]

    def _judged(self, row: dict[str, Any]) -> str:
        value = row.get("value")
        if not isinstance(value, int | float) or isinstance(value, bool):
            return "no value, or none that its rule lets through"
        if self._timed:
            at = row.get("at")
            if not isinstance(at, str):
                return "no time"
            if datetime.fromisoformat(at.replace("Z", "+00:00")) > self._now:
                return "its time is in the future"
        if self._compared:
            reference, tolerance = row.get("reference"), row.get("tolerance")
            if not isinstance(reference, int | float) or not isinstance(tolerance, int | float):
                return "no reference to compare with"
            if abs(value - reference) > tolerance:
                return "it differs from the reference by more than the tolerance"
        return ""
