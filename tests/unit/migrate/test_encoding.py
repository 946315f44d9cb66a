"""Encodings of legacy tables: what is stated, what is found, what is not believed."""

from pathlib import Path

import pytest

from dtc_cli.migrate import encoding

TEXTS = {
    "cp949": "서울특별시 강남구 역삼동 테헤란로 주민센터 도서관 초등학교",
    "cp932": "東京都千代田区丸の内一丁目 カタカナとひらがな 図書館",
    "cp1251": "Москва улица Ленина дом школа библиотека",
    "utf-8": "Žilina 서울 東京 Überlingen",
}


@pytest.mark.parametrize("name", TEXTS)
def test_an_encoding_is_found_by_what_it_gives(name: str) -> None:
    found = encoding.guess([word.encode(name) for word in TEXTS[name].split()])
    assert found.name == name
    assert 0.3 < found.confidence <= 1
    assert found.evidence


def test_little_evidence_gives_little_confidence() -> None:
    assert encoding.guess(["강".encode("cp949")]).confidence < 0.6
    assert encoding.guess([b"plain"]).confidence == 1.0
    assert encoding.guess([b"\x81\xff\xfe\x98\xdb\x81"]).confidence < 0.6


@pytest.mark.parametrize(
    ("spelling", "wanted"),
    [
        ("shiftjis", "cp932"),
        ("UHC", "cp949"),
        ("ANSI 1251", "cp1251"),
        ("1252", "cp1252"),
        ("UTF8", "utf-8"),
        ("88591", "iso8859-1"),
        ("koi8r", "koi8-r"),
        ("klingon", None),
    ],
)
def test_spellings_of_side_files(spelling: str, wanted: str | None) -> None:
    assert encoding.normal(spelling) == wanted


def dbf(path: Path, texts: list[bytes], ldid: int = 0) -> Path:
    """A dBASE file of one text column NAME, 40 bytes wide."""
    head = bytearray(32)
    head[0] = 3
    head[4:8] = len(texts).to_bytes(4, "little")
    head[8:10] = (65).to_bytes(2, "little")
    head[10:12] = (41).to_bytes(2, "little")
    head[29] = ldid
    field = b"NAME".ljust(11, b"\0") + b"C" + bytes(4) + bytes([40, 0]) + bytes(14)
    rows = b"".join(b" " + text.ljust(40) for text in texts)
    path.write_bytes(bytes(head) + field + b"\r" + rows + b"\x1a")
    return path


def test_what_a_table_states_is_believed_when_it_fits(tmp_path: Path) -> None:
    korean = [word.encode("cp949") for word in TEXTS["cp949"].split()]
    table = dbf(tmp_path / "a.dbf", korean)
    assert encoding.of_shapefile(table, None).name == "cp949"
    (tmp_path / "a.cpg").write_text("UTF-8")
    doubted = encoding.of_shapefile(table, None)
    assert doubted.name == "cp949"
    assert "does not fit" in doubted.evidence
    (tmp_path / "a.cpg").write_text("EUC-KR")
    stated = encoding.of_shapefile(table, None)
    assert stated.name == "cp949"
    assert ".cpg" in stated.evidence
    assert encoding.of_shapefile(table, "cp932").evidence == "given in the plan"
    byte = encoding.of_shapefile(dbf(tmp_path / "b.dbf", korean, ldid=0x79), None)
    assert "0x79" in byte.evidence


def test_a_table_that_is_cut_off_is_none(tmp_path: Path) -> None:
    (tmp_path / "c.dbf").write_bytes(b"\x03")
    assert encoding.read_dbf(tmp_path / "c.dbf") is None
    (tmp_path / "d.dbf").write_bytes(bytes(40))
    assert encoding.read_dbf(tmp_path / "d.dbf") is None
    assert not encoding.clean("a\ufffd")
    assert not encoding.clean("a\x85")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Zürich\nKöln", "cp1252"),
        ("Peçeña México", "cp1252"),
        ("简体国语", "gbk"),
        ("ひたちなか市\n西蒲原郡弥彦村", "cp932"),
        ("ひたちなか市\n西蒲原郡弥彦村", "euc-jp"),
        ("서울특별시 강동구\n천호동", "cp949"),
    ],
)
def test_short_texts_are_not_taken_for_another_script(text: str, name: str) -> None:
    assert encoding.guess(text.encode(name).splitlines()).name == name


def test_a_table_in_utf_16_is_no_table(tmp_path: Path) -> None:
    head = bytearray(32)
    head[0], head[8:10], head[10:12] = 3, (65).to_bytes(2, "little"), (11).to_bytes(2, "little")
    field = b"\xff\xfei".ljust(11, b"\x00") + b"C" + bytes(4) + b"\x0a" + bytes(15)
    (tmp_path / "a.dbf").write_bytes(bytes(head) + field + b"\r")
    assert encoding.read_dbf(tmp_path / "a.dbf") is None
