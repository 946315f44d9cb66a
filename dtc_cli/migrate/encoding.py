"""Which character encoding a legacy file has: stated, or found by trial, and never assumed in silence."""

import codecs
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

SPELLINGS = {
    "shiftjis": "cp932", "shift_jis": "cp932", "sjis": "cp932", "932": "cp932", "ms932": "cp932",
    "big5": "big5", "big-5": "big5", "950": "cp950", "euckr": "cp949", "euc-kr": "cp949", "949": "cp949",
    "ms949": "cp949", "uhc": "cp949", "ks_c_5601-1987": "cp949", "koi8r": "koi8-r", "1252": "cp1252",
    "1251": "cp1251", "1250": "cp1250", "874": "cp874", "936": "gbk", "gb2312": "gbk", "ansi 1251": "cp1251",
    "ansi 1252": "cp1252", "88591": "iso8859-1", "88592": "iso8859-2", "iso88591": "iso8859-1",
    "utf8": "utf-8", "65001": "utf-8", "utf16": "utf-16", "utf-16": "utf-16",
}  # fmt: skip
LDID = {
    0x01: "cp437", 0x02: "cp850", 0x03: "cp1252", 0x04: "mac_roman", 0x08: "cp865", 0x13: "cp932",
    0x26: "cp866", 0x4D: "gbk", 0x4E: "cp949", 0x4F: "cp950", 0x50: "cp874", 0x57: "cp1252", 0x58: "cp1252",
    0x64: "cp852", 0x65: "cp866", 0x66: "cp865", 0x78: "cp950", 0x79: "cp949", 0x7A: "gbk", 0x7B: "cp932",
    0x7C: "cp874", 0xC8: "cp1250", 0xC9: "cp1251", 0xCA: "cp1254", 0xCB: "cp1253",
}  # fmt: skip
"""Language driver byte of a dBASE file to its code page."""

SCANNED_BYTES = 512 * 1024 * 1024
"""How far a table is searched for the first text that is not ASCII."""
UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
"""dBASE has no UTF-16: names that begin so come from a program that wrote what nobody can read."""

CANDIDATES = (
    "utf-8", "cp949", "cp932", "euc-jp", "gbk", "big5", "cp1251", "koi8-r", "cp1252", "iso8859-2", "cp874",
)  # fmt: skip
UNIT_SIGNS = frozenset("°²³µ")
_COMMON_HANGUL = frozenset(
    "시구동읍면리로길도강서남북중대한국성산천주수이가나다라사아자부인지고정기장원공학교청건물주택용"
)
_COMMON_HANZI = frozenset(
    "的一是在不了有和人中大上国地区市县路街道学校公园台北京海東西南北新光華广國語臺灣縣鄉鎮區號門樓"
)
_COMMON_KANJI = frozenset("東京都市区町村県大阪北海道山川田中島本木野原井上下小学校駅橋公園丁目番地")


class Guess(msgspec.Struct, frozen=True, kw_only=True):
    """An encoding and how sure it is (0 to 1); `evidence` is a sentence."""

    name: str
    confidence: float
    evidence: str
    others: tuple[str, ...] = ()


def normal(name: str) -> str | None:
    """The name that Python knows for an encoding, or None for an unknown one."""
    plain = name.strip().strip("\x00").lower()
    key = SPELLINGS.get(plain, plain)
    short = re.sub(r"^(cp|ansi|windows)[ -]?", "", plain)
    for one in (key, SPELLINGS.get(short, short), f"cp{short}"):
        try:
            return codecs.lookup(one).name
        except LookupError:
            continue
    return None


def guess(samples: Sequence[bytes]) -> Guess:
    """The most plausible encoding of some texts, by strict trial and by the characters that come out."""
    texts = [sample for sample in samples if sample.strip()]
    joined = b"\n".join(texts)
    if not texts or joined.isascii():
        return Guess(name="utf-8", confidence=1.0, evidence="only ASCII characters occur")
    scores: list[tuple[float, int, str]] = []
    for place, name in enumerate(CANDIDATES):
        try:
            decoded = joined.decode(name)
        except UnicodeDecodeError:
            continue
        if name == "utf-8":
            return Guess(name=name, confidence=0.99, evidence="all texts are well-formed UTF-8")
        scores.append((_plausibility(decoded, name), -place, name))
    if not scores:
        return Guess(name="cp1252", confidence=0.1, evidence="no encoding fits all texts")
    scores.sort(reverse=True)
    (best, _, name), rest = scores[0], scores[1:]
    lead = best - rest[0][0] if rest else best
    length = sum(byte >= 0x80 for byte in joined)
    sure = max(0.1, min(0.95, 0.4 + lead / 2)) * min(1.0, 0.45 + length / 60)
    return Guess(
        name=name,
        confidence=round(sure, 2),
        evidence=f"fits without a fault and gives the most plausible characters of {len(scores)} encodings",
        others=tuple(other for _, _, other in rest[:3]),
    )


