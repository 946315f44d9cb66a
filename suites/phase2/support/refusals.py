"""One answer of each kind of error, asked once and judged from several sides (DTC-P2-002, -092..-100)."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple

from dtc_cli.harness.suite import Answer, Blocked, Credential, NotApplicable, NotTested, Twin, quote
from suites.phase2.support.lists import OBJECTS
from suites.phase2.support.operations import NO_SUCH_ID, UNKNOWN_CITY, Operations
from suites.phase2.support.replies import NOT_ROUTED
from suites.phase2.support.tokens import bare
from suites.phase2.support_live_sensors import data, sensor

CITY = "/cities/{city}"
BROKEN_JSON = b'{"type": "Building", '


class Kind(NamedTuple):
    """A kind of error: how to bring it about, and what the standard says about it."""

    name: str
    requirement: str
    """Demands the refusal; to be looked at when there is none."""
    ask: Callable[["Refusals"], Answer]
    codes: frozenset[str] = frozenset()
    """The codes of P2 9.2 that fit, when one does."""
    details: Mapping[str, str] = {}
    """Ids from the path that DTC-P2-097 wants in `details`; `{city}` stands for the city under test."""


class Refusal(NamedTuple):
    """An error answer and the instant at which it came."""

    kind: Kind
    answer: Answer
    at: datetime


class Refusals:
    """Brings about each kind of error at most once per run."""

    def __init__(self, twin: Twin, operations: Operations) -> None:
        self.twin = twin
        self.operations = operations
        self._found: dict[str, Refusal] = {}

    def get(self, kind: Kind) -> Refusal:
        """The answer of that kind.

        Raises:
            Blocked: when the target does not refuse, by the requirement that demands it.
            NotApplicable: when the run has no key or no leave to bring it about.
        """
        if kind.name not in self._found:
            try:
                self._found[kind.name] = Refusal(kind, kind.ask(self), self.twin.clock.now())
            except NotTested as problem:
                raise NotApplicable(f"{kind.name} cannot be brought about: {problem.message}") from problem
        refusal = self._found[kind.name]
        if not 400 <= refusal.answer.status < 600:
            raise Blocked(kind.requirement, f"{kind.name} is not refused (status {refusal.answer.status})")
        return refusal

    def get_sound(self, kind: Kind) -> Refusal:
        """The answer of that kind, when it is no crash: 5xx where a 4xx is due is the kind's own matter.

        Raises:
            Blocked: when the target does not refuse, or answers 5xx.
        """
        refusal = self.get(kind)
        if refusal.answer.status >= 500 and refusal.answer.status not in NOT_ROUTED:
            raise Blocked(kind.requirement, f"{kind.name} is answered with status {refusal.answer.status}")
        return refusal


def _get(path: str, **params: str) -> Callable[[Refusals], Answer]:
    return lambda here: here.twin.rest.get(path, params=params)


def _as(credential: Callable[[Twin], str | Credential]) -> Callable[[Refusals], Answer]:
    return lambda here: here.twin.rest.get(CITY, as_=credential(here.twin))


def _post(body: Callable[[Refusals], object], path: str = OBJECTS) -> Callable[[Refusals], Answer]:
    def ask(here: Refusals) -> Answer:
        here.twin.need_hazard("write")
        sent = body(here)
        if path == OBJECTS and isinstance(sent, dict):
            return _taken_back(here, here.twin.scratch.post(sent))
        return here.twin.rest.post(path, json=sent)

    return ask


def _taken_back(here: Refusals, answer: Answer) -> Answer:
    """The answer; what was created although it should not have been is removed at once."""
    body = answer.json() if answer.ok and answer.is_json else None
    if isinstance(body, dict) and isinstance(body.get("id"), str):
        here.twin.rest.delete(f"{OBJECTS}/{quote(body['id'])}")
    return answer


def _object(method: str, content: bytes = b"", media: str = "") -> Callable[[Refusals], Answer]:
    """A request to an object that exists, with raw content."""

    def ask(here: Refusals) -> Answer:
        path = f"{OBJECTS}/{quote(here.operations.id('objectId'))}"
        headers = {"Content-Type": media or "application/json"}
        return here.twin.rest.request(method, path, content=content, headers=headers)

    return ask


def _unknown(method: str) -> Callable[[Refusals], Answer]:
    def ask(here: Refusals) -> Answer:
        here.twin.need_hazard("write" if method != "GET" else "read")
        body = b'{"properties": {"name": "dtc"}}' if method == "PATCH" else b""
        return here.twin.rest.request(method, f"{OBJECTS}/{NO_SUCH_ID}", content=body)

    return ask


def _viewer(here: Refusals) -> Answer:
    here.twin.need_role("viewer")
    return here.twin.scratch.post(here.twin.scratch.body(), as_="viewer")


def _duplicate(here: Refusals) -> Answer:
    here.twin.need_hazard("write")
    created, body = here.twin.scratch.object()
    return here.twin.scratch.post({**body, "id": created})


def _outside(here: Refusals) -> dict[str, object]:
    point = {"type": "Point", "coordinates": list(here.twin.city.outside())}
    return {**here.twin.scratch.body("Landmark"), "geometry": point}


def _sensor_outside(here: Refusals) -> dict[str, object]:
    point = {"type": "Point", "coordinates": list(here.twin.city.outside())}
    return {**here.operations.body("register-sensor"), "location": point}


def _sensor_attached(here: Refusals) -> dict[str, object]:
    return {**here.operations.body("register-sensor"), "attachedTo": NO_SUCH_ID}


def _registered(body: Callable[[Refusals], object]) -> Callable[[Refusals], Answer]:
    """A registration; what was registered although it should not have been is retired after the run."""

    def ask(here: Refusals) -> Answer:
        here.twin.need_hazard("write")
        return here.twin.scratch.post_sensor(body(here))

    return ask


def _measurement(here: Refusals) -> Answer:
    """A humidity beyond its range, for a sensor of the run."""
    here.twin.need_hazard("write")
    wet = {**here.operations.body("post-sensor-data")["measurements"][0], "parameter": "humidity"}
    return here.twin.scratch.post_readings(sensor(here.twin).id, [{**wet, "unit": "percent", "value": 150}])


def _data_range(here: Refusals) -> Answer:
    here.twin.need_hazard("write")
    return data(here.twin, sensor(here.twin).id, "2025-01-15T01:00:00Z", "2025-01-15T00:00:00Z")


def _malformed(here: Refusals) -> Answer:
    here.twin.need_hazard("write")
    return here.twin.rest.post(OBJECTS, content=BROKEN_JSON, headers={"Content-Type": "application/json"})


def _xml(here: Refusals) -> Answer:
    here.twin.need_hazard("write")
    return here.twin.rest.post(OBJECTS, content=b"<object/>", headers={"Content-Type": "text/xml"})


def _bad_token(_twin: Twin) -> Credential:
    return Credential("bad-token", {"Authorization": "Bearer x.y.z"})


def _codes(*names: str) -> frozenset[str]:
    return frozenset(names)


KINDS: tuple[Kind, ...] = (
    Kind(
        "city-unknown",
        "DTC-P2-005",
        _get(f"/cities/{UNKNOWN_CITY}"),
        _codes("CITY_NOT_FOUND"),
        {"cityId": UNKNOWN_CITY},
    ),
    Kind(
        "city-unknown-list", "DTC-P2-005", _get(f"/cities/{UNKNOWN_CITY}/objects"), _codes("CITY_NOT_FOUND")
    ),
    Kind(
        "city-malformed", "DTC-P2-006", _get("/cities/seoul"), _codes("CITY_NOT_FOUND", "INVALID_CITY_DATA")
    ),
    Kind(
        "city-data",
        "DTC-P2-007",
        lambda here: here.twin.rest.patch(CITY, json={"cityId": "bad"}),
        _codes("INVALID_CITY_DATA"),
    ),
    Kind(
        "object-unknown",
        "DTC-P2-022",
        _unknown("GET"),
        _codes("OBJECT_NOT_FOUND"),
        {"cityId": "{city}", "objectId": NO_SUCH_ID},
    ),
    Kind("patch-unknown", "DTC-P2-022", _unknown("PATCH"), _codes("OBJECT_NOT_FOUND")),
    Kind("delete-unknown", "DTC-P2-022", _unknown("DELETE"), _codes("OBJECT_NOT_FOUND")),
    Kind("duplicate", "DTC-P2-017", _duplicate, _codes("DUPLICATE_OBJECT")),
    Kind(
        "geometry",
        "DTC-P2-018",
        _post(lambda here: {**here.twin.scratch.body(), "geometry": {"type": "Blob", "coordinates": []}}),
        _codes("INVALID_GEOMETRY"),
    ),
    Kind("outside", "DTC-P2-019", _post(_outside), _codes("OUT_OF_BOUNDS")),
    Kind("member-missing", "DTC-P2-020", _post(lambda _here: {"type": "Building"})),
    Kind("bounds", "DTC-P2-029", _get(OBJECTS, bounds="1,2,3")),
    Kind("limit", "DTC-P2-036", _get(OBJECTS, limit="abc")),
    Kind("offset", "DTC-P2-039", _get(OBJECTS, offset="-5")),
    Kind("malformed", "DTC-P2-098", _malformed),
    Kind("malformed-patch", "DTC-P2-098", _object("PATCH", BROKEN_JSON)),
    Kind("media-type", "DTC-P2-098", _xml),
    Kind("route", "DTC-P2-099", _get(f"{CITY}/no-such-route-of-dtc")),
    Kind("route-top", "DTC-P2-099", _get("/no-such-route-of-dtc")),
    Kind("method", "DTC-P2-099", lambda here: here.twin.rest.request("PUT", OBJECTS, json={})),
    Kind("credentials-none", "DTC-P2-087", _as(bare), _codes("UNAUTHORIZED")),
    Kind(
        "key-unknown",
        "DTC-P2-088",
        _as(lambda _twin: Credential("unknown", {"X-API-Key": "nonsense"})),
        _codes("INVALID_API_KEY", "UNAUTHORIZED"),
    ),
    Kind("token-unknown", "DTC-P2-089", _as(_bad_token), _codes("UNAUTHORIZED")),
    Kind("right-missing", "DTC-P2-091", _viewer, _codes("FORBIDDEN")),
    Kind("sensor", "DTC-P2-044", _post(lambda _here: {}, f"{CITY}/sensors")),
    Kind(
        "sensor-unknown",
        "DTC-P2-061",
        _get(f"{CITY}/sensors/{NO_SUCH_ID}/data"),
        _codes("SENSOR_NOT_FOUND"),
        {"sensorId": NO_SUCH_ID},
    ),
    Kind("sensor-outside", "DTC-P2-046", _registered(_sensor_outside), _codes("OUT_OF_BOUNDS")),
    Kind("sensor-attached", "DTC-P2-045", _registered(_sensor_attached), _codes("OBJECT_NOT_FOUND")),
    Kind("measurement", "DTC-P2-056", _measurement, _codes("INVALID_MEASUREMENT")),
    Kind("data-range", "DTC-P2-053", _data_range),
    Kind(
        "simulation",
        "DTC-P2-066",
        _post(lambda _here: {"type": "DtcNoSuchType", "parameters": {}}, f"{CITY}/simulations"),
        _codes("INVALID_PARAMETERS"),
    ),
    Kind(
        "simulation-unknown",
        "DTC-P2-072",
        _get(f"{CITY}/simulations/{NO_SUCH_ID}"),
        _codes("SIMULATION_NOT_FOUND"),
        {"simulationId": NO_SUCH_ID},
    ),
    Kind(
        "results-unknown",
        "DTC-P2-072",
        _get(f"{CITY}/simulations/{NO_SUCH_ID}/results"),
        _codes("SIMULATION_NOT_FOUND"),
    ),
    Kind("service-unknown", "DTC-P2-077", _get(f"{CITY}/services/{NO_SUCH_ID}/status")),
    Kind("nearby", "DTC-P2-080", _post(lambda _here: {"radius": -5}, f"{CITY}/spatial/nearby")),
    Kind("route-request", "DTC-P2-082", _post(lambda _here: {"mode": "driving"}, f"{CITY}/spatial/route")),
    Kind(
        "history-unknown",
        "DTC-P2-083",
        _get(f"{OBJECTS}/{NO_SUCH_ID}/history", start="2025-01-15T00:00:00Z", end="2025-01-15T01:00:00Z"),
        _codes("OBJECT_NOT_FOUND"),
    ),
    Kind("snapshot", "DTC-P2-084", _get(f"{CITY}/snapshots/not-a-time")),
)
