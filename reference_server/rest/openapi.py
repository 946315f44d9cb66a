"""GET /openapi.json (3.1) from the route table and the schemas.

And a page that shows it without a network.
"""

import html
from collections.abc import Iterable
from typing import Any

from reference_server import VERSION, instants
from reference_server.auth import DELETE, MANAGE, MEASURE, READ, WRITE
from reference_server.rest import bulk_schemas, filters, routes
from reference_server.rest.call import JSON_PATCH, MERGE_PATCH, Call, Reply, reply_json
from reference_server.rest.examples import EXAMPLES
from reference_server.rest.routes import Route
from reference_server.rest.schemas import COMPONENTS, COUNT, DURATION, INSTANT, SHAPES, TEXT, Schema, ref
from reference_server.settings import BASE_PATH

PAGING: dict[str, Schema] = {
    "limit": {
        "type": "integer",
        "minimum": 1,
        "maximum": filters.LARGEST,
        "default": 100,
        "description": "more than 1000 counts as 1000",
    },
    "offset": {**COUNT, "maximum": filters.LARGEST, "default": 0},
}
ORDER: dict[str, Schema] = {
    "sortBy": {"type": "string", "pattern": f"^{filters.DOTTED}$"},
    "sortOrder": {"enum": ["asc", "desc"]},
    "updatedAfter": INSTANT,
    "updatedBefore": INSTANT,
}
SPAN: dict[str, Schema] = {"start": INSTANT, "end": INSTANT}
WORD: Schema = {"type": "string", "pattern": r"^[^\x00]*$"}
FIELDS: Schema = {
    "type": "string",
    "pattern": f"^{filters.DOTTED}(,{filters.DOTTED}){{0,30}}$",
    "description": "members to show, the id in any case",
}
LEVEL: Schema = {"enum": ["0", "1", "2", "3", "4", "auto"], "description": "level of detail of geometries"}
WORDS: Schema = {**WORD, "minLength": 1}
_DEGREES = r"-?[0-9]{1,3}(\.[0-9]{1,12})?"
BOX: Schema = {"type": "string", "pattern": f"^{_DEGREES}(,{_DEGREES}){{3}}$"}
CURSOR: Schema = {"type": "string", "pattern": "^[A-Za-z0-9_-]+$", "description": "`next` of a page before"}
_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"
PERIOD: Schema = {
    "type": "string",
    "pattern": f"^{_TIME}$|^{_TIME}/{_TIME}$|^{_TIME}/\\.\\.$|^\\.\\./{_TIME}$",
}
_LEVEL = r"(\+|[^/+#\x00-\x1f\x7f-\x9f\ufffe\uffff]+)"
TOPIC: Schema = {
    "type": "string",
    "pattern": f"^{_LEVEL}(/{_LEVEL}){{0,15}}$|^({_LEVEL}/){{0,15}}#$",
    "description": "a topic filter of at most 1024 bytes, inside the city",
}
QUERIES: dict[str, dict[str, Schema]] = {
    "queryMessages": {
        "topic": TOPIC,
        "since": {"anyOf": [{"type": "string", "pattern": "^[0-9]{1,18}$"}, INSTANT]},
        "limit": {"type": "integer", "minimum": 1, "maximum": 1000},
    },
    "queryObjects": {
        **PAGING,
        "type": WORD,
        "bounds": BOX,
        "cursor": CURSOR,
        **ORDER,
        "fields": FIELDS,
        "lod": LEVEL,
    },
    "getObject": {"fields": FIELDS, "lod": LEVEL},
    "querySensors": {
        **PAGING,
        "type": WORD,
        "status": {"enum": ["operational", "offline"]},
        "attachedTo": WORD,
        "cursor": CURSOR,
        **ORDER,
    },
    "querySimulations": {**PAGING, "type": WORD, "status": WORD},
    "ogcItems": {"limit": PAGING["limit"], "bbox": BOX, "datetime": PERIOD, "type": WORD, "cursor": CURSOR},
    "exportCity": {
        "format": {"enum": ["record", "geojson", "cityjson", "ndjson"]},
        "measurements": {"enum": ["latest", "all", "none"]},
    },
    "startImport": {"mode": {"enum": ["upsert", "insert"]}},
    "queryImports": PAGING,
    "getImportErrors": PAGING,
    "queryServices": {"category": WORD},
    "getSensorData": {**SPAN, "parameter": WORD, "limit": PAGING["limit"]},
    "aggregateSensorData": {
        "sensors": WORDS,
        "parameter": WORDS,
        "aggregation": {"enum": ["average", "min", "max", "sum", "count"]},
        "interval": {"type": "string", "pattern": DURATION},
        **SPAN,
    },
    "latestReadings": {"ids": WORDS, **PAGING},
    "getObjectHistory": SPAN,
    "compareSnapshots": {"time1": INSTANT, "time2": INSTANT},
    "audit": {"limit": PAGING["limit"], "before": PAGING["offset"], "kind": WORD},
    "cityAudit": {"limit": PAGING["limit"], "before": PAGING["offset"], "kind": WORD},
    "queryAlerts": {"limit": PAGING["limit"], "before": PAGING["offset"]},
    "staResource": {
        "$filter": WORD,
        "$expand": WORD,
        "$select": WORD,
        "$orderby": WORD,
        "$top": PAGING["offset"],
        "$skip": {"type": "integer", "minimum": 0, "maximum": 10_000_000},
        "$count": {"type": "boolean"},
    },
}
NEEDED = frozenset(
    {
        ("compareSnapshots", "time1"),
        ("compareSnapshots", "time2"),
        ("aggregateSensorData", "sensors"),
        ("aggregateSensorData", "parameter"),
    }
)
PAST = instants.show(instants.now_us() // instants.MICROS * instants.MICROS)
"""An instant that an example may name: when this program was started."""
PARAMETER_EXAMPLES = {
    "timestamp": PAST,
    "time1": PAST,
    "time2": PAST,
    "sensors": "sensor-traffic-001",
    "parameter": "traffic_volume",
}
RIGHTS = {READ: "read", WRITE: "write", DELETE: "delete", MEASURE: "measure", MANAGE: "manage"}


def document() -> dict[str, Any]:
    """The OpenAPI description of this server."""
    paths: dict[str, dict[str, Any]] = {}
    for prefix, table in ((BASE_PATH, routes.below_base()), ("", routes.at_origin())):
        for route in table:
            paths.setdefault(prefix + route.path.replace("...", ""), {})[route.method.lower()] = operation(
                route
            )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Reference twin of the WIA Digital Twin City standard",
            "version": VERSION,
            "description": "Operational scope: multi-tenant; a key or token has a role in its cities.",
            "license": {"name": "see the project"},
        },
        "servers": [{"url": "/"}],
        "x-operational-scope": "multi-tenant",
        "paths": paths,
        "components": {
            "schemas": COMPONENTS,
            "securitySchemes": {
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "oauth": {
                    "type": "oauth2",
                    "flows": {
                        "clientCredentials": {
                            "tokenUrl": "/oauth/token",
                            "scopes": {name: f"the right to {name}" for name in RIGHTS.values()},
                        }
                    },
                },
            },
        },
    }


