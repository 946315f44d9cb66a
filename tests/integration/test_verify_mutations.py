"""Every byte class of a real package is changed; `verify` answers each with its own check and exit code."""

import base64
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dtc_cli.core.model import Outcome
from dtc_cli.exit_codes import ExitCode
from dtc_cli.signing import archive, layout, public_keys
from dtc_cli.signing.reader import open_package
from dtc_cli.signing.refusal import Refusal
from tests.support import packages
from tests.support.packages import Contents, changed, check, failing, key, make, trust_file, unpack

Change = Callable[[Contents], object]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of a passed run."""
    return make(tmp_path_factory.mktemp("original"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Contents:
    """Another valid package of the same signer: another run, with a failure."""
    failed = {"DTC-P1-001/negative-case": Outcome.FAILED}
    return unpack(make(tmp_path_factory.mktemp("other"), number=2, outcomes=failed))


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The signer's public key, as the reader has it."""
    return trust_file(tmp_path_factory.mktemp("trust"))


def test_the_original_is_fine(original: Path, trust: Path) -> None:
    result = check(original, trust)
    assert (result.exit_code, result.authentic, result.conformant) == (ExitCode.OK, True, "bronze")
    assert [item.number for item in result.checks] == list(range(1, len(result.checks) + 1))


def replaced(name: str, old: bytes, new: bytes) -> Change:
    def change(contents: Contents) -> None:
        assert old in contents[name], (name, old)
        contents[name] = contents[name].replace(old, new, 1)

    return change


def bundled(edit: Callable[[dict[str, Any]], object]) -> Change:
    def change(contents: Contents) -> None:
        value = json.loads(contents[layout.RUN_BUNDLE])
        edit(value)
        contents[layout.RUN_BUNDLE] = json.dumps(value).encode()

    return change


def payload(old: bytes, new: bytes) -> Change:
    def edit(value: dict[str, Any]) -> None:
        data = base64.b64decode(value["dsseEnvelope"]["payload"])
        assert old in data
        value["dsseEnvelope"]["payload"] = base64.b64encode(data.replace(old, new)).decode()

    return bundled(edit)


def flipped_signature(value: dict[str, Any]) -> None:
    signature = value["dsseEnvelope"]["signatures"][0]
    data = bytearray(base64.b64decode(signature["sig"]))
    data[-1] ^= 1
    signature["sig"] = base64.b64encode(data).decode()


def both_hints(value: dict[str, Any]) -> None:
    value["verificationMaterial"]["publicKey"]["hint"] = "0" * 64
    value["dsseEnvelope"]["signatures"][0]["keyid"] = "0" * 64


def moved(old: str, new: str) -> Change:
    return lambda contents: contents.__setitem__(new, contents.pop(old))


def swapped(one: str, two: str) -> Change:
    def change(contents: Contents) -> None:
        contents[one], contents[two] = contents[two], contents[one]

    return change


def body(contents: Contents) -> str:
    return next(name for name in contents if name.startswith(layout.BODIES))


KEY = f"keys/{key().keyid}.pub"
STRANGER = packages.key("stranger")

