"""A random sample of vectors that anybody can draw again: a function of seed, share and vector id."""

import hashlib
import re
from collections.abc import Iterable

import msgspec

from dtc_cli.core.canonical import sha256_hex

_FORM = re.compile(r"(\d{1,3})%(?:@(\d{1,10}))?")


class Sample(msgspec.Struct, frozen=True):
    """A share of all vectors in percent, drawn with a seed."""

    percent: int
    seed: int

    @classmethod
    def parse(cls, text: str, seed: int = 0) -> "Sample":
        """Read `20%@7`, or `20%` with the seed given apart.

        Raises:
            ValueError: for another form, or a share outside 1 to 100 percent.
        """
        match = _FORM.fullmatch(text.strip())
        if match is None or not 1 <= int(match[1]) <= 100:
            raise ValueError("a sample is a share from 1% to 100%, with a seed: 20%@7")
        return cls(int(match[1]), int(match[2] or seed))

    def __str__(self) -> str:
        return f"{self.percent}%@{self.seed}"

    def holds(self, vector: str) -> bool:
        """Whether the vector is drawn; each is decided by itself, so the share is met on the average."""
        drawn = int.from_bytes(hashlib.sha256(f"{self.seed}/{vector}".encode()).digest()[:8])
        return drawn * 100 < self.percent * 2**64

    def of(self, vectors: Iterable[str]) -> tuple[str, ...]:
        """The vectors that are drawn, sorted."""
        return tuple(sorted(vector for vector in vectors if self.holds(vector)))


def digest(vectors: Iterable[str]) -> str:
    """SHA-256 (hex) over the sorted ids, a line each."""
    return sha256_hex("".join(f"{vector}\n" for vector in sorted(vectors)).encode())
