"""Whether a shapefile is whole: what its index promises, against the bytes that are there."""

from pathlib import Path

import numpy as np

HEAD = 100
"""Bytes of the header of a .shp and of a .shx (ESRI Shapefile Technical Description, 1998)."""


def cut_off(shp: Path, shx: Path) -> str | None:
    """The sentence about a file that ends too early; None where it is whole.

    The index counts: some programs leave a wrong length in the header of a whole file.
    """
    size = shp.stat().st_size
    with shp.open("rb") as stream:
        stated = 2 * int.from_bytes(stream.read(HEAD)[24:28], "big")
    entries = shx.read_bytes()[HEAD:]
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
