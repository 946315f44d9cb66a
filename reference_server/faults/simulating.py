"""Defects of simulations, services and tokens (P2 4.5, 4.6, 8.2)."""

from collections.abc import Callable
from typing import Any

from reference_server import auth
from reference_server.errors import ApiError
from reference_server.faults.fault import wrap
from reference_server.faults.tools import body, each, member, naive, refusal, renamed, status
from reference_server.rest import city_services as rest_services
from reference_server.rest import oauth
from reference_server.rest import simulations as rest
from reference_server.rules import simulations as rules
from reference_server.services import city_services, runs, simulations

Make = Callable[..., Any]
Json = dict[str, Any]


def _refused_kind(kind: str) -> Make:
    def make(check: Make) -> Make:
        def strict(city: Any, given: Json) -> Any:
            if given.get("type") == kind:
                raise simulations.bad(city, "type", f"{kind} is not supported")
            return check(city, given)

        return strict

    return make


def _forgiving(check: Make) -> Make:
    def lax(city: Any, given: Json) -> Any:
        try:
            return check(city, given)
        except ApiError:
            given["type"] = "FloodRisk"
            return {"rainfall": 10}

    return lax


def _any_range(_: Make) -> Make:
    return lambda found, value, at: None


def _backwards(shown: Json) -> None:
    shown["estimatedCompletion"] = "2020-01-01T00:00:00Z"


def _falling() -> Callable[[], None]:
    told: dict[str, int] = {}

    def change(shown: Json) -> None:
        asked = told[shown["id"]] = told.get(shown["id"], 0) + 1
        if shown["status"] != "completed":
            shown["progress"] = 90 if asked % 2 else 10

    return body(rest, "status", change)


def _done_early(shown: Json) -> None:
    if shown["status"] == "completed":
        shown["progress"] = 80


def _finished(shown: Json) -> None:
    if shown["status"] == "completed":
        shown["status"] = "finished"


def _guess(results: Make) -> Make:
    async def early(world: Any, city: Any, run_id: str) -> Any:
        try:
            return await results(world, city, run_id)
        except ApiError as problem:
            if problem.code != "SIMULATION_NOT_READY":
                raise
            shown = {"simulationId": run_id, "type": "TrafficFlow", "results": {"level": 0.5}}
            return {**shown, "confidence": 0.5, "validUntil": "2099-01-01T00:00:00Z"}

    return early


def _failed_results(results: Make) -> Make:
    async def hushed(world: Any, city: Any, run_id: str) -> Any:
        try:
            return await results(world, city, run_id)
        except ApiError as problem:
            if problem.code != "SIMULATION_FAILED":
                raise
            shown = {"simulationId": run_id, "type": "CrowdDynamics", "results": {}}
            return {**shown, "confidence": 0.0, "validUntil": "2099-01-01T00:00:00Z"}

    return hushed


def _runs_on(cancel: Make) -> Make:
    async def wrong(world: Any, city: Any, run_id: str, actor: str) -> None:
        await simulations.find(world, city, run_id)

    return wrong


def _all_categories(listing: Make) -> Make:
    async def wrong(world: Any, city: Any, category: str | None) -> Any:
        return await listing(world, city, None)

    return wrong


def _no_tokens(by_authorization: Make) -> Make:
    def wrong(keyring: Any, value: str) -> Any:
        raise ApiError("UNAUTHORIZED", "tokens are not accepted", headers=auth.CHALLENGE)

    return wrong


def _any_token(by_authorization: Make) -> Make:
    def wrong(keyring: Any, value: str) -> Any:
        try:
            return by_authorization(keyring, value)
        except ApiError:
            return auth.Principal("anyone", "viewer", auth.ROLES["viewer"], None, 1000, 60.0)

    return wrong


def _any_client(token: Make) -> Make:
    async def wrong(call: Any) -> Any:
        reply = await token(call)
        if reply.status == 401:
            return oauth.granted(call, next(iter(call.world.keyring.clients.values()))[1], "")
        return reply

    return wrong