# What is changed -> how, and the check that must notice. All of them break the integrity: exit 3.
MUTATIONS: dict[str, tuple[Change, str]] = {
    "payload: verdict": (payload(b'"achieved":"bronze"', b'"achieved":"silver"'), "signature.run"),
    "payload: one outcome": (payload(b'"DTC-P1-001":"passed"', b'"DTC-P1-001":"failed"'), "signature.run"),
    "payload: not base64": (bundled(lambda v: v["dsseEnvelope"].update(payload="?")), "signature.bundle"),
    "payload: empty": (bundled(lambda v: v["dsseEnvelope"].update(payload="")), "signature.run"),
    "payload type": (bundled(lambda v: v["dsseEnvelope"].update(payloadType="text/plain")), "signature.run"),
    "signature: a bit": (bundled(flipped_signature), "signature.run"),
    "signature: empty": (
        bundled(lambda v: v["dsseEnvelope"]["signatures"][0].update(sig="")),
        "signature.run",
    ),
    "signature: none": (bundled(lambda v: v["dsseEnvelope"].update(signatures=[])), "signature.bundle"),
    "signature: another's": (
        bundled(
            lambda v: v["dsseEnvelope"]["signatures"][0].update(
                sig=base64.b64encode(STRANGER.sign(b"x")).decode()
            )
        ),
        "signature.run",
    ),
    "keyid": (
        bundled(lambda v: v["dsseEnvelope"]["signatures"][0].update(keyid="0" * 64)),
        "signature.bundle",
    ),
    "hint": (
        bundled(lambda v: v["verificationMaterial"]["publicKey"].update(hint="0" * 64)),
        "signature.bundle",
    ),
    "keyid and hint": (bundled(both_hints), "signature.bundle"),
    "bundle: media type": (bundled(lambda v: v.update(mediaType="application/json")), "signature.bundle"),
    "bundle: unknown member": (bundled(lambda v: v.update(note="x")), "signature.bundle"),
    "bundle: duplicate key": (
        replaced(layout.RUN_BUNDLE, b'"mediaType":', b'"mediaType":"x","mediaType":'),
        "signature.bundle",
    ),
    "bundle: cut": (lambda c: c.update({layout.RUN_BUNDLE: c[layout.RUN_BUNDLE][:-1]}), "signature.bundle"),
    "bundle: empty": (lambda c: c.update({layout.RUN_BUNDLE: b""}), "signature.bundle"),
    "key: another": (
        lambda c: c.update({KEY: public_keys.to_pem(STRANGER.public)}),
        "signature.bundle",
    ),
    "key: spoilt": (lambda c: c.update({KEY: c[KEY][:-30]}), "signature.bundle"),
    "key: white space": (lambda c: c.update({KEY: c[KEY] + b"\n"}), "signature.bundle"),
    "key: removed": (lambda c: c.pop(KEY), "signature.bundle"),
    "key: one more": (
        lambda c: c.update({f"keys/{STRANGER.keyid}.pub": public_keys.to_pem(STRANGER.public)}),
        "signature.bundle",
    ),
    "list: a digest": (lambda c: c.update({layout.SUMS: b"0" * 64 + c[layout.SUMS][64:]}), "package.digests"),
    "list: a name": (replaced(layout.SUMS, b"run.json", b"run.jsom"), "package.closed"),
    "list: a line less": (
        lambda c: c.update({layout.SUMS: c[layout.SUMS].split(b"\n", 1)[1]}),
        "package.closed",
    ),
    "list: a line twice": (
        lambda c: c.update({layout.SUMS: c[layout.SUMS] + c[layout.SUMS].split(b"\n")[-2] + b"\n"}),
        "package.closed",
    ),
    "list: white space": (lambda c: c.update({layout.SUMS: c[layout.SUMS] + b"\n"}), "package.closed"),
    "list: empty": (lambda c: c.update({layout.SUMS: b""}), "package.closed"),
    "list: removed": (lambda c: c.pop(layout.SUMS), "package.closed"),
    "bundle: removed": (lambda c: c.pop(layout.RUN_BUNDLE), "package.closed"),
    "bundle: renamed": (moved(layout.RUN_BUNDLE, "attestations/x.sigstore.json"), "package.closed"),
    "event": (replaced(layout.EVENTS, b'"status":200', b'"status":201'), "package.digests"),
    "event: line removed": (
        lambda c: c.update({layout.EVENTS: c[layout.EVENTS].split(b"\n", 1)[1]}),
        "package.digests",
    ),
    "matrix: outcome": (replaced(layout.MATRIX, b'"passed"', b'"failed"'), "package.digests"),
    "matrix: line removed": (
        lambda c: c.update({layout.MATRIX: c[layout.MATRIX].split(b"\n", 1)[1]}),
        "package.digests",
    ),
    "requirements": (replaced(layout.VERDICTS, b'"passed"', b'"failed"'), "package.digests"),
    "run.json": (replaced(layout.RUN, b"Busan Twin", b"Seoul Twin"), "package.digests"),
    "run.json: duplicate key": (replaced(layout.RUN, b'"seed":', b'"seed": 1, "seed":'), "package.digests"),
    "profile": (lambda c: c.update({layout.PROFILE: b"{}"}), "package.digests"),
    "vectors": (replaced(layout.VECTORS, b"positive", b"Positive"), "package.digests"),
    "catalogue": (replaced(layout.CATALOGUE, b'"must"', b'"may"'), "package.digests"),
    "body": (lambda c: c.update({body(c): b"{}"}), "package.digests"),
    "export": (lambda c: c.update({"exports/junit.xml": b"<testsuites failures='0'/>"}), "package.digests"),
    "body removed": (lambda c: c.pop(body(c)), "package.closed"),
    "export removed": (lambda c: c.pop("exports/junit.xml"), "package.closed"),
    "matrix renamed": (moved(layout.MATRIX, "evidence/matrix2.jsonl"), "package.closed"),
    "extra in evidence": (lambda c: c.update({"evidence/more.json": b"{}"}), "package.closed"),
    "extra in exports": (lambda c: c.update({"exports/more.html": b""}), "package.closed"),
    "extra in attestations": (
        lambda c: c.update({"attestations/more.sigstore.json": b"{}"}),
        "package.closed",
    ),
    "extra in keys": (lambda c: c.update({"keys/more.pub": b""}), "package.closed"),
    "extra at the top": (lambda c: c.update({"README": b""}), "package.closed"),
    "extra body": (lambda c: c.update({layout.BODIES + "a" * 64: b""}), "package.closed"),
    "events and matrix swapped": (swapped(layout.EVENTS, layout.MATRIX), "package.digests"),
}


