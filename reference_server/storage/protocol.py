"""What the services ask of a storage, and the rows and questions they exchange with it.

Reads are coroutines on the storage. Writes are functions of a `Transaction`: they run one after another, each
all or nothing, and the caller hears of the result after it is on disk.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

T = TypeVar("T")


class CityRow(msgspec.Struct, frozen=True):
    """A city as stored; `body` is its JSON text."""

    no: int
    id: str
    body: bytes
    revision: int
    created: int
    updated: int


class Row(msgspec.Struct, frozen=True):
    """An object, sensor, simulation, service or aggregation as stored; `body` is the JSON that is served."""

    no: int
    id: str
    type: str
    body: bytes
    revision: int
    updated: int


class Event(msgspec.Struct, frozen=True):
    """A change: what became of an entity, when, by whom.

    `body` is the state after it, None after a removal.
    """

    seq: int
    kind: str
    entity: str
    action: str
    at: int
    actor: str
    revision: int
    body: bytes | None


class Change(msgspec.Struct, frozen=True):
    """A committed event as listeners hear of it; `city` is a number, `type` that of an object."""

    city: int
    kind: str
    entity: str
    action: str
    at: int
    revision: int
    body: str | None
    type: str = ""


class Measured(msgspec.Struct, frozen=True):
    """Committed readings of a sensor; `stored` is how many were new or replaced another value.

    `origin` is whatever the writer gave along with them.
    """

    sensor: int
    readings: Sequence["Reading"]
    stored: int
    at: int
    origin: Any


class Prepared(msgspec.Struct, frozen=True, array_like=True):
    """A new object whose rules were checked, ready to be inserted with many others.

    `head` is its JSON text up to the metadata that the server stamps; `created` the instant it states itself.
    """

    id: str
    type: str
    head: str
    created: str | None
    box: tuple[float, float, float, float] | None
    scalars: list[tuple[str, str | int | float]]
    sensors: list[str]
    accuracy: float | None

    def value(self) -> dict[str, Any]:
        """The object without the stamps."""
        value: dict[str, Any] = msgspec.json.decode(f"{self.head.removesuffix(',')}}}}}")
        return value

    def text(self, instant: str, revision: int) -> str:
        """The JSON text that is stored."""
        created = self.created or instant
        return f'{self.head}"created":"{created}","lastUpdated":"{instant}","revision":{revision}}}}}'


class ImportRow(msgspec.Struct, frozen=True):
    """An import job as stored; `cursor` is how far its rows are in the city."""

    id: str
    city: int
    status: str
    cursor: int
    body: bytes


class RowFault(msgspec.Struct, frozen=True, array_like=True):
    """Why a row of an import was refused: its line or ordinal (from 1), a JSON Pointer, id, code, message."""

    line: int
    pointer: str
    id: str | None
    code: str
    message: str


class Condition(msgspec.Struct, frozen=True):
    """A comparison of a property.

    `path` without the leading `properties.`, `op` one of eq ne gt gte lt lte in.
    """

    path: str
    op: str
    values: tuple[str, ...]


class ObjectQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which objects of a city, in which order. All conditions must hold."""

    city: int
    types: tuple[str, ...] = ()
    box: tuple[float, float, float, float] | None = None
    conditions: tuple[Condition, ...] = ()
    updated_after: int | None = None
    updated_before: int | None = None
    sort: str | None = None
    """Dotted path into the object; None is the order of creation."""
    descending: bool = False
    limit: int = 100
    offset: int = 0
    after: int | None = None
    """Only objects numbered above this one: the cursor of a stable walk in the order of creation."""


class SensorQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which sensors of a city, in which order. All conditions must hold."""

    city: int
    types: tuple[str, ...] = ()
    operational: bool | None = None
    attached: str | None = None
    updated_after: int | None = None
    updated_before: int | None = None
    sort: str | None = None
    """Dotted path into the sensor; None is the order of registration."""
    descending: bool = False
    limit: int = 100
    offset: int = 0
    after: int | None = None


class Page(msgspec.Struct, frozen=True):
    """A page of rows and the number of all matches."""

    rows: list[Row]
    total: int


class Reading(msgspec.Struct, frozen=True):
    """A measurement: instant in microseconds UTC, `zone` the minutes east of UTC it was written in."""

    parameter: str
    value: float
    unit: str
    at: int
    quality: str
    confidence: float | None
    zone: int


class Bucket(msgspec.Struct, frozen=True):
    """An aggregate of the readings of an interval that starts at `at`."""

    at: int
    n: int
    total: float
    low: float
    high: float


class Remembered(msgspec.Struct, frozen=True):
    """The answer to a request that carried an Idempotency-Key, with the digest of that request."""

    digest: bytes
    status: int
    headers: dict[str, str]
    body: bytes


class Entry(msgspec.Struct, frozen=True):
    """A line of the event log: an event and its city; None for what belongs to the server."""

    city: str | None
    event: Event


class RetiredSecret(msgspec.Struct, frozen=True):
    """The digest of a secret that was replaced; the credential of that name takes it until then."""

    digest: bytes
    name: str
    until: int


class CredentialRow(msgspec.Struct, frozen=True):
    """A caller's credential; only the SHA-256 of the secret is stored. `cities` None means every city."""

    name: str
    kind: str
    digest: bytes
    role: str
    cities: tuple[str, ...] | None
    allowance: int
    window: float


