"""`python -m reference_server client URL`: a client that comes back after every loss (P3 6.1, 6.3, 6.5).

Each change of its state is a line of JSON on stdout: `state`, `at` (an instant), `why`, and while it
reconnects `attempt` (1 to 10) and `delay_ms`. With topics, messages are lines with `message` instead, and one
with `refused` names the topics that may not be heard. Who is turned away at the door for the key or the
certificate is not let in later either: that ends the client at once.
"""

import asyncio
import json
import os
import random
import ssl
import uuid
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.typing import Subprotocol

from reference_server import instants

DISCONNECTED, CONNECTING, CONNECTED = "DISCONNECTED", "CONNECTING", "CONNECTED"
HEARTBEAT, RECONNECTING = "HEARTBEAT", "RECONNECTING"
MOVES = {
    DISCONNECTED: {CONNECTING},
    CONNECTING: {
        CONNECTED,
        RECONNECTING,
        DISCONNECTED,
    },  # the drawing has no way out for a first attempt that fails
    CONNECTED: {HEARTBEAT, RECONNECTING, DISCONNECTED},
    HEARTBEAT: {CONNECTED},
    RECONNECTING: {RECONNECTING, CONNECTED, DISCONNECTED},
}
"""P3 6.1; a heartbeat that is not answered leads back to CONNECTED and from there to RECONNECTING."""
BASE_S, MAX_S, MAX_RETRIES = 1.0, 60.0, 10  # P3 6.5
JITTER = (0.5, 1.0)  # P3 6.5
ANSWER_S = 10.0
LOST = (OSError, WebSocketException, TimeoutError, ValueError, EOFError)


class Options(msgspec.Struct, frozen=True):
    """Whom to speak to and how; times in seconds."""

    url: str
    key: str | None = None
    topics: tuple[str, ...] = ()
    heartbeat_s: float = 30.0  # P3 6.3
    pong_s: float = 10.0  # P3 6.3
    ca: Path | None = None
    jitter: bool = True
    client_id: str = ""


TURNED_AWAY = (401, 403)


class LostError(Exception):
    """The connection cannot be used any more; the message says why."""


class TurnedAwayError(LostError):
    """Coming again would end in the same way."""


def delay_s(attempt: int, factor: float) -> float:
    """The wait before retry `attempt`, which counts from 0 (C-74), scaled by the jitter's factor."""
    return min(BASE_S * 2.0**attempt, MAX_S) * factor


