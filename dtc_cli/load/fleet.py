"""Several workers as one generator: one start instant for all, and what they say each second."""

import os
import queue
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode
from dtc_cli.load.children import Children
from dtc_cli.load.outcome import Book, Instant, Outcome
from dtc_cli.load.papers import Papers
from dtc_cli.load.schedule import Schedule
from dtc_cli.load.traffic import Traffic
from dtc_cli.load.worker import Order, Second

START_DELAY_S = 0.3
"""Between the last worker's being ready and the first due instant."""
GRACE_S = 15.0
SAMPLE_EVERY = 100


class Address(msgspec.Struct, frozen=True):
    """Where the load goes."""

    host: str
    port: int
    tls: bool = False
    papers: Papers = Papers()


def default_workers() -> int:
    """One worker for two cores: the target may stand on the same machine."""
    return max(1, (os.cpu_count() or 2) // 2)


def run(
    address: Address,
    schedule: Schedule,
    traffic: Traffic,
    *,
    workers: int = 1,
    lanes: int = 128,
    timeout_s: float = 10.0,
    sample_every: int = SAMPLE_EVERY,
    tell: Callable[[Instant], str] = lambda _instant: "",
) -> Outcome:
    """Send the schedule and measure.

    Args:
        address: the target.
        schedule: when requests are due.
        traffic: what to send.
        workers: generator processes.
        lanes: connections of all workers together.
        timeout_s: seconds from its due instant after which a request counts as failed.
        sample_every: every n-th answer is kept to be judged.
        tell: is given each second; a text that it returns stops the run, for that reason.

    Raises:
        DtcError: `target-unreachable` when no connection can be opened.
    """
    orders = [
        Order(
            address.host,
            address.port,
            address.tls,
            address.papers,
            schedule,
            traffic,
            number,
            workers,
            max(1, lanes // workers),
            timeout_s,
            sample_every,
        )
        for number in range(workers)
    ]
    fleet = _Fleet(orders)
    try:
        fleet.start(address)
        return fleet.collect(schedule, traffic, tell)
    finally:
        fleet.end()


class _Fleet:
    def __init__(self, orders: Sequence[Order]) -> None:
        self._timeout_s = orders[0].timeout_s
        self._workers = Children("dtc_cli.load.worker", orders, dict[str, Any])

    def start(self, address: Address) -> None:
        for _ in range(len(self._workers)):
            _, said = self._workers.said.get()
            if said is None or "ready" not in said:
                raise DtcError(
                    "target-unreachable",
                    f"no connection to {address.host}:{address.port}",
                    why=(said or {}).get("problem", "a load worker ended at once"),
                    hint="dtc doctor looks at the address, the port and the certificate",
                    exit_code=ExitCode.CANNOT_DECIDE,
                )
        self._workers.tell(time.monotonic() + START_DELAY_S)

    def collect(self, schedule: Schedule, traffic: Traffic, tell: Callable[[Instant], str]) -> Outcome:
        book = Book(schedule, traffic, len(self._workers))
        running, stopped = len(self._workers), ""
        ends = time.monotonic() + schedule.duration_s + self._timeout_s + GRACE_S
        while running:
            try:
                _, said = self._workers.said.get(timeout=max(0.1, ends - time.monotonic()))
            except queue.Empty:
                stopped = stopped or "the workers did not end in time"
                break
            if said is None:
                running -= 1
                continue
            instant = book.enter(msgspec.convert(said, Second))
            reason = tell(instant) if instant is not None else ""
            if reason and not stopped:
                stopped = reason
                self._workers.tell(0)
        return book.close(stopped)

    def end(self) -> None:
        self._workers.end(2)
