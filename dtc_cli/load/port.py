"""The load port of a run (D-35): what is offered is one event each, which holds enough to be judged again.

A replay gets the recorded measurement and judges that; nothing is sent. Verdicts are never recorded.
"""

import json
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from dtc_cli.clients.credentials import API_KEY_HEADER, Credentials
from dtc_cli.clients.rest import Rest, quote
from dtc_cli.clients.stream import SUBPROTOCOL
from dtc_cli.clients.track import Seen, Track
from dtc_cli.clients.wire import Door
from dtc_cli.core.canonical import canonical_json
from dtc_cli.core.target import Target
from dtc_cli.errors import DtcError
from dtc_cli.load import bulk, conduct, crowd, guard, ingestion, limits, objectives, result, scenario, truth
from dtc_cli.load.crowd import Crowded
from dtc_cli.load.ingestion import Ingested
from dtc_cli.load.lanes import Sample
from dtc_cli.load.publisher import Login
from dtc_cli.load.readback import Site
from dtc_cli.load.refusal import LoadRefused
from dtc_cli.load.result import Result, Terms
from dtc_cli.load.schedule import Schedule

SHORTEST_S = 3.0
SCALED_WARMUP_S = 0.5
KEEP_ALIVE_S = 60  # P3 4.2.1
OPEN_PER_S = 2000.0
LEFT_MEMBERS = {"attachedTo": None, "status": {"operational": False}}