@pytest.mark.parametrize(("change", "noticed"), MUTATIONS.values(), ids=MUTATIONS.keys())
def test_a_change_is_noticed_by_its_check(
    original: Path, trust: Path, tmp_path: Path, change: Change, noticed: str
) -> None:
    result = check(changed(original, tmp_path, change), trust)
    assert failing(result)[0] == noticed, [(c.name, c.reason) for c in result.checks if c.code]
    assert (result.exit_code, result.authentic, result.conformant) == (ExitCode.INTEGRITY, False, None)


@pytest.mark.parametrize("name", MUTATIONS.keys())
def test_without_trust_a_changed_package_is_still_broken_first(
    original: Path, tmp_path: Path, name: str
) -> None:
    result = check(changed(original, tmp_path, MUTATIONS[name][0]), None)
    assert result.exit_code is ExitCode.INTEGRITY


NAMES = (
    layout.SUMS, layout.RUN_BUNDLE, layout.RUN, layout.MATRIX, layout.VERDICTS, layout.EVENTS,
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_another_valid_package_does_not_fit(
    original: Path, other: Contents, trust: Path, tmp_path: Path, name: str
) -> None:
    result = check(changed(original, tmp_path, lambda c: c.update({name: other[name]})), trust)
    assert (result.exit_code, result.authentic) == (ExitCode.INTEGRITY, False)


def test_the_bundle_of_another_valid_package_is_named_as_such(
    original: Path, other: Contents, trust: Path, tmp_path: Path
) -> None:
    swap = changed(original, tmp_path, lambda c: c.update({layout.RUN_BUNDLE: other[layout.RUN_BUNDLE]}))
    assert failing(check(swap, trust)) == ["statement.subject"]


def every_file(contents: Contents) -> list[str]:
    """Each file that is not a body, and one body."""
    return [name for name in contents if not name.startswith(layout.BODIES)] + [body(contents)]


@pytest.mark.parametrize("where", [0, 1, 2, -1], ids=["first", "third", "two thirds", "last"])
def test_a_bit_in_any_file_is_noticed(original: Path, trust: Path, tmp_path: Path, where: int) -> None:
    contents = unpack(original)
    for name in every_file(contents):
        data = bytearray(contents[name])
        data[where * len(data) // 3 if where > 0 else where] ^= 1
        path = packages.pack({**contents, name: bytes(data)}, tmp_path / "p.tar.gz")
        assert check(path, trust).exit_code is ExitCode.INTEGRITY, name


def test_any_file_removed_or_emptied_is_noticed(original: Path, trust: Path, tmp_path: Path) -> None:
    contents = unpack(original)
    for name in every_file(contents):
        without = {other: data for other, data in contents.items() if other != name}
        for spoilt in (without, {**contents, name: b""}):
            path = packages.pack(spoilt, tmp_path / "p.tar.gz")
            assert check(path, trust).exit_code is ExitCode.INTEGRITY, name


def test_an_unpacked_folder_is_checked_alike(original: Path, trust: Path, tmp_path: Path) -> None:
    folder = tmp_path / "p"
    shutil.unpack_archive(original, folder, "gztar", filter="data")
    assert check(folder, trust).exit_code is ExitCode.OK
    (folder / "evidence" / "link").symlink_to("/etc/hostname")
    assert failing(check(folder, trust)) == ["package.readable"]
    (folder / "evidence" / "link").unlink()
    with (folder / layout.MATRIX).open("ab") as stream:
        stream.write(b"\n")
    assert failing(check(folder, trust))[0] == "package.digests"


def raw(name: str, data: bytes = b"x") -> bytes:
    return archive.header(name, len(data)) + data + bytes(-len(data) % 512)


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "evidence/../../evil", "Evidence/run.json"])
def test_a_slipped_in_name_is_refused_unread(original: Path, trust: Path, tmp_path: Path, name: str) -> None:
    contents = unpack(original)
    tar = b"".join(raw(each, data) for each, data in sorted({**contents, name: b"x"}.items())) + bytes(1024)
    path = tmp_path / "slip.tar.gz"
    with path.open("wb") as stream:
        archive._Gzip(stream).write(iter([tar]))
    result = check(path, trust)
    assert (failing(result), result.exit_code) == (["package.readable"], ExitCode.INTEGRITY)
    assert sorted(tmp_path.iterdir()) == [path]


