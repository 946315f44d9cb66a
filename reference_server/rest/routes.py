"""The route table: what is served, by which handler, with which right.

OpenAPI and routing are read from it.
"""

import functools
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from reference_server.auth import DELETE, MANAGE, MEASURE, READ, WRITE
from reference_server.rest import (
    audit,
    cities,
    city_services,
    exports,
    imports,
    live,
    messages,
    oauth,
    objects,
    ogc,
    operations,
    sensors,
    simulations,
    snapshots,
    spatial,
    sta,
)
from reference_server.rest.call import Call, Reply

_NAME, _REST = "/", "//"
"""Stand for any one segment, and for all that follow, in the table; no segment holds a slash."""

Handler = Callable[[Call], Awaitable[Reply]]


class Route(msgspec.Struct, frozen=True):
    """A method and path; `{name}` stands for one segment. `right` None is open to all."""

    method: str
    path: str
    handler: Handler
    right: str | None
    operation: str
    summary: str
    streams: bool = False
    """The handler takes the body as it comes."""


def below_base() -> tuple[Route, ...]:
    """The routes below the base path of the standard."""
    city = "/cities/{cityId}"
    sensor = f"{city}/sensors/{{sensorId}}"
    run = f"{city}/simulations/{{simulationId}}"
    service = f"{city}/services/{{serviceId}}"
    job = f"{city}/imports/{{importId}}"
    return (
        Route("GET", "/cities", cities.listing, READ, "queryCities", "The caller's cities"),
        Route("POST", "/cities", cities.create, MANAGE, "createCity", "Create a city"),
        Route("GET", "/audit", audit.of_server, MANAGE, "audit", "Who changed what, the newest first"),
        Route("GET", "/credentials", audit.list_credentials, MANAGE, "listCredentials", "Who has a key"),
        Route("POST", "/credentials/{name}/rotate", audit.rotate, MANAGE, "rotateCredential", "A new secret"),
        Route("GET", f"{city}/audit", audit.of_city, MANAGE, "cityAudit", "Changes in the city"),
        Route("GET", f"{city}/alerts", audit.list_alerts, READ, "queryAlerts", "Alerts, the newest first"),
        Route("DELETE", city, cities.delete, MANAGE, "deleteCity", "Delete a city"),
        Route("GET", city, cities.read, READ, "getCity", "The city"),
        Route("PATCH", city, cities.patch, WRITE, "updateCity", "Update the city"),
        Route("GET", f"{city}/statistics", cities.statistics, READ, "getCityStatistics", "Counts and scores"),
        Route("GET", f"{city}/objects", objects.listing, READ, "queryObjects", "List and filter objects"),
        Route("POST", f"{city}/objects", objects.create, WRITE, "createObject", "Create an object"),
        Route("GET", f"{city}/objects/{{objectId}}", objects.read, READ, "getObject", "One object"),
        Route(
            "PATCH", f"{city}/objects/{{objectId}}", objects.patch, WRITE, "updateObject", "Update an object"
        ),
        Route(
            "DELETE",
            f"{city}/objects/{{objectId}}",
            objects.delete,
            DELETE,
            "deleteObject",
            "Delete an object",
        ),
        Route("GET", f"{city}/sensors", sensors.listing, READ, "querySensors", "List and filter sensors"),
        Route("POST", f"{city}/sensors", sensors.register, WRITE, "registerSensor", "Register a sensor"),
        Route(
            "GET", f"{city}/sensors/latest", sensors.latest, READ, "latestReadings", "Newest readings of many"
        ),
        Route(
            "GET",
            f"{city}/sensors/aggregate",
            sensors.aggregate,
            READ,
            "aggregateSensorData",
            "Fold readings",
        ),
        Route("GET", sensor, sensors.read, READ, "getSensor", "One sensor"),
        Route("PATCH", sensor, sensors.patch, WRITE, "updateSensor", "Update a sensor"),
        Route("DELETE", sensor, sensors.delete, DELETE, "deleteSensor", "Delete a sensor"),
        Route("GET", f"{sensor}/data", sensors.data, READ, "getSensorData", "Readings in a range"),
        Route("POST", f"{sensor}/data", sensors.submit, MEASURE, "submitSensorData", "Submit readings"),
        Route(
            "POST",
            f"{city}/import",
            imports.start,
            WRITE,
            "startImport",
            "Import a FeatureCollection, a record or NDJSON",
            streams=True,
        ),
        Route("GET", f"{city}/export", exports.read, READ, "exportCity", "The whole city as a file"),
        Route("GET", f"{city}/imports", imports.listing, READ, "queryImports", "List imports"),
        Route("GET", job, imports.read, READ, "getImport", "State of an import"),
        Route("GET", f"{job}/errors", imports.errors, READ, "getImportErrors", "Rows that were refused"),
        Route("POST", f"{job}/cancel", imports.cancel, WRITE, "cancelImport", "Stop an import"),
        Route("DELETE", job, imports.remove, DELETE, "removeImport", "Remove what an import created"),
        Route("GET", f"{city}/services", city_services.listing, READ, "queryServices", "List services"),
        Route("GET", service, city_services.read, READ, "getService", "One service"),
        Route("PATCH", service, city_services.patch, MANAGE, "updateServiceStatus", "Set a status"),
        Route("GET", f"{service}/status", city_services.status, READ, "getServiceStatus", "A status"),
        Route("POST", f"{city}/simulations", simulations.start, WRITE, "startSimulation", "Start a run"),
        Route("GET", f"{city}/simulations", simulations.listing, READ, "querySimulations", "List runs"),
        Route("GET", run, simulations.status, READ, "getSimulation", "State of a run"),
        Route("GET", f"{run}/results", simulations.results, READ, "getSimulationResults", "Results of a run"),
        Route("DELETE", run, simulations.cancel, WRITE, "cancelSimulation", "Cancel a run"),
        Route("POST", f"{city}/spatial/nearby", spatial.nearby, READ, "findNearby", "Objects near a place"),
        Route("POST", f"{city}/spatial/route", spatial.route, READ, "findRoute", "The quickest way"),
        Route(
            "POST",
            f"{city}/spatial/accessibility",
            spatial.accessibility,
            READ,
            "analyzeAccessibility",
            "What is reached within some minutes",
        ),
        Route(
            "GET",
            f"{city}/objects/{{objectId}}/history",
            snapshots.of_object,
            READ,
            "getObjectHistory",
            "Versions of an object",
        ),
        Route(
            "GET",
            f"{city}/snapshots/compare",
            snapshots.compare,
            READ,
            "compareSnapshots",
            "What differs between two instants",
        ),
        Route(
            "GET",
            f"{city}/snapshots/{{timestamp}}",
            snapshots.read,
            READ,
            "getSnapshot",
            "The city at an instant",
        ),
        *stream(),
    )


