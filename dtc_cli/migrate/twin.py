"""A twin as the target: bulk import where it is offered, else single writes side by side."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote

import httpx
import orjson

from dtc_cli.migrate import content
from dtc_cli.migrate.journal import Written
from dtc_cli.migrate.sinks import Item, bounds_polygon
from dtc_cli.migrate.trouble import target_error
from dtc_cli.migrate.wire import Wire, said

NDJSON = {"Content-Type": "application/x-ndjson"}
MERGE = {"Content-Type": "application/merge-patch+json"}
PAGE = 1000  # P2 4.3: the most that a page may hold
BULK_PAGE, SINGLE_PAGE = 5000, 500
POLL_S = 0.02
NOT_OFFERED = frozenset({404, 405, 501})


class Twin:
    """A city behind an API (P2 4).

    Args:
        wire: how it is reached.
        city: its id.
        migration: id of the migration, to know its own objects by.
        on_existing: what to do with an object that somebody else put under the same id.
        keep: is given objects of others, as (id, object), before they are changed.
    """

    forgets = False

    def __init__(
        self,
        wire: Wire,
        city: str,
        *,
        migration: str,
        on_existing: str = "update",
        keep: Callable[[Sequence[tuple[str, bytes]]], None] | None = None,
    ) -> None:
        self._wire, self._city = wire, city
        self.migration, self._on_existing = migration, on_existing
        self._keep = keep
        self._at = f"/cities/{quote(city, safe='')}"
        self._bulk: bool | None = None

    @property
    def page(self) -> int:
        """Objects that it takes best in one call: many to an import job, fewer when written one by one."""
        return SINGLE_PAGE if self._bulk is False else BULK_PAGE

    @property
    def wire(self) -> Wire:
        """How it is reached."""
        return self._wire

    def exists(self) -> bool:
        """Whether the city is there."""
        answer = self._wire.request("GET", self._at)
        self._readable(answer)
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
        return True

    def put(self, items: Sequence[Item]) -> list[Written]:
        """See `Sink`."""
        if self._bulk is not False:
            imported = self._import(items)
            if imported is not None:
                return imported
        written: list[Written | None] = self._wire.many([partial(self._store, item) for item in items])
        return self._with_replaced(items, written)

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
        answer = self._wire.request(
            "POST", f"{self._at}/objects", content=item.body, headers={"Content-Type": "application/json"}
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
            answer = self._wire.request("POST", f"{self._at}/objects", json=wanted)
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
                return Written(
                    "refused", None, "id-taken",
                    "an object of this id stands in the target, and it is not of this legacy record",
                )  # fmt: skip
        prior = None if own else orjson.dumps(standing)
        changed = self.change(item.id, merge_patch(standing, wanted), etag)
        if changed.status_code >= 300:
            return Written("refused", None, *said(changed))
        return Written(
            "created" if own and not item.known else "updated", changed.headers.get("etag"), prior=prior
        )

    def change(self, identifier: str, patch: dict[str, Any], etag: str | None) -> httpx.Response:
        """Merge-patch an object; with its tag, so that nobody's edit is lost."""
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
        return answer.json(), answer.headers.get("etag")

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
        """Delete objects, in bulk where offered; id to reason of what could not be."""
        if self._bulk is not False:
            lines = [orjson.dumps({"id": one, "delete": True}) for one in identifiers]
            failed = self._job(lines, "upsert")
            if failed is not None:
                return {
                    identifiers[line]: f"{code} {text}"
                    for line, (code, text) in failed.items()
                    if "NOT_FOUND" not in code
                }
        outcomes = self._wire.many([partial(self.delete, one) for one in identifiers])
        return {one: why for one, (gone, why) in zip(identifiers, outcomes, strict=True) if not gone}

    def walk(self) -> Iterator[dict[str, Any]]:
        """All objects of the city, page by page; by cursor where the target gives one, else by offset."""
        offset, cursor = 0, None
        while True:
            params: dict[str, str | int] = {"limit": PAGE}
            if cursor is not None:
                params["cursor"] = cursor
            elif offset:
                params["offset"] = offset
            answer = self._wire.request("GET", f"{self._at}/objects", params=params)
            if answer.status_code != 200:
                raise target_error(
                    "the objects cannot be listed", where=self._city, why=" ".join(said(answer))
                )
            body = orjson.loads(answer.content)
            rows = _rows(body)
            yield from rows
            offset += len(rows)
            following = body.get("next") if isinstance(body, dict) else None
            if following is not None and following == cursor:
                return
            cursor = following
            if not rows or (cursor is None and len(rows) < PAGE):
                return

    def object_count(self) -> int | None:
        """How many objects the city says it has."""
        answer = self._wire.request("GET", f"{self._at}/statistics")
        try:
            return int(answer.json()["cityObjects"]["total"])
        except (ValueError, KeyError, TypeError):
            return None

    def delete_city(self) -> bool:
        """Remove the city itself; whether the target did."""
        return self._wire.request("DELETE", self._at).status_code in (200, 202, 204, 404)

    def _path(self, identifier: str) -> str:
        return f"{self._at}/objects/{quote(identifier, safe='')}"

    # bulk

    def _import(self, items: Sequence[Item]) -> list[Written] | None:
        """By import jobs: objects of ours are replaced, new ones inserted; None where there is no import."""
        results: list[Written | None] = [None] * len(items)
        for mode, known in (("insert", False), ("upsert", True)):
            chosen = [index for index, item in enumerate(items) if item.known == known]
            if not chosen:
                continue
            failed = self._job([items[index].body for index in chosen], mode)
            if failed is None:
                return None
            for place, index in enumerate(chosen):
                results[index] = Written("updated" if known else "created")
                if place in failed:
                    results[index] = Written("refused", None, *failed[place])
        return self._with_replaced(
            items, [None if one is not None and _taken(one) else one for one in results]
        )

    def _job(self, lines: Sequence[bytes], mode: str) -> dict[int, tuple[str, str]] | None:
        """Run one import job to its end; index of a line to (code, sentence) of its failure."""
        answer = self._wire.request(
            "POST",
            f"{self._at}/import",
            content=b"\n".join(lines) + b"\n",
            headers=NDJSON,
            params={"mode": mode},
        )
        if answer.status_code in NOT_OFFERED:
            self._bulk = False
            return None
        if answer.status_code == 413 and len(lines) > 1:
            return self._halved(lines, mode)
        if answer.status_code not in (200, 201, 202):
            code, text = said(answer)
            if len(lines) == 1:
                return {0: (code, text)}
            return self._halved(lines, mode)
        self._bulk = True
        job = answer.json()
        place = answer.headers.get("location") or f"{self._at}/imports/{quote(str(job['id']), safe='')}"
        if "://" not in place:
            place = self._relative(place)
        pause = POLL_S
        while job.get("status") not in ("completed", "failed", "cancelled"):
            time.sleep(pause)
            pause = min(pause * 1.3, 0.5)
            job = self._wire.request("GET", place).json()
        if job["status"] != "completed" and not job.get("errors"):
            raise target_error(
                "an import job of the target failed", where=place, why=str(job.get("message", job["status"]))
            )
        return self._failures(job, place)

    def _relative(self, place: str) -> str:
        """A Location begins at the root of the host; requests here begin at the base."""
        marker = place.find(self._at)
        return place[marker:] if marker >= 0 else place

    def _halved(self, lines: Sequence[bytes], mode: str) -> dict[int, tuple[str, str]] | None:
        """A job that is refused as a whole is cut in two, down to the line that is to blame."""
        middle = len(lines) // 2
        failed: dict[int, tuple[str, str]] = {}
        for offset, part in ((0, lines[:middle]), (middle, lines[middle:])):
            found = self._job(part, mode)
            if found is None:
                return None
            failed.update({offset + index: told for index, told in found.items()})
        return failed

    def _failures(self, job: dict[str, Any], place: str) -> dict[int, tuple[str, str]]:
        errors = list(job.get("errors") or [])
        wanted = int((job.get("counts") or {}).get("failed", len(errors)))
        while len(errors) < wanted:
            answer = self._wire.request(
                "GET", f"{place}/errors", params={"limit": PAGE, "offset": len(errors)}
            )
            more = _rows(answer.json()) if answer.status_code == 200 else []
            if not more:
                raise target_error(
                    "the target does not say which lines of an import failed", where=place,
                    why=f"it counts {wanted} failures and names {len(errors)}",
                )  # fmt: skip
            errors.extend(more)
        return {
            int(one["line"]) - 1: (str(one.get("code", "refused")), str(one.get("message", ""))[:300])
            for one in errors
        }


