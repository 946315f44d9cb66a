"""A server with a known law of latency on a virtual clock: hours of load in a second, exactly."""

import heapq
from collections.abc import Callable

from dtc_cli.load.dispatcher import Dispatcher, Ticket

TICK_S = 0.001
Law = Callable[[int, float], float]
"""Number of the request and the instant it arrives, to seconds until its answer."""


class _Lane:
    def __init__(self, world: "World") -> None:
        self._world = world

    def send(self, ticket: Ticket) -> None:
        self._world.arrive(self, ticket)


class World:
    """Runs a dispatcher against a law; each lane is answered on its own, as by a server with threads."""

    def __init__(self, dispatcher: Dispatcher, law: Law, *, lanes: int, status: int = 200) -> None:
        self.now = 0.0
        self._dispatcher = dispatcher
        self._law = law
        self._status = status
        self._answers: list[tuple[float, int, _Lane, Ticket]] = []
        for _ in range(lanes):
            dispatcher.free(_Lane(self), 0.0)

    def arrive(self, lane: _Lane, ticket: Ticket) -> None:
        """A request reaches the server now."""
        heapq.heappush(
            self._answers, (self.now + self._law(ticket.number, self.now), ticket.number, lane, ticket)
        )

    def run(self, until: float) -> None:
        """Advance in ticks of the event loop, answering at the exact instants between."""
        while self.now < until and not self._dispatcher.exhausted:
            step = self.now + TICK_S
            while self._answers and self._answers[0][0] <= step:
                self.now, _, lane, ticket = heapq.heappop(self._answers)
                self._dispatcher.answered(ticket, self.now, self._status)
                self._dispatcher.free(lane, self.now)
            self.now = step
            self._dispatcher.tick(self.now)
