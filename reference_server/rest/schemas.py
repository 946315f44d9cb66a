"""JSON Schemas of what is sent and served, for the OpenAPI document (2020-12, as OpenAPI 3.1 uses)."""

from typing import Any

from reference_server.rest import geojson_schemas
from reference_server.services import credentials, places, simulations

Schema = dict[str, Any]


def ref(name: str) -> Schema:
    """A reference to a component schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def thing(required: list[str], **properties: Schema) -> Schema:
    """An object with further members allowed."""
    return {"type": "object", "required": required, "properties": properties}


def listed(items: Schema) -> Schema:
    """An array."""
    return {"type": "array", "items": items}


TEXT: Schema = {"type": "string"}
NAME: Schema = {"type": "string", "minLength": 1}
NUMBER: Schema = {"type": "number"}
COUNT: Schema = {"type": "integer", "minimum": 0}
SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
INSTANT: Schema = {"type": "string", "format": "date-time"}
NO_CONTROLS = r"^[^\x00-\x1f\x7f]+$"
ANY: Schema = {"type": "object"}
POINTER: Schema = {"type": "string", "pattern": "^(/([^~/]|~[01])*)*$"}
DURATION = (
    "^[1-9][0-9]{0,4}(s|min)$|^[1-9][0-9]{0,2}(h|hour)$|^([1-9][0-9]?|[12][0-9]{2}|3[0-5][0-9]|36[0-6])d$"
)
SYSTEM = thing(["type", "epsg"], type={"enum": ["WGS84", "UTM", "local"]}, epsg={"type": "integer"})
PAGE = {"count": COUNT, "total": COUNT, "limit": COUNT, "offset": COUNT, "next": TEXT}
RANGE = thing(["start", "end"], start=INSTANT, end=INSTANT)
STATUS: Schema = {"enum": ["pending", "running", "completed", "failed", "cancelled"]}
MODE: Schema = {"enum": ["driving", "walking", "cycling", "transit"]}
ID: Schema = {"type": "string", "minLength": 1, "maxLength": 200, "pattern": NO_CONTROLS}
LABEL: Schema = {"type": "string", "minLength": 1, "maxLength": 200}
STAMPS = {"type": "object", "properties": {"created": INSTANT, "lastUpdated": INSTANT}}
MAYBE: Schema = {"type": ["string", "null"]}
CITY_ID: Schema = {"type": "string", "pattern": "^[A-Z]{2}-[A-Z0-9]+-[0-9]{4}$"}
QUANTITY: Schema = {"not": {"type": ["boolean", "string"]}, "minimum": 0}
SENSOR_STATUS = thing(
    ["operational"],
    operational={"type": "boolean"},
    battery={"type": "number", "minimum": 0, "maximum": 100},
    lastMaintenance=INSTANT,
)
KINDS: Schema = {
    "enum": [
        "TrafficFlow",
        "EnergyConsumption",
        "AirQuality",
        "FloodRisk",
        "EmergencyResponse",
        "CrowdDynamics",
    ]
}

COMPONENTS: dict[str, Schema] = {
    "Error": thing(
        ["error"],
        error=thing(
            ["code", "message", "timestamp"],
            code=NAME,
            message=NAME,
            details=ANY,
            timestamp=INSTANT,
            number={"type": "integer"},
        ),
    ),
    **geojson_schemas.COMPONENTS,
    "City": thing(
        ["cityId", "name", "bounds", "coordinateSystem", "statistics", "lastUpdated"],
        cityId=CITY_ID,
        name=NAME,
        bounds=ref("Polygon"),
        coordinateSystem=SYSTEM,
        statistics=thing(
            ["totalObjects", "buildings", "roads", "sensors"],
            totalObjects=COUNT,
            buildings=COUNT,
            roads=COUNT,
            sensors=COUNT,
        ),
        lastUpdated=INSTANT,
    ),
    "Cities": thing(["cities", "count"], cities=listed(ref("City")), count=COUNT, total=COUNT),
    "NewCity": thing(
        ["cityId", "name", "bounds", "coordinateSystem"],
        cityId=CITY_ID,
        name=NAME,
        bounds=ref("Polygon"),
        coordinateSystem=SYSTEM,
        version={"type": "string", "pattern": r"^(0|[1-9][0-9]{0,5})\.[0-9]{1,5}\.[0-9]{1,5}$"},
        metadata=ANY,
    ),
    "Statistics": thing(
        ["cityObjects", "sensors", "dataQuality"],
        cityObjects=thing(["total", "byType"], total=COUNT, byType=ANY),
        sensors=thing(
            ["total", "operational", "offline", "byType"], total=COUNT, operational=COUNT, offline=COUNT
        ),
        dataQuality=thing(["overall", "geometryAccuracy", "sensorReliability"], overall=SHARE),
    ),
    "NewObject": thing(
        ["type", "geometry", "properties"],
        id=ID,
        type=NAME,
        geometry=ref("Geometry"),
        properties=ANY,
        sensors=listed(TEXT),
        metadata=STAMPS,
    ),
    "CityObject": thing(
        ["id", "type", "geometry", "properties"],
        id=NAME,
        type=NAME,
        geometry=ref("Geometry"),
        properties=ANY,
        sensors=listed(TEXT),
        metadata=ANY,
    ),
    "ObjectPart": thing(["id"], id=NAME, type=NAME, geometry=ref("Geometry"), properties=ANY, metadata=ANY),
    "Created": thing(["id", "type", "created"], id=NAME, type=NAME, created=INSTANT),
    "ObjectPage": thing(
        ["objects", "count", "total", "limit", "offset"], objects=listed(ref("ObjectPart")), **PAGE
    ),
    "Patch": ANY,
    "JsonPatch": {
        "type": "array",
        "maxItems": 1000,
        "items": {
            "anyOf": [
                thing(["op", "path", "value"], op={"enum": ["add", "replace", "test"]}, path=POINTER),
                thing(
                    ["op", "path", "from"],
                    **{"op": {"enum": ["move", "copy"]}, "path": POINTER, "from": POINTER},
                ),
                thing(["op", "path"], op={"const": "remove"}, path=POINTER),
            ]
        },
    },
    "NewSensor": thing(
        ["type"],
        id=ID,
        type=NAME,
        location=ref("Point"),
        attachedTo=MAYBE,
        specifications=ANY,
        status=SENSOR_STATUS,
        metadata=ANY,
    ),
    "Sensor": thing(["id", "type"], id=NAME, type=NAME, location=ref("Point"), attachedTo=MAYBE, status=ANY),
    "SensorPage": thing(
        ["sensors", "count", "total", "limit", "offset"], sensors=listed(ref("Sensor")), **PAGE
    ),
    "Measurement": thing(
        ["parameter", "value", "unit", "timestamp", "quality"],
        parameter=LABEL,
        value=NUMBER,
        unit=LABEL,
        timestamp=INSTANT,
        quality={"enum": ["excellent", "good", "fair", "poor"]},
        confidence=SHARE,
    ),
    "NewMeasurements": thing(["measurements"], measurements=listed(ref("Measurement"))),
    "Accepted": thing(["sensorId", "accepted"], sensorId=NAME, accepted=COUNT, stored=COUNT, replaced=COUNT),
    "SensorData": thing(
        ["sensorId", "timeRange", "measurements", "count"],
        sensorId=NAME,
        timeRange=RANGE,
        measurements=listed(ref("Measurement")),
        count=COUNT,
    ),
    "Aggregate": thing(["results", "count"], results=listed(thing(["timestamp", "value"])), count=COUNT),
    "Latest": thing(["results", "count"], results=listed(thing(["sensorId", "measurements"])), count=COUNT),
    "NewSimulation": thing(
        ["type", "parameters"],
        type=KINDS,
        parameters={
            "type": "object",
            "minProperties": 1,
            "properties": {
                "timeRange": RANGE,
                "repetitions": {"type": "integer", "minimum": 0, "maximum": simulations.MAX_REPETITIONS},
                "timeLimit": {"type": "string", "pattern": DURATION},
                **dict.fromkeys(simulations.TEXT, TEXT),
                **dict.fromkeys(simulations.NUMBERS, QUANTITY),
            },
        },
    ),
    "SimulationStarted": thing(
        ["id", "type", "status", "created", "estimatedCompletion"],
        id=NAME,
        type=KINDS,
        status=STATUS,
        created=INSTANT,
        estimatedCompletion=INSTANT,
    ),
    "SimulationStatus": thing(
        ["id", "type", "status", "created", "progress"],
        id=NAME,
        type=KINDS,
        status=STATUS,
        created=INSTANT,
        completed=INSTANT,
        progress={"type": "number", "minimum": 0, "maximum": 100},
    ),
    "SimulationPage": thing(["simulations", "count", "total"], simulations=listed(ANY), **PAGE),
    "SimulationResults": thing(
        ["simulationId", "type", "results", "confidence", "validUntil"],
        simulationId=NAME,
        type=KINDS,
        results=ANY,
        confidence=SHARE,
        validUntil=INSTANT,
    ),
    "Service": thing(
        ["id", "name", "category", "type", "status"], id=NAME, name=NAME, category=NAME, status=NAME
    ),
    "Services": thing(["services"], services=listed(ref("Service"))),
    "ServiceStatus": thing(["id", "status"], id=NAME, status=NAME, lastUpdated=INSTANT),
    "NewServiceStatus": {
        **thing(["status"], status={"enum": ["operational", "degraded", "outage", "maintenance"]}),
        "additionalProperties": False,
    },
    "NearbyQuestion": thing(
        ["location", "radius"],
        location=ref("Point"),
        radius={"type": "number", "minimum": 0, "maximum": places.HALF_WAY_ROUND_M},
        type=MAYBE,
    ),
    "Nearby": thing(
        ["query", "results", "count"],
        results=listed(
            thing(["id", "name", "distance", "location"], distance=NUMBER, location=ref("Position"))
        ),
        count=COUNT,
    ),
    "RouteQuestion": thing(["start", "end"], start=ref("Point"), end=ref("Point"), mode=MODE),
    "Route": thing(
        ["route", "distance", "duration", "mode", "instructions"],
        route=ref("Geometry"),
        distance=NUMBER,
        duration=NUMBER,
        mode=MODE,
        instructions=listed(ANY),
    ),
    "AccessQuestion": thing(
        ["location"],
        location=ref("Point"),
        mode=MODE,
        minutes={"type": "number", "exclusiveMinimum": 0, "maximum": 240},
    ),
    "Access": thing(["location", "mode", "minutes", "area"], area={"type": ["object", "null"]}),
    "History": thing(
        ["objectId", "timeRange", "versions"], objectId=NAME, timeRange=RANGE, versions=listed(ANY)
    ),
    "Comparison": thing(["time1", "time2", "differences"], time1=INSTANT, time2=INSTANT, differences=ANY),
    "Record": thing(
        ["version", "cityId", "timestamp", "bounds", "coordinateSystem"],
        version=TEXT,
        cityId=TEXT,
        timestamp=INSTANT,
        cityObjects=listed(ref("CityObject")),
        sensorNetwork=ANY,
        simulations=listed(ANY),
        services=listed(ANY),
    ),
    "Audit": thing(
        ["entries", "count"],
        entries=listed(
            thing(
                ["sequence", "timestamp", "actor", "kind", "entity", "action"],
                sequence=COUNT,
                timestamp=INSTANT,
                actor=TEXT,
                kind=NAME,
                entity=TEXT,
                action=NAME,
            )
        ),
        count=COUNT,
    ),
    "Alerts": thing(
        ["alerts", "count"],
        alerts=listed(
            thing(
                ["id", "eventType", "severity", "category", "timestamp"],
                id=NAME,
                eventType=NAME,
                severity={"enum": ["critical", "high", "medium", "low"]},
                category=NAME,
                timestamp=INSTANT,
                sequence=COUNT,
            )
        ),
        count=COUNT,
    ),
    "Credentials": thing(
        ["credentials", "count"],
        credentials=listed(thing(["name", "kind", "role"], name=NAME, kind=NAME, role=NAME)),
        count=COUNT,
    ),
    "Rotation": thing([], graceSeconds={"type": "integer", "minimum": 0, "maximum": credentials.MAX_GRACE_S}),
    "NewSecret": thing(["name", "secret", "oldSecretUntil"], name=NAME, secret=NAME, oldSecretUntil=INSTANT),
    "Token": thing(
        ["access_token", "token_type", "expires_in"],
        access_token=NAME,
        token_type={"const": "Bearer"},
        expires_in=COUNT,
    ),
    "OAuthError": thing(["error"], error=NAME, error_description=TEXT),
    "Messages": thing(
        ["messages", "count", "gaps", "next"],
        messages={"type": "array", "items": ANY},
        count=COUNT,
        gaps={"type": "array", "items": TEXT},
        next=COUNT,
        more={"type": "boolean"},
    ),
    "Health": thing(["status"], status=TEXT),
    "Ready": thing(["ready"], ready={"type": "boolean"}),
}

SHAPES: dict[str, tuple[str | None, int, str | None]] = {
    "queryCities": (None, 200, "Cities"),
    "createCity": ("NewCity", 201, "City"),
    "deleteCity": (None, 204, None),
    "audit": (None, 200, "Audit"),
    "cityAudit": (None, 200, "Audit"),
    "queryAlerts": (None, 200, "Alerts"),
    "listCredentials": (None, 200, "Credentials"),
    "rotateCredential": ("Rotation", 200, "NewSecret"),
    "getCity": (None, 200, "City"),
    "updateCity": ("Patch", 200, "City"),
    "getCityStatistics": (None, 200, "Statistics"),
    "queryObjects": (None, 200, "ObjectPage"),
    "createObject": ("NewObject", 201, "Created"),
    "getObject": (None, 200, "ObjectPart"),
    "updateObject": ("Patch", 200, "CityObject"),
    "deleteObject": (None, 204, None),
    "querySensors": (None, 200, "SensorPage"),
    "registerSensor": ("NewSensor", 201, "Created"),
    "latestReadings": (None, 200, "Latest"),
    "aggregateSensorData": (None, 200, "Aggregate"),
    "getSensor": (None, 200, "Sensor"),
    "updateSensor": ("Patch", 200, "Sensor"),
    "deleteSensor": (None, 204, None),
    "getSensorData": (None, 200, "SensorData"),
    "submitSensorData": ("NewMeasurements", 201, "Accepted"),
    "queryServices": (None, 200, "Services"),
    "getService": (None, 200, "Service"),
    "updateServiceStatus": ("NewServiceStatus", 200, "Service"),
    "getServiceStatus": (None, 200, "ServiceStatus"),
    "startSimulation": ("NewSimulation", 202, "SimulationStarted"),
    "querySimulations": (None, 200, "SimulationPage"),
    "getSimulation": (None, 200, "SimulationStatus"),
    "getSimulationResults": (None, 200, "SimulationResults"),
    "cancelSimulation": (None, 204, None),
    "findNearby": ("NearbyQuestion", 200, "Nearby"),
    "findRoute": ("RouteQuestion", 200, "Route"),
    "analyzeAccessibility": ("AccessQuestion", 200, "Access"),
    "getObjectHistory": (None, 200, "History"),
    "compareSnapshots": (None, 200, "Comparison"),
    "getSnapshot": (None, 200, "Record"),
    "stream": (None, 101, None),
    "queryMessages": (None, 200, "Messages"),
    "health": (None, 200, "Health"),
    "ready": (None, 200, "Ready"),
}
"""By operation: the schema of the body, the status of success, the schema of its answer."""
