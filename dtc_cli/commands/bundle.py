"""`dtc bundle`: everything that an install without a network needs, in one file."""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from dtc_cli import __version__, console
from dtc_cli.commands.options import Json
from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode
from dtc_cli.paths import PACKAGE

HELP = """Put dtc and all packages that it needs into one file, for a site without a network.

The file is made for the Python and the platform that run this command. On the other side:
`tar -xf dtc-bundle.tar && sh dtc-bundle/install.sh DIR` checks every wheel against SHA256SUMS, makes an
environment in DIR and installs from the bundle alone.

\b
Examples:
  dtc bundle --out dtc-bundle.tar
  dtc bundle --wheel dist/dtc-0.1.0-py3-none-any.whl --out dtc-bundle.tar --json

\b
Exit codes: 0 written, 2 a file cannot be read or written, 7 a package cannot be had (this command needs a
package index; the install does not).
"""

INSTALL = """#!/bin/sh
# Installs dtc from this folder alone, without a network. usage: sh install.sh DIR   needs python3 with venv
set -eu
here=$(cd "$(dirname "$0")" && pwd)
where=${1:?usage: sh install.sh DIR}
(cd "$here" && sha256sum -c --strict --quiet SHA256SUMS)
"${PYTHON:-python3}" -m venv "$where"
"$where/bin/python" -m pip install --quiet --disable-pip-version-check --no-index \\
  --find-links "$here/wheels" dtc
"$where/bin/dtc" --version
"""


def bundle(
    out: Annotated[Path, typer.Option(help="File to write.")] = Path("dtc-bundle.tar"),
    wheel: Annotated[
        Path | None, typer.Option(help="Wheel of dtc; default: it is built from the checkout that runs this.")
    ] = None,
    json: Json = False,
) -> None:
    """See HELP."""
    from dtc_cli.core.canonical import sha256_hex
    from dtc_cli.signing import archive, attestation

    attestation.writable(out)
    with tempfile.TemporaryDirectory(prefix="dtc-bundle-") as name:
        folder = Path(name)
        _wheels(folder, wheel)
        found = sorted(folder.glob("*.whl"))
        files: dict[str, bytes | Path] = {f"wheels/{each.name}": each for each in found}
        files["install.sh"] = INSTALL.encode()
        sums = "".join(
            f"{sha256_hex(content if isinstance(content, bytes) else content.read_bytes())}  {place}\n"
            for place, content in sorted(files.items())
        )
        files["SHA256SUMS"] = sums.encode()
        with out.open("wb") as stream:
            archive.write_tar(stream, {f"dtc-bundle/{place}": content for place, content in files.items()})
    size = out.stat().st_size
    if json:
        console.emit_json({"file": str(out), "bytes": size, "wheels": [each.name for each in found]})
    else:
        console.out(f"wrote {out}: {len(found)} wheels, {size / 1e6:.1f} MB")
        console.out("there: tar -xf dtc-bundle.tar && sh dtc-bundle/install.sh DIR")


bundle.__doc__ = HELP


def _wheels(folder: Path, wheel: Path | None) -> None:
    """Dtc's own wheel and those of all that it needs."""
    source = PACKAGE.parent
    if wheel is None and not (source / "pyproject.toml").is_file():
        raise DtcError(
            "usage",
            "dtc runs from an installed package, so its wheel must be given",
            where="dtc bundle",
            hint=f"dtc bundle --wheel dtc-{__version__}-py3-none-any.whl",
        )
    if wheel is not None and not wheel.is_file():
        raise DtcError(
            "not-readable", f"there is no file {wheel}", where=str(wheel), hint="name the wheel of dtc"
        )
    command = [
        sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check",
        "--wheel-dir", str(folder), str(wheel or source),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own interpreter
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["pip failed"]
        raise DtcError(
            "no-wheels",
            "the packages cannot be gathered",
            where=str(wheel or source),
            why=said[0],
            hint="this command needs a package index and pip in its environment",
            exit_code=ExitCode.CANNOT_DECIDE,
        )
