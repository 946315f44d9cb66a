"""Many connections at once: opened, held with heartbeats, reached by broadcasts (DTC-PERF-004)."""

import queue
import time
from collections import Counter
from collections.abc import Callable, Sequence

import msgspec

from dtc_cli.clients.wire import Door
from dtc_cli.load import guard
from dtc_cli.load.children import Children
from dtc_cli.load.health import Host
from dtc_cli.load.holder import LOGIN_S, Held, Post
from dtc_cli.load.limits import Limits
from dtc_cli.load.papers import Papers

BROADCAST_S = 15.0
"""How long a broadcast may take to reach everybody; P3 3.1.3 gives a delivery 5 s, the rest is ours."""
LOST_SHARE = 0.001
"""Share of the connections that may be lost (DTC-PERF-004)."""
GRACE_S = 30.0
SLOWEST_PER_S = 250.0
"""A target may let in so few connections a second and still be waited for."""
Tell = Callable[[str], None]


class Entrance(msgspec.Struct, frozen=True):
    """A door, and how to come in."""

    kind: str
    """`stream` or `mqtt`."""
    door: Door
    hello: bytes = b""
    login: tuple[str, str | None, str | None] = ("", None, None)
    topic: str = ""
    subscription: bytes = b""
    beats: bool = False


class Broadcast(msgspec.Struct, frozen=True):
    """One message for everybody."""

    alive: int
    """Connections when it was sent."""
    heard: int
    twice: int
    took_s: float
    """Until the last one had it."""


