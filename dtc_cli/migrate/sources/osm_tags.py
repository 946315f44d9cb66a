"""OpenStreetMap tags as fields of a record: which layer an element belongs to, and what its tags say."""

import re
from collections.abc import Callable, Mapping
from typing import Any

Tags = Mapping[str, str]
LAYERS: Mapping[str, tuple[str, Callable[[Tags], bool]]] = {
    "buildings": ("area", lambda tags: tags.get("building", "no") != "no"),
    "roads": ("line", lambda tags: "highway" in tags and tags.get("area") != "yes"),
    "parks": ("area", lambda tags: tags.get("leisure") in ("park", "garden")),
    "water": ("area", lambda tags: tags.get("natural") == "water" or tags.get("waterway") == "riverbank"),
    "stations": (
        "point",
        lambda tags: (
            tags.get("highway") == "bus_stop"
            or tags.get("railway") in ("station", "halt", "tram_stop")
            or tags.get("public_transport") == "station"
        ),
    ),
}
"""Layer to the kind of its geometry and the elements that belong to it."""
MPH = 1.609344
KNOTS = 1.852
_INTEGER = re.compile(r"-?\d+")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def row(layer: str, kind: str, number: int, tags: Tags) -> dict[str, Any]:
    """The record of an element; all its tags stand in `tags` as they are.

    P4 6.1-6.2: lanes and storeys are the first whole number of the tag, 1 by default (C-99).

    Args:
        layer: one of `LAYERS`.
        kind: `node`, `way` or `relation`.
        number: id of the element.
        tags: its tags.
    """
    found: dict[str, Any] = {
        "osm_id": str(number) if kind != "relation" else f"relation-{number}",
        "osm_type": kind,
        "name": tags.get("name"),
    }
    if layer == "roads":
        found |= {
            "roadType": tags.get("highway"),
            "lanes": first_integer(tags.get("lanes"), 1),
            "maxSpeed": speed(tags.get("maxspeed")),
            "surface": tags.get("surface"),
            "width": length(tags.get("width")),
        }
    elif layer == "buildings":
        found |= {
            "buildingType": tags.get("building"),
            "address": address(tags),
            "floors_above": first_integer(tags.get("building:levels"), 1),
            "floors_below": first_integer(tags.get("building:levels:underground"), None),
            "height": length(tags.get("height") or tags.get("building:height")),
            "year_built": tags.get("start_date") or tags.get("building:start_date"),
        }
    found["tags"] = dict(tags)
    return found


def first_integer(text: str | None, default: int | None) -> int | None:
    """The first whole number of a tag such as `2;3` or `3.5`."""
    found = _INTEGER.search(text or "")
    return int(found[0]) if found else default


def speed(text: str | None) -> float | None:
    """A speed limit in km/h; `30 mph` is 48.3, words such as `walk` are none."""
    found = _NUMBER.search(text or "")
    if found is None or text is None:
        return None
    value = float(found[0])
    factor = MPH if "mph" in text else KNOTS if "knots" in text else 1.0
    return round(value * factor, 1) if factor != 1.0 else value


def length(text: str | None) -> float | None:
    """Metres; `12 ft` and `5'10"` are converted."""
    if text is None:
        return None
    feet = re.fullmatch(r"\s*(\d+)'(?:\s*(\d+)\"?)?\s*", text)
    if feet:
        return round((int(feet[1]) + int(feet[2] or 0) / 12) * 0.3048, 3)
    found = _NUMBER.search(text.replace(",", "."))
    if found is None:
        return None
    value = float(found[0])
    return round(value * 0.3048, 3) if re.search(r"\b(ft|feet)\b", text) else value


def address(tags: Tags) -> str | None:
    """Street, number, postcode and city."""
    if "addr:full" in tags:
        return tags["addr:full"]
    street = " ".join(
        part
        for part in (tags.get("addr:street") or tags.get("addr:place"), tags.get("addr:housenumber"))
        if part
    )
    town = " ".join(part for part in (tags.get("addr:postcode"), tags.get("addr:city")) if part)
    return ", ".join(part for part in (street, town) if part) or None