class Load:
    """Loads the target of a run.

    Args:
        target: the target.
        credentials: its keys; the usual one is used.
        track: where each measurement is recorded.
        scale: share of the standard's figures, from 0 to 1; below 1 no bound can be passed (C-92).
        agreed: hosts other than this machine whose owner agreed to a load.
        plan: notes what is created before the run goes on: key, method, path.
        done: notes that it was taken back.
    """

    def __init__(
        self,
        target: Target,
        credentials: Credentials,
        track: Track,
        *,
        scale: float = 1.0,
        agreed: tuple[str, ...] = (),
        plan: Callable[[str, str, str], None] = lambda _key, _method, _path: None,
        done: Callable[[str], None] = lambda _key: None,
    ) -> None:
        self.scale = scale
        self._target = target
        self._credentials = credentials
        self._track = track
        self._agreed = agreed
        self._plan = plan
        self._done = done
        self._sensors: list[str] = []
        self._objects: list[str] = []

    def terms(self, profile: str, share: float, seconds: float | None) -> Terms:
        """The terms on which a profile is offered in this run."""
        standard = objectives.load(profile)
        length = seconds or standard.duration_s
        scaled = self.scale < 1
        # The rate of queries is not the standard's: it stays, and the time is cut down alone.
        rate = standard.rate * share * (1.0 if standard.mix == "queries" else self.scale)
        wish = conduct.Wish(
            profile=profile,
            rate=rate,
            duration_s=max(2 * SHORTEST_S if standard.mix == "queries" else SHORTEST_S, length * self.scale)
            if scaled
            else length,
            warmup_s=SCALED_WARMUP_S if scaled else None,
        )
        return conduct.terms(wish)

    def offer(
        self, rest: Rest, profile: str, *, now: datetime, share: float = 1.0, seconds: float | None = None
    ) -> Result:
        """Offer a profile's requests and judge what came.

        Args:
            rest: to learn what the city holds.
            profile: `standard` or `queries`.
            now: the present on the target's clock.
            share: of the profile's rate.
            seconds: measured part, in place of the profile's.

        Raises:
            LoadRefused: the target may not be loaded, or holds nothing to ask for.
        """
        agreed = self.terms(profile, share, seconds)
        try:
            city = scenario.explore(rest, mix=agreed.mix, now=now)
        except DtcError as problem:
            raise LoadRefused(problem.what) from problem
        asked = {"profile": profile, "rate": agreed.rate, "seconds": agreed.duration_s, "mix": agreed.mix}

        def measure() -> bytes:
            traffic, data = conduct.requests(self._target, city, agreed, self._credentials)
            schedule = Schedule.constant(agreed.rate, agreed.duration_s, warmup_s=agreed.warmup_s)
            started = datetime.now(UTC)
            watch = conduct.watch(lambda _instant: "", warmup_s=agreed.warmup_s)
            outcome = conduct.offer(conduct.aim(self._target), traffic, agreed, schedule, watch)
            made = result.make(
                run="", started=started, target=self._target, data=data, terms=agreed, outcome=outcome
            )
            samples = [
                {**msgspec.structs.asdict(one), "body": one.body.decode("utf-8", "replace")}
                for one in outcome.samples
            ]
            return msgspec.json.encode({"result": made, "samples": samples})

        return judged(self._step("OFFER", asked, measure))

    def fill(self, bodies: Sequence[Mapping[str, Any]]) -> int:
        """Create objects, which stay until `clear`; how many there are now.

        Raises:
            LoadRefused: the target may not be loaded.
        """

        def measure() -> bytes:
            site = self.site()
            answers = bulk.send(site.address, [site.wire("POST", "/objects", body) for body in bodies])
            made = [name for one in answers if (name := ingestion.created(one)) is not None]
            for name in made:
                self._plan(f"object {name}", "DELETE", f"/cities/{{city}}/objects/{quote(name)}")
            self._objects += made
            return str(len(made)).encode()

        return int(self._step("FILL", {"objects": len(bodies)}, measure))

    def clear(self) -> None:
        """Take back what `fill` and `ingest` created, as far as the target lets us."""
        if not self._objects and not self._sensors:
            return
        site = self.site()
        self._remove(site, self._sensors)
        wires = [site.wire("DELETE", f"/objects/{quote(one)}") for one in self._objects]
        for name, answer in zip(self._objects, bulk.send(site.address, wires), strict=True):
            if answer.ok or answer.status in (404, 410):
                self._done(f"object {name}")
        self._objects, self._sensors = [], []

    def ingest(self, body: Mapping[str, Any], *, sensors: int, interval_s: float, now: datetime) -> Ingested:
        """Register sensors, which stay until `clear`, submit a reading of each, read all back.

        Args:
            body: the registration of each.
            sensors: how many.
            interval_s: seconds over which the readings are spread.
            now: the present on the target's clock.

        Raises:
            LoadRefused: the target may not be loaded.
        """
        asked = {"sensors": sensors, "intervalS": interval_s}

        def measure() -> bytes:
            site = self.site()

            def planned(name: str) -> None:
                self._plan(f"sensor {name}", "DELETE", f"/cities/{{city}}/sensors/{quote(name)}")

            made, ids = ingestion.run(site, [body] * sensors, interval_s=interval_s, planned=planned, now=now)
            self._sensors += ids
            return msgspec.json.encode(made)

        return msgspec.json.decode(self._step("INGEST", asked, measure, "ingestion"), type=Ingested)

    def hold(
        self, sensor: str, parameters: Mapping[str, Any], *, connections: int, seconds: float
    ) -> Crowded:
        """Open connections to stream and broker, hold them, reach them by broadcasts.

        Args:
            sensor: a sensor of the run; its readings are the broadcasts.
            parameters: a sound measurement; its value is replaced.
            connections: how many.
            seconds: for which they are held.

        Raises:
            LoadRefused: the target may not be loaded, or names no live door.
        """
        asked = {"connections": connections, "seconds": seconds}

        def measure() -> bytes:
            made = crowd.run(
                self.entrances(sensor),
                self.limits(connections),
                hold_s=seconds,
                rate=OPEN_PER_S,
                keep_alive_s=KEEP_ALIVE_S,
                broadcasts=[self.broadcast(sensor, parameters, number) for number in (1, 2)],
            )
            return msgspec.json.encode(made)

        if not {"stream", "mqtt"} & self.doors.keys():
            raise LoadRefused("the target file names no stream and no broker")
        return msgspec.json.decode(self._step("HOLD", asked, measure, "connections"), type=Crowded)

    @property
    def doors(self) -> dict[str, Door]:
        """The live doors of the target."""
        places = (
            ("stream", self._target.stream_url, self._target.stream_tls),
            ("mqtt", self._target.mqtt_url, self._target.mqtt_tls),
        )
        return {name: Door(url, files) for name, url, files in places if url}

    def limits(self, connections: int, sources: tuple[str, ...] = ()) -> limits.Limits:
        """What this machine allows."""
        door = next(iter(self.doors.values()))
        return limits.judge(connections, door.host, tls=door.secure, sources=sources)

    def site(self) -> Site:
        """Where readings go: the API, and the broker where there is one."""
        target = self._target
        parts = urllib.parse.urlsplit(target.base_url or "")
        key = self._credentials.role(self._credentials.usual).headers
        return Site(
            conduct.aim(target),
            f"{parts.path}/cities/{quote(target.city)}",
            parts.netloc,
            key,
            target.city,
            self.doors.get("mqtt"),
            Login("api-key", key.get(API_KEY_HEADER), "dtc-ingest"),
        )

    def entrances(self, sensor: str) -> list[crowd.Entrance]:
        """The live doors, with what a client says there to hear of one sensor."""
        city = self._target.city
        topic = f"city/{city}/sensors/+/{sensor}/#"
        key = self._credentials.role(self._credentials.usual).headers
        found = []
        for name, door in self.doors.items():
            if name == "mqtt":
                login = ("dtc-crowd-", "api-key", key.get(API_KEY_HEADER))
                found.append(crowd.Entrance(name, door, login=login, topic=topic))
                continue
            message = {
                "version": "1.0.0",
                "type": "SUBSCRIBE",
                "messageId": "5f0c1f52-5f3e-4b43-9a51-3f9f30a1c0de",
                "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
                "payload": {"topics": [{"topic": topic, "qos": 0}]},
            }
            head = {
                "Host": urllib.parse.urlsplit(door.url).netloc,
                "Upgrade": "websocket",
                "Connection": "Upgrade",
                "Sec-WebSocket-Key": "x3JJHMbDL1EzLkh9GBhXDw==",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Protocol": SUBPROTOCOL,
                **key,
            }
            lines = [f"GET {door.path} HTTP/1.1", *(f"{name_}: {value}" for name_, value in head.items())]
            beats = self._target.declares.get("heartbeat") == "client"
            found.append(
                crowd.Entrance(
                    name, door, "\r\n".join([*lines, "", ""]).encode("latin-1"),
                    subscription=json.dumps(message).encode(), topic=topic, beats=beats,
                )
            )  # fmt: skip
        return found

    def register(self, body: Mapping[str, Any], count: int) -> list[str]:
        """Register sensors, which stay until `clear`; their ids. Not recorded: for commands."""
        site = self.site()
        answers = bulk.send(site.address, [site.wire("POST", "/sensors", body)] * count)
        ids = [name for one in answers if (name := ingestion.created(one)) is not None]
        self._sensors += ids
        return ids

    def adopt(self, ids: Sequence[str]) -> None:
        """Take charge of sensors: `clear` removes them."""
        self._sensors += ids

    def broadcast(
        self, sensor: str, measurement: Mapping[str, Any], number: int
    ) -> tuple[bytes, Callable[[], None]]:
        """The bytes by which the n-th message is known, and what sends it: a reading of the sensor."""
        value = 21 + number / 1024  # exact in every representation, and nobody else's

        def send() -> None:
            site = self.site()
            at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{number:03d}Z"
            body = {"measurements": [{**measurement, "value": value, "timestamp": at}]}
            bulk.send(site.address, [site.wire("POST", f"/sensors/{quote(sensor)}/data", body)])

        return str(value).encode(), send

    def _remove(self, site: Site, ids: Sequence[str]) -> None:
        """Delete the sensors; where the target offers no such thing they are detached and named once."""
        left = ingestion.remove(site, ids)
        if left:
            wires = [site.wire("PATCH", f"/sensors/{quote(one)}", LEFT_MEMBERS) for one in left]
            bulk.send(site.address, wires)
            path = f"/cities/{{city}}/sensors/{quote(left[0])}"
            self._plan(f"sensor {left[0]} and {len(left) - 1} others of the load", "DELETE", path)
        for one in ids:
            self._done(f"sensor {one}")

    def _step(
        self, method: str, asked: Mapping[str, Any], measure: Callable[[], bytes], kind: str = ""
    ) -> bytes:
        """Measure and record; the recorded measurement. The kind says which addresses it uses."""

        def perform() -> Seen:
            try:
                guard.refuse(self._target, self._agreed, kind)
                return Seen(status=0, data=self._track.redactor.data(measure()))
            except DtcError as problem:
                return Seen(error=f"{problem.what}: {problem.why}" if problem.why else problem.what)

        label = self._track.label("load")
        seen, _ = self._track.step(
            method, label, perform, sent=canonical_json(dict(asked)), credential=self._credentials.usual
        )
        if seen.status is None:
            raise LoadRefused(seen.error or "nothing was measured")
        return seen.data


def judged(recorded: bytes) -> Result:
    """A recorded measurement, judged now: no verdict is taken on trust."""
    kept = msgspec.json.decode(recorded)
    samples = tuple(
        Sample(one["route"], one["about"], one["status"], one["body"].encode(), one["whole"])
        for one in kept["samples"]
    )
    made = msgspec.convert(kept["result"], Result)
    findings = truth.check(samples, tuple(made.outcome.routes))
    return result.judge(msgspec.structs.replace(made, findings=findings))