class Client:
    """The states of P3 6.1 and what moves between them."""

    def __init__(
        self,
        options: Options,
        say: Callable[[dict[str, Any]], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._options = options
        self._say = say
        self._sleep = sleep
        self._dice = random.SystemRandom()
        self._name = options.client_id or f"client-{uuid.uuid4().hex[:12]}"
        self._count = 0
        self.state = DISCONNECTED

    async def run(self) -> None:
        """Connect, and connect again, until ten retries in a row have failed or the server wants none."""
        self._move(CONNECTING, "start")
        attempt = 0
        while True:
            try:
                await self._attempt()
            except TurnedAwayError as refusal:
                self._move(DISCONNECTED, str(refusal))
                return
            except LostError as lost:
                why = str(lost)
            if self.state in (CONNECTED, HEARTBEAT):
                attempt = 0
                if self.state == HEARTBEAT:
                    self._move(CONNECTED, "no answer to the heartbeat")
            if attempt >= MAX_RETRIES:
                self._move(DISCONNECTED, f"{MAX_RETRIES} retries have failed")
                return
            factor = self._dice.uniform(*JITTER) if self._options.jitter else 1.0
            wait = delay_s(attempt, factor)
            attempt += 1
            self._move(RECONNECTING, why, attempt=attempt, delay_ms=round(wait * 1000))
            await self._sleep(wait)

    def stop(self) -> None:
        """End from outside."""
        if self.state == HEARTBEAT:
            self._move(CONNECTED, "stopped")
        if self.state != DISCONNECTED:
            self._move(DISCONNECTED, "stopped")

    def _move(self, state: str, why: str, **more: Any) -> None:
        if state not in MOVES[self.state]:
            raise LookupError(f"there is no way from {self.state} to {state}")
        self.state = state
        self._say({"state": state, "at": instants.show(instants.now_us()), "why": why, **more})

    async def _attempt(self) -> NoReturn:
        options = self._options
        try:
            async with connect(
                options.url,
                subprotocols=[Subprotocol("wia-dtc-v1")],
                additional_headers={} if options.key is None else {"X-API-Key": options.key},
                ssl=_trust(options),
                open_timeout=ANSWER_S,
                close_timeout=1.0,
                ping_interval=None,
                proxy=None,
            ) as connection:
                await self._greet(connection)
                await self._listen(connection)
        except InvalidStatus as problem:
            status = problem.response.status_code
            if status in TURNED_AWAY:
                raise TurnedAwayError(f"the server turns this key away: HTTP {status}") from problem
            raise LostError(f"the server answers with HTTP {status}") from problem
        except ssl.SSLCertVerificationError as problem:
            raise TurnedAwayError(
                f"the server's certificate is not trusted: {problem.verify_message}"
            ) from problem
        except LOST as problem:
            raise LostError(f"{type(problem).__name__}: {problem}"[:200]) from problem
        raise LostError("the connection was closed")

    async def _greet(self, connection: ClientConnection) -> None:
        wish: dict[str, Any] = {"clientId": self._name, "keepAlive": self._options.heartbeat_s}
        if self._options.key is not None:
            wish["auth"] = {"type": "api-key", "apiKey": self._options.key}
        await connection.send(self._message("CONNECT", wish))
        async with asyncio.timeout(ANSWER_S):
            while True:
                message = read(await connection.recv())
                if message.get("type") == "CONNACK":
                    break
        code = message.get("payload", {}).get("returnCode")
        if code != 0:
            raise LostError(f"the server refused the connection: returnCode {code}")
        self._move(CONNECTED, "CONNACK")
        if self._options.topics:
            wanted = [{"topic": topic, "qos": 0} for topic in self._options.topics]
            await connection.send(self._message("SUBSCRIBE", {"topics": wanted}))

    async def _listen(self, connection: ClientConnection) -> None:
        """Hear messages; after a time of silence ask for a sign of life, and give up when none comes."""
        loop = asyncio.get_running_loop()
        due, patience = loop.time() + self._options.heartbeat_s, self._options.heartbeat_s
        while True:
            try:
                async with asyncio.timeout_at(due):
                    message = read(await connection.recv())
            except TimeoutError:
                if self.state == HEARTBEAT:
                    raise LostError("no PONG in time") from None
                self._move(HEARTBEAT, f"silent for {patience:g} s")
                await connection.send(self._message("PING", {}))
                due = loop.time() + self._options.pong_s
                continue
            kind = message.get("type")
            if kind == "PING":
                await connection.send(self._message("PONG", {}, correlationId=message.get("messageId")))
            elif kind == "PUBLISH":
                self._say({"message": message})
            elif kind == "SUBACK":
                self._tell_refused(message)
            if self.state == HEARTBEAT and kind == "PONG":
                self._move(CONNECTED, "PONG")
            if self.state == CONNECTED:
                due = loop.time() + self._options.heartbeat_s

    def _tell_refused(self, suback: dict[str, Any]) -> None:
        payload = suback.get("payload")
        granted = payload.get("grantedQos") if isinstance(payload, dict) else None
        pairs = zip(self._options.topics, granted if isinstance(granted, list) else [], strict=False)
        refused = [topic for topic, qos in pairs if qos not in (0, 1, 2)]
        if refused:
            self._say({"refused": refused, "at": instants.show(instants.now_us())})

    def _message(self, kind: str, payload: dict[str, Any], **more: Any) -> str:
        self._count += 1
        whole = {
            "version": "1.0.0",
            "type": kind,
            "messageId": f"{self._name}-{self._count}",
            "timestamp": instants.show(instants.now_us()),
            "payload": payload,
            **more,
        }
        return json.dumps(whole)


def read(data: str | bytes) -> dict[str, Any]:
    """A message of the server; an empty one for what is none."""
    try:
        message = json.loads(data)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


def _trust(options: Options) -> ssl.SSLContext | None:
    if not options.url.startswith("wss:"):
        return None
    return ssl.create_default_context(cafile=options.ca)


def run(options: Options) -> int:
    """Run until stopped (0), or until it was turned away or all retries have failed (1)."""
    import signal

    def say(line: dict[str, Any]) -> None:
        print(json.dumps(line, ensure_ascii=False), flush=True)  # noqa: T201 - the program's output

    async def main() -> int:
        client = Client(options, say)
        task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, lambda: task.cancel() if task is not None else None)
        try:
            await client.run()
        except asyncio.CancelledError:
            client.stop()
            return 0
        return 1

    try:
        return asyncio.run(main())
    except BrokenPipeError:  # whoever read the lines has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0


def command(arguments: Sequence[str]) -> int:
    """`client URL [--topic FILTER ...] [--key-file FILE] [--ca FILE]`."""
    import argparse

    parser = argparse.ArgumentParser(
        prog="python -m reference_server client",
        description="Follow a stream; prints changes of state, and messages, as JSON lines.",
    )
    parser.add_argument("url", help="ws:// or wss:// address of the stream")
    parser.add_argument(
        "--topic", action="append", default=[], metavar="FILTER", help="print messages of these topics"
    )
    parser.add_argument(
        "--key-file", type=Path, help="file with the API key; else $DTC_STREAM_KEY, else none"
    )
    parser.add_argument("--ca", type=Path, metavar="PEM", help="authority to trust")
    parser.add_argument("--client-id", default="", help="name of the session")
    parser.add_argument("--heartbeat", type=float, default=30.0, metavar="S")
    parser.add_argument("--pong", type=float, default=10.0, metavar="S")
    parser.add_argument("--no-jitter", action="store_true", help="wait the full time before each retry")
    options = parser.parse_args(arguments)
    if not options.url.startswith(("ws://", "wss://")):
        parser.error("the URL begins with ws:// or wss://")
    key = os.environ.get("DTC_STREAM_KEY")
    if options.key_file is not None:
        try:
            key = options.key_file.read_text().strip()
        except OSError as problem:
            parser.error(f"cannot read {options.key_file}: {problem.strerror}")
    return run(
        Options(
            options.url,
            key,
            tuple(options.topic),
            options.heartbeat,
            options.pong,
            options.ca,
            not options.no_jitter,
            options.client_id,
        )
    )
