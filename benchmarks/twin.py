"""The figures of the bundled twin, each beside a baseline of the same run.

    python benchmarks/twin.py keyed              GET of one object against a bare route
    python benchmarks/twin.py ingest             readings in over REST, 100 to a request
    python benchmarks/twin.py import [--objects 200000]
    python benchmarks/twin.py classes --db FILE  every kind of question on a seeded database
    python benchmarks/twin.py mixed --db FILE    keyed, lists, nearby, readings at a fixed rate
    python benchmarks/twin.py start --db FILE    from the start of the process to its first answer

Rates depend on what else the machine does; the processor seconds of the server beside them do much less.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import uvloop
import yaml

ROOT = Path(__file__).resolve().parent.parent
CITY = "KR-BUSAN-2025"
BARE = """
import sqlite3, sys, uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
connection = sqlite3.connect(sys.argv[1])
async def read(request):
    query = "SELECT CAST(body AS BLOB) FROM object WHERE city = 1 AND id = ?"
    row = connection.execute(query, (request.path_params["id"],)).fetchone()
    return Response(row[0], media_type="application/json")
app = Starlette(routes=[Route("/objects/{id}", read)])
options = {"http": "httptools", "loop": "uvloop", "access_log": False, "log_level": "warning"}
uvicorn.run(app, port=int(sys.argv[2]), **options)
"""


class Server:
    """A process that serves, and what it has used of the processor."""

    def __init__(self, pid: int, port: int, key: str = "") -> None:
        self.pid = pid
        self.port = port
        self.key = key

    def cpu(self) -> float:
        """Processor seconds of the server's own process so far."""
        return sum(times(self.pid)[:2])

    def family(self) -> list[int]:
        """Its process and those below it."""
        pids = [self.pid]
        for pid in pids:
            with contextlib.suppress(OSError):
                pids += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        return pids

    def cpu_of_all(self) -> float:
        """Processor seconds so far of all its processes, those that have ended included."""
        total = 0.0
        for pid in self.family():
            with contextlib.suppress(OSError):
                total += sum(times(pid))
        return total

    def memory(self) -> int:
        """Megabytes of all its processes; a page that several of them share is counted once."""
        total = 0
        for pid in self.family():
            with contextlib.suppress(OSError):
                shares = Path(f"/proc/{pid}/smaps_rollup").read_text().split("\nPss:")[1]
                total += int(shares.split()[0])
        return total * 1024 // 1_000_000


def times(pid: int) -> list[float]:
    """Processor seconds of a process: user, system, and both of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return [int(field) / os.sysconf("SC_CLK_TCK") for field in fields[11:15]]


@contextlib.contextmanager
def twin(folder: Path, *arguments: str) -> Iterator[Server]:
    """A running twin."""
    target = folder / "target.yaml"
    command = [sys.executable, "-m", "reference_server", "--write-target", str(target), *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None  # noqa: S101
    try:
        told = json.loads(process.stdout.readline())
        key = Path(
            yaml.safe_load(target.read_text())["auth"]["api_keys"]["load"].removeprefix("file:")
        ).read_text()
        yield Server(told["pid"], urllib.parse.urlsplit(told["rest"]).port or 0, key)
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


@contextlib.contextmanager
def bare(folder: Path, db: Path) -> Iterator[Server]:
    """A Starlette application with one route that reads one row."""
    program = folder / "bare.py"
    program.write_text(BARE)
    with contextlib.closing(__import__("socket").create_server(("127.0.0.1", 0))) as probe:
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, str(program), str(db), str(port)])
    try:
        for _ in range(200):
            with (
                contextlib.suppress(OSError),
                contextlib.closing(__import__("socket").create_connection(("127.0.0.1", port))),
            ):
                break
            time.sleep(0.05)
        yield Server(process.pid, port)
    finally:
        process.terminate()
        process.wait(30)


class Connection:
    """A kept connection that sends one request at a time."""

    def __init__(self, server: Server) -> None:
        self.server = server

    async def open(self) -> None:
        """Connect."""
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.server.port)

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body."""
        self.writer.write(request)
        head = await self.reader.readuntil(b"\r\n\r\n")
        at = head.lower().index(b"content-length:") + 15
        body = await self.reader.readexactly(int(head[at : head.index(b"\r", at)]))
        return int(head[9:12]), body

    def close(self) -> None:
        """Hang up."""
        self.writer.close()


