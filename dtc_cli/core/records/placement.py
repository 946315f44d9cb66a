"""Where positions may lie: a record's coordinate system and its bounds (DTC-P1-040, -041, -083, -084)."""

from collections.abc import Sequence

import msgspec

from dtc_cli.core.records.area import Area
from dtc_cli.core.records.finding import Code, Sheet
from dtc_cli.core.records.geometry import Spot, place_of
from dtc_cli.core.records.instants import Instant
from dtc_cli.core.records.values import show

LONGITUDE = (-180, 180)  # P1 7.1 VAL-002
LATITUDE = (-90, 90)  # P1 7.1 VAL-002
EASTING_M = (100_000, 900_000)  # C-10
NORTHING_M = (0, 10_000_000)  # C-10


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """What the envelope of a record says about everything inside it."""

    system: str | None
    """`WGS84`, `UTM` or `local`; None where the record does not say it, or wrongly: ranges go unjudged."""
    area: Area | None
    """The region of `bounds`; None where there is none or it is broken: then nothing is judged against it."""
    moment: Instant | None
    """The record's own timestamp, if it has a sound one."""


def place_in_system(spots: Sequence[Spot], frame: Frame, sheet: Sheet) -> Sequence[Spot]:
    """The positions that the record's coordinate system can hold; the others are reported, once per geometry.

    WGS84: degrees in range (VAL-002). UTM: easting and northing plausible (C-10). local: any finite numbers.
    """
    if frame.system == "WGS84":
        requirement, horizontal, vertical = "DTC-P1-040", LONGITUDE, LATITUDE
        code, words = Code.INVALID_GEOMETRY, "longitude -180..180 and latitude -90..90"
    elif frame.system == "UTM":
        requirement, horizontal, vertical = "DTC-P1-041", EASTING_M, NORTHING_M
        code, words = Code.OUT_OF_BOUNDS, "UTM easting 100000..900000 and northing 0..10000000"
    else:
        if frame.system == "local":
            sheet.holds("DTC-P1-041", True, times=len(spots))
        return spots
    west, east = horizontal
    south, north = vertical
    fits = [west <= spot[0][0] <= east and south <= spot[0][1] <= north for spot in spots]
    if sheet.holds(requirement, all(fits), times=len(spots)):
        return spots
    wrong = [spot for spot, fit in zip(spots, fits, strict=True) if not fit]
    message = f"position {_shown(wrong[0])} is outside {words}{_others(wrong, spots)}"
    sheet.blame(requirement, code, place_of(wrong[0]), message)
    return [spot for spot, fit in zip(spots, fits, strict=True) if fit]


def place_in_bounds(spots: Sequence[Spot], frame: Frame, sheet: Sheet, requirement: str) -> None:
    """Report a geometry that leaves the bounds, at its first position outside (BUS-003, edge inside)."""
    area = frame.area
    if area is None:
        return
    outside = [spot for spot in spots if not area.contains(spot[0])]
    sheet.holds(requirement, not outside, times=len(spots))
    if outside:
        message = (
            f"position {_shown(outside[0])} is outside the bounds of the record{_others(outside, spots)}"
        )
        sheet.blame(requirement, Code.OUT_OF_BOUNDS, place_of(outside[0]), message)


def _shown(spot: Spot) -> str:
    return "[" + ", ".join(show(number) for number in spot[0]) + "]"


def _others(some: Sequence[Spot], spots: Sequence[Spot]) -> str:
    return f" ({len(some)} of {len(spots)} positions of this geometry)" if len(spots) > 1 else ""
