"""What a run says of itself: its id, the digest of the suites that judged, the environment."""

import hashlib
import os
import platform
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from dtc_cli.paths import PACKAGE, SUITES

JUDGING = (SUITES, PACKAGE / "core", PACKAGE / "harness", PACKAGE / "clients", PACKAGE / "spec")
"""The source trees that decide a verdict."""
_SKIPPED = {"__pycache__", ".pytest_cache", ".hypothesis"}


def run_id() -> str:
    """A new UUID version 7 (RFC 9562): 48 bits of Unix milliseconds, then randomness."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds << 80) | int.from_bytes(os.urandom(10))
    value &= ~(0xF << 76) & ~(0x3 << 62)
    return str(uuid.UUID(int=value | (0x7 << 76) | (0x2 << 62)))


def suite_digest() -> str:
    """SHA-256 (hex) over the sorted relative paths and contents of all that judges."""
    total = hashlib.sha256()
    for root in JUDGING:
        for file in _files(root):
            name = f"{root.name}/{file.relative_to(root).as_posix()}"
            total.update(f"{name} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


def is_dirty() -> bool:
    """Whether the judging code is a git checkout with uncommitted changes; an installed wheel is not."""
    root = PACKAGE.parent
    if not (root / ".git").exists():
        return False
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command
            ["git", "status", "--porcelain", "--", *(str(path) for path in JUDGING)],  # noqa: S607
            cwd=root,
            capture_output=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return True  # unknown is not clean
    return bool(done.stdout.strip())


def environment() -> dict[str, str]:
    """Interpreter and platform, without names of hosts or users."""
    return {"python": platform.python_version(), "platform": f"{platform.system()} {platform.machine()}"}


def _files(root: Path) -> Iterator[Path]:
    for file in sorted(root.rglob("*")):
        if file.is_file() and not _SKIPPED & set(file.parts) and file.suffix != ".pyc":
            yield file
