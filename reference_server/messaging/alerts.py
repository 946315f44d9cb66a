"""Alerts that the twin raises itself when a reading exceeds a declared threshold (D-34; P3 5.3, 9.1)."""

import re
from collections.abc import Mapping
from typing import Any

from reference_server import instants
from reference_server.storage.protocol import Reading

QOS: Mapping[str, int] = {"critical": 2, "high": 2, "medium": 1, "low": 0}  # C-83
SEVERITIES = tuple(QOS)
_KEBAB = re.compile(r"[^a-z0-9]+")


def severity(value: float, threshold: float) -> str:
    """How bad: up to 1.5 times the threshold medium, up to 3 times high, beyond critical."""
    if threshold <= 0 or value > 3 * threshold:
        return "critical"
    return "high" if value > 1.5 * threshold else "medium"


def category(parameter: str) -> str:
    """The word of a parameter in alert topics: air-quality."""
    return _KEBAB.sub("-", parameter.lower()).strip("-") or "other"


def raised(
    reading: Reading, sensor: str, place: Any, thresholds: Mapping[str, float]
) -> tuple[str, str, dict[str, Any]] | None:
    """Severity, category and payload of the alert that a reading raises, or None."""
    threshold = thresholds.get(reading.parameter)
    if threshold is None or reading.value <= threshold:
        return None
    level, kind = severity(reading.value, threshold), category(reading.parameter)
    payload: dict[str, Any] = {
        "eventType": f"{kind}-alert",
        "severity": level,
        "details": {
            "sensorId": sensor,
            "parameter": reading.parameter,
            "value": reading.value,
            "unit": reading.unit,
            "threshold": threshold,
            "timestamp": instants.show(reading.at, reading.zone),
        },
    }
    if isinstance(place, dict) and place.get("type") == "Point":
        payload["location"] = place
    return level, kind, payload
