"""Signing keys on disk: made, listed, loaded. Private halves never leave this module in a readable form."""

import os
import re
import stat
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from dtc_cli import paths
from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode
from dtc_cli.signing import passphrase as passphrases
from dtc_cli.signing import pkcs8, public_keys
from dtc_cli.signing.passphrase import Passphrase
from dtc_cli.signing.pkcs8 import PrivateKey
from dtc_cli.signing.public_keys import PublicKey, UnusableKeyError

DEFAULT_NAME = "default"
ROLES = ("vendor", "lab", "auditor", "registry", "root", "log")
LOG = "log"
"""Signs notes, which are Ed25519 by their format; all other roles sign with ECDSA P-256."""
PRIVATE, PUBLIC, FACTS = ".pem", ".pub", ".json"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class Key:
    """A private key that can sign; it shows its name, role and public half only."""

    def __init__(self, private: PrivateKey, *, name: str, role: str, path: Path | None) -> None:
        self._private = private
        self.name = name
        self.role = role
        self.path = path
        self.public: PublicKey = private.public_key()
        self.keyid = public_keys.keyid(self.public)

    def __repr__(self) -> str:
        return f"Key({self.name}, {self.role}, {self.keyid[:16]})"

    def sign(self, data: bytes) -> bytes:
        """ECDSA over SHA-256 in DER, or Ed25519, as the key's kind demands."""
        if isinstance(self._private, ed25519.Ed25519PrivateKey):
            return self._private.sign(data)
        return self._private.sign(data, ec.ECDSA(hashes.SHA256()))


class StoredKey(msgspec.Struct, frozen=True, kw_only=True):
    """What the key folder tells about a key without opening its private half."""

    name: str
    role: str
    keyid: str
    algorithm: str
    encrypted: bool
    created_at: str | None
    path: Path
    public_pem: str


class _Facts(msgspec.Struct, frozen=True, rename="camel"):
    role: str
    created_at: str


def generate(
    name: str = DEFAULT_NAME, role: str = "vendor", *, secret: bytes | None = None, force: bool = False
) -> Key:
    """Make an ECDSA P-256 key in the key folder: `NAME.pem` (PKCS#8, 0600), `NAME.pub`, `NAME.json`.

    Args:
        name: letters, digits, `_` and `-`.
        role: one of `ROLES`; what the key is meant for. A verifier decides by its own policy.
        secret: passphrase that encrypts the private half; None leaves it unencrypted.
        force: replace a key of that name.

    Raises:
        DtcError: `key-name`, `key-exists`, `keys-folder`.
    """
    if role not in ROLES:
        raise DtcError(
            "usage", f"there is no role {role}", where="--role", hint=f"one of: {', '.join(ROLES)}"
        )
    path = place(name)
    if path.exists() and not force:
        raise DtcError(
            "key-exists",
            f"there is a key named {name} already",
            where=str(path),
            why="replacing a key makes it impossible to sign with it again",
            hint="choose another name, or --force to replace it",
        )
    private = ed25519.Ed25519PrivateKey.generate() if role == LOG else ec.generate_private_key(ec.SECP256R1())
    facts = _Facts(
        role=role, created_at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    )
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(path, pkcs8.plain(private) if secret is None else pkcs8.encrypted(private, secret), 0o600)
        _write(path.with_suffix(PUBLIC), public_keys.to_pem(private.public_key()), 0o644)
        _write(path.with_suffix(FACTS), msgspec.json.encode(facts) + b"\n", 0o644)
    except OSError as problem:
        raise _folder_error(problem) from problem
    return Key(private, name=name, role=role, path=path)


