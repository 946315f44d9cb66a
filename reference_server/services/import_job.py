"""A job of imports: its state as it is stored and as it is shown."""

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson

from reference_server.storage.protocol import ImportRow, RowFault

OPEN = ("pending", "running")
GONE = "deleted"
"""The status of an import that was deleted: nobody is shown it any more."""
ENDED = ("completed", "failed", "cancelled")
SHOWN_ERRORS = 100
COUNTS = (
    "rows",
    "created",
    "updated",
    "unchanged",
    "deleted",
    "failed",
    "measurements",
    "measurementsReplaced",
)


class Job:
    """A job under way."""

    def __init__(self, row: ImportRow) -> None:
        self.row = row
        self.body: dict[str, Any] = orjson.loads(row.body)
        self.read = 0
        self.stopped = asyncio.Event()

    @property
    def id(self) -> str:
        """Its id."""
        return self.row.id

    def stored(self, status: str | None = None, **changes: Any) -> ImportRow:
        """The job with changes, as it will be stored."""
        self.body.update(changes)
        body = orjson.dumps(self.body)
        return ImportRow(self.id, self.row.city, status or self.row.status, self.row.cursor, body)

    @property
    def removes(self) -> str | None:
        """The import whose entities this job removes; None for an import."""
        found: str | None = self.body.get("removes")
        return found


def shown(row: ImportRow, read: int, faults: Sequence[RowFault], total: int) -> dict[str, Any]:
    """A job as it is answered, with the first of its refused rows and how many there are.

    Args:
        row: the job.
        read: bytes of its body that were read so far.
        faults: the first of its refused rows.
        total: how many rows were refused.
    """
    body = orjson.loads(row.body)
    named = ("created", "completed", "mode", "mediaType", "bytes", "total", "removes", "error")
    return {
        "id": row.id,
        "type": "removal" if "removes" in body else "import",
        "status": row.status,
        "progress": progress(row, body, read),
        **{name: body[name] for name in named if name in body},
        "counts": body["counts"],
        "errors": [shown_fault(one) for one in faults],
        "errorsTotal": total,
    }


def progress(row: ImportRow, body: dict[str, Any], read: int) -> int:
    """Percent: half of an import is reading, half is writing."""
    if row.status == "completed":
        return 100
    if "removes" in body:
        return min(99, 100 * int(body["counts"]["deleted"]) // max(1, int(body["total"])))
    if body.get("total"):
        return min(99, 50 + 50 * int(body["counts"]["rows"]) // int(body["total"]))
    return min(50, 50 * read // max(1, int(body["bytes"])))


def shown_fault(one: RowFault) -> dict[str, Any]:
    """The reason of a refused row."""
    shown = {"line": one.line, "pointer": one.pointer, "code": one.code, "message": one.message}
    return {**shown, "id": one.id} if one.id is not None else shown
