"""Spaces that the vectors of phase 1 search: geometries, instants and ids, sound ones and broken ones."""

import math
from calendar import monthrange
from typing import Any

from hypothesis import strategies as st

Shape = dict[str, Any]

_ALTITUDES = st.none() | st.integers(-50, 900)
_GRID = st.tuples(st.integers(0, 10**6), st.integers(0, 10**6))


def _place(at: tuple[int, int], altitude: int | None) -> list[float]:
    """A position inside the bounds of the base record, which reach from -8.7, 41.1 to -8.5, 41.25."""
    place = [round(-8.69 + at[0] * 1.8e-7, 7), round(41.11 + at[1] * 1.3e-7, 7)]
    return place if altitude is None else [*place, altitude]


def _around(
    middle: tuple[float, float], radii: list[int], altitude: int | None, *, back: bool = False
) -> Any:
    """A closed ring, counter-clockwise unless `back`; no two of its sides cross."""
    turn = 2 * math.pi / len(radii)
    ring = []
    for number, radius in enumerate(radii):
        x, y = math.cos(number * turn), math.sin(number * turn)
        place: list[float] = [
            round(middle[0] + radius * 1e-5 * x, 7),
            round(middle[1] + radius * 1e-5 * y, 7),
        ]
        ring.append(place if altitude is None else [*place, altitude])
    ring = ring[::-1] if back else ring
    return [*ring, list(ring[0])]


_PLACES = st.lists(_GRID, min_size=2, max_size=6, unique=True)
_RADII = st.lists(st.integers(200, 400), min_size=3, max_size=9)
_HOLES = st.lists(st.integers(20, 80), min_size=3, max_size=6)
_WEST, _EAST = (-8.65, 41.17), (-8.55, 41.18)

_LINES = st.tuples(_PLACES, _ALTITUDES).map(lambda drawn: [_place(at, drawn[1]) for at in drawn[0]])
_AREAS = st.tuples(_RADII, st.none() | _HOLES, _ALTITUDES).map(
    lambda drawn: [
        _around(_WEST, drawn[0], drawn[2]),
        *([] if drawn[1] is None else [_around(_WEST, drawn[1], drawn[2], back=True)]),
    ]
)
_FARTHER = _RADII.map(lambda radii: [_around(_EAST, radii, None)])

AREAS: st.SearchStrategy[Shape] = st.one_of(
    _AREAS.map(lambda rings: {"type": "Polygon", "coordinates": rings}),
    st.tuples(_AREAS, _FARTHER).map(lambda parts: {"type": "MultiPolygon", "coordinates": list(parts)}),
)
"""Sound areas, of one part or two, some with a hole, some with altitudes."""

SHAPES: st.SearchStrategy[Shape] = st.one_of(
    st.tuples(_GRID, _ALTITUDES).map(lambda one: {"type": "Point", "coordinates": _place(*one)}),
    _LINES.map(lambda line: {"type": "MultiPoint", "coordinates": line}),
    _LINES.map(lambda line: {"type": "LineString", "coordinates": line}),
    st.lists(_LINES, min_size=1, max_size=3).map(
        lambda lines: {"type": "MultiLineString", "coordinates": lines}
    ),
    AREAS,
)
"""Sound geometries inside the bounds of the base record."""

BREAKS = st.sampled_from(["open", "moved", "lifted", "short"])


def broken(shape: Shape, how: str) -> Shape:
    """The area with its last ring broken: left open, closed elsewhere or at another height, or too short."""
    rings = shape["coordinates"] if shape["type"] == "Polygon" else shape["coordinates"][-1]
    ring = [list(place) for place in rings[-1]]
    if how == "open":
        # A triangle without its end has three positions: then it breaks the same rule twice.
        ring = ring[:-1]
    elif how == "moved":
        ring[-1][0] = round(ring[-1][0] + 1e-6, 7)
    elif how == "lifted":
        ring = [[*place[:2], 12.0] for place in ring]
        ring[-1][2] = 12.5
    else:
        ring = [ring[0], ring[1], ring[0]]
    parts = [*rings[:-1], ring]
    return {
        **shape,
        "coordinates": parts if shape["type"] == "Polygon" else [*shape["coordinates"][:-1], parts],
    }


