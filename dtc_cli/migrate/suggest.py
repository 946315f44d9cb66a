"""Suggestions for a mapping: by the names that registers use in three languages, and by the values."""

import re
from collections.abc import Mapping, Sequence

import msgspec

from dtc_cli.migrate.ambiguous import day_pattern
from dtc_cli.migrate.plan import BUILDING_NEEDS
from dtc_cli.migrate.profile import FieldProfile
from dtc_cli.migrate.units import FOOT_M, US_FOOT_M

NAMES: Mapping[str, tuple[str, ...]] = {
    "name": (
        "name", "nm", "bldnm", "bldgname", "buldnm", "boroname", "건물명", "명칭", "이름", "시설명", "名称",
        "建物名", "label", "facilityname", "stopname", "routelongname", "title",
        "bezeichnung", "nom", "nombre", "naam", "nome", "nazev", "název", "nazwa", "назва", "название",
    ),
    "address": (
        "address", "addr", "adresse", "anschrift", "adres", "adresa", "direccion", "dirección", "indirizzo",
        "endereço", "fulladdr", "addrfull", "rnadr", "propertyaddress", "주소", "도로명주소",
        "지번주소", "住所", "所在地",
    ),
    "buildingType": (
        "type", "buildingtype", "bldgtype", "usecd", "usenm", "use", "usage", "usecode", "nutzung",
        "gebäudenutzung", "gebaeudenutzung", "gebruiksdoel", "용도", "주용도",
        "건물용도", "주용도코드", "用途", "建物用途", "buldprpos", "function", "class", "building",
    ),
    "floors.above": (
        "floors", "floor", "storeys", "stories", "grofloco", "grndflr", "groflr", "levels", "numfloors",
        "buildinglevels", "storeysaboveground", "geschosse", "geschosszahl", "stockwerke", "nbetages",
        "etages", "étages", "plantas", "verdiepingen", "piani", "podlazi", "podlaží", "지상층수",
        "층수", "지상층", "地上階数", "地上階", "階数",
    ),
    "floors.below": (
        "basements", "basement", "undfloco", "ugrndflr", "undflr", "storeysbelowground", "지하층수",
        "지하층", "地下階数", "地下階",
    ),
    "height": (
        "höhe", "hoehe", "gebäudehöhe", "gebaeudehoehe", "hauteur", "altura", "hoogte", "altezza", "vyska",
        "výška", "wysokosc", "wysokość", "height", "hgt", "bldh", "heit", "hght", "heightm", "heightft",
        "roofheight", "measuredheight",
        "높이", "건물높이", "高さ", "建物高",
    ),
    "area": (
        "fläche", "flaeche", "superficie", "oppervlakte", "plocha", "powierzchnia", "area", "shapearea",
        "totarea", "arear", "floorarea", "grossarea", "면적", "연면적", "面積",
        "延床面積",
    ),
    "constructionYear": (
        "constructionyear", "yearbuilt", "builtyear", "useaprday", "completion", "yearofconstruction",
        "yrbuilt", "built", "baujahr", "annee", "anneeconstruction", "bouwjaar",
        "건축년도", "준공년도", "사용승인일", "사용승인", "建築年", "竣工年",
    ),
    "energyClass": ("energyclass", "energy", "에너지등급"),
    "lanes": ("lanes", "nlanes", "차로수", "車線数", "車線"),
    "width": ("width", "roadwidth", "도로폭", "폭", "幅員"),
    "maxSpeed": (
        "maxspeed", "speedlimit", "speed", "vmax", "maximumsnelheid", "hoechstgeschwindigkeit", "제한속도",
        "制限速度",
    ),
    "roadType": ("highway", "roadtype", "roadclass", "도로종류", "道路種別"),
    "surface": ("surface", "surfacetype", "포장", "舗装"),
}  # fmt: skip
"""Member of an object to field names, folded to letters and digits."""
KEYS = (
    "objectid", "id", "fid", "ref", "uuid", "guid",
    "bin", "bbl", "parcelid", "parcelno", "apn", "oid", "osmid", "identifier", "kennung",
    "gebaeudeid", "assetid", "gid", "uid", "ufid", "bldgid", "buildingid", "globalid", "gmlid", "pandid",
    "identificatie", "wegnr", "boomid", "code",
    "borocode",
    "pnu", "mgmtno", "bdmgtsn", "entityhandle", "lfdnr", "objektnr", "nr", "num", "nummer", "stopid",
    "routeid", "polyid", "건물관리번호", "관리번호",
    "고유번호", "建物id", "識別番号",
)  # fmt: skip
NEAR_KEYS = tuple(name for name in KEYS if name not in ("code", "borocode", "ref"))
"""Names of keys that stay keys where some values occur twice."""
TYPE_WORDS: Mapping[str, tuple[str, ...]] = {
    "Building": (
        "building", "bldg", "buld", "house", "gebaeude", "gebäude", "batiment", "bâtiment",
        "edificio", "건물", "건축", "建物", "建築",
    ),
    "Road": ("road", "street", "highway", "strasse", "straße", "wegen", "도로", "道路", "rdl", "lane"),
    "Bridge": ("bridge", "교량", "다리", "橋"),
    "Park": ("park", "green", "garden", "공원", "公園"),
    "WaterBody": ("water", "river", "lake", "hydro", "하천", "호수", "강", "河川", "湖"),
    "Utility": (
        "utility", "pipe", "cable", "sewer", "hydrant", "levee", "piezom", "관로", "상수", "하수",
        "水道", "下水",
    ),
    "TransportHub": ("station", "stops", "terminal", "busstop", "airport", "역", "정류장", "駅", "停留所"),
}  # fmt: skip
MEMBERS_OF: Mapping[str, tuple[str, ...]] = {
    "Building": (
        "name", "address", "buildingType", "floors.above", "floors.below", "height", "area",
        "constructionYear", "energyClass",
    ),
    "Road": ("name", "roadType", "lanes", "width", "maxSpeed", "surface"),
}  # fmt: skip
OTHERS = ("name", "address", "area")
MEASURES = ("height", "area", "width", "maxSpeed")
ROADLIKE = (*NAMES["lanes"], *NAMES["maxSpeed"], *NAMES["roadType"])
_UNIT_AT_END = re.compile(r"[_\s.-]+(m|cm|mm|ft|feet|m2|qm|sqm|sqft|ft2|kmh|km/h|mph)$", re.IGNORECASE)
_UNITS_IN_NAMES = {"height": ("cm", "mm"), "width": ("cm", "mm"), "maxSpeed": ("mph",)}
NUMERIC = {
    "floors.above": "integer", "floors.below": "integer", "height": "number", "area": "number",
    "lanes": "integer", "width": "number", "maxSpeed": "number",
}  # fmt: skip
RANGES: Mapping[str, tuple[float, float]] = {
    "floors.above": (0, 200), "floors.below": (0, 30), "height": (0, 1000), "constructionYear": (1000, 2100),
    "lanes": (1, 20), "width": (0, 200), "maxSpeed": (0, 200),
}  # fmt: skip