def operation(route: Route) -> dict[str, Any]:
    """One operation."""
    body, status, answer = SHAPES.get(route.operation, (None, 200, None))
    shown: dict[str, Any] = {
        "operationId": route.operation,
        "summary": route.summary,
        "parameters": list(parameters(route)),
        "responses": {str(status): response(answer), "default": error(route)},
        "security": [] if route.right is None else [{"apiKey": []}, {"oauth": [RIGHTS[route.right]]}],
    }
    if body is not None:
        media: dict[str, Any] = {"schema": ref(body)}
        if route.operation in EXAMPLES:
            media["example"] = EXAMPLES[route.operation]
        content = {"application/json": media}
        if body == "Patch":
            content |= {MERGE_PATCH: media, JSON_PATCH: NO_CHANGE}
        shown["requestBody"] = {"required": True, "content": content}
    if route.operation in bulk_schemas.ANSWERS:
        shown["responses"]["200"] = {
            "description": route.summary,
            "content": bulk_schemas.ANSWERS[route.operation],
        }
    if route.operation in bulk_schemas.BODIES:
        shown["requestBody"] = {"required": True, "content": bulk_schemas.BODIES[route.operation]}
    if route.operation == "getToken":
        shown["requestBody"] = {
            "required": True,
            "content": {"application/x-www-form-urlencoded": {"schema": FORM}},
        }
        shown["responses"]["200"] = response("Token")
    if route.operation.startswith(("ogc", "sta")):
        kind = "application/geo+json" if route.operation in ("ogcItems", "ogcItem") else "application/json"
        shown["responses"]["200"] = {
            "description": route.summary,
            "content": {kind: {"schema": {"type": "object"}}},
        }
    if route.operation in MEDIA:
        shown["responses"]["200"] = {
            "description": "Text",
            "content": {MEDIA[route.operation]: {"schema": TEXT}},
        }
    if route.operation == "openapi":
        shown["responses"]["200"] = {"description": "This document", "content": {"application/json": {}}}
    return shown


