"""CityGML 2 and 3, streamed: one object at a time, all its levels of detail, shared surfaces resolved."""

import mmap
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dtc_cli.migrate.sources import axes, markup
from dtc_cli.migrate.sources.citygml_codes import Codes
from dtc_cli.migrate.sources.citygml_rows import Rows, local
from dtc_cli.migrate.sources.records import Item, Kinds, around, batches, file_token
from dtc_cli.migrate.sources.shells import Property, Shells
from dtc_cli.migrate.sources.solids import COMPOSED, DRAWN, HREF, POLYGONS, TEMPLATES, Rings, Surfaces
from dtc_cli.migrate.sources.source import Batch, Layer
from dtc_cli.migrate.trouble import need, source_error

MEMBERS = ("{*}cityObjectMember", "{*}featureMember")
IDLE = ("{*}appearanceMember", "{*}appearance")
PARTS = (
    "consistsOfBuildingPart",
    "buildingPart",
    "consistsOfBridgePart",
    "bridgePart",
    "consistsOfTunnelPart",
    "tunnelPart",
)
SURFACES = ("boundedBy", "boundary")
INNER = (
    "trafficArea",
    "auxiliaryTrafficArea",
    "section",
    "intersection",
    "trafficSpace",
    "auxiliaryTrafficSpace",
)
MEMBERS_BY_NAME = ("{*}surfaceMember", "{*}baseSurface")
_LEVEL = re.compile(r"lod([0-4])(?!TerrainIntersection)\w+")
_RECORD = re.compile(rb"<(?:\w+:)?([A-Z]\w*)\b[^<>]*?\bgml:id\s*=\s*[\"']([^\"']*)[\"']")
LONGEST_XML = 200_000
CHUNK = 64
"""Objects whose geometries are made together."""
NO_LEVEL = -1
_levels: dict[str, int] = {}
_OTHER_DIMENSION = re.compile(rb"srsDimension\s*=\s*[\"'](?!3[\"'])")


