"""Words for codes: domains and subtypes of a file geodatabase, enumerations of a GeoPackage."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from dtc_cli.migrate import values
from dtc_cli.migrate.trouble import need

LABEL = "_label"
LARGEST_DEFINITION = 16 * 1024 * 1024
_ENUMERATIONS = """
    SELECT c.table_name, c.column_name, v.value, v.description FROM gpkg_data_columns c
    JOIN gpkg_data_column_constraints v ON v.constraint_name = c.constraint_name
    WHERE v.constraint_type = 'enum' AND v.description IS NOT NULL"""


class Words(msgspec.Struct):
    """The words of one field.

    `by_subtype` holds those that count for records of one subtype only: code of the subtype to code to word.
    """

    plain: dict[str, str] = {}
    by_subtype: dict[str, dict[str, str]] = {}
    subtype: str | None = None
    """The field that holds the code of the subtype."""


Tables = Mapping[str, Mapping[str, Words]]
"""Layer to field to words."""


def labelled(columns: Mapping[str, list[Any]], words: Mapping[str, Words]) -> dict[str, list[Any]]:
    """The columns with a further one, `FIELD_label`, behind each whose codes have words."""
    found: dict[str, list[Any]] = {}
    for name, column in columns.items():
        found[name] = column
        known = words.get(name)
        if known is None or name + LABEL in columns:
            continue
        codes = [values.text(one) for one in column]
        kinds = columns.get(known.subtype or "")
        if known.by_subtype and kinds is not None:
            tables = [known.by_subtype.get(values.text(one) or "", known.plain) for one in kinds]
            found[name + LABEL] = [
                None if code is None else table.get(code) for code, table in zip(codes, tables, strict=True)
            ]
        else:
            found[name + LABEL] = [None if code is None else known.plain.get(code) for code in codes]
    return found


def of_geopackage(path: Path) -> Tables:
    """The enumerations of a GeoPackage (extension Schema); none where it has no such."""
    found: dict[str, dict[str, Words]] = {}
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as base:
            for layer, field, code, word in base.execute(_ENUMERATIONS):
                words = found.setdefault(layer, {}).setdefault(field, Words())
                words.plain[str(code)] = str(word)
    except sqlite3.DatabaseError:  # it has no such tables
        return {}
    return found


def of_geodatabase(raw: Any, path: str) -> Tables:
    """The coded domains and subtypes of a file geodatabase, from its own catalogue."""
    try:
        meta, _, _, columns = raw.read(path, layer="GDB_Items", LIST_ALL_TABLES="YES", read_geometry=False)
        definitions = columns[list(meta["fields"]).index("Definition")]
    except Exception:  # the library raises a dozen kinds; without a catalogue there are no words
        return {}
    items = [one for one in (_parsed(text) for text in definitions) if one is not None]
    domains = {
        name: words
        for one in items
        if _local(one) == "GPCodedValueDomain2" and (name := _text(one, "DomainName")) is not None
        for words in [_coded(one)]
    }
    found: dict[str, Mapping[str, Words]] = {}
    for one in items:
        if _local(one) in ("DEFeatureClassInfo", "DETableInfo"):
            name, words = _text(one, "Name"), _of_table(one, domains)
            if name is not None and words:
                found[name] = words
    return found


def _of_table(item: Any, domains: Mapping[str, Mapping[str, str]]) -> dict[str, Words]:
    found: dict[str, Words] = {}
    for field in item.iterfind("{*}GPFieldInfoExs/{*}GPFieldInfoEx"):
        name, domain = _text(field, "Name"), _text(field, "DomainName")
        if name is not None and domain is not None and domain in domains:
            found[name] = Words(plain=dict(domains[domain]))
    kind = _text(item, "SubtypeFieldName")
    if kind is None:
        return found
    for subtype in item.iterfind("{*}Subtypes/{*}Subtype"):
        code, word = _text(subtype, "SubtypeCode"), _text(subtype, "SubtypeName")
        if code is None or word is None:
            continue
        found.setdefault(kind, Words()).plain[code] = word
        for field in subtype.iterfind("{*}FieldInfos/{*}SubtypeFieldInfo"):
            name, domain = _text(field, "FieldName"), _text(field, "DomainName")
            if name is not None and domain is not None and domain in domains:
                words = found.setdefault(name, Words())
                words.subtype = kind
                words.by_subtype[code] = dict(domains[domain])
    return found


def _coded(item: Any) -> dict[str, str]:
    found = {}
    for one in item.iterfind("{*}CodedValues/{*}CodedValue"):
        code, word = _text(one, "Code"), _text(one, "Name")
        if code is not None and word is not None:
            found[code] = word
    return found


def _parsed(text: Any) -> Any:
    etree = need("lxml.etree", what="reading domains")
    if not isinstance(text, str) or "<!" in text or len(text) > LARGEST_DEFINITION:
        return None
    try:
        return etree.fromstring(
            text.encode(), etree.XMLParser(resolve_entities=False, no_network=True, encoding="utf-8")
        )
    except etree.XMLSyntaxError:
        return None


def _local(item: Any) -> str:
    return str(item.tag).rpartition("}")[2]


def _text(item: Any, name: str) -> str | None:
    found = item.findtext(f"{{*}}{name}")
    return (found or "").strip() or None
