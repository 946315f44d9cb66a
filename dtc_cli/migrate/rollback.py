"""Taking a migration back: what it created goes, what it changed is as it was, what others edited stays."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import orjson

from dtc_cli.migrate import content
from dtc_cli.migrate.journal import Journal
from dtc_cli.migrate.twin import Twin

PART = 2000
ATTEMPTS = 3
"""Looks at the target after a run that was killed; each finds less."""
ROLLBACK_MAX_S = 900.0  # P4 9.1
FULL_SIZE = 50_000
"""Objects of the incremental phase (P4 9.1), for which the time is forecast."""
FORECAST_FROM = 500
"""A pace measured on fewer objects says nothing about so many."""

Progress = Callable[[int, int, float], None]


class Rollback(msgspec.Struct, kw_only=True):
    """What a rollback did."""

    deleted: int = 0
    restored: int = 0
    already_gone: int = 0
    edited: list[str] = []
    """Objects that somebody edited since: left alone unless forced."""
    failed: dict[str, str] = {}
    city_removed: bool = False
    seconds: float = 0.0

    @property
    def whole(self) -> bool:
        """Whether nothing of the migration is left."""
        return not self.edited and not self.failed

    @property
    def forecast_s(self) -> float | None:
        """Seconds that 50,000 objects would take at this pace."""
        done = self.deleted + self.restored
        return self.seconds * FULL_SIZE / done if done >= FORECAST_FROM and self.seconds else None


def roll_back(
    journal: Journal, twin: Twin, *, force: bool = False, progress: Progress | None = None
) -> Rollback:
    """Take back all that stands in the target by this migration; may be repeated after a crash.

    Args:
        journal: the journal of the migration.
        twin: the target.
        force: take back also what was edited since.
        progress: called with done, total, seconds.
    """
    started = time.monotonic()
    result = Rollback()
    for _ in range(ATTEMPTS):
        # What a killed run sent may still be on its way into the target: wait for it, and look again.
        unheard = bool(journal.unanswered())
        if unheard and twin.exists() and not twin.settle():
            result.failed["imports"] = (
                "an import of the target does not come to its end; roll back again later"
            )
        _take_back(journal, twin, result, started, force=force, progress=progress)
        if not unheard or not (set(_standing(journal, twin)) - set(result.edited) - set(result.failed)):
            break
    if journal.fact("cityMade") and result.whole and twin.object_count() == 0:
        result.city_removed = twin.delete_city()
    result.seconds = time.monotonic() - started
    return result


def _take_back(
    journal: Journal,
    twin: Twin,
    result: Rollback,
    started: float,
    *,
    force: bool,
    progress: Progress | None,
) -> None:
    """Take back what stands in the target now."""
    total = journal.object_count()
    current = _standing(journal, twin)
    gone: list[str] = []
    delete: list[str] = []
    restore: list[tuple[str, bytes]] = []
    result.edited = []
    for item in journal.live_objects():
        identifier = item["id"]
        now = current.get(identifier)
        if now is None:
            gone.append(identifier)
        elif now == "edited" and not force:
            result.edited.append(identifier)
        elif item["created"]:
            delete.append(identifier)
        elif item["prior"] is not None:
            restore.append((identifier, item["prior"]))
        else:
            result.failed[identifier] = "its earlier version is not in the journal"
    _orphans(journal, current, result, delete, restore, force=force)
    result.already_gone += len(gone)
    journal.mark_objects(gone, "gone")
    for first in range(0, len(delete), PART):
        part = delete[first : first + PART]
        failed = twin.delete_many(part)
        result.failed.update(failed)
        journal.mark_objects([one for one in part if one not in failed], "gone")
        result.deleted += len(part) - len(failed)
        if progress is not None:
            progress(result.deleted, total, time.monotonic() - started)
    outcomes = twin.many([partial(_restore, twin, identifier, prior) for identifier, prior in restore])
    for (identifier, _), why in zip(restore, outcomes, strict=True):
        if why:
            result.failed[identifier] = why
        else:
            result.restored += 1
            journal.mark_objects([identifier], "gone")


def _orphans(
    journal: Journal,
    current: dict[str, str],
    result: Rollback,
    delete: list[str],
    restore: list[tuple[str, bytes]],
    *,
    force: bool,
) -> None:
    """What a run sent before it was killed and the target took, though nobody was there to hear of it."""
    sent = [one for one in journal.unanswered() if one in current]
    known = journal.objects(sent)
    priors = journal.priors(sent)
    for identifier in sent:
        if identifier in known and known[identifier][1] == "live":
            continue
        if current[identifier] == "edited" and not force:
            result.edited.append(identifier)
        elif identifier in priors:
            restore.append((identifier, priors[identifier]))
        else:
            delete.append(identifier)


def _standing(journal: Journal, twin: Twin) -> dict[str, str]:
    """Id to `ours` or `edited`, for the objects of this migration that stand in the target."""
    found: dict[str, str] = {}
    sent = journal.unanswered()
    if not twin.exists():
        return found
    part: list[dict[str, Any]] = []

    def look() -> None:
        known = journal.objects(str(item["id"]) for item in part)
        for item in part:
            identifier = str(item["id"])
            standing, answerless = known.get(identifier), sent.get(identifier)
            if standing is not None and standing[1] == "live":
                same = content.matches(item, standing[0])
                same = same or (answerless is not None and content.matches(item, answerless[0]))
                found[identifier] = "ours" if same else "edited"
            elif answerless is not None and _is_of(item, twin.migration):
                found[identifier] = "ours" if content.matches(item, answerless[0]) else "edited"
        part.clear()

    for item in twin.walk():
        part.append(item)
        if len(part) >= PART:
            look()
    look()
    return found


def _is_of(item: dict[str, Any], migration: str) -> bool:
    metadata = item.get("metadata")
    return isinstance(metadata, dict) and metadata.get("migrationId") == migration


def _restore(twin: Twin, identifier: str, prior: bytes) -> str:
    """Bring back an earlier version; empty, or why not."""
    standing = twin.get(identifier)
    if standing is None:
        return "it is gone"
    now, etag = standing
    answer = twin.change(identifier, now, orjson.loads(prior), etag, back=True)
    return "" if answer.status_code < 300 else f"{answer.status_code} {answer.text[:200]}"
