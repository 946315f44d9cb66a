"""The twin as a suite sees it: ports to reach it, and the run's own clock, randomness and scratch space."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import cached_property
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

from dtc_cli.clients.canary import Canary
from dtc_cli.clients.credentials import Credential, Credentials
from dtc_cli.clients.documents import Document, Documents
from dtc_cli.clients.mqtt import Mqtt
from dtc_cli.clients.raw import Raw
from dtc_cli.clients.recorder import Recorder
from dtc_cli.clients.redaction import Redactor
from dtc_cli.clients.rest import Rest
from dtc_cli.clients.stream import Stream
from dtc_cli.clients.tls import Tls
from dtc_cli.clients.track import Notebook, Track
from dtc_cli.clients.validator import TargetValidator
from dtc_cli.clients.wire import Door
from dtc_cli.core.chain import genesis
from dtc_cli.core.records import Judgement
from dtc_cli.core.records.cases import Case
from dtc_cli.core.target import Target
from dtc_cli.core.target_shape import shape
from dtc_cli.errors import DtcError
from dtc_cli.harness import city
from dtc_cli.harness.background import Background, Scene, Watch
from dtc_cli.harness.clock import RunClock
from dtc_cli.harness.created import Creations
from dtc_cli.harness.journal import Journal
from dtc_cli.harness.outcomes import NotTested
from dtc_cli.harness.own_client import perform
from dtc_cli.harness.own_records import judged
from dtc_cli.harness.programme import OwnRun
from dtc_cli.harness.scratch import Scratch

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from dtc_cli.clients.http2 import Http2
    from dtc_cli.load.port import Load

T = TypeVar("T")


class Twin:
    """One target during one run. Built by the plugin; suites get it as the fixture `twin`."""

    def __init__(self, target: Target, run: Mapping[str, Any], folder: Path) -> None:
        redactor = Redactor()
        # First, so that a key that is not there leaves no file open.
        self.credentials = Credentials(target, redactor)
        self.folder = folder
        self.target = target
        self.run_id: str = run["runId"]
        self.seed: int = run["seed"]
        self._started: str = run.get("startedAt") or "1970-01-01T00:00:00Z"
        self.recorder = Recorder(
            folder,
            genesis(run["nonce"], run["runId"], run["standard"]["catalogueDigest"], run["profile"]["digest"]),
            redactor,
        )
        self.clock = self._open_clock(run["clock"].get("targetSkewMs") or 0)
        self.journal = Journal(folder)
        try:
            self._rest = self._open_rest()
        except DtcError:
            self.journal.close()
            self.recorder.close()
            raise
        self.documents = self._open_documents()
        self.validator = self._open_validator()
        self.background = Background(self._scene, self._track("background"))
        self._load_terms: Mapping[str, Any] = run.get("load") or {}
        self._creations: Creations | None = None
        self.remark: str | None = None
        """What the present vector measured: a passed vector says it in its line of the matrix."""

    @property
    def rest(self) -> Rest:
        """The REST port.

        Raises:
            NotTested: when the target file has no `rest:` section.
        """
        if self._rest is None:
            raise NotTested("the target file has no rest.base_url")
        return self._rest

    @property
    def has_rest(self) -> bool:
        """Whether the target file says where the API is."""
        return self._rest is not None

    @cached_property
    def stream(self) -> Stream:
        """The stream port.

        Raises:
            NotTested: when the target file has no `stream:` section.
        """
        return self._stream_on(self._track("stream"))

    @cached_property
    def mqtt(self) -> Mqtt:
        """The MQTT port.

        Raises:
            NotTested: when the target file has no `mqtt:` section.
        """
        return self._mqtt_on(self._track("mqtt"))

    @cached_property
    def raw(self) -> Raw:
        """The raw port, to all doors that the target file names."""
        port = self._raw_on(self._track("raw"))
        if self._creations is not None:
            port.answered = self._creations.said
        return port

    @cached_property
    def tls(self) -> Tls:
        """The TLS port, to all doors that the target file names."""
        return Tls(self.doors, self._track("tls"), self.target.timeout_s)

    @cached_property
    def canary(self) -> Canary:
        """A listener on this host, whose address is given to the target: nobody else knows it.

        Raises:
            NotTested: when it cannot listen, or when the target file has no `rest:` section.
        """
        if "rest" not in self.doors:
            raise NotTested("the target file has no rest.base_url")
        made = Canary(self.doors["rest"], self._track("canary"))
        if not made.url:
            raise NotTested("no address of this host could be listened on")
        return made

    @cached_property
    def http2(self) -> "Http2":
        """The HTTP/2 port to the API's door.

        Raises:
            NotTested: when the target file has no `rest:` section.
        """
        if "rest" not in self.doors:
            raise NotTested("the target file has no rest.base_url")
        from dtc_cli.clients.http2 import Http2

        return Http2(self.doors["rest"], self.credentials, self._track("http2"), self.target.timeout_s)

    @cached_property
    def load(self) -> "Load":
        """The load port.

        Raises:
            NotTested: without the extra that it needs, or when the target file has no `rest:` section.
        """
        if self._rest is None:
            raise NotTested("the target file has no rest.base_url")
        try:
            from dtc_cli.load.port import Load
        except ImportError as problem:
            raise NotTested(f'loading needs an extra: pip install "dtc[load]" ({problem})') from problem
        return Load(
            self.target,
            self.credentials,
            self._track("load"),
            scale=float(self._load_terms.get("scale", 1.0)),
            agreed=tuple(self._load_terms.get("agreed", ())),
            plan=self.journal.plan,
            done=self.journal.done,
        )

    @property
    def doors(self) -> dict[str, Door]:
        """The doors of the target by name: rest, stream, mqtt, as far as the target file names them."""
        target = self.target
        places = (
            ("rest", target.base_url, target.rest_tls),
            ("stream", target.stream_url, target.stream_tls),
            ("mqtt", target.mqtt_url, target.mqtt_tls),
        )
        return {name: Door(url, files) for name, url, files in places if url}

    def may_watch(self, *, client: bool) -> bool:
        """Whether the target has what a watch needs: a client, or a live door."""
        if client:
            return self.target.client is not None
        return "stream" in self.doors or "mqtt" in self.doors

    def observed(self, watch: Watch) -> Any:
        """What a watch in the background saw; waits for its end (see `suite.background`)."""
        return self.background.observation(watch)

    @cached_property
    def city(self) -> city.City:
        """Bounds and coordinate system of the city, asked once."""
        return city.read(self.rest)

    @cached_property
    def scratch(self) -> Scratch:
        """Where suites create what they test with."""
        return Scratch(
            self.rest, self.journal, self.run_id, city=lambda: self.city, random=lambda: self.random
        )

    @cached_property
    def own_run(self) -> OwnRun:
        """The run itself, for the rules that bind the programme."""
        return OwnRun(self.folder)

    @property
    def random(self) -> Random:
        """Randomness of the present vector: a function of the run's seed and the vector's id only."""
        text = f"{self.seed}:{self.recorder.vector}"
        return Random(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]))

    def drawn(self, strategy: "SearchStrategy[T]", count: int) -> list[T]:
        """Examples of a Hypothesis strategy for the present vector, at most so many, each a JSON value.

        They follow from the run's seed and the vector's id. They are recorded: a replay takes them from the
        run, so that another version of Hypothesis does not draw others.
        """
        from dtc_cli.harness.drawing import examples

        values = examples(strategy, count, self.random)
        self.recorder.event("draw", values=values)
        return values

    def need_role(self, name: str) -> Credential:
        """The credential of a role.

        Raises:
            NotTested: when the target file names no key for it.
        """
        if name not in self.credentials.roles:
            raise NotTested(f"the target file names no key auth.api_keys.{name}")
        return self.credentials.role(name)

    def need_hazard(self, hazard: str) -> None:
        """Make sure that the target file allows this hazard.

        Raises:
            NotTested: when it does not.
        """
        if hazard not in self.target.hazards:
            raise NotTested(f"the target file does not allow the hazard {hazard}")

    @cached_property
    def judged_documents(self) -> tuple[tuple[Document, Judgement], ...]:
        """Each produced document with its judgement, read once per run; see `without_own`."""
        now = self.clock.now()
        return tuple(judged(self.documents.read(now), now, self.run_id))

    @cached_property
    def _case_clock(self) -> datetime:
        """One instant for all record vectors, so that they can be put to the validator ahead of time.

        The start of the run on the target's clock: known to a replay without reading any clock.
        """
        return datetime.fromisoformat(self._started) + self.clock.skew

    def case_document(self, case: Case) -> bytes:
        """The bytes of a record vector, its instants set relative to the run's clock."""
        return case.document(self._case_clock)

    def judge_ahead(self, cases: Iterable[Case]) -> None:
        """Put these record vectors to the target's validator in the background."""
        if self.validator.offered:
            self.validator.prepare(self.case_document(case) for case in cases)

    @property
    def why_no_documents(self) -> str:
        """Why there are none, for a message."""
        if self.target.documents:
            return "no file matches documents:"
        refused = self.documents.refused
        gave = "gives none" if refused is None else f"answers {refused}"
        return f"no documents: in the target file, and GET /cities/{{cityId}}/snapshots/{{timestamp}} {gave}"

    def close(self) -> list[str]:
        """Clean up and close; returns what could not be taken back."""
        left = self._clean()
        self.background.close()
        for port in ("stream", "mqtt", "canary"):
            if port in self.__dict__:
                self.__dict__[port].close()
        self.validator.close()
        if self._rest is not None:
            self._rest.close()
        self.journal.close()
        self.recorder.close()
        return left

    def note_target(self) -> None:
        """Record what a replay needs to know of the target file; no secret is in it."""
        kept = shape(self.target, self.credentials.secrets)
        told = {name: self._redacted(value) for name, value in kept.items()}
        again = {"resumed": True} if self.recorder.count else {}
        self.recorder.event("note", target=told, **again)

    def _redacted(self, value: Any) -> Any:
        redact = self.recorder.redactor.text
        return redact(value) if isinstance(value, str) else json.loads(redact(json.dumps(value)))

    def journal_all(self) -> None:
        """From now on take back whatever a request creates, also one that does not go by `scratch`."""
        self._creations = Creations(self.journal, self.target.city, self.credentials.roles)
        if self._rest is not None:
            self._rest.answered = self._creations.answered

    def _clean(self) -> list[str]:
        # Also what an earlier sitting of this run left, when it was killed.
        left = self._rest is not None and bool(self.journal.open_items())
        stuck = self.scratch.clean() if left or "scratch" in self.__dict__ else []
        return stuck + self.journal.kept_items()

    def _track(self, kind: str) -> Track:
        return Track(kind, self.recorder)

    def _stream_on(self, track: Track) -> Stream:
        doors = self.doors
        if "stream" not in doors:
            raise NotTested("the target file names no stream (stream.url)")
        return Stream(
            self.target.stream_url or "",
            doors["stream"],
            city=self.target.city,
            credentials=self.credentials,
            track=track,
            timeout_s=self.target.timeout_s,
        )

    def _mqtt_on(self, track: Track) -> Mqtt:
        doors = self.doors
        if "mqtt" not in doors:
            raise NotTested("the target file names no broker (mqtt.url)")
        return Mqtt(
            self.target.mqtt_url or "",
            doors["mqtt"],
            city=self.target.city,
            credentials=self.credentials,
            track=track,
            timeout_s=self.target.timeout_s,
        )

    def _raw_on(self, track: Track) -> Raw:
        return Raw(self.doors, track, self.target.timeout_s)

    def _scene(self, stop: threading.Event) -> tuple[Scene, list[dict[str, Any]], Callable[[], None]]:
        """Ports for a watch: what they do is written down, and recorded with the observation."""
        notebook = Notebook(self.recorder)
        ports: list[Stream | Mqtt] = []

        def opened(port: Any) -> Any:
            ports.append(port)
            return port

        def close() -> None:
            for port in ports:
                port.close()

        client = self.target.client or ()
        scene = Scene(
            lambda: opened(self._stream_on(Track("stream", notebook))),
            lambda: opened(self._mqtt_on(Track("mqtt", notebook))),
            lambda: self._raw_on(Track("raw", notebook)),
            self.run_id,
            self.target.city,
            lambda part, seconds, enough=None: perform(client, part, seconds, stop, enough),
            stop.wait,
        )
        return scene, notebook.lines, close

    def _open_clock(self, skew_ms: int) -> RunClock:
        return RunClock(self.recorder, skew_ms)

    def _open_documents(self) -> Documents:
        return Documents(self.target, self._rest, self.recorder)

    def _open_validator(self) -> TargetValidator:
        return TargetValidator(self.target, self.recorder)

    def _open_rest(self) -> Rest | None:
        return self._rest_with(Rest)

    def _rest_with(self, port: Callable[..., Rest]) -> Rest | None:
        if self.target.base_url is None:
            return None
        return port(
            base_url=self.target.base_url,
            city=self.target.city,
            credentials=self.credentials,
            recorder=self.recorder,
            timeout_s=self.target.timeout_s,
            ca=self.target.ca,
            certificate=self.target.rest_tls,
        )