def request(server: Server, path: str, body: bytes | None = None, media: str = "application/json") -> bytes:
    """A request as bytes; a path without a slash in front lies below the city."""
    if not path.startswith("/"):
        path = f"/digital-twin-city/v1/cities/{CITY}/{path}"
    head = f"{'GET' if body is None else 'POST'} {path} HTTP/1.1\r\nhost: x\r\nx-api-key: {server.key}\r\n"
    if body is None:
        return f"{head}\r\n".encode()
    return f"{head}content-type: {media}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


async def closed(
    server: Server, make: Callable[[], bytes], *, connections: int, seconds: float
) -> tuple[float, float, int]:
    """Ask as fast as answers come: answers a second, processor seconds of the server, answers."""
    done = 0
    end = time.perf_counter() + seconds

    async def run() -> None:
        nonlocal done
        connection = Connection(server)
        await connection.open()
        while time.perf_counter() < end:
            status, body = await connection.ask(make())
            if status >= 300:
                raise SystemExit(f"{status}: {body[:300]!r}")
            done += 1
        connection.close()

    before, began = server.cpu(), time.perf_counter()
    await asyncio.gather(*(run() for _ in range(connections)))
    return done / (time.perf_counter() - began), server.cpu() - before, done


async def open_loop(
    server: Server,
    make: Callable[[], tuple[str, bytes]],
    *,
    rate: float,
    seconds: float,
    connections: int = 64,
) -> dict[str, list[float]]:
    """Ask at fixed instants whatever the answers do; milliseconds from the planned instant, by kind."""
    found: dict[str, list[float]] = {}
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(connections):
        connection = Connection(server)
        await connection.open()
        free.put_nowait(connection)

    async def one(kind: str, payload: bytes, planned: float) -> None:
        connection = await free.get()
        status, body = await connection.ask(payload)
        if status >= 300:
            raise SystemExit(f"{kind}: {status}: {body[:300]!r}")
        found.setdefault(kind, []).append((time.perf_counter() - planned) * 1000)
        free.put_nowait(connection)

    tasks = set()
    began = time.perf_counter()
    for number in range(int(rate * seconds)):
        planned = began + number / rate
        wait = planned - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        tasks.add(asyncio.create_task(one(*make(), planned)))
    await asyncio.gather(*tasks)
    while not free.empty():
        free.get_nowait().close()
    return found


async def settled(server: Server) -> None:
    """Wait until a server that has just started has done what it does in the background."""
    for _ in range(120):
        before = server.cpu()
        await asyncio.sleep(0.5)
        if server.cpu() - before <= 0.01:
            return


def p95(values: list[float]) -> float:
    """The 95th percentile."""
    return statistics.quantiles(values, n=20)[-1] if len(values) > 1 else values[0]


def ids(db: Path, table: str, count: int = 5000) -> list[str]:
    """Some ids of a database."""
    connection = sqlite3.connect(f"{db.absolute().as_uri()}?mode=ro", uri=True)
    try:
        last = connection.execute(f"SELECT max(no) FROM {table}").fetchone()[0]  # noqa: S608
        wanted = [random.randint(1, last) for _ in range(count)]
        query = f"SELECT id FROM {table} WHERE city = 1 AND no IN (SELECT value FROM json_each(?))"  # noqa: S608
        return [row[0] for row in connection.execute(query, (json.dumps(wanted),))]
    finally:
        connection.close()


