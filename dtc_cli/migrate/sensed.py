"""What a layer of sensors or of readings asks of its records, and the making of a reading."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from dtc_cli.migrate import content, sensing
from dtc_cli.migrate.identity import sensor_name
from dtc_cli.migrate.plan import LayerPlan
from dtc_cli.migrate.trouble import plan_error

Refusals = Iterator[tuple[int, tuple[str, str]]]


def refusals(into: str, shown: Sequence[bytes | None], properties: Sequence[dict[str, Any]]) -> Refusals:
    """Records that may not become what the layer is for: index, and (code, sentence)."""
    if into == "sensors":
        for index, place in enumerate(shown):
            if place is not None and not place.endswith(b'"type":"Point"}'):
                yield index, ("not-a-point", "a sensor stands at a point, and this is none")  # DTC-P1-050
    elif into == "readings":
        for index, given in enumerate(properties):
            problem = _no_reading(given)
            if problem is not None:
                yield index, problem


def _no_reading(given: Mapping[str, Any]) -> tuple[str, str] | None:
    """Why a record is no reading (DTC-P1-052 to -057), or None."""
    missing = [name for name in sensing.READING_NEEDS if given.get(name) is None]
    if missing == ["value"]:
        return "no-value", "the source says that nothing was measured"
    if missing:
        return "missing-property", "lacks " + ", ".join(missing)
    if isinstance(given["value"], bool) or not isinstance(given["value"], int | float):
        return "bad-value", f"{str(given['value'])[:60]} is no number"
    try:
        sensing.utc(str(given["timestamp"]))
    except (ValueError, OverflowError) as problem:
        return "bad-time", str(problem)[:200]
    return None


def reading(given: Mapping[str, Any], key: str | None) -> tuple[str, str, bytes]:
    """Id, hash and body of a reading.

    What counts is its sensor, its parameter and its instant; the zone in which the source told the instant
    goes along and is not compared, since a twin may show another.
    """
    told = str(given["timestamp"])
    identifier = sensing.of_reading(sensor_name(str(given["sensorId"])), told, str(given["parameter"]))
    shown = {name: str(given[name]) for name in ("parameter", "quality", "unit")}
    shown |= {name: given[name] for name in ("value", "confidence") if name in given}
    core = content.encode_core(
        {
            "geometry": None,
            "id": identifier,
            "properties": {**shown, "timestamp": sensing.utc(told)},
            "type": "Reading",
        }
    )
    metadata = orjson.dumps({"at": told, "legacyId": key or identifier})
    return identifier, content.digest(core, b""), core[:-1] + b',"metadata":' + metadata + b"}"


def check(layer: LayerPlan, where: str) -> None:
    """Sensors and readings have fixed members; what a plan maps beside them would be lost.

    Raises:
        DtcError: `migration-plan`.
    """
    if layer.into == "objects":
        return
    members = sensing.SENSOR_MEMBERS if layer.into == "sensors" else ("sensorId", *sensing.READING_MEMBERS)
    other = next((name for name in layer.properties if name.partition(".")[0] not in members), None)
    if other is not None:
        more = "; specifications.NAME takes what has no place of its own" if layer.into == "sensors" else ""
        raise plan_error(
            f"{layer.into} have no member {other}",
            where=f"{where} {other}",
            hint="members: " + ", ".join(members) + more,
        )
    if layer.into == "sensors" and layer.key is None:
        raise plan_error(
            f"the sensors of {layer.name} have no key", where=f"{where} id", hint="id: {key: FIELD}"
        )
    lacking = [name for name in sensing.READING_NEEDS if name not in layer.properties]
    if layer.into == "readings" and lacking:
        raise plan_error(
            f"the readings of {layer.name} have no rule for {', '.join(lacking)}",
            where=f"{where} properties",
            hint="a reading has sensorId, parameter, value, unit, timestamp and quality (P1 5.2)",
        )