def stream() -> tuple[Route, ...]:
    """The stream as seen by a request that asks for no upgrade, and the log of its messages (C-79)."""
    log = "/cities/{cityId}/messages"
    return (
        Route("GET", "/stream", messages.upgrade, None, "stream", "The WebSocket stream (upgrade)"),
        Route("GET", log, messages.listing, READ, "queryMessages", "Past messages of topics"),
    )


def ogc_features() -> tuple[Route, ...]:
    """The routes of the OGC API Features facade."""
    city = "/ogc/{cityId}"
    collection = f"{city}/collections/{{collectionId}}"
    return (
        Route("GET", city, ogc.landing, READ, "ogcLanding", "OGC API Features: landing page"),
        Route("GET", f"{city}/conformance", ogc.conformance, READ, "ogcConformance", "OGC: classes"),
        Route("GET", f"{city}/collections", ogc.collections, READ, "ogcCollections", "OGC: collections"),
        Route("GET", collection, ogc.collection, READ, "ogcCollection", "OGC: the collection"),
        Route("GET", f"{collection}/items", ogc.items, READ, "ogcItems", "OGC: features"),
        Route("GET", f"{collection}/items/{{featureId}}", ogc.item, READ, "ogcItem", "OGC: one feature"),
    )


def sensor_things() -> tuple[Route, ...]:
    """The routes of the SensorThings facade; `...` stands for any number of segments."""
    city = "/sta/{cityId}/v1.1"
    return (
        Route("GET", city, sta.service, READ, "staService", "SensorThings 1.1: the entity sets"),
        Route("GET", f"{city}/{{resource...}}", sta.read, READ, "staResource", "SensorThings 1.1: entities"),
    )


def at_origin() -> tuple[Route, ...]:
    """The routes at the root of the origin."""
    from reference_server.rest import openapi  # it reads this table

    return (
        *ogc_features(),
        *sensor_things(),
        Route("GET", "/openapi.json", openapi.read, None, "openapi", "The description of this server"),
        Route("GET", "/docs", openapi.page, None, "docs", "The operations on one page"),
        Route("GET", "/live", live.page, None, "live", "Live data on a page"),
        Route("GET", "/health", operations.health, None, "health", "The process answers"),
        Route("POST", "/oauth/token", oauth.token, None, "getToken", "A token for a client"),
        Route("GET", "/metrics", operations.metrics, None, "metrics", "Counters for Prometheus"),
        Route("GET", "/ready", operations.ready, None, "ready", "The storage answers"),
    )


class Match(msgspec.Struct, frozen=True):
    """What a path leads to: its routes by method, and the segments that stand for names, in order."""

    routes: dict[str, Route]
    values: tuple[bytes, ...]


class Table:
    """Finds the routes of a path by its segments; a literal segment wins over a name."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._root: dict[str, object] = {}
        for route in routes:
            node = self._root
            for part in route.path.strip("/").split("/"):
                key = _REST if part.endswith("...}") else _NAME if part.startswith("{") else part
                node = node.setdefault(key, {})  # type: ignore[assignment]
            methods = node.setdefault("", {})
            methods[route.method] = route  # type: ignore[index]

    def find(self, segments: Sequence[bytes]) -> Match | None:
        """The routes behind the raw segments of a path, or None."""
        node = self._root
        values: list[bytes] = []
        for number, raw in enumerate(segments):
            if _REST in node and raw:
                rest: dict[str, object] = node[_REST]  # type: ignore[assignment]
                return Match(rest[""], (*values, b"/".join(segments[number:])))  # type: ignore[arg-type]
            literal = node.get(raw.decode("latin-1")) if raw else None
            if literal is None:
                if _NAME not in node or not raw:
                    return None
                values.append(raw)
                literal = node[_NAME]
            node = literal  # type: ignore[assignment]
        routes = node.get("")
        return None if routes is None else Match(routes, tuple(values))  # type: ignore[arg-type]


def names(route: Route) -> list[str]:
    """The names in a route's path, in order."""
    return _names(route.path)


@functools.cache
def _names(path: str) -> list[str]:
    return [part[1:-1].removesuffix("...") for part in path.split("/") if part.startswith("{")]
