"""The clock of the stream: pings, dead peers, unnamed clients, sessions that expire (P3 6.3; C-69, C-85)."""

from types import SimpleNamespace
from typing import Any

from reference_server.auth import Keyring
from reference_server.messaging.bus import Bus
from reference_server.settings import Settings
from reference_server.stream.door import Door
from reference_server.stream.session import Session, Subscription

SOMEBODY = SimpleNamespace(until=None)


class Line:
    """A connection as the clock sees it."""

    def __init__(self, *, caller: Any = SOMEBODY, interval: float = 30.0) -> None:
        self.heard = 0.0
        self.pinged = False
        self.caller = None
        self.closed: list[int] = []
        self.aborted = False
        self.late = False
        self.conversation = SimpleNamespace(caller=caller, interval=interval)
        self.transport = SimpleNamespace(abort=lambda: setattr(self, "aborted", True))

    def ping(self) -> None:
        assert not self.pinged
        self.pinged = True

    def close(self, code: int, _reason: str) -> None:
        self.closed.append(code)

    def overdue(self, _now: float) -> bool:
        return self.late


def door() -> Door:
    world: Any = SimpleNamespace(
        settings=Settings(), messaging=SimpleNamespace(bus=Bus()), keyring=Keyring([])
    )
    return Door(world)


def test_a_silent_client_is_pinged_after_30_s_and_cut_after_40_s() -> None:
    made = door()
    line: Any = Line()
    made._connections[line] = 0.0
    for now, pinged, cut in [
        (29.9, False, False),
        (30.0, True, False),
        (39.9, True, False),
        (40.0, True, True),
    ]:
        made.tick(now)
        assert (line.pinged, line.aborted) == (pinged, cut), now


def test_a_connection_ends_with_its_token() -> None:
    made = door()
    line: Any = Line(caller=SimpleNamespace(until=20.0))
    made._connections[line] = 0.0
    made.tick(19.9)
    assert line.closed == []
    made.tick(20.0)
    assert line.closed == [1008]
    line.conversation.caller, line.closed = SimpleNamespace(until=90.0), []
    made.tick(20.5)
    assert line.closed == [], "a new token in CONNECT renews it"


def test_a_shorter_keep_alive_asks_sooner() -> None:
    made = door()
    line: Any = Line(interval=5)
    made._connections[line] = 0.0
    made.tick(5.0)
    assert line.pinged
    made.tick(15.0)
    assert line.aborted


def test_an_unnamed_client_has_five_seconds() -> None:
    made = door()
    line: Any = Line(caller=None)
    made._connections[line] = 0.0
    made.tick(4.9)
    assert line.closed == []
    made.tick(5.0)
    assert line.closed == [1008]
    line.late = True
    made.tick(10.0)
    assert line.aborted


def test_a_session_is_forgotten_when_its_time_is_over() -> None:
    made = door()
    session = Session("operator", "c")
    made._sessions["operator", "c"] = session
    made.subscribe(session, Subscription("a/#", 1))
    session.ends_at = 100.0
    made.tick(99.0)
    assert made._tree.find("a/b")
    made.tick(100.0)
    assert not made._tree.find("a/b")
    assert not made._sessions
