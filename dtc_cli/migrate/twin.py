"""A twin as the target: bulk import where it is offered, else single writes side by side."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from functools import partial
from typing import Any
from urllib.parse import quote

import httpx
import orjson

from dtc_cli.errors import DtcError
from dtc_cli.migrate import content, sensing, sensor_door
from dtc_cli.migrate.extent import box_of
from dtc_cli.migrate.flight import ahead
from dtc_cli.migrate.import_jobs import PAGE, ImportJobs, rows_of
from dtc_cli.migrate.journal import Written
from dtc_cli.migrate.merge_patch import merge_patch
from dtc_cli.migrate.plan import ON_EXISTING
from dtc_cli.migrate.sinks import Item, bounds_polygon
from dtc_cli.migrate.trouble import target_error
from dtc_cli.migrate.wire import CityLost, TargetDown, Wire, said

MERGE = {"Content-Type": "application/merge-patch+json"}
SETTLE_S = 300.0
"""Seconds that a rollback waits for imports of a killed run."""
BULK_PAGE, SINGLE_PAGE = 5000, 500
JOBS_AHEAD = 3
"""Import jobs under way at once: one that is written, one that is judged, one that is taken in."""


class Twin:
    """A city behind an API (P2 4).

    Args:
        wire: how it is reached.
        city: its id.
        migration: id of the migration, to know its own objects by.
        on_existing: what to do with an object that somebody else put under the same id.
        keep: is given objects of others, as (id, object), before they are changed.
        families: what the migration moves: objects of the city, sensors, readings.
        spans: sensors whose readings it wrote, with first and last instant, for reading them back.

    Attributes:
        bounds: the box of the city, once it was prepared and where it says so.
    """

    forgets = False

    def __init__(
        self,
        wire: Wire,
        city: str,
        *,
        migration: str,
        on_existing: str = ON_EXISTING,
        keep: Callable[[Sequence[tuple[str, bytes]]], None] | None = None,
        families: frozenset[str] = frozenset({"objects"}),
        spans: Callable[[], Iterator[tuple[str, str, str]]] | None = None,
    ) -> None:
        self._wire, self._city = wire, city
        self.migration, self._on_existing = migration, on_existing
        self._keep, self._families, self._spans = keep, families, spans
        self._at = f"/cities/{quote(city, safe='')}"
        self._jobs = ImportJobs(wire, self._at)
        self.bounds: list[float] | None = None
        self._seen = False

    @property
    def page(self) -> int:
        """Objects that it takes best in one call: many to an import job, fewer when written one by one."""
        return SINGLE_PAGE if self._jobs.offered is False else BULK_PAGE

    @property
    def wire(self) -> Wire:
        """How it is reached."""
        return self._wire

    def exists(self) -> bool:
        """Whether the city is there."""
        answer = self._wire.request("GET", self._at)
        self._readable(answer)
        self._seen = self._seen or answer.status_code == 200
        return answer.status_code == 200

    def _readable(self, answer: httpx.Response) -> None:
        if answer.status_code in (401, 403):
            raise target_error(
                "the key may not read the city",
                where=self._city,
                why=" ".join(said(answer)),
                hint="auth.api_keys",
            )

    def prepare(self, *, create: bool, bounds: Sequence[float] | None, name: str) -> bool:
        """See that the city is there, or make it (D-41). Whether it was made.

        Raises:
            DtcError: `migration-target` before anything is written, when it is missing and cannot be made.
        """
        answer = self._wire.request("GET", self._at)
        if answer.status_code == 200:
            self.bounds, self._seen = _bounds_of(answer), True
            return False
        self._readable(answer)
        if not create:
            raise target_error(
                f"the target has no city {self._city}", where="city.id",
                why="the plan says create: never", hint="create: if-missing, or the id of a city that exists",
            )  # fmt: skip
        body = {
            "version": "1.0.0",
            "cityId": self._city,
            "name": name,
            "bounds": bounds_polygon(bounds or (-180.0, -90.0, 180.0, 90.0), margin=0.01 if bounds else 0.0),
            "coordinateSystem": {"type": "WGS84", "epsg": 4326},
        }
        made = self._wire.request("POST", "/cities", json=body)
        if made.status_code not in (200, 201):
            raise target_error(
                f"the target has no city {self._city} and does not make one",
                where="city.id",
                why="POST /cities: " + " ".join(said(made)),
                hint="create the city by other means, then run this again; nothing was written",
            )
        self.bounds, self._seen = box_of(body["bounds"]), True
        return True

    def put(self, items: Sequence[Item]) -> list[Written]:
        """See `Sink`. The items of a call are of one family.

        Raises:
            CityLost: where they were refused because the city is gone: that is no fault of theirs.
        """
        try:
            written = self._put(items)
        except TargetDown:
            raise
        except DtcError:
            self._still_there()
            raise
        if any(one.outcome == "refused" and _absent(one.code) for one in written):
            self._still_there()
        return written

    def _still_there(self) -> None:
        if self._seen and self._wire.request("GET", self._at).status_code in (404, 410):
            raise CityLost(self._city)

    def _put(self, items: Sequence[Item]) -> list[Written]:
        kind = sensing.family(items[0].id) if items else "objects"
        if kind == "readings":
            return sensor_door.submit(self._wire, self._at, items)
        if self._jobs.offered is not False and kind == "objects":
            imported = self._import(items)
            if imported is not None:
                return imported
            self._still_there()
        written: list[Written | None] = self._wire.many([partial(self._store, item) for item in items])
        return self._with_replaced(items, written)

    def ahead(self, items: Sequence[Item]) -> int:
        """Import jobs may wait at the target: one is judged there while another is written."""
        return JOBS_AHEAD if self._jobs.offered and sensing.family(items[0].id) == "objects" else 0

    def halt(self) -> None:
        """Give up waiting for import jobs."""
        self._wire.halt()

    def checkpoint(self) -> None:
        """A target keeps what it acknowledged."""

    def restore(self, place: Any) -> None:
        """Nothing to cut: what is sent again is recognised."""

    def finish(self, bounds: Sequence[float] | None) -> None:
        """See `Sink`."""

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()

    # single writes

    def _store(self, item: Item) -> Written | None:
        """Write a new object; None where one of its id is there, or must be."""
        if item.known:
            return None
        body = item.body
        if sensing.family(item.id) == "sensors":
            body = orjson.dumps(sensing.native(orjson.loads(body)))
        answer = self._wire.request(
            "POST", self._collection(item.id), content=body, headers={"Content-Type": "application/json"}
        )
        if answer.status_code == 201:
            return Written("created", answer.headers.get("etag"))
        if answer.status_code == 409:
            return None
        return Written("refused", None, *said(answer))

    def _with_replaced(self, items: Sequence[Item], written: list[Written | None]) -> list[Written]:
        """Bring objects that are there already to the wanted content; those of others are kept first."""
        again = [index for index, one in enumerate(written) if one is None]
        standing = self._wire.many([partial(self.get, items[index].id) for index in again])
        if self._keep is not None:
            self._keep(
                [
                    (items[index].id, orjson.dumps(now[0]))
                    for index, now in zip(again, standing, strict=True)
                    if now is not None and not items[index].known
                    and (now[0].get("metadata") or {}).get("migrationId") != self.migration
                ]
            )  # fmt: skip
        changed = self._wire.many(
            [partial(self._replace, items[index], now) for index, now in zip(again, standing, strict=True)]
        )
        for index, one in zip(again, changed, strict=True):
            written[index] = one
        return [one for one in written if one is not None]

    def _replace(  # noqa: PLR0911 - one arm per state of the object that stands there
        self, item: Item, now: tuple[dict[str, Any], str | None] | None
    ) -> Written:
        """Bring an object that is there already to the wanted content."""
        wanted = orjson.loads(item.body)
        if now is None:
            answer = self._wire.request("POST", self._collection(item.id), json=sensing.native(wanted))
            if answer.status_code == 201:
                return Written("created", answer.headers.get("etag"))
            return Written("refused", None, *said(answer))
        standing, etag = now
        metadata = standing.get("metadata") or {}
        own = metadata.get("migrationId") == self.migration
        if content.matches(standing, content.of_object(wanted)) and own:
            return Written("created", etag)
        if not own and not item.known:
            if content.matches(standing, content.of_object(wanted)):
                return Written("unchanged", etag)
            same = metadata.get("legacyId") == wanted["metadata"].get("legacyId")
            if self._on_existing == "skip":
                return Written("unchanged", etag)
            if self._on_existing == "quarantine" or not same:
                return Written("refused", None, "id-taken", _whose(metadata, same=same))
        prior = None if own else orjson.dumps(standing)
        changed = self.change(item.id, standing, wanted, etag)
        if changed.status_code >= 300:
            return Written("refused", None, *said(changed))
        return Written(
            "created" if own and not item.known else "updated", changed.headers.get("etag"), prior=prior
        )

    def change(
        self,
        identifier: str,
        now: dict[str, Any],
        wanted: dict[str, Any],
        etag: str | None,
        *,
        back: bool = False,
    ) -> httpx.Response:
        """Merge-patch an object to another content; with its tag, so that nobody's edit is lost.

        `back` also takes away members of the metadata that the wanted content does not have.
        """
        patch = merge_patch(sensing.native(now), sensing.native(wanted))
        if back:
            before, after = (one.get("metadata") or {} for one in (now, wanted))
            patch.setdefault("metadata", {}).update({name: None for name in before if name not in after})
            for name in ("created", "lastUpdated", "revision"):
                patch["metadata"].pop(name, None)
            if not patch["metadata"]:
                del patch["metadata"]
        headers = {**MERGE, **({"If-Match": etag} if etag else {})}
        return self._wire.request(
            "PATCH", self._path(identifier), content=orjson.dumps(patch), headers=headers
        )

    def get(self, identifier: str) -> tuple[dict[str, Any], str | None] | None:
        """An object and its tag, or None."""
        answer = self._wire.request("GET", self._path(identifier))
        if answer.status_code in (404, 410):
            return None
        if answer.status_code != 200:
            raise target_error("an object cannot be read back", where=identifier, why=" ".join(said(answer)))
        found = answer.json()
        if sensing.family(identifier) == "sensors":
            found = sensing.from_sensor(found)
        return found, answer.headers.get("etag")

    def many(self, calls: Sequence[Callable[[], Any]]) -> list[Any]:
        """Calls side by side."""
        return self._wire.many(calls)

    def delete(self, identifier: str, etag: str | None = None) -> tuple[bool, str]:
        """Delete an object; whether it is gone, else why not."""
        headers = {"If-Match": etag} if etag else {}
        answer = self._wire.request("DELETE", self._path(identifier), headers=headers)
        if answer.status_code in (200, 202, 204, 404, 410):
            return True, ""
        return False, " ".join(said(answer))

    def delete_many(self, identifiers: Sequence[str]) -> dict[str, str]:
        """Delete objects, in bulk where offered; id to reason of what could not be.

        A reading goes with its sensor only; sensors are deleted before this looks for those of readings.
        """
        families: dict[str, list[str]] = {}
        for one in identifiers:
            families.setdefault(sensing.family(one), []).append(one)
        failed = self._delete_objects(families.get("objects", []))
        failed |= self._delete_each(families.get("sensors", []))
        readings = families.get("readings", [])
        owners = sorted({sensing.sensor_id(one) for one in readings})
        found = self._wire.many([partial(self.get, sensing.of_sensor(name)) for name in owners])
        standing = {name for name, now in zip(owners, found, strict=True) if now is not None}
        return failed | {
            one: sensor_door.TAKEN_BACK for one in readings if sensing.sensor_id(one) in standing
        }

    def _delete_objects(self, identifiers: Sequence[str]) -> dict[str, str]:
        if self._jobs.offered is not False and identifiers:
            lines = [orjson.dumps({"id": one, "delete": True}) for one in identifiers]
            failed = self._jobs.run(lines, "upsert")
            if failed is not None:
                return {
                    identifiers[line]: f"{code} {text}"
                    for line, (code, text) in failed.items()
                    if "NOT_FOUND" not in code
                }
        return self._delete_each(identifiers)

    def _delete_each(self, identifiers: Sequence[str]) -> dict[str, str]:
        outcomes = self._wire.many([partial(self.delete, one) for one in identifiers])
        return {one: why for one, (gone, why) in zip(identifiers, outcomes, strict=True) if not gone}

    def walk(self) -> Iterator[dict[str, Any]]:
        """All objects of the city; where the migration moves such, its sensors, and the readings it wrote."""
        if "objects" in self._families:
            yield from self._pages("objects")
        if len(self._families - {"objects"}):
            yield from map(sensing.from_sensor, self._pages("sensors"))
        if "readings" in self._families and self._spans is not None:
            yield from sensor_door.walk(self._wire, self._at, self._spans())

    def _pages(self, what: str) -> Iterator[dict[str, Any]]:
        """The entities of a collection; a page is fetched while the one before it is looked at."""
        with closing(ahead(self._fetched(what))) as pages:
            for rows in pages:
                yield from rows

    def _fetched(self, what: str) -> Generator[list[dict[str, Any]], None, None]:
        """A collection page by page; by cursor where the target gives one, else by offset."""
        offset, cursor = 0, None
        while True:
            params: dict[str, str | int] = {"limit": PAGE}
            if cursor is not None:
                params["cursor"] = cursor
            elif offset:
                params["offset"] = offset
            answer = self._wire.request("GET", f"{self._at}/{what}", params=params)
            if answer.status_code != 200:
                raise target_error(
                    f"the {what} cannot be listed", where=self._city, why=" ".join(said(answer))
                )
            body = orjson.loads(answer.content)
            rows = rows_of(body)
            yield rows
            offset += len(rows)
            following = body.get("next") if isinstance(body, dict) else None
            if following is not None and following == cursor:
                return
            cursor = following
            if not rows or (cursor is None and len(rows) < PAGE):
                return

    def object_count(self) -> int | None:
        """How many objects and sensors the city says it has."""
        answer = self._wire.request("GET", f"{self._at}/statistics")
        try:
            found = answer.json()
            return int(found["cityObjects"]["total"]) + int(found["sensors"]["total"])
        except (ValueError, KeyError, TypeError):
            return None

    def settle(self) -> bool:
        """Wait for imports that somebody left at work; whether all came to their end."""
        return self._jobs.settle(max(self._wire.patience_s, SETTLE_S))

    def delete_city(self) -> bool:
        """Remove the city itself; whether the target did."""
        return self._wire.request("DELETE", self._at).status_code in (200, 202, 204, 404)

    def _path(self, identifier: str) -> str:
        return f"{self._collection(identifier)}/{quote(identifier.removeprefix('sensors/'), safe='')}"

    def _collection(self, identifier: str) -> str:
        return f"{self._at}/{sensing.family(identifier)}"

    # bulk

    def _import(self, items: Sequence[Item]) -> list[Written] | None:
        """By import jobs: objects of ours are replaced, new ones inserted; None where there is no import."""
        results: list[Written | None] = [None] * len(items)
        for mode, known in (("insert", False), ("upsert", True)):
            chosen = [index for index, item in enumerate(items) if item.known == known]
            if not chosen:
                continue
            failed = self._jobs.run([items[index].body for index in chosen], mode)
            if failed is None:
                return None
            for place, index in enumerate(chosen):
                results[index] = Written("updated" if known else "created")
                if place in failed:
                    results[index] = Written("refused", None, *failed[place])
        return self._with_replaced(
            items, [None if one is not None and _taken(one) else one for one in results]
        )


def _bounds_of(answer: httpx.Response) -> list[float] | None:
    """The box of a city as its answer tells it."""
    try:
        body = answer.json()
    except ValueError:
        return None
    return box_of(body.get("bounds")) if isinstance(body, dict) else None


def _whose(metadata: dict[str, Any], *, same: bool) -> str:
    """The sentence about an object that stands under a wanted id: who put it there, and from which record."""
    migration = metadata.get("migrationId")
    by = f"by the migration {migration}" if migration else "and no migration put it there"
    if not same:
        return f"an object of this id stands in the target, {by}, and it is not of this legacy record"
    return f"another object of this id stands in the target, {by}, of the same legacy id and other content"


def _absent(code: str) -> bool:
    """Whether a refusal says that something is not there."""
    return "NOT_FOUND" in code or code in ("404", "410")


def _taken(written: Written) -> bool:
    return written.outcome == "refused" and ("DUPLICATE" in written.code or written.code == "409")
