"""The log's tree, notes and tiles: against an independent implementation, and against every small change."""

import base64
import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from pymerkle import InmemoryTree  # type: ignore[import-untyped]

from dtc_cli.registry import tiles
from dtc_cli.signing import note, tree
from dtc_cli.signing.keys import Key
from dtc_cli.signing.merkle import MerkleTree
from dtc_cli.signing.note import Checkpoint
from dtc_cli.signing.refusal import Refusal

SIZES = st.integers(1, 70)


def data(size: int) -> list[bytes]:
    return [f"entry {n}".encode() for n in range(size)]


def leaves(size: int) -> list[bytes]:
    return [tree.leaf(each) for each in data(size)]


def independent(size: int) -> Any:
    other = InmemoryTree(algorithm="sha256")
    for each in data(size):
        other.append_entry(each)
    return other


@given(size=SIZES)
@settings(max_examples=40, deadline=None)
def test_roots_are_those_of_an_independent_implementation(size: int) -> None:
    made = MerkleTree()
    for each in data(size):
        made.add(each)
    assert tree.root(leaves(size)) == independent(size).get_root() == bytes.fromhex(made.root())


@given(size=SIZES, place=st.floats(0, 1, exclude_max=True))
@settings(max_examples=60, deadline=None)
def test_inclusion_proofs_are_those_of_an_independent_implementation(size: int, place: float) -> None:
    index = int(place * size)
    proof = tree.inclusion(leaves(size), index)
    root, leaf = tree.root(leaves(size)), leaves(size)[index]
    theirs = independent(size).prove_inclusion(index + 1).serialize()["path"]  # with the leaf itself
    assert sorted([*(node.hex() for node in proof), leaf.hex()]) == sorted(theirs)
    assert tree.included(leaf, index, size, proof, root)
    assert not tree.included(tree.leaf(b"another"), index, size, proof, root)
    assert not tree.included(leaf, index, size, [*proof, root], root)
    assert not tree.included(leaf, (index + 1) % size, size, proof, root) or size == 1
    for place_ in range(len(proof)):
        assert not tree.included(leaf, index, size, proof[:place_] + proof[place_ + 1 :], root)


@given(new=SIZES, place=st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_every_prefix_is_consistent_and_nothing_else_is(new: int, place: float) -> None:
    old = max(1, int(place * new))
    proof = tree.consistency(leaves(new), old)
    old_root, new_root = tree.root(leaves(old)), tree.root(leaves(new))
    assert tree.consistent(old, old_root, new, new_root, proof)
    theirs = independent(new)
    assert tree.consistent(old, theirs.get_root(old), new, theirs.get_root(new), proof)
    assert not tree.consistent(old, bytes(32), new, new_root, proof)
    assert not tree.consistent(old, old_root, new, bytes(32), proof)
    rewritten = [tree.leaf(b"forged"), *leaves(new)[1:]]
    if old < new:
        forged = tree.consistency(rewritten, old)
        assert not tree.consistent(old, old_root, new, tree.root(rewritten), forged)
        for place_ in range(len(proof)):
            assert not tree.consistent(old, old_root, new, new_root, proof[:place_] + proof[place_ + 1 :])


def test_the_edges_of_a_tree() -> None:
    assert tree.root([]) == hashlib.sha256(b"").digest()
    with pytest.raises(ValueError, match="no leaf 3"):
        tree.inclusion(leaves(3), 3)
    with pytest.raises(ValueError, match="does not grow"):
        tree.consistency(leaves(3), 4)
    assert not tree.included(leaves(1)[0], 1, 1, [], leaves(1)[0])
    assert not tree.consistent(0, b"", 3, tree.root(leaves(3)), [])
    assert tree.consistent(3, b"x", 3, b"x", [])


LOG = Key(Ed25519PrivateKey.from_private_bytes(bytes(range(32))), name="log", role="log", path=None)
WHO = note.named("body.example/log", LOG.public)
POINT = Checkpoint("body.example/log", 7, hashlib.sha256(b"root").digest())


def test_a_note_has_the_form_of_signed_notes() -> None:
    signed = note.sign(POINT, LOG, WHO)
    text, _, signature = signed.partition(b"\n\n")
    assert text == b"body.example/log\n7\n" + base64.b64encode(POINT.root)
    dash, name, blob = signature.decode().split(" ")
    assert (dash, name) == ("\N{EM DASH}", "body.example/log")
    raw = base64.b64decode(blob)
    key = base64.b64decode(str(WHO).split("+", 2)[2])
    assert raw[:4] == hashlib.sha256(b"body.example/log\n" + key).digest()[:4]
    WHO.public.verify(raw[4:], text + b"\n")
    assert note.check(signed, WHO) == POINT
    assert note.verifier(str(WHO)) == WHO


def test_a_note_with_any_flipped_bit_is_refused() -> None:
    signed = note.sign(POINT, LOG, WHO)
    for place in range(len(signed)):
        flipped = bytearray(signed)
        flipped[place] ^= 1
        with pytest.raises(Refusal):
            note.check(bytes(flipped), WHO)
    for cut in range(len(signed)):
        with pytest.raises(Refusal):
            note.check(signed[:cut], WHO)


@pytest.mark.parametrize("text", ["", "a", "a+b+c", "name+00000000+AQ==", str(WHO)[:-4], "x" + str(WHO)])
def test_what_is_no_log_key_is_refused(text: str) -> None:
    with pytest.raises(Refusal):
        note.verifier(text)


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 600])
def test_tiles_hold_the_tree(size: int) -> None:
    made = tiles.files(data(size))
    entries = [each for name in tiles.bundles(size) for each in tiles.unbundle(made[name])]
    assert entries == data(size)
    full = [name for name in made if not name.endswith(f".p/{size % 256}")]
    assert all(len(made[name]) == 256 * 32 for name in full if name.startswith("tile/0/"))
    if size >= 256:
        level1 = next(content for name, content in made.items() if name.startswith("tile/1/"))
        assert level1[:32] == tree.root(leaves(size)[:256])


def test_tile_numbers_are_written_in_groups() -> None:
    assert [tiles._place(number, 256) for number in (0, 999, 1234, 1234067)] == [
        "000", "999", "x001/234", "x001/x234/067"
    ]  # fmt: skip
    assert tiles._place(5, 7) == "005.p/7"
    with pytest.raises(Refusal):
        tiles.unbundle(b"\0\5abc")
