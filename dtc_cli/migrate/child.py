"""The reader child: reads, mends, maps and encodes one layer, and hands it to its parent in frames (D-42).

A crash of a library ends this process and nothing else. The job comes as one msgpack value on standard
input; frames go to standard output; nothing else is written there.
"""

import os
import sys
from bisect import bisect_left
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from dtc_cli.errors import DtcError

if TYPE_CHECKING:
    from dtc_cli.migrate.sources.source import Source
    from dtc_cli.migrate.transform import Record, Transformer


FRAME_BYTES = 8 * 1024 * 1024
READ_BYTES = 32 * 1024 * 1024
SMALLEST_READ = 64


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What a child is to read."""

    plan: str
    source: str
    layer: str
    start: int
    size: int
    careful: bool
    stop: int | None
    """Ordinal to stop before; None reads to the end."""
    migration: str
    started: str
    frame: int
    """Records per frame, at most."""
    placed_only: bool = False
    """Only place the geometries, for the bounds of a city; no records come."""
    only: list[int] | None = None
    """Ordinals of the records that are wanted, in order; None for all of them."""
    replay: bool = True
    """Whether records before `start` may be read again; not where one of them crashes the library."""


def run(job: Job, out: BinaryIO) -> None:
    """Read a layer as the job says; ends with an END frame, or a FAILED frame with the five fields."""
    from dtc_cli.migrate import frames

    try:
        _read(job, out)
    except DtcError as error:
        frames.write(out, frames.FAILED, {**error.as_dict(), "exit": int(error.exit_code)})


def _read(job: Job, out: BinaryIO) -> None:
    from dtc_cli.migrate import duplicates, frames, plan, sharing
    from dtc_cli.migrate.sources.open import open_source
    from dtc_cli.migrate.transform import Transformer

    parsed = plan.load(Path(job.plan), judged=True)
    source, layer = parsed.layer(job.source, job.layer)
    reader = open_source(source.path, format=source.format, encoding=source.encoding, options=source.options)
    try:
        facts = _facts(reader, layer.name)
        if facts is None:
            from dtc_cli.migrate.trouble import plan_error

            known = ", ".join(one.name for one in reader.layers())
            raise plan_error(
                f"the source {source.name} has no layer {layer.name}",
                where=parsed.file,
                hint=f"layers: {known}",
            )
        if facts.blockers:
            from dtc_cli.migrate.trouble import source_error

            raise source_error(
                f"the layer {layer.name} cannot be migrated as it is",
                where=source.path,
                why=facts.blockers[0],
            )
        transformer = Transformer(
            parsed, source, layer, facts, migration=job.migration, started=datetime.fromisoformat(job.started)
        )
        if layer.key is not None and not job.placed_only:
            transformer.duplicates = duplicates.find(reader, layer.name, layer.key)
        keyed = layer.key is not None and not transformer.duplicates.lacking
        operation = transformer.projection.operation if transformer.projection else None
        frames.write(
            out,
            frames.READY,
            {
                "count": facts.count,
                "token": reader.token(),
                "operation": msgspec.to_builtins(operation),
                "crs": transformer.projection.code if transformer.projection else None,
            },
        )
        read = job.start
        size = job.size if job.careful else _size(source.path, facts.count, job.size)
        if job.placed_only and not job.careful:  # the careful way finds the record to blame
            if hasattr(reader, "bare"):
                reader.bare = True
            for batch in reader.batches(layer.name, start=0, size=size, careful=job.careful):
                transformer.mended(batch)
                read += batch.size
            frames.write(out, frames.END, _ended(read, transformer, reader))
            return
        if job.only is not None and keyed:
            _read_picked(reader, layer.name, transformer, job, size, out)
            return
        if sharing.possible(reader, facts.count, careful=job.careful, whole=job.stop is None, keyed=keyed):
            _read_by_two(reader, layer.name, transformer, job, size, out)
            return
        # Ids that are made of the content count equal records: those that came before are read again.
        begin = job.start if keyed or job.careful or not job.replay else 0
        for found, encoded in _transformed(reader, layer.name, transformer, job, size, begin):
            passed = max(0, job.start - found[0].n)
            left = len(found) if job.stop is None else passed + job.stop - read
            records, bodies = found[passed:left], encoded[passed:left]
            for part in _parts(bodies, job.frame):
                frames.write(out, frames.DATA, records[part], b"\n".join(bodies[part]) + b"\n")
            read += len(records)
            if job.stop is not None and read >= job.stop:
                break
        frames.write(out, frames.END, _ended(read, transformer, reader))
    finally:
        reader.close()


def _read_picked(
    reader: "Source", layer: str, transformer: "Transformer", job: Job, size: int, out: BinaryIO
) -> None:
    """Some records of a layer: the others are passed over before anything is done with them."""
    from dtc_cli.migrate import frames

    wanted, place = job.only or [], 0
    for batch in reader.batches(layer, start=job.start, size=size, careful=job.careful):
        end = batch.first + batch.size
        chosen = [n - batch.first for n in wanted[place : bisect_left(wanted, end)] if n >= batch.first]
        place = bisect_left(wanted, end)
        if chosen:
            records, bodies = transformer.batch(batch.only(chosen))
            for part in _parts(bodies, job.frame):
                frames.write(out, frames.DATA, records[part], b"\n".join(bodies[part]) + b"\n")
        if place == len(wanted):
            break
    frames.write(out, frames.END, _ended(job.start, transformer, reader))


def _read_by_two(
    reader: Any, layer: str, transformer: "Transformer", job: Job, size: int, out: BinaryIO
) -> None:
    """The whole layer, every other batch by a process of its own."""
    from dtc_cli.migrate import frames, sharing

    def work(to: BinaryIO) -> "Iterator[None]":
        for batch in reader.batches(layer, start=job.start, size=size, careful=False):
            records, bodies = transformer.batch(batch)
            for part in _parts(bodies, job.frame):
                frames.write(to, frames.DATA, records[part], b"\n".join(bodies[part]) + b"\n")
            ended["read"] = batch.first + batch.size
            yield

    ended = {"read": job.start}
    sharing.by_two(reader, work, out, lambda: _ended(ended["read"], transformer, reader))


def _facts(reader: Any, layer: str) -> Any:
    """The facts of a layer; of this alone where the reader can: some have to read a layer to know it."""
    alone = getattr(reader, "facts", None)
    if alone is not None:
        return alone(layer) if layer in reader.names() else None
    return next((one for one in reader.layers() if one.name == layer), None)


def _ended(read: int, transformer: "Transformer", reader: "Source") -> dict[str, Any]:
    return {
        "read": read,
        "bounds": transformer.bounds,
        "notices": dict(transformer.notices),
        "token": reader.token(),
    }


def _parts(bodies: list[bytes], most: int) -> "Iterator[slice]":
    """Slices of at most so many records, and of no more bytes than one request to a target should have."""
    first = size = 0
    for index, body in enumerate(bodies):
        if index > first and (index - first >= most or size + len(body) > FRAME_BYTES):
            yield slice(first, index)
            first, size = index, 0
        size += len(body)
    if first < len(bodies):
        yield slice(first, len(bodies))


def _size(path: str, count: int | None, wanted: int) -> int:
    """Records to read at once: fewer where a record of the file is large, so that memory stays flat."""
    place = Path(path)
    if not count or "://" in path or not place.is_file():
        return wanted
    each = place.stat().st_size / count
    return max(SMALLEST_READ, min(wanted, int(READ_BYTES / max(each, 1.0))))


def _transformed(
    reader: "Source", layer: str, transformer: "Transformer", job: Job, size: int, begin: int
) -> "Iterator[tuple[list[Record], list[bytes]]]":
    """Batches as records and bodies. Reading and geometry run beside mapping and encoding.

    The careful way does one after the other, so that nothing is lost of what came before a crash.
    """
    batches = reader.batches(layer, start=begin, size=size, careful=job.careful)
    if job.careful:
        for batch in batches:
            yield transformer.batch(batch)
        return
    with ThreadPoolExecutor(1, thread_name_prefix="map") as pool:
        ahead: Future[Any] | None = None
        for batch in batches:
            mended = transformer.mended(batch)
            if ahead is not None:
                yield ahead.result()
            ahead = pool.submit(transformer.mapped, batch, mended)
        if ahead is not None:
            yield ahead.result()


def main() -> None:
    """Take the job from standard input and answer on standard output."""
    job = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Job)
    # Libraries print to descriptor 1 now and then; frames get a descriptor of their own.
    out = os.fdopen(os.dup(1), "wb", buffering=1 << 20)
    os.dup2(2, 1)
    try:
        run(job, out)
    except BrokenPipeError:
        os._exit(0)  # the parent is gone, and with it whoever wanted the records
    finally:
        _close(out)


def _close(out: Any) -> None:
    try:
        out.close()
    except BrokenPipeError:
        os._exit(0)


if __name__ == "__main__":
    main()
