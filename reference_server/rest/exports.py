"""Exports over HTTP: a city streamed from one moment of it (additive)."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator

from reference_server.bulk import cityjson, export
from reference_server.errors import ApiError
from reference_server.rest import filters
from reference_server.rest.call import Call, Reply
from reference_server.services import cities

AT_ONCE = 4
"""Exports under way at the same time; each holds a read transaction."""
PIECE = 128 * 1024
"""Bytes that are made in one go; the event loop is free in between."""
SUFFIX = {"record": "json", "geojson": "geojson", "ndjson": "ndjson", "cityjson": "city.json"}
FORMATS = {**export.FORMATS, "cityjson": (cityjson.cityjson, b"application/city+json")}
_under_way: set[object] = set()


def under_way() -> int:
    """How many exports are under way."""
    return len(_under_way)


async def read(call: Call) -> Reply:
    """GET /cities/{cityId}/export: format record, geojson, cityjson or ndjson."""
    query = call.query()
    name = filters.choice(query, "format", FORMATS, "record")
    measurements = filters.choice(query, "measurements", export.MEASUREMENTS, export.LATEST)
    if name == "geojson" and call.city.system != "WGS84":
        raise ApiError("CONFLICT", "GeoJSON is WGS84 (RFC 7946), the city is not", {"cityId": call.city.id})
    if len(_under_way) >= AT_ONCE:
        raise ApiError("SERVICE_UNAVAILABLE", "too many exports are under way", headers={"retry-after": "10"})
    writer, media = FORMATS[name]
    shown = f'attachment; filename="{call.city.id}.{SUFFIX[name]}"'
    headers = {"content-disposition": shown, "cache-control": "no-store"}
    if call.method == "HEAD":
        return Reply(200, headers=headers, media_type=media)
    return Reply(200, headers=headers, media_type=media, chunks=_chunks(call, writer, measurements))


async def _chunks(
    call: Call, writer: Callable[[export.Export], Iterator[bytes]], measurements: str
) -> AsyncGenerator[bytes, None]:
    ticket = object()
    _under_way.add(ticket)
    view = None
    try:
        view = await asyncio.to_thread(call.world.storage.view)
        row = view.city(call.city.id)
        city = call.city if row is None else cities.decoded(row)
        pieces = writer(export.Export(view, city, measurements))
        while piece := await asyncio.to_thread(_piece, pieces):
            yield piece
            call.world.exported += len(piece)
    finally:
        _under_way.discard(ticket)
        if view is not None:
            view.close()


def _piece(texts: Iterator[bytes]) -> bytes:
    found: list[bytes] = []
    size = 0
    for text in texts:
        found.append(text)
        size += len(text)
        if size >= PIECE:
            break
    return b"".join(found)
