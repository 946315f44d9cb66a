"""Prints whether a fixed conversation with the stream differs under each fault: `{fault: differs}` in JSON.

Each fault is put in place in a process of its own, forked before anything runs. There are no sockets: bytes
go straight into a connection and are read from what it writes. Names and instants that differ from run to run
are replaced, so that two transcripts are equal when the twin behaves in the same way.
"""

import asyncio
import json
import os
import re
import struct
import sys
import tempfile
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from reference_server import auth, client, instants
from reference_server.faults.table import FAULTS, install
from reference_server.rest import messages
from reference_server.services import cities, city_services, objects, readings
from reference_server.storage.protocol import CredentialRow
from reference_server.stream.handshake import SUBPROTOCOL
from reference_server.world import World
from tests.integration.test_twin.conftest import building
from tests.support.twin_world import CITY, world

BASE = f"city/{CITY}"
SENSOR = "sensor-environmental-001"
TOPIC = f"{BASE}/sensors/environmental/{SENSOR}/temperature"
STREAM = "/digital-twin-city/v1/stream"
AT_ONCE = 6
"""Conversations at a time; they mostly wait for their storage."""
VOLATILE = re.compile(
    r"Date: [^\r]*|srv-[0-9a-f]+-\d+|msg-[0-9a-f-]{3,}|\d{16}|2\d{3}-\d\d-\d\dT[0-9:.]+(?=Z)"
    r"|anonymous-[0-9a-f]+|alert-[a-z]+-[0-9a-f]{32}|building-[0-9a-f]{32}"
)


class Pipe:
    """The transport of a connection: keeps what is written."""

    def __init__(self) -> None:
        self.data = b""
        self.ended = ""

    def write(self, data: bytes) -> None:
        self.data += data

    def close(self) -> None:
        self.ended = self.ended or "closed"

    def abort(self) -> None:
        self.ended = self.ended or "aborted"

    def is_closing(self) -> bool:
        return bool(self.ended)

    def get_extra_info(self, _name: str) -> None:
        return None

    def set_write_buffer_limits(self, **_: int) -> None:
        return

    def pause_reading(self) -> None:
        return

    resume_reading = pause_reading


