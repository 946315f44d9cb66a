"""Users of a city twin for Locust. Runs in a process of its own: importing Locust patches sockets.

`DTC_JOURNEYS` names a file, readable by its owner only, that holds a `journeys.Brief`: the key, the city.
"""

import itertools
import json
import os
import random
import ssl
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gevent  # type: ignore[import-untyped]
from locust import FastHttpUser, between, constant_throughput, events, task

BRIEF: dict[str, Any] = json.loads(Path(os.environ["DTC_JOURNEYS"]).read_bytes())
PREFIX: str = BRIEF["prefix"]
WEIGHTS: dict[str, int] = BRIEF["mix"]
_GATEWAY = itertools.count()
HALF_BOX = 0.001
"""Degrees: a map of some 200 m."""
HERE: dict[str, Any] = {"allow_redirects": False}
"""A redirect would take load and key to a host that nobody agreed to; it is a wrong status."""


def _noted(name: str) -> Any:
    """Something that writes beside the brief when it was called: how long the users were there."""

    def note(**_: Any) -> None:
        Path(os.environ["DTC_JOURNEYS"]).with_name(name).write_text(str(time.time()), encoding="ascii")

    return note


# Locust counts anew once all users are there, when it was asked to (--reset-stats).
_BEGIN: Any = events.spawning_complete if BRIEF["steady"] else events.test_start
_END: Any = events.test_stopping
# The event loop's clock stands while modules load; without this the run's time would count from before that.
_INIT: Any = events.init
_INIT.add_listener(lambda **_: gevent.get_hub().loop.update_now())
_BEGIN.add_listener(_noted("begun"))
_END.add_listener(_noted("ended"))


def tls() -> ssl.SSLContext:
    """Certificates are checked, by the authority of the target file where it names one; ours is shown."""
    papers = BRIEF["papers"]
    context = ssl.create_default_context(cafile=papers["ca"])
    if papers["cert"] and papers["key"]:
        context.load_cert_chain(papers["cert"], papers["key"])
    return context


class _User(FastHttpUser):
    abstract = True
    insecure = False
    ssl_context_factory = staticmethod(tls)
    network_timeout = connection_timeout = 10.0
    default_headers = {"Accept": "application/json", **BRIEF["headers"]}  # noqa: RUF012 - as Locust wants it

    def read(self, path: str, name: str, **wanted: Any) -> Any:
        """GET below the city; a wrong member or a status other than 200 is a failure."""
        with self.client.get(PREFIX + path, name=name, **HERE, catch_response=True) as answer:
            return _judged(answer, wanted)

    def ask(self, path: str, name: str, body: Any, statuses: tuple[int, ...] = (200,)) -> Any:
        """POST below the city."""
        with self.client.post(PREFIX + path, json=body, name=name, **HERE, catch_response=True) as answer:
            return _judged(answer, {}, statuses)


def _judged(answer: Any, wanted: dict[str, Any], statuses: tuple[int, ...] = (200,)) -> Any:
    if answer.status_code not in statuses:
        answer.failure(f"status {answer.status_code}")
        return None
    try:
        body = answer.json()
    except ValueError:
        answer.failure("the body is not JSON")
        return None
    for name, value in wanted.items():
        if not isinstance(body, dict) or body.get(name) != value:
            answer.failure(f"another {name}")
            return None
    answer.success()
    return body


class Dashboard(_User):
    """A wall of figures that refreshes itself."""

    weight = WEIGHTS.get("dashboard", 0)
    wait_time = between(1, 3)

    @task(3)
    def figures(self) -> None:
        """City, statistics and services, as a page loads them."""
        self.read("", "dashboard: city")
        self.read("/statistics", "dashboard: statistics")
        self.read("/services", "dashboard: services")

    @task(2)
    def sensors(self) -> None:
        """A page of sensors, and the data of one."""
        self.read("/sensors?limit=20", "dashboard: sensors")
        if BRIEF["sensors"]:
            name = random.choice(BRIEF["sensors"])
            self.read(f"/sensors/{quote(name, safe='')}/data", "dashboard: sensor data", sensorId=name)


class GisClient(_User):
    """A map that is moved about, and asked what stands where."""

    weight = WEIGHTS.get("gis", 0)
    wait_time = between(0.5, 2)

    @task(3)
    def pan(self) -> None:
        """The objects of a box."""
        _, x, y = random.choice(BRIEF["places"])
        box = ",".join(f"{one:.6f}" for one in (x - HALF_BOX, y - HALF_BOX, x + HALF_BOX, y + HALF_BOX))
        self.read(f"/objects?bounds={box}&limit=100", "gis: box")

    @task(2)
    def click(self) -> None:
        """What stands near a point, and one object of it."""
        name, x, y = random.choice(BRIEF["places"])
        where = {"location": {"type": "Point", "coordinates": [x, y]}, "radius": 100}
        self.ask("/spatial/nearby", "gis: nearby", where)
        self.read(f"/objects/{quote(name, safe='')}", "gis: object", id=name)


class SensorGateway(_User):
    """A box at the roadside that hands in what its sensor measured."""

    weight = WEIGHTS.get("gateway", 0) if BRIEF["own"] else 0
    wait_time = constant_throughput(1)

    def on_start(self) -> None:
        """Each gateway speaks for a sensor of the run."""
        self.sensor = BRIEF["own"][next(_GATEWAY) % len(BRIEF["own"])]
        self.turn = 0

    @task
    def hand_in(self) -> None:
        """One reading."""
        self.turn += 1
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        one = {"parameter": "temperature", "unit": "celsius", "quality": "good", "timestamp": at}
        body = {"measurements": [{**one, "value": 15 + self.turn % 80 / 8}]}
        path = f"/sensors/{quote(self.sensor, safe='')}/data"
        self.ask(path, "gateway: reading", body, (200, 201, 202))


class Planner(_User):
    """Somebody who looks for buildings, one after the other, and thinks in between."""

    weight = WEIGHTS.get("planner", 0)
    wait_time = between(2, 6)

    @task
    def study(self) -> None:
        """Two pages of buildings, one of them in full, and what stands around it."""
        for offset in (0, 50):
            self.read(f"/objects?type=Building&limit=50&offset={offset}", "planner: buildings")
        name, x, y = random.choice(BRIEF["places"])
        self.read(f"/objects/{quote(name, safe='')}", "planner: object", id=name)
        where = {"location": {"type": "Point", "coordinates": [x, y]}, "radius": 500}
        self.ask("/spatial/nearby", "planner: surroundings", where)


class Steady(_User):
    """A request of the engine's mix each second: for the comparison with the engine."""

    weight = WEIGHTS.get("steady", 0) if BRIEF["steady"] else 0
    wait_time = constant_throughput(1)
    turns = itertools.count()

    @task
    def next(self) -> None:
        """The next request in the engine's order."""
        route, method, path, body = BRIEF["steady"][next(self.turns) % len(BRIEF["steady"])]
        more = {"data": body, "headers": {"Content-Type": "application/json"}} if body else {}
        self.client.request(method, path, name=route, **HERE, **more)