def _taken(written: Written) -> bool:
    return written.outcome == "refused" and ("DUPLICATE" in written.code or written.code == "409")


def _rows(body: Any) -> list[dict[str, Any]]:
    """The items of a list answer: a bare array, or an object with one array (C-37)."""
    if isinstance(body, list):
        return body
    for name in ("objects", "items", "data", "results", "errors"):
        if isinstance(body.get(name), list):
            return list(body[name])
    return next((value for value in body.values() if isinstance(value, list)), [])


def merge_patch(now: Any, wanted: Any) -> dict[str, Any]:
    """The RFC 7396 patch that turns one object into another.

    Members that only the target knows, at the top and in `metadata`, stay; all else that is not wanted goes.
    """
    patch: dict[str, Any] = {}
    for name, value in wanted.items():
        old = now.get(name)
        if name == "id" or value == old:
            continue
        if isinstance(value, dict) and isinstance(old, dict):
            inner = _difference(old, value, remove=name != "metadata")
            if inner:
                patch[name] = inner
        else:
            patch[name] = value
    return patch


def _difference(old: dict[str, Any], new: dict[str, Any], *, remove: bool) -> dict[str, Any]:
    patch: dict[str, Any] = {name: None for name in old if name not in new} if remove else {}
    for name, value in new.items():
        before = old.get(name)
        if isinstance(value, dict) and isinstance(before, dict):
            inner = _difference(before, value, remove=True)
            if inner:
                patch[name] = inner
        elif value != before or name not in old:
            patch[name] = value
    return patch