NO_CHANGE: dict[str, Any] = {"schema": ref("JsonPatch"), "example": []}
FORM: Schema = {
    "type": "object",
    "required": ["grant_type"],
    "properties": {
        "grant_type": {"const": "client_credentials"},
        **dict.fromkeys(("client_id", "client_secret", "scope"), TEXT),
    },
}
MEDIA = {"metrics": "text/plain", "docs": "text/html", "live": "text/html"}


def parameters(route: Route) -> Iterable[dict[str, Any]]:
    """The parameters of a route: those of its path, then those of its query."""
    for name in routes.names(route):
        schema = INSTANT if name == "timestamp" else {"type": "string", "minLength": 1}
        yield {"name": name, "in": "path", "required": True, "schema": schema, **_example(name)}
    for name, schema in QUERIES.get(route.operation, {}).items():
        required = (route.operation, name) in NEEDED
        yield {"name": name, "in": "query", "required": required, "schema": schema, **_example(name)}


def _example(name: str) -> dict[str, str]:
    return {"example": PARAMETER_EXAMPLES[name]} if name in PARAMETER_EXAMPLES else {}


def response(name: str | None) -> dict[str, Any]:
    """An answer of success."""
    if name is None:
        return {"description": "Done"}
    return {"description": name, "content": {"application/json": {"schema": ref(name)}}}


def error(route: Route) -> dict[str, Any]:
    """Every other answer."""
    name = {"getToken": "OAuthError", "ready": "Ready"}.get(route.operation, "Error")
    return {"description": "A refusal", "content": {"application/json": {"schema": ref(name)}}}


async def read(call: Call) -> Reply:
    """GET /openapi.json."""
    return reply_json(document())


async def page(call: Call) -> Reply:
    """GET /docs: the operations on one page, without scripts and without a network."""
    rows = []
    for path, methods in document()["paths"].items():
        for method, shown in methods.items():
            cells = (method.upper(), path, shown["summary"], _asked(shown), _right(shown))
            rows.append("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>")
    text = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Reference twin</title>'
        "<style>body{font:16px/1.5 sans-serif;margin:2rem}td,th{padding:.2rem .8rem;text-align:left;"
        "vertical-align:top}</style>"
        '<h1>Reference twin</h1><p>The full description: <a href="/openapi.json">/openapi.json</a>. '
        "Send a key as X-API-Key, or a token of /oauth/token as Authorization: Bearer.</p>"
        "<table><thead><tr><th>Method</th><th>Path</th><th>What</th><th>Query and body</th><th>Right</th>"
        "</tr></thead><tbody>" + "".join(rows) + "</tbody></table></html>"
    )
    headers = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"}
    return Reply(200, text.encode(), headers, b"text/html; charset=utf-8")


def _asked(shown: dict[str, Any]) -> str:
    """What an operation may be given: its query parameters, the needed ones with a star, and its body."""
    query = [one for one in shown["parameters"] if one["in"] == "query"]
    names = [one["name"] + ("*" if one["required"] else "") for one in query]
    for media, content in shown.get("requestBody", {"content": {}})["content"].items():
        schema = content["schema"].get("$ref", "").rpartition("/")[2]
        names.append(f"{media} {schema}".strip())
    return ", ".join(names)


def _right(shown: dict[str, Any]) -> str:
    return next((one["oauth"][0] for one in shown["security"] if "oauth" in one), "open")
