"""The columns of a table that hold places, by the names that registers give them in several languages."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from dtc_cli.migrate import values

WKT_NAMES = ("wkt", "geom", "geometry", "the_geom", "shape", "wkb_geometry", "geom_wkt", "도형")
DEGREES_X = (
    "lon", "lng", "long", "longitude", "경도", "경도값", "経度", "stop_lon", "längengrad", "laengengrad",
    "geogr_länge", "geogr_laenge", "geografische_länge", "geographische_länge", "longitud", "longitudine",
    "longitude_dd", "lon_dd", "lengtegraad", "długość_geograficzna",
)  # fmt: skip
DEGREES_Y = (
    "lat", "latitude", "위도", "위도값", "緯度", "stop_lat", "breitengrad", "geogr_breite",
    "geografische_breite", "geographische_breite", "latitud", "latitudine", "latitude_dd", "lat_dd",
    "breedtegraad", "szerokość_geograficzna",
)  # fmt: skip
PLANE_X = (
    "x", "xcoord", "x_coord", "coord_x", "coordx", "easting", "x좌표", "좌표x", "x좌표값", "좌표정보(x)",
    "rechtswert", "ostwert", "coordonnee_x", "coordonnée_x", "coordenada_x", "coord_x_m", "coordinata_x",
    "utm_x", "x_utm",
)  # fmt: skip
PLANE_Y = (
    "y", "ycoord", "y_coord", "coord_y", "coordy", "northing", "y좌표", "좌표y", "y좌표값", "좌표정보(y)",
    "hochwert", "nordwert", "coordonnee_y", "coordonnée_y", "coordenada_y", "coord_y_m", "coordinata_y",
    "utm_y", "y_utm",
)  # fmt: skip
DOUBTFUL = (("länge", "breite"), ("laenge", "breite"), ("lengte", "breedte"))
"""Longitude and latitude, or length and width: the values tell."""


def folded(name: str) -> str:
    """The name of a column in lower case, composed, with one mark between words."""
    composed = unicodedata.normalize("NFKC", name).lower().strip()
    return re.sub(r"[\s.\-_]+", "_", composed).strip("_")


def of_geometry(header: Sequence[str]) -> tuple[str | None, str | None, str | None, bool]:
    """The columns of well-known text, of x and of y by their names, and whether these are degrees."""
    named: dict[str, str] = {}
    for name in reversed(header):
        # What stands in brackets is a unit or a system: `경도(WGS84)`.
        named[re.sub(r"\([^)]*\)$", "", folded(name)).rstrip("_")] = name
    for name in reversed(header):
        named[folded(name)] = name
    x, degrees = _first(named, DEGREES_X), True
    if x is None:
        x, degrees = _first(named, PLANE_X), False
    y = _first(named, DEGREES_Y + PLANE_Y if degrees else PLANE_Y + DEGREES_Y)
    return _first(named, WKT_NAMES), x, y, degrees


def doubtful(header: Sequence[str]) -> tuple[str, str] | None:
    """Columns that are longitude and latitude or length and width."""
    named = {folded(name): name for name in reversed(header)}
    return next(((named[x], named[y]) for x, y in DOUBTFUL if x in named and y in named), None)


def in_degrees(pairs: Iterable[tuple[Any, Any]]) -> bool:
    """Whether pairs are longitudes and latitudes as they are written: within range, most to 3 decimals."""
    fine = seen = 0
    for pair in pairs:
        try:
            x, y = (ordinate(one) for one in pair)
        except ValueError:
            continue
        if x is None or y is None:
            continue
        if abs(x) > 180 or abs(y) > 90:
            return False
        seen += 1
        fine += any(round(one, 2) != one for one in (x, y))
    return seen > 0 and 2 * fine >= seen


_SEXAGESIMAL = re.compile(
    r"""\s*(?P<before>[NSEW])?\s*(?P<sign>-)?(?P<degrees>\d{1,3})\s*[°ºd:]\s*(?P<minutes>\d{1,2}(?:[.,]\d+)?)\s*
    (?:['\u2032\u2019m:]\s*(?:(?P<seconds>\d{1,2}(?:[.,]\d+)?)\s*(?:["\u2033\u201ds]|'')?)?)?\s*(?P<after>[NSEWO])?\s*""",
    re.IGNORECASE | re.VERBOSE,
)


def ordinate(given: Any) -> float | int | None:
    """A coordinate: a number, or degrees, minutes and seconds as 37°33'58.9"N.

    Raises:
        ValueError: for anything else.
    """
    match = _SEXAGESIMAL.fullmatch(given) if isinstance(given, str) else None
    if match is None:
        return values.number(given)
    parts = (match["degrees"], match["minutes"], match["seconds"] or "0")
    degrees, minutes, seconds = (float(part.replace(",", ".")) for part in parts)
    if minutes >= 60 or seconds >= 60:
        raise ValueError(f"{given.strip()} is no angle")
    turned = (match["before"] or match["after"] or "").upper() in ("S", "W")
    return (-1 if turned or match["sign"] else 1) * (degrees + minutes / 60 + seconds / 3600)


def _first(named: dict[str, str], wanted: Iterable[str]) -> str | None:
    return next((named[name] for name in wanted if name in named), None)
