"""Defects of phase 1: records that break one rule.

And a validator that lets one violation pass or refuses too much.
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

from reference_server import instants
from reference_server.errors import ApiError
from reference_server.faults import refusals
from reference_server.faults.fault import Fault, both, wrap
from reference_server.rest import objects as rest_objects
from reference_server.services import objects, snapshots

Record = dict[str, Any]
Break = Callable[[Record], Any]
LAST = "cityObjects/-1"
NODE = "sensorNetwork/nodes/0"
READING = f"{NODE}/measurements/0"
RUN = "simulations/0"


def _holder(record: Record, path: str) -> tuple[Any, Any]:
    *above, last = path.split("/")
    at: Any = record
    for part in above:
        at = at[int(part)] if isinstance(at, list) else at[part]
    return at, int(last) if isinstance(at, list) else last


def put(path: str, value: Any) -> Break:
    """Replace what stands at a path."""

    def change(record: Record) -> None:
        holder, key = _holder(record, path)
        holder[key] = value(holder[key]) if callable(value) else copy.deepcopy(value)

    return change


def drop(path: str) -> Break:
    """Remove what stands at a path."""

    def change(record: Record) -> None:
        holder, key = _holder(record, path)
        del holder[key]

    return change


def point(coordinates: Any) -> Break:
    """Give the last object another Point."""
    return put(f"{LAST}/geometry", {"type": "Point", "coordinates": coordinates})


def reading(parameter: str, name: str, value: Any, unit: str | None = None) -> Break:
    """Change a member of the first reading of a parameter."""

    def change(record: Record) -> None:
        for node in record["sensorNetwork"]["nodes"]:
            for one in node["measurements"]:
                if one["parameter"] == parameter and unit in (None, one["unit"]):
                    one[name] = value
                    return

    return change


def _open_ring(record: Record) -> None:
    corner = record["bounds"]["coordinates"][0]
    x, y = corner[0][0] + 0.01, corner[0][1] + 0.01
    ring = [[x, y], [x + 0.001, y], [x + 0.001, y + 0.001], [x, y + 0.001]]
    record["cityObjects"][-1]["geometry"] = {"type": "Polygon", "coordinates": [ring]}


def _twin(record: Record) -> None:
    record["cityObjects"].append(copy.deepcopy(record["cityObjects"][-1]))


def _future(record: Record) -> None:
    later = instants.show(instants.now_us() + 3600 * instants.MICROS)
    record["sensorNetwork"]["nodes"][0]["measurements"][0]["timestamp"] = later


def _swap_range(record: Record) -> None:
    span = record["simulations"][0]["parameters"]["timeRange"]
    span["start"], span["end"] = span["end"], span["start"]


def _naive(text: str) -> str:
    return text[:19]


UTM = {"type": "UTM", "epsg": 32652, "zone": 52}
BREAKS: Mapping[str, tuple[str, Break]] = {
    "001": ("the snapshot is an array around the record", lambda record: [record]),
    "002": ("the snapshot lacks version", drop("version")),
    "003": ("the snapshot lacks cityId", drop("cityId")),
    "004": ("the snapshot lacks timestamp", drop("timestamp")),
    "005": ("the snapshot lacks bounds", drop("bounds")),
    "006": ("the snapshot lacks coordinateSystem", drop("coordinateSystem")),
    "007": ("version is 1.0", put("version", "1.0")),
    "008": ("cityId is written in small letters", put("cityId", str.lower)),
    "009": ("cityId ends with a line break", put("cityId", lambda text: text + "\n")),
    "010": ("the timestamp has no zone", put("timestamp", _naive)),
    "011": ("an object's lastUpdated has no zone", put(f"{LAST}/metadata/lastUpdated", "2025-01-15 10:30")),
    "013": ("bounds says MultiPolygon", put("bounds/type", "MultiPolygon")),
    "014": ("the ring of bounds is open", drop("bounds/coordinates/0/-1")),
    "015": ("the system is written wgs84", put("coordinateSystem/type", "wgs84")),
    "016": ("epsg is text", put("coordinateSystem/epsg", "EPSG:4326")),
    "023": ("services is an object", put("services", {})),
    "024": ("cityObjects holds a string", lambda record: record["cityObjects"].append("b-1")),
    "025": ("an object has no id", drop(f"{LAST}/id")),
    "026": ("an object has no type", drop(f"{LAST}/type")),
    "027": ("an object has no geometry", drop(f"{LAST}/geometry")),
    "028": ("an object has no properties", drop(f"{LAST}/properties")),
    "033": ("sensors is one string", put(f"{LAST}/sensors", "sensor-001")),
    "035": ("a geometry is a Circle", put(f"{LAST}/geometry/type", "Circle")),
    "036": ("a Point holds an array of positions", point([[129.075, 35.18]])),
    "037": ("a ring is open", _open_ring),
    "039": ("a position has four numbers", point([129.075, 35.18, 1, 2])),
    "040": ("longitude and latitude are swapped", point([35.18, 129.075])),
    "041": ("the record says UTM, its coordinates are degrees", put("coordinateSystem", UTM)),
    "042": ("a lod is 5", put(f"{LAST}/geometry/lod", 5)),
    "047": ("aggregations is an object", put("sensorNetwork/aggregations", {})),
    "048": ("a sensor node has no type", drop(f"{NODE}/type")),
    "050": ("a location is no Point", put(f"{NODE}/location", {"lat": 35.18, "lon": 129.075})),
    "051": ("measurements is an object", put(f"{NODE}/measurements", {"temperature": 23.5})),
    "052": ("a reading has no parameter", drop(f"{READING}/parameter")),
    "053": ("a value is text", put(f"{READING}/value", "23.5")),
    "054": ("a reading has no unit", drop(f"{READING}/unit")),
    "055": ("a reading has no timestamp", drop(f"{READING}/timestamp")),
    "056": ("a reading has no quality", drop(f"{READING}/quality")),
    "057": ("a quality is ok", put(f"{READING}/quality", "ok")),
    "059": ("a confidence is 92", put(f"{READING}/confidence", 92)),
    "060": ("61 degrees celsius", reading("temperature", "value", 61, "celsius")),
    "060.fahrenheit": ("200 degrees fahrenheit", reading("temperature", "value", 200, "fahrenheit")),
    "061": ("150 percent humidity", reading("humidity", "value", 150)),
    "062": ("an air quality of 501", reading("air_quality", "value", 501)),
    "063": ("121 decibel", reading("noise_level", "value", 121)),
    "064": ("10001 vehicles an hour", reading("traffic_volume", "value", 10001)),
    "065": ("more people than the capacity", reading("occupancy", "value", 1_000_000)),
    "065.negative": ("minus one person", reading("occupancy", "value", -1)),
    "066": ("negative energy", reading("energy_consumption", "value", -0.1)),
    "066.maximum": ("more energy than maxValue", reading("energy_consumption", "value", 1e6)),
    "067": ("negative flow", reading("water_flow", "value", -5)),
    "067.maximum": ("more flow than maxValue", reading("water_flow", "value", 1e6)),
    "068": ("humidity in celsius", reading("humidity", "unit", "celsius")),
    "068.count": ("half a person", reading("occupancy", "value", 1.5)),
    "071": ("operational is yes", put(f"{NODE}/status/operational", "yes")),
    "071.battery": ("a battery at 130", put(f"{NODE}/status/battery", 130)),
    "073": ("a simulation has no id", drop(f"{RUN}/id")),
    "074": ("a simulation has no type", drop(f"{RUN}/type")),
    "075": ("a simulation has no parameters", drop(f"{RUN}/parameters")),
    "076": ("a simulation has no results", drop(f"{RUN}/results")),
    "078": ("a simulation's confidence is 87", put(f"{RUN}/confidence", 87)),
    "078.range": ("a simulation's range is reversed", _swap_range),
    "081": ("an object is listed twice", _twin),
    "082": ("a reading is dated in an hour", _future),
    "083": ("an object lies outside the bounds", point([140.0, 45.0])),
    "084": ("a sensor lies outside the bounds", put(f"{NODE}/location/coordinates", [0, 0])),
    "085": ("a sensor hangs on nothing", put(f"{NODE}/attachedTo", "building-none")),
}
"""What breaks exactly this requirement in a produced record."""


def broken(record: Record, key: str) -> Any:
    """A copy of a record with one rule broken."""
    shown = orjson.loads(orjson.dumps(record))
    result = BREAKS[key][1](shown)
    return shown if result is None else result


def _in_snapshot(key: str) -> Callable[[], None]:
    def make(rendered: Callable[[Record], bytes]) -> Callable[[Record], bytes]:
        return lambda record: orjson.dumps(broken(record, key))

    return wrap(snapshots, "rendered", make)


def _at_create(hit: Callable[[Record], bool]) -> Callable[[], None]:
    def make(check: Callable[..., None]) -> Callable[..., None]:
        def strict(city: Any, item: Record) -> None:
            check(city, item)
            if hit({"cityObjects": [item]}):
                raise ApiError("VALIDATION_ERROR", "the object is not accepted")

        return strict

    return wrap(objects, "check", make)


def _dropping_custom() -> Callable[[], None]:
    def make(create: Callable[..., Any]) -> Callable[..., Any]:
        async def lossy(world: Any, city: Any, body: Record, actor: str) -> Any:
            kept = body.get("properties")
            if isinstance(kept, dict):
                body = {**body, "properties": {k: v for k, v in kept.items() if k in refusals.DOCUMENTED}}
            return await create(world, city, body, actor)

        return lossy

    return wrap(objects, "create", make)


def _nameless_features() -> Callable[[], None]:
    def make(feature: Callable[[Record], Record]) -> Callable[[Record], Record]:
        def nameless(item: Record) -> Record:
            shown = feature(item)
            del shown["properties"]["cityObjectId"]
            return shown

        return nameless

    return wrap(rest_objects, "feature", make)


def _fault(key: str, why: str, *server: Callable[[], None]) -> Fault:
    """A fault of the served side, joined by its half in the validator where there is one."""
    name = f"DTC-P1-{key}"
    half = refusals.INSTALLERS.get(name)
    return Fault(name, name[:10], why, both(*server, *([half] if half else [])))


def faults() -> Iterator[Fault]:
    """A defect in what is produced and one in what is refused, for every MUST of phase 1."""
    for key, (why, _) in BREAKS.items():
        yield _fault(key, why, _in_snapshot(key))
    for key in refusals.BLIND:
        yield _fault(f"{key}.refused", "the validator does not report this violation")
    why = "exported Features lack cityObjectId, and the validator does not miss it"
    yield _fault("045", why, _nameless_features())
    yield _fault("088", "the validator does not report low quality")
    for key, (why, hit) in refusals.ACCEPTANCES.items():
        yield _fault(key, why, _at_create(hit))
        yield _fault(f"{key}.refused", f"in the validator {why}")
    yield _fault("032", "custom attributes are lost or refused", _dropping_custom())
    yield _fault("032.refused", "the validator refuses custom attributes")
    yield _fault("090", "only the first violation is reported")
    yield _fault("090.refused", "only the first violation is reported")
    for key in ("091", "091.refused"):
        yield _fault(key, "a record like the printed 8.1, with a dangling sensor id, is refused")
    yield _fault("091.codes", "violations are reported under other codes")
    yield _fault("041.refused-degrees", "UTM coordinates are judged as degrees")
