"""Sensors and their readings over HTTP (P2 4.4)."""

from typing import Any

import orjson

from reference_server.messaging.directory import binary_id
from reference_server.rest import cursor, filters, links
from reference_server.rest.caching import tag
from reference_server.rest.call import Call, Reply, reply_json
from reference_server.rest.conditional import expected_revision
from reference_server.rest.links import linked
from reference_server.rest.objects import created, envelope, etag, page_links
from reference_server.services import readings, sensors, snapshots

MAX_LATEST = 1000


async def register(call: Call) -> Reply:
    """POST /cities/{cityId}/sensors: 201 with id, type and created."""
    body = await call.json_object()
    call.render = lambda row: created(call, "sensors", row)
    return call.render(await sensors.register(call.world, call.city, body, call.actor))


async def read(call: Call) -> Reply:
    """GET /cities/{cityId}/sensors/{sensorId}: with its newest readings."""
    row = await sensors.find(call.world, call.city, call.params["sensorId"])
    newest = await call.world.storage.latest([row.no])
    shown = snapshots.node(orjson.loads(row.body), {row.id: newest[row.no]})
    shown["binaryId"] = str(binary_id(call.city.id, row.id))  # C-24
    body = linked(orjson.dumps(shown), links.of_sensor(call.city.id, row.id, shown.get("attachedTo")))
    return Reply(200, body, {"etag": f'"{row.revision}.{tag(body)}"'})


async def patch(call: Call) -> Reply:
    """PATCH /cities/{cityId}/sensors/{sensorId}: RFC 7396 or 6902, answered with the sensor as it is."""
    change = await call.change()
    row = await sensors.patch(
        call.world, call.city, call.params["sensorId"], change, call.actor, expected_revision(call)
    )
    attached = orjson.loads(row.body).get("attachedTo")
    shown = linked(row.body, links.of_sensor(call.city.id, row.id, attached))
    return Reply(200, shown, {"etag": etag(row.revision)})


async def delete(call: Call) -> Reply:
    """DELETE /cities/{cityId}/sensors/{sensorId}: 204."""
    await sensors.delete(call.world, call.city, call.params["sensorId"], call.actor, expected_revision(call))
    return Reply(204)


async def listing(call: Call) -> Reply:
    """GET /cities/{cityId}/sensors: a page."""
    question = filters.sensor_query(call.query(), call.city.no)
    page = await call.world.storage.sensors(question)
    following = cursor.write(page.rows[-1].no) if len(page.rows) == question.limit else None
    body = envelope("sensors", page, question.limit, question.offset, following)
    return Reply(200, linked(body, page_links(call, following)))


async def data(call: Call) -> Reply:
    """GET /cities/{cityId}/sensors/{sensorId}/data: readings in a range of time."""
    query = call.query()
    limit = readings.MAX_READINGS
    if filters.one(query, "limit") is not None:
        limit = filters.paging(query)[0]
    shown = await readings.data(
        call.world,
        call.city,
        call.params["sensorId"],
        start=filters.instant(query, "start"),
        end=filters.instant(query, "end"),
        parameter=filters.one(query, "parameter"),
        limit=limit,
    )
    return reply_json(shown)


async def submit(call: Call) -> Reply:
    """POST /cities/{cityId}/sensors/{sensorId}/data: 201 with the number of readings taken."""
    body = await call.json_object()
    call.render = lambda taken: reply_json(taken, 201)
    return call.render(
        await readings.submit(call.world, call.city, call.params["sensorId"], body, call.actor)
    )


async def aggregate(call: Call) -> Reply:
    """GET /cities/{cityId}/sensors/aggregate: readings of several sensors per interval (P2 6.3)."""
    query = call.query()
    names = [part for key, value in query if key in ("sensors", "sensorIds") for part in value.split(",")]
    parameter, interval = filters.one(query, "parameter"), filters.one(query, "interval")
    if not names or parameter is None:
        raise filters.bad("sensors", "sensors and parameter are needed")
    start, end = readings.span(filters.instant(query, "start"), filters.instant(query, "end"))
    shown = await readings.aggregate(
        call.world,
        call.city,
        names,
        parameter=parameter,
        fold=filters.choice(query, "aggregation", readings.FOLDS, "average"),
        interval=readings.duration_us("1hour" if interval is None else interval),
        start=start,
        end=end,
    )
    return reply_json(shown)


async def latest(call: Call) -> Reply:
    """GET /cities/{cityId}/sensors/latest: the newest readings of many sensors in one answer."""
    query = call.query()
    names = [part for key, value in query if key == "ids" for part in value.split(",")]
    if len(names) > MAX_LATEST:
        raise filters.bad("ids", f"at most {MAX_LATEST} sensors can be asked for at once")
    if names:
        rows = [await sensors.find(call.world, call.city, name) for name in names]
    else:
        kept = [pair for pair in query if pair[0] != "ids"]
        rows = (await call.world.storage.sensors(filters.sensor_query(kept, call.city.no))).rows
    newest = await call.world.storage.latest([row.no for row in rows])
    shown: list[dict[str, Any]] = [
        {"sensorId": row.id, "measurements": [snapshots.measurement(one) for one in newest[row.no]]}
        for row in rows
    ]
    return reply_json({"results": shown, "count": len(shown)})
