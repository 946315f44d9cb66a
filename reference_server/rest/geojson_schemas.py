"""JSON Schemas of GeoJSON geometries (RFC 7946) as this server takes and shows them (P1 5.1).

A schema cannot say that a ring ends where it starts, nor that a place lies in the city; both are checked.
"""

from typing import Any

Schema = dict[str, Any]


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _lists(of: Schema, least: int = 0) -> Schema:
    return {"type": "array", "items": of, "minItems": least}


POSITION: Schema = {
    "type": "array",
    "items": {"type": "number"},
    "minItems": 2,
    "maxItems": 3,
    "description": "longitude, latitude in degrees (or easting, northing in metres), altitude in metres",
}
LINE = _lists(_ref("Position"), 2)
RING: Schema = {**_lists(_ref("Position"), 4), "description": "the last position equals the first"}
COORDINATES: dict[str, Schema] = {
    "Point": _ref("Position"),
    "MultiPoint": _lists(_ref("Position")),
    "LineString": LINE,
    "MultiLineString": _lists(LINE),
    "Polygon": _lists(RING, 1),
    "MultiPolygon": _lists(_lists(RING, 1)),
}
LOD: Schema = {"enum": [0, 1, 2, 3, 4], "description": "level of detail"}


def shape(kind: str) -> Schema:
    """A geometry of one type."""
    return {
        "type": "object",
        "required": ["type", "coordinates"],
        "properties": {"type": {"const": kind}, "coordinates": COORDINATES[kind], "lod": LOD},
    }


COLLECTION: Schema = {
    "type": "object",
    "required": ["type", "geometries"],
    "properties": {
        "type": {"const": "GeometryCollection"},
        "geometries": _lists(_ref("Geometry")),
        "lod": LOD,
    },
}
COMPONENTS: dict[str, Schema] = {
    "Position": POSITION,
    "Point": {
        "type": "object",
        "required": ["type", "coordinates"],
        "properties": {"type": {"const": "Point"}, "coordinates": _ref("Position")},
    },
    "Polygon": shape("Polygon"),
    "Geometry": {
        "anyOf": [
            _ref("Polygon"),
            *(shape(kind) for kind in COORDINATES if kind != "Polygon"),
            COLLECTION,
        ]
    },
}