LEAST_CONFIDENCE = 0.4
"""Below it a suggestion is a comment in the plan."""
LEAST_FILLED = 0.95
"""Share of records that must have a member before a plan requires it of all; the threshold of P4 9.1."""


class Suggestion(msgspec.Struct, frozen=True, kw_only=True):
    """A rule that may fit; `confidence` 0 to 1."""

    member: str
    field: str
    confidence: float
    why: str
    kind: str | None = None
    unit: str | None = None
    table: bool = False
    pattern: str | None = None


def folded(name: str) -> str:
    """Letters and digits of a name, in lower case; a unit in brackets is none of it."""
    bare = re.sub(r"[(\[][^)\]]*[)\]]\s*$", "", name)
    return re.sub(r"[\W_]+", "", bare or name).lower()


def without_unit(name: str) -> set[str]:
    """A name folded, and the same without the unit that it ends with."""
    return {folded(name), folded(_UNIT_AT_END.sub("", name))}


def object_type(layer: str, fields: Sequence[FieldProfile], geometry: str | None) -> tuple[str, float, str]:
    """The most likely type of the objects in a layer, how sure, and why."""
    low = layer.lower()
    for kind, words in TYPE_WORDS.items():
        hit = next((word for word in words if word in low), None)
        if hit is not None:
            return kind, 0.85, f"the name of the layer contains {hit}"
    present = {folded(field.name) for field in fields}
    words = TYPE_WORDS["Building"]
    named = next((field.name for field in fields if any(word in field.name.lower() for word in words)), None)
    if named is not None or present & {"bldnm", "bldid", "bldtype"}:
        return "Building", 0.6, f"the name of the field {named or 'BLD...'} speaks of buildings"
    for kind, members in (
        ("Building", ("floors.above", "height", "buildingType")),
        ("Road", ("lanes", "roadType", "maxSpeed")),
    ):
        hits = [member for member in members if present & set(NAMES[member])]
        if len(hits) >= 2 or (kind == "Building" and "floors.above" in hits):
            return kind, 0.7, "it has fields for " + ", ".join(hits)
    if geometry is not None and "line" in geometry.lower():
        road = sorted({field.name for field in fields if without_unit(field.name) & set(ROADLIKE)})
        if road:
            return "Road", 0.7, f"its geometry is made of lines, and it has {', '.join(road[:3])}"
        return "Road", 0.3, "its geometry is made of lines"
    return "Landmark", 0.3, "nothing tells more; change it where you know better"


