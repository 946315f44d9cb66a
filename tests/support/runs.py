"""Fabricates run folders as a run leaves them: same files, same chain, whatever outcomes one likes.

They are written through the public functions of the core (plan, chain, canonical JSON), so that a package
made of one stands for a real package in the tests of signing.
"""

import json
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from dtc_cli import paths
from dtc_cli.core import chain, plan
from dtc_cli.core.canonical import canonical_json, sha256_hex
from dtc_cli.core.catalogue import Catalogue
from dtc_cli.core.model import Finding, Level, MatrixLine, Outcome, Vector

FINISHED = datetime(2026, 11, 20, 12, 0, 20, tzinfo=UTC)
RUN_ID = "0190a1b2-0000-7000-8000-00000000000{}"
NONCE = "q83vEjRWeJCrze8SNFZ4kA"
REASONLESS = (Outcome.PASSED, Outcome.FAILED, Outcome.WARNED, Outcome.ERROR)


def covered_catalogue(root: Path) -> Catalogue:
    """The installed catalogue, with one positive and one negative vector for every requirement."""
    shutil.copytree(paths.SPEC, root)
    entries = Catalogue(root).requirements.values()
    vectors = [
        Vector(
            id=f"{entry.id}/{polarity}-case",
            requirement=entry.id,
            polarity=polarity,
            hazard="read",
            title=f"{polarity} case of {entry.id}",
        )
        for entry in entries
        for polarity in ("negative", "positive")
    ]
    (root / "vectors.json").write_bytes(msgspec.json.encode(vectors))
    return Catalogue(root)


def make(
    folder: Path,
    catalogue: Catalogue,
    *,
    outcomes: Mapping[str, Outcome] | None = None,
    number: int = 1,
    level: Level = Level.BRONZE,
    excluded: Mapping[str, str] | None = None,
    finished: datetime = FINISHED,
    drop: tuple[str, ...] = (),
    **changes: Any,
) -> Path:
    """A finished run; vectors that `outcomes` does not name passed.

    Args:
        folder: where the run folder is made.
        catalogue: the standard that was judged by.
        outcomes: vector id to outcome.
        number: a digit that tells runs apart.
        level: the level claimed.
        excluded: requirement id to reason.
        finished: the end of the run, 20 s after its start.
        drop: vectors that get no matrix line.
        changes: members of `run.json` to replace.
    """
    given = outcomes or {}
    world = plan.make(catalogue.requirements.values(), catalogue.vectors, level, excluded or {})
    run = _facts(catalogue, world, number, finished)
    run.update(changes)
    (folder / "bodies").mkdir(parents=True)
    by_id = {entry.id: entry for entry in world.requirements}
    start = chain.genesis(
        run["nonce"], run["runId"], run["standard"]["catalogueDigest"], run["profile"]["digest"]
    )
    log = _Log(folder, start, number, _text(finished - timedelta(seconds=19)))
    with (folder / "matrix.jsonl").open("wb") as matrix:
        for vector in world.vectors:
            if vector.id in drop:
                continue
            outcome = given.get(vector.id, Outcome.PASSED)
            span = chain.SpanDigest()
            first = log.count
            span.add(log.exchange(vector.id, outcome))
            line = MatrixLine(
                vector=vector.id,
                requirement=vector.requirement,
                level=by_id[vector.requirement].level,
                strength=by_id[vector.requirement].strength,
                outcome=outcome,
                justification=None if outcome in REASONLESS else "a reason",
                blocked_by=None,
                started_at=_text(finished - timedelta(seconds=19)),
                duration_ms=3,
                attempts=(),
                seed=run["seed"],
                events=(first, first),
                request_digest=span.requests,
                response_digest=span.answers,
                finding=None if outcome is Outcome.PASSED else Finding(message=f"{vector.id} {outcome}"),
            )
            matrix.write(canonical_json(msgspec.to_builtins(line)) + b"\n")
    log.close()
    run["events"] = changes.get("events", {"count": log.count, "head": log.head})
    (folder / "run.json").write_text(json.dumps(run, indent=2))
    (folder / "vectors.json").write_bytes(msgspec.json.encode(world.vectors))
    (folder / "requirements.json").write_bytes(msgspec.json.encode(world.requirements))
    (folder / "log.txt").write_text("")
    return folder


def _facts(catalogue: Catalogue, world: plan.Plan, number: int, finished: datetime) -> dict[str, Any]:
    claims = {"excluded": dict(world.excluded), "hazards": ["read", "write"], "declares": {"cache_s": 0.5}}
    return {
        "format": 1,
        "runId": RUN_ID.format(number),
        "status": "complete",
        "mode": "self-assessment",
        "tool": {"name": "dtc", "version": "0.1.0"},
        "standard": {
            "id": "wia-digital-twin-city",
            "version": "1.0.0",
            "catalogueDigest": _digest(catalogue),
        },
        "suite": {"version": "0.1.0", "digest": "d" * 64, "dirty": False},
        "target": {
            "name": "Busan Twin",
            "vendor": "Example Works",
            "version": "4.2.0",
            "city": "KR-BUSAN-2025",
            "baseUrl": "https://twin.example/digital-twin-city/v1",
            "streamUrl": None,
            "mqttUrl": None,
            "documents": ["exports/*.json"],
            "validator": True,
            "fingerprint": {"tlsSpki": ["e" * 64], "server": "busan/4.2", "openapi": "0" * 64},
        },
        "profile": {**claims, "digest": sha256_hex(canonical_json(claims))},
        "level": {"claimed": world.level.value},
        "seed": 42,
        "nonce": NONCE,
        "selection": {"complete": True, "expression": None},
        "startedAt": _text(finished - timedelta(seconds=20)),
        "finishedAt": _text(finished),
        "clock": {"source": "system", "monotonicMs": 20_000, "targetSkewMs": 12},
        "environment": {"python": "3.11.7", "platform": "Linux"},
        "doctor": [],
    }


class _Log:
    """An event log with one exchange per vector."""

    def __init__(self, folder: Path, start: str, number: int, at: str) -> None:
        self.head, self.count, self._number, self._at = start, 0, number, at
        self._bodies = folder / "bodies"
        self._file = (folder / "events.jsonl").open("wb")

    def exchange(self, vector: str, outcome: Outcome) -> dict[str, Any]:
        """Append one exchange and its body."""
        body = json.dumps({"run": self._number, "vector": vector}).encode()
        (self._bodies / sha256_hex(body)).write_bytes(body)
        event = {
            "seq": self.count,
            "prev": self.head,
            "tMonoUs": self.count * 1000,
            "tUtc": self._at,
            "vector": vector,
            "kind": "http",
            "method": "GET",
            "url": "https://twin.example/digital-twin-city/v1/cities/KR-BUSAN-2025",
            "reqHeaders": {"x-api-key": "[redacted:admin]"},
            "reqDigest": None,
            "reqSize": 0,
            "status": 500 if outcome is Outcome.FAILED else 200,
            "respHeaders": {"content-type": "application/json"},
            "respDigest": sha256_hex(body),
            "respSize": len(body),
            "tlsSpki": None,
            "error": None,
            "credential": "admin",
        }
        line = canonical_json(event)
        self._file.write(line + b"\n")
        self.head = chain.link(line)
        self.count += 1
        return event

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@cache
def _digest(catalogue: Catalogue) -> str:
    return catalogue.digest


def _text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
