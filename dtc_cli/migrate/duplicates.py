"""Keys that occur more than once in a layer: copies of one record, or records that contradict each other."""

import hashlib
from itertools import islice
from typing import Any

import msgspec
import numpy as np
import orjson
import shapely

from dtc_cli.migrate import values
from dtc_cli.migrate.sources.source import Source
from dtc_cli.migrate.table import cleaned, kinds_of, plain

READ_SIZE = 8192


class Duplicates(msgspec.Struct, kw_only=True):
    """Keys that several records share."""

    conflicts: set[str] = set()
    """Their records differ: nobody knows which is right."""
    lacking: bool = False
    """Whether records without a key occur."""
    copies: dict[str, int] = {}
    """Their records are equal: key to the ordinal of the first, which is the one to load."""


def find(reader: Source, layer: str, field: str) -> Duplicates:
    """Look for keys that occur twice; a second pass over the records is made only when there are any.

    The first pass keeps eight bytes per record.
    """
    parts, lacking = [], False
    for keys in _keys(reader, layer, field):
        lacking = lacking or None in keys
        # Python's own hash: it differs from process to process, and is asked within this one only.
        parts.append(np.fromiter((hash(key) for key in keys if key is not None), dtype=np.int64))
    if not parts:
        return Duplicates(lacking=lacking)
    shorts, counts = np.unique(np.concatenate(parts), return_counts=True)
    twice = set(shorts[counts > 1].tolist())
    found = _compare(reader, layer, field, twice) if twice else Duplicates()
    found.lacking = lacking
    return found


def _keys(reader: Source, layer: str, field: str) -> Any:
    quick = getattr(reader, "keys", None)
    if quick is not None:
        column = iter(quick(layer, field))  # a list, or a stream that can be gone through once
        while part := list(islice(column, READ_SIZE)):
            yield cleaned(part) if kinds_of(part) == {str} else [values.text(one) for one in part]
        return
    for batch in reader.batches(layer, start=0, size=READ_SIZE, careful=False):
        yield [values.text(one) for one in batch.columns.get(field, [])]


def _compare(reader: Source, layer: str, field: str, twice: set[int]) -> Duplicates:
    first: dict[str, tuple[int, bytes]] = {}
    found, several = Duplicates(), set()
    for batch in reader.batches(layer, start=0, size=READ_SIZE, careful=False):
        for index, value in enumerate(batch.columns.get(field, [])):
            key = values.text(value)
            if key is None or hash(key) not in twice:
                continue
            content = _content(batch, index)
            if key not in first:
                first[key] = (batch.first + index, content)
                continue
            several.add(key)
            if first[key][1] != content:
                found.conflicts.add(key)
    found.copies = {key: first[key][0] for key in several if key not in found.conflicts}
    return found


def _content(batch: Any, index: int) -> bytes:
    # A field without a value is none: which of them a record shows depends on its neighbours in the batch.
    given = ((name, plain(value)) for name, value in batch.row(index).items())
    row = {name: value for name, value in given if value is not None}
    shape = batch.geometry[index]
    told = orjson.dumps(row, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SORT_KEYS)
    told += shapely.to_wkb(shape) if shape is not None else batch.raw.get(index, b"")
    for level, shells in sorted((batch.extra.get(index) or {}).get("lods", {}).items()):
        told += b"%d" % level + shapely.to_wkb(shells)
    return hashlib.blake2b(told, digest_size=16).digest()
