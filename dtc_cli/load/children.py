"""Processes of ours that are told something and say something, in frames over their standard streams."""

import contextlib
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Any, BinaryIO, Generic, TypeVar, cast

import msgspec

from dtc_cli.load.worker import frame, read_frame

Said = TypeVar("Said")
KEEPS_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(4 * 2**20), "MALLOC_TRIM_THRESHOLD_": str(64 * 2**20)}
"""For glibc: what uvloop reads TLS into, 256 KiB, is otherwise asked of the system anew for each answer."""


class Children(Generic[Said]):
    """One process for each order; what they say comes in one queue.

    Attributes:
        said: number of the process and what it said; None once, when it has ended.
    """

    def __init__(self, module: str, orders: Sequence[Any], kind: type[Said]) -> None:
        self.said: queue.Queue[tuple[int, Said | None]] = queue.Queue()
        self._kind = kind
        self._processes: list[subprocess.Popen[bytes]] = []
        for number, order in enumerate(orders):
            process = subprocess.Popen(  # noqa: S603 - this interpreter, a module of ours
                [sys.executable, "-m", module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, **KEEPS_MEMORY},
                # Ctrl-C is for dtc, which ends the processes in order.
                start_new_session=True,
            )
            self._processes.append(process)
            threading.Thread(target=self._listen, args=(number, process), daemon=True).start()
            self._tell(process, order)

    def __len__(self) -> int:
        return len(self._processes)

    def tell(self, value: Any) -> None:
        """Tell all of them; one that has ended is passed over, for `said` tells of it."""
        for process in self._processes:
            self._tell(process, value)

    def end(self, patience_s: float) -> None:
        """Close their input, and kill whoever does not end by itself."""
        for process in self._processes:
            if process.stdin:
                process.stdin.close()
        for process in self._processes:
            try:
                process.wait(timeout=patience_s)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout:
                process.stdout.close()

    def _listen(self, number: int, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdout is not None  # noqa: S101 - narrows the type, it was asked for
        # The pipe is closed under the reader, or cut in the middle of a frame: the process is gone.
        with contextlib.suppress(ValueError, msgspec.DecodeError):
            while (raw := read_frame(cast(BinaryIO, process.stdout))) is not None:
                self.said.put((number, msgspec.msgpack.decode(raw, type=self._kind)))
        self.said.put((number, None))

    @staticmethod
    def _tell(process: "subprocess.Popen[bytes]", value: Any) -> None:
        assert process.stdin is not None  # noqa: S101 - narrows the type, it was asked for
        try:
            process.stdin.write(frame(value))
            process.stdin.flush()
        except BrokenPipeError:
            return  # it ended; its reader says so
