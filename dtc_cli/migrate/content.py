"""What counts as the content of an object: equal here means equal for verification, sync and rollback."""

import hashlib
from typing import Any

import orjson

_SORTED = orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS
CORE = ("geometry", "id", "properties", "type")


def digest(core: bytes, legacy: bytes) -> str:
    """The hash of an encoded core (`CORE`, keys sorted) and the encoded legacy attributes beside it."""
    return hashlib.blake2b(core + legacy, digest_size=16).hexdigest()


def encode_core(core: dict[str, Any]) -> bytes:
    """The core as JSON with sorted keys."""
    return orjson.dumps(core, option=_SORTED)


def of_object(item: dict[str, Any]) -> str:
    """The hash of an object as a target shows it; members that the target added do not count."""
    metadata = item.get("metadata")
    legacy = metadata.get("legacyAttributes") if isinstance(metadata, dict) else None
    told = orjson.dumps(legacy, option=_SORTED) if legacy else b""
    return digest(encode_core({name: item.get(name) for name in CORE}), told)


def canonical(item: dict[str, Any]) -> dict[str, Any]:
    """The object with numbers written as this program writes them.

    Another server may show 50 for 50.0: positions are floats here, whole numbers elsewhere are integers.
    """
    metadata = item.get("metadata")
    return {
        **{name: _whole(item.get(name)) for name in ("id", "properties", "type")},
        "geometry": _floats(item.get("geometry")),
        "metadata": _whole(metadata) if isinstance(metadata, dict) else {},
    }


def matches(item: dict[str, Any], expected: str) -> bool:
    """Whether an object has the content of a hash."""
    return of_object(item) == expected or of_object(canonical(item)) == expected


def _whole(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_whole(one) for one in value]
    if isinstance(value, dict):
        return {name: _floats(one) if name == "lods" else _whole(one) for name, one in value.items()}
    return value


def _floats(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, list):
        return [_floats(one) for one in value]
    if isinstance(value, dict):
        return {name: one if name == "lod" else _floats(one) for name, one in value.items()}
    return value
