"""A read-only OGC API Features facade (Part 1: Core, GeoJSON): GDAL, QGIS and OWSLib read the city by it.

Coordinates are CRS84 (longitude, latitude in degrees); a city in a projected system is not offered here.
"""

import urllib.parse
from typing import Any

import msgspec
import orjson

from reference_server import instants
from reference_server.errors import ApiError
from reference_server.rest import cursor, filters
from reference_server.rest.call import Call, Reply, reply_json
from reference_server.rest.objects import GEOJSON, feature
from reference_server.services import objects
from reference_server.storage.protocol import ObjectQuery

CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
CLASSES = [f"http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/{name}" for name in ("core", "geojson")]
COLLECTION = "objects"


def base(call: Call) -> str:
    """The absolute address of the facade, as the caller reached it."""
    return f"{call.origin}/ogc/{urllib.parse.quote(call.city.id, safe='')}"


def link(href: str, rel: str, kind: str = "application/json") -> dict[str, str]:
    """A link."""
    return {"href": href, "rel": rel, "type": kind}


def require_degrees(call: Call) -> None:
    """Only a city in degrees is offered.

    Raises:
        ApiError: ROUTE_NOT_FOUND.
    """
    if call.city.system != "WGS84":
        raise ApiError("ROUTE_NOT_FOUND", "this facade offers cities in WGS84 only", {"cityId": call.city.id})


async def landing(call: Call) -> Reply:
    """GET /ogc/{cityId}: the landing page."""
    require_degrees(call)
    here = base(call)
    origin = here.partition("/ogc/")[0]
    links = [
        link(here, "self"),
        link(f"{origin}/openapi.json", "service-desc", "application/vnd.oai.openapi+json;version=3.1"),
        link(f"{origin}/docs", "service-doc", "text/html"),
        link(f"{here}/conformance", "conformance"),
        link(f"{here}/collections", "data"),
    ]
    return reply_json({"title": call.city.body["name"], "links": links})


async def conformance(call: Call) -> Reply:
    """GET /ogc/{cityId}/conformance."""
    return reply_json({"conformsTo": CLASSES})


def described(call: Call) -> dict[str, Any]:
    """The one collection: all city objects."""
    here = f"{base(call)}/collections/{COLLECTION}"
    return {
        "id": COLLECTION,
        "title": f"City objects of {call.city.body['name']}",
        "itemType": "feature",
        "crs": [CRS84],
        "extent": {"spatial": {"bbox": [list(call.city.bounds.box)], "crs": CRS84}},
        "links": [link(here, "self"), link(f"{here}/items", "items", "application/geo+json")],
    }


async def collections(call: Call) -> Reply:
    """GET /ogc/{cityId}/collections."""
    require_degrees(call)
    links = [link(f"{base(call)}/collections", "self")]
    return reply_json({"links": links, "collections": [described(call)]})


def require_collection(call: Call) -> None:
    """The collection in the path must be the one there is.

    Raises:
        ApiError: ROUTE_NOT_FOUND.
    """
    require_degrees(call)
    if call.params["collectionId"] != COLLECTION:
        raise ApiError("ROUTE_NOT_FOUND", f"the only collection is {COLLECTION}", {"cityId": call.city.id})


async def collection(call: Call) -> Reply:
    """GET /ogc/{cityId}/collections/{collectionId}."""
    require_collection(call)
    return reply_json(described(call))


def period(text: str) -> tuple[int | None, int | None]:
    """The datetime parameter: an instant, or an interval that may be open on a side.

    Raises:
        ApiError: INVALID_PARAMETERS.
    """
    start, slash, end = text.partition("/")
    if not slash and start in ("", ".."):
        raise filters.bad("datetime", "datetime must be an RFC 3339 instant or an interval of two", text)
    found = [_end(part) for part in ((start, end) if slash else (start, start))]
    if found[0] is not None and found[1] is not None and found[0] > found[1]:
        raise filters.bad("datetime", "the interval ends before it starts", text)
    return found[0], found[1]


def _end(text: str) -> int | None:
    if text in ("", ".."):
        return None
    at = instants.parse(instants.repair_plus(text))
    if at is None:
        raise filters.bad("datetime", "datetime must be an RFC 3339 instant or an interval of two", text)
    return at


def question(call: Call) -> ObjectQuery:
    """The request as a question to the objects.

    Raises:
        ApiError: INVALID_PARAMETERS.
    """
    query = call.query()
    limit, offset = filters.paging(query)
    bbox, when, mark = (filters.one(query, name) for name in ("bbox", "datetime", "cursor"))
    parts = (bbox or "").split(",")
    if len(parts) == 6:  # with altitudes, which do not count here
        parts = [parts[0], parts[1], parts[3], parts[4]]
    start, end = (None, None) if when is None else period(when)
    known = {"bbox", "datetime", "bbox-crs", "crs", "f"}
    rest = [pair for pair in query if pair[0] not in known]
    return ObjectQuery(
        city=call.city.no,
        types=filters.types(query),
        box=None if bbox is None else filters.box(",".join(parts)),
        conditions=filters.conditions(rest),
        updated_after=None if start is None else start - 1,
        updated_before=None if end is None else end + 1,
        limit=limit,
        offset=offset,
        after=None if mark is None else cursor.read(mark),
    )


async def items(call: Call) -> Reply:
    """GET /ogc/{cityId}/collections/{collectionId}/items: a page of Features, with a link to the next."""
    require_collection(call)
    asked = question(call)
    # one more than shown tells whether there is a next page
    page = await call.world.storage.objects(msgspec.structs.replace(asked, limit=asked.limit + 1))
    rows = page.rows[: asked.limit]
    here = f"{base(call)}/collections/{COLLECTION}/items"
    kept = [pair for pair in call.query() if pair[0] not in ("cursor", "offset")]
    links = [link(f"{here}?{urllib.parse.urlencode(call.query())}", "self", "application/geo+json")]
    if len(page.rows) > asked.limit:
        following = urllib.parse.urlencode([*kept, ("cursor", cursor.write(rows[-1].no))])
        links.append(link(f"{here}?{following}", "next", "application/geo+json"))
    shown = {
        "type": "FeatureCollection",
        "features": [feature(orjson.loads(row.body)) for row in rows],
        "numberMatched": page.total,
        "numberReturned": len(rows),
        "timeStamp": instants.show(instants.now_us()),
        "links": links,
    }
    return Reply(200, orjson.dumps(shown), media_type=GEOJSON)


async def item(call: Call) -> Reply:
    """GET /ogc/{cityId}/collections/{collectionId}/items/{featureId}."""
    require_collection(call)
    row = await objects.find(call.world, call.city, call.params["featureId"])
    here = f"{base(call)}/collections/{COLLECTION}"
    name = urllib.parse.quote(row.id, safe="")
    links = [link(f"{here}/items/{name}", "self", "application/geo+json"), link(here, "collection")]
    return Reply(200, orjson.dumps({**feature(orjson.loads(row.body)), "links": links}), media_type=GEOJSON)
