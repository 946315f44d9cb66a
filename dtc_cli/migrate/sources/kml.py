"""KML and KMZ: what GDAL reads, with the HTML of descriptions taken apart into fields."""

from collections.abc import Iterator
from typing import Any

import msgspec

from dtc_cli.migrate.sources import kml_text
from dtc_cli.migrate.sources.ogr import OgrSource
from dtc_cli.migrate.sources.source import Batch, Field, Layer

READ = 4096


class KmlSource(OgrSource):
    """A KML. Links to other files (NetworkLink) are not followed, and said."""

    def layers(self) -> list[Layer]:
        """See `Source`. A layer with descriptions is read once for the fields in them."""
        return [self._with_fields(layer) for layer in super().layers()]

    def batches(self, layer: str, *, start: int, size: int, careful: bool) -> Iterator[Batch]:
        """See `Source`."""
        for batch in super().batches(layer, start=start, size=size, careful=careful):
            batch.columns = kml_text.spread(batch.columns)
            yield batch

    def keys(self, layer: str, field: str) -> list[Any]:
        """The values of one field."""
        found: list[Any] = []
        for batch in self.batches(layer, start=0, size=READ, careful=False):
            found += batch.columns.get(field) or [None] * batch.size
        return found

    def _with_fields(self, layer: Layer) -> Layer:
        known = {field.name for field in layer.fields}
        if layer.blockers or not known & set(kml_text.FIELD):
            return layer
        added: dict[str, Field] = {}
        for batch in super().batches(layer.name, start=0, size=READ, careful=False):
            names = [name for name in kml_text.spread(batch.columns) if name not in known]
            added.update({name: Field(name=name, kind="text") for name in names})
        if not added:
            return layer
        told = "descriptions are HTML: rows of their tables are fields, the original is in " + kml_text.RAW
        return msgspec.structs.replace(
            layer, fields=(*layer.fields, *added.values()), notes=(*layer.notes, told)
        )