def _plausibility(text: str, name: str) -> float:  # noqa: PLR0912 - one arm per script
    """Higher is more like writing; about -1 to 1.6."""
    total, points = 0, 0.0
    previous_upper = False
    for before, character, after in zip(" " + text, text, text[1:] + " ", strict=False):
        code = ord(character)
        if code < 0x80:
            previous_upper = False
            continue
        total += 1
        in_latin_word = _ascii_letter(before) or _ascii_letter(after)
        if sign := _of_unit(before, character, after):
            points += sign
        elif in_latin_word and not 0xC0 <= code <= 0x17F and character.isalpha():
            points -= 1.0  # scripts are not mixed within a word: Z\uccb4rich is Zürich misread
        elif code < 0xA0 or character == "\ufffd" or 0xE000 <= code < 0xF900:
            points -= 2
        elif 0xAC00 <= code <= 0xD7A3:
            # KS X 1001 has 2,350 of 11,172 syllables; the others hardly occur in names.
            known = len(character.encode("euc-kr")) == 2
            mixed = "\u4e00" <= before <= "\u9fff" or "\u4e00" <= after <= "\u9fff"
            points += (1.3 if character in _COMMON_HANGUL else 0.8 if known else -0.2) - 0.7 * mixed
        elif 0x3040 <= code <= 0x30FF:
            points += 1.2
        elif 0xFF61 <= code <= 0xFF9F:
            points -= 0.6  # half-width kana: mostly a wrong reading of another encoding
        elif 0x4E00 <= code <= 0x9FFF:
            common = character in (_COMMON_KANJI if name in ("cp932", "euc-jp") else _COMMON_HANZI)
            points += 1.1 if common else 0.45
        elif 0x0400 <= code <= 0x04FF:
            points += 0.75 if character.islower() or not previous_upper else 0.1
        elif 0x0E00 <= code <= 0x0E7F:
            points += 0.7 if 0x0E01 <= code <= 0x0E4E else -0.8  # digits and ornaments
        elif 0xC0 <= code <= 0x17F:
            # A capital in the middle of a word is no writing.
            points += 0.6 + 0.3 * in_latin_word if character.islower() else -0.5 if before.isalpha() else 0.2
        else:
            points -= 0.4 + 0.6 * (before.isalpha() and after.isalpha())
        previous_upper = character.isupper()
    return points / total if total else 0.0


def _of_unit(before: str, character: str, after: str) -> float:
    """Points for the sign of a unit, and for one misread: no word has the letters of m³ or of µg so."""
    if character in UNIT_SIGNS:
        return 0.4
    if character == "ł":
        return -1.0 if before == "m" and not after.isalpha() else 0.0
    return -1.0 if character == "ľ" and not before.isalpha() and after in "gmlsVAW" else 0.0


def _ascii_letter(character: str) -> bool:
    return character.isascii() and character.isalpha()


def clean(text: str) -> bool:
    """Whether a decoded text holds no replacement characters and no C1 controls."""
    return "\ufffd" not in text and not re.search(r"[\x80-\x9f]", text)


class Dbf(msgspec.Struct, frozen=True, kw_only=True):
    """The head of a dBASE file and raw samples of its text columns."""

    count: int
    ldid: int
    fields: tuple[bytes, ...]
    samples: tuple[bytes, ...]


def read_dbf(path: Path, rows: int = 400) -> Dbf | None:
    """Header and text samples of a .dbf, or None when it is none or is cut off."""
    with path.open("rb") as stream:
        head = stream.read(32)
        if len(head) < 32:
            return None
        count = int.from_bytes(head[4:8], "little")
        header, record = int.from_bytes(head[8:10], "little"), int.from_bytes(head[10:12], "little")
        fields, texts, offset = [], [], 1
        for _ in range(max(0, (header - 33) // 32)):
            entry = stream.read(32)
            if len(entry) < 32 or entry[0] == 0x0D:
                break
            fields.append(entry[:11].split(b"\x00")[0])
            if entry[11:12] == b"C":
                texts.append((offset, offset + entry[16]))
            offset += entry[16]
        if not fields or record < 2 or any(name.startswith(UTF16_MARKS) for name in fields):
            return None
        stream.seek(header)
        samples: list[bytes] = []
        at = 0
        while at < count and at * record < SCANNED_BYTES:
            # After the first rows only those count in which an encoding shows.
            together = rows if at == 0 else max(1, (1 << 20) // record)
            block = stream.read(together * record)
            if not block:
                break
            if at == 0 or not block.isascii():
                for start in range(0, len(block), record):
                    row = block[start : start + record]
                    if at == 0 or not row.isascii():
                        samples.extend(row[a:b].rstrip(b" \x00") for a, b in texts)
            at += together
            if sum(not one.isascii() for one in samples) >= rows:
                break
    return Dbf(count=count, ldid=head[29], fields=tuple(fields), samples=tuple(one for one in samples if one))


def of_shapefile(dbf: Path, chosen: str | None) -> Guess:
    """The encoding of a shapefile's table.

    In order: the user's choice, the .cpg beside it, the language byte of the table, a guess. A statement
    that does not decode the table's own texts is not believed.
    """
    if chosen is not None:
        return Guess(name=normal(chosen) or chosen, confidence=1.0, evidence="given in the plan")
    table = read_dbf(dbf)
    samples = table.samples + table.fields if table else ()
    stated: list[tuple[str, str]] = []
    cpg = next((dbf.with_suffix(s) for s in (".cpg", ".CPG", ".cst") if dbf.with_suffix(s).exists()), None)
    if cpg is not None:
        text = cpg.read_bytes()[:40].decode("latin-1").strip()
        name = normal(text)
        stated.append((name or "", f"the .cpg file says {text}"))
    if table and table.ldid in LDID:
        stated.append((LDID[table.ldid], f"language byte {table.ldid:#04x} of the .dbf"))
    for name, evidence in stated:
        if name and _decodes(samples, name):
            return Guess(name=name, confidence=0.97, evidence=evidence)
    found = guess(samples)
    if stated:
        refuted = "; ".join(evidence for _, evidence in stated)
        return msgspec.structs.replace(found, evidence=f"{refuted}, which does not fit; {found.evidence}")
    return found


def _decodes(samples: Sequence[bytes], name: str) -> bool:
    try:
        return all(clean(sample.decode(name)) for sample in samples)
    except (UnicodeDecodeError, LookupError):
        return False
