"""Figures of the stream: fan-out against a bare broadcast, latency, memory of idle connections.

    python benchmarks/stream.py fanout [--subscribers 1000] [--messages 200]
    python benchmarks/stream.py latency [--subscribers 1000] [--rate 20] [--seconds 10]
    python benchmarks/stream.py idle [--connections 15000] [--seconds 300] [--deflate]

The server, and in `fanout` the bare one beside it, are processes of their own; all clients are in this one
and read frames with a few lines of their own. CPU seconds are those of the server.
"""

import argparse
import asyncio
import json
import os
import resource
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvloop
import yaml

TOPIC = "city/KR-BUSAN-2025/commands/benchmark"
ROOT = Path(__file__).resolve().parent.parent
SAMPLED = 10
"""Latency is measured at every tenth subscriber, the last one included."""
CREDENTIALS = "X-API-Key"
BARE = """
import asyncio, sys, uvloop
from websockets.asyncio.server import serve, broadcast
from websockets.frames import Frame, Opcode
ears = set()
async def handler(ws):
    async for text in ws:
        if text == "ear":
            ears.add(ws)
            await ws.send("ok")
        elif MODE == "library":
            broadcast(ears, text)
        else:
            frame = Frame(Opcode.TEXT, text.encode()).serialize(mask=False)
            for ear in ears:
                ear.transport.write(frame)
async def main():
    async with serve(handler, "127.0.0.1", 0, compression=None, ping_interval=None, max_size=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
MODE = sys.argv[1]
uvloop.run(main())
"""


