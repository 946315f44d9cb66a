"""What is wrong in the validator: the half of a phase 1 fault that sits in `validate`.

A certification starts the validator thousands of times: like it, this module needs the standard library only.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from reference_server import validator
from reference_server.rules.findings import Findings

Record = dict[str, Any]
DOCUMENTED = frozenset(
    [
        "name",
        "address",
        "buildingType",
        "constructionYear",
        "floors",
        "height",
        "area",
        "occupancy",
        "energyClass",
        "materials",
        "width",
        "lanes",
        "surfaceType",
        "span",
        "loadCapacity",
        "material",
        "facilities",
        "vegetation",
        "type",
        "capacity",
        "networkId",
        "category",
        "significance",
    ]
)


def _in_validator(change: Callable[[Findings, bytes], None]) -> Callable[[], None]:
    def make(judge: Callable[..., Findings]) -> Callable[..., Findings]:
        def wrong(raw: bytes, **options: Any) -> Findings:
            found = judge(raw, **options)
            change(found, raw)
            return found

        return wrong

    def install() -> None:
        validator.judge = make(validator.judge)

    return install


def _blind(requirement: str) -> Callable[[], None]:
    """The validator no longer reports violations of a requirement."""

    def change(found: Findings, raw: bytes) -> None:
        found.items = [item for item in found.items if item.requirement != requirement]

    return _in_validator(change)


def _strict(requirement: int, hit: Callable[[Record], bool]) -> Callable[[], None]:
    """The validator refuses what it must accept."""

    def change(found: Findings, raw: bytes) -> None:
        try:
            document = json.loads(raw)
        except ValueError:
            return
        if isinstance(document, dict) and hit(document):
            found.add(requirement, "ERR_INVALID_VALUE", "", "the record is not accepted")

    return _in_validator(change)


def _objects(record: Record) -> list[Record]:
    items = record.get("cityObjects")
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _unknown_members(record: Record) -> bool:
    known = {"$schema", "version", "cityId", "name", "timestamp", "bounds", "coordinateSystem", "cityObjects"}
    known |= {"sensorNetwork", "simulations", "services", "metadata", "type", "geometry", "properties"}
    known_object = {"id", "type", "geometry", "properties", "sensors", "metadata"}
    return bool(set(record) - known) or any(set(item) - known_object for item in _objects(record))


def _custom(record: Record) -> bool:
    return any(
        isinstance(item.get("properties"), dict) and set(item["properties"]) - DOCUMENTED
        for item in _objects(record)
    )


def _no_lod(record: Record) -> bool:
    return any(
        isinstance(item.get("geometry"), dict) and "lod" not in item["geometry"] for item in _objects(record)
    )


def _free_parameter(record: Record) -> bool:
    network = record.get("sensorNetwork")
    nodes = network.get("nodes", ()) if isinstance(network, dict) else ()
    if not isinstance(nodes, list):
        return False
    groups = [n.get("measurements") for n in nodes if isinstance(n, dict)]
    readings = [one for group in groups if isinstance(group, list) for one in group if isinstance(one, dict)]
    names = {one["parameter"] for one in readings if isinstance(one.get("parameter"), str)}
    standard = {"temperature", "humidity", "air_quality", "noise_level", "traffic_volume", "occupancy"}
    return bool(names - standard - {"energy_consumption", "water_flow"})


def _first_only(found: Findings, raw: bytes) -> None:
    del found.items[1:]


def _other_codes(found: Findings, raw: bytes) -> None:
    wrong = {"ERR_OUT_OF_BOUNDS": "ERR_INVALID_GEOMETRY", "ERR_FUTURE_TIMESTAMP": "ERR_INVALID_TIMESTAMP"}
    found.items = [
        type(item)(item.requirement, wrong.get(item.code, item.code), item.pointer, item.message)
        for item in found.items
    ]


def _dangling(record: Record) -> bool:
    network = record.get("sensorNetwork")
    nodes = network.get("nodes") if isinstance(network, dict) else None
    known = {node.get("id") for node in nodes if isinstance(node, dict)} if isinstance(nodes, list) else set()
    listed = [item["sensors"] for item in _objects(record) if isinstance(item.get("sensors"), list)]
    return any(isinstance(one, str) and one not in known for sensors in listed for one in sensors)


def _is_projected(record: Record) -> bool:
    system = record.get("coordinateSystem")
    return isinstance(system, dict) and system.get("type") in ("UTM", "local")


_BLIND = (
    *range(1, 12),
    *range(13, 17),
    *range(23, 29),
    33,
    *range(35, 38),
    *range(39, 43),
    45,
    *range(47, 49),
    *range(50, 58),
    *range(59, 69),
    71,
    *range(73, 77),
    78,
    *range(81, 86),
    88,
)
BLIND = tuple(f"{number:03d}" for number in _BLIND)
"""Requirements whose violations one fault each no longer reports."""
ACCEPTANCES: Mapping[str, tuple[str, Callable[[Record], bool]]] = {
    "020": ("unknown members are refused", _unknown_members),
    "043": ("a geometry without lod is refused", _no_lod),
    "069": ("parameters outside the table are refused", _free_parameter),
}
"""What must be accepted and is refused."""


def _installers() -> dict[str, Callable[[], None]]:
    found = {f"{key}.refused": _blind(f"DTC-P1-{key}") for key in BLIND}
    found |= {"045": _blind("DTC-P1-045"), "088": _blind("DTC-P1-088")}
    strict = {key: _strict(int(key), hit) for key, (_, hit) in ACCEPTANCES.items()}
    strict |= {"032": _strict(32, _custom), "091": _strict(91, _dangling)}
    for key, install in strict.items():
        found |= {key: install, f"{key}.refused": install}
    found |= {"090": _in_validator(_first_only), "090.refused": _in_validator(_first_only)}
    found["091.codes"] = _in_validator(_other_codes)
    found["041.refused-degrees"] = _strict(41, _is_projected)
    return {f"DTC-P1-{key}": install for key, install in found.items()}


INSTALLERS: Mapping[str, Callable[[], None]] = _installers()
"""By fault id; an id that is not here changes nothing in the validator."""
