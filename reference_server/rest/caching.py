"""How long an answer may be kept, by kind (F-050), and entity tags for what has no revision of its own.

Times stay within 5 s for readings, 300 s for objects and 60 s otherwise (C-89). What a caller may change and
read again is always asked for anew: its tag makes that cheap, and nobody reads an old value after a write.
"""

import hashlib
from collections.abc import Mapping

from reference_server.rest.call import Call, Reply
from reference_server.rest.conditional import shown

REVALIDATE = "private, no-cache"
READINGS = "private, max-age=5"
MINUTE = "private, max-age=60"
BY_OPERATION: Mapping[str, str] = {
    "getSensorData": READINGS,
    "latestReadings": READINGS,
    "aggregateSensorData": MINUTE,
    "getSnapshot": MINUTE,
    "compareSnapshots": MINUTE,
    "ogcLanding": MINUTE,
    "ogcConformance": MINUTE,
    "ogcCollections": MINUTE,
    "ogcCollection": MINUTE,
    "staService": MINUTE,
    "openapi": "public, max-age=60",
    "docs": "public, max-age=60",
    "health": "no-store",
    "ready": "no-store",
    "metrics": "no-store",
    "audit": "no-store",
    "cityAudit": "no-store",
    "listCredentials": "no-store",
}
"""Of what is read; all that is not named is asked for anew each time."""
NO_STORE = {"cache-control": "no-store"}


def tag(body: bytes) -> str:
    """A short digest of an answer."""
    return hashlib.blake2b(body, digest_size=8).hexdigest()


def finished(call: Call, operation: str, reply: Reply) -> Reply:
    """The answer to a read with its caching and its tag; 304 when the caller has it already."""
    if call.method not in ("GET", "HEAD") or reply.status != 200:
        return reply
    policy = BY_OPERATION.get(operation, REVALIDATE)
    headers = {"cache-control": policy, **reply.headers}
    # an export is written piece by piece: it has no digest before its end
    if "etag" not in headers and policy != "no-store" and reply.body:
        headers["etag"] = f'"{tag(reply.body)}"'
    return shown(call, Reply(reply.status, reply.body, headers, reply.media_type, reply.chunks))
