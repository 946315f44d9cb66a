"""The Merkle tree of RFC 6962 over lines: one hash for the whole matrix, and later short proofs of a line."""

import hashlib


class MerkleTree:
    """Takes leaves one by one and keeps only the roots of full sub-trees."""

    def __init__(self) -> None:
        self._roots: list[tuple[int, bytes]] = []
        """Height and hash, highest first."""

    def add(self, leaf: bytes) -> None:
        """Append a leaf."""
        height, node = 0, hashlib.sha256(b"\0" + leaf).digest()
        while self._roots and self._roots[-1][0] == height:
            node = _inner(self._roots.pop()[1], node)
            height += 1
        self._roots.append((height, node))

    def root(self) -> str:
        """The Merkle tree hash (hex) of RFC 6962 section 2.1; SHA-256 of nothing for no leaves."""
        if not self._roots:
            return hashlib.sha256().hexdigest()
        node = self._roots[-1][1]
        for _, left in reversed(self._roots[:-1]):
            node = _inner(left, node)
        return node.hex()


def _inner(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()
