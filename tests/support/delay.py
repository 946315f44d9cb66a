"""A TCP proxy on loopback that makes a server as far away as a round trip says."""

import asyncio
import threading
from contextlib import suppress
from types import TracebackType

CHUNK = 65_536


class DelayProxy:
    """Relays connections to a server, each byte half a round trip late in each direction.

    A new connection costs one round trip more, as the handshake of TCP does. What was sent together arrives
    together: the delay limits no throughput. It runs on a thread of its own.

    Args:
        host: of the server.
        port: of the server.
        round_trip_s: what is added to each round trip, in seconds.
    """

    def __init__(self, host: str, port: int, round_trip_s: float) -> None:
        self._upstream = (host, port)
        self._round_trip_s = round_trip_s
        self._loop = asyncio.new_event_loop()
        self._connections: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.connections = 0
        """How many were opened so far."""
        self.port = 0

    def __enter__(self) -> "DelayProxy":
        self._thread.start()
        started = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._serve, "127.0.0.1", 0), self._loop
        )
        self._server = started.result()
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _stop(self) -> None:
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await asyncio.sleep(self._round_trip_s)
            far_reader, far_writer = await asyncio.open_connection(*self._upstream)
            try:
                await asyncio.gather(self._carry(reader, far_writer), self._carry(far_reader, writer))
            finally:
                far_writer.close()
        except (OSError, asyncio.CancelledError):
            # One side is gone: the other is told by closing its connection below.
            pass
        finally:
            writer.close()
            self._connections.discard(task)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Relay one direction until its end; the end is relayed too."""
        on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=256)

        async def deliver() -> None:
            while True:
                due, data = await on_the_way.get()
                await asyncio.sleep(max(0.0, due - self._loop.time()))
                if not data:
                    with suppress(OSError):
                        writer.write_eof()
                    return
                writer.write(data)
                await writer.drain()

        async def collect() -> None:
            data = b"-"
            while data:
                data = await reader.read(CHUNK)
                await on_the_way.put((self._loop.time() + self._round_trip_s / 2, data))

        await asyncio.gather(collect(), deliver())