class Ear(asyncio.Protocol):
    """A client that reads frames and answers pings."""

    def __init__(self, request: bytes, heard: Callable[[bytes], None]) -> None:
        self._request = request
        self._heard = heard
        self._buffer = bytearray()
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.pings = 0
        self.deaf = False
        """Take in what comes and look at nothing."""
        self.lost = False

    def connection_made(self, transport: Any) -> None:
        """Ask for the upgrade."""
        self.transport = transport
        transport.write(self._request)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note it."""
        self.lost = True
        if not self.ready.done():
            self.ready.set_exception(ConnectionError(f"{self._buffer[:80]!r}"))

    def data_received(self, data: bytes) -> None:
        """Read frames."""
        buffer = self._buffer
        buffer += data
        if not self.ready.done():
            head, mark, rest = bytes(buffer).partition(b"\r\n\r\n")
            if not mark:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self.transport.close()
                return
            self.ready.set_result(None)
            buffer[:] = rest
        if self.deaf:
            buffer.clear()
            return
        at, end = 0, len(buffer)
        while end - at >= 2:
            length, size = buffer[at + 1] & 0x7F, 2
            if length == 126:
                size, length = 4, int.from_bytes(buffer[at + 2 : at + 4])
            elif length == 127:
                size, length = 10, int.from_bytes(buffer[at + 2 : at + 10])
            if end - at < size + length:
                break
            if buffer[at] == 0x89:
                self.pings += 1
                self.transport.write(b"\x8a\x80" + bytes(4))
            elif buffer[at] & 0x0F != 8:
                self._heard(bytes(buffer[at + size : at + size + length]))
            at += size + length
        del buffer[:at]

    def say(self, text: str) -> None:
        """Send a text message."""
        data = text.encode()
        head = (
            bytes((0x81, 0x80 | len(data))) if len(data) < 126 else struct.pack("!BBH", 0x81, 0xFE, len(data))
        )
        self.transport.write(head + bytes(4) + data)


class Server:
    """The twin, or the bare server when `mode` says so."""

    def __init__(self, folder: str, mode: str | None = None) -> None:
        self.key = ""
        command = [sys.executable, "-c", BARE, mode or ""]
        if mode is None:
            target = Path(folder) / "target.yaml"
            command = [
                sys.executable,
                "-m",
                "reference_server",
                "--write-target",
                str(target),
                "--objects",
                "20",
            ]
            command += ["--stop-on-stdin-eof", "--mqtt-port", "none"]
        pipe = subprocess.PIPE
        errors = None if mode is None else subprocess.DEVNULL  # it is cut off, and says so at length
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=errors, text=True)
        out = self.process.stdout
        line = "" if out is None else out.readline()
        if mode is None:
            self.url = json.loads(line)["stream"]
            keys = yaml.safe_load(target.read_text())["auth"]["api_keys"]
            self.key = Path(keys["load"].removeprefix("file:")).read_text()
        else:
            self.url = f"ws://127.0.0.1:{int(line)}/"

    def request(self, *, deflate: bool = False) -> bytes:
        """The upgrade."""
        parts = urlsplit(self.url)
        lines = [
            f"GET {parts.path} HTTP/1.1",
            f"Host: {parts.netloc}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==",
            "Sec-WebSocket-Version: 13",
        ]
        lines += ["Sec-WebSocket-Protocol: wia-dtc-v1", f"{CREDENTIALS}: {self.key}"] if self.key else []
        lines += ["Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"] if deflate else []
        return "\r\n".join([*lines, "", ""]).encode()

    async def connect(self, heard: Callable[[bytes], None], *, deflate: bool = False) -> Ear:
        """A client."""
        parts = urlsplit(self.url)
        request = self.request(deflate=deflate)
        _, ear = await asyncio.get_running_loop().create_connection(
            lambda: Ear(request, heard), parts.hostname, parts.port
        )
        await ear.ready
        return ear

    def cpu_s(self) -> float:
        """CPU seconds so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_kb(self) -> int:
        """Resident memory in KiB."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])

    def stop(self) -> None:
        """End it."""
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        self.process.wait()


def message(number: int, kind: str = "PUBLISH") -> str:
    """A message as a publisher sends it; its payload tells when."""
    payload: dict[str, Any] = {"n": number, "at": time.monotonic(), "note": "x" * 200}
    if kind == "SUBSCRIBE":
        payload = {"topics": [{"topic": TOPIC, "qos": 0}]}
    return json.dumps({"type": kind, "messageId": f"b-{number}", "topic": TOPIC, "payload": payload})


async def subscribers(server: Server, count: int, heard: Callable[[bytes], None]) -> list[Ear]:
    """Clients that have subscribed."""
    answered = 0
    done = asyncio.Event()

    def hear(data: bytes) -> None:
        nonlocal answered
        if done.is_set():
            heard(data)
            return
        answered += 1
        if answered == count:
            done.set()

    ears = []
    for start in range(0, count, 100):
        ears += await asyncio.gather(*(server.connect(hear) for _ in range(min(100, count - start))))
    for ear in ears:
        ear.say(message(0, "SUBSCRIBE") if server.key else "ear")
    await done.wait()
    return ears


async def fan_out(server: Server, count: int, messages: int) -> tuple[float, float]:
    """Seconds of wall clock and of the server's CPU from the first message to the last delivery."""
    left = count * messages
    done = asyncio.Event()

    def heard(_: bytes) -> None:
        nonlocal left
        left -= 1
        if not left:
            done.set()

    ears = await subscribers(server, count, heard)
    mouth = await server.connect(lambda _: None)
    began, cpu = time.perf_counter(), server.cpu_s()
    window = 20  # messages not yet delivered to all: a publisher that outruns everybody measures only queues
    for number in range(messages):
        while left > (messages - number + window) * count:
            await asyncio.sleep(0)
        mouth.say(message(number))
        await asyncio.sleep(0)
    await done.wait()
    took = time.perf_counter() - began, server.cpu_s() - cpu
    for ear in [*ears, mouth]:
        ear.transport.abort()
    return took


