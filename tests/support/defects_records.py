"""Defects of other makers' validators: the answers of a right one, made wrong in one way.

An answer is `{"valid", "errors": [{"code", "pointer", "message"}]}`; a defect gets it with the record and
returns another. None of them is among the faults of the bundled twin.
"""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

Answer = dict[str, Any]
Error = dict[str, str]
GEOMETRY, BOUNDS, VALUE = "ERR_INVALID_GEOMETRY", "ERR_OUT_OF_BOUNDS", "ERR_INVALID_VALUE"


class Defect(NamedTuple):
    """One defect, the requirements that it breaks, and what makes of a right answer a wrong one."""

    requirement: str
    what: str
    spoil: Callable[[Any, Answer], Answer]


def at(record: Any, pointer: str) -> Any:
    """What stands at a JSON pointer; None where there is nothing."""
    value = record
    for part in pointer.split("/")[1:]:
        if isinstance(value, list):
            value = value[int(part)] if part.isdigit() and int(part) < len(value) else None
        else:
            value = value.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(value, dict) else None
    return value


def blind(hides: Callable[[Any, Error], bool]) -> Callable[[Any, Answer], Answer]:
    """Errors that are not seen."""

    def spoil(record: Any, answer: Answer) -> Answer:
        left = [one for one in answer["errors"] if not hides(record, one)]
        return {"valid": answer["valid"] or not left, "errors": left}

    return spoil


def near(code: str, pointer: str, seen: Callable[[Any, Any], bool] = lambda _r, _v: True) -> Any:
    """Errors with a code below a pointer (a pattern) at which `seen` holds of record and value."""
    return blind(
        lambda record, one: (
            bool(re.fullmatch(code, one["code"]))
            and bool(re.search(pointer, one["pointer"]))
            and seen(record, at(record, one["pointer"]))
        )
    )


def refusing(hit: Callable[[Any], bool], code: str = VALUE) -> Callable[[Any, Answer], Answer]:
    """Records that are refused although they are valid."""

    def spoil(record: Any, answer: Answer) -> Answer:
        if not isinstance(record, dict) or not hit(record):
            return answer
        error = {"code": code, "pointer": "", "message": "this is not taken"}
        return {"valid": False, "errors": [*answer["errors"], error]}

    return spoil


def readings(record: Any) -> Iterator[dict[str, Any]]:
    """All measurements of a record."""
    network = record.get("sensorNetwork") if isinstance(record, dict) else None
    nodes = network.get("nodes") if isinstance(network, dict) else None
    for node in nodes if isinstance(nodes, list) else ():
        found = node.get("measurements") if isinstance(node, dict) else None
        yield from (one for one in found if isinstance(one, dict)) if isinstance(found, list) else ()