class Crowded(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    wanted: int
    limits: Limits
    opened: int
    """That were let in and could subscribe."""
    by_door: dict[str, int]
    refused: dict[str, int]
    opening_s: float
    held_s: float
    lost: int
    """That ended by themselves while they were held."""
    alive: int
    """At the end."""
    beats: int
    """Heartbeats that were answered."""
    broadcasts: tuple[Broadcast, ...]
    memory_kib: int
    """Of our processes, all together."""
    descriptors: int
    host: Host
    same_machine: bool
    """The target stands on the machine of the generator."""

    @property
    def lost_share(self) -> float:
        """Of those that were open."""
        return self.lost / self.opened if self.opened else 0.0


def run(
    doors: Sequence[Entrance],
    limits: Limits,
    *,
    hold_s: float,
    rate: float,
    keep_alive_s: int,
    broadcasts: Sequence[tuple[bytes, Callable[[], None]]],
    tell: Tell = lambda _text: None,
) -> Crowded:
    """Open as many connections as the limits allow, hold them, send broadcasts, and count.

    Args:
        doors: connections are spread over them evenly.
        limits: as `limits.judge` says.
        hold_s: seconds for which all are held.
        rate: new connections per second, all processes together.
        keep_alive_s: of MQTT, and of heartbeats that clients drive.
        broadcasts: the bytes by which a message is known, and what sends it to all. The first goes out when
            all are open, the others at the end.
        tell: is told what happens.
    """
    posts = _posts(doors, limits, rate, keep_alive_s)
    company = _Company(posts)
    begun = time.monotonic()
    try:
        company.wait(
            lambda: company.done,
            limits.possible / min(rate, SLOWEST_PER_S) + LOGIN_S + GRACE_S,
            lambda: tell(f"{company.total('subscribed')} of {limits.possible} connections are open"),
        )
        opening = time.monotonic() - begun
        opened = company.total("subscribed")
        by_door = company.by_door("subscribed")
        lost_before = company.total("lost")
        made = [_send(company, *one, tell) for one in broadcasts[:1]] if opened else []
        held = time.monotonic()
        company.wait(lambda: False, hold_s, lambda: tell(f"{company.total('alive')} connections are held"))
        held_s = time.monotonic() - held
        if opened:
            made += [_send(company, *one, tell) for one in broadcasts[1:]]
        return Crowded(
            wanted=limits.wanted,
            limits=limits,
            opened=opened,
            by_door=by_door,
            refused=company.refused(),
            opening_s=round(opening, 2),
            held_s=round(held_s, 2),
            lost=company.total("lost") - lost_before,
            alive=company.total("alive"),
            beats=company.total("beats"),
            broadcasts=tuple(made),
            memory_kib=company.total("memory_kib"),
            descriptors=company.total("descriptors"),
            host=Host.here(),
            same_machine=all(guard.is_loopback(one.door.host) for one in doors),
        )
    finally:
        company.end()


def _posts(doors: Sequence[Entrance], limits: Limits, rate: float, keep_alive_s: int) -> list[Post]:
    """Orders for the processes: each door gets its part, no process more than it can hold."""
    parts: list[tuple[Entrance, int]] = []
    each = max(len(doors), limits.processes + (limits.processes % len(doors)))
    for number in range(each):
        share = limits.possible // each + (number < limits.possible % each)
        parts.append((doors[number % len(doors)], share))
    return [
        Post(
            one.kind,
            one.door.host,
            one.door.port,
            one.door.secure,
            Papers.of(one.door.tls_files),
            limits.sources,
            share,
            max(0.1, rate / each),
            one.hello,
            (f"{one.login[0]}{number}", *one.login[1:]),
            one.topic,
            one.subscription,
            keep_alive_s,
            one.beats,
        )
        for number, (one, share) in enumerate(parts)
        if share
    ]


def _send(company: "_Company", mark: bytes, send: Callable[[], None], tell: Tell) -> Broadcast:
    # The mark must be known to all processes before the message goes out.
    company.look_for(mark)
    alive = company.total("alive")
    sent = time.monotonic()
    send()
    company.wait(lambda: company.total("heard") >= alive, BROADCAST_S, lambda: None)
    company.wait(lambda: False, 1.2, lambda: None)  # what comes twice comes soon after
    last = company.latest("last_heard_s")
    made = Broadcast(alive, company.total("heard"), company.total("twice"), round(max(0.0, last - sent), 3))
    tell(f"a broadcast reached {made.heard} of {made.alive} in {made.took_s:g} s")
    return made


class _Company:
    """The processes that hold the connections, and what they said last."""

    def __init__(self, posts: Sequence[Post]) -> None:
        self._last: dict[int, Held] = {}
        self._gone: set[int] = set()
        self._posts = posts
        self._holders = Children("dtc_cli.load.holder", posts, Held)

    @property
    def done(self) -> bool:
        """Each has opened what it could."""
        return all(
            number in self._gone or (number in self._last and self._last[number].done)
            for number in range(len(self._posts))
        )

    def total(self, name: str) -> int:
        """The sum over all processes."""
        return sum(getattr(one, name) for one in self._last.values())

    def latest(self, name: str) -> float:
        """The greatest over all processes."""
        return max((getattr(one, name) for one in self._last.values()), default=0.0)

    def by_door(self, name: str) -> dict[str, int]:
        """The sums by kind of door."""
        found: Counter[str] = Counter()
        for number, one in self._last.items():
            found[self._posts[number].kind] += getattr(one, name)
        return dict(found)

    def refused(self) -> dict[str, int]:
        """Refusals by their reason."""
        found: Counter[str] = Counter()
        for one in self._last.values():
            found.update(one.refused)
        for number in self._gone:
            found["a process of ours ended"] += self._posts[number].count
        return dict(found.most_common(10))

    def look_for(self, mark: bytes) -> None:
        """Messages with this mark count from now on; returns when all processes know."""
        before = {number: one.at for number, one in self._last.items()}
        self._holders.tell(mark)
        # A process takes the mark and then reports: two reports later it has taken it.
        fresh: Counter[int] = Counter()

        def known() -> bool:
            for number, one in self._last.items():
                if one.at > before.get(number, 0.0):
                    before[number] = one.at
                    fresh[number] += 1
            return all(fresh[number] >= 2 or number in self._gone for number in range(len(self._posts)))

        self.wait(known, 30.0, lambda: None)

    def wait(self, enough: Callable[[], bool], seconds: float, each: Callable[[], None]) -> None:
        """Take in what the processes say until it is enough, or the time is over."""
        until, spoken = time.monotonic() + seconds, time.monotonic()
        while not enough():
            remaining = until - time.monotonic()
            if remaining <= 0 or len(self._gone) == len(self._posts):
                return
            try:
                number, said = self._holders.said.get(timeout=min(remaining, 1.0))
            except queue.Empty:
                continue
            if said is None:
                self._gone.add(number)
            else:
                self._last[number] = said
            if time.monotonic() - spoken > 2:
                spoken = time.monotonic()
                each()

    def end(self) -> None:
        """End all processes."""
        self._holders.end(5)
