"""Checkpoints: the size and root of a log as a signed note, in the form that C2SP describes.

A note is a text, an empty line, and a line per signature: a dash, the key's name, and base64 of four bytes
that point to the key and the Ed25519 signature over the text.
"""

import base64
import binascii
import hashlib
import re
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from dtc_cli.signing.dsse import Signer
from dtc_cli.signing.public_keys import signed_by
from dtc_cli.signing.refusal import Refusal

ED25519 = b"\x01"
NAME = re.compile(r"[^\s+]{1,200}")
DASH = "\N{EM DASH} "


class Checkpoint(NamedTuple):
    """What a log says of itself."""

    origin: str
    size: int
    root: bytes


class Verifier(NamedTuple):
    """A log's key and name, as a reader keeps them."""

    name: str
    public: Ed25519PublicKey

    def __str__(self) -> str:
        return f"{self.name}+{_hint(self.name, self.public).hex()}+{_b64(ED25519 + _raw(self.public))}"


def verifier(text: str) -> Verifier:
    """Read `name+hint+key`.

    Raises:
        Refusal: for another form, another kind of key, or a hint that does not fit.
    """
    parts = text.strip().split("+", 2)
    try:
        name, hint, data = parts[0], bytes.fromhex(parts[1]), base64.b64decode(parts[2], validate=True)
        public = Ed25519PublicKey.from_public_bytes(data[1:])
    except (IndexError, ValueError) as problem:
        raise Refusal("that is no log key of the form name+hint+key") from problem
    if data[:1] != ED25519 or not NAME.fullmatch(name) or hint != _hint(name, public):
        raise Refusal("the log key does not fit its name")
    return Verifier(name, public)


def named(name: str, public: object) -> Verifier:
    """The verifier of a key under a name.

    Raises:
        Refusal: for another kind of key, or a name with blanks or plus signs.
    """
    if not isinstance(public, Ed25519PublicKey):
        raise Refusal("a log is signed with an Ed25519 key: dtc keys generate NAME --role log")
    if not NAME.fullmatch(name):
        raise Refusal(f"{name[:40]!a} cannot name a log: no blanks, no plus signs")
    return Verifier(name, public)


def sign(checkpoint: Checkpoint, signer: Signer, who: Verifier) -> bytes:
    """The signed note."""
    text = _text(checkpoint)
    signature = _b64(_hint(who.name, who.public) + signer.sign(text))
    return text + f"\n{DASH}{who.name} {signature}\n".encode()


def check(data: bytes, who: Verifier) -> Checkpoint:
    """The checkpoint of a note that the log's key signed.

    Raises:
        Refusal: when it is malformed, of another log, or not signed by the key.
    """
    try:
        whole = data.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise Refusal("the checkpoint is not UTF-8") from problem
    text, found, signatures = whole.partition("\n\n")
    lines = text.split("\n")
    if not found or len(lines) != 3 or not re.fullmatch(r"0|[1-9]\d{0,15}", lines[1]):
        raise Refusal("the checkpoint is no signed note")
    checkpoint = Checkpoint(lines[0], int(lines[1]), _decode(lines[2]))
    if len(checkpoint.root) != 32 or _text(checkpoint) != f"{text}\n".encode() or not whole.endswith("\n"):
        raise Refusal("the checkpoint has another form than its only one")
    lines = signatures[:-1].split("\n")
    if any(not line.startswith(DASH) for line in lines):
        raise Refusal("the checkpoint has something else than signatures after its text")
    for line in lines:
        name, _, signature = line.removeprefix(DASH).partition(" ")
        blob = _decode(signature)
        fits = name == who.name and blob[:4] == _hint(who.name, who.public)
        if fits and signed_by(who.public, blob[4:], f"{text}\n".encode()):
            if checkpoint.origin != who.name:
                raise Refusal(f"the checkpoint is of the log {checkpoint.origin[:80]!a}, not of {who.name}")
            return checkpoint
    raise Refusal(f"the checkpoint is not signed by {who.name}")


def _text(checkpoint: Checkpoint) -> bytes:
    return f"{checkpoint.origin}\n{checkpoint.size}\n{_b64(checkpoint.root)}\n".encode()


def _hint(name: str, public: Ed25519PublicKey) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + ED25519 + _raw(public)).digest()[:4]


def _raw(public: Ed25519PublicKey) -> bytes:
    return public.public_bytes(Encoding.Raw, PublicFormat.Raw)


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as problem:
        raise Refusal("the checkpoint is not base64 where it has to be") from problem
