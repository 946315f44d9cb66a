"""Rules for a whole record, a fragment of one, or its GeoJSON form (P1 3.1, 4.1, 7)."""

import re
from collections.abc import Iterable
from typing import Any

from reference_server import instants
from reference_server.geometry import Bounds
from reference_server.rules import measurements, objects, sensors, shapes, simulations
from reference_server.rules.findings import Findings, is_number

CITY_ID = re.compile(r"[A-Z]{2}-[A-Z0-9]+-[0-9]{4}")  # P1 3.2.1
VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+")
REQUIRED = ("version", "cityId", "timestamp", "bounds", "coordinateSystem")  # P1 4.1
SYSTEMS = ("WGS84", "UTM", "local")
QUALITY_THRESHOLD = 0.60
"""Below this a record's dataQuality is reported, unless the caller names another threshold (P1 7.3)."""

_NEARLY_CITY_ID = re.compile(r"^[A-Z]{2}-[A-Z0-9]+-\d{4}\s*$")
_NEARLY_VERSION = re.compile(r"^\d+\.\d+\.\d+\s*$")


def judge(
    document: Any,
    *,
    now_us: int,
    fragment: bool = False,
    threshold: float | None = None,
    found: Findings | None = None,
) -> Findings:
    """All violations of the MUSTs of phase 1 in a document.

    A fragment is judged for what it holds: absent top-level members and references out of it are no fault.
    With an explicit `threshold` the quality of each reading is compared with it too (P1 7.3).
    """
    found = Findings() if found is None else found
    if not isinstance(document, dict):
        found.add(1, "ERR_INVALID_TYPE", "", "a record is one JSON object")
        return found
    if _is_geojson(document):
        _features(found, document)
        return found
    # references can only be judged in what is, or tries to be, a complete record (P1 8.4-8.6 are not)
    complete = not fragment and any(name in document for name in REQUIRED)
    for requirement, name in enumerate(REQUIRED, start=2):
        if not fragment and name not in document:
            found.missing(requirement, f"/{name}")
    header(found, document)
    system = _system(found, document)
    bounds = shapes.bounds(found, document["bounds"], "/bounds", system) if "bounds" in document else None
    _objects(found, document, system, bounds)
    _network(found, document, system, bounds, now_us=now_us, complete=complete)
    runs = found.array(document, "simulations", "", 1)
    for i, item in enumerate(runs):
        simulations.judge(found, item, f"/simulations/{i}")
    _unique(found, runs, "/simulations")
    _services(found, document, system)
    objects.instant_members(found, document.get("metadata"), ("created", "lastUpdated"), "/metadata")
    _quality(found, document, threshold)
    return found


def city_id(found: Findings, value: Any, at: str) -> None:
    """Judge a city id: the pattern over the whole string, in ASCII."""
    if isinstance(value, str) and CITY_ID.fullmatch(value):
        return
    nearly = isinstance(value, str) and _NEARLY_CITY_ID.match(value) is not None
    found.add(9 if nearly else 8, "ERR_INVALID_CITY_ID", at, "cityId must be CC-CITY-YYYY")


def header(found: Findings, document: dict[str, Any]) -> None:
    """Judge version, cityId and timestamp where they stand."""
    version = document.get("version", "0.0.0")
    if not isinstance(version, str):
        found.wrong_type(7, "/version", "a string")
    elif not VERSION.fullmatch(version):
        nearly = _NEARLY_VERSION.match(version) is not None
        found.add(9 if nearly else 7, "ERR_INVALID_VALUE", "/version", "version must be MAJOR.MINOR.PATCH")
    if "cityId" in document:
        city_id(found, document["cityId"], "/cityId")
    if "timestamp" in document and instants.parse(document["timestamp"]) is None:
        message = "timestamp must be an RFC 3339 instant with a zone"
        found.add(10, "ERR_INVALID_TIMESTAMP", "/timestamp", message)


def _system(found: Findings, document: dict[str, Any]) -> str | None:
    if "coordinateSystem" not in document:
        return None
    return coordinate_system(found, document["coordinateSystem"], "/coordinateSystem")


def coordinate_system(found: Findings, value: Any, at: str) -> str | None:
    """Judge a coordinate system; its type, or None when that is not one of the three."""
    if not isinstance(value, dict):
        found.wrong_type(15, at, "an object")
        return None
    if "epsg" not in value:
        found.missing(16, f"{at}/epsg")
    elif not is_number(value["epsg"]):
        found.wrong_type(16, f"{at}/epsg", "a number")
    elif value["epsg"] != int(value["epsg"]):
        found.add(16, "ERR_INVALID_VALUE", f"{at}/epsg", "epsg must be a whole number")
    kind = value.get("type")
    if "type" not in value:
        found.missing(15, f"{at}/type")
    elif kind not in SYSTEMS:
        found.add(15, "ERR_INVALID_VALUE", f"{at}/type", "coordinateSystem.type must be WGS84, UTM or local")
    return kind if isinstance(kind, str) and kind in SYSTEMS else None