def load_private(path: Path, passphrase: Passphrase = passphrases.none) -> Key:
    """Open a private key file.

    Raises:
        DtcError: `key-missing`, `key-readable` when others may read it, `key-locked` when it is encrypted
            and no passphrase is to be had, `passphrase` when the passphrase is wrong, `key-unusable`.
    """
    data = _private_bytes(path)
    secret = passphrase() if _encrypted(data) else None
    if secret is None and _encrypted(data):
        raise DtcError(
            "key-locked",
            f"the key {path.stem} is encrypted",
            where=str(path),
            hint="give its passphrase with --passphrase-file FILE or --passphrase-env NAME",
        )
    try:
        private = serialization.load_pem_private_key(data, secret)
    except (ValueError, TypeError, UnsupportedAlgorithm) as problem:
        # The library's own words are left out on purpose: they are about the content of a secret file.
        if secret is not None:
            raise DtcError(
                "passphrase", f"the passphrase does not open the key {path.stem}", where=str(path)
            ) from None
        raise _unusable(path, "it is not a private key in PEM form") from problem
    if not isinstance(private, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
        raise _unusable(path, "it is a key of another kind than P-256 or Ed25519")
    try:
        public_keys.supported(private.public_key())
    except UnusableKeyError as problem:
        raise _unusable(path, str(problem)) from problem
    return Key(private, name=path.stem, role=_facts(path)[0], path=path)


def load(name: str, passphrase: Passphrase = passphrases.none) -> Key:
    """Open the key of that name in the key folder, or the key file of that path.

    Raises:
        DtcError: as `load_private`.
    """
    path = Path(name) if "/" in name or name.endswith(PRIVATE) else place(name)
    return load_private(path, passphrase)


def passphrase(file: Path | None, env: str | None = None) -> Passphrase:
    """The passphrase source that a command's options name; none when they name none.

    Raises:
        DtcError: `usage` when both are given.
    """
    return passphrases.chosen(file, env, passphrases.none)


def default_or_make(passphrase: Passphrase = passphrases.none) -> tuple[Key, bool]:
    """The key `default`, made unencrypted when there is none (D-13); whether it was made.

    The caller says so to the user when it was.

    Raises:
        DtcError: as `load_private` and `generate`.
    """
    path = place(DEFAULT_NAME)
    if path.exists():
        return load_private(path, passphrase), False
    return generate(DEFAULT_NAME), True


def stored() -> list[StoredKey]:
    """Every key of the key folder, by name; private halves stay closed.

    Raises:
        DtcError: `keys-folder`, or `key-unusable` when a public half cannot be read.
    """
    try:
        found = sorted(paths.keys_home().glob(f"*{PRIVATE}"))
        return [_stored(path) for path in found if NAME.fullmatch(path.stem)]
    except OSError as problem:
        raise _folder_error(problem) from problem


def export_public(name: str) -> bytes:
    """The public half of a key as PEM.

    Raises:
        DtcError: `key-missing` or `key-unusable`.
    """
    return public_keys.to_pem(_public(place(name)))


def place(name: str) -> Path:
    """Where the private half of the key of that name lies.

    Raises:
        DtcError: `key-name` when the name cannot be a file name of the key folder.
    """
    if not NAME.fullmatch(name):
        raise DtcError(
            "key-name",
            f"{name!a} cannot be the name of a key",
            hint="letters, digits, _ and -, at most 64: busan-works",
        )
    return paths.keys_home() / f"{name}{PRIVATE}"


def _write(path: Path, data: bytes, mode: int) -> None:
    """Write a file whole or not at all; it never has wider rights than `mode`, not even for a moment."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)


def _private_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            rights = os.fstat(stream.fileno()).st_mode
            if stat.S_ISREG(rights) and rights & 0o077:
                raise DtcError(
                    "key-readable",
                    f"others may read the private key {path.stem}",
                    where=f"{path} (mode {stat.S_IMODE(rights):04o})",
                    why="whoever can read it can sign in your name",
                    hint=f"chmod 600 {path}; if others had access, make a new key",
                )
            return stream.read(64 * 1024)
    except FileNotFoundError as problem:
        raise _missing(path) from problem
    except OSError as problem:
        raise _unusable(path, problem.strerror or str(problem)) from problem


def _encrypted(data: bytes) -> bool:
    return b"-----BEGIN ENCRYPTED PRIVATE KEY-----" in data or b"Proc-Type: 4,ENCRYPTED" in data


def _stored(path: Path) -> StoredKey:
    public = _public(path)
    role, created = _facts(path)
    with path.open("rb") as stream:
        encrypted = _encrypted(stream.read(64 * 1024))
    return StoredKey(
        name=path.stem,
        role=role,
        keyid=public_keys.keyid(public),
        algorithm=public_keys.algorithm(public),
        encrypted=encrypted,
        created_at=created,
        path=path,
        public_pem=public_keys.to_pem(public).decode(),
    )


def _public(path: Path) -> PublicKey:
    file = path.with_suffix(PUBLIC)
    try:
        return public_keys.read_pem(file.read_bytes())
    except FileNotFoundError as problem:
        raise _missing(file) from problem
    except OSError as problem:
        raise _unusable(file, problem.strerror or str(problem)) from problem
    except UnusableKeyError as problem:
        raise _unusable(file, str(problem)) from problem


def _facts(path: Path) -> tuple[str, str | None]:
    """Role and time of making; a key that came from elsewhere has no such file and counts as a vendor's."""
    try:
        facts = msgspec.json.decode(path.with_suffix(FACTS).read_bytes(), type=_Facts)
    except FileNotFoundError:
        return "vendor", None
    except (OSError, msgspec.MsgspecError) as problem:
        raise _unusable(path.with_suffix(FACTS), str(problem)) from problem
    return facts.role, facts.created_at


def _missing(path: Path) -> DtcError:
    return DtcError(
        "key-missing",
        f"there is no key file {path.name}",
        where=str(path),
        hint="dtc keys show lists the keys there are; dtc keys generate makes one",
    )


def _unusable(path: Path, why: str) -> DtcError:
    return DtcError(
        "key-unusable",
        f"the key file {path.name} cannot be used",
        where=str(path),
        why=why,
        hint="dtc keys generate makes a key of the right kind",
    )


def _folder_error(problem: OSError) -> DtcError:
    return DtcError(
        "keys-folder",
        "the key folder cannot be used",
        where=str(problem.filename or paths.keys_home()),
        why=problem.strerror or str(problem),
        hint="set XDG_CONFIG_HOME to a folder that you may write",
        exit_code=ExitCode.USAGE,
    )
