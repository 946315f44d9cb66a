"""IFC models: site, buildings, storeys and spaces with property sets, on the map."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import shapely

from dtc_cli.migrate.sources import ifc_place
from dtc_cli.migrate.sources.records import Item, RecordSource
from dtc_cli.migrate.sources.source import Field, Layer
from dtc_cli.migrate.trouble import need, source_error

LAYERS = {
    "buildings": "IfcBuilding", "storeys": "IfcBuildingStorey", "spaces": "IfcSpace", "sites": "IfcSite",
}  # fmt: skip
SHAPED = ("IfcSpace", "IfcSlab", "IfcRoof", "IfcWall", "IfcFooting", "IfcSite")
"""Whose plans make footprints; furniture and pipes do not."""
GRID_M = 1e-4


class IfcSource(RecordSource):
    """A layer for buildings, storeys, spaces and sites; the key is the GlobalId.

    A storey's footprint is the plan of its walls, slabs and spaces, a building's that of its storeys.

    Args:
        path: the file.
        format: always `ifc`.
        encoding: not used; STEP says it.
        crs: reference system, over that of the model.
        georeference: `map` or `site`, where the model states two places.
    """

    format = "ifc"

    def __init__(
        self,
        path: str,
        *,
        format: str = "ifc",
        encoding: str | None = None,
        crs: str | None = None,
        georeference: str | None = None,
    ) -> None:
        super().__init__(path)
        library = need("ifcopenshell", extra="ifc", what="reading IFC")
        if georeference not in (None, "map", "site"):
            raise source_error(f"georeference is {georeference!r}", where=path, hint="map or site")
        try:
            self._model = library.open(path)
        except Exception as problem:  # the library raises many kinds for a file that it cannot open
            raise source_error(
                f"{self._path.name} is no IFC that can be read", where=path, why=str(problem)[:200],
                hint="is the file whole?",
            ) from problem  # fmt: skip
        self._place = ifc_place.find(self._model, crs=crs, prefer=georeference)
        self._plans: dict[str, tuple[Any, float, float]] | None = None

    def names(self) -> list[str]:
        """See `RecordSource`."""
        found = [name for name, kind in LAYERS.items() if self._model.by_type(kind)]
        if not found:
            raise source_error(f"{self._path.name} has no building and no space", where=str(self._path))
        return found

    def items(self, layer: str) -> Iterator[Item]:
        """See `RecordSource`."""
        for one in self._model.by_type(LAYERS[layer]):
            yield self._item(one)

    def describe(self, layer: str, count: int, fields: tuple[Field, ...], geometry: str | None) -> Layer:
        """See `RecordSource`."""
        return Layer(
            name=layer, count=count, geometry=geometry or "Unknown", crs=self._place.crs, fields=fields,
            encoding="UTF-8", encoding_evidence="STEP files escape what is not ASCII", key="GlobalId",
            notes=self._place.notes, blockers=self._place.blockers,
        )  # fmt: skip

    def close(self) -> None:
        """Forget the model."""
        super().close()
        self._plans = None

    def _item(self, one: Any) -> Item:
        element = need("ifcopenshell.util.element", extra="ifc")
        row: dict[str, Any] = {
            "GlobalId": one.GlobalId,
            "name": getattr(one, "LongName", None) or one.Name,
            "number": one.Name,
            "description": one.Description,
            "elevation": getattr(one, "Elevation", None),
        }
        above = element.get_aggregate(one)
        if above is not None:
            row["parent"] = above.GlobalId
        if one.is_a("IfcBuilding"):
            row["storeys"] = len([part for part in _parts(one) if part.is_a("IfcBuildingStorey")])
            row["address"] = _address(one.BuildingAddress)
        for name, values in element.get_psets(one).items():
            for member, value in values.items():
                if member != "id" and not name.lower().startswith("epset_"):
                    row[f"{name}.{member}"] = (
                        value if isinstance(value, str | int | float | bool) else _text(value)
                    )
        plan = self._plan(one)
        if plan is None:
            return Item(fid=one.GlobalId, row=row)
        shape, low, high = plan
        row["z_min"], row["z_max"] = round(low, 3), round(high, 3)
        row["height"] = round(high - low, 3)
        return Item(fid=one.GlobalId, row=row, shape=shape)

    def _plan(self, one: Any) -> tuple[Any, float, float] | None:
        """Footprint, lowest and highest z of an element with all that is in it."""
        plans = self._shapes()
        found = [plans[guid] for guid in _members(one) if guid in plans]
        if not found:
            return None
        shape = (
            found[0][0] if len(found) == 1 else shapely.union_all([one[0] for one in found], grid_size=GRID_M)
        )
        return shape, min(one[1] for one in found), max(one[2] for one in found)

    def _shapes(self) -> dict[str, tuple[Any, float, float]]:
        """GlobalId to the plan of its own shape; tessellated once."""
        if self._plans is not None:
            return self._plans
        geom = need("ifcopenshell.geom", extra="ifc")
        settings = geom.settings()
        settings.set("use-world-coords", True)
        wanted = [
            one for kind in SHAPED for one in self._model.by_type(kind) if one.Representation is not None
        ]
        found: dict[str, tuple[Any, float, float]] = {}
        if wanted:
            iterator = geom.iterator(settings, self._model, 1, include=wanted)
            more = iterator.initialize()
            while more:
                shape = iterator.get()
                points = np.array(shape.geometry.verts, dtype=float).reshape(-1, 3)
                faces = np.array(shape.geometry.faces, dtype=np.int64).reshape(-1, 3)
                plan = _footprint(self._place.apply(points), faces)
                if plan is not None:
                    found[shape.guid] = plan
                more = iterator.next()
        self._plans = found
        return found


def _footprint(points: Any, faces: Any) -> tuple[Any, float, float] | None:
    if not len(faces):
        return None
    triangles = shapely.polygons(points[faces][:, :, :2])
    lying = triangles[shapely.area(triangles) > GRID_M**2]
    if not len(lying):
        return None
    joined = shapely.union_all(lying, grid_size=GRID_M)
    if shapely.is_empty(joined):
        return None
    return joined, float(points[:, 2].min()), float(points[:, 2].max())


def _parts(one: Any) -> list[Any]:
    return [part for relation in one.IsDecomposedBy or () for part in relation.RelatedObjects]


def _members(one: Any) -> list[str]:
    """An element, its parts, and what they contain."""
    found, waiting, seen = [], [one], set()
    while waiting:
        part = waiting.pop()
        if part.id() in seen:
            continue
        seen.add(part.id())
        found.append(part.GlobalId)
        waiting += _parts(part)
        for relation in getattr(part, "ContainsElements", None) or ():
            waiting += relation.RelatedElements
    return found


def _address(given: Any) -> str | None:
    if given is None:
        return None
    parts = [*(given.AddressLines or ()), given.PostalCode, given.Town, given.Region, given.Country]
    return ", ".join(str(part) for part in parts if part) or None


def _text(value: Any) -> str | None:
    return None if value is None else str(value)[:1000]