class CityGmlSource:
    """A CityGML file; a layer for each class of top-level objects, and one for each class of parts.

    Args:
        path: the file.
        format: always `citygml`.
        encoding: not used; the XML declaration says it.
        lods: levels to carry, such as `[1, 2]`; all by default.
    """

    format = "citygml"

    def __init__(
        self, path: str, *, format: str = "citygml", encoding: str | None = None, lods: Any = (0, 1, 2, 3, 4)
    ) -> None:
        need("lxml.etree", what="reading CityGML")
        need("shapely", what="reading CityGML")
        self._path = Path(path)
        self._levels = frozenset(int(one) for one in lods)
        self._codes = Codes(self._path.parent)
        self._rows = Rows(self._codes)
        self._shared: dict[str, list[Rings]] | None = None
        self._usual = True
        self._order = axes.Named(crs=None, swap=False)
        self._faults: list[str] = []
        self._layers: list[Layer] | None = None
        markup.guard_file(self._path)

    def layers(self) -> list[Layer]:
        """See `Source`. One pass without geometry counts the objects and finds the fields."""
        if self._layers is None:
            self._layers = self._survey()
        return self._layers

    def batches(self, layer: str, *, start: int, size: int, careful: bool) -> Iterator[Batch]:
        """See `Source`; there is no slower way."""
        self.layers()
        return batches(self._items(layer), start, size)

    def keys(self, layer: str, field: str) -> Iterator[Any]:
        """Values of one field; ids are found in the text, which is far quicker than parsing.

        Objects without an id come last, as null.
        """
        if field != "gml_id":
            for item in self._items(layer):
                yield item.row.get(field)
            return
        given = 0
        for key in self._written_ids(layer.encode()):
            given += 1
            yield key
        count = next((one.count for one in self.layers() if one.name == layer), None)
        yield from [None] * max(0, (count or 0) - given)  # objects without one, wherever they stand

    def _written_ids(self, wanted: bytes) -> Iterator[str]:
        with self._path.open("rb") as stream:
            rest = b""
            while block := stream.read(1 << 22):
                text = rest + block
                last = text.rfind(b"<")
                for kind, key in _RECORD.findall(text, 0, last):
                    if kind == wanted:
                        yield key.decode("utf-8", "replace")
                rest = text[last:] if last >= 0 else text
            for kind, key in _RECORD.findall(rest):
                if kind == wanted:
                    yield key.decode("utf-8", "replace")

    def token(self) -> str:
        """Size, time and name of the file."""
        return file_token(self._path)

    def close(self) -> None:
        """Nothing stays open."""

    def objects(self) -> Iterator[Any]:
        """The elements of top-level objects, one after the other."""
        for chunk in self.chunks():
            yield from chunk

    def chunks(self) -> Iterator[list[Any]]:
        """Some elements of top-level objects; they are freed when the next are asked for."""
        etree = need("lxml.etree")
        with self._path.open("rb") as stream:
            parser = markup.elements(stream, *MEMBERS, *IDLE)
            try:
                yield from self._chunks(parser)
            except etree.XMLSyntaxError as problem:
                raise source_error(
                    f"{self._path.name} is no XML that can be read",
                    where=str(self._path),
                    why=str(problem)[:200],
                ) from problem
            self._faults = [f"line {one.line}: {one.message}" for one in parser.error_log]

    def _chunks(self, parser: Any) -> Iterator[list[Any]]:
        chunk: list[Any] = []
        for _, element in parser:
            if local(element.tag) in ("cityObjectMember", "featureMember"):
                chunk += [child for child in element if isinstance(child.tag, str)]
                if len(chunk) < CHUNK:
                    continue
                yield chunk
                chunk = []
            elif (above := element.getparent()) is not None and above.getparent() is not None:
                element.clear()  # appearance inside an object: pictures, no data
                continue
            if not chunk:
                markup.forget(element)
        if chunk:
            yield chunk

    def _survey(self) -> list[Layer]:
        kinds: dict[str, Kinds] = {}
        counts: dict[str, int] = {}
        name, sample, seen = self._envelope(), None, 0
        for element in self.objects():
            seen += 1
            if sample is None or name is None:
                name = name or _first(element, "srsName")
                sample = sample or _first_position(element)
            for kind, part, parent in _with_parts(element):
                counts[kind] = counts.get(kind, 0) + 1
                kinds.setdefault(kind, Kinds()).add({**self._rows.row(part, parent), **_ALWAYS})
        if not seen:
            raise source_error(
                f"{self._path.name} has no city objects", where=str(self._path),
                why=self._faults[0] if self._faults else "there is no cityObjectMember",
            )  # fmt: skip
        self._order = axes.named(name, sample)
        self._usual = not self._holds(_OTHER_DIMENSION)
        notes = self._notes()
        told = "the XML declaration states it"
        return [
            Layer(
                name=kind, count=counts[kind], geometry="Unknown", crs=self._order.crs, key="gml_id",
                extent=self._extent(sample),
                fields=kinds[kind].fields(), encoding="UTF-8", encoding_evidence=told, notes=notes,
            )
            for kind in counts
        ]  # fmt: skip

    def _extent(self, sample: list[float] | None) -> tuple[float, float, float, float] | None:
        """Where the city is: one of its positions tells."""
        if sample is None:
            return None
        x, y = (sample[1], sample[0]) if self._order.swap else (sample[0], sample[1])
        return around([(x, y, x, y)])

    def _notes(self) -> tuple[str, ...]:
        notes = []
        if self._order.note:
            notes.append(self._order.note)
        if self._faults:
            notes.append(f"the XML has {len(self._faults)} faults that were read past; {self._faults[0]}")
        if not markup.is_closed(self._path):
            notes.append("the file is cut off: its last record is quarantined")
        if self._codes.absent:
            notes.append("code lists are not beside the file: " + ", ".join(sorted(self._codes.absent)[:5]))
        return tuple(notes)

    def _holds(self, pattern: re.Pattern[bytes]) -> bool:
        if not self._path.stat().st_size:
            return False
        with self._path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as text:
            return pattern.search(text) is not None

    def _envelope(self) -> str | None:
        with self._path.open("rb") as stream:
            head = stream.read(1 << 16)
        found = re.search(rb"srsName\s*=\s*[\"']([^\"']+)", head)
        return found[1].decode("utf-8", "replace") if found else None

    def _others(self) -> Mapping[str, list[Rings]]:
        """Surfaces that objects share over their borders; two passes, made where one is met."""
        if self._shared is None:
            wanted: set[str] = set()
            for element in self.objects():
                hrefs = {
                    href.lstrip("#") for one in element.iter(*MEMBERS_BY_NAME) if (href := one.get(HREF))
                }
                if hrefs:
                    wanted |= hrefs - {_id(one) for one in element.iter(*COMPOSED)}
                wanted |= {href.lstrip("#") for one in element.iter(*DRAWN) if (href := one.get(HREF))}
            self._shared = self._surfaces({key: key for key in wanted})
            elsewhere: dict[str, dict[str, str]] = {}
            for key in wanted:
                name, mark, within = key.partition("#")
                if mark:
                    elsewhere.setdefault(name, {})[within] = key
            for name, ids in elsewhere.items():
                other = self._beside(name)
                if other is not None:
                    self._shared.update(other._surfaces(ids))
        return self._shared

    def _surfaces(self, wanted: Mapping[str, str]) -> dict[str, list[Rings]]:
        """The surfaces of some ids, wherever they stand in the file, under the names that they are given."""
        found: dict[str, list[Rings]] = {}
        for element in self.objects():
            for one in element.iter(*TEMPLATES):
                key = _id(one)
                if key is not None and key in wanted:
                    found[wanted[key]] = [Surfaces.rings(part) for part in one.iter(*POLYGONS)]
        return found

    def _beside(self, name: str) -> "CityGmlSource | None":
        """The file that a reference names, where it lies beside this one or below; never an address."""
        place = (self._path.parent / name).resolve()
        if "://" in name or self._path.parent.resolve() not in place.parents or not place.is_file():
            return None
        return CityGmlSource(str(place))

    def _items(self, layer: str) -> Iterator[Item]:
        """Records; the geometries of a chunk are made together, which is several times quicker."""
        held: Item | None = None
        for chunk in self.chunks():
            chosen, shells = [], Shells(self._order.swap)
            for element in chunk:
                for kind, part, parent in _with_parts(element):
                    if kind == layer:
                        chosen.append((part, self._rows.row(part, parent)))
                        shells.add(list(self._properties(part, None)) if self._usual else ())
            for (part, row), made in zip(chosen, shells.results(), strict=True):
                if held is not None:
                    yield held
                held = self._odd(part, row) if made is None else self._record(part, row, *made)
        if held is not None:
            if not markup.is_closed(self._path):
                held.problem = ("cut-off", "the file ends before this record does")
            yield held

    def _record(
        self, element: Any, row: dict[str, Any], shape: Any, levels: dict[int, Any], heights: Any
    ) -> Item:
        row["z_min"], row["z_max"] = heights
        extra = {"lod": 0, "lods": levels} if levels else None
        return Item(fid=_id(element) or "", row=row, shape=shape, extra=extra)

    def _odd(self, element: Any, row: dict[str, Any]) -> Item:
        """An object of unusual form, by itself."""
        surfaces = Surfaces(self._order.swap, self._others, element)
        try:
            for level, kind, one in self._properties(element, None):
                surfaces.take(level, kind, one)
            if surfaces.is_empty():
                for part in (one for name in PARTS for one in element.iterfind(f"{{*}}{name}/*")):
                    for level, kind, one in self._properties(part, None):
                        surfaces.take(level, kind, one)
            if surfaces.is_empty():
                surfaces.take(1, None, element)  # relief, extensions: geometry without a level of its own
            shape, levels = surfaces.shapes()
        except (ValueError, ArithmeticError, IndexError) as problem:
            etree = need("lxml.etree")
            row["xml"] = etree.tostring(element, encoding="unicode")[:LONGEST_XML]
            why = str(problem)[:200]
            return Item(fid=_id(element) or "", row=row, problem=("unparseable-geometry", why))
        if surfaces.dropped:
            row["surfaces_dropped"] = surfaces.dropped
        if surfaces.missing:
            row["surfaces_missing"] = surfaces.missing
        if surfaces.libraries:
            row["libraryObject"] = ", ".join(dict.fromkeys(surfaces.libraries))
        return self._record(element, row, shape, levels, surfaces.heights)

    def _properties(self, element: Any, kind: str | None) -> Iterator[Property]:
        """The `lodN...` properties of an object and of its thematic surfaces."""
        for child in element:
            if not isinstance(child.tag, str):
                continue
            name = local(child.tag)
            level = _levels.get(name)
            if level is None:
                found = _LEVEL.fullmatch(name)
                level = _levels[name] = int(found[1]) if found else NO_LEVEL
            if level != NO_LEVEL:
                if level in self._levels:
                    yield level, "FootPrint" if name == "lod0FootPrint" else kind, child
            elif name in SURFACES:
                for surface in child:
                    if isinstance(surface.tag, str):
                        yield from self._properties(surface, local(surface.tag))
            elif name in INNER:
                for inner in child:
                    if isinstance(inner.tag, str):
                        yield from self._properties(inner, kind)


_ALWAYS = {"z_min": 0.0, "z_max": 0.0}


def _with_parts(element: Any) -> Iterator[tuple[str, Any, str | None]]:
    """An object and its parts as (class, element, id of the whole)."""
    yield local(element.tag), element, None
    for child in element:
        tag = child.tag
        if isinstance(tag, str) and local(tag) in PARTS:
            for part in child:
                if isinstance(part.tag, str):
                    yield local(part.tag), part, _id(element)


def _id(element: Any) -> str | None:
    for name in ("{http://www.opengis.net/gml}id", "{http://www.opengis.net/gml/3.2}id"):
        value = element.get(name)
        if value:
            return str(value)
    return None


def _first(element: Any, attribute: str) -> str | None:
    return next((str(one.get(attribute)) for one in element.iter() if one.get(attribute)), None)


def _first_position(element: Any) -> list[float] | None:
    for one in element.iter("{*}posList", "{*}pos"):
        numbers = (one.text or "").split()[:2]
        try:
            if len(numbers) == 2:
                return [float(number) for number in numbers]
        except ValueError:
            continue
    return None
