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
