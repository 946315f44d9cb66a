"""Defects of other makers: simulations."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.defects import (
    RESULTS,
    RUN,
    Defect,
    answer,
    error,
    later,
    member,
    sent,
)
from tests.support.defects_lists import refusal
from tests.support.defects_tools import INSTANT, key_of, replied, status_of
from tests.support.relay import Relay, Reply, Request


def _runs() -> Iterator[Defect]:
    start = "/simulations"
    yield Defect("DTC-P2-064", "a start answers 201", after=status_of("POST", start, 202, 201))
    yield Defect(
        "DTC-P2-064",
        "the end lies before the start",
        after=answer("POST", start, member("estimatedCompletion", by=later(-1)), 202),
    )
    yield Defect("DTC-P2-065", "no FloodRisk", after=_no_kind("FloodRisk"))
    yield Defect("DTC-P2-066", "another code", after=error("INVALID_PARAMETERS", _run_code))
    yield Defect("DTC-P2-066", "parameters are optional", sent("POST", start, _with_parameters))
    yield Defect("DTC-P2-066", "a range of words is none", sent("POST", start, _word_range))
    yield Defect("DTC-P2-067", "no instant of completion", after=answer("GET", RUN, member("completed")))
    yield Defect("DTC-P2-067", "another type", after=answer("GET", RUN, member("type", to="traffic")))
    yield Defect(
        "DTC-P2-068",
        "progress is a share",
        after=answer("GET", RUN, member("progress", by=lambda n: n / 100)),
    )
    yield Defect("DTC-P2-069", "a finished run can be cancelled", *_cancelled_late())
    yield Defect("DTC-P2-070", "results are called data", after=answer("GET", RESULTS, _renamed))
    yield Defect("DTC-P2-070", "the run is not named", after=answer("GET", RESULTS, member("simulationId")))
    yield Defect(
        "DTC-P2-070", "nobody knows until when", after=answer("GET", RESULTS, member("validUntil", to="soon"))
    )
    yield Defect("DTC-P2-071", "a part of the results comes early", after=_early)
    yield Defect("DTC-P2-072", "unknown results are an unknown object", after=_results_code)
    yield Defect("DTC-P2-074", "a cancelled run goes on", _goes_on)


def _no_kind(kind: str) -> Callable[[Request, Reply, Any], Any]:
    def after(request: Request, reply: Reply, body: Any) -> Any:
        del body
        sent_body = request.json
        started = request.method == "POST" and request.below == "/simulations" and reply.status == 202
        if started and sent_body.get("type") == kind:
            return replied(reply, 400, json.loads(refusal("INVALID_PARAMETERS").body))
        return None

    return after


def _run_code(request: Request, _reply: Reply, found: dict[str, Any]) -> None:
    if request.below == "/simulations":
        found["code"] = "VALIDATION_ERROR"
        found.pop("number", None)


def _with_parameters(body: Any) -> Any:
    if body.get("type") == "TrafficFlow" and "parameters" not in body:
        body["parameters"] = {"timeRange": {"start": "2025-01-15T00:00:00Z", "end": "2025-01-15T01:00:00Z"}}
    return body


def _word_range(body: Any) -> Any:
    parameters = body.get("parameters")
    span = parameters.get("timeRange") if isinstance(parameters, dict) else None
    if isinstance(span, dict) and not all(INSTANT.fullmatch(str(end)) for end in span.values()):
        parameters["timeRange"] = {"start": "2025-01-15T00:00:00Z", "end": "2025-01-15T01:00:00Z"}
    return body


def _cancelled_late() -> tuple[Any, Any]:
    gone: set[str] = set()

    def before(relay: Relay, request: Request) -> Reply | None:
        if request.method == "DELETE" and re.fullmatch(RUN, request.below):
            kept = relay.ask("GET", request.path, headers=key_of(request))
            if kept.status == 200 and kept.json.get("status") == "completed":
                gone.add(request.path)
                return Reply(204)
        return None

    def after(request: Request, reply: Reply, body: Any) -> Any:
        if request.method == "GET" and request.path in gone and reply.status == 200:
            body["status"] = "cancelled"
            return body
        return None

    return before, after


def _renamed(body: Any) -> Any:
    body["data"] = body.pop("results")
    return body


def _early(request: Request, reply: Reply, body: Any) -> Any:
    if re.fullmatch(RESULTS, request.below) and reply.status == 409 and "FAILED" not in str(body):
        run = request.below.split("/")[2]
        until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        shown = {"simulationId": run, "type": "TrafficFlow", "results": {"partial": 1}}
        return replied(reply, 200, shown | {"confidence": 0.1, "validUntil": until})
    return None


def _results_code(request: Request, reply: Reply, body: Any) -> Any:
    if re.fullmatch(RESULTS, request.below) and reply.status == 404 and "SIMULATION_NOT_FOUND" in str(body):
        body["error"]["code"] = "OBJECT_NOT_FOUND"
        body["error"].pop("number", None)
        return body
    return None


def _goes_on(relay: Relay, request: Request) -> Reply | None:
    if request.method == "DELETE" and re.fullmatch(RUN, request.below):
        kept = relay.ask("GET", request.path, headers=key_of(request))
        if kept.status == 200 and kept.json.get("status") in ("running", "pending"):
            return Reply(204)
    return None


SIMULATIONS = tuple(_runs())