class Line:
    """A client without a socket."""

    def __init__(self, made: World, key: str = "k-admin", path: str = STREAM, **headers: str) -> None:
        self.pipe = Pipe()
        self._made = made
        state: Any = SimpleNamespace(connections=set())
        self.connection = made.stream.connection(None, state, {})
        self.connection.connection_made(self.pipe)  # type: ignore[arg-type]
        wanted = {
            "Host": "here",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": "x3JJHMbDL1EzLkh9GBhXDw==",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Protocol": SUBPROTOCOL,
            "X-API-Key": key,
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        lines = [f"{name}: {value}" for name, value in wanted.items() if value]
        self.connection.data_received("\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode())

    def frame(self, opcode: int, data: bytes, *, fin: bool = True, mask: bool = True) -> None:
        bit = 0x80 if mask else 0
        size = struct.pack("!BQ", bit | 127, len(data)) if len(data) > 125 else bytes((bit | len(data),))
        key = bytes(4) if mask else b""
        self.connection.data_received(bytes(((0x80 if fin else 0) | opcode,)) + size + key + data)

    def say(self, kind: str, payload: Any = None, **more: Any) -> None:
        whole = {
            "type": kind,
            "messageId": f"c-{kind}",
            "payload": {} if payload is None else payload,
            **more,
        }
        self.frame(1, json.dumps(whole).encode())

    async def settled(self) -> None:
        """Wait until all that was asked for is done and said."""
        for _ in range(3):
            await asyncio.sleep(0)
            talk = self.connection.conversation
            while talk is not None and talk._tasks:
                await asyncio.wait(talk._tasks)
            await self._made.messaging.ingest.drain()
            await self._made.storage.write("nobody", lambda tx: None)

    async def shown(self) -> str:
        """What was written since the last time, made comparable."""
        await self.settled()
        data, self.pipe.data = self.pipe.data, b""
        return f"{VOLATILE.sub('_', data.decode('latin-1'))}{self.pipe.ended}"


def reading(value: float, parameter: str = "temperature", unit: str = "celsius") -> dict[str, Any]:
    now = instants.show(instants.now_us())
    return {"parameter": parameter, "value": value, "unit": unit, "timestamp": now, "quality": "good"}


async def talk(made: World) -> list[str]:  # noqa: PLR0915 - a long conversation
    """The conversation."""
    for role in ("admin", "device", "viewer"):
        known = CredentialRow(role, "key", auth.digest(f"k-{role}"), role, (CITY,), 10**5, 60.0)
        made.keyring.add(known)
    city = await cities.find(made, CITY)
    heard: list[str] = []
    for headers in (
        {},
        {"Sec_WebSocket_Version": "8"},
        {"Sec_WebSocket_Protocol": "foo"},
        {"key": ""},
        {"key": "wrong"},
        {"path": STREAM + "s"},
    ):
        heard.append(await Line(made, **headers).shown())
    line = Line(made)

    async def said(*texts: Any) -> None:
        for one in texts:
            line.frame(1, one if isinstance(one, bytes) else json.dumps(one).encode())
        heard.append(await line.shown())

    line.say("CONNECT", {"clientId": "c", "receiveMaximum": 2})
    wanted = [f"{BASE}/sensors/+/+/temperature", f"{BASE}/alerts/#", "a/#/b"]
    line.say("SUBSCRIBE", {"topics": [{"topic": one, "qos": 1} for one in wanted]})
    await said(
        b"hello", b"{}", {"type": "PING", "messageId": "p"}, {"type": "ping", "messageId": "p", "payload": {}}
    )
    for change in (
        {"version": "9.0.0"},
        {"timestamp": 5},
        {"timestamp": "2025-01-15T10:30:00"},
        {"qos": 3},
        {"ttl": -1},
        {"encoding": "xml"},
        {"messageId": None},
    ):
        whole: dict[str, Any] = {"type": "PING", "messageId": "p", "payload": {}, **change}
        await said({name: one for name, one in whole.items() if one is not None})
    line.say("SUBSCRIBE", {"topics": []})
    line.say("PING")
    heard.append(await line.shown())
    for value, qos in ((20.125, 0), (21.125, 0), (20.25, 1), (20.375, 2)):
        payload = {"sensorId": SENSOR, "measurements": [reading(value)]}
        line.say("PUBLISH", payload, topic=TOPIC, qos=qos, ttl=9, messageId=f"m-{value}")
        heard.append(await line.shown())
    three = [reading(22.25), reading(50, "humidity", "percent"), reading(155, "air_quality", "aqi")]
    await readings.submit(made, city, SENSOR, {"measurements": three}, "somebody")
    heard.append(await line.shown())
    line.say("PUBLISH", {"a": 1}, topic=f"{BASE}/alerts/+/x", qos=1)
    line.say("FLOW_CONTROL", {"action": "pause"})
    line.say("UNSUBSCRIBE", {"topics": [wanted[0]]})
    await readings.submit(made, city, SENSOR, {"measurements": [reading(23.25)]}, "somebody")
    line.say("PUBACK", {"messageId": "m-20.25"})
    heard.append(await line.shown())

    line = Line(made)
    line.say("FLOW_CONTROL", {"action": "pause"})
    line.say("SUBSCRIBE", {"topics": [{"topic": f"{BASE}/sensors/#", "qos": 0}]})
    await readings.submit(made, city, SENSOR, {"measurements": [reading(24.25)]}, "somebody")
    line.say("PUBLISH", {"x": 1}, topic=f"{BASE}/sensors/#", qos=1)
    signed = {"algorithm": "none", "keyId": "k", "value": ""}
    line.say("PING", {}, signature=signed)
    line.say("CONNECT", {"auth": {"apiKey": "wrong"}})
    heard.append(await line.shown())

    line = Line(made)
    line.say("CONNECT", {"clientId": "c", "cleanStart": False})
    line.say("SUBSCRIBE", {"topics": [{"topic": f"{BASE}/#", "qos": 2, "retainHandling": 2}]})
    row = await objects.create(made, city, building(), "somebody")
    await city_services.set_status(made, city, "service-waste", {"status": "degraded"}, "somebody")
    await made.storage.write(
        "somebody",
        lambda tx: tx.put_entity(
            city.no,
            "simulation",
            {"id": "sim-1", "type": "FloodRisk", "status": "completed", "created": "x"},
            None,
        ),
    )
    heard.append((await line.shown()).replace(row.id, "ID"))
    line.connection.connection_lost(None)
    line = Line(made)
    line.say("CONNECT", {"clientId": "c", "cleanStart": False})
    heard.append(await line.shown())

    text, line = Line(made), Line(made)
    line.say("SUBSCRIBE", {"topics": [{"topic": f"{BASE}/sensors/#", "encoding": "binary"}]})
    await line.shown()
    fixed = {**reading(25.3), "timestamp": "2025-01-15T10:30:00+09:00"}
    await readings.submit(made, city, SENSOR, {"measurements": [fixed]}, "somebody")
    await line.settled()
    sent = line.pipe.data[2:]
    heard.append(repr((len(sent), sent[:8], sent[24:])))
    frame = bytearray(sent[:66].ljust(66, b"\0"))
    frame[:8] = bytes((1, 0, 0, 0, 0, 0, 0, 3))
    frame[48:50] = b"\0\1"
    for size, at, byte in ((66, 60, 255), (66, 49, 200), (66, 0, 9), (58, 0, 1), (58, 0, 1)):
        frame[8:24] = uuid.uuid5(uuid.NAMESPACE_DNS, f"{size}{at}{byte}").bytes
        own = bytearray(frame[:size])
        own[at] = byte
        text.frame(2, bytes(own))
        heard.append(await text.shown())

    device = Line(made, "k-device")
    device.say("SUBSCRIBE", {"topics": [{"topic": f"{BASE}/alerts/#"}]})
    device.say("PUBLISH", {"eventType": "x", "severity": "low"}, topic=f"{BASE}/alerts/low/x", qos=1)
    for number in range(30):
        device.say("PUBLISH", {"n": number}, topic=f"{BASE}/devices/d/status", qos=1, messageId=f"n-{number}")
    text_of = await device.shown()
    heard += [text_of[:1500], str("RATE_LIMIT_EXCEEDED" in text_of)]
    device.say("DISCONNECT")
    heard.append(await device.shown())

    for sizes, mask in (((131_072,), True), ((60_000,) * 25, True), ((60_000,) * 15, True), ((20,), False)):
        line = Line(made)
        for number, size in enumerate(sizes):
            line.frame(1 if number == 0 else 0, b" " * size, fin=number == len(sizes) - 1, mask=mask)
        heard.append((await line.shown())[-200:])
    line = Line(made)
    line.say("SUBSCRIBE", {"topics": [{"topic": f"{BASE}/commands/#"}]})
    await line.shown()
    line.frame(1, json.dumps({"type": "PUBLISH", "messageId": "l", "topic": f"{BASE}/commands/x",
                              "payload": {"n": "x" * 60_000}}).encode())  # fmt: skip
    for _ in range(2):
        piece = json.dumps({"type": "PUBLISH", "messageId": "l2", "topic": f"{BASE}/commands/x", "ttl": 0,
                            "payload": {"n": "x" * 100_000}}).encode()  # fmt: skip
        line.frame(1, piece[:60_000], fin=False)
        line.frame(0, piece[60_000:])
    line.frame(1, piece[:60_000].replace(b'"ttl": 0', b'"ttl": 9').replace(b"l2", b"l3"), fin=False)
    line.frame(0, piece[60_000:])
    heard.append(await line.shown())
    return [*heard, *times(made), *await alone()]


def times(made: World) -> list[str]:
    """How the clock treats a silent client."""
    shown = []
    for pinged in (False, True):
        line = Line(made)
        line.pipe.data = b""
        line.connection.heard, line.connection.pinged = 0.0, pinged
        for now in (25.0, 31.0, 41.0):
            made.stream.tick(now)
            shown.append(f"{now} {line.pipe.data!r} {line.pipe.ended}")
            line.pipe.data = b""
        made.stream.lost(line.connection)
    return shown


async def alone() -> list[str]:
    """What the client does without a server, and what a plain GET is answered."""
    try:
        plain = str((await messages.upgrade(None)).status)  # type: ignore[arg-type]
    except Exception as refusal:
        plain = type(refusal).__name__
    waits: list[float] = []
    lines: list[dict[str, Any]] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    made = client.Client(client.Options("ws://127.0.0.1:1/"), lines.append, sleep)
    await made.run()
    scaled = [wait / min(2.0**n, 60) for n, wait in enumerate(waits)]
    within = [0.5 <= one <= 1 for one in scaled]
    patience = made._options.pong_s
    jitter = len({round(one, 6) for one in scaled}) > 1
    return [plain, str([line["state"] for line in lines]), str((within, jitter)), str(patience)]


async def main() -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        async with world(Path(folder)) as made:
            made.stream.bus.attach(made.stream)
            return await talk(made)


def start(fault: str) -> tuple[int, int]:
    """Begin the conversation in a child with a fault or none: its process and the pipe it writes to."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ours)
        if fault:
            install([fault])
        with os.fdopen(theirs, "w") as out:
            json.dump(asyncio.run(main()), out)
        os._exit(0)
    os.close(theirs)
    return child, ours


def finish(child: int, pipe: int) -> list[str]:
    """The transcript of a child."""
    with os.fdopen(pipe) as stream:
        text = stream.read()
    os.waitpid(child, 0)
    found: list[str] = json.loads(text) if text else ["the conversation broke off"]
    return found


def run(names: list[str]) -> dict[str, bool]:
    """Whether each fault shows; under the empty name, whether two clean conversations are the same."""
    clean = finish(*start(""))
    result = {"": finish(*start("")) == clean}
    for first in range(0, len(names), AT_ONCE):
        running = [(name, start(name)) for name in names[first : first + AT_ONCE]]
        result |= {name: finish(*child) != clean for name, child in running}
    return result


if __name__ == "__main__":
    every = [name for name in FAULTS if name.startswith(("DTC-P3", "DTC-P2-104"))]
    json.dump(run(sys.argv[1:] or every), sys.stdout)