def objects(record: Any) -> list[dict[str, Any]]:
    """All city objects of a record."""
    found = record.get("cityObjects") if isinstance(record, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def reading_of(record: Any, pointer: str) -> Any:
    """The measurement that a pointer leads into."""
    return at(record, pointer.rpartition("/")[0]) or {}


def _rounded(parameter: str, low: float, high: float) -> Any:
    """Values are rounded to whole numbers before they are compared."""

    def hides(record: Any, one: Error) -> bool:
        value = at(record, one["pointer"])
        return (
            one["code"] == VALUE
            and isinstance(value, int | float)
            and reading_of(record, one["pointer"]).get("parameter") == parameter
            and low <= round(value) <= high
        )

    return blind(hides)


def _has_end(parameter: str, *ends: float) -> Callable[[Any], bool]:
    return lambda record: any(
        one.get("parameter") == parameter and one.get("value") in ends for one in readings(record)
    )


def _hidden_type(kind: type) -> Callable[[Any, Any], bool]:
    return lambda _record, value: isinstance(value, kind)


def _future_by_text(record: Any, one: Error) -> bool:
    """An instant counts as future by its text, without its zone."""
    text = at(record, one["pointer"])
    now = datetime.now(UTC)
    return (
        one["code"] == "ERR_FUTURE_TIMESTAMP"
        and isinstance(text, str)
        and datetime.fromisoformat(text[:19] + "+00:00") <= now + timedelta(minutes=1)
    )


def _system(record: Any) -> Any:
    found = record.get("coordinateSystem") if isinstance(record, dict) else None
    return found.get("type") if isinstance(found, dict) else None


def _first_error(record: Any, answer: Answer) -> Answer:
    """One error for each section of a record."""
    del record
    seen: dict[str, Error] = {}
    for one in answer["errors"]:
        seen.setdefault("/".join(one["pointer"].split("/")[:3]), one)
    return {**answer, "errors": list(seen.values())}


def _has(record: Any, word: str) -> bool:
    return word in json.dumps(record, ensure_ascii=False)


def _defects() -> Iterator[Defect]:  # noqa: PLR0915 - a table
    stamps = r"/(created|lastUpdated|timestamp|validUntil|start|end|lastMaintenance)$"
    lod = r"/geometry/lod$"
    value = r"/measurements/\d+/value$"
    yield Defect("001", "NaN is JSON", _nan_is_json)
    yield Defect("007", "two parts are a version", near(".*", r"^/version$", lambda _r, v: v == "1.0"))
    yield Defect("008", "small letters are fine", near("ERR_INVALID_CITY_ID", "", _small))
    yield Defect("009", "a line break ends the match", near(".*", "^/(cityId|version)$", _with_break))
    yield Defect("009", "digits of any script", near(".*", "^/(cityId|version)$", _other_digits))
    yield Defect("010", "a missing zone is UTC", near(".*", r"^/timestamp$", _zoneless))
    yield Defect("010", "every month has 31 days", near(".*", r"^/timestamp$", _loose_day))
    yield Defect(
        "011",
        "only the record's own instant counts",
        near("ERR_INVALID_TIMESTAMP", rf"^/.+{stamps}", _loose_any),
    )
    yield Defect("014", "an open ring of bounds is closed", near(GEOMETRY, "^/bounds", _bounds_open))
    yield Defect("015", "any case of the system", near(".*", "coordinateSystem/type$", _wgs))
    yield Defect("016", "digits are a number", near(".*", "coordinateSystem/epsg$", _hidden_type(str)))
    yield Defect("020", "members of a geometry are counted", refusing(_extra_in_geometry))
    yield Defect("025", "an empty id is an id", near(".*", r"cityObjects/\d+/id$", lambda _r, v: v == ""))
    yield Defect("025", "a number is an id", near(".*", r"cityObjects/\d+/id$", _hidden_type(int)))
    yield Defect(
        "028", "an array is properties", near(".*", r"cityObjects/\d+/properties$", _hidden_type(list))
    )
    yield Defect("033", "ids of sensors may be numbers", near(".*", r"/sensors/\d+$", _hidden_type(int)))
    yield Defect(
        "035",
        "any case of a geometry",
        near(GEOMETRY, "/geometry/type$", lambda _r, v: v in ("polygon", "point")),
    )
    yield Defect("035", "no collections", refusing(lambda r: _has(r, "GeometryCollection"), GEOMETRY))
    yield Defect("037", "holes may be open", near(GEOMETRY, r"/geometry/coordinates/[1-9]$"))
    yield Defect("037", "rings close in the plane", near(GEOMETRY, "/geometry/coordinates", _plane_closed))
    yield Defect("039", "a fourth number is fine", near(GEOMETRY, "/geometry/coordinates", _four))
    yield Defect("039", "true is a number", near(GEOMETRY, "/geometry/coordinates", _flags))
    yield Defect("040", "only objects are looked at", near(GEOMETRY, "^/(bounds|sensorNetwork)", _off_earth))
    yield Defect("042", "four is no level", refusing(lambda r: _lod(r, 4), GEOMETRY))
    yield Defect("042", "five is a level", near(GEOMETRY, lod, lambda _r, v: v == 5))
    yield Defect("042", "fractions are levels", near(GEOMETRY, lod, lambda _r, v: v == 2.5))
    yield Defect("042", "true is a level", near(GEOMETRY, lod, lambda _r, v: v is True))
    yield Defect("050", "any geometry is a location", near(GEOMETRY, "/location", _polygon))
    yield Defect("053", "text that looks like a number is one", near(".*", value, _hidden_type(str)))
    yield Defect("053", "true is a value", near(".*", value, lambda _r, v: v is True))
    yield Defect("057", "capitals are fine", near(".*", "/quality$", lambda _r, v: v == "GOOD"))
    yield Defect(
        "059",
        "a confidence up to 100",
        near(VALUE, "/confidence$", lambda _r, v: isinstance(v, int) and v > 1),
    )
    yield Defect("060", "temperatures are rounded", _rounded("temperature", -40, 60))
    yield Defect("060", "the ends are out", refusing(_has_end("temperature", -40, 60)))
    yield Defect("060", "fahrenheit is not converted", refusing(_warm_fahrenheit))
    yield Defect("061", "humidity is rounded", _rounded("humidity", 0, 100))
    yield Defect("063", "120 decibel are too loud", refusing(_has_end("noise_level", 120)))
    yield Defect("064", "no traffic is none", refusing(_has_end("traffic_volume", 0)))
    yield Defect("065", "the capacity does not count", near(VALUE, value, lambda r, v: v == 601))
    yield Defect("066", "energy may flow back", near(VALUE, value, _parameter_below("energy_consumption")))
    yield Defect(
        "068",
        "units in any case",
        near(".*", "/unit$", lambda _r, v: str(v) in ("Celsius", "PERCENT", "Percent", "CELSIUS")),
    )
    yield Defect(
        "071", "a number is a flag", near(".*", "/operational$", lambda _r, v: v == 1 and v is not True)
    )
    yield Defect("078", "ranges are compared as text", near(".*", "/timeRange", _text_order))
    yield Defect("081", "only neighbours are compared", near("ERR_DUPLICATE_ID", "", _far_apart))
    yield Defect("081", "simulations may share an id", near("ERR_DUPLICATE_ID", "/simulations"))
    yield Defect("082", "zones do not count", blind(_future_by_text))
    yield Defect("083", "the box around the bounds counts", near(BOUNDS, "cityObjects", _in_box))
    yield Defect("083", "holes are inside", near(BOUNDS, "cityObjects", _in_hole))
    yield Defect("083", "the edge is outside", refusing(lambda r: _has(r, "[-8.5, 41.2]"), BOUNDS))
    yield Defect(
        "083", "only WGS84 has bounds", near(BOUNDS, "cityObjects", lambda r, _v: _system(r) != "WGS84")
    )
    yield Defect("084", "sensors may be anywhere", near(BOUNDS, "sensorNetwork"))
    yield Defect(
        "085", "sensors may hang on sensors", near("ERR_MISSING_REFERENCE", "attachedTo", _on_sensor)
    )
    yield Defect("085", "references in any case", near("ERR_MISSING_REFERENCE", "attachedTo", _case_differs))
    yield Defect("090", "one error for each section", _first_error)


def _nan_is_json(record: Any, answer: Answer) -> Answer:
    return {"valid": True, "errors": []} if "NaN" in json.dumps(record) else answer


def _small(_record: Any, value: Any) -> bool:
    return (
        isinstance(value, str)
        and value != value.upper()
        and re.fullmatch(r"[A-Z]{2}-[A-Z0-9]+-\d{4}", value.upper()) is not None
    )


def _with_break(_record: Any, value: Any) -> bool:
    return isinstance(value, str) and value.endswith("\n")


def _other_digits(_record: Any, value: Any) -> bool:
    return isinstance(value, str) and not value.isascii()


def _zoneless(_record: Any, value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", value) is not None


def _loose_day(_record: Any, value: Any) -> bool:
    return isinstance(value, str) and re.match(r"\d{4}-02-(29|30)T", value) is not None


def _loose_any(_record: Any, value: Any) -> bool:
    return isinstance(value, str)


def _ring(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 3 and isinstance(value[0], list)


def _bounds_open(_record: Any, value: Any) -> bool:
    """A ring of four or more positions that only does not close."""
    return _ring(value) and value[0] != value[-1]


def _wgs(_record: Any, value: Any) -> bool:
    return isinstance(value, str) and value.lower() in ("wgs84", "utm", "local")


def _extra_in_geometry(record: Any) -> bool:
    known = {"type", "coordinates", "geometries", "lod", "bbox"}
    return any(
        isinstance(one.get("geometry"), dict) and set(one["geometry"]) - known for one in objects(record)
    )


def _plane_closed(_record: Any, value: Any) -> bool:
    ring = (
        value[0]
        if isinstance(value, list) and value and isinstance(value[0], list) and isinstance(value[0][0], list)
        else value
    )
    return (
        isinstance(ring, list)
        and len(ring) > 3
        and isinstance(ring[0], list)
        and ring[0] != ring[-1]
        and ring[0][:2] == ring[-1][:2]
    )


def _four(_record: Any, value: Any) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(isinstance(one, int | float) for one in value)


def _flags(_record: Any, value: Any) -> bool:
    return isinstance(value, bool) or (
        isinstance(value, list) and any(isinstance(one, bool) for one in value)
    )


def _off_earth(record: Any, value: Any) -> bool:
    place = value if isinstance(value, list) and len(value) > 1 else [0, 0]
    numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in place)
    return _system(record) == "WGS84" and numbers and (abs(place[0]) > 180 or abs(place[1]) > 90)


def _lod(record: Any, number: int) -> bool:
    geometries = [one.get("geometry") for one in objects(record)]
    return any(isinstance(one, dict) and one.get("lod") == number for one in geometries)


def _polygon(record: Any, value: Any) -> bool:
    del value
    return _has(record, '"location": {"type": "Polygon"')


def _warm_fahrenheit(record: Any) -> bool:
    return any(
        one.get("unit") == "fahrenheit"
        and isinstance(one.get("value"), int | float)
        and 60 < one["value"] <= 140
        for one in readings(record)
    )


def _parameter_below(parameter: str) -> Callable[[Any, Any], bool]:
    return lambda record, value: isinstance(value, int | float) and value < 0 and _has(record, parameter)


def _text_order(record: Any, value: Any) -> bool:
    del value
    for number in range(3):
        span = at(record, f"/simulations/{number}/parameters/timeRange")
        if isinstance(span, dict) and str(span.get("start")) <= str(span.get("end")):
            return True
    return False


def _far_apart(record: Any, value: Any) -> bool:
    ids = [one.get("id") for one in objects(record)]
    return ids.count(value) > 1 and not any(a == b == value for a, b in pairwise(ids))


def _place(record: Any) -> tuple[float, float]:
    """The position of the first object, a Point; nowhere when it is none."""
    found = at(record, "/cityObjects/0/geometry/coordinates")
    return (found[0], found[1]) if isinstance(found, list) and isinstance(found[0], float) else (999, 999)


def _in_box(record: Any, _value: Any) -> bool:
    ring, (x, y) = at(record, "/bounds/coordinates/0") or [], _place(record)
    xs, ys = [p[0] for p in ring], [p[1] for p in ring]
    return len(ring) > 5 and min(xs) <= x <= max(xs) and min(ys) <= y <= max(ys)


def _in_hole(record: Any, _value: Any) -> bool:
    return _place(record) == (-8.555, 41.115)


def _on_sensor(record: Any, value: Any) -> bool:
    nodes = at(record, "/sensorNetwork/nodes") or []
    return any(isinstance(one, dict) and one.get("id") == value for one in nodes)


def _case_differs(record: Any, value: Any) -> bool:
    return isinstance(value, str) and value.lower() in [str(one.get("id")).lower() for one in objects(record)]


RECORDS = tuple(_defects())
