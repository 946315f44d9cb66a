"""The reconnecting client: its states, its waits, and a real loss of its server (P3 6.1, 6.3, 6.5)."""

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from reference_server import client as module
from reference_server.client import BASE_S, MAX_RETRIES, MOVES, Client, Options, delay_s
from tests.integration.test_twin.conftest import CITY
from tests.integration.test_twin.test_stream import TOPIC, post, reading
from tests.support.ports import free_ports

ROOT = Path(__file__).resolve().parents[3]


def states(lines: list[dict[str, Any]]) -> list[str]:
    return [line["state"] for line in lines if "state" in line]


def legal(lines: list[dict[str, Any]]) -> bool:
    named = ["DISCONNECTED", *states(lines)]
    return all(after in MOVES[before] for before, after in itertools.pairwise(named))


def test_the_waits_double_up_to_a_minute() -> None:
    assert [delay_s(n, 1.0) for n in range(10)] == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]
    assert delay_s(3, 0.5) == 4


def test_it_gives_up_after_ten_retries_with_jittered_waits() -> None:
    lines: list[dict[str, Any]] = []
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    asyncio.run(Client(Options(f"ws://127.0.0.1:{free_ports(1)[0]}/"), lines.append, sleep).run())
    assert len(waits) == MAX_RETRIES
    assert all(0.5 * delay_s(n, 1) <= wait <= delay_s(n, 1) for n, wait in enumerate(waits))
    assert len(set(waits)) > 1
    assert states(lines) == ["CONNECTING", *["RECONNECTING"] * 10, "DISCONNECTED"]
    assert [line["attempt"] for line in lines[1:-1]] == list(range(1, 11))
    assert legal(lines)


class Moody:
    """A server that treats its first clients badly, each in another way."""

    def __init__(self, *moods: str) -> None:
        self.moods = list(moods)

    async def __call__(self, connection: ServerConnection) -> None:
        mood = self.moods.pop(0) if self.moods else "good"
        async for text in connection:
            message = json.loads(text)
            answer: dict[str, Any] | None = None
            if message["type"] == "CONNECT":
                code = 5 if mood == "refusing" else 0
                answer = {"type": "CONNACK", "payload": {"returnCode": code, "sessionPresent": False}}
                await connection.send("nonsense")
            elif message["type"] == "PING" and mood != "mute":
                answer = {"type": "PONG", "payload": {}}
            if mood == "closing":
                await connection.close()
                return
            if answer is not None:
                await connection.send(json.dumps(answer))
                if mood == "asking" and message["type"] == "CONNECT":
                    await connection.send(json.dumps({"type": "PING", "messageId": "p", "payload": {}}))


@pytest.mark.parametrize(
    ("moods", "expected"),
    [
        (("mute",), ["CONNECTING", "CONNECTED", "HEARTBEAT", "CONNECTED", "RECONNECTING", "CONNECTED"]),
        (("closing",), ["CONNECTING", "RECONNECTING", "CONNECTED"]),
        (("refusing", "refusing"), ["CONNECTING", "RECONNECTING", "RECONNECTING", "CONNECTED"]),
        (("asking",), ["CONNECTING", "CONNECTED", "HEARTBEAT", "CONNECTED", "HEARTBEAT"]),
    ],
)
def test_it_comes_back_from_a_moody_server(moods: tuple[str, ...], expected: list[str]) -> None:
    lines: list[dict[str, Any]] = []

    async def body() -> None:
        enough = asyncio.Event()

        def say(line: dict[str, Any]) -> None:
            lines.append(line)
            if len(states(lines)) >= len(expected):
                enough.set()

        async with serve(Moody(*moods), "127.0.0.1", 0, subprotocols=["wia-dtc-v1"]) as server:  # type: ignore[list-item]
            port = next(iter(server.sockets)).getsockname()[1]
            made = Client(
                Options(f"ws://127.0.0.1:{port}/", heartbeat_s=0.1, pong_s=0.1),
                say,
                lambda _: asyncio.sleep(0),
            )
            task = asyncio.create_task(made.run())
            await enough.wait()
            task.cancel()
            await asyncio.wait([task])
            made.stop()

    asyncio.run(body())
    assert states(lines)[: len(expected)] == expected
    assert lines[-1]["state"] == "DISCONNECTED"
    assert legal(lines)


def test_the_program_follows_a_twin_and_notices_its_end(start: Any, tmp_path: Path) -> None:
    twin = start()
    command = [sys.executable, "-m", "reference_server", "client", twin.announced["stream"]]
    environment = {**os.environ, "DTC_STREAM_KEY": twin.key("viewer")}
    stranger = subprocess.run(
        command, cwd=ROOT, env={**environment, "DTC_STREAM_KEY": "wrong"}, text=True, capture_output=True,
        check=False,
    )  # fmt: skip
    told = [json.loads(line) for line in stranger.stdout.splitlines()]
    assert (stranger.returncode, states(told)) == (1, ["CONNECTING", "DISCONNECTED"])
    assert "401" in told[-1]["why"]
    closed = f"city/{CITY}/commands/#"
    with subprocess.Popen(
        [*command, "--topic", TOPIC.replace("environmental/", "+/"), "--topic", closed], cwd=ROOT,
        env=environment, text=True, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        lines = [json.loads(process.stdout.readline()) for _ in range(3)]
        assert states(lines) == ["CONNECTING", "CONNECTED"]
        assert lines[2]["refused"] == [closed]
        while True:
            post(twin, reading(17.5))
            line = process.stdout.readline()
            if "message" in json.loads(line):
                break
        assert json.loads(line)["message"]["topic"] == TOPIC
        twin.stop()
        while "state" not in (line := process.stdout.readline()):
            pass
        assert json.loads(line)["state"] == "RECONNECTING"
        process.send_signal(signal.SIGTERM)
        rest = [json.loads(line) for line in process.stdout]
        assert rest[-1]["state"] == "DISCONNECTED"
    assert process.returncode == 0


def test_bad_usage_of_the_program(tmp_path: Path) -> None:
    for arguments in (["http://example"], ["ws://example", "--key-file", str(tmp_path / "none")]):
        done = subprocess.run(
            [sys.executable, "-m", "reference_server", "client", *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
    assert module.read("[1]") == {}
    assert BASE_S == 1.0
