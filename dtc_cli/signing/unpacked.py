"""A package laid out as a run folder again, so that what reads runs reads packages too."""

from pathlib import Path

from dtc_cli.core import runfolder
from dtc_cli.signing import layout
from dtc_cli.signing.reader import Files

PLACES = {
    layout.RUN: runfolder.RUN,
    layout.MATRIX: runfolder.MATRIX,
    layout.VECTORS: runfolder.VECTORS,
    layout.EVENTS: runfolder.EVENTS,
    layout.CATALOGUE: runfolder.REQUIREMENTS,
}


def lay_out(files: Files, folder: Path) -> None:
    """Write the evidence of a package into an empty folder, under the names of a run."""
    (folder / runfolder.BODIES).mkdir()
    for name in files.names():
        body = layout.BODY.fullmatch(name)
        place = f"{runfolder.BODIES}/{body[1]}" if body else PLACES.get(name)
        if place:
            with (folder / place).open("wb") as copy:
                for piece in files.chunks(name):
                    copy.write(piece)
