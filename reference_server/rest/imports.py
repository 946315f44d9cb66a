"""Imports over HTTP: bodies go to disk as they come, and are answered before they are read (additive)."""

import asyncio
import hashlib
import os
import uuid
from pathlib import Path

from reference_server.bulk import apply, worker
from reference_server.errors import ApiError
from reference_server.rest import filters
from reference_server.rest.call import Call, ClientGoneError, Reply, reply_json, too_large
from reference_server.rest.idempotency import known
from reference_server.rest.links import path_to
from reference_server.services.import_job import SHOWN_ERRORS, shown_fault
from reference_server.services.imports import Imports
from reference_server.storage.protocol import ImportRow
from reference_server.strictjson import BadJsonError

LINES = ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines")
DOCUMENTS = ("application/json", "application/geo+json")
SMALL = 4 * 1024 * 1024
"""A body up to this size is walked through before it is answered, so that a bad one is refused at once."""
SLOWEST = 10 * 1024
"""Bytes a second that a body must come with on average, once it has taken a minute."""


async def start(call: Call) -> Reply:
    """POST /cities/{cityId}/import: 202 with the job."""
    jobs = call.world.imports
    lines = call.require_media_type(*DOCUMENTS, *LINES) in LINES
    mode = filters.choice(call.query(), "mode", apply.MODES, apply.UPSERT)
    jobs.admit()
    import_id = f"import-{uuid.uuid4().hex}"
    path = jobs.spool(import_id)
    try:
        size, digest = await _spool(call, path)
        replay = await known(call, digest)
        if replay is not None:
            path.unlink()
            return replay
        if size <= SMALL:
            await asyncio.to_thread(worker.check, path, call.city, lines=lines)
        await asyncio.to_thread(_flush, path)
        facts = {"lines": lines, "mode": mode, "bytes": size, "mediaType": call.header(b"content-type")}
        call.render = lambda row: _accepted(call, jobs, row)
        return call.render(await jobs.accept(call.city, import_id, call.actor, facts))
    except BadJsonError as problem:
        path.unlink(missing_ok=True)
        raise ApiError("MALFORMED_REQUEST", str(problem)) from problem
    except OSError as problem:
        path.unlink(missing_ok=True)
        raise ApiError("SERVICE_UNAVAILABLE", "the body could not be kept") from problem
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _accepted(call: Call, jobs: Imports, row: ImportRow) -> Reply:
    headers = {"location": path_to(call.city.id, "imports", row.id)}
    return reply_json(jobs.shown(row, [], 0), 202, headers)


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


async def _spool(call: Call, path: Path) -> tuple[int, bytes]:
    """Write the body to a file; its size, and the digest that an Idempotency-Key is compared by.

    Raises:
        ApiError: PAYLOAD_TOO_LARGE, REQUEST_TIMEOUT.
        ClientGoneError: the client hung up before the end.
    """
    limit = call.world.settings.import_limit
    stated = call.header(b"content-length") or "0"
    if stated.isdigit() and int(stated) > limit:
        raise too_large(limit)
    digest = hashlib.sha256(call.target + b"\n")
    size = 0
    loop = asyncio.get_running_loop()
    began = loop.time()
    with path.open("xb") as file:
        os.chmod(path, 0o600)
        async for chunk in call.chunks():
            size += len(chunk)
            if size > limit:
                raise too_large(limit)
            if loop.time() - began > 60 + size / SLOWEST:
                raise ApiError(
                    "REQUEST_TIMEOUT", "the body comes too slowly", headers={"connection": "close"}
                )
            digest.update(chunk)
            file.write(chunk)
    if call.header(b"content-length") is not None and size != int(stated):
        raise ClientGoneError
    return size, digest.digest()


async def listing(call: Call) -> Reply:
    """GET /cities/{cityId}/imports: newest first, with the number of refused rows but not the rows."""
    rows = await call.world.imports.listing(call.city)
    limit, offset = filters.paging(call.query())
    page = rows[offset : offset + limit]
    shown = [await _shown(call, row, refused=0) for row in page]
    counts = {"count": len(shown), "total": len(rows), "limit": limit, "offset": offset}
    return reply_json({"imports": shown, **counts})


async def read(call: Call) -> Reply:
    """GET /cities/{cityId}/imports/{importId}: state, progress, counts, the first refused rows."""
    row = await call.world.imports.find(call.city, call.params["importId"])
    return reply_json(await _shown(call, row))


async def _shown(call: Call, row: ImportRow, refused: int = SHOWN_ERRORS) -> dict[str, object]:
    faults, total = await call.world.storage.faults(row.id, refused, 0)
    return call.world.imports.shown(row, faults, total)


async def errors(call: Call) -> Reply:
    """GET /cities/{cityId}/imports/{importId}/errors: refused rows, in the order of the body."""
    row = await call.world.imports.find(call.city, call.params["importId"])
    limit, offset = filters.paging(call.query())
    faults, total = await call.world.storage.faults(row.id, limit, offset)
    shown = [shown_fault(one) for one in faults]
    counts = {"count": len(shown), "total": total, "limit": limit, "offset": offset}
    return reply_json({"errors": shown, **counts})


async def cancel(call: Call) -> Reply:
    """POST /cities/{cityId}/imports/{importId}/cancel: stop; what is written stays."""
    row = await call.world.imports.cancel(call.city, call.params["importId"], call.actor)
    return reply_json(await _shown(call, row))


async def remove(call: Call) -> Reply:
    """DELETE /cities/{cityId}/imports/{importId}: 202 with the job that removes what the import created."""
    row = await call.world.imports.remove(call.city, call.params["importId"], call.actor)
    return _accepted(call, call.world.imports, row)
