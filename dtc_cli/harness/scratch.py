"""Things a suite creates in the target to test with, and the clean-up after them."""

import copy
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from itertools import groupby
from random import Random
from typing import Any

from dtc_cli.clients.answer import Answer, TargetMisbehaves
from dtc_cli.clients.rest import Rest, quote
from dtc_cli.core.canonical import sha256_hex
from dtc_cli.harness.city import City
from dtc_cli.harness.journal import Journal
from dtc_cli.harness.outcomes import Blocked
from dtc_cli.harness.own_records import RUN_TAG

GEOMETRY_OF = {
    "Road": "LineString",
    "Bridge": "LineString",
    "Utility": "Point",
    "Landmark": "Point",
    "TransportHub": "Point",
}
"""The usual geometry of an object type; a Polygon for the rest."""
TYPE_OF = {"Point": "Landmark", "LineString": "Road"}
"""An object type that a geometry fits; a Building for areas. A target may refuse a Building that is a point:
DTC-P2-016 speaks of the fitting kinds only."""

_OBJECT, _SENSOR, _SIMULATION = "object", "sensor", "simulation"


class Scratch:
    """Creates objects that belong to the run and removes them again."""

    def __init__(
        self,
        rest: Rest,
        journal: Journal,
        run_id: str,
        *,
        city: Callable[[], City],
        random: Callable[[], Random],
    ) -> None:
        self._rest = rest
        self._journal = journal
        self._run_id = run_id
        self._city = city
        self._random = random
        self._numbers: Counter[float] = Counter()
        self._posts: dict[str, str] = {}

    def body(self, kind: str = "Building", **properties: Any) -> dict[str, Any]:
        """A valid create request: a small geometry well inside the city bounds, tagged with the run id.

        Positions are in the city's own coordinate system, longitude or easting first.
        """
        return {
            "type": kind,
            "geometry": self.geometry(GEOMETRY_OF.get(kind, "Polygon")),
            "properties": {"name": f"dtc test {kind}", RUN_TAG: self._run_id, **properties},
        }

    def geometry(self, kind: str) -> dict[str, Any]:
        """A small geometry of that GeoJSON type at a place of its own inside the city bounds."""
        city = self._city()
        x, y = city.place(Random(self._next()))
        right, top = round(x + city.side, 6), round(y + city.side, 6)
        ring = [[x, y], [right, y], [right, top], [x, top], [x, y]]
        coordinates: dict[str, Any] = {
            "Point": [x, y],
            "LineString": [[x, y], [right, top]],
            "Polygon": [ring],
            "MultiPolygon": [[ring]],
        }
        return {"type": kind, "coordinates": coordinates[kind]}

    def shaped(self, geometry: object, **properties: Any) -> dict[str, Any]:
        """A create request with this geometry, sound or not, and a type that the geometry fits."""
        kind = geometry.get("type") if isinstance(geometry, Mapping) else None
        body = self.body(TYPE_OF.get(str(kind), "Building"), **properties)
        return {**body, "geometry": geometry}

    def post(self, body: Mapping[str, Any], **options: Any) -> Answer:
        """POST an object, whatever comes of it; what is created is removed after the run."""
        if isinstance(body.get("id"), str):
            self._plan(body["id"])
        answer = self._rest.post("/cities/{city}/objects", json=body, **options)
        created = object_id(answer)
        if created is not None:
            self._plan(created)
        return answer

    def posts(self, bodies: Iterable[Mapping[str, Any]], **options: Any) -> "list[Answer | Exception]":
        """POST objects whose ids the target assigns, a few at a time (`Rest.together`)."""
        found = self._rest.together(
            [("POST", "/cities/{city}/objects", {"json": body, **options}) for body in bodies]
        )
        for answer in found:
            created = object_id(answer) if isinstance(answer, Answer) else None
            if created is not None:
                self._plan(created)
        return found

    def object(self, body: Mapping[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        """Create an object as a means to test something else; its id and the body that was sent.

        Raises:
            Blocked: when it cannot be created; creating is judged by DTC-P2-013.
        """
        sent = copy.deepcopy(dict(body)) if body is not None else self.body()
        answer = self.post(sent)
        created = object_id(answer)
        if not answer.ok or created is None:
            by = "DTC-P2-086" if answer.status in (401, 403) else "DTC-P2-013"
            raise Blocked(by, f"no object could be created (status {answer.status}: {answer.excerpt(120)})")
        return created, sent

    def sensor_body(self, kind: str = "EnvironmentalSensor", **specifications: Any) -> dict[str, Any]:
        """A valid registration: a Point inside the city, attached to an object of the run, tagged."""
        return {
            "type": kind,
            "location": self.geometry("Point"),
            "attachedTo": self.post_for_sensors(),
            "specifications": {
                "manufacturer": "dtc test",
                "model": "T-1",
                "updateInterval": 300,
                RUN_TAG: self._run_id,
                **specifications,
            },
        }

    def post_for_sensors(self) -> str:
        """The id of the one object (a Building with room for 600) to which the run's sensors are attached.

        Raises:
            Blocked: by DTC-P2-013 when it cannot be created.
        """
        if "post" not in self._posts:
            created, _ = self.object(self.body("Building", occupancy={"current": 10, "capacity": 600}))
            self._posts["post"] = created
        return self._posts["post"]

    def post_sensor(self, body: Any, **options: Any) -> Answer:
        """POST a sensor registration, whatever comes of it; what is registered is retired after the run."""
        answer = self._rest.post("/cities/{city}/sensors", json=body, **options)
        created = object_id(answer)
        if created is not None:
            self._journal.plan(f"{_SENSOR} {created}", "DELETE", f"/cities/{{city}}/sensors/{quote(created)}")
        return answer

    def sensor(self, body: Mapping[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        """Register a sensor as a means to test something else; its id and the body that was sent.

        Raises:
            Blocked: when it cannot be registered, by DTC-P2-044 or the requirement that the refusal names.
        """
        sent = copy.deepcopy(dict(body)) if body is not None else self.sensor_body()
        try:
            answer = self.post_sensor(sent)
        except TargetMisbehaves as trouble:
            raise Blocked("DTC-P2-044", str(trouble)) from trouble
        created = object_id(answer)
        if not answer.ok or created is None:
            why = f"no sensor could be registered (status {answer.status}: {answer.excerpt(120)})"
            raise Blocked(_blame(answer, "DTC-P2-044"), why)
        return created, sent

    def post_readings(self, sensor: str, measurements: Any) -> Answer:
        """POST measurements to a sensor, whatever comes of it. Readings cannot be taken back."""
        path = f"/cities/{{city}}/sensors/{quote(sensor)}/data"
        return self._rest.post(path, json={"measurements": measurements})

    def readings(self, sensor: str, measurements: list[dict[str, Any]]) -> None:
        """Submit valid readings as a means to test something else.

        Raises:
            Blocked: by DTC-P2-055 when they are refused.
        """
        try:
            answer = self.post_readings(sensor, measurements)
        except TargetMisbehaves as trouble:
            raise Blocked("DTC-P2-055", str(trouble)) from trouble
        if not answer.ok:
            why = f"valid readings were refused (status {answer.status}: {answer.excerpt(120)})"
            raise Blocked(_blame(answer, "DTC-P2-055"), why)

    def post_simulation(self, body: Any, **options: Any) -> Answer:
        """POST a simulation, whatever comes of it; a run that started is cancelled after the run."""
        answer = self._rest.post("/cities/{city}/simulations", json=body, **options)
        created = object_id(answer)
        if created is not None:
            path = f"/cities/{{city}}/simulations/{quote(created)}"
            self._journal.plan(f"{_SIMULATION} {created}", "DELETE", path)
        return answer

    def new_id(self) -> str:
        """An id nobody has used: it names the run."""
        return f"dtc-{self._run_id[-12:]}-{sha256_hex(self._next().encode())[:8]}"

    def clean(self) -> list[str]:
        """Take back what is still there; returns the keys of what could not be taken back. Never a verdict.

        Latest first; what stands side by side in the journal and is of one kind goes together. The record of
        a simulation that has ended stays (C-46): the journal notes it as kept, and it is not tried again.
        """
        left: list[str] = []
        words: list[str] = []
        stuck = False  # a sensor that stays attached keeps its object: a dangling reference is worse
        for kind, items in groupby(self._journal.open_items(), key=_kind):
            group = list(items)
            kept = [key for key, _ in group if stuck and key == f"object {self._posts.get('post')}"]
            left += kept
            group = [(key, undo) for key, undo in group if key not in kept]
            if kind == _SENSOR:
                fates = self._retire([undo["path"] for _, undo in group])
                stuck = stuck or any(attached for _, attached in fates)
                gone = [away for away, _ in fates]
            elif kind == _SIMULATION:
                words = self._cancel([_request(undo) for _, undo in group])
                gone = [word == "gone" for word in words]
            else:
                answers = self._rest.together([_request(undo) for _, undo in group])
                gone = [_fine(answer) or _away(answer) for answer in answers]
            for number, (key, _) in enumerate(group):
                if gone[number]:
                    self._journal.done(key)
                elif kind == _SIMULATION and words[number] == "kept":
                    self._journal.kept(key)
                else:
                    left.append(key)
        return left

    def _cancel(self, requests: "list[tuple[str, str, dict[str, Any]]]") -> list[str]:
        """Cancel simulations, and look whether a record stays.

        Returns:
            For each `gone`; `kept` when it ended and its record can be read; `open` when it goes on, or
            nobody can tell.
        """
        answers = self._rest.together(requests)
        ended = [isinstance(one, Answer) and (one.ok or one.status == 409) for one in answers]
        paths = [(path, options) for (_, path, options), over in zip(requests, ended, strict=True) if over]
        looks = iter(self._rest.together([("GET", path, options) for path, options in paths]))
        words = []
        for answer, over in zip(answers, ended, strict=True):
            look = next(looks) if over else answer
            if _away(look):
                words.append("gone")
            elif over and _fine(look) and (_fine(answer) or not _goes_on(look)):
                words.append("kept")
            else:
                words.append("open")
        return words

    def _retire(self, paths: list[str]) -> list[tuple[bool, bool]]:
        """Delete sensors where the target offers it, else detach them and set them out of operation (D-36).

        Returns:
            For each whether it is gone, and whether it still refers to its object.
        """
        retired = {"json": {"attachedTo": None, "status": {"operational": False}}}
        deleted = self._rest.together([("DELETE", path, {}) for path in paths])
        there = [path for path, answer in zip(paths, deleted, strict=True) if not _fine(answer)]
        patched = self._rest.together([("PATCH", path, retired) for path in there])
        refused = [path for path, answer in zip(there, patched, strict=True) if not _fine(answer)]
        asked = self._rest.together([("GET", f"{path}/data", {}) for path in refused])
        kept = {
            path: not (isinstance(answer, Answer) and answer.status in (404, 410))
            for path, answer in zip(refused, asked, strict=True)
        }
        return [(path not in there or not kept.get(path, True), kept.get(path, False)) for path in paths]

    def _next(self) -> str:
        """A text that no other call gets: counted per vector, so that one vector alone asks the same."""
        vector = self._random().random()
        self._numbers[vector] += 1
        return f"{vector}/{self._numbers[vector]}"

    def _plan(self, object_id_: str) -> None:
        path = f"/cities/{{city}}/objects/{quote(object_id_)}"
        self._journal.plan(f"{_OBJECT} {object_id_}", "DELETE", path)


def _kind(item: tuple[str, Mapping[str, Any]]) -> str:
    """What of the journal may be taken back together: things of one kind; anything else stands alone."""
    key = item[0]
    word = key.partition(" ")[0]
    return word if word in (_OBJECT, _SENSOR, _SIMULATION) else key


def _request(undo: Mapping[str, Any]) -> tuple[str, str, dict[str, Any]]:
    options = {
        name: undo[member]
        for name, member in (("json", "body"), ("as_", "as"))
        if undo.get(member) is not None
    }
    return undo["method"], undo["path"], options


def _fine(answer: "Answer | Exception") -> bool:
    return isinstance(answer, Answer) and answer.ok


def _away(answer: "Answer | Exception") -> bool:
    return isinstance(answer, Answer) and answer.status in (404, 410)


def _goes_on(look: "Answer | Exception") -> bool:
    """Whether a simulation's record says that it has not ended."""
    body = look.json() if isinstance(look, Answer) and look.is_json else None
    return isinstance(body, dict) and body.get("status") in ("pending", "queued", "running")


def object_id(answer: Answer) -> str | None:
    """The id in the answer to a create request, None when there is none."""
    if not answer.ok or not answer.is_json:
        return None
    body = answer.json()
    found = body.get("id") if isinstance(body, dict) else None
    return found if isinstance(found, str) and found else None


def _blame(answer: Answer, usual: str) -> str:
    """The requirement to look at when a set-up step is refused: the one that the error code names."""
    if answer.status in (401, 403):
        return "DTC-P2-086"
    body = answer.json() if answer.is_json else None
    error = body.get("error") if isinstance(body, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    if answer.status in (405, 501) or (answer.status == 404 and code not in _REFUSALS):
        return "DTC-P2-106"
    return _REFUSALS.get(str(code), usual)


_REFUSALS = {
    "OBJECT_NOT_FOUND": "DTC-P2-045",
    "OUT_OF_BOUNDS": "DTC-P2-046",
    "SENSOR_NOT_FOUND": "DTC-P2-061",
    "INVALID_MEASUREMENT": "DTC-P2-056",
    "DATA_QUALITY_LOW": "DTC-P2-060",
}
"""Error code of a refusal to the requirement that knows it; set-up steps are valid, so it misjudged."""
