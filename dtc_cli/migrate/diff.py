"""The parallel run: the legacy system and the twin side by side, by legacy id (P4 9.1, edge case 45)."""

import sqlite3
from collections.abc import Iterator
from typing import Any

import msgspec
import orjson

from dtc_cli.migrate import compare, content, sensing
from dtc_cli.migrate.journal import Journal
from dtc_cli.migrate.plan import Plan
from dtc_cli.migrate.verify import View, expected_objects

LISTED = 500


class Diff(msgspec.Struct, kw_only=True):
    """Objects in three classes; the lists hold the first 500 of each."""

    same: int = 0
    missing: list[dict[str, Any]] = []
    missing_count: int = 0
    extra: list[dict[str, Any]] = []
    extra_count: int = 0
    differs: list[dict[str, Any]] = []
    differs_count: int = 0
    past: int = 0
    """Readings from before or after what the source holds now: its window moved on, and they stay."""

    @property
    def equal(self) -> bool:
        """Whether both systems hold the same."""
        return not (self.missing_count or self.extra_count or self.differs_count)


def diff(plan: Plan, journal: Journal, view: View, *, tolerance_m: float | None = None) -> Diff:
    """Compare what the source gives now with what stands in the target.

    Extra are objects that a migration of this plan wrote and whose legacy record is gone or no longer
    maps to them; objects of others are none of its business. A table of readings is a window that moves on:
    what lies outside of it now is counted apart.
    """
    limit = plan.thresholds.tolerance_m if tolerance_m is None else tolerance_m
    result = Diff()
    with _Store() as store:
        migration = str(journal.fact("migration"))
        for item in view.walk():
            metadata = item.get("metadata") or {}
            if metadata.get("migrationId") == migration or journal.objects([str(item.get("id"))]):
                store.put(item)
        window = _Window()
        for layer, expected in expected_objects(plan, journal):
            window.take(expected["id"])
            now = store.take(expected["id"])
            facts = {"id": expected["id"], "legacyId": expected["metadata"]["legacyId"], "layer": layer}
            if now is None:
                result.missing_count += 1
                _add(result.missing, facts)
            elif why := differences(expected, now, limit):
                result.differs_count += 1
                _add(result.differs, {**facts, "members": why})
            else:
                result.same += 1
        for identifier, legacy in store.rest():
            if window.is_past(identifier):
                result.past += 1
                continue
            result.extra_count += 1
            _add(result.extra, {"id": identifier, "legacyId": legacy})
    return result


def _add(found: list[dict[str, Any]], one: dict[str, Any]) -> None:
    if len(found) < LISTED:
        found.append(one)


def differences(expected: dict[str, Any], now: dict[str, Any], tolerance_m: float) -> dict[str, Any]:
    """Members in which two objects differ: name to (legacy value, twin value), geometry in metres."""
    wanted, have = content.canonical(expected), content.canonical(now)
    found: dict[str, Any] = {}
    if wanted["type"] != have["type"]:
        found["type"] = [wanted["type"], have["type"]]
    theirs = have["properties"] if isinstance(have["properties"], dict) else {}
    for name in sorted({*wanted["properties"], *theirs}):
        left, right = wanted["properties"].get(name), theirs.get(name)
        if left != right:
            found[f"properties.{name}"] = [left, right]
    if wanted["geometry"] != have["geometry"]:
        try:
            apart = compare.distance(wanted["geometry"], have["geometry"] or {}).hausdorff_m
        except ValueError as problem:
            found["geometry"] = str(problem)
        else:
            if apart > tolerance_m:
                found["geometry"] = f"{apart:.3f} m apart"
    return found


class _Window:
    """From when to when the source has readings."""

    def __init__(self) -> None:
        self._first, self._last = "9", ""

    def take(self, identifier: str) -> None:
        """Note an object that the source gives."""
        if sensing.family(identifier) == "readings":
            at = _at(identifier)
            self._first, self._last = min(self._first, at), max(self._last, at)

    def is_past(self, identifier: str) -> bool:
        """Whether an object is a reading that lies outside of what the source has."""
        return sensing.family(identifier) == "readings" and not self._first <= _at(identifier) <= self._last


def _at(identifier: str) -> str:
    """The instant of a reading so that the order of texts is that of time: fractions may be there or not."""
    return sensing.instant_of(identifier).removesuffix("Z")


class _Store:
    """Objects of the target by id, on disk: a city does not fit into memory."""

    def __enter__(self) -> "_Store":
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute("CREATE TABLE item (id TEXT PRIMARY KEY, legacy TEXT, body BLOB) WITHOUT ROWID")
        self._db.execute("BEGIN")
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def put(self, item: dict[str, Any]) -> None:
        legacy = (item.get("metadata") or {}).get("legacyId")
        self._db.execute(
            "INSERT OR REPLACE INTO item VALUES (?, ?, ?)", (str(item.get("id")), legacy, orjson.dumps(item))
        )

    def take(self, identifier: str) -> dict[str, Any] | None:
        row = self._db.execute("SELECT body FROM item WHERE id = ?", (identifier,)).fetchone()
        if row is None:
            return None
        self._db.execute("DELETE FROM item WHERE id = ?", (identifier,))
        found: dict[str, Any] = orjson.loads(row[0])
        return found

    def rest(self) -> Iterator[tuple[str, str | None]]:
        yield from self._db.execute("SELECT id, legacy FROM item ORDER BY id")
