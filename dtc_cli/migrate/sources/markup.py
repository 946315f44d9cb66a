"""XML from strangers: no document type is let in, nothing is fetched, faults are counted."""

import codecs
import re
import zipfile
from pathlib import Path
from typing import IO, Any

from dtc_cli.migrate.trouble import need, source_error

LONGEST_PROLOG = 1 << 20
"""Bytes before the root element; beyond, it is no document that a program wrote."""


def refuse_declarations(head: bytes, where: str) -> None:
    """Refuse a document that declares a document type: entities can read files or fill the memory.

    Raises:
        DtcError: `migration-source`.
    """
    text = _decoded(head)
    place = 0
    while True:
        place = text.find("<", place)
        if place < 0:
            if len(head) >= LONGEST_PROLOG:
                raise source_error(
                    "the XML document begins with nothing but comments", where=where,
                    why=f"no element within {LONGEST_PROLOG} bytes",
                )  # fmt: skip
            return
        if text.startswith("<!--", place):
            end = text.find("-->", place)
        elif text.startswith("<?", place):
            end = text.find("?>", place)
        elif text.startswith("<!", place):
            raise source_error(
                "the XML document declares a document type",
                where=where,
                why="with one, it could read files of this machine or fill its memory; geodata needs none",
                hint="remove the DOCTYPE where you trust the file",
            )
        else:
            return
        place = len(text) if end < 0 else end


def _decoded(head: bytes) -> str:
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
        (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
        (b"<\x00", "utf-16-le"), (b"\x00<", "utf-16-be"),
    ):  # fmt: skip
        if head.startswith(mark):
            return head.decode(name, "replace")
    return head.decode("latin-1")


def guard_file(path: Path) -> None:
    """Refuse a file, or the XML members of an archive, with declarations.

    Raises:
        DtcError: `migration-source`.
    """
    with path.open("rb") as stream:
        head = stream.read(4)
        if head != b"PK\x03\x04":
            stream.seek(0)
            refuse_declarations(stream.read(LONGEST_PROLOG), str(path))
            return
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if member.filename.lower().endswith((".xml", ".kml", ".gml", ".rels", ".xsd")):
                    with archive.open(member) as inner:
                        refuse_declarations(inner.read(LONGEST_PROLOG), f"{path}:{member.filename}")
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError) as problem:
        raise source_error(
            f"{path.name} is no archive that can be read", where=str(path), why=str(problem)[:200]
        ) from problem


def elements(stream: IO[bytes], *tags: str, recover: bool = True) -> Any:
    """Iterparse of lxml over the ends of some elements, closed to the outside.

    Args:
        stream: the document, already guarded.
        tags: names with `{*}` for any namespace.
        recover: read on after faults; they stand in `error_log`.
    """
    etree = need("lxml.etree", what="reading XML")
    return etree.iterparse(
        stream, events=("end",), tag=tags, resolve_entities=False, no_network=True, load_dtd=False,
        huge_tree=False, recover=recover, remove_comments=True, remove_pis=True,
    )  # fmt: skip


def forget(element: Any) -> None:
    """Free an element and all that came before it, so that memory does not grow with the file."""
    element.clear()
    parent = element.getparent()
    if parent is not None:
        while element.getprevious() is not None:
            del parent[0]


def is_closed(path: Path) -> bool:
    """Whether the file ends with an end tag, which one that was cut off does not."""
    with path.open("rb") as stream:
        stream.seek(0, 2)
        stream.seek(max(0, stream.tell() - 4096))
        tail = stream.read().replace(b"\x00", b"").rstrip()
    tail = re.sub(rb"<!--.*?-->\s*$", b"", tail, flags=re.DOTALL).rstrip()
    return tail.endswith(b">") and b"</" in tail[-300:]
