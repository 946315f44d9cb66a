"""Starting and stopping a server: storage, keys, socket, and the one line that announces it."""

import asyncio
import contextlib
import ctypes
import gc
import json
import os
import resource
import shutil
import signal
import socket
import sqlite3
import ssl
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import uvicorn
import uvloop

from reference_server import auth, demo, seeding, target, tls
from reference_server.app import Api
from reference_server.auth import Keyring
from reference_server.http_protocol import patient
from reference_server.mqtt import door
from reference_server.services import cities, simulations
from reference_server.settings import BASE_PATH, Settings
from reference_server.storage.lock import locked
from reference_server.storage.protocol import CredentialRow, Transaction
from reference_server.storage.sqlite import SqliteStorage
from reference_server.world import World

STOP_GRACE_S = 5
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Of `mallopt`, as glibc numbers them."""
COLLECT_AFTER = (20_000, 20, 50)
"""New objects before Python looks for cycles. Messages make few cycles and live for long: with its own 700 it
spends a quarter of the time of MQTT ingestion on looking at them."""


def _keep_memory() -> None:
    """Keep freed memory for the next answer, where the C library is glibc.

    uvloop reads TLS into pieces of 256 KiB, which glibc would get from the system and give back each time: a
    quarter of the processor time of a short answer.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(M_MMAP_THRESHOLD, 4 * 2**20)
    mallopt(M_TRIM_THRESHOLD, 64 * 2**20)


def run(settings: Settings) -> int:
    """Serve until told to stop; the exit code of the process."""
    _keep_memory()
    gc.set_threshold(*COLLECT_AFTER)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # a connection of the stream takes a file each
    if settings.db is not None:
        settings.db.parent.mkdir(parents=True, exist_ok=True)
        return _run(settings, settings.db)
    folder = Path(tempfile.mkdtemp(prefix="dtc-twin-"))
    try:
        return _run(settings, folder / "twin.db")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(settings: Settings, db: Path) -> int:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(settings, db))


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one.

    Raises:
        OSError: the address is taken or not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio sets TCP_NODELAY only on sockets that say they are TCP; without it
    # an answer's body waits for the acknowledgement of its headers, 40 ms on Linux.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


async def _serve(settings: Settings, db: Path) -> int:
    with contextlib.ExitStack() as stack:
        try:
            secured = _secured(settings)
            listener = stack.enter_context(listen(settings.host, settings.port))
            mqtt = None
            if settings.mqtt_port is not None and settings.mqtt_broker is None:
                mqtt = stack.enter_context(listen(door.host(settings), settings.mqtt_port))
        except tls.UnusableCertificateError as problem:
            print(f"error: cannot serve TLS: {problem}", file=sys.stderr)  # noqa: T201
            return 2
        except OSError as problem:
            print(f"error: cannot listen on {settings.host}: {problem}", file=sys.stderr)  # noqa: T201
            return 2
        return await _with_storage(settings, db, Doors(listener, mqtt, secured), stack)


class Doors(msgspec.Struct, frozen=True):
    """Bound sockets, and the TLS that all of them speak."""

    rest: socket.socket
    mqtt: socket.socket | None
    secured: ssl.SSLContext | None

    def addresses(self, settings: Settings) -> target.Addresses:
        """Where clients find the doors."""
        origin = _origin(settings, int(self.rest.getsockname()[1]))
        mqtt = None if self.mqtt is None else door.address(settings, self.mqtt)
        if settings.mqtt_broker is not None:
            mqtt = settings.mqtt_broker.url
        return target.Addresses(origin, origin + BASE_PATH, stream_url(origin), mqtt)


async def _with_storage(settings: Settings, db: Path, doors: Doors, stack: contextlib.ExitStack) -> int:
    storage = SqliteStorage(db, durable=settings.db is not None)
    try:
        stack.enter_context(locked(db))
        if seeding.abandoned(db):
            print(f"discarding {db}: it was killed before its city was complete", file=sys.stderr)  # noqa: T201
            seeding.discard(db)
        fresh = not db.exists()
        if fresh:
            seeding.begin(db)
        await storage.open()
    except (OSError, sqlite3.Error) as problem:
        print(f"error: cannot use the database {db}: {problem}", file=sys.stderr)  # noqa: T201
        return 2
    try:
        if not await storage.cities():
            try:
                await demo.build(storage, settings)
            except BaseException:  # Ctrl-C, a full disk; what was there before is never removed
                if fresh:
                    stack.callback(seeding.discard, db)  # runs once the storage is closed
                raise
        seeding.complete(db)
        world = World(settings, storage, Keyring([]))
        addresses = doors.addresses(settings)
        await _grant(world, addresses, db)
        await world.messaging.recall()
        await simulations.recover(world)
        await world.imports.recover()
        world.roads.open([cities.decoded(row) for row in await storage.cities()])
        try:
            async with door.opened(world, doors.mqtt, doors.secured):
                await _answer(world, doors, addresses)
        finally:
            await world.roads.close()
        if world.runs is not None:
            await world.runs.close()
        await world.messaging.close()
        await world.imports.close()
    finally:
        await storage.close()
    return 0


