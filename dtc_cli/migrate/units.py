"""Units of length and area as legacy data names them, in metres and square metres."""

from collections.abc import Mapping

FOOT_M = 0.3048  # international foot, by definition
US_FOOT_M = 1200 / 3937  # US survey foot, by definition
STOREY_M = 3.0
"""A storey where a source has floors and no height; an assumption that the object states."""
PYEONG_M2 = 400 / 121  # 1 pyeong = 400/121 square metres, by definition

TO_METRES: Mapping[str, float] = {
    "m": 1.0, "metre": 1.0, "meter": 1.0, "cm": 0.01, "mm": 0.001, "km": 1000.0,
    "ft": FOOT_M, "foot": FOOT_M, "feet": FOOT_M, "us-ft": US_FOOT_M, "us-foot": US_FOOT_M, "in": 0.0254,
    "yd": 0.9144, "mi": 1609.344, "storey": STOREY_M, "storeys": STOREY_M, "floors": STOREY_M,
    "m2": 1.0, "sqm": 1.0, "km2": 1e6, "ha": 10_000.0, "acre": 4046.8564224,
    "ft2": FOOT_M**2, "sqft": FOOT_M**2, "us-ft2": US_FOOT_M**2, "pyeong": PYEONG_M2,
}  # fmt: skip
TO_KMH: Mapping[str, float] = {"km/h": 1.0, "kmh": 1.0, "mph": 1.609344, "knots": 1.852}


def convert(value: float, unit: str) -> float:
    """A value in the unit of the standard: metres, square metres, km/h, degrees Celsius.

    Raises:
        KeyError: for a unit that is not known.
    """
    if unit in ("degF", "fahrenheit"):
        return (value - 32) * 5 / 9
    if unit in ("K", "kelvin"):
        return value - 273.15
    if unit in ("degC", "celsius"):
        return value
    return value * (TO_KMH[unit] if unit in TO_KMH else TO_METRES[unit])


def known(unit: str) -> bool:
    """Whether `convert` takes it."""
    return unit in TO_METRES or unit in TO_KMH or unit in (
        "degF", "fahrenheit", "K", "kelvin", "degC", "celsius",
    )  # fmt: skip


QUANTITIES: Mapping[str, str] = {"height": "length", "width": "length", "area": "area", "maxSpeed": "speed"}
"""Members that are measures; a field for one of them may have a field `NAME_uom` beside it."""
_BY_QUANTITY: Mapping[str, Mapping[str, str]] = {
    "length": {
        "m": "m", "metre": "m", "metres": "m", "meter": "m", "meters": "m", "9001": "m",
        "cm": "cm", "centimetre": "cm", "centimeter": "cm", "1033": "cm",
        "mm": "mm", "millimetre": "mm", "millimeter": "mm", "1025": "mm",
        "km": "km", "kilometre": "km", "kilometer": "km", "9036": "km",
        "ft": "ft", "foot": "ft", "feet": "ft", "international foot": "ft", "[ft_i]": "ft", "9002": "ft",
        "us-ft": "us-ft", "us_ft": "us-ft", "usft": "us-ft", "ftus": "us-ft", "us foot": "us-ft",
        "us survey foot": "us-ft", "us-foot": "us-ft", "foot_us": "us-ft", "[ft_us]": "us-ft",
        "9003": "us-ft",
        "in": "in", "inch": "in", "[in_i]": "in", "yd": "yd", "yard": "yd", "[yd_i]": "yd", "9096": "yd",
        "mi": "mi", "mile": "mi", "[mi_i]": "mi",
    },
    "area": {
        "m2": "m2", "m\u00b2": "m2", "m^2": "m2", "sqm": "m2", "km2": "km2", "km\u00b2": "km2", "ha": "ha",
        "acre": "acre", "ft2": "ft2", "ft\u00b2": "ft2", "ft^2": "ft2", "sqft": "ft2", "[sft_i]": "ft2",
        "us-ft2": "us-ft2",
    },
    "speed": {
        "km/h": "km/h", "kmh": "km/h", "kph": "km/h", "km.h-1": "km/h", "mph": "mph", "mi/h": "mph",
        "[mi_i]/h": "mph", "knots": "knots", "kn": "knots", "[kn_i]": "knots",
    },
}  # fmt: skip
"""Names of units in `uom` (words, UCUM, EPSG codes) to those of `convert`."""


def stated(uom: str, member: str) -> str | None:
    """The unit that a `uom` of GML means for a member, or None where it is none that is known for it.

    `#ft`, `urn:adv:uom:m`, `urn:ogc:def:uom:EPSG::9002` and `.../uom/EPSG/0/9002` are told by their end.
    """
    low = " ".join(uom.lower().split())
    known_here = _BY_QUANTITY[QUANTITIES[member]]
    marks = ("", "#", ":", "/") if "://" in low else ("", "#", ":")  # a slash may be a part of a unit
    for mark in marks:
        last = low.rpartition(mark)[2] if mark else low
        if last in known_here and ("epsg" in low or not last.isdigit()):
            return known_here[last]
    return None
