"""The bundled twin as a target: started as a process of its own, reached by its sockets only."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dtc_cli.core.model import Level
from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode

STOP_TIMEOUT_S = 10.0


@contextmanager
def running(
    extra: tuple[str, ...] = (),
    level: Level = Level.BRONZE,
    *,
    mutual: bool = False,
    program: tuple[str, ...] = ("reference_server",),
) -> Iterator[Path]:
    """Start the reference twin on a free port; yields the target file that it wrote.

    The process ends with the block, and also when this process is killed: it watches its standard input.

    Args:
        extra: further options of `python -m reference_server`, for example `("--fault", "DTC-P2-013")`.
        level: what the twin is started for; from gold on every door speaks TLS with certificates of an
            authority that lives as long as the block (D-12).
        mutual: ask clients for certificates too; the target file names one (P3 8.2.3).
        program: the module that is started, and its own arguments.

    Raises:
        DtcError: `reference-twin` when it does not come up.
    """
    with tempfile.TemporaryDirectory(prefix="dtc-reference-") as folder:
        target = Path(folder) / "target.yaml"
        secured = _secured(Path(folder) / "certs", mutual=mutual) if level.rank >= Level.GOLD.rank else ()
        errors = (Path(folder) / "stderr.txt").open("w+", encoding="utf-8")
        with errors, subprocess.Popen(  # noqa: S603 - our own interpreter and server
            [
                sys.executable, "-m", *program, "--port", "0", "--write-target", str(target),
                "--stop-on-stdin-eof", *secured, *extra,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            # Ctrl-C is for dtc: the twin must still answer while the run cleans up.
            start_new_session=True,
        ) as process:  # fmt: skip
            try:
                _await_ready(process, Path(folder) / "stderr.txt")
                yield target
            finally:
                _stop(process)


def _secured(folder: Path, *, mutual: bool) -> tuple[str, ...]:
    # cryptography is loaded only where it is needed
    from dtc_cli.harness import authority

    authority.make(folder, clients=("operator",) if mutual else ())
    files = {"tls-cert": "server.pem", "tls-key": "server.key", "tls-ca": "ca.pem"}
    if mutual:
        files |= {"client-ca": "ca.pem", "client-cert": "operator.pem", "client-key": "operator.key"}
    return tuple(word for name, file in files.items() for word in (f"--{name}", str(folder / file)))


def _await_ready(process: "subprocess.Popen[str]", errors: Path) -> None:
    line = process.stdout.readline() if process.stdout else ""
    try:
        ready = bool(line) and json.loads(line).get("ready") is True
    except ValueError:
        ready = False
    if not ready:
        process.kill()
        process.wait()
        said = errors.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:]
        raise DtcError(
            "reference-twin",
            "the bundled twin did not start",
            where="python -m reference_server",
            why=" | ".join(said) or f"it said: {line!r}",
            hint="run that command by hand to see more",
            exit_code=ExitCode.CANNOT_DECIDE,
        )


def _stop(process: "subprocess.Popen[str]") -> None:
    if process.stdin:
        process.stdin.close()
    process.terminate()
    try:
        process.wait(timeout=STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
