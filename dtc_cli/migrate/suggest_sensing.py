"""Suggestions for sensors and readings: words of inventories and loggers, and the words of the standard."""

import re
from collections.abc import Callable, Mapping, Sequence

from dtc_cli.migrate.profile import FieldProfile

ENVIRONMENT = "EnvironmentalSensor"
TYPES: Mapping[str, tuple[str, ...]] = {
    "WeatherStation": ("weather", "meteo", "기상", "気象"),
    "TrafficSensor": ("traffic", "vehicle", "loop", "교통", "차량", "交通"),
    "EnergySensor": ("energy", "power", "electric", "kwh", "전력", "에너지", "電力"),
    "OccupancySensor": ("occup", "people", "parking", "footfall", "주차", "유동인구", "駐車"),
    "UtilitySensor": (
        "water", "flow", "gas", "pressure", "level", "수위", "유량", "수도", "가스", "水位", "流量",
    ),
}  # fmt: skip
"""Type of a sensor (P1 4.3) to pieces of the words that inventories use; the first that fits counts."""
TYPE_FIELDS = (
    "sensortype", "devicetype", "type", "kind", "category", "종류", "센서종류", "구분", "種別", "種類",
)  # fmt: skip
MEMBERS: Mapping[str, tuple[tuple[str, ...], str | None]] = {
    "specifications.name": (
        ("name", "sensorname", "devicename", "title", "label", "명칭", "이름", "名称"), None,
    ),
    "specifications.manufacturer": (
        ("manufacturer", "maker", "vendor", "brand", "제조사", "メーカー"), "text",
    ),
    "specifications.model": (("model", "modelname", "modelno", "모델", "모델명", "型式", "型番"), "text"),
    "specifications.installDate": (
        ("installdate", "installed", "installationdate", "installedon", "설치일", "설치일자", "設置日"),
        "date",
    ),
    "specifications.calibrationDate": (
        ("calibrationdate", "calibrated", "lastcalibration", "교정일", "검교정일", "校正日"), "date",
    ),
    "status.operational": (("operational", "active", "working", "online", "가동여부", "稼働"), "boolean"),
}  # fmt: skip
PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "temperature": (
        "temperature",
        "temp",
        "airtemp",
        "airtemperature",
        "기온",
        "온도",
        "気温",
        "温度",
        "temperatur",
        "lufttemperatur",
        "température",
        "temperatura",
    ),
    "humidity": (
        "humidity",
        "rh",
        "relativehumidity",
        "hum",
        "습도",
        "湿度",
        "luftfeuchte",
        "luftfeuchtigkeit",
        "humidité",
        "humedad",
        "umidità",
    ),
    "air_quality": ("airquality", "aqi", "cai", "통합대기환경지수"),
    "noise_level": (
        "noise",
        "noiselevel",
        "laeq",
        "소음",
        "소음도",
        "騒音",
        "lärm",
        "schallpegel",
        "bruit",
        "ruido",
        "rumore",
    ),
    "traffic_volume": ("trafficvolume", "volume", "vehiclecount", "교통량", "交通量"),
    "occupancy": ("occupancy", "people", "peoplecount", "재실인원", "人数"),
    "energy_consumption": ("energyconsumption", "energy", "power", "전력사용량", "電力量"),
    "water_flow": ("waterflow", "flow", "유량", "流量"),
}
"""Parameter of the standard (P1 5.2) to names of loggers, folded; others keep their own (DTC-P1-069)."""
UNITS: Mapping[str, tuple[str, ...]] = {
    "celsius": ("c", "°c", "℃", "degc", "celsius", "degreecelsius"),
    "fahrenheit": ("f", "°f", "℉", "degf", "fahrenheit"),
    "percent": ("%", "percent", "pct", "%rh", "rh%"),
    "aqi": ("aqi",),
    "decibel": ("db", "dba", "db(a)", "decibel"),
    "vehicles/hour": ("vehicles/hour", "veh/h", "vph", "대/시"),
    "count": ("count", "persons", "people", "명"),
    "kWh": ("kwh",),
    "liters/min": ("liters/min", "l/min", "lpm"),
}
UNIT_OF = {
    "temperature": "celsius", "humidity": "percent", "air_quality": "aqi", "noise_level": "decibel",
    "traffic_volume": "vehicles/hour", "occupancy": "count", "energy_consumption": "kWh",
    "water_flow": "liters/min",
}  # fmt: skip
"""The unit of a parameter where the source names none."""


