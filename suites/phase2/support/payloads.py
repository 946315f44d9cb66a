"""What is put into objects to see whether it comes back: properties and geometries, as data and generated."""

from random import Random
from typing import Any

from dtc_cli.harness.suite import Twin

_DEEP: dict[str, Any] = {"level": 12}
for _level in range(11, 0, -1):
    _DEEP = {"level": _level, "next": _DEEP}

PROPERTIES: dict[str, dict[str, Any]] = {
    "printed-example": {
        "name": "New Office Tower",
        "address": "123 Gangnam-daero, Gangnam-gu, Seoul",
        "buildingType": "commercial",
        "floors": {"above": 20, "below": 3},
        "height": 80.0,
    },
    "custom-members": {"dtcCustom": "kept", "x-vendor": {"a": 1}, "snake_case": 2, "UPPER": 3, "1st": 4},
    "unicode": {"name": "서울 디지털 트윈 🏙️", "note": "Zürich — Åland, naïve, Ω≈ç√", "rtl": "מגדל"},
    "unicode-names": {"이름": "강남", "größe": 12, "δ": {"ε": "ζ"}},
    "nested-objects": {"a": {"b": {"c": {"d": [{"e": "f"}, {"g": [1, [2, [3]]]}]}}}},
    "deep": {"deep": _DEEP},
    "null": {"owner": None, "nested": {"demolished": None, "kept": 1}},
    "nulls-in-arrays": {"readings": [None, 1, None]},
    "empty-arrays": {"facilities": [], "nested": {"list": []}, "lists": [[], []]},
    "empty-objects": {"extra": {}, "list": [{}]},
    "empty-strings": {"name": "", "list": ["", " "]},
    "arrays-in-order": {"list": [3, 1, 2, 3, 1], "words": ["b", "a", "B", "a"]},
    "mixed-array": {"list": [1, "1", True, None, 1.5, {"a": 1}, [1]]},
    "booleans": {"heated": True, "cooled": False, "list": [True, False], "nested": {"open": False}},
    "whole-numbers": {"zero": 0, "negative": -17, "million": 1000000, "thirty": 2147483648},
    "big-numbers": {"safe": 9007199254740991, "least": -9007199254740991, "large": 1.5e300},
    "small-numbers": {"tiny": 1e-7, "tinier": 2.5e-300, "negative": -1.25e-5},
    "decimals": {
        "sum": 0.30000000000000004,
        "third": 0.3333333333333333,
        "pi": 3.141592653589793,
        "e": 99.99,
    },
    "text-like-numbers": {"code": "007", "year": "2025", "rate": "1.50", "exponent": "1e5", "sign": "+82"},
    "text-like-words": {"flag": "true", "nothing": "null", "not": "NaN", "when": "2025-01-15T10:30:00+09:00"},
    "markup": {"html": "<b>&amp;</b>", "quotes": "\"'`", "path": "a\\b/c", "percent": "100% %20 {id}"},
    "white-space": {"edges": "  both  ", "lines": "one\ntwo\r\nthree", "tab": "a\tb"},
    "long-text": {"description": "한강 River " * 300},
    "long-array": {"list": list(range(300))},
    "many-members": {f"member{number}": number for number in range(120)},
    "names-with-signs": {"a.b": 1, "floors.above": 2, "$ref": "x", "a b": 3, "@id": 4, "a/b": 5, "#": 6},
    "unicode-forms": {"composed": "\u00e9\uac01", "apart": "e\u0301\u1100\u1161\u11a8", "half": "\uff76"},
    "names-of-members": {"id": "inner", "type": "inner", "geometry": "inner", "properties": {"id": 1}},
}
"""Properties of a create request, by what they show."""


def generated_properties(random: Random) -> dict[str, Any]:
    """Properties with members of any kind, nested up to four levels."""
    return {_name(random, number): _value(random, 4) for number in range(random.randint(3, 8))}


