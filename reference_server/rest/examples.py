"""A body for each operation that takes one, for the OpenAPI document; a demo city accepts each of them."""

from typing import Any

_RING = [[129.07, 35.18], [129.071, 35.18], [129.071, 35.181], [129.07, 35.181], [129.07, 35.18]]
_HERE = {"type": "Point", "coordinates": [129.075, 35.18]}
_THERE = {"type": "Point", "coordinates": [129.08, 35.185]}
_OUTLINE = [[127.0, 36.0], [127.2, 36.0], [127.2, 36.2], [127.0, 36.2], [127.0, 36.0]]

EXAMPLES: dict[str, Any] = {
    "createCity": {
        "cityId": "KR-SEJONG-2025",
        "name": "Sejong",
        "bounds": {"type": "Polygon", "coordinates": [_OUTLINE]},
        "coordinateSystem": {"type": "WGS84", "epsg": 4326},
    },
    "rotateCredential": {"graceSeconds": 86400},
    "updateCity": {"metadata": {"description": "a district"}},
    "createObject": {
        "type": "Building",
        "geometry": {"type": "Polygon", "coordinates": [_RING]},
        "properties": {"name": "Town hall", "height": 21.5, "floors": {"above": 5, "below": 1}},
    },
    "updateObject": {"properties": {"name": "Old town hall"}},
    "registerSensor": {"type": "EnvironmentalSensor", "location": _HERE, "status": {"operational": True}},
    "updateSensor": {"status": {"operational": True, "battery": 80}},
    "submitSensorData": {
        "measurements": [
            {
                "parameter": "humidity",
                "value": 48.5,
                "unit": "percent",
                "timestamp": "2026-01-02T03:04:05Z",
                "quality": "good",
                "confidence": 0.9,
            }
        ]
    },
    "updateServiceStatus": {"status": "degraded"},
    "startSimulation": {"type": "FloodRisk", "parameters": {"rainfall": 80, "repetitions": 0}},
    "findNearby": {"location": _HERE, "radius": 500},
    "findRoute": {"start": _HERE, "end": _THERE, "mode": "walking"},
    "analyzeAccessibility": {"location": _HERE, "mode": "cycling", "minutes": 10},
}