async def keyed(folder: Path, options: argparse.Namespace) -> None:
    """The twin and the bare route in turns, three times each."""
    db = folder / "twin.db"
    rates: dict[str, list[float]] = {"twin": [], "bare": []}
    costs: dict[str, list[float]] = {"twin": [], "bare": []}
    with twin(folder, "--db", str(db), "--objects", "2000") as ours:
        names = [name for name in ids(db, "object", 2000) if name.startswith("building")]
        with bare(folder, db) as theirs:
            for _ in range(3):
                for name, server, base in (("bare", theirs, "/objects/"), ("twin", ours, "objects/")):
                    asked = [request(server, base + one) for one in names]
                    rate, cpu, done = await closed(
                        server,
                        lambda asked=asked: random.choice(asked),
                        connections=32,
                        seconds=options.seconds,
                    )
                    rates[name].append(rate)
                    costs[name].append(cpu / done * 1e6)
                    print(f"  {name}: {rate:,.0f} answers/s, {cpu / done * 1e6:.0f} us of the processor each")
    ratio = statistics.median(costs["bare"]) / statistics.median(costs["twin"])
    print(
        f"twin {statistics.median(rates['twin']):,.0f}/s, bare {statistics.median(rates['bare']):,.0f}/s; "
        f"by processor time {ratio:.2f}x of bare, at most {1e6 / min(costs['twin']):,.0f}/s on one core"
    )


async def ingest(folder: Path, options: argparse.Namespace) -> None:
    """Batches of 100 readings for 64 sensors from 16 connections; the baseline inserts the same rows bare."""
    with twin(folder, "--db", str(folder / "twin.db"), "--objects", "2000", "--sensors", "64") as server:
        names = ids(folder / "twin.db", "sensor", 1000)
        clock = [time.time_ns() // 1_000_000_000 - 80_000_000]

        def batch() -> bytes:
            rows = []
            for _ in range(100):
                clock[0] += 1
                at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(clock[0]))
                rows.append({"parameter": "humidity", "value": 50.5, "unit": "percent", "timestamp": at,
                             "quality": "good", "confidence": 0.9})  # fmt: skip
            body = json.dumps({"measurements": rows}).encode()
            return request(server, f"sensors/{random.choice(names)}/data", body)

        ready = [batch() for _ in range(int(options.seconds * 600))]
        supply = iter(ready)
        rate, cpu, done = await closed(server, lambda: next(supply), connections=16, seconds=options.seconds)
        print(f"{rate * 100:,.0f} readings/s acknowledged after commit, {done} batches:")
        print(f"  {cpu / done / 100 * 1e6:.1f} us each, at most {done * 100 / cpu:,.0f}/s on one core")
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE r (s INT, at INT, p INT, v, PRIMARY KEY (s, at, p)) WITHOUT ROWID")
    began, count = time.process_time(), 0
    for number in range(200):
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO r VALUES (?, ?, 1, 50.5)", [(number % 64, count + i) for i in range(1000)]
        )
        connection.execute("COMMIT")
        count += 1000
    print(f"baseline, bare INSERTs of 1000 to a commit: {count / (time.process_time() - began):,.0f}/s")
    connection.close()


