"""Makes run folders out of nothing, so that reports can be tested on any run one can think of."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from dtc_cli.core.canonical import canonical_json, sha256_hex
from dtc_cli.core.model import Finding, Level, MatrixLine, Outcome, Requirement, Strength, Vector
from dtc_cli.core.report import Report
from dtc_cli.core.report.model import Case, Row

RUN_ID = "0190a1b2-0000-7000-8000-000000000001"


def requirement(identifier: str, **members: Any) -> Requirement:
    """A requirement of the catalogue; members that are not given have ordinary values."""
    given: dict[str, Any] = {
        "id": identifier,
        "phase": 1,
        "clause": "P1 4.1",
        "title": f"Title of {identifier}",
        "statement": f"What {identifier} asks for MUST hold.",
        "strength": Strength.MUST,
        "level": Level.BRONZE,
        "check": "phase1/Required fields presence",
        "method": "static-document",
        "positive": "a record that has it",
        "negative": "a record that lacks it",
    }
    return Requirement(**{**given, **members})


def vector(identifier: str, **members: Any) -> Vector:
    """A vector; its requirement is the part before the slash."""
    given: dict[str, Any] = {
        "id": identifier,
        "requirement": identifier.partition("/")[0],
        "polarity": "negative",
        "hazard": "read",
        "title": f"Title of {identifier}",
    }
    return Vector(**{**given, **members})


def line(identifier: str, outcome: Outcome = Outcome.PASSED, **members: Any) -> MatrixLine:
    """A judged vector."""
    given: dict[str, Any] = {
        "vector": identifier,
        "requirement": identifier.partition("/")[0],
        "level": Level.BRONZE,
        "strength": Strength.MUST,
        "outcome": outcome,
        "justification": None,
        "blocked_by": None,
        "started_at": "2026-01-02T03:04:05Z",
        "duration_ms": 12,
        "attempts": (),
        "seed": 7,
        "events": (0, -1),
        "request_digest": None,
        "response_digest": None,
        "finding": None if outcome is Outcome.PASSED else Finding(message=f"{outcome} because"),
    }
    return MatrixLine(**{**given, **members})


def http(sequence: int, vector_id: str | None, **members: Any) -> dict[str, Any]:
    """An exchange as a line of the event log holds it. `sent` and `received` are bodies (bytes)."""
    given: dict[str, Any] = {
        "seq": sequence,
        "tMonoUs": sequence * 1000,
        "tUtc": "2026-01-02T03:04:05.000001Z",
        "vector": vector_id,
        "kind": "http",
        "method": "GET",
        "url": "https://twin.example/digital-twin-city/v1/cities/KR-BUSAN-2025",
        "reqHeaders": {"x-api-key": "[redacted:admin]", "accept": "application/json"},
        "status": 200,
        "respHeaders": {"content-type": "application/json"},
        "tlsSpki": None,
        "error": None,
        "credential": "admin",
    }
    return {**given, **members}


def run_facts(**members: Any) -> dict[str, Any]:
    """`run.json` of a complete run."""
    given: dict[str, Any] = {
        "format": 1,
        "runId": RUN_ID,
        "status": "complete",
        "mode": "self-assessment",
        "tool": {"name": "dtc", "version": "0.1.0"},
        "standard": {"id": "wia-digital-twin-city", "version": "1.0.0", "catalogueDigest": "c" * 64},
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
            "fingerprint": {"tlsSpki": ["e" * 64], "server": "busan/4.2", "openapi": None},
        },
        "profile": {"excluded": {}, "hazards": ["read", "write"], "declares": {}, "digest": "f" * 64},
        "level": {"claimed": "bronze"},
        "seed": 42,
        "nonce": "bm9uY2U",
        "selection": {"complete": True, "expression": None},
        "startedAt": "2026-01-02T03:04:05Z",
        "finishedAt": "2026-01-02T03:04:25Z",
        "clock": {"source": "system", "monotonicMs": 20000, "targetSkewMs": 12},
        "environment": {"python": "3.11.7", "platform": "Linux"},
        "events": {"count": 0, "head": "a" * 64},
        "doctor": [{"check": "rest", "status": "ok", "detail": "answered in 12 ms"}],
    }
    return {**given, **members}


def make(
    folder: Path,
    *,
    requirements: Sequence[Requirement] = (),
    vectors: Sequence[Vector] = (),
    lines: Sequence[MatrixLine] = (),
    events: Sequence[dict[str, Any]] = (),
    **facts: Any,
) -> Path:
    """Write a run folder and return it. Bodies of events are given as `sent` and `received`."""
    (folder / "bodies").mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(run_facts(**facts), indent=2))
    for name, entries in (("requirements", requirements), ("vectors", vectors)):
        ordered = sorted(entries, key=lambda entry: entry.id)
        (folder / f"{name}.json").write_bytes(msgspec.json.encode(ordered))
    (folder / "matrix.jsonl").write_bytes(
        b"".join(canonical_json(msgspec.to_builtins(one)) + b"\n" for one in lines)
    )
    with (folder / "events.jsonl").open("wb") as log:
        previous = "0" * 64
        for event in events:
            text = canonical_json({**_stored(folder, event), "prev": previous})
            log.write(text + b"\n")
            previous = sha256_hex(text)
    return folder


def _stored(folder: Path, event: dict[str, Any]) -> dict[str, Any]:
    kept = dict(event)
    for side, name in (("req", "sent"), ("resp", "received")):
        data = kept.pop(name, b"")
        kept.setdefault(f"{side}Size", len(data))
        kept.setdefault(f"{side}Digest", sha256_hex(data) if data else None)
        if data:
            (folder / "bodies" / sha256_hex(data)).write_bytes(data)
    return kept


def ordinary(folder: Path, **facts: Any) -> Path:
    """A run with one of everything: each outcome, a chain of blocked ones, an exclusion, real exchanges."""
    r, v, m = requirement, vector, line
    return make(
        folder,
        requirements=[
            r("DTC-P1-001", title="Record is one JSON object", level=Level.BRONZE),
            r(
                "DTC-P1-002",
                title="Ids are unique",
                ambiguity="C-12: an id may be reused.",
                interpretations=("C-12",),
            ),
            r("DTC-P1-003", title="Names are short", strength=Strength.SHOULD),
            r("DTC-P1-004", title="Mutual TLS", when="declares.mtls"),
            r("DTC-P1-005", title="Coordinates are in bounds"),
            r(
                "DTC-P2-001",
                title="A city can be read",
                phase=2,
                level=Level.SILVER,
                check="phase2/Endpoints",
            ),
            r(
                "DTC-P2-002",
                title="An object can be made",
                phase=2,
                level=Level.SILVER,
                check="phase2/Endpoints",
            ),
            r(
                "DTC-P2-003",
                title="An object can be read",
                phase=2,
                level=Level.SILVER,
                check="phase2/Endpoints",
            ),
            r("DTC-P2-004", title="Errors have a code", phase=2, level=Level.SILVER, check="phase2/Errors"),
            r("DTC-P2-005", title="Rate limits are told", phase=2, level=Level.SILVER, check="phase2/Limits"),
        ],
        vectors=[
            v("DTC-P1-001/accepts-the-example", polarity="positive"),
            v("DTC-P1-001/rejects-an-array"),
            v("DTC-P1-002/rejects-a-second-id"),
            v("DTC-P1-003/names-in-limit", polarity="positive"),
            v("DTC-P1-004/refuses-a-stranger"),
            v("DTC-P1-005/rejects-a-point-outside"),
            v("DTC-P2-001/answers-200", polarity="positive"),
            v("DTC-P2-002/answers-201", polarity="positive", hazard="write"),
            v("DTC-P2-003/answers-200", polarity="positive"),
            v("DTC-P2-004/unknown-object-404"),
        ],
        lines=[
            m("DTC-P1-001/accepts-the-example", events=(0, 0)),
            m("DTC-P1-001/rejects-an-array"),
            m("DTC-P1-002/rejects-a-second-id", events=(1, 1)),
            m("DTC-P1-003/names-in-limit", Outcome.WARNED, strength=Strength.SHOULD),
            m("DTC-P1-005/rejects-a-point-outside"),
            m(
                "DTC-P2-001/answers-200",
                Outcome.FAILED,
                events=(2, 3),
                level=Level.SILVER,
                duration_ms=1234,
                attempts=({"event": 2, "reason": "429", "waitedMs": 1000},),
                finding=Finding(
                    message="The city answered 500 where 200 was due.",
                    expected="200 with the city",
                    actual="500 with an HTML page",
                    clause="P2 4.1",
                    hint="look at the log of the twin",
                ),
            ),
            m(
                "DTC-P2-002/answers-201",
                Outcome.BLOCKED,
                level=Level.SILVER,
                justification="no city to put it into",
                blocked_by="DTC-P2-001/answers-200",
                finding=None,
            ),
            m(
                "DTC-P2-003/answers-200",
                Outcome.BLOCKED,
                level=Level.SILVER,
                justification="no object to read",
                blocked_by="DTC-P2-002",
                finding=None,
            ),
            m("DTC-P2-004/unknown-object-404", Outcome.ERROR, level=Level.SILVER),
        ],
        events=[
            {
                "seq": 0,
                "tMonoUs": 1,
                "tUtc": "2026-01-02T03:04:05Z",
                "vector": "DTC-P1-001/accepts-the-example",
                "kind": "document",
                "url": "exports/city.json",
                "received": b'{"version":"1.0.0"}',
            },
            {
                "seq": 1,
                "tMonoUs": 2,
                "tUtc": "2026-01-02T03:04:05Z",
                "vector": "DTC-P1-002/rejects-a-second-id",
                "kind": "validator",
                "sent": b'{"objects":[]}',
                "received": b'{"valid":false,"errors":[]}',
            },
            http(2, "DTC-P2-001/answers-200", status=429, received=b'{"error":{"code":"RATE_LIMIT"}}'),
            http(
                3,
                "DTC-P2-001/answers-200",
                status=500,
                method="POST",
                sent=b'{"id":"a","name":"it\'s"}',
                received=b"<script>alert(1)</script>",
                respHeaders={"content-type": "text/html"},
            ),
        ],
        **{
            "level": {"claimed": "silver"},
            "profile": {
                "excluded": {"DTC-P1-004": "no mutual TLS in this product"},
                "hazards": ["read", "write"],
                "declares": {"mtls": False},
                "digest": "f" * 64,
            },
            **facts,
        },
    )


def row(report: Report, identifier: str) -> Row:
    """The row of a requirement."""
    return next(row for row in report.requirements if row.id == identifier)


def case(report: Report, identifier: str) -> Case:
    """The case of a vector."""
    return next(case for case in report.cases if case.vector == identifier)


def large(path: Path, each: int) -> Path:
    """A run of 340 requirements with so many vectors each, an exchange each, one in a thousand failed."""
    requirements = [requirement(f"DTC-P1-{number:03}") for number in range(340)]
    names = [f"{entry.id}/case-{number:03}" for entry in requirements for number in range(each)]
    return make(
        path,
        requirements=requirements,
        vectors=[vector(name) for name in names],
        lines=[
            line(name, Outcome.FAILED if place % 1000 == 0 else Outcome.PASSED, events=(place, place))
            for place, name in enumerate(names)
        ],
        events=[http(place, name, received=b'{"a":1}') for place, name in enumerate(names)],
    )