async def _grant(world: World, addresses: target.Addresses, db: Path) -> None:
    """Give out fresh keys with the target file.

    Without one, keep what the database knows or make an admin key.
    """
    settings, storage = world.settings, world.storage
    known = await storage.credentials()
    if settings.write_target is not None:
        secrets, rows = target.credentials(settings)
        await _store(world, rows)
        secrets[target.SIGNING] = auth.new_key()
        world.stream.signatures.add_secret(target.SIGNING_KEY_ID, secrets[target.SIGNING].encode())
        target.write(settings.write_target, settings, addresses, secrets)
    elif not known:
        secrets, rows = target.credentials(settings)
        await _store(world, rows[:1])
        key_file = db.with_suffix(".admin.key")
        target.write_private(key_file, secrets["admin"])
        print(f"admin key: {key_file}", file=sys.stderr)  # noqa: T201
    elif (signing := db.with_suffix(".signing.key")).is_file():
        world.stream.signatures.add_secret(target.SIGNING_KEY_ID, signing.read_text().strip().encode())
    for row in await storage.credentials():
        world.keyring.add(row)
    for retired in await storage.retired():
        world.keyring.retire(retired)


async def _store(world: World, rows: list[CredentialRow]) -> None:
    def change(tx: Transaction) -> None:
        for row in rows:
            tx.put_credential(row)

    await world.storage.write("server", change)


class _Server(uvicorn.Server):
    """Ends with its work done on SIGTERM and SIGINT, and does not die of the signal afterwards."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop accepting on a signal, for as long as the server runs."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)


async def _answer(world: World, doors: Doors, addresses: target.Addresses) -> None:
    secured = doors.secured
    api = Api(world)
    config = uvicorn.Config(
        api,  # an ASGI application by itself: routing needs the raw path, before percent decoding
        loop="uvloop",
        http=patient(world.settings.body_timeout_s, api.is_prompt),
        proxy_headers=False,  # whoever calls from this machine could claim any address
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=STOP_GRACE_S,
        ws=world.stream.connection,  # type: ignore[arg-type]
        ssl_context_factory=None if secured is None else lambda config, default: secured,
    )
    server = _Server(config)
    if world.settings.stop_on_stdin_eof:
        _stop_with_stdin(server)
    gc.collect()
    gc.freeze()  # what is there now stays: a look at all of it would make everybody wait
    doors.rest.listen(2048)
    world.ready = True
    settings = world.settings
    print(  # noqa: T201 - the announcement is the program's output
        json.dumps(
            {
                "ready": True,
                "rest": addresses.rest,
                "stream": addresses.stream,
                "mqtt": addresses.mqtt,
                "target": None if settings.write_target is None else str(settings.write_target),
                "pid": os.getpid(),
            }
        ),
        flush=True,
    )
    world.stream.open()
    try:
        await server.serve(sockets=[doors.rest])
    finally:
        await world.stream.close()


def _stop_with_stdin(server: uvicorn.Server) -> None:
    """Stop once nobody holds the other end of stdin: no orphan outlives a parent that was killed."""

    def wait() -> None:
        while os.read(0, 4096):
            pass
        server.should_exit = True

    threading.Thread(target=wait, name="stdin-watch", daemon=True).start()


def _secured(settings: Settings) -> ssl.SSLContext | None:
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    return tls.context(settings.tls_cert, settings.tls_key, settings.client_ca, ("http/1.1",))


def stream_url(origin: str) -> str:
    """The address of the stream at an origin."""
    return "ws" + origin.removeprefix("http") + BASE_PATH + "/stream"


def _origin(settings: Settings, port: int) -> str:
    shown = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{'http' if settings.tls_cert is None else 'https'}://{shown}:{port}"