def _instant(parts: tuple[int, int, int, int, int, int, str, str]) -> str:
    year, month, day, hour, minute, second, fraction, zone = parts
    day = min(day, monthrange(year, month)[1])
    point = f".{fraction}" if fraction else ""
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{point}{zone}"


_ZONES = st.one_of(
    st.just("Z"),
    st.tuples(st.sampled_from("+-"), st.integers(0, 13), st.sampled_from([0, 15, 30, 45])).map(
        lambda zone: f"{zone[0] if zone[1:] != (0, 0) else '+'}{zone[1]:02}:{zone[2]:02}"
    ),
)
INSTANTS: st.SearchStrategy[str] = st.tuples(
    st.integers(1990, 2024),
    st.integers(1, 12),
    st.integers(1, 31),
    st.integers(0, 23),
    st.integers(0, 59),
    st.integers(0, 59),
    st.integers(0, 9).flatmap(lambda size: st.text("0123456789", min_size=size, max_size=size)),
    _ZONES,
).map(_instant)
"""Instants of the past: each month's last day, fractions of up to nine digits, offsets of quarter hours."""

FLAWS = st.sampled_from(["month", "no-month", "day", "no-day", "hour", "minute", "zone", "zoneless", "date"])


def flawed(instant: str, flaw: str) -> str:
    """The instant with one thing that no calendar, no clock or no zone has."""
    day, time = instant[:10], instant[11:]
    if flaw in ("month", "no-month"):
        return f"{day[:5]}{'13' if flaw == 'month' else '00'}-01T{time}"
    if flaw in ("day", "no-day"):
        last = monthrange(int(day[:4]), int(day[5:7]))[1]
        return f"{day[:8]}{last + 1 if flaw == 'day' else 0:02}T{time}"
    if flaw == "hour":
        return f"{day}T25{time[2:]}"
    if flaw == "minute":
        return f"{day}T{time[:3]}60{time[5:]}"
    bare = time.rstrip("Z") if time.endswith("Z") else time[:-6]
    return {"zone": f"{day}T{bare}+25:00", "zoneless": f"{day}T{bare}", "date": day}[flaw]


CITY_IDS: st.SearchStrategy[str] = st.tuples(
    st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=2, max_size=2),
    st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=1, max_size=12),
    st.integers(0, 9999),
).map(lambda parts: f"{parts[0]}-{parts[1]}-{parts[2]:04}")

SLIPS = st.tuples(
    st.sampled_from(["small", "longer-year", "shorter-year", "no-city", "one-letter", "underscore", "blank"]),
    st.integers(0, 1),
)


def slipped(name: str, slip: tuple[str, int]) -> str:
    """The city id with one slip of the pen."""
    how, which = slip
    country, city, year = name.split("-")
    letters = country[:which] + country[which].lower() + country[which + 1 :]
    return {
        "small": f"{letters}-{city}-{year}",
        "longer-year": f"{name}{which}",
        "shorter-year": name[:-1],
        "no-city": f"{country}--{year}",
        "one-letter": f"{country[which]}-{city}-{year}",
        "underscore": f"{country}_{city}-{year}" if which else f"{country}-{city}_{year}",
        "blank": f" {name}" if which else f"{name} ",
    }[how]


IDS: st.SearchStrategy[list[str]] = st.lists(
    st.tuples(
        st.sampled_from("abcXYZ019äß한"),
        st.text("abcXYZ019-_.:/#?&=%+~ äß한'", max_size=30),
        st.sampled_from("abcXYZ019äß한"),
    ).map("".join),
    min_size=8,
    max_size=8,
    unique=True,
)
"""Ids of eight things: any text is one (C-24)."""
