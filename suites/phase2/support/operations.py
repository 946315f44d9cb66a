"""The 22 operations of P2 4.2-4.8 as requests: valid, harmless, and for any city and caller."""

import re
from typing import Any

from dtc_cli.harness.suite import Answer, Blocked, Credential, Twin, catalogue, quote
from suites.phase2.support.lists import items_of
from suites.phase2.support.replies import code_of, error_of

OPERATIONS = catalogue().inventory
WRITES = tuple(operation for operation in OPERATIONS if operation.right == "write")
READS = tuple(operation for operation in OPERATIONS if operation.right == "read")
BY_ID = {operation.id: operation for operation in OPERATIONS}
UNKNOWN_CITY = "ZZ-NOWHERE-2025"
NO_SUCH_ID = "dtc-no-such-id"
SPAN = {"start": "2025-01-15T00:00:00Z", "end": "2025-01-15T01:00:00Z"}
ID_CODES = frozenset(
    {"CITY_NOT_FOUND", "OBJECT_NOT_FOUND", "SENSOR_NOT_FOUND", "SIMULATION_NOT_FOUND", "SERVICE_NOT_FOUND"}
)


class Operations:
    """Sends any of the 22 operations and knows whether the target routes it. One per run."""

    def __init__(self, twin: Twin) -> None:
        self._twin = twin
        self._ids: dict[str, str] = {}
        self._probes: dict[str, Answer] = {}
        self._nowhere: Answer | None = None

    def send(
        self,
        operation: str,
        *,
        city: str = "{city}",
        as_: str | Credential | None = None,
        ids: dict[str, str] | None = None,
        **options: Any,
    ) -> Answer:
        """Send an operation with a valid body; what it would change is nobody's or already so.

        Args:
            operation: id of the operation in the catalogue.
            city: the city in the path.
            as_: role or credential; by default the usual key.
            ids: ids for the path by the name of their placeholder; by default things that exist.
            options: further options of the REST port.
        """
        row = BY_ID[operation]
        path = re.sub(
            r"\{(\w+)\}",
            lambda found: (
                city if found[1] == "cityId" else quote((ids or {}).get(found[1]) or self.id(found[1]))
            ),
            row.path,
        )
        if row.method in {"POST", "PATCH"} and "json" not in options and "content" not in options:
            options["json"] = self.body(operation)
        if operation in {"get-sensor-data", "get-object-history"}:
            options.setdefault("params", SPAN)
        return self._twin.rest.request(row.method, path, as_=as_, **options)

    def id(self, placeholder: str) -> str:
        """An id for a placeholder of a path: of a thing that exists, where one can be had."""
        if placeholder == "timestamp":
            return self._twin.clock.now().isoformat(timespec="seconds").replace("+00:00", "Z")
        if placeholder not in self._ids:
            self._ids[placeholder] = self._find(placeholder)
        return self._ids[placeholder]

    def body(self, operation: str) -> dict[str, Any]:
        """A valid body for a POST or PATCH operation."""
        here = self._twin.scratch.geometry("Point")
        bodies: dict[str, dict[str, Any]] = {
            "patch-city": {"metadata": {"updateFrequency": self._frequency()}},
            "patch-object": {"properties": {"name": "dtc test"}},
            "create-object": {**self._twin.scratch.body(), "id": self._twin.scratch.new_id()},
            "register-sensor": {
                "type": "EnvironmentalSensor",
                "location": here,
                "specifications": {
                    "manufacturer": "dtc",
                    "model": "T-1",
                    "updateInterval": 300,
                    "dtcRun": self._twin.run_id,
                },
            },
            "post-sensor-data": {"measurements": [self._reading()]},
            "start-simulation": {"type": "TrafficFlow", "parameters": {"timeRange": dict(SPAN)}},
            "nearby": {"location": here, "radius": 500},
            "route": {"start": here, "end": self._twin.scratch.geometry("Point"), "mode": "driving"},
        }
        return bodies[operation]

    def probe(self, operation: str) -> Answer:
        """The answer to the operation with valid ids and, for POST, an empty body; asked once."""
        if operation not in self._probes:
            options: dict[str, Any] = {"json": {}} if BY_ID[operation].method in {"POST", "PATCH"} else {}
            ids = {}
            if operation == "delete-object":
                ids = {"objectId": self._twin.scratch.object()[0]}
            answer = self.send(operation, ids=ids, **options)
            self._probes[operation] = answer
        return self._probes[operation]

    def is_routed(self, answer: Answer) -> bool:
        """Whether the answer comes from the operation, not from a router that does not know it."""
        if answer.status in {405, 501}:
            return False
        if answer.status != 404 or code_of(answer) in ID_CODES:
            return True
        unknown = self._unknown_route()
        return code_of(answer) != code_of(unknown) or _wording(answer) != _wording(unknown)

    def need_routed(self, operation: str, answer: Answer) -> None:
        """Make sure that an unexpected answer is not that of a missing operation.

        Raises:
            Blocked: by DTC-P2-106 when it is.
        """
        if answer.status in {404, 405, 501} and not self.is_routed(answer):
            if answer.status == 404 and self.is_routed(self.probe(operation)):
                return
            raise Blocked("DTC-P2-106", f"the operation {operation} is not routed (status {answer.status})")

    def _unknown_route(self) -> Answer:
        if self._nowhere is None:
            self._nowhere = self._twin.rest.get("/cities/{city}/no-such-route-of-dtc")
        return self._nowhere

    def _find(self, placeholder: str) -> str:
        if placeholder == "objectId":
            return self._twin.scratch.object()[0]
        collection = {"sensorId": "sensors", "serviceId": "services"}.get(placeholder)
        if collection is None:
            return NO_SUCH_ID
        answer = self._twin.rest.get(f"/cities/{{city}}/{collection}", params={"limit": 1})
        items = (items_of(answer) if answer.ok else None) or ()
        found = items[0].get("id") if items else None
        return found if isinstance(found, str) and found else NO_SUCH_ID

    def _frequency(self) -> str:
        answer = self._twin.rest.get("/cities/{city}")
        body = answer.json() if answer.ok and answer.is_json else {}
        metadata = body.get("metadata") if isinstance(body, dict) else None
        frequency = metadata.get("updateFrequency") if isinstance(metadata, dict) else None
        return frequency if isinstance(frequency, str) else "1min"

    def _reading(self) -> dict[str, Any]:
        return {
            "parameter": "temperature",
            "value": 21.5,
            "unit": "celsius",
            "timestamp": self._twin.clock.now().isoformat(timespec="seconds"),
            "quality": "good",
        }


def _wording(answer: Answer) -> str:
    """What a refusal says, without paths, methods, numbers and quotes: the same for all unknown routes."""
    error = error_of(answer) or {}
    text = str(error.get("message") or answer.body.decode("utf-8", "replace"))
    text = re.sub(r"\S*/\S*|\b(GET|POST|PUT|PATCH|DELETE)\b|[\d\"'`]", " ", text)
    return " ".join(text.split()).lower()
