"""The Merkle tree of RFC 6962: roots, inclusion proofs, consistency proofs, and their checks.

A tree is given by the hashes of its leaves. Proofs are lists of hashes, lowest first (RFC 6962 2.1).
"""

import hashlib
from collections.abc import Sequence

Hashes = Sequence[bytes]


def leaf(data: bytes) -> bytes:
    """The hash of a leaf's content."""
    return hashlib.sha256(b"\0" + data).digest()


def inner(left: bytes, right: bytes) -> bytes:
    """The hash of a node over two others."""
    return hashlib.sha256(b"\1" + left + right).digest()


def root(leaves: Hashes) -> bytes:
    """The root over the leaf hashes; over none it is the hash of nothing."""
    return _range(tuple(leaves), 0, len(leaves)) if leaves else hashlib.sha256(b"").digest()


def inclusion(leaves: Hashes, index: int) -> list[bytes]:
    """The audit path of the leaf at the index.

    Raises:
        ValueError: there is no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise ValueError(f"the tree has no leaf {index}")
    return _path(tuple(leaves), index, 0, len(leaves))


def consistency(leaves: Hashes, old: int) -> list[bytes]:
    """The proof that the first `old` leaves are a prefix of all.

    Raises:
        ValueError: the old tree is empty or larger.
    """
    if not 0 < old <= len(leaves):
        raise ValueError(f"a tree of {len(leaves)} leaves does not grow from {old}")
    return _subproof(tuple(leaves), old, 0, len(leaves), whole=True)


def included(data_hash: bytes, index: int, size: int, proof: Hashes, expected: bytes) -> bool:
    """Whether the audit path leads from the leaf hash to the root (RFC 9162 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    first, last, found = index, size - 1, data_hash
    for node in proof:
        if last == 0:
            return False
        if first & 1 or first == last:
            found = inner(node, found)
            while not first & 1 and first:
                first >>= 1
                last >>= 1
        else:
            found = inner(found, node)
        first >>= 1
        last >>= 1
    return last == 0 and found == expected


def consistent(old: int, old_root: bytes, new: int, new_root: bytes, proof: Hashes) -> bool:
    """Whether the proof shows that the new tree grew from the old one (RFC 9162 2.1.4.2)."""
    if old == new:
        return old_root == new_root and not proof
    if not 0 < old < new or not proof:
        return False
    nodes = list(proof) if old & (old - 1) else [old_root, *proof]
    first, last = old - 1, new - 1
    while first & 1:
        first >>= 1
        last >>= 1
    was = now = nodes[0]
    for node in nodes[1:]:
        if last == 0:
            return False
        if first & 1 or first == last:
            was, now = inner(node, was), inner(node, now)
            while not first & 1 and first:
                first >>= 1
                last >>= 1
        else:
            now = inner(now, node)
        first >>= 1
        last >>= 1
    return last == 0 and was == old_root and now == new_root


def _range(leaves: tuple[bytes, ...], start: int, end: int) -> bytes:
    if end - start == 1:
        return leaves[start]
    middle = start + _split(end - start)
    return inner(_range(leaves, start, middle), _range(leaves, middle, end))


def _split(count: int) -> int:
    """The largest power of two below the count."""
    return int(1 << ((count - 1).bit_length() - 1))


def _path(leaves: tuple[bytes, ...], index: int, start: int, end: int) -> list[bytes]:
    if end - start == 1:
        return []
    middle = start + _split(end - start)
    if index < middle:
        return [*_path(leaves, index, start, middle), _range(leaves, middle, end)]
    return [*_path(leaves, index, middle, end), _range(leaves, start, middle)]


def _subproof(leaves: tuple[bytes, ...], old: int, start: int, end: int, *, whole: bool) -> list[bytes]:
    if old == end:
        return [] if whole else [_range(leaves, start, end)]
    middle = start + _split(end - start)
    if old <= middle:
        return [*_subproof(leaves, old, start, middle, whole=whole), _range(leaves, middle, end)]
    return [*_subproof(leaves, old, middle, end, whole=False), _range(leaves, start, middle)]
