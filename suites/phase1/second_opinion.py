"""What a drawn record is looked at with before it is sent: the standard's text, no code of `dtc`.

The judge of phase 1 is asked too; where the two differ the vector is at fault, and no verdict is given.
"""

from calendar import monthrange
from collections.abc import Iterator
from typing import Any

import geojson  # type: ignore[import-untyped]

CAPITALS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
DIGITS = "0123456789"


def is_city_id(text: str) -> bool:
    """Two capitals, a hyphen, capitals and digits, a hyphen, four digits, and nothing else (P1 3.2.1)."""
    parts = text.split("-")
    if len(parts) != 3:
        return False
    country, city, year = parts
    return (
        len(country) == 2
        and all(letter in CAPITALS for letter in country)
        and len(city) > 0
        and all(sign in CAPITALS + DIGITS for sign in city)
        and len(year) == 4
        and all(digit in DIGITS for digit in year)
    )


def is_instant(text: str) -> bool:
    """A day of the calendar, `T`, a time of day, perhaps a fraction, and `Z` or an offset (RFC 3339 5.6)."""
    day, time, zone = text[:10], text[11:19], text[19:].lstrip(".")
    if text[10:11] != "T" or day[4:5] + day[7:8] != "--" or time[2:3] + time[5:6] != "::":
        return False
    if text[19:20] == ".":
        fraction = len(zone) - len(zone.lstrip(DIGITS))
        if fraction == 0:
            return False
        zone = zone[fraction:]
    numbers = [day[:4], day[5:7], day[8:], time[:2], time[3:5], time[6:]]
    if any(not number or number.strip(DIGITS) for number in numbers):
        return False
    year, month, date, hour, minute, second = map(int, numbers)
    real = year > 0 and 1 <= month <= 12 and 1 <= date <= monthrange(year, month)[1]
    return real and hour < 24 and minute < 60 and second < 60 and _is_zone(zone)


def _is_zone(text: str) -> bool:
    if text == "Z":
        return True
    hours, minutes = text[1:3], text[4:]
    sound = len(text) == 6 and text[0] in "+-" and text[3] == ":" and not (hours + minutes).strip(DIGITS)
    return sound and int(hours) < 24 and int(minutes) < 60


def is_sound(geometry: dict[str, Any]) -> bool:
    """Whether a geometry has the nesting of its type and closed rings (RFC 7946 3.1)."""
    made = geojson.GeoJSON.to_instance(geometry, strict=True)
    return bool(made.is_valid) and all(len(ring) > 3 and ring[0] == ring[-1] for ring in _rings(geometry))


def _rings(geometry: dict[str, Any]) -> Iterator[list[list[float]]]:
    parts = geometry["coordinates"]
    if geometry["type"] == "Polygon":
        yield from parts
    elif geometry["type"] == "MultiPolygon":
        for rings in parts:
            yield from rings
