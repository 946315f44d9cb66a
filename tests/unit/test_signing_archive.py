"""The archive: one way to write it, and every other way is refused."""

import gzip
import io
import os
import shutil
import subprocess
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dtc_cli.errors import DtcError
from dtc_cli.signing import archive, layout
from dtc_cli.signing.reader import open_package
from dtc_cli.signing.refusal import Refusal

FILES = {"b/two": b"2" * 1000, "a": b"one", "c/empty": b"", "c/block": b"x" * 512}


def read(path: Path) -> dict[str, bytes]:
    with open_package(path) as files:
        return {name: files.read(name) for name in files.names()}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    path = tmp_path / "p.tar.gz"
    archive.write(path, FILES)
    return path


def test_it_is_read_back(package: Path) -> None:
    assert read(package) == FILES


def test_the_same_files_give_the_same_bytes(package: Path, tmp_path: Path) -> None:
    second = tmp_path / "q.tar.gz"
    source = tmp_path / "two"
    source.write_bytes(FILES["b/two"])
    os.utime(source, (1, 1))
    mixed: dict[str, archive.Content] = {"c/empty": b"", "b/two": source}
    archive.write(second, {**mixed, "c/block": FILES["c/block"], "a": FILES["a"]})
    assert second.read_bytes() == package.read_bytes()


def test_tar_and_gzip_read_it(package: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    subprocess.run(["tar", "-xzf", package.name, "-C", "out"], cwd=tmp_path, check=True)
    assert (tmp_path / "out" / "b" / "two").read_bytes() == FILES["b/two"]
    with tarfile.open(package) as opened:
        members = opened.getmembers()
    assert [member.name for member in members] == sorted(FILES)
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in members} == {(0, 0, 0, "", "", 0o644)}


