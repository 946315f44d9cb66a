"""Objects over HTTP (P2 4.3)."""

import urllib.parse
from collections.abc import Sequence

import msgspec
import orjson

from reference_server import instants
from reference_server.geometry import Box
from reference_server.rest import cursor, filters, links
from reference_server.rest.call import Call, Reply, reply_json
from reference_server.rest.conditional import expected_revision
from reference_server.rest.links import linked, path_to
from reference_server.services import detail, objects
from reference_server.storage.protocol import Page, Row

GEOJSON = b"application/geo+json"


def etag(revision: int) -> str:
    """The entity tag of a revision."""
    return f'"{revision}"'


async def create(call: Call) -> Reply:
    """POST /cities/{cityId}/objects: 201 with id, type and created."""
    body = await call.json_object()
    call.render = lambda row: created(call, "objects", row)
    return call.render(await objects.create(call.world, call.city, body, call.actor))


def created(call: Call, collection: str, row: Row) -> Reply:
    """The answer to a created object or sensor."""
    headers = {"location": path_to(call.city.id, collection, row.id), "etag": etag(row.revision)}
    return reply_json({"id": row.id, "type": row.type, "created": instants.show(row.updated)}, 201, headers)


async def read(call: Call) -> Reply:
    """GET /cities/{cityId}/objects/{objectId}."""
    row = await objects.find(call.world, call.city, call.params["objectId"])
    query = call.query()
    body = row.body
    if query:
        body = part_of(body, filters.fields(query), _level(call, query, None))
    shown = linked(body, links.of_object(call.city.id, row.id))
    return Reply(200, shown, {"etag": etag(row.revision)})


async def patch(call: Call) -> Reply:
    """PATCH /cities/{cityId}/objects/{objectId}: RFC 7396 or 6902, answered with the object as it is."""
    change = await call.change()
    row = await objects.patch(
        call.world, call.city, call.params["objectId"], change, call.actor, expected_revision(call)
    )
    shown = linked(row.body, links.of_object(call.city.id, row.id))
    return Reply(200, shown, {"etag": etag(row.revision)})


async def delete(call: Call) -> Reply:
    """DELETE /cities/{cityId}/objects/{objectId}: 204."""
    await objects.delete(call.world, call.city, call.params["objectId"], call.actor, expected_revision(call))
    return Reply(204)


async def listing(call: Call) -> Reply:
    """GET /cities/{cityId}/objects: a page, as JSON or as a GeoJSON FeatureCollection."""
    query = call.query()
    question = filters.object_query(query, call.city.no)
    names, level = filters.fields(query), _level(call, query, question.box)
    geojson = filters.one(query, "f") == "geojson" or b"geo+json" in call.headers.get(b"accept", b"")
    if geojson and names is not None:
        raise filters.bad("fields", "fields chooses members of JSON, not of GeoJSON")
    page = await call.world.storage.objects(question)
    following = _next(page, question.limit) if question.sort is None and not question.descending else None
    if names is not None or level < detail.FULL:
        rows = [msgspec.structs.replace(row, body=part_of(row.body, names, level)) for row in page.rows]
        page = Page(rows, page.total)
    if geojson:
        return Reply(200, feature_collection(page), media_type=GEOJSON)
    body = envelope("objects", page, question.limit, question.offset, following)
    return Reply(200, linked(body, page_links(call, following)))


def _level(call: Call, query: filters.Query, box: Box | None) -> int:
    wanted = filters.level(query)
    if wanted == "auto":
        return detail.level_for(box, call.city.system)
    return detail.FULL if wanted is None else int(wanted)


def part_of(body: bytes, names: tuple[str, ...] | None, level: int) -> bytes:
    """An object with the members and at the level of detail that are asked for."""
    item = orjson.loads(body)
    if level < detail.FULL:
        item["geometry"] = detail.reduced(item["geometry"], level)
    return orjson.dumps(item if names is None else detail.chosen(item, names))


def page_links(call: Call, following: str | None) -> dict[str, str]:
    """Where a page is, and where the next one is."""
    path = call.target.partition(b"?")[0].decode("ascii", "replace")
    query = call.query()
    here = f"{path}?{urllib.parse.urlencode(query)}" if query else path
    if following is None:
        return {"self": here}
    kept = [pair for pair in query if pair[0] not in ("cursor", "offset")]
    return {"self": here, "next": f"{path}?{urllib.parse.urlencode([*kept, ('cursor', following)])}"}


def _next(page: Page, limit: int) -> str | None:
    return cursor.write(page.rows[-1].no) if len(page.rows) == limit else None


def envelope(name: str, page: Page, limit: int, offset: int, following: str | None) -> bytes:
    """A page as the reference writes it.

    The rows, count, total, limit, offset, and where the walk goes on.
    """
    counts = {"count": len(page.rows), "total": page.total, "limit": limit, "offset": offset}
    if following is not None:
        counts["next"] = following  # type: ignore[assignment]
    rows = b",".join(row.body for row in page.rows)
    return b'{"' + name.encode() + b'":[' + rows + b"]," + orjson.dumps(counts)[1:]


def feature_collection(page: Page) -> bytes:
    """A page as GeoJSON (P1 6.2)."""
    shown = {
        "type": "FeatureCollection",
        "features": features(page.rows),
        "numberMatched": page.total,
        "numberReturned": len(page.rows),
    }
    return orjson.dumps(shown)


def features(rows: Sequence[Row]) -> list[dict[str, object]]:
    """Objects as GeoJSON Features; the id stands in properties.cityObjectId too (P1 6.2)."""
    return [feature(orjson.loads(row.body)) for row in rows]


def feature(item: dict[str, object]) -> dict[str, object]:
    """One object as a GeoJSON Feature."""
    properties = item["properties"] if isinstance(item["properties"], dict) else {}
    return {
        "type": "Feature",
        "id": item["id"],
        "geometry": item["geometry"],
        "properties": {**properties, "cityObjectId": item["id"], "type": item["type"]},
    }
