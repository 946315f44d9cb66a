"""The log as plain files (C2SP tlog-tiles): hash tiles and entry bundles.

A tile holds up to 256 hashes, `tile/<level>/<number>`; a bundle up to 256 entries, each with its length in
two bytes, `tile/entries/<number>`. The last one of a level may be partial: `<number>.p/<width>`.
"""

from collections.abc import Sequence

from dtc_cli.signing import tree
from dtc_cli.signing.refusal import Refusal

WIDTH = 256
MAX_ENTRY = 65535


def files(entries: Sequence[bytes]) -> dict[str, bytes]:
    """Name to content of every tile and bundle of a log."""
    made: dict[str, bytes] = {}
    for number, start in enumerate(range(0, len(entries), WIDTH)):
        part = entries[start : start + WIDTH]
        bundle = b"".join(len(entry).to_bytes(2) + entry for entry in part)
        made[f"tile/entries/{_place(number, len(part))}"] = bundle
    hashes = [tree.leaf(entry) for entry in entries]
    level = 0
    while hashes:
        above = []
        for number, start in enumerate(range(0, len(hashes), WIDTH)):
            part = hashes[start : start + WIDTH]
            made[f"tile/{level}/{_place(number, len(part))}"] = b"".join(part)
            if len(part) == WIDTH:
                above.append(tree.root(part))
        hashes, level = above, level + 1
    return made


def unbundle(data: bytes) -> list[bytes]:
    """The entries of a bundle.

    Raises:
        Refusal: when it is cut off.
    """
    found, place = [], 0
    while place < len(data):
        size = int.from_bytes(data[place : place + 2])
        entry = data[place + 2 : place + 2 + size]
        if len(data) < place + 2 or len(entry) != size:
            raise Refusal("an entry bundle is cut off")
        found.append(entry)
        place += 2 + size
    return found


def bundles(size: int) -> list[str]:
    """The names of the entry bundles of a log of that size."""
    return [
        f"tile/entries/{_place(number, min(WIDTH, size - start))}"
        for number, start in enumerate(range(0, size, WIDTH))
    ]


def _place(number: int, width: int) -> str:
    """The number in groups of three digits, all but the last with an x; a partial one with its width."""
    groups = [f"{number % 1000:03}"]
    while number := number // 1000:
        groups.insert(0, f"x{number % 1000:03}")
    return "/".join(groups) + ("" if width == WIDTH else f".p/{width}")