def key_field(fields: Sequence[FieldProfile], stated: str | None) -> tuple[str | None, float, str]:
    """The field that identifies a record over the years."""
    unique = [field for field in fields if field.unique]
    for field in unique:
        if field.name == stated:
            return field.name, 0.95, "the format makes it the key, and all values differ"
    for name in KEYS:
        for field in unique:
            if folded(field.name) == name:
                return field.name, 0.85, "its name is that of a key, and all values differ"
    for name in NEAR_KEYS:
        for field in fields:
            filled = field.count - field.nulls
            if (
                folded(field.name) == name
                and field.distinct_exact
                and filled
                and field.distinct >= filled / 2
            ):
                told = f"{filled - field.distinct} of its values occur again"
                if field.nulls:
                    told += f", {field.nulls} records have none"
                return field.name, 0.5, f"its name is that of a key, but {told}"
    for field in unique:
        if field.kind in ("text", "integer") and re.search(
            r"(id|code|key|no|nr|cd|sn|番号|번호|코드)$|^id[_-]", field.name.lower()
        ):
            return field.name, 0.6, "it ends like a key, and all values differ"
    others = [field.name for field in unique if field.kind in ("text", "integer")][:4]
    if others:
        told = f"no field is called as a key; every record has another value in {', '.join(others)}"
        return None, 0.0, told + ": ids are made of the content where id.key names none of them"
    return None, 0.0, "no field has a different value in every record: ids are made of the content"


def mapping(kind: str, fields: Sequence[FieldProfile], metres: float | None = None) -> list[Suggestion]:
    """Rules for the members that objects of a type usually have, at most one field each.

    `metres` are those in a unit of the reference system: an area that a program computed is in its square.
    """
    found: dict[str, Suggestion] = {}
    taken: set[str] = set()
    members = MEMBERS_OF.get(kind, OTHERS)
    fits = {member: _ranked(member, fields, metres) for member in members}
    # A field that is called as a member is for that member, before another could take it for its own.
    for exact in (True, False):
        for member in members:
            best = next((one for rank, one in fits[member] if one.field not in taken and rank == exact), None)
            if best is not None and member not in found:
                found[member] = best
                taken.add(best.field)
    return [found[member] for member in members if member in found]


def shares_of_needs(suggestions: Sequence[Suggestion], fields: Sequence[FieldProfile]) -> dict[str, float]:
    """What P4 9.2 asks of a building, and the share of the records that would have it, 0 to 1."""
    filled = {one.name: one.filled for one in fields}
    share = dict.fromkeys(BUILDING_NEEDS, 0.0)
    for one in suggestions:
        if one.member in share and one.confidence >= LEAST_CONFIDENCE:
            share[one.member] = max(share[one.member], filled.get(one.field, 0.0))
    return share


