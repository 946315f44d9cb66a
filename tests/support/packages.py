"""Makes signed packages for tests, takes them apart, and puts them together again wrongly."""

import atexit
import json
import shutil
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from dtc_cli.core import plan
from dtc_cli.core.canonical import canonical_json, sha256_hex
from dtc_cli.core.catalogue import Catalogue
from dtc_cli.core.model import LEVELS, Level
from dtc_cli.signing import (
    archive,
    bundle,
    dsse,
    evidence,
    judgement,
    layout,
    package,
    public_keys,
    seal,
    statement,
    test_result,
)
from dtc_cli.signing.keys import Key
from dtc_cli.signing.reader import MappedFiles, open_package
from dtc_cli.signing.verify import VerifyResult, verify
from tests.support import runs

NOW = runs.FINISHED + timedelta(days=1)
Contents = dict[str, bytes]


def scratch(name: str) -> Path:
    """A folder that outlives a single test and is removed when the process ends."""
    folder = Path(mkdtemp(prefix=f"dtc-test-{name}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def catalogue() -> Catalogue:
    """The installed catalogue with a positive and a negative vector for every requirement, made once."""
    return runs.covered_catalogue(scratch("spec") / "spec")


@cache
def accepted() -> list[str]:
    """What a policy lists to accept the catalogue of the tests: its digest, and those of what it demands."""
    whole = catalogue()
    worlds = [plan.make(whole.requirements.values(), whole.vectors, level, {}) for level in LEVELS]
    encoded = (msgspec.json.encode(part) for each in worlds for part in (each.requirements, each.vectors))
    return [whole.digest, *map(sha256_hex, encoded)]


@cache
def key(name: str = "vendor") -> Key:
    """A throw-away P-256 key; the same name gives the same key."""
    return Key(ec.generate_private_key(ec.SECP256R1()), name=name, role="vendor", path=None)


@cache
def ed_key() -> Key:
    """A throw-away Ed25519 key."""
    return Key(ed25519.Ed25519PrivateKey.generate(), name="ed", role="lab", path=None)


def make(
    folder: Path, *, signer: Key | None = None, exports: Mapping[str, bytes] | None = None, **run: Any
) -> Path:
    """A package of a fabricated run; `run` as in `runs.make`."""
    made = runs.make(folder / "run", catalogue(), **run)
    return package.build(made, folder, exports or {"junit.xml": b"<testsuites/>\n"}, signer or key())


def unpack(path: Path) -> Contents:
    """Name to content of a package."""
    with open_package(path) as files:
        return {name: files.read(name) for name in files.names()}


def pack(contents: Mapping[str, bytes], path: Path) -> Path:
    """Write an archive of exactly these files, without signing or summing anything."""
    archive.write(path, contents)
    return path


def changed(original: Path, folder: Path, change: Callable[[Contents], object]) -> Path:
    """A copy of a package whose files were changed, and nothing else was made to fit."""
    contents = unpack(original)
    change(contents)
    return pack(contents, folder / "changed.dtcpack.tar.gz")


def resigned(
    original: Path,
    folder: Path,
    change: Callable[[Contents], object],
    *,
    signer: Key | None = None,
    tweak: Callable[[dict[str, Any]], object] | None = None,
    refit: bool = True,
) -> Path:
    """A copy that the owner of the key changed and signed again: list, digests and signature fit.

    Args:
        original: the package to start from.
        folder: where the copy goes.
        change: what happens to the evidence.
        signer: who signs; the original signer without it.
        tweak: what happens to the statement (as JSON) before it is signed.
        refit: roll the matrix up again, unless the change wrote a roll-up of its own.
    """
    from dtc_cli.signing import strict_json

    contents = {name: data for name, data in unpack(original).items() if layout.covered(name)}
    before = contents[layout.VERDICTS]
    change(contents)
    if refit and contents[layout.VERDICTS] == before:
        contents[layout.VERDICTS] = judgement.to_bytes(judgement.judge(evidence.read(MappedFiles(contents))))
    sums = layout.render_sums({name: MappedFiles(contents).digest(name) for name in contents})
    files = MappedFiles(contents)
    payload = statement.make(evidence.read(files), files, sums)
    if tweak is not None:
        value = strict_json.parse(payload, "the statement")
        tweak(value)
        payload = canonical_json(value)
    who = signer or key()
    summary = test_result.make(evidence.read(files), sums)
    contents |= {
        layout.SUMS: sums,
        layout.RUN_BUNDLE: bundle.render(dsse.sign(payload, statement.PAYLOAD_TYPE, who)),
        layout.TEST_RESULT: bundle.render(dsse.sign(summary, statement.PAYLOAD_TYPE, who)),
        f"{layout.KEYS}{who.keyid}.pub": public_keys.to_pem(who.public),
    }
    return pack(contents, folder / "resigned.dtcpack.tar.gz")


def by_hand(original: Path, folder: Path, change: Callable[[Contents], object]) -> Path:
    """What the own packer refuses to pack, packed by a vendor's own: list, subject and signature fit."""
    contents = unpack(original)
    change(contents)
    files = MappedFiles(contents)
    sums = layout.render_sums({name: files.digest(name) for name in contents if layout.covered(name)})
    for name in (layout.RUN_BUNDLE, layout.TEST_RESULT):
        said = json.loads(bundle.parse(contents[name], name).envelope.payload)
        said["subject"][0]["digest"]["sha256"] = sha256_hex(sums)
        contents[name] = seal.seal(canonical_json(said), key())
    return pack({**contents, layout.SUMS: sums}, folder / "by-hand.dtcpack.tar.gz")


def trust_file(folder: Path, signer: Key | None = None) -> Path:
    """The PEM public key of a signer, as a reader would have it."""
    path = folder / f"{(signer or key()).name}.pub"
    path.write_bytes(public_keys.to_pem((signer or key()).public))
    return path


def check(path: Path, trust: Path | None, *, level: Level | None = None, **options: Any) -> VerifyResult:
    """Verify on the day after the run, against the catalogue of the tests."""
    return verify(path, trust, level, **{"now": NOW, "catalogue": catalogue(), **options})


def failing(result: VerifyResult) -> list[str]:
    """The names of the checks that ask for an exit code."""
    return [check.name for check in result.checks if check.code is not None]
