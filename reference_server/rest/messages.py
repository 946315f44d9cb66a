"""The log of messages over HTTP: the twin's own way to read what is retained (C-79; P3 9.2)."""

import orjson

from reference_server import instants
from reference_server.errors import ApiError
from reference_server.messaging import rights, topics
from reference_server.rest import filters
from reference_server.rest.call import Call, Reply, reply_json
from reference_server.stream import envelope

MAX_MESSAGES = 1000


async def upgrade(call: Call) -> Reply:
    """GET /stream without an upgrade: 426."""
    wanted = {"upgrade": "websocket", "connection": "Upgrade", "sec-websocket-version": "13"}
    raise ApiError("UPGRADE_REQUIRED", "this is a WebSocket; ask for an upgrade", headers=wanted)


async def listing(call: Call) -> Reply:
    """GET /cities/{cityId}/messages: past messages of a topic, oldest first, and where some are missing.

    `since` is a position or an instant, `next` the position to go on from.
    """
    query = call.query()
    topic = filters.one(query, "topic")
    pattern = f"city/{call.city.id}/sensors/#" if topic is None else topic
    if not topics.is_filter(pattern):
        raise filters.bad("topic", "topic must be a topic filter")
    if call.principal is None or not rights.may_subscribe(call.principal, pattern):
        raise ApiError("FORBIDDEN", "the caller may not hear these topics", {"topic": pattern})
    text = filters.one(query, "since")
    text = "0" if text is None else text
    since = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else instants.parse(text)
    if since is None:
        raise filters.bad("since", "since must be a position or an instant with a zone")
    limit = filters.whole(query, "limit", filters.DEFAULT_LIMIT)
    if not 1 <= limit <= MAX_MESSAGES:
        raise filters.bad("limit", f"limit must be 1 to {MAX_MESSAGES}")
    replay = call.world.messaging.bus.retention.since(pattern, since)
    shown = replay.messages[:limit]
    following = shown[-1].position if shown else call.world.messaging.bus.position
    return reply_json(
        {
            "messages": [orjson.loads(envelope.publish(one, one.qos)) for one in shown],
            "count": len(shown),
            "gaps": replay.gaps,
            "next": following,
            "more": len(replay.messages) > limit,
        }
    )
