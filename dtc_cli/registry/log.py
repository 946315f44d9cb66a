"""The registry as a folder: an append-only log with a signed checkpoint, and what is derived from it.

`checkpoint` and `tile/` are the log; `registry.json` says who keeps it; `certificates/` and `statuslist/` are
made from entries. Nothing in it needs a server.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from dtc_cli.core.canonical import sha256_hex
from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode
from dtc_cli.registry import entry as entries
from dtc_cli.registry import tiles
from dtc_cli.registry.entry import Entry
from dtc_cli.signing import attestation, note, public_keys, register_proof, strict_json, tree
from dtc_cli.signing.dsse import Signer
from dtc_cli.signing.evidence import typed
from dtc_cli.signing.note import Checkpoint, Verifier
from dtc_cli.signing.public_keys import PublicKey, UnusableKeyError
from dtc_cli.signing.refusal import Refusal

ABOUT, CHECKPOINT, LOCK = "registry.json", "checkpoint", ".lock"
MAX_ENTRIES = 1_000_000


class About(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Who keeps the registry, and with which keys; a copy for convenience, readers keep their own."""

    dtc_registry: int
    name: str
    origin: str
    issuer: str
    """URI of the certification body."""
    log_key: str
    """`name+hint+key` of the log."""
    issuer_key_pem: str
    """Public key that signs certificates and status lists."""


class Log(NamedTuple):
    """A log that was read and recomputed."""

    about: About
    checkpoint: Checkpoint
    note: bytes
    leaves: tuple[bytes, ...]
    """Hashes of the leaves."""
    data: tuple[bytes, ...]
    entries: tuple[Entry, ...]


def create(folder: Path, about: About, log_key: Signer) -> None:
    """Make an empty registry.

    Raises:
        DtcError: `registry-exists`, `not-written`.
    """
    if (folder / ABOUT).exists():
        raise DtcError("registry-exists", f"there is a registry in {folder} already", where=str(folder))
    value = json.dumps(msgspec.to_builtins(about), indent=2, ensure_ascii=False).encode() + b"\n"
    write(folder / ABOUT, value)
    first = Entry(seq=0, type="init", at=attestation.now(), about=sha256_hex(value))
    _publish(folder, about, (first.data(),), log_key)


def read(folder: Path, who: Verifier | None = None) -> Log:
    """The log of a registry, with everything computed again: entries, tiles, root and signature.

    Args:
        folder: the registry.
        who: the log's key as the reader keeps it; None: the registry's own copy, which proves only that the
            files fit each other.

    Raises:
        DtcError: `registry-missing` when there is none, `registry-broken` (exit 3) when it does not hold.
    """
    try:
        about = _about(folder)
        return _read(folder, about, who or note.verifier(about.log_key))
    except Refusal as problem:
        raise broken(folder, problem) from problem