def _any_grant(token: Make) -> Make:
    async def wrong(call: Any) -> Any:
        reply = await token(call)
        if b"unsupported_grant_type" in reply.body:
            return oauth.granted(call, next(iter(call.world.keyring.clients.values()))[1], "")
        return reply

    return wrong


TABLE: tuple[tuple[str, str, Callable[[], None]], ...] = (
    ("064", "a start is answered with 201", status(rest, "start", 201)),
    ("064.estimate", "a run is estimated to end before it began", body(rest, "start", _backwards)),
    ("065", "CrowdDynamics is refused", wrap(simulations, "check", _refused_kind("CrowdDynamics"))),
    ("065.flood", "FloodRisk is refused", wrap(simulations, "check", _refused_kind("FloodRisk"))),
    ("066", "a bad request starts another simulation", wrap(simulations, "check", _forgiving)),
    ("066.range", "a reversed range is accepted", wrap(rules, "time_range", _any_range)),
    (
        "066.code",
        "a bad request is called a validation error",
        refusal(simulations, "start", ["INVALID_PARAMETERS"], renamed("VALIDATION_ERROR")),
    ),
    (
        "067",
        "a completed run has no instant of completion",
        body(rest, "status", member("completed", drop=True)),
    ),
    ("067.created", "a run has no instant of creation", body(rest, "status", member("created", drop=True))),
    ("068", "progress falls", _falling()),
    ("068.end", "a completed run stands at 80 percent", body(rest, "status", _done_early)),
    ("069", "a completed run is called finished", body(rest, "status", _finished)),
    ("070", "results have no confidence", body(rest, "results", member("confidence", drop=True))),
    ("070.percent", "the confidence is a percentage", body(rest, "results", member("confidence", 87))),
    ("070.type", "results do not say their type", body(rest, "results", member("type", drop=True))),
    ("071", "a running simulation has results already", wrap(simulations, "results", _guess)),
    (
        "072",
        "an unknown simulation is called an unknown object",
        wrap(
            simulations,
            "absent",
            lambda absent: lambda city, name: renamed("OBJECT_NOT_FOUND")(absent(city, name)),
        ),
    ),
    ("073", "a failed run has empty results", wrap(simulations, "results", _failed_results)),
    (
        "073.code",
        "a failed run is called not ready",
        refusal(simulations, "results", ["SIMULATION_FAILED"], renamed("SIMULATION_NOT_READY")),
    ),
    ("074", "a cancelled run goes on", wrap(simulations, "cancel", _runs_on)),
    ("075", "services are a bare list", body(rest_services, "listing", lambda shown: shown["services"])),
    (
        "075.status",
        "services have no status",
        body(rest_services, "listing", each("services", member("status", drop=True))),
    ),
    ("076", "the category is ignored", wrap(city_services, "listing", _all_categories)),
    ("077", "a status has no id", body(rest_services, "status", member("id", drop=True))),
    (
        "077.unknown",
        "an unknown service is operational",
        wrap(city_services, "status", lambda status: _always_operational),
    ),
    ("089", "bearer tokens are not accepted", wrap(auth, "by_authorization", _no_tokens)),
    ("089.any", "any token may read", wrap(auth, "by_authorization", _any_token)),
    (
        "090",
        "the answer with a token does not say how long it lives",
        body(oauth, "token", member("expires_in", drop=True)),
    ),
    ("090.secret", "a wrong secret gets a token", wrap(oauth, "token", _any_client)),
    ("090.grant", "any grant gets a token", wrap(oauth, "token", _any_grant)),
    ("107.runs", "instants of a run have no zone", body(rest, "status", member("created", naive))),
    (
        "108.runs",
        "a run ends with a confidence of 87",
        wrap(
            runs,
            "_completed",
            lambda _: (
                lambda results, confidence: {"status": "completed", "results": results, "confidence": 87}
            ),
        ),
    ),
)


async def _always_operational(world: Any, city: Any, service_id: str) -> Json:
    return {"id": service_id, "status": "operational"}
