"""The bundled twin with a defect or a manner of another maker: `python -m tests.support.live_twin NAME ...`.

NAME is the number of a defect or the name of a maker; the rest are options of the twin.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dtc_cli.core.model import Level
from dtc_cli.harness.reference import running

MODULE = "tests.support.live_twin"


@contextmanager
def serving(name: str, folder: Path, *, options: tuple[str, ...] = ()) -> Iterator[Path]:
    """A twin of that name; yields a target file that names no client of its own, to be quick."""
    with running(options, Level.SILVER, program=(MODULE, name)) as target:
        lines = target.read_text(encoding="utf-8").splitlines()
        file = folder / "target.yaml"
        kept = [line for line in lines if not line.startswith('"client"')]
        if not name.isdigit():  # a maker need not say who drives heartbeats
            kept = [line.replace('"heartbeat": "server", ', "") for line in kept]
        file.write_text("\n".join([*kept, ""]), encoding="utf-8")
        yield file


def main(arguments: list[str]) -> int:
    """Put it in place, then serve."""
    from reference_server.__main__ import main as serve
    from tests.support.live_defects_broker import ALL
    from tests.support.live_makers_more import ALL as MAKERS

    name, *options = arguments
    if name.isdigit():
        ALL[int(name)].install()
    else:
        MAKERS[name].install()
    return serve(options)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
