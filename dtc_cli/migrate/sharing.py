"""A large layer on two processors: the reader child forks, and each process takes every other batch.

Reading itself is cheap beside repair, projection, mapping and encoding, so both stream the whole layer and
pass over the batches of the other. The first relays the frames of the second in their place: who listens sees
one child, with records in order. Where either ends early, both end, and the layer is read the careful way.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Protocol

from dtc_cli.errors import DtcError
from dtc_cli.migrate import frames

WORTH_IT = 20_000
"""Records for which a second process pays."""
PROCESSES = 2


Work = Callable[[BinaryIO], Iterator[None]]


class Shared(Protocol):
    """A reader that can pass over batches which another process takes."""

    share: tuple[int, int] | None
    """Take batch number n where n modulo the second is the first; None takes all."""


def possible(reader: Any, count: int | None, *, careful: bool, whole: bool, keyed: bool) -> bool:
    """Whether a layer is read by two processes.

    Ids that are made of the content are numbered along the layer, which needs one process.
    """
    return (
        hasattr(reader, "share")
        and hasattr(os, "fork")
        and (os.cpu_count() or 1) >= PROCESSES
        and count is not None
        and count >= WORTH_IT
        and whole
        and keyed
        and not careful
    )


def by_two(reader: Shared, work: Work, out: BinaryIO, ended: Callable[[], dict[str, Any]]) -> None:
    """Read a layer with a second process.

    Args:
        reader: the open source; each process gets its share of the batches.
        work: writes the frames of one batch after the other to a stream.
        out: where all frames go, in order, with one END.
        ended: the head of the END frame of this process.
    """
    inward, outward = os.pipe()
    other = os.fork()
    if other == 0:
        os.close(inward)
        _help(reader, work, os.fdopen(outward, "wb", buffering=1 << 20), ended)
    os.close(outward)
    with os.fdopen(inward, "rb", buffering=1 << 20) as given:
        reader.share = (0, PROCESSES)
        theirs = None
        for _ in work(out):
            theirs = theirs or _relay(given, out)
            if theirs and "code" in theirs:
                return
        theirs = theirs or _relay(given, out)
    _, status = os.waitpid(other, 0)
    if theirs is None or status:
        raise ChildProcessError("the second process ended early")
    if "code" not in theirs:
        frames.write(out, frames.END, _together(ended(), theirs))


def _help(reader: Shared, work: Work, out: BinaryIO, ended: Callable[[], dict[str, Any]]) -> None:
    """The life of the second process; it never returns, so that nothing of the first is ended twice."""
    status = 1
    try:
        reader.share = (1, PROCESSES)
        try:
            for _ in work(out):
                frames.write(out, frames.BATCH, None)
            frames.write(out, frames.END, ended())
        except DtcError as error:
            frames.write(out, frames.FAILED, {**error.as_dict(), "exit": int(error.exit_code)})
        out.close()
        status = 0
    except BrokenPipeError:
        status = 0  # the first is gone, and with it whoever wanted the records
    finally:
        os._exit(status)


def _relay(given: BinaryIO, out: BinaryIO) -> Any:
    """Pass on what the second process makes of its next batch.

    Returns:
        None after a batch; the head of its END frame when it has no more, or of its FAILED frame.

    Raises:
        ChildProcessError: when it ended without a word.
    """
    while (frame := frames.read_raw(given)) is not None:
        kind, head, body = frame
        if kind == frames.BATCH:
            return None
        if kind == frames.END:
            return frames.head_of(head)
        frames.write_raw(out, kind, head, body)
        if kind == frames.FAILED:
            return frames.head_of(head)
    raise ChildProcessError("the second process ended early")


def _together(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """What both processes say at the end."""
    boxes = [one["bounds"] for one in (ours, theirs) if one["bounds"]]
    low = [min(one[place] for one in boxes) for place in (0, 1)] if boxes else []
    high = [max(one[place] for one in boxes) for place in (2, 3)] if boxes else []
    return {
        **ours,
        "read": max(ours["read"], theirs["read"]),
        "bounds": low + high if boxes else None,
        "notices": dict(Counter(ours["notices"]) + Counter(theirs["notices"])),
    }
