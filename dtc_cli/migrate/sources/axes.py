"""Which system a `srsName` means, and in which order its numbers come."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from dtc_cli.migrate.trouble import need

GERMAN_HEIGHTS = {"DE_DHHN92_NH": 5783, "DE_DHHN2016_NH": 7837, "DE_DHHN12_NOH": 7699}
_URN = re.compile(
    r"urn:(?:ogc|x-ogc|x-ogc:def|EPSG):?(?:def:)?(?:crs)?:?:?EPSG:(?:[\d.]*:)?(\d+)", re.IGNORECASE
)
_URL = re.compile(r"https?://www\.opengis\.net/def/crs/EPSG/[\d.]+/(\d+)", re.IGNORECASE)
_OLD_URL = re.compile(r"https?://www\.opengis\.net/gml/srs/epsg\.xml#(\d+)", re.IGNORECASE)
_PLAIN = re.compile(r"(?:EPSG|epsg)[:#](\d+)")
_GERMAN = re.compile(r"urn:adv:crs:(?:ETRS89_UTM(3[1-3])|DE_DHDN_3GK([2-5]))(?:\*(\w+))?", re.IGNORECASE)


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """A reference system as a name gives it."""

    crs: str | None
    swap: bool
    """Whether the first number is the north one."""
    note: str = ""


def named(name: str | None, sample: Sequence[float] | None = None) -> Named:
    """The system of a `srsName`.

    URNs and the URLs of the OGC mean the order of the authority, `EPSG:n` means x before y. Where the
    position given lies in the system's area in the other order only, that order is taken, and noted.

    Args:
        name: the name, or None.
        sample: two numbers in the order of the file.
    """
    if not name:
        return Named(crs=None, swap=False)
    code, strict = _code(name.strip())
    if code is None:
        return Named(
            crs=None, swap=False, note=f"the reference system is called {name[:100]}, which is no known name"
        )
    swap = strict and _north_first(code)
    if sample is None:
        return Named(crs=code, swap=swap)
    return _judged(name, code, swap, sample)


def _code(name: str) -> tuple[str | None, bool]:
    if "CRS84" in name:
        return "EPSG:4326", False
    german = _GERMAN.match(name)
    if german:
        height = GERMAN_HEIGHTS.get((german[3] or "").upper())
        plane = f"EPSG:258{german[1]}" if german[1] else f"EPSG:{31464 + int(german[2])}"
        # The German authorities write east before north in both, whatever EPSG says of Gauss-Krueger.
        return plane + (f"+{height}" if height else ""), False
    codes = [one[1] for one in re.finditer(r"crs:EPSG:(?:[\d.]*):(\d+)", name)]
    if len(codes) == 2:
        return f"EPSG:{codes[0]}+{codes[1]}", True
    for pattern, strict in ((_URL, True), (_URN, True), (_OLD_URL, False), (_PLAIN, False)):
        found = pattern.search(name)
        if found:
            return f"EPSG:{found[1]}", strict
    if re.fullmatch(r"\d{4,5}", name):
        return f"EPSG:{name}", False
    return None, False


def _horizontal(code: str) -> Any:
    pyproj = need("pyproj", what="reference systems")
    try:
        crs = pyproj.CRS.from_user_input(code)
    except pyproj.exceptions.CRSError:
        return None
    return crs.sub_crs_list[0] if crs.is_compound else crs


def _north_first(code: str) -> bool:
    crs = _horizontal(code)
    axes: Any = getattr(crs, "axis_info", None)
    return bool(axes) and axes[0].direction in ("north", "south")


def _judged(name: str, code: str, swap: bool, sample: Sequence[float]) -> Named:
    first, second = float(sample[0]), float(sample[1])
    x, y = (second, first) if swap else (first, second)
    if not _inside(code, x, y) and _inside(code, y, x):
        return Named(
            crs=code,
            swap=not swap,
            note=f"{name} asks for {'north, east' if swap else 'east, north'}; the numbers fit its area the "
            "other way round only, and are read so",
        )
    return Named(crs=code, swap=swap)


def _inside(code: str, x: float, y: float) -> bool:
    pyproj = need("pyproj", what="reference systems")
    crs = _horizontal(code)
    use = getattr(crs, "area_of_use", None)
    if crs is None or use is None:
        return True
    try:
        lon, lat = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(x, y)
    except pyproj.exceptions.ProjError:
        return False
    within = use.west - 1 <= lon <= use.east + 1 if use.west <= use.east else True
    return bool(within and use.south - 1 <= lat <= use.north + 1)