@contextmanager
def changing(folder: Path, log_key: Signer) -> Iterator[tuple[Log, Callable[[list[Entry]], None]]]:
    """The log and a function that appends to it; one process at a time.

    Raises:
        DtcError: as `read`; `log-key` when the key is not the log's.
    """
    if not (folder / ABOUT).is_file():
        read(folder)
    with (folder / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        log = read(folder)
        if note.verifier(log.about.log_key).public != log_key.public:
            raise DtcError(
                "log-key",
                "that key does not sign this log",
                where=str(folder),
                hint="--log-key names the key that dtc registry init was given",
                exit_code=ExitCode.UNTRUSTED,
            )

        def append(more: list[Entry]) -> None:
            data = [each.data() for each in more]
            if any(len(each) > tiles.MAX_ENTRY for each in data):
                raise Refusal("an entry is larger than 64 KiB")
            _publish(folder, log.about, (*log.data, *data), log_key)

        yield log, append


def prove(log: Log, seq: int) -> bytes:
    """An entry, its inclusion proof and the signed checkpoint as one text, which stands alone.

    Raises:
        ValueError: there is no such entry.
    """
    path = tree.inclusion(log.leaves, seq)
    return register_proof.render(log.data[seq], seq, path, log.note)


def check_proof(proof: bytes, data: bytes, who: Verifier) -> Checkpoint:
    """The checkpoint of a log that holds the entry, by the proof alone.

    Raises:
        Refusal: when the proof does not lead from the entry to a root that the log signed.
    """
    number, checkpoint = register_proof.leads(proof, data, who)
    if entries.parse(data, number).seq != number:
        raise Refusal("the entry has another number")
    return checkpoint


def grown(log: Log, old: Checkpoint) -> None:
    """Make sure that the log grew from an earlier checkpoint, by a consistency proof.

    Raises:
        Refusal: when history was rewritten or cut.
    """
    new = log.checkpoint
    if old.origin != new.origin:
        raise Refusal(f"it is another log: {new.origin}, not {old.origin}")
    if old.size > new.size:
        raise Refusal(f"the log shrank from {old.size} to {new.size} entries")
    if old.size == 0:
        return
    proof = tree.consistency(log.leaves, old.size)
    if not tree.consistent(old.size, old.root, new.size, new.root, proof):
        raise Refusal(f"the first {old.size} entries are not what they were: history was rewritten")


def issuer_key(about: About) -> PublicKey:
    """The public key that signs certificates, by the registry's own copy.

    Raises:
        Refusal: when it cannot be used.
    """
    try:
        return public_keys.read_pem(about.issuer_key_pem.encode())
    except UnusableKeyError as problem:
        raise Refusal(f"the issuer's key cannot be used: {problem}") from problem


def broken(folder: Path, problem: Refusal) -> DtcError:
    """The error for a registry that does not hold."""
    return DtcError(
        "registry-broken",
        f"the registry {folder.name} does not hold",
        where=str(folder),
        why=problem.reason,
        hint="fetch it again; if it stays so, ask whoever keeps it",
        exit_code=problem.code,
    )


def _about(folder: Path) -> About:
    try:
        data = (folder / ABOUT).read_bytes()
    except OSError as problem:
        raise DtcError(
            "registry-missing",
            f"{folder} is not a registry",
            where=str(folder / ABOUT),
            why=problem.strerror or "",
            hint="dtc registry init makes one",
        ) from problem
    return typed(strict_json.parse(data, ABOUT), ABOUT, About)


def _read(folder: Path, about: About, who: Verifier) -> Log:
    signed = _bytes(folder / CHECKPOINT)
    checkpoint = note.check(signed, who)
    if checkpoint.origin != about.origin:
        raise Refusal("the checkpoint is of another log than registry.json says")
    if checkpoint.size > MAX_ENTRIES:
        raise Refusal(f"the log holds more than {MAX_ENTRIES} entries")
    data: list[bytes] = []
    for name in tiles.bundles(checkpoint.size):
        data.extend(tiles.unbundle(_bytes(folder / name)))
    leaves = tuple(tree.leaf(each) for each in data)
    if len(leaves) != checkpoint.size or tree.root(leaves) != checkpoint.root:
        raise Refusal("the entries are not those of the signed checkpoint")
    for name, content in tiles.files(data).items():
        if _bytes(folder / name) != content:
            raise Refusal(f"{name} is not the tile of the entries")
    digest = sha256_hex(_bytes(folder / ABOUT))
    parsed = tuple(entries.parse(each, seq) for seq, each in enumerate(data))
    if not parsed or parsed[0].type != "init" or parsed[0].about != digest:
        raise Refusal("registry.json is not the one that the log begins with")
    return Log(about, checkpoint, signed, leaves, tuple(data), parsed)


def _publish(folder: Path, about: About, data: tuple[bytes, ...], log_key: Signer) -> None:
    """Write tiles first and the checkpoint last: no reader sees a checkpoint without its tiles."""
    for name, content in tiles.files(data).items():
        if not (folder / name).is_file() or (folder / name).read_bytes() != content:
            write(folder / name, content)
    made = Checkpoint(about.origin, len(data), tree.root([tree.leaf(each) for each in data]))
    write(folder / CHECKPOINT, note.sign(made, log_key, note.verifier(about.log_key)))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise Refusal(f"{path.name} is missing") from problem


def write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        DtcError: `not-written`.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except OSError as problem:
        raise DtcError(
            "not-written",
            f"{path} cannot be written",
            where=str(path),
            why=problem.strerror or str(problem),
        ) from problem
    finally:
        partial.unlink(missing_ok=True)
