"""Ports for programs that cannot be told to take a free one and say which."""

import contextlib
import socket
import subprocess
import time

WAIT_S = 20.0


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody listens on at the moment."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def wait_for_port(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Return once the program listens.

    Raises:
        AssertionError: it ended, or does not listen in time.
    """
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        assert process.poll() is None, process.stderr.read() if process.stderr else "the program ended"
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return
        except OSError:
            time.sleep(0.02)  # nothing tells us when another maker's program listens, so it is asked again
    raise AssertionError(f"nothing listens on port {port}")
