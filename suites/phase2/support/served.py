"""One answer of each kind that a target serves, asked once and judged from several sides."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from dtc_cli.harness.suite import Answer, Blocked, NotApplicable, NotTested, Twin, quote
from suites.phase2.support.lists import OBJECTS
from suites.phase2.support.operations import NO_SUCH_ID, Operations
from suites.phase2.support.replies import set_up

CITY = "/cities/{city}"
PATIENCE = timedelta(seconds=15)
"""How long a simulation may take before its results count as not to be had."""
UNFINISHED = frozenset({"pending", "queued", "running", "starting"})


class Served:
    """Asks for each kind of answer at most once; what cannot be had is judged by nobody here."""

    def __init__(self, twin: Twin, operations: Operations) -> None:
        self._twin = twin
        self._operations = operations
        self._found: dict[str, Answer | NotApplicable] = {}
        self._asked: dict[str, tuple[str, Callable[[], Answer]]] = {
            "city": ("DTC-P2-003", lambda: twin.rest.get(CITY)),
            "statistics": ("DTC-P2-009", lambda: twin.rest.get(f"{CITY}/statistics")),
            "object": ("DTC-P2-021", lambda: operations.send("get-object")),
            "objects": ("DTC-P2-026", lambda: twin.rest.get(OBJECTS, params={"limit": 100})),
            "created-object": ("DTC-P2-013", lambda: twin.scratch.post(twin.scratch.body())),
            "patched-object": ("DTC-P2-023", lambda: operations.send("patch-object")),
            "sensors": ("DTC-P2-047", lambda: twin.rest.get(f"{CITY}/sensors", params={"limit": 100})),
            "created-sensor": ("DTC-P2-044", lambda: operations.send("register-sensor")),
            "sensor-data": ("DTC-P2-049", self._readings),
            "services": ("DTC-P2-075", lambda: operations.send("list-services")),
            "service-status": ("DTC-P2-077", lambda: operations.send("get-service-status")),
            "nearby": ("DTC-P2-078", lambda: operations.send("nearby")),
            "route": ("DTC-P2-081", lambda: operations.send("route")),
            "history": ("DTC-P2-083", self._history),
            "snapshot": ("DTC-P2-084", lambda: operations.send("get-snapshot")),
            "started-simulation": ("DTC-P2-064", lambda: operations.send("start-simulation")),
            "simulation": ("DTC-P2-067", lambda: self._simulation("")),
            "simulation-results": ("DTC-P2-070", self._results),
        }

    def get(self, name: str) -> Answer:
        """The answer of that kind.

        Raises:
            NotApplicable: when there is none to be had; whose fault that is, its own requirement tells.
        """
        if name not in self._found:
            by, ask = self._asked[name]
            try:
                self._found[name] = self._ask(by, name, ask)
            except (Blocked, NotTested) as problem:
                self._found[name] = NotApplicable(f"no answer of the kind {name}: {problem.message}")
        found = self._found[name]
        if isinstance(found, NotApplicable):
            raise NotApplicable(found.message)
        return found

    def _ask(self, by: str, name: str, ask: Callable[[], Answer]) -> Answer:
        if name not in {
            "city",
            "statistics",
            "objects",
            "sensors",
            "services",
            "nearby",
            "route",
            "snapshot",
        }:
            self._twin.need_hazard("write")
        answer = ask()
        if answer.status == 404 and not self._operations.is_routed(answer):
            by = "DTC-P2-106"
        return set_up(answer, by, f"{name} is not served")

    def _readings(self) -> Answer:
        """The readings of a sensor of the last day, one of ours among them where it can be sent."""
        sensor = self._new_sensor()
        path = f"{CITY}/sensors/{quote(sensor)}/data"
        self._twin.rest.post(path, json=self._operations.body("post-sensor-data"))
        now = self._twin.clock.now()
        span = {
            "start": (now - timedelta(days=1)).isoformat(timespec="seconds"),
            "end": (now + timedelta(minutes=1)).isoformat(timespec="seconds"),
        }
        return self._twin.rest.get(path, params=span)

    def _new_sensor(self) -> str:
        """The sensor that was registered here, else one that exists."""
        registered = self._found.get("created-sensor")
        if registered is None:
            try:
                registered = self.get("created-sensor")
            except NotApplicable:
                registered = None
        body = registered.json() if isinstance(registered, Answer) and registered.is_json else None
        found = body.get("id") if isinstance(body, dict) else None
        return found if isinstance(found, str) and found else self._operations.id("sensorId")

    def _history(self) -> Answer:
        """The history of an object that was just patched."""
        created, _ = self._twin.scratch.object()
        self._twin.rest.patch(f"{OBJECTS}/{quote(created)}", json={"properties": {"name": "second"}})
        now = self._twin.clock.now()
        span = {
            "start": (now - timedelta(hours=1)).isoformat(timespec="seconds"),
            "end": (now + timedelta(minutes=1)).isoformat(timespec="seconds"),
        }
        return self._twin.rest.get(f"{OBJECTS}/{quote(created)}/history", params=span)

    def _simulation(self, tail: str) -> Answer:
        body: Any = self.get("started-simulation").json()
        found = body.get("id") if isinstance(body, dict) else None
        created = found if isinstance(found, str) and found else NO_SUCH_ID
        return self._twin.rest.get(f"{CITY}/simulations/{quote(created)}{tail}")

    def _results(self) -> Answer:
        """The results of the simulation that was started here, once it is over."""
        end = self._twin.clock.now() + PATIENCE
        pause = 0.05
        while self._twin.clock.now() < end:
            answer = self._simulation("")
            body = answer.json() if answer.ok and answer.is_json else None
            if not isinstance(body, dict) or body.get("status") not in UNFINISHED:
                break
            self._twin.clock.wait(pause)
            pause = min(1.0, 2 * pause)
        return self._simulation("/results")
