"""The part of the OpenAPI document that describes imports and exports."""

from typing import Any

from reference_server.rest.schemas import (
    ANY,
    COMPONENTS,
    COUNT,
    INSTANT,
    NAME,
    PAGE,
    SHAPES,
    TEXT,
    Schema,
    listed,
    ref,
    thing,
)

NDJSON = "application/x-ndjson"
GEOJSON = "application/geo+json"
COUNTED = ("rows", "created", "updated", "unchanged", "deleted", "failed", "measurements")
ERROR = thing(
    ["line", "pointer", "code", "message"], line=COUNT, pointer=TEXT, code=NAME, message=NAME, id=TEXT
)

COMPONENTS |= {
    "Import": thing(
        ["id", "type", "status", "progress", "counts", "errors", "errorsTotal"],
        id=NAME,
        type={"enum": ["import", "removal"]},
        status={"enum": ["pending", "running", "completed", "failed", "cancelled"]},
        progress={"type": "integer", "minimum": 0, "maximum": 100},
        created=INSTANT,
        completed=INSTANT,
        mode={"enum": ["upsert", "insert"]},
        removes={"type": "string", "description": "the import whose entities this job removes"},
        counts=thing(list(COUNTED), **dict.fromkeys(COUNTED, COUNT)),
        errors=listed(ERROR),
        errorsTotal=COUNT,
    ),
    "Imports": thing(["imports", "count", "total"], imports=listed(ref("Import")), **PAGE),
    "ImportErrors": thing(["errors", "count", "total"], errors=listed(ERROR), **PAGE),
    "FeatureCollection": thing(
        ["type", "features"], type={"const": "FeatureCollection"}, features=listed(ANY)
    ),
}
SHAPES |= {
    "queryImports": (None, 200, "Imports"),
    "getImport": (None, 200, "Import"),
    "getImportErrors": (None, 200, "ImportErrors"),
    "cancelImport": (None, 200, "Import"),
    "exportCity": (None, 200, "Record"),
    "startImport": (None, 202, "Import"),
    "removeImport": (None, 202, "Import"),
}
ROWS = "a FeatureCollection or a record; its rows are judged one by one, later, and named in the job's errors"
EXAMPLE: dict[str, Any] = {"type": "FeatureCollection", "features": []}
BODIES: dict[str, Schema] = {
    "startImport": {
        "application/json": {"schema": {**ANY, "description": ROWS}, "example": EXAMPLE},
        GEOJSON: {
            "schema": {
                "type": "object",
                "required": ["type", "features"],
                "properties": {"type": {"const": "FeatureCollection"}, "features": {"type": "array"}},
                "description": ROWS,
            },
            "example": EXAMPLE,
        },
        NDJSON: {"schema": {"description": "a row in each line"}, "example": ""},  # any bytes: judged by line
    }
}
"""By operation: the content of a request body that has several forms."""

ANSWERS: dict[str, Schema] = {
    "exportCity": {
        "application/json": {"schema": ref("Record")},
        GEOJSON: {"schema": ref("FeatureCollection")},
        "application/city+json": {"schema": ANY},
        NDJSON: {"schema": {"type": "string", "contentMediaType": NDJSON}},
    },
}
"""By operation: the content of an answer that has several forms."""
