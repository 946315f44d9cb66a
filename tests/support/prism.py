"""Prism, a mock server of another maker: installed by npm into a folder, started on a free port."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PACKAGE = "@stoplight/prism-cli@5.14.2"
INSTALL_S = 300.0
START_S = 60.0


class PrismUnavailableError(Exception):
    """Prism cannot be had on this machine; the text says why."""


def installed(folder: Path) -> Path:
    """The program, installed below the folder unless it is there already.

    Raises:
        PrismUnavailableError: without npm, or when npm cannot get the package.
    """
    program = folder / "node_modules" / ".bin" / "prism"
    if program.exists():
        return program
    npm = shutil.which("npm")
    if npm is None:
        raise PrismUnavailableError("npm is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        done = subprocess.run(
            [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", PACKAGE],
            capture_output=True,
            text=True,
            check=False,
            timeout=INSTALL_S,
        )
    except subprocess.TimeoutExpired as problem:
        raise PrismUnavailableError(f"npm did not install {PACKAGE} within {INSTALL_S:.0f} s") from problem
    if not program.exists():
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise PrismUnavailableError(f"npm did not install {PACKAGE}: {last}")
    return program


@contextmanager
def mocking(program: Path, document: Path) -> Iterator[str]:
    """Serve the document's examples on loopback; yields the origin.

    Raises:
        PrismUnavailableError: when it does not start.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = document.with_suffix(".log")
    with (
        log.open("w", encoding="utf-8") as out,
        subprocess.Popen(
            [str(program), "mock", "--port", str(port), "--verboseLevel", "warn", str(document)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, "NO_COLOR": "1"},
        ) as process,
    ):
        try:
            _await(port, process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            try:
                process.wait(10.0)
            except subprocess.TimeoutExpired:
                process.kill()


def _await(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    said = log.read_text(encoding="utf-8", errors="replace").strip()[-500:]
    raise PrismUnavailableError(f"prism did not start: {said or 'it said nothing'}")
