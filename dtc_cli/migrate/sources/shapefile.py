"""Whether a shapefile is whole: what its index promises, against the bytes that are there."""

import zipfile
from pathlib import Path, PurePosixPath

import numpy as np

HEAD = 100
"""Bytes of the header of a .shp and of a .shx (ESRI Shapefile Technical Description, 1998)."""


def cut_off(shp: Path, shx: Path) -> str | None:
    """The sentence about a file that ends too early; None where it is whole.

    The index counts: some programs leave a wrong length in the header of a whole file.
    """
    with shp.open("rb") as stream:
        head = stream.read(HEAD)
    return _told(shp.stat().st_size, head, shx.read_bytes()[HEAD:])


def cut_off_in(archive: Path, folder: str, layer: str) -> str | None:
    """As `cut_off`, for a shapefile in a folder of an archive."""
    with zipfile.ZipFile(archive) as packed:
        parts = {}
        for one in packed.infolist():
            path = PurePosixPath(one.filename)
            if path.stem == layer and str(path.parent) == (folder or "."):
                parts[path.suffix.lower()] = one
        if not {".shp", ".shx"} <= set(parts):
            return None
        with packed.open(parts[".shp"]) as stream:
            head = stream.read(HEAD)
        return _told(parts[".shp"].file_size, head, packed.read(parts[".shx"])[HEAD:])


def _told(size: int, head: bytes, entries: bytes) -> str | None:
    stated = 2 * int.from_bytes(head[24:28], "big")
    count = len(entries) // 8
    # Each entry: where a record begins and how long it is without its head of 8 bytes, in 16-bit words.
    begins, lengths = np.frombuffer(entries[: 8 * count], ">i4").astype(np.int64).reshape(-1, 2).T * 2
    lost = int((begins + lengths + 8 > size).sum())
    if not lost:
        return None
    return (
        f"the file is cut off: {lost} of its {count} records lie beyond its end ({size:,} of its {stated:,} "
        "bytes are there)"
    )
