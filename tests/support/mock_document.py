"""An OpenAPI document with one recorded answer per operation, for a mock server that knows nothing else.

The mock gives an operation the same example whatever was asked before: shapes are right, states are not.
"""

import json
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from dtc_cli.core.target import Secret, load

MEDIA = "application/json"
PLACE = {"type": "Point", "coordinates": [129.06, 35.16]}
OTHER_PLACE = {"type": "Point", "coordinates": [129.1, 35.18]}
PATIENCE_S = 30.0
"""How long the recorded simulation may take."""


def document(target: Path) -> tuple[dict[str, Any], str]:
    """The twin's OpenAPI document with the answers of its operations as examples, and its base path.

    Args:
        target: the target file of a running reference twin.
    """
    described = load(target)
    assert described.base_url is not None
    base = httpx.URL(described.base_url)
    headers = {"X-API-Key": _key(described.api_keys["admin"])}
    with httpx.Client(headers=headers, timeout=30.0) as client:
        api: dict[str, Any] = client.get(base.copy_with(path="/openapi.json")).raise_for_status().json()
        examples = dict(_answers(client, f"{described.base_url}/cities/{described.city}"))
    missing = set(api["paths"])
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            if not isinstance(operation, dict) or "responses" not in operation:
                continue
            missing.discard(path)
            _exemplify(operation, examples, method)
    assert not missing, f"paths without an operation: {missing}"
    return api, base.path


def _exemplify(operation: dict[str, Any], examples: Mapping[str, Any], method: str) -> None:
    for status, answer in operation["responses"].items():
        content = answer.get("content", {}).get(MEDIA)
        name = "refusal" if status == "default" else str(operation.get("operationId", method))
        if content is not None and name in examples:
            content["example"] = examples[name]


def _answers(client: httpx.Client, city: str) -> Iterator[tuple[str, Any]]:
    """Operation id to the answer that the twin gave, each a success but `refusal`."""
    now = datetime.now(UTC).replace(microsecond=0)
    span = {"start": _text(now - timedelta(hours=1)), "end": _text(now + timedelta(minutes=5))}
    yield "refusal", client.get(f"{city}/objects/no-such-object").json()
    yield "getCity", _got(client.get(city))
    yield "getCityStatistics", _got(client.get(f"{city}/statistics"))
    new = {"type": "Building", "geometry": PLACE, "properties": {"name": "Mock", "height": 12.5, "floors": 3}}
    made = _got(client.post(f"{city}/objects", json=new))
    yield "createObject", made
    one = f"{city}/objects/{made['id']}"
    yield "updateObject", _got(client.patch(one, json={"properties": {"floors": 4}}))
    yield "getObject", _got(client.get(one))
    yield "queryObjects", _got(client.get(f"{city}/objects", params={"limit": 3}))
    yield "getObjectHistory", _got(client.get(f"{one}/history", params=span))
    new = {
        "type": "AirQuality",
        "location": PLACE,
        "attachedTo": made["id"],
        "specifications": {"model": "M1"},
    }
    sensor = _got(client.post(f"{city}/sensors", json=new))
    yield "registerSensor", sensor
    its = f"{city}/sensors/{sensor['id']}"
    reading = {
        "parameter": "pm25",
        "value": 12.5,
        "unit": "µg/m³",
        "timestamp": _text(now),
        "quality": "good",
    }
    yield "submitSensorData", _got(client.post(f"{its}/data", json={"measurements": [reading]}))
    yield "getSensorData", _got(client.get(f"{its}/data", params=span))
    yield "getSensor", _got(client.get(its))
    yield "querySensors", _got(client.get(f"{city}/sensors", params={"limit": 3}))
    question = {"type": "CrowdDynamics", "parameters": {"event": "a concert", "expectedAttendance": 500}}
    run = _got(client.post(f"{city}/simulations", json=question))
    yield "startSimulation", run
    yield "getSimulation", _finished(client, f"{city}/simulations/{run['id']}")
    yield "getSimulationResults", _got(client.get(f"{city}/simulations/{run['id']}/results"))
    services = _got(client.get(f"{city}/services"))
    yield "queryServices", services
    service = f"{city}/services/{services['services'][0]['id']}"
    yield "getServiceStatus", _got(client.get(f"{service}/status"))
    around = {"location": PLACE, "radius": 500}
    yield "findNearby", _got(client.post(f"{city}/spatial/nearby", json=around))
    journey = {"start": PLACE, "end": OTHER_PLACE, "mode": "driving"}
    yield "findRoute", _got(client.post(f"{city}/spatial/route", json=journey))
    yield "getSnapshot", _got(client.get(f"{city}/snapshots/{_text(now + timedelta(seconds=1))}"))


def _got(answer: httpx.Response) -> Any:
    if not answer.is_success:
        raise AssertionError(
            f"{answer.request.method} {answer.url} answered {answer.status_code}: {answer.text}"
        )
    return answer.json()


def _finished(client: httpx.Client, run: str) -> Any:
    until = time.monotonic() + PATIENCE_S
    while (status := _got(client.get(run)))["status"] != "completed":
        if time.monotonic() > until:
            raise AssertionError(f"the simulation did not complete: {json.dumps(status)}")
    return status


def _text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _key(secret: Secret) -> str:
    return Path(secret.value).read_text(encoding="utf-8").strip() if secret.kind == "file" else secret.value
