"""The OpenAPI document says what is served, and what is served is as it says."""

from typing import Any

import jsonschema
import pytest

from reference_server.rest import openapi, routes
from reference_server.rest.schemas import SHAPES

STANDARD = 22


def schema(twin: Any, path: str, status: str = "200") -> dict[str, Any]:
    """The schema of an answer, with the components it refers to."""
    shown = twin.http.get(f"{twin.origin}/openapi.json").json()
    method = shown["paths"]["/digital-twin-city/v1/cities/{cityId}" + path]["get"]
    found: dict[str, Any] = method["responses"][status]["content"]["application/json"]["schema"]
    return {**found, "components": shown["components"]}


def test_every_route_is_described() -> None:
    shown = openapi.document()
    described = sum(len(methods) for methods in shown["paths"].values())
    assert described == len(routes.below_base()) + len(routes.at_origin())
    ids = [one["operationId"] for methods in shown["paths"].values() for one in methods.values()]
    assert len(set(ids)) == len(ids)
    assert {route.operation for route in routes.below_base()} <= set(SHAPES)


def test_every_reference_leads_somewhere() -> None:
    shown = openapi.document()
    text = str(shown)
    for name in shown["components"]["schemas"]:
        jsonschema.Draft202012Validator.check_schema(shown["components"]["schemas"][name])
        assert f"#/components/schemas/{name}" in text, name


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("", ""),
        ("/statistics", "/statistics"),
        ("/objects", "/objects?limit=20"),
        ("/objects/{objectId}", "/objects/building-000001"),
        ("/objects/{objectId}/history", "/objects/building-000001/history"),
        ("/sensors", "/sensors"),
        ("/sensors/{sensorId}", "/sensors/sensor-traffic-001"),
        ("/sensors/{sensorId}/data", "/sensors/sensor-traffic-001/data"),
        ("/sensors/latest", "/sensors/latest"),
        ("/simulations", "/simulations"),
        ("/simulations/{simulationId}", "/simulations/sim-trafficflow-demo"),
        ("/simulations/{simulationId}/results", "/simulations/sim-trafficflow-demo/results"),
        ("/services", "/services"),
        ("/services/{serviceId}/status", "/services/service-bus/status"),
    ],
)
def test_answers_fit_their_schemas(twin: Any, template: str, path: str) -> None:
    jsonschema.validate(twin.get(path), schema(twin, template))


def test_refusals_fit_their_schema(twin: Any) -> None:
    answer = twin.call("GET", "/objects/none")
    jsonschema.validate(answer.json(), schema(twin, "/objects/{objectId}", "default"))


def test_the_page_works_without_a_network(twin: Any) -> None:
    answer = twin.http.get(f"{twin.origin}/docs")
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "http://" not in answer.text
    assert "<script" not in answer.text
    assert "/cities/{cityId}/objects" in answer.text
    assert "<td>limit, offset, type, bounds," in answer.text
    assert "<td>application/json NewObject</td><td>write</td>" in answer.text