def matches(row: "Row | CityRow", expected: set[int] | None) -> None:
    """Compare a stored revision with those that a caller will change.

    Raises:
        StaleRevisionError: it is none of them.
    """
    if expected is not None and row.revision not in expected:
        raise StaleRevisionError(row.revision)


class StaleRevisionError(Exception):
    """The entity has moved on; carries its present revision."""

    def __init__(self, revision: int) -> None:
        super().__init__(f"the revision is {revision}")
        self.revision = revision


class Transaction(Protocol):
    """State and events under change; `at` is the instant of this change, later than every earlier one."""

    at: int
    actor: str

    def city(self, city_id: str) -> CityRow | None:
        """The city of that id."""

    def put_city(self, city_id: str, body: Mapping[str, Any], revision: int, action: str) -> None:
        """Store a city; `revision` 0 creates it."""

    def delete_city(self, city_no: int) -> None:
        """Remove a city and all that is in it."""

    def object(self, city: int, object_id: str) -> Row | None:
        """The object of that id."""

    def put_object(
        self, city: int, item: Mapping[str, Any], old: Row | None, import_id: str | None = None
    ) -> int:
        """Store an object and stamp its metadata; its new revision."""

    def delete_object(self, city: int, row: Row) -> None:
        """Remove an object."""

    def sensor(self, city: int, sensor_id: str) -> Row | None:
        """The sensor of that id."""

    def sensors_of(self, city: int, object_id: str) -> list[Row]:
        """The sensors attached to an object."""

    def put_sensor(
        self, city: int, item: Mapping[str, Any], old: Row | None, import_id: str | None = None
    ) -> int:
        """Store a sensor; its new revision."""

    def delete_sensor(self, city: int, row: Row) -> None:
        """Remove a sensor and its readings."""

    def objects_with_sensor(self, city: int, sensor_id: str) -> list[Row]:
        """The objects that list a sensor."""

    def entity(self, city: int, kind: str, entity_id: str) -> Row | None:
        """The simulation, service or aggregation of that id."""

    def put_entity(
        self, city: int, kind: str, item: Mapping[str, Any], old: Row | None, import_id: str | None = None
    ) -> int:
        """Store one of those; its new revision."""

    def add_readings(self, sensor: int, readings: Sequence[Reading], origin: Any = None) -> tuple[int, int]:
        """Append readings: (new ones, ones that replaced another value); listeners are told the origin."""

    def add_batch(self, batch: Sequence[tuple[int, Sequence[Reading], Any]]) -> list[tuple[int, int]]:
        """Append readings of many sensors: (sensor, readings, origin), as `add_readings` does for each."""

    def latest_of(self, sensor: int) -> list[Reading]:
        """The newest reading of each parameter of a sensor."""

    def outside(self, city: int, box: tuple[float, float, float, float]) -> Iterable[Row]:
        """The objects that do not lie wholly within a box."""

    def remembered(self, caller: str, key: str) -> "Remembered | None":
        """What a request with this Idempotency-Key was answered."""

    def remember(self, caller: str, key: str, answer: "Remembered") -> None:
        """Keep an answer for the key of its request."""

    def put_credential(self, credential: CredentialRow) -> None:
        """Store or replace a credential of that name."""

    def known(self, city: int, ids: Sequence[str]) -> dict[str, Row]:
        """The objects that have one of these ids."""

    def put_new_objects(self, city: int, items: Sequence[Prepared], import_id: str | None = None) -> None:
        """Store objects whose ids nobody has."""

    def created_by(self, city: int, kind: str, import_id: str, limit: int) -> list[Row]:
        """Entities of a kind that an import created and that are still there."""

    def delete_entity(self, city: int, kind: str, row: Row) -> None:
        """Remove a simulation, service or aggregation."""

    def put_import(self, job: ImportRow) -> None:
        """Store the state of an import job."""

    def import_job(self, import_id: str) -> ImportRow | None:
        """The import job of that id."""

    def add_faults(self, import_id: str, faults: Sequence[RowFault]) -> None:
        """Keep the reasons of refused rows."""

    def rotate(self, name: str, digest: bytes, until: int) -> "CredentialRow | None":
        """Give a credential another secret; the old one holds until then. None without such a credential.

        Secrets of that name which were replaced earlier hold no longer than that either.
        """

    def note(self, city: int, kind: str, entity: str, action: str, body: Mapping[str, Any] | None) -> int:
        """Append an event that changes no state; its number. City 0 is the server."""