def _ranked(
    member: str, fields: Sequence[FieldProfile], metres: float | None
) -> list[tuple[bool, Suggestion]]:
    """The fields that may be a member, the likeliest first, each with whether it has exactly its name."""
    fits = []
    for field in fields:
        one = _fit(member, field, metres)
        if one is not None:
            exact = field.filled > 0 and folded(field.name) == folded(member)
            fits.append((exact, field.name == member, one))
    fits.sort(key=lambda fit: (not fit[0], not fit[1], -fit[2].confidence))
    return [(exact, one) for exact, _, one in fits]


def _fit(member: str, field: FieldProfile, metres: float | None) -> Suggestion | None:
    name, names = folded(field.name), NAMES[member]
    if name == folded(member):
        score, why = 0.95, "it has the name of the member"
    elif name in names or (member in MEASURES and without_unit(field.name) & {*names, folded(member)}):
        score, why = 0.9, f"the name is usual for {member}"
    elif len(name) >= 6 and any(
        len(one) >= 6 and (one.startswith(name) or name.startswith(one)) for one in names
    ):
        score, why = 0.6, f"the name begins as one for {member}"  # shapefiles cut names to ten bytes
    else:
        return None
    unit, told = _unit(member, field.name, metres)
    score, why = _by_values(member, field, score, why + told)
    pattern, kind = None, NUMERIC.get(member)
    if member == "constructionYear":
        kind = "year"
        if any(re.fullmatch(r"(19|20)\d{6}", one) for one in field.examples):
            pattern, why = "%Y%m%d", why + "; values look like 19980501"
        elif (found := day_pattern(field.dated or field.examples)[0]) is not None:
            pattern, why = found, why + f"; values look like {(field.dated or field.examples)[0]}"
        elif any(re.fullmatch(r"\d{4}\.\d{1,2}\.\d{1,2}\.?", one) for one in field.examples):
            pattern, why = "%Y.%m.%d", why + f"; values look like {field.examples[0]}"
    if field.filled < 0.5:
        score, why = score - 0.2, why + f"; only {field.filled:.0%} of the records have it"
    return Suggestion(
        member=member,
        field=field.name,
        confidence=round(max(score, 0.05), 2),
        why=why,
        kind=kind,
        unit=unit,
        table=member == "buildingType" and field.distinct_exact and 0 < field.distinct <= 200,
        pattern=pattern,
    )


def _unit(member: str, field: str, metres: float | None) -> tuple[str | None, str]:
    """The unit of a length or an area, from its name or from the reference system."""
    if member == "area" and metres is not None and folded(field).startswith(("shapearea", "area")):
        if abs(metres - US_FOOT_M) < 1e-7:
            return "us-ft2", "; the reference system is in US survey feet"
        if abs(metres - FOOT_M) < 1e-7:
            return "ft2", "; the reference system is in feet"
    if member in ("height", "area", "width") and re.search(r"(_|\b)(ft|feet)\b|ft\)?$", field.lower()):
        return "ft2" if member == "area" else "ft", "; its name says feet"
    for unit in _UNITS_IN_NAMES.get(member, ()):
        if re.search(rf"(_|\b){unit}\)?$", field.lower()):
            return unit, f"; its name says {unit}"
    return None, ""


def _by_values(member: str, field: FieldProfile, score: float, why: str) -> tuple[float, str]:
    """The confidence after a look at the values."""
    if member not in RANGES or member == "constructionYear":
        return score, why
    low, high = RANGES[member]
    if field.least is None or field.most is None:
        return score - 0.15, why + "; it is text and has to be read as a number"
    if field.least < low or field.most > high:
        return score - 0.3, why + f"; values reach from {field.least:g} to {field.most:g}"
    return score, why + f"; values from {field.least:g} to {field.most:g} fit"
