"""One process full of open connections, WebSocket or MQTT, as standard input orders.

Frames on both pipes are those of `worker`. A connection is as lean as it can be: it logs in, subscribes,
answers heartbeats, and notes when a message with the mark of a broadcast comes by.
"""

import asyncio
import gc
import os
import resource
import struct
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any, cast

import msgspec

from dtc_cli.clients import frames, packets
from dtc_cli.clients.packets import MalformedPacketError, PacketReader
from dtc_cli.load.papers import Papers
from dtc_cli.load.worker import frame, read_frame

LOGIN_S = 30.0
UNDER_WAY = 64
"""Connections that a process opens at once: a target that needs longer for each sets the pace, since the
standard counts connections and not how fast they come."""
BEAT_SHARE = 0.5
"""An MQTT client says PINGREQ after this share of its keep alive."""
LONGEST_HEAD = 65536


class Post(msgspec.Struct, frozen=True):
    """What one process holds."""

    kind: str
    """`stream` or `mqtt`."""
    host: str
    port: int
    tls: bool
    papers: Papers
    sources: tuple[str, ...]
    """Local addresses, used in turn; empty for the system's choice."""
    count: int
    rate: float
    """New connections per second."""
    hello: bytes
    """The upgrade, or nothing for MQTT."""
    login: tuple[str, str | None, str | None]
    """MQTT: beginning of the client id, user name, password."""
    topic: str
    subscription: bytes
    """The text message that subscribes on a stream."""
    keep_alive_s: int
    beats: bool
    """Whether the clients drive heartbeats on the stream (C-69)."""


class Held(msgspec.Struct, frozen=True):
    """What one process says of itself."""

    at: float
    opened: int
    subscribed: int
    alive: int
    lost: int
    """Connections that were subscribed and ended."""
    refused: dict[str, int]
    beats: int
    """Heartbeats that were answered: by us, and, where clients drive them, by the target."""
    heard: int
    """Connections that a broadcast reached."""
    twice: int
    """Connections that got one broadcast more than once."""
    last_heard_s: float
    """Instant, on CLOCK_MONOTONIC, at which it reached the last of them."""
    memory_kib: int
    descriptors: int
    done: bool = False


class _Crowd:
    """The connections of one process, and what is counted of them."""

    def __init__(self, post: Post) -> None:
        self.post = post
        self.alive: set[_Client] = set()
        self.refused: Counter[str] = Counter()
        self.opened = self.subscribed = self.lost = self.beats = self.heard = self.twice = 0
        self.last_heard = 0.0
        self.mark = b""
        """Bytes by which a broadcast is known; none are looked for while it is empty."""
        self.tls = post.papers.context() if post.tls else None

    def look_for(self, mark: bytes) -> None:
        """From now on messages with this mark count."""
        self.mark, self.heard, self.twice, self.last_heard = mark, 0, 0, 0.0
        for client in self.alive:
            client.times = 0

    def hears(self, client: "_Client") -> None:
        client.times += 1
        if client.times == 1:
            self.heard += 1
            self.last_heard = time.monotonic()
        elif client.times == 2:
            self.twice += 1

    async def open(self) -> None:
        """Open all connections, paced."""
        begun, tasks, room = time.monotonic(), set(), asyncio.Semaphore(UNDER_WAY)
        for number in range(self.post.count):
            due = begun + number / self.post.rate
            if (early := due - time.monotonic()) > 0:
                await asyncio.sleep(early)
            await room.acquire()
            task = asyncio.create_task(self._one(number))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            task.add_done_callback(lambda _: room.release())
        if tasks:
            await asyncio.wait(tasks)

    async def _one(self, number: int) -> None:
        post = self.post
        source = post.sources[number % len(post.sources)] if post.sources else None
        kind = _Stream if post.kind == "stream" else _Mqtt
        client: _Client | None = None
        try:
            async with asyncio.timeout(LOGIN_S):
                _, client = await asyncio.get_running_loop().create_connection(
                    lambda: kind(self, number),
                    post.host,
                    post.port,
                    ssl=self.tls,
                    server_hostname=post.host if self.tls else None,
                    local_addr=(source, 0) if source else None,
                )
                self.opened += 1
                self.alive.add(client)
                await client.ready
        except (OSError, TimeoutError) as problem:
            self.refused[str(problem) or type(problem).__name__] += 1
            if client is not None:
                client.drop()
        else:
            self.subscribed += 1

    def told(self, *, done: bool = False) -> Held:
        return Held(
            time.monotonic(),
            self.opened,
            self.subscribed,
            sum(client.on for client in self.alive),
            self.lost,
            dict(self.refused.most_common(10)),
            self.beats,
            self.heard,
            self.twice,
            self.last_heard,
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
            len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0,
            done,
        )


