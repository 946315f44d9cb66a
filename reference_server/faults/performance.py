"""Defects that show under load (P4 8.3): refusals, slowness, losses and mix-ups once many ask at once."""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import orjson

from reference_server import app
from reference_server.errors import ApiError
from reference_server.faults.fault import Fault, wrap
from reference_server.rest.call import Call, Reply
from reference_server.services import readings
from reference_server.storage import transaction
from reference_server.stream.door import Door

Make = Callable[..., Any]
MANY = 25
"""Requests in a second that make a rush; a suite that looks at one thing after the other stays below."""


class Rush:
    """Counts what comes in a second."""

    def __init__(self, many: int = MANY) -> None:
        self._many = many
        self._second, self._count, self._before = 0, 0, 0
        self.number = 0
        """Rushes so far: one begins after a second that was none."""
        self.turn = 0
        """Calls within rushes."""

    def on(self) -> bool:
        """Count one; whether there is a rush."""
        second = int(time.monotonic())
        if second != self._second:
            self._before = self._count if second == self._second + 1 else 0
            self._second, self._count = second, 0
        self._count += 1
        if self._count == self._many and self._before < self._many:
            self.number += 1
        if max(self._count, self._before) < self._many:
            return False
        self.turn += 1
        return True


def _dispatch(meddle: Callable[[Rush], Any], many: int = MANY) -> Callable[[], None]:
    """In a rush `meddle` comes before the answer; it gets the rush and may wait, or raise."""
    rush = Rush(many)

    def make(dispatch: Make) -> Make:
        async def wrong(self: Any, call: Call, match: Any) -> Reply:
            if rush.on():
                await meddle(rush)
            reply: Reply = await dispatch(self, call, match)
            return reply

        return wrong

    return wrap(app.Api, "_dispatch", make)


async def _fail(rush: Rush) -> None:
    if rush.turn % 25 == 0:
        raise ApiError("INTERNAL_ERROR", "the server failed to answer")


async def _linger(rush: Rush) -> None:
    if rush.turn % 25 == 0:
        await asyncio.sleep(0.3)


async def _freeze(rush: Rush) -> None:
    if rush.turn % 100 == 0:
        time.sleep(0.6)


async def _tire(rush: Rush) -> None:
    await asyncio.sleep(0.02 * rush.number)


def _mixed_up(dispatch: Make) -> Make:
    """Two answers of the cache are exchanged."""
    rush = Rush()
    last: dict[str, Reply] = {}

    async def wrong(self: Any, call: Call, match: Any) -> Reply:
        reply: Reply = await dispatch(self, call, match)
        if call.method != "GET" or "objectId" not in call.params or reply.status != 200:
            return reply
        before, last["reply"] = last.get("reply"), reply
        return before if rush.on() and rush.turn % 15 == 0 and before is not None else reply

    return wrong


def _dry(dispatch: Make) -> Make:
    """Lists are empty when many ask."""
    rush = Rush(8)

    async def wrong(self: Any, call: Call, match: Any) -> Reply:
        reply: Reply = await dispatch(self, call, match)
        path: bytes = call._scope.get("raw_path") or b""
        if call.method != "GET" or not path.split(b"?")[0].endswith(b"/objects") or not rush.on():
            return reply
        shown = orjson.loads(reply.body)
        return msgspec.structs.replace(reply, body=orjson.dumps({**shown, "objects": []}))

    return wrong


def _forgetful(add: Make) -> Make:
    rush = Rush(15)

    def wrong(self: Any, sensor: int, given: Any, origin: Any = None) -> tuple[int, int]:
        if rush.on() and rush.turn % 20 == 0:
            return len(given), 0
        done: tuple[int, int] = add(self, sensor, given, origin)
        return done

    return wrong


def _forgetful_batch(add: Make) -> Make:
    count = [0]

    def wrong(self: Any, batch: Any) -> Any:
        count[0] += len(batch)
        kept = batch[:-1] if count[0] > 15 else batch
        done = add(self, kept) if kept else []
        return done + [(1, 0)] * (len(batch) - len(kept))

    return wrong


def _doubling(add: Make) -> Make:
    rush = Rush(15)

    def wrong(self: Any, sensor: int, given: Any, origin: Any = None) -> tuple[int, int]:
        if rush.on() and rush.turn % 20 == 0:
            later = [msgspec.structs.replace(one, at=one.at + 5000) for one in given]
            add(self, sensor, later, origin)
        done: tuple[int, int] = add(self, sensor, given, origin)
        return done

    return wrong


def _slow_series(data: Make) -> Make:
    async def wrong(*arguments: Any, **options: Any) -> Any:
        await asyncio.sleep(0.7)
        return await data(*arguments, **options)

    return wrong


def _full(admit: Make) -> Make:
    def wrong(self: Any, caller: Any) -> None:
        if len(self) >= 300:
            raise ApiError("SERVICE_UNAVAILABLE", "there are too many connections")
        admit(self, caller)

    return wrong


def _hard_of_hearing(deliver: Make) -> Make:
    """Of many listeners the last ones are passed over."""

    def wrong(self: Any, message: Any) -> None:
        listeners = list(self._tree.find(message.topic).items())
        if len(listeners) < 100:
            deliver(self, message)
            return
        for session, granted in listeners[: len(listeners) * 9 // 10]:
            session.hear(message, min(granted, message.qos))

    return wrong


TABLE: tuple[tuple[str, str, Callable[[], None]], ...] = (
    ("001", "every 25th request fails when many come", _dispatch(_fail)),
    ("003", "every 25th answer takes 300 ms when many come", _dispatch(_linger)),
    ("003-freeze", "the server stands still now and then when many come", _dispatch(_freeze)),
    ("004", "a stream for few: further connections are refused", wrap(Door, "admit", _full)),
    ("004-broadcast", "of many subscribers some are passed over", wrap(Door, "deliver", _hard_of_hearing)),
    (
        "005",
        "readings are accepted and not stored when many come",
        wrap(transaction.SqliteTransaction, "add_readings", _forgetful),
    ),
    (
        "005-broker",
        "of what comes over MQTT the last of a batch is lost",
        wrap(transaction.SqliteTransaction, "add_batch", _forgetful_batch),
    ),
    (
        "005-twice",
        "readings are stored twice when many come",
        wrap(transaction.SqliteTransaction, "add_readings", _doubling),
    ),
    ("006", "a sensor's day takes 700 ms", wrap(readings, "data", _slow_series)),
    ("008", "the server gets slower from run to run", _dispatch(_tire)),
    ("009", "the fourfold load makes requests fail", _dispatch(_fail, many=70)),
    ("010", "objects are exchanged when many are asked for", wrap(app.Api, "_dispatch", _mixed_up)),
    ("010-empty", "lists run dry when many ask", wrap(app.Api, "_dispatch", _dry)),
)


def faults() -> Iterator[Fault]:
    """Every defect that shows under load."""
    for key, why, install in TABLE:
        yield Fault(f"DTC-PERF-{key}", f"DTC-PERF-{key[:3]}", why, install)
