"""The proof that a register holds an entry: the entry, its path to the root, the signed checkpoint (C2SP)."""

import base64
from collections.abc import Sequence
from typing import Any

from dtc_cli.signing import note, strict_json, tree
from dtc_cli.signing.note import Checkpoint, Verifier
from dtc_cli.signing.refusal import Refusal

FORMAT = "c2sp.org/tlog-proof@v1"
EXTRA = "extra "


def render(data: bytes, index: int, path: Sequence[bytes], signed: bytes) -> bytes:
    """The proof as one text that carries its entry."""
    more = f"{EXTRA}{base64.b64encode(data).decode()}\n"
    hashes = "".join(base64.b64encode(each).decode() + "\n" for each in path)
    return f"{FORMAT}\n{more}index {index}\n{hashes}\n".encode() + signed


def check(proof: bytes, who: Verifier) -> dict[str, Any]:
    """The entry that a proof carries, once the log is seen to hold it.

    Raises:
        Refusal: when it carries none, or does not lead from it to a root that the log signed.
    """
    data = carried(proof)
    if data is None:
        raise Refusal("the proof does not carry its entry")
    leads(proof, data, who)
    entry = strict_json.parse_canonical(data, "the entry")
    if not isinstance(entry, dict):
        raise Refusal("the entry is no object")
    return entry


def carried(proof: bytes) -> bytes | None:
    """The entry that a proof says it is about; None when it carries none.

    Raises:
        Refusal: when what it carries is not base64.
    """
    lines = proof.partition(b"\n\n")[0].decode("ascii", "replace").split("\n")
    if len(lines) < 2 or not lines[1].startswith(EXTRA):
        return None
    try:
        return base64.b64decode(lines[1].removeprefix(EXTRA), validate=True)
    except ValueError as problem:
        raise Refusal("the proof's entry is not base64") from problem


def leads(proof: bytes, data: bytes, who: Verifier) -> tuple[int, Checkpoint]:
    """Number of the entry and the checkpoint of a log that holds it, by the proof alone.

    Raises:
        Refusal: when the proof does not lead from the entry to a root that the log signed.
    """
    head, found, signed = proof.partition(b"\n\n")
    lines = head.decode("ascii", "replace").split("\n")
    if (entry := carried(proof)) is not None:
        if entry != data:
            raise Refusal("the proof carries another entry")
        del lines[1]
    if not found or lines[0] != FORMAT or len(lines) < 2 or not lines[1].startswith("index "):
        raise Refusal("that is no inclusion proof")
    number = lines[1].removeprefix("index ")
    if not number.isascii() or not number.isdigit() or len(number) > 12 or str(int(number)) != number:
        raise Refusal("the proof has no index")
    try:
        path = [base64.b64decode(line, validate=True) for line in lines[2:]]
    except ValueError as problem:
        raise Refusal("the proof holds a hash that is none") from problem
    checkpoint = note.check(signed, who)
    if not tree.included(tree.leaf(data), int(number), checkpoint.size, path, checkpoint.root):
        raise Refusal("the entry is not in the log at that place")
    return int(number), checkpoint
