"""The proxy of `scripts/prove round-trip`: it delays, and changes nothing else."""

import socket
import threading
import time
from pathlib import Path

from dtc_cli.harness.reference import running
from tests.support.delay import DelayProxy
from tests.support.faraway import far_target
from tests.support.live_suites import judge

MODULE = "phase2/test_cities.py"


def echo(listener: socket.socket) -> None:
    """Send back what one connection sends, until its end."""
    connection, _ = listener.accept()
    with connection:
        while data := connection.recv(65_536):
            connection.sendall(data)


def test_bytes_arrive_whole_in_order_and_late() -> None:
    sent = bytes(range(256)) * 2_000
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=echo, args=(listener,), daemon=True)
        thread.start()
        with DelayProxy("127.0.0.1", listener.getsockname()[1], 0.05) as proxy:
            with socket.create_connection(("127.0.0.1", proxy.port)) as client:
                begun = time.monotonic()
                client.sendall(b"x")
                assert client.recv(1) == b"x"
                # The first exchange also pays for opening the connection.
                assert time.monotonic() - begun >= 0.1
                writer = threading.Thread(target=client.sendall, args=(sent,))
                writer.start()
                received = b""
                while len(received) < len(sent):
                    received += client.recv(65_536)
                writer.join()
                client.shutdown(socket.SHUT_WR)
                assert client.recv(1) == b""
            assert received == sent
            assert proxy.connections == 1
        thread.join()


def test_a_server_that_is_not_there_ends_the_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with (
        DelayProxy("127.0.0.1", port, 0.0) as proxy,
        socket.create_connection(("127.0.0.1", proxy.port)) as client,
    ):
        assert client.recv(1) == b""


def test_distance_changes_no_verdict(tmp_path: Path) -> None:
    (tmp_path / "near").mkdir()
    (tmp_path / "far").mkdir()
    with running() as target:
        near = judge(target, [MODULE], tmp_path / "near")
        with far_target(target, 0.01) as (far_file, proxy):
            far = judge(far_file, [MODULE], tmp_path / "far")
        assert proxy.connections > 0
    assert near == far