async def import_(folder: Path, options: argparse.Namespace) -> None:
    """One NDJSON body; memory is that of the server with its reading process."""
    body = folder / "city.ndjson"
    note = "n" * options.bytes
    with body.open("w") as out:
        for i in range(options.objects):
            x, y = 129.0 + (i % 1000) * 1e-4, 35.1 + (i // 1000) * 1e-5
            ring = [[x, y], [x + 5e-5, y], [x + 5e-5, y + 5e-6], [x, y + 5e-6], [x, y]]
            ring = [[round(a, 7), round(b, 7)] for a, b in ring]
            place = {"type": "Polygon", "coordinates": [ring]}
            item = {"id": f"in-{i:08d}", "type": "Building", "geometry": place,
                    "properties": {"name": f"House {i}", "height": i % 90, "energyClass": "B", "note": note},
                    "metadata": {"dataSource": "benchmark"}}  # fmt: skip
            out.write(json.dumps(item) + "\n")
    size = body.stat().st_size
    with twin(folder, "--db", str(folder / "twin.db")) as server:
        before, most, began = server.cpu_of_all(), 0, time.perf_counter()
        post = f"http://127.0.0.1:{server.port}/digital-twin-city/v1/cities/{CITY}/import"
        headers = [
            "-H",
            f"X-API-Key: {server.key}",
            "-H",
            "Content-Type: application/x-ndjson",
            "-H",
            "Expect:",
        ]
        told = subprocess.run(
            ["curl", "-s", *headers, "-T", str(body), "-X", "POST", post], capture_output=True, check=True
        )
        job = json.loads(told.stdout)
        connection = Connection(server)
        await connection.open()
        reads: list[float] = []
        while job["status"] in ("pending", "running"):
            sent = time.perf_counter()
            job = json.loads((await connection.ask(request(server, f"imports/{job['id']}")))[1])
            reads.append((time.perf_counter() - sent) * 1000)
            most = max(most, server.memory())
            await asyncio.sleep(0.3)
        seconds = time.perf_counter() - began
        connection.close()
        if job["status"] != "completed" or job["counts"]["created"] != options.objects:
            raise SystemExit(json.dumps(job)[:2000])
        print(
            f"{options.objects:,} objects, {size / 1e6:.0f} MB: {seconds:.1f} s, "
            f"{options.objects / seconds:,.0f}/s, "
            f"{(server.cpu_of_all() - before) / options.objects * 1e6:.0f} us of the processor each, "
            f"{most} MB at most, "
            f"reads meanwhile p95 {p95(reads):.0f} ms"
        )
    began = time.perf_counter()
    with body.open() as lines:
        for line in lines:
            json.loads(line)
    print(f"baseline, json.loads of each line: {options.objects / (time.perf_counter() - began):,.0f}/s")


def questions(server: Server, db: Path) -> dict[str, Callable[[], bytes]]:
    """A maker of requests for every kind of question."""
    objects, sensors = ids(db, "object"), ids(db, "sensor", 1000)
    pick = random.choice

    def place() -> list[float]:
        return [round(random.uniform(128.99, 129.16), 6), round(random.uniform(35.09, 35.27), 6)]

    def box(size: float) -> str:
        x, y = place()
        return f"{x},{y},{x + size:.6f},{y + size:.6f}"

    def post(path: str, body: Any) -> bytes:
        return request(server, path, json.dumps(body).encode())

    def point() -> dict[str, Any]:
        return {"type": "Point", "coordinates": place()}

    near = {"radius": 300}
    return {
        "keyed": lambda: request(server, f"objects/{pick(objects)}"),
        "list of 20": lambda: request(server, "objects?limit=20"),
        "list of 20 by type": lambda: request(server, "objects?limit=20&type=Building"),
        "box": lambda: request(server, f"objects?limit=20&bounds={box(0.004)}"),
        "property equal": lambda: request(
            server, f"objects?limit=20&properties.height={random.randint(2, 40) * 3.2:.1f}"
        ),
        "property range": lambda: request(server, "objects?limit=20&properties.constructionYear[gte]=2024"),
        "sorted": lambda: request(server, "objects?limit=20&sortBy=id"),
        "updated after": lambda: request(server, "objects?limit=20&updatedAfter=2026-01-01T00:00:00Z"),
        "nearby": lambda: post("spatial/nearby", {"location": point(), **near}),
        "route": lambda: post("spatial/route", {"start": point(), "end": point()}),
        "readings": lambda: request(server, f"sensors/{pick(sensors)}/data?limit=100"),
        "aggregate": lambda: request(server, f"sensors/aggregate?sensors={pick(sensors)}&parameter=humidity"),
        "latest of 20": lambda: request(server, "sensors/latest?limit=20"),
        "statistics": lambda: request(server, "statistics"),
        "history": lambda: request(server, f"objects/{pick(objects)}/history"),
        "sensors": lambda: request(server, "sensors?limit=20&type=EnvironmentalSensor"),
    }


async def classes(folder: Path, options: argparse.Namespace) -> None:
    """One question after another on an idle server: median and p95 of each kind."""
    with twin(folder, "--db", str(options.db)) as server:
        makers = questions(server, options.db)
        await settled(server)
        connection = Connection(server)
        await connection.open()
        for kind, make in makers.items():
            if options.only and options.only not in kind:
                continue
            times = []
            before = server.cpu()
            for _ in range(options.count):
                payload = make()
                sent = time.perf_counter()
                status, body = await connection.ask(payload)
                times.append((time.perf_counter() - sent) * 1000)
                if status >= 300 and status != 404:
                    raise SystemExit(f"{kind}: {status}: {body[:300]!r}")
            print(
                f"  {kind:<20} median {statistics.median(times):8.2f} ms   p95 {p95(times):8.2f} ms"
                f"   processor {(server.cpu() - before) / options.count * 1e3:8.2f} ms",
                flush=True,
            )
        connection.close()


async def mixed(folder: Path, options: argparse.Namespace) -> None:
    """An open loop: instants are planned, latency counts from the plan."""
    with twin(folder, "--db", str(options.db)) as server:
        makers = questions(server, options.db)
        shares = ["keyed"] * 6 + ["list of 20"] * 2 + ["nearby", "readings"]

        def make() -> tuple[str, bytes]:
            kind = random.choice(shares)
            return kind, makers[kind]()

        await settled(server)
        await open_loop(server, make, rate=100, seconds=2)
        before = server.cpu()
        found = await open_loop(server, make, rate=options.rate, seconds=options.seconds)
        every = [value for values in found.values() for value in values]
        used = (server.cpu() - before) / len(every) * 1e6
        print(f"{options.rate}/s for {options.seconds} s: p95 {p95(every):.1f} ms, {used:.0f} us each")
        for kind, values in found.items():
            print(f"  {kind:<12} median {statistics.median(values):7.2f} ms   p95 {p95(values):7.2f} ms")


async def start(folder: Path, options: argparse.Namespace) -> None:
    """From the start of the process to the answer of /ready; the baseline starts on an empty city."""
    for name, arguments in (("baseline, small city", ()), ("the database", ("--db", str(options.db)))):
        walls, costs = [], []
        for _ in range(3):
            began = time.perf_counter()
            with twin(folder, *arguments) as server:
                connection = Connection(server)
                await connection.open()
                status, _ = await connection.ask(request(server, "/ready"))
                walls.append(time.perf_counter() - began)
                costs.append(server.cpu())
                connection.close()
                assert status == 200  # noqa: S101
        print(
            f"  {name}: ready after {statistics.median(walls):.2f} s, "
            f"{statistics.median(costs):.2f} s of the processor"
        )


def main() -> None:
    commands: dict[str, Callable[[Path, argparse.Namespace], Awaitable[None]]] = {
        "keyed": keyed,
        "ingest": ingest,
        "import": import_,
        "classes": classes,
        "mixed": mixed,
        "start": start,
    }
    parser = argparse.ArgumentParser(description="Measure the bundled twin.")
    parser.add_argument("figure", choices=commands)
    parser.add_argument("--db", type=Path)
    parser.add_argument("--objects", type=int, default=200_000)
    parser.add_argument("--bytes", type=int, default=600, help="of padding in each imported object")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rate", type=float, default=500)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        uvloop.run(commands[options.figure](Path(folder), options))


if __name__ == "__main__":
    main()
