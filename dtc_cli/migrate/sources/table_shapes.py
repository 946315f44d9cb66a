"""Geometry as a cell of a table holds it: well-known text, extended or not, hexadecimal WKB, GeoJSON."""

import re
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dtc_cli.migrate.trouble import need

_STATED = re.compile(r"\s*SRID\s*=\s*(\d+)\s*;\s*", re.IGNORECASE)
_HEX = re.compile(r"(?:\\x|0x)?((?:00|01)[0-9A-Fa-f]{16,})")
_SRID_FLAG = 0x20000000
LON_LAT = 4326
"""The system of GeoJSON (RFC 7946, 4)."""


def shape_of(text: str) -> Any:
    """The shape of a cell.

    Raises:
        ValueError: for what is none of the forms.
    """
    import shapely

    plain = _STATED.sub("", text, count=1)
    packed = _HEX.fullmatch(plain.strip())
    try:
        if packed is not None:
            return shapely.set_srid(shapely.from_wkb(packed[1]), 0)
        if plain.startswith("{"):
            return shapely.from_geojson(plain)
        return shapely.from_wkt(plain)
    except NotImplementedError:
        return _linear(plain)
    except shapely.errors.ShapelyError as problem:
        kind = "hexadecimal WKB" if packed else "GeoJSON" if plain.startswith("{") else "well-known text"
        raise ValueError(f"not {kind}: {text[:60]}") from problem


def srid_of(text: str) -> int | None:
    """The reference system that a cell states, as its EPSG code; None where it states none."""
    stated = _STATED.match(text)
    if stated is not None:
        return int(stated[1]) or None
    if text.startswith("{"):
        return LON_LAT
    packed = _HEX.fullmatch(text.strip())
    if packed is None:
        return None
    order = "little" if packed[1][:2] == "01" else "big"
    head = bytes.fromhex(packed[1][2:18])
    if not int.from_bytes(head[:4], order) & _SRID_FLAG:  # type: ignore[arg-type]
        return None
    return int.from_bytes(head[4:8], order) or None  # type: ignore[arg-type]


def common_srid(texts: Iterable[str | None]) -> int | None:
    """The system that all cells with a geometry state; None where one states none, or another."""
    found = {srid_of(text) for text in texts if text}
    return found.pop() if len(found) == 1 else None


def _linear(text: str) -> Any:
    """A shape with arcs, drawn as lines as GDAL does it.

    Raises:
        ValueError: where GDAL cannot either.
    """
    import shapely

    raw = need("pyogrio.raw", what="reading arcs")
    try:
        with tempfile.TemporaryDirectory(prefix="dtc-migrate-") as folder:
            place = Path(folder) / "arcs.csv"
            place.write_text('id,WKT\n1,"' + text.replace('"', "") + '"\n', encoding="utf-8")
            _, _, shapes, _ = raw.read(str(place))
        if shapes is None or shapes[0] is None:
            raise ValueError(f"not well-known text: {text[:60]}")
        return shapely.from_wkb(shapes[0])
    except Exception as problem:  # the library raises a dozen kinds
        raise ValueError(f"arcs that cannot be drawn as lines: {text[:60]}") from problem