def test_a_cut_archive_is_refused_at_any_length(original: Path, trust: Path, tmp_path: Path) -> None:
    data = original.read_bytes()
    path = tmp_path / "cut.tar.gz"
    for length in (0, 1, 9, 10, 11, 512, len(data) // 2, len(data) - 9, len(data) - 8, len(data) - 1):
        path.write_bytes(data[:length])
        assert check(path, trust).exit_code is ExitCode.INTEGRITY, length


# Random flips, in the packed file and in what is packed.

FLIP_FOLDER = packages.scratch("flips")


def same_content(path: Path, contents: Contents) -> bool:
    """Whether the archive still unpacks to the very same files (deflate can write one thing in many ways)."""
    try:
        with open_package(path) as files:
            return {name: files.read(name) for name in files.names()} == contents
    except Refusal:
        return False


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_no_flipped_bit_of_the_packed_file_is_ever_accepted(
    original: Path, trust: Path, place: float, bit: int
) -> None:
    data = bytearray(original.read_bytes())
    data[int(place * len(data))] ^= 1 << bit
    path = FLIP_FOLDER / "packed.tar.gz"
    path.write_bytes(data)
    result = check(path, trust)
    assert result.exit_code is ExitCode.INTEGRITY or same_content(path, unpack(original))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(which=st.integers(0, 10**6), place=st.floats(0, 1, exclude_max=True), bits=st.integers(1, 255))
def test_no_flipped_bit_of_a_file_is_ever_accepted(
    original: Path, trust: Path, which: int, place: float, bits: int
) -> None:
    contents = unpack(original)
    names = every_file(contents)
    name = names[which % len(names)]
    data = bytearray(contents[name])
    data[int(place * len(data))] ^= bits
    path = packages.pack({**contents, name: bytes(data)}, FLIP_FOLDER / "file.tar.gz")
    result = check(path, trust)
    assert (result.exit_code, result.conformant) == (ExitCode.INTEGRITY, None)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), bits=st.integers(1, 255))
def test_no_flipped_bit_of_the_uncompressed_archive_is_ever_accepted(
    original: Path, trust: Path, place: float, bits: int
) -> None:
    contents = unpack(original)
    tar = bytearray(b"".join(archive._tar(contents)))
    tar[int(place * len(tar))] ^= bits
    path = FLIP_FOLDER / "tar.tar.gz"
    with path.open("wb") as stream:
        archive._Gzip(stream).write(iter([bytes(tar)]))
    assert check(path, trust).exit_code is ExitCode.INTEGRITY


@settings(max_examples=30, deadline=None)
@given(data=st.binary(max_size=2000))
def test_any_bytes_as_a_package_are_answered_without_a_traceback(data: bytes) -> None:
    path = FLIP_FOLDER / "any.tar.gz"
    path.write_bytes(data)
    assert check(path, None).exit_code is ExitCode.INTEGRITY
    path.write_bytes(archive.GZIP_HEADER + data)
    assert check(path, None).exit_code is ExitCode.INTEGRITY


def test_an_empty_folder_slipped_in_is_noticed(original: Path, trust: Path, tmp_path: Path) -> None:
    folder = tmp_path / "unpacked"
    with tarfile.open(original) as packed:
        packed.extractall(folder, filter="data")
    assert check(folder, trust).exit_code == ExitCode.OK
    (folder / "evidence" / "audited-by-somebody").mkdir()
    assert check(folder, trust).exit_code == ExitCode.INTEGRITY
