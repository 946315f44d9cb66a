"""Mosquitto as a second broker: an MQTT 5 implementation that nobody here wrote."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
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
def mosquitto(folder: Path, password: str) -> Iterator[str]:
    """A broker that takes the user api-key with this password; yields its address."""
    assert PROGRAM is not None
    port = free_port()
    users, config = folder / "users", folder / "mosquitto.conf"
    subprocess.run(
        [PASSWD, "-b", "-c", str(users), "api-key", password],
        check=True,
        capture_output=True,
    )
    users.chmod(0o644)
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {users}\nmax_keepalive 65535\n"
        "max_inflight_messages 1000\npersistence false\nuser root\n"
    )
    process = subprocess.Popen(
        [PROGRAM, "-c", str(config), "-v"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        assert process.stdout is not None
        said = b""
        for line in process.stdout:
            said += line
            if b"running" in line:
                break
        assert process.poll() is None, said
        yield f"mqtt://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout:
            process.stdout.close()
