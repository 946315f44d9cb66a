"""What a person can do about a finding, in one short sentence."""

from collections.abc import Mapping

from dtc_cli.core.records.finding import Code, RecordFinding

_BY_REQUIREMENT: Mapping[str, str] = {
    "DTC-P1-001": "write one JSON object in UTF-8, without comments, NaN or trailing commas",
    "DTC-P1-007": "write three decimal integers, such as 1.0.0",
    "DTC-P1-009": "write ASCII digits and nothing before or after them",
    "DTC-P1-013": "give one covering polygon, with type Polygon",
    "DTC-P1-015": "use WGS84, UTM or local",
    "DTC-P1-016": "give the EPSG code as a number, such as 4326; 0 for a local system",
    "DTC-P1-017": "use 4326 or 4979 with WGS84, 32601-32660 or 32701-32760 with UTM",
    "DTC-P1-018": "give the zone, 1 to 60, of a UTM record, and of no other",
    "DTC-P1-029": "use a core type where one fits",
    "DTC-P1-037": "repeat the first position as the last, altitude included",
    "DTC-P1-038": "reverse the order of the positions",
    "DTC-P1-040": "put the longitude first: [longitude, latitude]",
    "DTC-P1-041": "give easting and northing in metres, as the bounds do",
    "DTC-P1-042": "use 0, 1, 2, 3 or 4, or leave lod out",
    "DTC-P1-049": "use a core type where one fits",
    "DTC-P1-050": 'write {"type": "Point", "coordinates": [longitude, latitude, altitude]}',
    "DTC-P1-057": "use excellent, good, fair or poor",
    "DTC-P1-068": "use the unit that P1 5.2 lists for the parameter, and whole numbers for counts",
    "DTC-P1-082": "check the sensor's clock and the time zone of the instant",
    "DTC-P1-085": "name a city object of the record, or leave attachedTo out",
    "DTC-P1-088": "check the source of the data, or lower --quality-threshold if this is good enough for you",
    "DTC-P1-089": "check the sensor; nothing is wrong with the record",
}
_BY_CODE: Mapping[str, str] = {
    Code.MISSING_FIELD: "add the member",
    Code.INVALID_CITY_ID: "write CC-CITY-YYYY in capitals and digits, such as KR-SEOUL-2025",
    Code.INVALID_GEOMETRY: "correct the geometry as RFC 7946 has it",
    Code.OUT_OF_BOUNDS: "correct the position, or widen the bounds of the record",
    Code.DUPLICATE_ID: "give each entity an id of its own",
    Code.INVALID_VALUE: "correct the value or its unit",
    Code.MISSING_REFERENCE: "add what is referred to, or take the reference out",
    Code.INVALID_TIMESTAMP: "write a real day and time with a zone, such as 2025-01-15T10:30:00+09:00",
    Code.SCHEMA: "give the member the type and value that the clause asks for",
}


def advice(finding: RecordFinding) -> str:
    """What to try: by code for a missing member, else by requirement, else by code."""
    if finding.code == Code.MISSING_FIELD:
        return _BY_CODE[Code.MISSING_FIELD]
    return _BY_REQUIREMENT.get(finding.requirement) or _BY_CODE.get(finding.code, "see the clause")
