"""The whole that a part belongs to, by the id that the whole has in the twin (edge case 11)."""

from collections.abc import Mapping
from typing import Any

from dtc_cli.migrate import values
from dtc_cli.migrate.identity import Identity
from dtc_cli.migrate.plan import LayerPlan, SourcePlan
from dtc_cli.migrate.table import Table

PARENT, PARENT_CLASS = "parent", "parent_class"
"""Fields of the readers of CityGML and CityJSON; the class stands where the layer's name does not tell it."""
MEMBER = "partOf"
PART = "Part"
OWN_KEYS = ("gml_id", "cityjson_id")


class Wholes:
    """Names the wholes of the records of one layer.

    An id is made only where the plan settles it: the layer of the whole is migrated to objects of one type,
    by the key that the source gives. Whether the whole itself could be loaded, this cannot know.
    """

    def __init__(self, source: SourcePlan, layer: LayerPlan) -> None:
        self._usual = layer.name.removesuffix(PART) if layer.name.endswith(PART) else ""
        self._named = MEMBER in layer.properties or layer.into != "objects"
        self._layers: Mapping[str, tuple[str, Identity]] = {
            one.name: (one.type.constant, Identity(source.name, one))
            for one in source.layers
            if one.skip is None and one.into == "objects" and one.key in OWN_KEYS and one.type.constant
        }

    def add(self, table: Table, properties: list[dict[str, Any]]) -> None:
        """Add the id of the whole to the properties of parts, members in the order of their names."""
        if self._named or PARENT not in table.columns:
            return
        classes = table.raw(PARENT_CLASS)
        for index, (parent, kind) in enumerate(zip(table.raw(PARENT), classes, strict=True)):
            key, known = values.text(parent), self._layers.get(values.text(kind) or self._usual)
            if key is not None and known is not None:
                named = {**properties[index], MEMBER: known[1].id_of(known[0], key)}
                properties[index] = dict(sorted(named.items()))
