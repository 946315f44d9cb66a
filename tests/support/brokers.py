"""Mosquitto as a second broker: an MQTT 5 implementation that nobody here wrote."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

PROGRAM = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
PASSWD = shutil.which("mosquitto_passwd") or "mosquitto_passwd"


def free_port() -> int:
    """A port that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def mosquitto(
    folder: Path, password: str, *, port: int | None = None, others: Mapping[str, str] | None = None
) -> Iterator[str]:
    """A broker that takes the user api-key with this password, and other users; yields its address."""
    assert PROGRAM is not None
    port = port or free_port()
    users, config, log = folder / "users", folder / "mosquitto.conf", folder / "mosquitto.log"
    users.touch(mode=0o644)
    for name, secret in {"api-key": password, **(others or {})}.items():
        subprocess.run([PASSWD, "-b", str(users), name, secret], check=True, capture_output=True)
    users.chmod(0o644)
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {users}\nmax_keepalive 65535\n"
        "max_inflight_messages 1000\npersistence false\nuser root\n"
    )
    with log.open("wb") as out:
        process = subprocess.Popen([PROGRAM, "-c", str(config)], stdout=out, stderr=subprocess.STDOUT)
    try:
        while b"running" not in log.read_bytes():
            assert process.poll() is None, log.read_bytes()
            time.sleep(0.01)
        yield f"mqtt://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)