class Storage(Protocol):
    """State of all cities. Reads see everything that was acknowledged."""

    path: Path
    """The file that other processes may read it from."""

    async def open(self) -> None:
        """Create what is missing and start to write."""

    async def close(self) -> None:
        """Write what is queued and end."""

    async def write(self, actor: str, change: Callable[[Transaction], T], at: int | None = None) -> T:
        """Run a change; its result, once it is committed."""

    def listen(self, listener: "Callable[[Sequence[Change | Measured]], None]") -> None:
        """Tell somebody of what is committed from now on, in order and before its writer hears."""

    def city_numbered(self, city: int) -> str | None:
        """The id of the city of that number."""

    def sensor_numbered(self, sensor: int) -> tuple[int, Row] | None:
        """The city's number and the row of the sensor of that number."""

    def next_sensors(self, city: int, after: int, limit: int) -> list[Row]:
        """The sensors of a city that are numbered above `after`, at most `limit`, at once."""

    async def city(self, city_id: str) -> CityRow | None:
        """The city of that id."""

    async def cities(self) -> list[CityRow]:
        """All cities, oldest first."""

    async def object(self, city: int, object_id: str) -> Row | None:
        """The object of that id."""

    async def objects(self, query: ObjectQuery) -> Page:
        """A page of objects."""

    async def near(
        self, city: int, box: tuple[float, float, float, float], types: tuple[str, ...]
    ) -> list[Row]:
        """The objects whose box touches a box."""

    async def sensor(self, city: int, sensor_id: str) -> Row | None:
        """The sensor of that id."""

    async def sensors(self, query: SensorQuery) -> Page:
        """A page of sensors."""

    async def entity(self, city: int, kind: str, entity_id: str) -> Row | None:
        """The simulation, service or aggregation of that id."""

    async def entities(self, city: int, kind: str, *, without: Sequence[str] = ()) -> list[Row]:
        """All entities of a kind, oldest first; those whose status is one of `without` are left out."""

    async def readings(
        self, sensor: int, start: int, end: int, *, parameter: str | None, limit: int, newest: bool
    ) -> list[Reading]:
        """Readings with start <= instant <= end, in order."""

    async def buckets(
        self, sensors: Sequence[int], parameter: str, start: int, end: int, interval: int
    ) -> list[Bucket]:
        """Readings folded per interval of microseconds."""

    async def latest(self, sensors: Sequence[int]) -> dict[int, list[Reading]]:
        """The newest reading of each parameter, by sensor number."""

    async def counters(self, city: int) -> dict[str, float]:
        """The counts kept of a city, by name."""

    async def history(
        self, city: int, kind: str, entity: str, start: int, end: int, limit: int
    ) -> list[Event]:
        """The changes of an entity in a range of time."""

    async def state_at(self, city: int, at: int) -> "CityState | None":
        """The city at an instant; None before it existed."""

    async def credentials(self) -> list[CredentialRow]:
        """All credentials."""

    async def remembered(self, caller: str, key: str) -> Remembered | None:
        """What a request with this Idempotency-Key was answered."""

    async def import_job(self, import_id: str) -> ImportRow | None:
        """The import job of that id."""

    async def import_jobs(self, city: int | None, statuses: Sequence[str] = ()) -> list[ImportRow]:
        """The import jobs of a city (None: of all), newest first."""

    async def faults(self, import_id: str, limit: int, offset: int) -> tuple[list[RowFault], int]:
        """A page of the refused rows of an import, and how many there are."""

    def view(self) -> Any:
        """A `view.View` of the present commit."""

    async def retired(self) -> list[RetiredSecret]:
        """The secrets that were replaced."""

    async def log(self, city: int | None, *, kind: str | None, before: int | None, limit: int) -> list[Entry]:
        """Events of a city or of all, the newest first, numbered below `before`."""

    def walk_objects(self, query: ObjectQuery, page: int = 500) -> AsyncIterator[Row]:
        """All matching objects in the order of creation."""

    def walk_sensors(self, city: int, page: int = 2000) -> AsyncIterator[Row]:
        """All sensors of a city in the order of registration."""


class CityState(msgspec.Struct, frozen=True):
    """A city as it was at an instant: every entity's last version up to then, in the order of creation."""

    city: bytes
    objects: list[bytes]
    sensors: list[bytes]
    readings: dict[str, list[Reading]]
    aggregations: list[bytes]
    simulations: list[bytes]
    services: list[bytes]
