"""A PostgreSQL of one's own for a test: in a temporary folder, on a Unix socket, gone afterwards."""

import getpass
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def program(name: str) -> str | None:
    """A program of the server: on the path, or where Debian puts it."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return shutil.which(
        name, path=os.pathsep.join([os.environ.get("PATH", ""), *(str(one) for one in places)])
    )


def absent() -> str | None:
    """Why there is no server with PostGIS, or None."""
    if program("initdb") is None or program("pg_ctl") is None:
        return "PostgreSQL is not on this machine"
    controls = Path("/usr/share/postgresql").glob("*/extension/postgis.control")
    return None if any(controls) else "PostGIS is not on this machine (postgresql-15-postgis-3)"


@contextmanager
def serving() -> Iterator[str]:
    """The address of a running server, without a database name's password."""
    with tempfile.TemporaryDirectory(prefix="dtc-pg-") as place:
        folder = Path(place)
        user, before = getpass.getuser(), []
        if os.geteuid() == 0:  # the server refuses to run as root
            user, before = "postgres", ["runuser", "-u", "postgres", "--"]
            shutil.chown(folder, "postgres")
        data = folder / "data"

        def run(*command: str) -> None:
            subprocess.run([*before, *command], check=True, capture_output=True, cwd=folder)

        run(str(program("initdb")), "-D", str(data), "-U", user, "-A", "trust", "--no-sync", "-E", "UTF8")
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
        control = str(program("pg_ctl"))
        run(control, "-D", str(data), "-w", "-t", "60", "-l", str(folder / "log"), "-o", options, "start")
        try:
            yield f"postgresql://{user}@/postgres?host={folder}"
        finally:
            run(control, "-D", str(data), "-w", "-m", "immediate", "stop")
