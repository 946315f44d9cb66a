"""What data a rule needs before anything puts it to the test: said of rules that are not tested."""

_OF: dict[str, tuple[int, ...]] = {
    "an object's or sensor's instants (metadata, measurements, aggregations)": (11,),
    "a sensor with specifications.installDate or calibrationDate": (12,),
    "a $schema member of the record": (19,),
    "metadata of the record": (21, 22),
    "a services member of the record": (23,),
    "a city object": (24, 25, 26, 27, 28, 29),
    "a city object with typical attributes (height, floors, occupancy)": (30,),
    "a city object with occupancy": (31,),
    "a city object that lists its sensors": (33, 86),
    "a city object with metadata": (34,),
    "a city object with a geometry": (35, 36, 83),
    "a city object with a Polygon or MultiPolygon": (37,),
    "a coordinate system that is UTM or local": (41,),
    "a geometry with a lod": (42, 44),
    "city objects as GeoJSON Features": (45,),
    "a sensorNetwork with nodes": (47, 48, 49),
    "a sensor with a location": (50, 84),
    "a sensor with measurements": (51, 52, 53, 54, 55, 56, 57, 82),
    "a measurement with confidence or accuracy": (58, 59),
    "a measurement of temperature": (60,),
    "a measurement of humidity": (61,),
    "a measurement of air_quality": (62,),
    "a measurement of noise_level": (63,),
    "a measurement of traffic_volume": (64,),
    "a measurement of occupancy": (65,),
    "a measurement of energy_consumption": (66,),
    "a measurement of water_flow": (67,),
    "a measurement of a standard parameter": (68,),
    "a sensor with specifications": (70,),
    "a sensor with a status": (71,),
    "an aggregation of measurements": (72, 87),
    "a simulation": (73, 74, 75, 76, 77),
    "a simulation with status, times or confidence": (78,),
    "a simulation with results": (79, 80),
    "two entities": (81,),
    "a sensor that is attached to an object, in a complete record": (85,),
}
_SEEDED = frozenset(
    {11, 12, *range(24, 32), 35, 36, 37, 42, 44, *range(47, 69), 70, *range(73, 79), *range(81, 86)}
)
"""What the data of `dtc seed` exercises, once the target shows it in its documents.

Not an aggregation (72, 87): no operation of the standard creates one. Nor what a server adds by itself, or
a record is made with (19, 21-23, 33, 34, 41, 45, 71, 79, 80, 86).
"""


def needed(requirement: str) -> str:
    """What has to be among the target's data, for a rule of phase 1 to be exercised."""
    number = int(requirement.rpartition("-")[2])
    return next((what for what, rules in _OF.items() if number in rules), "data that the rule speaks of")


def is_seeded(requirement: str) -> bool:
    """Whether `dtc seed` writes such data."""
    return int(requirement.rpartition("-")[2]) in _SEEDED
