"""Conditional requests (RFC 9110 13): If-Match and If-None-Match against the revision of an entity."""

from reference_server.errors import ApiError
from reference_server.rest.call import Call, Reply


def tags(header: str) -> set[str]:
    """The entity tags of a header, weak marks left out."""
    return {part.strip().removeprefix("W/") for part in header.split(",")}


def expected_revision(call: Call) -> set[int] | None:
    """The revisions that If-Match allows; None allows any.

    Raises:
        ApiError: PRECONDITION_REQUIRED where the server wants the header and it is absent.
    """
    header = call.header(b"if-match")
    if header is None:
        if call.world.settings.require_if_match:
            raise ApiError("PRECONDITION_REQUIRED", "send If-Match with the ETag that you have read")
        return None
    if header.strip() == "*":
        return None
    # behind a dot stands a digest of what is shown beside the revision: newest readings, counts
    revisions = (tag.strip('"').partition(".")[0] for tag in tags(header))
    return {int(text) for text in revisions if text.isascii() and text.isdigit() and len(text) < 19}


def shown(call: Call, reply: Reply) -> Reply:
    """The answer to a read: 304 without a body when the caller has this revision already."""
    header, current = call.header(b"if-none-match"), reply.headers.get("etag")
    if header is None or current is None:
        return reply
    if header.strip() == "*" or current in tags(header):
        return Reply(304, headers=reply.headers)
    return reply
