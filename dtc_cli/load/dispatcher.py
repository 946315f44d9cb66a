"""The open loop: what is due goes out on a free lane or waits for one; latency counts from the due instant.

It knows no sockets and no clock: `now` is handed in, so that a test can run hours of it on a virtual clock.
"""

from array import array
from collections import Counter, deque
from collections.abc import Iterator
from typing import Protocol

from dtc_cli.load.traffic import Request, Traffic

MICROSECOND = 1e6
CUT = "cut off when the run was stopped"
"""Kind of a request that we gave up ourselves: how it would have ended nobody knows."""


class Ticket:
    """One request under way."""

    __slots__ = ("due", "number", "request", "warm")

    def __init__(self, number: int, due: float, request: Request, warm: bool) -> None:
        self.number = number
        self.due = due
        self.request = request
        self.warm = warm


class Lane(Protocol):
    """A connection that carries one request at a time."""

    def send(self, ticket: Ticket) -> None:
        """Send it; the lane reports back with `Dispatcher.answered` or `Dispatcher.failed`."""


class Tally:
    """What happened since it was last taken: raw latencies, so that percentiles are exact later.

    Latencies are microseconds from the due instant. `late` holds how long after its due instant the loop
    looked at a request: the generator's own lateness, not the target's.
    """

    def __init__(self, routes: int) -> None:
        self.latencies = [array("I") for _ in range(routes)]
        self.warm = array("I")
        self.late = array("I")
        self.errors: Counter[str] = Counter()
        self.failed = 0
        """Those of the warm-up too, which are in no other count of errors."""
        self.sent = 0
        self.done = 0
        self.good = 0
        """Good answers that came within the measured window, whenever they were due."""
        self.cut = 0
        """Measured requests that we cut off: their latencies are the least they can have been."""


class Dispatcher:
    """Matches a schedule with lanes.

    Args:
        dues: number and due instant of each request, ascending, on the same clock as `now`.
        traffic: what to send.
        warm_until: requests due before this instant are measured apart.
        until: end of the measured window.
        timeout_s: seconds from its due instant after which a request is given up.
    """

    def __init__(
        self,
        dues: Iterator[tuple[int, float]],
        traffic: Traffic,
        *,
        warm_until: float,
        until: float,
        timeout_s: float,
    ) -> None:
        self._dues = dues
        self._traffic = traffic
        self._warm_until = warm_until
        self._until = until
        self._timeout_s = timeout_s
        self._idle: list[Lane] = []
        self._waiting: deque[Ticket] = deque()
        self._next = next(dues, None)
        self.tally = Tally(len(traffic.routes))
        self.outstanding = 0

    @property
    def exhausted(self) -> bool:
        """Nothing is due any more, nothing waits and nothing is under way."""
        return self._next is None and not self._waiting and not self.outstanding

    @property
    def waiting(self) -> int:
        """Requests that are due and have no lane."""
        return len(self._waiting)

    @property
    def next_due(self) -> float | None:
        """When the next request is due."""
        return self._next[1] if self._next else None

    def free(self, lane: Lane, now: float) -> None:
        """A lane can carry a request: the longest waiting one goes first."""
        if self._waiting:
            self._send(lane, self._waiting.popleft())
        else:
            self._idle.append(lane)

    def lost(self, lane: Lane) -> None:
        """A lane is gone while it carried nothing."""
        if lane in self._idle:
            self._idle.remove(lane)

    def tick(self, now: float) -> None:
        """Send what is due, and give up what waits for too long."""
        upcoming, tally, order = self._next, self.tally, self._traffic.order
        requests = self._traffic.requests
        while upcoming is not None and upcoming[1] <= now:
            number, due = upcoming
            tally.late.append(int((now - due) * MICROSECOND))
            ticket = Ticket(number, due, requests[order[number % len(order)]], due < self._warm_until)
            if self._idle:
                self._send(self._idle.pop(), ticket)
            else:
                self._waiting.append(ticket)
            upcoming = next(self._dues, None)
        self._next = upcoming
        while self._waiting and now - self._waiting[0].due > self._timeout_s:
            self._count(self._waiting.popleft(), now, "timeout: never sent")

    def answered(self, ticket: Ticket, now: float, status: int) -> None:
        """The whole answer is there."""
        self.outstanding -= 1
        self._count(ticket, now, "" if status in ticket.request.statuses else f"status {status}")

    def failed(self, ticket: Ticket, now: float, kind: str) -> None:
        """No answer will come."""
        self.outstanding -= 1
        self._count(ticket, now, kind)

    def stop(self, now: float) -> None:
        """Nothing is due any more, and the measured window ends here."""
        self._next, self._dues, self._until = None, iter(()), min(self._until, now)

    def give_up(self, now: float, kind: str = "timeout: never sent") -> None:
        """The run ends: what still waits was never sent."""
        while self._waiting:
            self._count(self._waiting.popleft(), now, kind)

    def take(self) -> Tally:
        """What happened since the last call."""
        taken, self.tally = self.tally, Tally(len(self._traffic.routes))
        return taken

    def _send(self, lane: Lane, ticket: Ticket) -> None:
        self.outstanding += 1
        self.tally.sent += 1
        lane.send(ticket)

    def _count(self, ticket: Ticket, now: float, error: str) -> None:
        tally = self.tally
        latency = int((now - ticket.due) * MICROSECOND)
        tally.done += 1
        tally.failed += bool(error) and error is not CUT
        # A rate is what comes out while the schedule runs: what is worked off afterwards was too slow.
        if not error and self._warm_until <= now <= self._until:
            tally.good += 1
        if ticket.warm:
            tally.warm.append(latency)
            return
        # A request that failed has kept its user waiting as well: it counts, with the time until it failed.
        tally.latencies[ticket.request.route].append(latency)
        if error is CUT:
            tally.cut += 1
        elif error:
            tally.errors[error] += 1