def test_an_unpacked_folder_reads_the_same(package: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    subprocess.run(["tar", "-xzf", package.name, "-C", "out"], cwd=tmp_path, check=True)
    assert read(tmp_path / "out") == FILES


def test_a_file_that_changes_while_it_is_packed_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "growing"
    source.write_bytes(b"12")
    honest = archive.chunks

    def late(content: archive.Content) -> object:
        source.write_bytes(b"123")
        return honest(content)

    monkeypatch.setattr(archive, "chunks", late)
    with pytest.raises(Refusal, match="changed while it was packed"):
        archive.write(tmp_path / "p.tar.gz", {"growing": source})
    assert sorted(os.listdir(tmp_path)) == ["growing"]


def zipped(tar: bytes) -> bytes:
    deflate = zlib.compressobj(6, zlib.DEFLATED, -15)
    body = deflate.compress(tar) + deflate.flush()
    return archive.GZIP_HEADER + body + zlib.crc32(tar).to_bytes(4, "little") + len(tar).to_bytes(4, "little")


def tar_of(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.USTAR_FORMAT) as opened:
        for info, data in members:
            info.size = len(data)
            opened.addfile(info, io.BytesIO(data))
    return target.getvalue()


def entry(name: str, **members: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for key, value in members.items():
        setattr(info, key, value)
    return info


def our_tar(*files: tuple[str, bytes]) -> bytes:
    return b"".join(
        archive.header(name, len(data)) + data + bytes(-len(data) % 512) for name, data in files
    ) + bytes(1024)


HOSTILE_TARS = {
    "symbolic link": tar_of((entry("a", type=tarfile.SYMTYPE, linkname="/etc/passwd"), b"")),
    "hard link": tar_of((entry("a", type=tarfile.LNKTYPE, linkname="b"), b"")),
    "device": tar_of((entry("a", type=tarfile.CHRTYPE), b"")),
    "fifo": tar_of((entry("a", type=tarfile.FIFOTYPE), b"")),
    "folder": tar_of((entry("a", type=tarfile.DIRTYPE), b"")),
    "absolute": our_tar(("/etc/passwd", b"x")),
    "upwards": our_tar(("../x", b"x")),
    "upwards inside": our_tar(("a/../../x", b"x")),
    "back slash": our_tar(("a\\..\\x", b"x")),
    "duplicate": our_tar(("a", b"1"), ("a", b"2")),
    "unsorted": our_tar(("b", b"1"), ("a", b"2")),
    "case collision": our_tar(("A", b"1"), ("a", b"2")),
    "file and folder": our_tar(("a", b"1"), ("a/b", b"2")),
    "owner": tar_of((entry("a", uid=1000), b"x")),
    "time": tar_of((entry("a", mtime=1), b"x")),
    "set-uid": tar_of((entry("a", mode=0o4755), b"x")),
    "prefix field": tar_of((entry("x" * 90 + "/" + "y" * 90), b"x")),
    "hidden in the padding": our_tar(("a", b"x"))[:600] + b"!" + our_tar(("a", b"x"))[601:],
    "hidden after the end": our_tar(("a", b"x")) + b"!" + bytes(511),
    "zeros after the end": our_tar(("a", b"x")) + bytes(512),
    "one end block": our_tar(("a", b"x"))[:-512],
    "no end": our_tar(("a", b"x"))[:-1024],
    "cut in a file": our_tar(("a", b"x" * 2000))[:1024],
    "cut in a header": our_tar(("a", b"x"))[:100],
    "empty": b"",
    "size in base 256": our_tar(("a", b""))[:124] + b"\x80" + bytes(11) + our_tar(("a", b""))[136:],
    "odd size": our_tar(("a", b"x")).replace(b"00000000001\0", b"0000000000 \0", 1),
    "pax": tar_of((entry("a", type=tarfile.XHDTYPE), b"11 path=b\n")),
}  # fmt: skip


@pytest.mark.parametrize("tar", HOSTILE_TARS.values(), ids=HOSTILE_TARS.keys())
def test_a_hostile_archive_is_refused(tar: bytes, tmp_path: Path) -> None:
    path = tmp_path / "p.tar.gz"
    path.write_bytes(zipped(tar))
    with pytest.raises(Refusal), open_package(path):
        pytest.fail("it was opened")


HOSTILE_ZIPS: dict[str, Callable[[bytes], bytes]] = {
    "empty file": lambda data: b"",
    "text": lambda data: b"no package",
    "plain gzip": lambda data: gzip.compress(b"x"),
    "gzip with a time": lambda data: data[:4] + b"\1" + data[5:],
    "gzip with a name": lambda data: data[:3] + b"\x08" + data[4:10] + b"name\0" + data[10:],
    "cut": lambda data: data[: len(data) // 2],
    "without its trailer": lambda data: data[:-8],
    "one byte short": lambda data: data[:-1],
    "one byte more": lambda data: data + b"\0",
    "a second member": lambda data: data + data,
    "another checksum": lambda data: data[:-8] + bytes(4) + data[-4:],
    "another length": lambda data: data[:-1] + b"\1",
    "damaged": lambda data: data[:20] + b"\xff" * 8 + data[28:],
}


@pytest.mark.parametrize("spoil", HOSTILE_ZIPS.values(), ids=HOSTILE_ZIPS.keys())
def test_a_spoilt_gzip_is_refused(spoil: Callable[[bytes], bytes], package: Path) -> None:
    package.write_bytes(spoil(package.read_bytes()))
    with pytest.raises(Refusal), open_package(package):
        pytest.fail("it was opened")


def test_a_bomb_is_refused_by_its_ratio(tmp_path: Path) -> None:
    path = tmp_path / "bomb.tar.gz"
    archive.write(path, {"a": bytes(archive.RATIO_FREE_BYTES + 2 * 1024**2)})
    assert path.stat().st_size < 100_000
    with pytest.raises(Refusal, match="decompression bomb"), open_package(path):
        pytest.fail("it was opened")


def test_a_package_of_too_many_bytes_or_files_is_refused(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    shutil.unpack_archive(package, folder, "gztar", filter="data")
    monkeypatch.setattr(layout, "MAX_BYTES", 1000)
    for path in (package, folder):
        with pytest.raises(Refusal, match="more than 0 MiB"), open_package(path):
            pytest.fail("it was opened")
    monkeypatch.undo()
    monkeypatch.setattr(layout, "MAX_FILES", 3)
    for path in (package, folder):
        with pytest.raises(Refusal, match="more than 3 files"), open_package(path):
            pytest.fail("it was opened")


def test_links_and_pipes_in_a_folder_are_refused(tmp_path: Path) -> None:
    for name, make in (("l", lambda p: p.symlink_to("/etc/passwd")), ("f", os.mkfifo)):
        folder = tmp_path / name
        folder.mkdir()
        make(folder / "odd")
        with pytest.raises(Refusal, match=r"is a link|is not a plain file"), open_package(folder):
            pytest.fail("it was opened")


def test_a_folder_with_a_hidden_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p" / "evidence").mkdir(parents=True)
    (tmp_path / "p" / "evidence" / ".hidden").write_text("")
    with pytest.raises(Refusal, match="may not stand"), open_package(tmp_path / "p"):
        pytest.fail("it was opened")


def test_what_is_not_there_and_a_run_folder_are_explained(tmp_path: Path) -> None:
    with pytest.raises(DtcError) as missing, open_package(tmp_path / "none.tar.gz"):
        pytest.fail("it was opened")
    assert missing.value.code == "package-missing"
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(DtcError) as run, open_package(tmp_path):
        pytest.fail("it was opened")
    assert run.value.code == "not-a-package"


def test_reading_has_limits(package: Path) -> None:
    with open_package(package) as files:
        with pytest.raises(Refusal, match="larger than 10 bytes"):
            files.read("b/two", 10)
        with pytest.raises(Refusal, match="missing"):
            files.read("nobody")
        with pytest.raises(Refusal, match="missing"):
            list(files.lines("nobody"))
        with pytest.raises(Refusal, match="middle of a line"):
            list(files.lines("a"))


def test_an_endless_line_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dtc_cli.signing.reader.MAX_LINE", 100)
    archive.write(tmp_path / "p.tar.gz", {"a": b"x" * 200})
    with open_package(tmp_path / "p.tar.gz") as files, pytest.raises(Refusal, match="more than 100 bytes"):
        list(files.lines("a"))


@given(
    name=st.from_regex(layout.NAME, fullmatch=True).filter(lambda text: len(text) <= 100),
    size=st.integers(0, 8**11 - 1),
)
@settings(max_examples=60, deadline=None)
def test_a_header_is_that_of_the_standard_library(name: str, size: int) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    if info.tobuf(format=tarfile.USTAR_FORMAT)[345:500].strip(b"\0"):
        return  # the library splits some long names; a package never does
    assert archive.header(name, size) == info.tobuf(format=tarfile.USTAR_FORMAT)