async def compare(count: int, messages: int, rounds: int) -> None:
    rates: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            for name, mode in (
                ("bare frames", "frames"),
                ("websockets broadcast()", "library"),
                ("twin", None),
            ):
                server = Server(folder, mode)
                try:
                    wall, cpu = await fan_out(server, count, messages)
                finally:
                    server.stop()
                rates.setdefault(name, []).append(count * messages / cpu)
                per_s, per_cpu = count * messages / wall, count * messages / cpu
                print(f"{name:<24} {per_s:>10,.0f} deliveries/s  {per_cpu:>10,.0f} per CPU s", flush=True)
    best = {name: statistics.median(values) for name, values in rates.items()}
    for name in ("bare frames", "websockets broadcast()"):
        print(f"twin / {name}: {best['twin'] / best[name]:.2f} of its deliveries per CPU second")


async def latency(count: int, rate: float, seconds: float) -> None:
    waits: list[float] = []

    def heard(data: bytes) -> None:
        at = data.index(b'"at":') + 5
        waits.append(time.monotonic() - float(data[at : data.index(b",", at)]))

    with tempfile.TemporaryDirectory() as folder:
        server = Server(folder)
        try:
            for number, ear in enumerate(await subscribers(server, count, heard)):
                ear.deaf = (
                    number % SAMPLED != SAMPLED - 1
                )  # reading every frame here would be what is measured
            mouth = await server.connect(lambda _: None)
            begin = time.monotonic()
            for number in range(int(rate * seconds)):
                await asyncio.sleep(max(0.0, begin + number / rate - time.monotonic()))
                mouth.say(message(number))
            await asyncio.sleep(1)
            cpu = server.cpu_s()
        finally:
            server.stop()
    waits.sort()
    shown = ", ".join(f"p{p} {waits[int(len(waits) * p / 100) - 1] * 1000:.1f} ms" for p in (50, 95, 99, 100))
    sampled = int(rate * seconds) * count // SAMPLED
    print(f"{len(waits):,} of {sampled:,} sampled deliveries; {shown}; server CPU {cpu:.1f} s")


async def idle(count: int, seconds: float, *, deflate: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = Server(folder)
        try:
            warm = [await server.connect(lambda _: None) for _ in range(50)]
            before = server.rss_kb()
            ears: list[Ear] = []
            began = time.perf_counter()
            while len(ears) < count:
                batch = (
                    server.connect(lambda _: None, deflate=deflate)
                    for _ in range(min(200, count - len(ears)))
                )
                ears += await asyncio.gather(*batch)
            print(f"{count:,} connections in {time.perf_counter() - began:.1f} s")
            for ear in ears:
                ear.say(message(0, "SUBSCRIBE"))
            await asyncio.sleep(5)
            each = (server.rss_kb() - before) / count
            print(f"{each:.1f} KiB each, subscribed; {server.rss_kb() // 1024} MiB in all", flush=True)
            cpu = server.cpu_s()
            await asyncio.sleep(seconds)
            lost = sum(ear.lost for ear in ears)
            pings = [ear.pings for ear in ears]
            print(
                f"after {seconds:g} s: {lost} lost, {min(pings)} to {max(pings)} heartbeats answered by each"
            )
            share = (server.cpu_s() - cpu) / seconds * 100
            print(f"{share:.1f} % of a core; {server.rss_kb() // 1024} MiB in all")
            for ear in [*ears, *warm]:
                ear.transport.abort()
        finally:
            server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the stream of the twin.")
    parser.add_argument("what", choices=("fanout", "latency", "idle"))
    parser.add_argument("--subscribers", type=int, default=1000)
    parser.add_argument("--messages", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=float, default=20)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--connections", type=int, default=15_000)
    parser.add_argument("--deflate", action="store_true")
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if options.what == "fanout":
        uvloop.run(compare(options.subscribers, options.messages, options.rounds))
    elif options.what == "latency":
        uvloop.run(latency(options.subscribers, options.rate, options.seconds or 10))
    else:
        uvloop.run(idle(options.connections, options.seconds or 300, deflate=options.deflate))


if __name__ == "__main__":
    main()