def _objects(found: Findings, document: dict[str, Any], system: str | None, bounds: Bounds | None) -> None:
    items = found.array(document, "cityObjects", "", 24)
    for i, item in enumerate(items):
        objects.judge(found, item, f"/cityObjects/{i}", system, bounds)
    _unique(found, items, "/cityObjects")


def _network(
    found: Findings,
    document: dict[str, Any],
    system: str | None,
    bounds: Bounds | None,
    *,
    now_us: int,
    complete: bool,
) -> None:
    network = document.get("sensorNetwork", {})
    if not isinstance(network, dict):
        found.wrong_type(47, "/sensorNetwork", "an object")
        return
    nodes = found.array(network, "nodes", "/sensorNetwork", 47)
    owners = _by_id(document.get("cityObjects")) if complete else None
    for i, node in enumerate(nodes):
        at = f"/sensorNetwork/nodes/{i}"
        sensors.judge(found, node, at, system=system, bounds=bounds, owners=owners, now_us=now_us)
    _unique(found, nodes, "/sensorNetwork/nodes")
    aggregations = found.array(network, "aggregations", "/sensorNetwork", 47)
    for i, item in enumerate(aggregations):
        sensors.aggregation(found, item, f"/sensorNetwork/aggregations/{i}", system)
    _unique(found, aggregations, "/sensorNetwork/aggregations")


def _services(found: Findings, document: dict[str, Any], system: str | None) -> None:
    items = found.array(document, "services", "", 23)
    for i, item in enumerate(items):
        if isinstance(item, dict):
            shapes.coverage(found, item.get("coverage"), f"/services/{i}/coverage", system)
    _unique(found, items, "/services")


def _by_id(items: Any) -> dict[str, Any]:
    if not isinstance(items, list):
        return {}
    return {item["id"]: item for item in items if isinstance(item, dict) and isinstance(item.get("id"), str)}


def _unique(found: Findings, items: Iterable[Any], at: str) -> None:
    """Note each id that an earlier item of the same collection has already (P1 7.2 BUS-001)."""
    seen: set[str] = set()
    for i, item in enumerate(items):
        name = item.get("id") if isinstance(item, dict) else None
        if not isinstance(name, str):
            continue
        if name in seen:
            found.add(81, "ERR_DUPLICATE_ID", f"{at}/{i}/id", f"the id {name[:80]!r} is given twice")
        seen.add(name)


def _quality(found: Findings, document: dict[str, Any], threshold: float | None) -> None:
    limit = QUALITY_THRESHOLD if threshold is None else threshold
    metadata = document.get("metadata")
    stated = metadata.get("dataQuality") if isinstance(metadata, dict) else None
    if measurements.in_unit_interval(stated) and stated is not None and stated < limit:
        found.add(88, "ERR_QUALITY_LOW", "/metadata/dataQuality", f"{stated} is below the threshold {limit}")
    network = document.get("sensorNetwork")
    nodes = network.get("nodes") if isinstance(network, dict) else None
    if threshold is None or not isinstance(nodes, list):
        return
    for i, node in enumerate(nodes):
        readings = node.get("measurements") if isinstance(node, dict) else None
        for j, reading in enumerate(readings if isinstance(readings, list) else ()):
            if isinstance(reading, dict) and measurements.below_quality(reading, limit):
                at = f"/sensorNetwork/nodes/{i}/measurements/{j}/quality"
                found.add(88, "ERR_QUALITY_LOW", at, f"the reading is below the threshold {limit}")


def _is_geojson(document: dict[str, Any]) -> bool:
    """Whether a document is city objects in GeoJSON form, rightly typed or not."""
    if any(name in document for name in (*REQUIRED, "cityObjects", "sensorNetwork", "simulations")):
        return False
    return document.get("type") in ("Feature", "FeatureCollection") or {"geometry", "properties"} <= set(
        document
    )


def _features(found: Findings, document: dict[str, Any]) -> None:
    if document.get("type") != "FeatureCollection":
        objects.feature(found, document, "")
        return
    if not isinstance(document.get("features"), list):
        found.missing(45, "/features")
        return
    for i, item in enumerate(document["features"]):
        objects.feature(found, item, f"/features/{i}")
