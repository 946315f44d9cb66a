"""Readings by MQTT at QoS 1: how many a second end as committed rows, and how long an acknowledgement takes.

usage: python benchmarks/mqtt_ingest.py [SECONDS]
The twin runs with its database on disk, flushed at each commit. The same publisher against Mosquitto, which
stores nothing, stands beside it: its rate is that of the publisher and the broker alone.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import mqtt5
import yaml

from tests.support.ports import free_ports, wait_for_port

CITY = "KR-BUSAN-2025"
CLIENTS = 8
WINDOW = 800
"""Messages under way per client; the twin allows 1000."""


class Publisher(asyncio.Protocol):
    """Publishes readings of one sensor; counts and times their acknowledgements."""

    def __init__(self, key: str, topic: str, sensor: str, first: int) -> None:
        self.key = key
        self.topic = topic
        self.sensor = sensor
        self.at = first
        self.acknowledged = self.refused = 0
        self.latencies: list[float] = []
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.full = True
        self.stopped = False
        self._due: deque[float] = deque()
        self._number = 0
        self._buffer = b""

    # asyncio calls these two

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Log in."""
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        packet = mqtt5.ConnectPacket("", username="api-key", password=self.key.encode())
        self.transport.write(packet.write())

    @property
    def under_way(self) -> int:
        """Messages that are not acknowledged yet."""
        return len(self._due)

    def message(self, due: float) -> bytes:
        """The next reading; `due` is when it should have left."""
        self.at += 1
        self._number = self._number % 0xFFFF + 1
        self._due.append(due)
        instant = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(self.at // 1000))
        body = (
            f'{{"sensorId":"{self.sensor}","measurements":[{{"parameter":"temperature",'
            f'"value":{20 + self.at % 100 / 10:.1f},"unit":"celsius",'
            f'"timestamp":"{instant}.{self.at % 1000:03d}Z","quality":"good"}}]}}'
        )
        return mqtt5.PublishPacket(
            self.topic, body.encode(), qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=self._number
        ).write()

    def data_received(self, data: bytes) -> None:
        """Count acknowledgements, and publish as many again."""
        self._buffer += data
        view, at, taken, now = memoryview(self._buffer), 0, 0, time.perf_counter()
        while at < len(view):
            try:
                packet, used = mqtt5.read(view[at:])
            except IndexError:
                break
            at += used
            if isinstance(packet, mqtt5.PubAckPacket):
                taken += 1
                self.latencies.append(now - self._due.popleft())
                if int(packet.reason_code) >= 0x80:
                    self.refused += 1
            elif isinstance(packet, mqtt5.ConnAckPacket):
                self.ready.set_result(None)
        view.release()
        self._buffer = self._buffer[at:]
        self.acknowledged += taken
        if self.full and taken and not self.stopped:
            self.transport.write(b"".join(self.message(now) for _ in range(taken)))


async def load(
    port: int, key: str, sensors: list[str], seconds: float, rate: float | None, first: int
) -> dict[str, float]:
    """Publish as fast as the window allows, or at a rate; the rate reached and what acknowledgements took."""
    loop = asyncio.get_running_loop()
    clients: list[Publisher] = []
    for i in range(CLIENTS):
        sensor = sensors[i % len(sensors)]
        topic = f"city/{CITY}/sensors/environmental/{sensor}/temperature"
        # sensors get instants of their own, so that no reading replaces another
        start = first + i // len(sensors) * 20_000_000

        def make(topic: str = topic, sensor: str = sensor, start: int = start) -> Publisher:
            return Publisher(key, topic, sensor, start)

        _, client = await loop.create_connection(make, "127.0.0.1", port)
        await client.ready
        clients.append(client)
    begun = time.perf_counter()
    if rate is None:
        for client in clients:
            now = time.perf_counter()
            client.transport.write(b"".join(client.message(now) for _ in range(WINDOW)))
        await asyncio.sleep(seconds)
        elapsed = time.perf_counter() - begun
        done = sum(client.acknowledged for client in clients)
    else:
        sent = 0
        for client in clients:
            client.full = False
        while (elapsed := time.perf_counter() - begun) < seconds:
            due = int(elapsed * rate)
            batches: dict[Publisher, list[bytes]] = {}
            # Whoever has a full window waits, and what waits keeps the instant at which it should have left.
            while sent < due and clients[sent % CLIENTS].under_way < WINDOW:
                client = clients[sent % CLIENTS]
                batches.setdefault(client, []).append(client.message(begun + sent / rate))
                sent += 1
            for client, batch in batches.items():
                client.transport.write(b"".join(batch))
            await asyncio.sleep(0.002)
        done = sum(client.acknowledged for client in clients)
    for client in clients:
        client.stopped = True
    await asyncio.sleep(1.0)
    latencies = sorted(one for client in clients for one in client.latencies)
    for client in clients:
        client.transport.close()
    return {
        "rate": done / elapsed,
        "p50_ms": latencies[len(latencies) // 2] * 1000,
        "p99_ms": latencies[int(len(latencies) * 0.99)] * 1000,
        "refused": float(sum(client.refused for client in clients)),
        "acknowledged": float(sum(client.acknowledged for client in clients)),
    }


def twin(seconds: float, folder: Path) -> float:
    """Figures of the twin; its rate."""
    target = folder / "target.yaml"
    command = [sys.executable, "-m", "reference_server", "--db", str(folder / "twin.db")]
    with subprocess.Popen(
        [*command, "--write-target", str(target), "--stop-on-stdin-eof"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        announced = json.loads(process.stdout.readline() if process.stdout else "")
        keys = yaml.safe_load(target.read_text())["auth"]["api_keys"]
        key = Path(keys["load"].removeprefix("file:")).read_text()
        port = urlsplit(announced["mqtt"]).port or 0
        http = httpx.Client(base_url=f"{announced['rest']}/cities/{CITY}", headers={"X-API-Key": key})
        listed = http.get("/sensors", params={"type": "EnvironmentalSensor", "limit": 8}).json()
        sensors = [one["id"] for one in listed["sensors"]]
        before = cpu(process.pid)
        full = asyncio.run(load(port, key, sensors, seconds, None, 1_740_000_000_000))
        used = cpu(process.pid) - before
        half = asyncio.run(load(port, key, sensors, seconds, full["rate"] / 2, 1_745_000_000_000))
        rows = sum(stored(folder / "twin.db"))
        shown("twin, as fast as it takes", full)
        shown("twin, at half that rate", half)
        print(f"  server CPU per message {used / full['acknowledged'] * 1e6:.0f} us")
        taken = full["acknowledged"] + half["acknowledged"]
        print(f"  acknowledged {taken:.0f}, rows of those instants {rows}")
        http.close()
        if process.stdin:
            process.stdin.close()
        process.wait(timeout=60)
    return full["rate"]


def stored(db: Path) -> list[int]:
    """Rows of the instants that were published, by month."""
    import sqlite3

    connection = sqlite3.connect(db)
    tables = connection.execute("SELECT name FROM sqlite_master WHERE name LIKE 'reading_2025%'").fetchall()
    counts = [
        connection.execute(f"SELECT count(*) FROM {name} WHERE at >= 1740000000000000").fetchone()[0]  # noqa: S608
        for (name,) in tables
    ]
    connection.close()
    return counts


def cpu(pid: int) -> float:
    """CPU seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def mosquitto(seconds: float, folder: Path) -> float | None:
    """Mosquitto's rate with the same publisher, None when it is not here."""
    program = shutil.which("mosquitto", path=os.environ["PATH"] + ":/usr/sbin")
    if program is None:
        print("mosquitto is not installed")
        return None
    (port,) = free_ports(1)
    config = folder / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nlog_dest none\nmax_inflight_messages 1000\n"
    )
    with subprocess.Popen([program, "-c", str(config)], stderr=subprocess.DEVNULL) as process:
        try:
            wait_for_port(port, process)
            result = asyncio.run(load(port, "x", [f"s{i}" for i in range(8)], seconds, None, 0))
            shown("mosquitto, nothing stored", result)
        finally:
            process.terminate()
    return result["rate"]


def shown(name: str, result: dict[str, float]) -> None:
    print(
        f"{name:28} {result['rate']:8.0f} msg/s   p50 {result['p50_ms']:6.1f} ms"
        f"   p99 {result['p99_ms']:6.1f} ms   refused {result['refused']:.0f}"
    )


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    with tempfile.TemporaryDirectory(prefix="dtc-mqtt-ingest-") as folder:
        theirs = mosquitto(seconds, Path(folder))
        ours = twin(seconds, Path(folder))
    if theirs:
        print(f"ratio to mosquitto {ours / theirs:.2f}")


if __name__ == "__main__":
    main()
