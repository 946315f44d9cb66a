"""Attributes of a CityGML object as a flat record: code lists, measures, generic attributes, addresses."""

from typing import Any

from dtc_cli.migrate.sources.citygml_codes import Codes

SKIPPED = frozenset(
    {
        "boundedBy", "boundary", "appearance", "appearanceMember", "consistsOfBuildingPart", "buildingPart",
        "outerBuildingInstallation", "interiorBuildingInstallation", "buildingInstallation", "interiorRoom",
        "buildingRoom", "buildingConstructiveElement", "buildingSubdivision", "buildingFurniture", "opening",
        "trafficArea", "auxiliaryTrafficArea", "trafficSpace", "auxiliaryTrafficSpace", "section",
        "intersection", "consistsOfBridgePart", "bridgePart", "consistsOfTunnelPart", "tunnelPart",
        "groupMember", "geometry", "dynamizer",
    }
)  # fmt: skip
INTEGERS = frozenset({"storeysAboveGround", "storeysBelowGround", "yearOfConstruction", "yearOfDemolition"})
ADDRESS = (
    "CountryName", "AdministrativeAreaName", "LocalityName", "DependentLocalityName", "ThoroughfareName",
    "ThoroughfareNumber", "PostalCodeNumber",
)  # fmt: skip
GENERIC = {
    "stringAttribute": str, "uriAttribute": str, "dateAttribute": str, "codeAttribute": str,
    "intAttribute": int, "doubleAttribute": float, "measureAttribute": float, "StringAttribute": str,
    "UriAttribute": str, "DateAttribute": str, "CodeAttribute": str, "IntAttribute": int,
    "DoubleAttribute": float, "MeasureAttribute": float,
}  # fmt: skip
METRES = ("m", "#m", "urn:adv:uom:m")
DEEPEST = 6
_locals: dict[str, str] = {}


def local(tag: str) -> str:
    """The name of an element without namespace, or without an undeclared prefix."""
    name = _locals.get(tag)
    if name is None:
        name = _locals[tag] = tag.rpartition("}")[2].rpartition(":")[2]
    return name


class Rows:
    """Makes flat records; one name twice becomes a list."""

    def __init__(self, codes: Codes) -> None:
        self._codes = codes

    def row(self, element: Any, parent: str | None) -> dict[str, Any]:
        """The record of an object or a part."""
        row: dict[str, Any] = {"gml_id": _gml_id(element)}
        if parent is not None:
            row["parent"] = parent
        self._walk(element, row, "", 0)
        if "measuredHeight" not in row and "height.value" in row:
            given = row["height.value"]
            row["measuredHeight"] = given[0] if isinstance(given, list) else given
            uom = row.get("height.value_uom")
            if uom is not None:
                row["measuredHeight_uom"] = uom[0] if isinstance(uom, list) else uom
        if "yearOfConstruction" not in row and str(row.get("dateOfConstruction", ""))[:4].isdigit():
            row["yearOfConstruction"] = int(str(row["dateOfConstruction"])[:4])
        return row

    def _walk(self, element: Any, row: dict[str, Any], prefix: str, depth: int) -> None:
        for child in element:
            tag = child.tag
            if not isinstance(tag, str):
                continue
            name = local(tag)
            if name in SKIPPED or (name.startswith("lod") and name[3:4].isdigit()):
                continue
            if name in GENERIC:
                self._generic(child, name, row, prefix)
            elif name in ("genericAttributeSet", "GenericAttributeSet"):
                self._walk(child, row, f"{prefix}{_name_of(child)}.", depth + 1)
            elif name == "genericAttribute":
                self._walk(child, row, prefix, depth + 1)
            elif name in ("address", "Address"):
                _put(row, "address", _address(child))
            elif len(child) == 0:
                self._leaf(child, name, row, prefix)
            elif depth < DEEPEST:
                for inner in child:
                    if isinstance(inner.tag, str) and not _is_geometry(inner.tag):
                        self._walk(inner, row, f"{prefix}{name}.", depth + 1)

    def _leaf(self, child: Any, name: str, row: dict[str, Any], prefix: str) -> None:
        text = (child.text or "").strip()
        if not text or (name == "name" and prefix.endswith(".")):
            return
        unit, value = child.get("uom"), text
        if unit is not None or name in INTEGERS:
            value = _number(text)
        _put_measure(row, prefix + name, value, unit)
        space = child.get("codeSpace")
        if space:
            word = self._codes.word(space, text)
            if word is not None:
                _put(row, f"{prefix}{name}_label", word)

    def _generic(self, child: Any, kind: str, row: dict[str, Any], prefix: str) -> None:
        value = next((one for one in child if isinstance(one.tag, str) and local(one.tag) == "value"), None)
        text = (value.text or "").strip() if value is not None else ""
        if not text:
            return
        unit = value.get("uom") if value is not None else None
        named = prefix + _name_of(child)
        _put_measure(row, named, text if GENERIC[kind] is str else _number(text), unit)


def _name_of(element: Any) -> str:
    given = element.get("name")
    if given is None:
        given = next(
            (one.text for one in element if isinstance(one.tag, str) and local(one.tag) == "name"), None
        )
    return (given or "attribute").strip()


def _put(row: dict[str, Any], name: str, value: Any) -> None:
    if value is None:
        return
    if name not in row:
        row[name] = value
    elif isinstance(row[name], list):
        row[name].append(value)
    else:
        row[name] = [row[name], value]


def _put_measure(row: dict[str, Any], name: str, value: Any, unit: str | None) -> None:
    """A value, and beside it in `NAME_uom` its unit; metres go without saying, unless another has a unit."""
    before, beside = row.get(name), f"{name}_uom"
    _put(row, name, value)
    other = bool(unit) and unit not in METRES
    if not other and beside not in row:
        return
    told = unit or "m"
    if before is None:
        row[beside] = told
        return
    times = len(before) if isinstance(before, list) else 1
    known = row.get(beside, ["m"] * times)
    row[beside] = [*(known if isinstance(known, list) else [known]), told]


def _number(text: str) -> Any:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        value = float(text)
    except ValueError:
        return text
    return value if value == value and abs(value) < 1e300 else text  # noqa: PLR0124 - NaN


def _address(element: Any) -> str | None:
    """The parts of an xAL address from the large to the small."""
    found: dict[str, list[str]] = {}
    for one in element.iter():
        if isinstance(one.tag, str) and one.text and one.text.strip():
            name = local(one.tag)
            kind = one.get("Type") or one.get("type")
            if name in ("NameElement", "Identifier", "Number"):
                name = {"NameElement": "ThoroughfareName"}.get(name, "ThoroughfareNumber")
            if name in ADDRESS and kind != "ignore":
                found.setdefault(name, []).append(" ".join(one.text.split()))
    parts = [text for name in ADDRESS for text in found.get(name, ())]
    return ", ".join(dict.fromkeys(parts)) or None


def _is_geometry(tag: str) -> bool:
    return tag.startswith(("{http://www.opengis.net/gml}", "{http://www.opengis.net/gml/3.2}"))


def _gml_id(element: Any) -> str | None:
    return (
        element.get("{http://www.opengis.net/gml}id")
        or element.get("{http://www.opengis.net/gml/3.2}id")
        or None
    )
