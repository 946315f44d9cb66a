"""GeoJSON whose features have numbers as ids: no field of GDAL shows them, and it makes up what is missing.

They are read from the text itself, feature after feature, in the order in which GDAL gives the records.
"""

import json
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from dtc_cli.migrate.sources.ogr import OgrSource
from dtc_cli.migrate.sources.source import Batch, Field, Layer

WINDOW = 1 << 20
"""Characters that are read at once; a feature may take more."""
NAME = "id"
_FEATURES = re.compile(r'"features"\s*:\s*\[')
_BETWEEN = re.compile(r"[\s,]*")
_DECODER = json.JSONDecoder()


class GeoJsonSource(OgrSource):
    """A GeoJSON file; whole numbers as ids of its features become a field `id` (RFC 7946, 3.2)."""

    def __init__(self, path: str, **more: Any) -> None:
        super().__init__(path, **more)
        self._file = Path(path)
        plain = self._file.is_file() and self._file.suffix.lower() != ".zip"
        first = next(feature_ids(self._file), None) if plain else None
        # Who numbers from 0 numbers rows: that is no id of a register.
        self._numbered = isinstance(first, int) and first != 0

    def layers(self) -> list[Layer]:
        """See `Source`."""
        found = super().layers()
        if not self._numbered or any(field.name == NAME for field in found[0].fields):
            self._numbered = False
            return found
        field = Field(name=NAME, kind="integer")
        return [
            msgspec.structs.replace(one, fields=(field, *one.fields), key=one.key or NAME) for one in found
        ]

    def batches(self, layer: str, *, start: int, size: int, careful: bool) -> Iterator[Batch]:
        """See `Source`."""
        ids, place = feature_ids(self._file) if self._numbered else iter(()), 0
        for batch in super().batches(layer, start=start, size=size, careful=careful):
            if self._numbered:
                own = list(islice(ids, batch.first - place, batch.first - place + batch.size))
                own += [None] * (batch.size - len(own))
                batch.columns = {NAME: own, **batch.columns}
                place = batch.first + batch.size
            yield batch

    def keys(self, layer: str, field: str) -> list[Any]:
        """The values of one field."""
        if field == NAME and self._numbered:
            return list(feature_ids(self._file))
        return super().keys(layer, field)


def feature_ids(path: Path) -> Iterator[int | str | None]:
    """The ids of the features of a collection, None for one without; what is no JSON ends it."""
    with path.open("r", encoding="utf-8-sig", errors="replace") as stream:
        text, found = "", None
        while found is None and (more := stream.read(WINDOW)):
            text = text[-WINDOW:] + more
            found = _FEATURES.search(text)
        if found is None:
            return
        at = found.end()
        while True:
            between = _BETWEEN.match(text, at)
            at = between.end() if between is not None else at
            try:
                feature, end = _DECODER.raw_decode(text, at)
            except (ValueError, RecursionError):
                more = "" if text.startswith("]", at) else stream.read(max(WINDOW, len(text) - at))
                if not more:
                    return
                text, at = text[at:] + more, 0
                continue
            number = feature.get("id") if isinstance(feature, dict) else None
            yield number if isinstance(number, int | str) and not isinstance(number, bool) else None
            at = end