def geometries(twin: Twin) -> dict[str, dict[str, Any]]:
    """Geometries well inside the city, by what they show; coordinates have nine decimals at most."""
    x, y = twin.city.place(twin.random)
    side = twin.city.side
    unit = side / 8

    def at(across: float, up: float) -> list[float]:
        return [round(x + across * unit, 9), round(y + up * unit, 9)]

    def square(left: float, low: float, size: float) -> list[list[float]]:
        right, top = left + size, low + size
        return [at(left, low), at(right, low), at(right, top), at(left, top), at(left, low)]

    hole = list(reversed(square(2, 2, 1.5)))
    fine = [round(x + 0.123456789 * unit, 9), round(y + 0.987654321 * unit, 9)]
    return {
        "point": {"type": "Point", "coordinates": at(1, 1)},
        "nine-decimals": {"type": "Point", "coordinates": fine},
        "altitude": {"type": "Point", "coordinates": [*at(1, 2), 25.125]},
        "altitude-zero": {"type": "Point", "coordinates": [*at(2, 2), 0]},
        "altitude-below": {"type": "Point", "coordinates": [*at(2, 2), -12.5]},
        "line": {"type": "LineString", "coordinates": [at(0, 0), at(3, 1), at(2.5, 4.125), at(7, 7)]},
        "line-with-altitudes": {"type": "LineString", "coordinates": [[*at(0, 0), 1.5], [*at(4, 4), 2.25]]},
        "line-backwards": {"type": "LineString", "coordinates": [at(7, 7), at(0, 0)]},
        "polygon": {"type": "Polygon", "coordinates": [square(0, 0, 6)]},
        "polygon-many-corners": {
            "type": "Polygon",
            "coordinates": [
                [at(0, 0), at(3, 0.5), at(6, 0), at(6.5, 3), at(6, 6), at(3, 5), at(0, 6), at(1, 3), at(0, 0)]
            ],
        },
        "polygon-with-holes": {
            "type": "Polygon",
            "coordinates": [square(0, 0, 6), hole, list(reversed(square(4, 4, 1)))],
        },
        "polygon-with-altitudes": {
            "type": "Polygon",
            "coordinates": [[[*position, 30.5] for position in square(0, 0, 5)]],
        },
        "multipolygon": {"type": "MultiPolygon", "coordinates": [[square(0, 0, 3)], [square(4, 4, 3)]]},
        "multipolygon-with-hole": {
            "type": "MultiPolygon",
            "coordinates": [[square(0, 0, 5), hole], [square(5.5, 5.5, 2)]],
        },
        "level-of-detail": {"type": "Polygon", "coordinates": [square(1, 1, 4)], "lod": 2},
    }


GEOMETRIES = (
    "point",
    "nine-decimals",
    "altitude",
    "altitude-zero",
    "altitude-below",
    "line",
    "line-with-altitudes",
    "line-backwards",
    "polygon",
    "polygon-many-corners",
    "polygon-with-holes",
    "polygon-with-altitudes",
    "multipolygon",
    "multipolygon-with-hole",
    "level-of-detail",
)
"""The names of `geometries`, known before there is a city."""


def _name(random: Random, number: int) -> str:
    letters = "abcXYZ019_-äß한강"
    return f"{chr(97 + number)}{''.join(random.choices(letters, k=random.randint(1, 6)))}"


def _value(random: Random, depth: int) -> Any:
    plain: list[Any] = [
        random.randint(-(10**12), 10**12),
        round(random.uniform(-1e6, 1e6), random.randint(1, 9)),
        "".join(random.choices("abz 09.,;:!?#/äß한강🏙é'\"\\", k=random.randint(0, 20))),
        random.random() < 0.5,
        None,
    ]
    if depth == 0 or random.random() < 0.6:
        return random.choice(plain)
    if random.random() < 0.5:
        return [_value(random, depth - 1) for _ in range(random.randint(0, 4))]
    return {_name(random, number): _value(random, depth - 1) for number in range(random.randint(0, 4))}