def type_of(word: str) -> str:
    """The type of a sensor for a word of an inventory."""
    low = word.lower()
    return next((kind for kind, pieces in TYPES.items() if any(one in low for one in pieces)), ENVIRONMENT)


def parameter_of(word: str) -> str:
    """What the standard calls a parameter; the word itself where it knows none."""
    folded = re.sub(r"[\W_]+", "", word).lower()
    return next((name for name, words in PARAMETERS.items() if folded in words), word)


def unit_of(word: str) -> str:
    """What the standard calls a unit; the word itself where it knows none."""
    folded = "".join(word.split()).lower()
    return next((name for name, words in UNITS.items() if folded in words), word)


def sensors(
    fields: Sequence[FieldProfile],
    key: str | None,
    tables: dict[str, dict[str, str]],
    quoted: Callable[[str], str],
) -> list[str]:
    """The lines of a plan for an inventory of sensors: type and properties."""
    names = {re.sub(r"[\W_]+", "", field.name).lower(): field for field in reversed(fields)}
    lines = ["        into: sensors"]
    kind = next((names[one] for one in TYPE_FIELDS if one in names and names[one].name != key), None)
    if kind is not None and kind.distinct_exact and 0 < kind.distinct <= 200:
        tables["sensor_types"] = {word: type_of(word) for word, _ in kind.common}
        rule = f"{{from: {quoted(kind.name)}, table: sensor_types, default: {ENVIRONMENT}}}"
        lines.append(f"        type: {rule}   # P1 4.3")
    else:
        lines.append(f"        type: {ENVIRONMENT}   # 0.30: no field tells more; P1 4.3 has the types")
    rules = []
    for member, (usual, how) in MEMBERS.items():
        field = next((names[one] for one in usual if one in names and names[one].name != key), None)
        if field is not None:
            told = f", as: {how}" if how else ""
            rules.append(
                f"          {member}: {{from: {quoted(field.name)}{told}}}   # 0.90: the name is usual"
            )
    return [*lines, "        properties:" + ("" if rules else " {}"), *rules]


def readings(fields: Sequence[FieldProfile], tables: dict[str, dict[str, str]]) -> list[str]:
    """The lines of a plan for readings, as the reader of measurements gives them."""
    known = {field.name: field for field in fields}
    parameters = [word for word, _ in known["parameter"].common] if "parameter" in known else []
    units = [word for word, _ in known["unit"].common] if "unit" in known else []
    tables["parameters"] = {word: parameter_of(word) for word in parameters}
    lines = [
        "        into: readings",
        "        type: Reading",
        "        properties:",
        "          sensorId: sensor_id",
    ]
    lines.append("          parameter: {from: parameter, table: parameters}   # P1 5.2")
    lines.append("          value: value")
    stated = known["unit"].filled if "unit" in known else 0.0
    if stated:
        tables["units"] = {word: unit_of(word) for word in units}
        lines.append("          unit: {from: unit, table: units}   # P1 5.2")
    elif all(name in UNIT_OF for name in tables["parameters"].values()) and parameters:
        tables["units"] = {word: UNIT_OF[parameter_of(word)] for word in parameters}
        lines.append(
            "          unit: {from: parameter, table: units}   # 0.70: the source names none; P1 5.2"
        )
    else:
        lines.append("          # DECIDE unit: a word, as ug/m3   the source names none")
        lines.append("          unit: {value: unknown}")
    lines.append("          timestamp: at")
    lines.append(
        "          quality: {value: fair}   # P1 6.1; the source states none: good, or excellent, if known"
    )
    lines.append(
        "        sensor: {value: value, at: at}   # F-047: bad values and times count against accuracy"
    )
    return lines