class _Client(asyncio.Protocol):
    """One connection."""

    __slots__ = ("_buffer", "_crowd", "_number", "_transport", "on", "ready", "times")

    def __init__(self, crowd: _Crowd, number: int) -> None:
        self._crowd = crowd
        self._number = number
        self._buffer = b""
        self._transport: asyncio.WriteTransport | None = None
        self.on = False
        """It is subscribed and alive."""
        self.times = 0
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        self._greet(self._transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._crowd.alive.discard(self)
        if self.on:
            self._crowd.lost += 1
            self.on = False
        self._refused("the target closed the connection")

    def drop(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def beat(self) -> None:
        """Say that we are there."""

    def _greet(self, transport: asyncio.WriteTransport) -> None:
        raise NotImplementedError

    def _is_on(self) -> None:
        if not self.ready.done():
            self.on = True
            self.ready.set_result(None)

    def _refused(self, why: str) -> None:
        if not self.ready.done():
            self.ready.set_exception(ConnectionRefusedError(why))

    def _look(self, data: bytes) -> None:
        mark = self._crowd.mark
        if mark and mark in data:
            self._crowd.hears(self)


class _Stream(_Client):
    __slots__ = ("_open",)

    def _greet(self, transport: asyncio.WriteTransport) -> None:
        self._open = False
        transport.write(self._crowd.post.hello)

    def beat(self) -> None:
        if self._transport is not None and self.on:
            self._transport.write(frames.encode(frames.PING, b"", mask=b"\0\0\0\0"))

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        if not self._open:
            head, end, buffer = buffer.partition(b"\r\n\r\n")
            if not end:
                self._buffer = head
                if len(head) > LONGEST_HEAD:
                    self.drop()
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self._refused("upgrade refused: " + head[9:12].decode("latin-1"))
                self.drop()
                return
            self._open = True
            assert self._transport is not None  # noqa: S101 - data came through it
            text = self._crowd.post.subscription
            self._transport.write(frames.encode(frames.TEXT, text, mask=b"\0\0\0\0"))
        at, end_ = 0, len(buffer)
        while end_ - at >= 2:
            length, size = buffer[at + 1] & 0x7F, 2
            if length == 126:
                size, length = 4, int.from_bytes(buffer[at + 2 : at + 4])
            elif length == 127:
                size, length = 10, struct.unpack("!Q", buffer[at + 2 : at + 10].ljust(8, b"\0"))[0]
            if end_ - at < size + length:
                break
            self._frame(buffer[at] & 0x0F, buffer[at + size : at + size + length])
            at += size + length
        self._buffer = buffer[at:]

    def _frame(self, opcode: int, payload: bytes) -> None:
        transport = self._transport
        if transport is None:
            return
        if opcode == frames.PING:
            self._crowd.beats += 1
            transport.write(frames.encode(frames.PONG, payload, mask=b"\0\0\0\0"))
        elif opcode == frames.PONG:
            self._crowd.beats += 1
        elif opcode == frames.CLOSE:
            transport.close()
        elif not self.on:
            if b"SUBACK" in payload:
                self._is_on()
            elif b'"ERROR"' in payload:
                self._refused("SUBSCRIBE is answered by ERROR")
        elif b'"PING"' in payload and self._ping(payload, transport):
            self._crowd.beats += 1
        else:
            self._look(payload)

    @staticmethod
    def _ping(payload: bytes, transport: asyncio.WriteTransport) -> bool:
        """Answer a PING message by a PONG message; False when it is another one."""
        try:
            message = msgspec.json.decode(payload)
        except msgspec.DecodeError:
            return False
        if not isinstance(message, dict) or message.get("type") != "PING":
            return False
        pong = {**message, "type": "PONG", "correlationId": message.get("messageId")}
        transport.write(frames.encode(frames.TEXT, msgspec.json.encode(pong), mask=b"\0\0\0\0"))
        return True


class _Mqtt(_Client):
    __slots__ = ("_reader",)

    def _greet(self, transport: asyncio.WriteTransport) -> None:
        self._reader = PacketReader()
        post = self._crowd.post
        name, username, password = post.login
        transport.write(
            packets.connect(
                f"{name}-{self._number}", username=username, password=password, keep_alive=post.keep_alive_s
            )
        )

    def beat(self) -> None:
        if self._transport is not None and self.on:
            self._transport.write(packets.PINGREQ)

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while (raw := self._reader.next()) is not None:
                self._packet(raw)
        except MalformedPacketError as problem:
            self._refused(f"no MQTT 5: {problem}")
            self.drop()

    def _packet(self, raw: bytes) -> None:
        kind = raw[0] >> 4
        if kind == 3:
            self._look(raw)
            return
        packet = packets.decode(raw)
        if packet.kind == "CONNACK":
            if packet.reason:
                self._refused(f"CONNACK with reason {packet.reason:#x}")
                self.drop()
            elif self._transport is not None:
                self._transport.write(packets.subscribe(1, [(self._crowd.post.topic, 0)]))
        elif packet.kind == "SUBACK":
            if any(reason >= 0x80 for reason in packet.reasons):
                self._refused(f"SUBACK with reason {packet.reasons[0]:#x}")
                self.drop()
            else:
                self._is_on()
        elif packet.kind == "PINGRESP":
            self._crowd.beats += 1


async def _work(post: Post, source: Any) -> None:
    crowd = _Crowd(post)
    loop = asyncio.get_running_loop()
    opening = asyncio.create_task(crowd.open())
    command = loop.run_in_executor(None, read_frame, source)
    beaten = time.monotonic()
    told_open = False
    while True:
        pending: list[asyncio.Future[Any]] = [command] if opening.done() else [command, opening]
        await asyncio.wait(pending, timeout=0.5, return_when=asyncio.FIRST_COMPLETED)
        if command.done():
            order = command.result()
            if order is None:
                break
            crowd.look_for(msgspec.msgpack.decode(order))
            command = loop.run_in_executor(None, read_frame, source)
        if (post.kind == "mqtt" or post.beats) and time.monotonic() - beaten > BEAT_SHARE * post.keep_alive_s:
            beaten = time.monotonic()
            for client in tuple(crowd.alive):
                client.beat()
        _say(crowd.told(done=opening.done()))
        if opening.done() and not told_open:
            told_open = True
            gc.freeze()
    opening.cancel()
    for client in tuple(crowd.alive):
        client.drop()


def _say(value: Any) -> None:
    sys.stdout.buffer.write(frame(value))
    sys.stdout.buffer.flush()


def main() -> None:
    """Hold what standard input orders, until it ends."""
    source = sys.stdin.buffer
    raw = read_frame(source)
    if raw is None:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_work(msgspec.msgpack.decode(raw, type=Post), source))
    os._exit(0)


if __name__ == "__main__":
    main()
