"""One generator process: takes its order on standard input and reports on standard output each second.

Frames on both pipes are a length of four bytes, big-endian, and MessagePack. After it said that it is ready,
it waits for a frame with the instant to begin at, on CLOCK_MONOTONIC, which the processes of a machine share.
When its standard input ends, so does it: nothing is sent once the command that started it has gone.
"""

import asyncio
import gc
import os
import ssl
import sys
import time
from typing import Any, BinaryIO

import msgspec

from dtc_cli.load.dispatcher import CUT, Dispatcher, Tally
from dtc_cli.load.lanes import Pool, Sample
from dtc_cli.load.papers import Papers
from dtc_cli.load.schedule import Schedule
from dtc_cli.load.traffic import Traffic

TICK_S = 0.001
SWEEP_S = 0.25
DRAIN_S = 1.0
"""How long answers to what was sent are awaited once the run is stopped."""
SLOTS = 10
"""Of a second, in which the backlog is looked at."""


class Order(msgspec.Struct, frozen=True):
    """What one worker does."""

    host: str
    port: int
    tls: bool
    papers: Papers
    schedule: Schedule
    traffic: Traffic
    worker: int
    workers: int
    lanes: int
    timeout_s: float
    sample_every: int


class Second(msgspec.Struct, frozen=True):
    """What happened since the last frame; latencies as raw native 32-bit words, microseconds."""

    at: float
    """Seconds from the start of the schedule."""
    sent: int
    done: int
    good: int
    """Good answers within the measured window."""
    latencies: tuple[bytes, ...]
    warm: bytes
    late: bytes
    errors: dict[str, int]
    failed: int
    """Requests that failed, those of the warm-up too."""
    waiting: int
    """Requests that were due and had no free lane at this moment."""
    under_way: int
    cpu_s: float
    """Processor time of this process in this interval."""
    wall_s: float
    samples: tuple[Sample, ...] = ()
    last: bool = False
    cut: int = 0
    """Requests of the measured window that we cut off."""
    backlog: tuple[tuple[int, int, int], ...] = ()
    """Number of a tenth of a second, how often it was looked at, sum of requests due and unanswered."""
    until: float = 0.0
    """When requests stopped being due, in seconds from the start; of the last frame."""
    away: bool = False
    """No connection is open, and the target refused the last that was tried."""


def read_frame(stream: BinaryIO) -> bytes | None:
    """The next frame, or None at the end of the stream."""
    head = stream.read(4)
    return stream.read(int.from_bytes(head, "big")) if len(head) == 4 else None


def frame(value: Any) -> bytes:
    """A value as a frame."""
    body = msgspec.msgpack.encode(value)
    return len(body).to_bytes(4, "big") + body


def main() -> None:
    """Run the order on standard input."""
    source = sys.stdin.buffer
    raw = read_frame(source)
    if raw is None:
        return
    order = msgspec.msgpack.decode(raw, type=Order)
    # Thousands of requests live as long as the process; the collector need not walk them each time.
    gc.freeze()
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_work(order, source))


def _context(order: Order) -> ssl.SSLContext | None:
    return order.papers.context() if order.tls else None


async def _work(order: Order, source: BinaryIO) -> None:
    # The start of the schedule is not known before all workers are ready: instants are relative to it.
    origin = [time.monotonic()]

    def now() -> float:
        return time.monotonic() - origin[0]

    dispatcher = Dispatcher(
        order.schedule.dues(order.worker, order.workers),
        order.traffic,
        warm_until=order.schedule.warmup_s,
        until=order.schedule.duration_s,
        timeout_s=order.timeout_s,
    )
    pool = Pool(
        dispatcher,
        host=order.host,
        port=order.port,
        tls=_context(order),
        timeout_s=order.timeout_s,
        sample_every=order.sample_every,
        now=now,
    )
    try:
        await pool.open(order.lanes)
    except (OSError, ssl.SSLError) as problem:
        _say({"problem": f"{type(problem).__name__}: {problem}"})
        return
    _say({"ready": os.getpid()})
    begin = await asyncio.get_running_loop().run_in_executor(None, read_frame, source)
    if begin is None:
        return
    origin[0] = msgspec.msgpack.decode(begin)
    stop = asyncio.get_running_loop().run_in_executor(None, read_frame, source)
    await _run(dispatcher, pool, order, now, stop)
    # The reader of standard input waits in a thread; the process does not wait for it.
    sys.stdout.buffer.flush()
    os._exit(0)


async def _run(
    dispatcher: Dispatcher, pool: Pool, order: Order, now: Any, stop: "asyncio.Future[Any]"
) -> None:
    until = order.schedule.duration_s
    # A sweep after the last request's time has run out: what it finds is a time-out like any other.
    ends = until + order.timeout_s + 2 * SWEEP_S
    second, swept, cpu, wall, stopped = 0, 0.0, time.process_time(), now(), False
    backlog: dict[int, list[int]] = {}
    at = 0.0
    while not dispatcher.exhausted:
        if stop.done() and not stopped:
            # All that is due before the last tick went out.
            stopped, until = True, min(until, max(0.0, at))
            dispatcher.stop(until)
            ends = min(ends, until + DRAIN_S)
        upcoming = dispatcher.next_due
        pause = TICK_S if upcoming is None else max(TICK_S, min(upcoming - now(), 0.05))
        await asyncio.sleep(pause)
        at = now()
        if at < 0:
            continue
        dispatcher.tick(at)
        looked = backlog.setdefault(int(at * SLOTS), [0, 0])
        looked[0] += 1
        looked[1] += dispatcher.waiting + dispatcher.outstanding
        if at - swept > SWEEP_S:
            swept = at
            pool.sweep(at)
        if at >= second + 1:
            second, spent = int(at), time.process_time()
            _report(dispatcher, pool, at, spent - cpu, at - wall, backlog)
            cpu, wall = spent, at
        if at > ends:
            break
    await pool.close(CUT if stopped else "timeout")
    at = now()
    dispatcher.give_up(at, CUT if stopped else "timeout: never sent")
    _report(dispatcher, pool, at, time.process_time() - cpu, at - wall, backlog, until=until)


def _report(
    dispatcher: Dispatcher,
    pool: Pool,
    at: float,
    cpu_s: float,
    wall_s: float,
    backlog: dict[int, list[int]],
    *,
    until: float | None = None,
) -> None:
    tally: Tally = dispatcher.take()
    looked = tuple((slot, times, waiting) for slot, (times, waiting) in backlog.items())
    backlog.clear()
    samples, pool.samples = tuple(pool.samples), []
    _say(
        Second(
            at,
            tally.sent,
            tally.done,
            tally.good,
            tuple(part.tobytes() for part in tally.latencies),
            tally.warm.tobytes(),
            tally.late.tobytes(),
            dict(tally.errors),
            tally.failed,
            dispatcher.waiting,
            dispatcher.outstanding,
            cpu_s,
            wall_s,
            samples,
            until is not None,
            tally.cut,
            looked,
            until or 0.0,
            pool.away,
        )
    )


def _say(value: Any) -> None:
    sys.stdout.buffer.write(frame(value))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
