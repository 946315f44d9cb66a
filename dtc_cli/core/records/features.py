"""City objects in GeoJSON form: a Feature or a FeatureCollection as P1 6.2 has them (DTC-P1-045)."""

from typing import Any

from dtc_cli.core.records.envelope import COMPULSORY
from dtc_cli.core.records.finding import Code, Path, Sheet
from dtc_cli.core.records.geometry import judge_geometry
from dtc_cli.core.records.placement import Frame, place_in_system
from dtc_cli.core.records.values import is_id, is_object, kind, show

_RECORD_MEMBERS = frozenset({*COMPULSORY, "cityObjects", "sensorNetwork", "simulations", "services"})
_WGS84 = Frame(system="WGS84", area=None, moment=None)  # C-10: GeoJSON is always in WGS84


def is_geojson_form(document: dict[str, Any]) -> bool:
    """Whether a document is meant as GeoJSON, faulty or not: a Feature's members, none of a record."""
    if not _RECORD_MEMBERS.isdisjoint(document):
        return False
    return (
        document.get("type") in ("Feature", "FeatureCollection")
        or "features" in document
        or ("geometry" in document and "properties" in document)
    )


def judge_geojson(document: dict[str, Any], sheet: Sheet) -> None:
    """Judge a Feature, or every Feature of a FeatureCollection."""
    if document.get("type") != "FeatureCollection" and "features" not in document:
        judge_feature(document, (), sheet)
        return
    features = document.get("features")
    sound = document.get("type") == "FeatureCollection" and isinstance(features, list)
    if not sheet.holds("DTC-P1-045", sound):
        message = "a FeatureCollection has type FeatureCollection and an array of features"
        sheet.blame("DTC-P1-045", Code.SCHEMA, (), message)
    for index, feature in enumerate(features if isinstance(features, list) else ()):
        judge_feature(feature, ("features", index), sheet)


def judge_feature(feature: object, path: Path, sheet: Sheet) -> None:
    """Judge one Feature: type, geometry, and properties that name the city object."""
    if not is_object(feature):
        sheet.holds("DTC-P1-045", False)
        sheet.blame("DTC-P1-045", Code.SCHEMA, path, f"feature is of type {kind(feature)}, not an object")
        return
    if not sheet.holds("DTC-P1-045", feature.get("type") == "Feature"):
        absent = "type" not in feature
        message = "type is missing" if absent else f"type {show(feature['type'])} is not Feature"
        sheet.blame("DTC-P1-045", Code.MISSING_FIELD if absent else Code.SCHEMA, (*path, "type"), message)
    geometry, properties = feature.get("geometry"), feature.get("properties")
    sheet.holds("DTC-P1-045", is_object(geometry))
    if is_object(geometry):
        place_in_system(judge_geometry(geometry, (*path, "geometry"), sheet), _WGS84, sheet)
    else:
        message = (
            "geometry is missing" if "geometry" not in feature else f"geometry is of type {kind(geometry)}"
        )
        sheet.blame("DTC-P1-045", Code.INVALID_GEOMETRY, (*path, "geometry"), message)
    named = properties.get("cityObjectId") if is_object(properties) else None
    if not sheet.holds("DTC-P1-045", is_id(named)):
        place = (*path, "properties", "cityObjectId")
        sheet.blame(
            "DTC-P1-045", Code.MISSING_FIELD, place, "properties.cityObjectId does not name a city object"
        )
