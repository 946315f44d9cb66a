"""The process that reads and judges the body of an import: the server's own stays free for its callers."""

import contextlib
import os
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec

from reference_server.bulk.judge import Judge
from reference_server.bulk.reader import Document
from reference_server.bulk.work import Work
from reference_server.errors import ApiError
from reference_server.rules import record
from reference_server.rules.findings import Findings
from reference_server.services import cities
from reference_server.services.cities import City
from reference_server.storage.protocol import CityRow
from reference_server.strictjson import BadJsonError

ASKS = ("settle",)
"""What is told, and answered, between judging rows and looking for what they name."""
TELL_EVERY = 500
"""Rows between two messages about progress."""


class Task(msgspec.Struct, frozen=True):
    """What is to be read, for which city, into which work file."""

    body: Path
    work: Path
    database: Path
    city: CityRow
    lines: bool
    threshold: float | None


def run(pipe: Connection, task: Task) -> None:
    """Judge all rows; tells ("read", bytes), then ("done", rows) or ("failed", code, message).

    Where rows name other entities, it tells `ASKS` before it looks for them in the city, and waits.
    """
    os.nice(5)
    # The server is gone: it starts this again when it is back.
    with contextlib.suppress(BrokenPipeError, EOFError):
        _run(pipe, task)


def _run(pipe: Connection, task: Task) -> None:
    city = cities.decoded(task.city)
    work = Work(task.work, fresh=True)
    document = Document(task.body, lines=task.lines)
    judge = Judge(city, work, task.threshold)
    try:
        for count, item in enumerate(document):
            judge.take(item)
            if count % TELL_EVERY == 0:
                pipe.send(("read", item.at))
        check_header(document, city)
        if work.refers:
            pipe.send(ASKS)
            pipe.recv()
        work.settle(task.database, city.no)
        pipe.send(("done", work.finish()))
    except BadJsonError as problem:
        pipe.send(("failed", "MALFORMED_REQUEST", str(problem)))
    except ApiError as refusal:
        pipe.send(("failed", refusal.code, refusal.message))
    finally:
        work.close()


def check(path: Path, city: City, *, lines: bool) -> None:
    """Walk through a small body without judging its rows, so that a bad one is refused at once.

    Raises:
        BadJsonError: it is not JSON or no form that can be imported.
        ApiError: INVALID_CITY_DATA, VALIDATION_ERROR.
    """
    document = Document(path, lines=lines)
    for _ in document.heads() if lines else document:
        pass
    check_header(document, city)


def check_header(document: Document, city: City) -> None:
    """Judge what stands around the rows.

    Raises:
        ApiError: INVALID_CITY_DATA for a header that breaks phase 1 or is in other coordinates than the city;
            VALIDATION_ERROR for a document that is neither form.
    """
    header = document.header
    if "/features" in document.seen:
        if header.get("type") != "FeatureCollection" or len(document.seen) > 1:
            raise ApiError("VALIDATION_ERROR", "a document with features must be a FeatureCollection")
        if city.system != "WGS84":
            raise ApiError("INVALID_CITY_DATA", "GeoJSON is WGS84, the city is not")
        return
    found = Findings()
    record.header(found, header)
    if "coordinateSystem" in header:
        system = record.coordinate_system(found, header["coordinateSystem"], "/coordinateSystem")
        if not len(found) and system != city.system:
            found.add(
                15, "ERR_INVALID_VALUE", "/coordinateSystem", f"the city's coordinates are {city.system}"
            )
    for one in found:
        raise ApiError("INVALID_CITY_DATA", f"{one.pointer}: {one.message}", {"rule": one.code})
