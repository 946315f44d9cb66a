"""More twins of other makers, each within the standard in its own way."""

import json
import re
from datetime import UTC, datetime
from typing import Any

from tests.support.defects_lists import engine, refusal
from tests.support.other_makers import deep
from tests.support.relay import Relay, Reply, Request

_INSTANT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d+(Z|[+-]\d\d:\d\d)")
_LISTS = {"/objects": "objects", "/sensors": "sensors"}
RUN, RESULTS = r"/simulations/[^/]+", r"/simulations/[^/]+/results"
_KNOWN = {"limit", "offset", "type", "status", "bounds", "start", "end", "category", "parameter"}
_KNOWN |= {"sortBy", "sortOrder", "updatedAfter", "updatedBefore", "time1", "time2"}


class Coarse(Relay):
    """Whole seconds everywhere, newest objects first, distances in whole metres, an empty page for limit=0.

    Results of nearby come in no order, readings newest first.
    """

    def __init__(self) -> None:
        super().__init__()
        self._engine = engine(
            lambda _given: True,
            lambda _name: False,
            lambda _item, _given: True,
            arrange=lambda found: found[::-1],
        )

    def before(self, request: Request) -> Reply | None:
        given = dict(request.query)
        if request.below == "/objects" and given.get("limit") == "0" and "sortBy" not in given:
            request.query = [(k, v) for k, v in request.query if k != "limit"]
            found = self._engine(self, request)
            if found is not None and found.status == 200:
                found.json = {**found.json, "objects": [], "count": 0, "limit": 0}
            return found
        return None if "sortBy" in given else self._engine(self, request)

    def after(self, request: Request, reply: Reply) -> Reply:
        body = reply.json
        if request.below == "/spatial/nearby" and reply.status == 200:
            for one in body["results"]:
                one["distance"] = round(one["distance"])
            body["results"] = body["results"][::-1]
        if request.below.endswith("/data") and request.method == "GET" and reply.status == 200:
            body["measurements"] = body["measurements"][::-1]
        if body is not None:
            reply.json = deep(body, _whole_second)
        return reply


def _whole_second(value: Any) -> Any:
    return _INSTANT.sub(r"\1\2", value) if isinstance(value, str) and _INSTANT.fullmatch(value) else value


class Framed(Relay):
    """Frames of its own: `data` with `meta` and `links`, changes instead of versions, a record inside.

    Errors tell details in an array and messages in another language; a service's status names `serviceId`.
    """

    def after(self, request: Request, reply: Reply) -> Reply:
        body = reply.json
        if reply.status >= 400 and isinstance(body, dict) and isinstance(body.get("error"), dict):
            error = body["error"]
            names = json.dumps(error.get("details") or {}, ensure_ascii=False)
            error |= {"message": f"요청을 처리할 수 없습니다: {error['message']}", "status": reply.status}
            error["details"] = [{"info": names}]
            error.pop("number", None)
            reply.json = body
        if reply.status != 200 or not isinstance(body, dict):
            return reply
        name = _LISTS.get(request.below) if request.method == "GET" else None
        if name:
            meta = {"total": body["total"], "limit": body["limit"], "offset": body["offset"]}
            reply.json = {"data": body[name], "meta": meta, "links": [{"rel": "self", "href": "here"}]}
        elif request.below.endswith("/history"):
            reply.json = {"changes": _changes(body["versions"]), "of": request.below.split("/")[2]}
        elif request.below.startswith("/snapshots/20"):
            reply.json = {"snapshot": body, "links": []}
        elif re.fullmatch(r"/services/[^/]+/status", request.below):
            reply.json = {"serviceId": body["id"], **{k: v for k, v in body.items() if k != "id"}}
        return reply


def _changes(versions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Versions as changes: what was before and what was then, without the creation."""
    shown = [
        next((part for part in one.values() if isinstance(part, dict) and "properties" in part), one)
        for one in versions
    ]
    found = []
    for number, one in enumerate(versions):
        instant = next(v for v in one.values() if isinstance(v, str) and re.match(r"\d{4}-\d\d-\d\dT", v))
        earlier = shown[number - 1].get("properties") if number else None
        found.append({"changedAt": instant, "before": earlier, "after": shown[number].get("properties")})
    return found


class Obliging(Relay):
    """Takes the good readings of a batch and tells of the bad; answers writes with whole resources or little.

    A DELETE answers the object that was, a sensor's registration its id alone, a PATCH of the city nothing.
    """

    def before(self, request: Request) -> Reply | None:
        body = request.json
        if request.method == "POST" and request.below.endswith("/data") and isinstance(body, dict):
            readings = body.get("measurements")
            if isinstance(readings, list) and len(readings) > 1:
                return self._one_by_one(request, readings)
        if request.method == "DELETE" and re.fullmatch(r"/objects/[^/]+", request.below):
            key = {k: v for k, v in request.headers.items() if k in ("x-api-key", "authorization")}
            kept = self.ask("GET", request.path, headers=key)
            gone = self.ask("DELETE", request.path, headers=key)
            return kept if gone.status == 204 and kept.status == 200 else gone
        return None

    def _one_by_one(self, request: Request, readings: list[Any]) -> Reply:
        headers = {
            k: v for k, v in request.headers.items() if k in ("x-api-key", "authorization", "content-type")
        }
        replies = [
            self.ask("POST", request.path, body=json.dumps({"measurements": [one]}).encode(), headers=headers)
            for one in readings
        ]
        good = [one for one in replies if one.status == 201]
        bad = [one.json["error"] for one in replies if one.status != 201]
        if not good:
            return replies[0]
        if not bad:
            return Reply(
                200, {"content-type": "application/json"}, json.dumps({"accepted": len(good)}).encode()
            )
        told = {"accepted": len(good), "rejected": len(bad), "errors": bad}
        return Reply(207, {"content-type": "application/json"}, json.dumps(told).encode())

    def after(self, request: Request, reply: Reply) -> Reply:
        if request.method == "POST" and request.below == "/sensors" and reply.status == 201:
            reply.json = {"id": reply.json["id"]}
        if request.method == "PATCH" and request.below == "/" and reply.status == 200:
            return Reply(204, {k: v for k, v in reply.headers.items() if k != "content-type"})
        if request.method == "PATCH" and reply.status == 200:
            reply.json = {}
        return reply


class Queueing(Relay):
    """Simulations wait in a queue first; early results are 202, what is cancelled or deleted is gone."""

    def __init__(self) -> None:
        super().__init__()
        self._gone: set[str] = set()
        self._looks: dict[str, int] = {}

    def before(self, request: Request) -> Reply | None:
        run = request.path.partition("/results")[0]
        if re.fullmatch(f"{RUN}|{RESULTS}", request.below) and run in self._gone:
            return refusal("SIMULATION_NOT_FOUND", 404)
        if request.method == "DELETE" and re.fullmatch(RUN, request.below):
            key = {k: v for k, v in request.headers.items() if k in ("x-api-key", "authorization")}
            known = self.ask("GET", request.path, headers=key)
            done = self.ask("DELETE", request.path, headers=key)
            if known.status == 200 and done.status in (202, 204, 409):
                self._gone.add(run)
                return Reply(202, {"content-type": "application/json"}, b'{"status": "cancelled"}')
            return done
        return None

    def after(self, request: Request, reply: Reply) -> Reply:
        body = reply.json
        if request.method == "POST" and request.below == "/simulations" and reply.status == 202:
            reply.json = {**body, "status": "queued", "location": body["id"]}
        if re.fullmatch(RESULTS, request.below) and reply.status == 409 and "FAILED" not in str(body):
            run = request.below.split("/")[2]
            reply = Reply(202, {"content-type": "application/json"})
            reply.json = {"simulationId": run, "status": "running"}
        if re.fullmatch(RUN, request.below) and request.method == "GET" and reply.status == 200:
            self._looks[request.path] = self._looks.get(request.path, 0) + 1
            if self._looks[request.path] == 1 and body["status"] == "running":
                reply.json = {**body, "status": "pending", "progress": 0}
        return reply


class Picky(Relay):
    """Refuses query members that it does not know, unknown types and categories; drives only.

    Other cities do not exist for a caller, unknown keys are missing credentials, a wrong client gets a 400.
    """

    def before(self, request: Request) -> Reply | None:
        if (
            request.method == "GET"
            and request.city
            and request.headers.get("x-api-key", "x" * 30)[:8] != "nonsense"
        ):
            key = {k: v for k, v in request.headers.items() if k in ("x-api-key", "authorization")}
            city = f"{request.path.partition('/cities/')[0]}/cities/{request.city}"
            strange = [
                n for n, _ in request.query if n and n not in _KNOWN and not n.startswith("properties.")
            ]
            if strange and self.ask("GET", city, headers=key).status == 200:
                return refusal("INVALID_PARAMETERS", 400)
            kinds = {value for name, value in request.query if name == "type"}
            if (
                request.below == "/objects"
                and kinds - _TYPES
                and self.ask("GET", city, headers=key).status == 200
            ):
                return refusal("INVALID_PARAMETERS", 400)
        body = request.json
        if (
            request.below == "/spatial/route"
            and isinstance(body, dict)
            and body.get("mode", "driving") != "driving"
        ):
            city = f"{request.path.partition('/spatial')[0]}"
            key = {k: v for k, v in request.headers.items() if k in ("x-api-key", "authorization")}
            if self.ask("GET", city, headers=key).status == 200:
                return refusal("INVALID_PARAMETERS", 400)
        return None

    def after(self, request: Request, reply: Reply) -> Reply:
        body = reply.json
        code = (
            body["error"].get("code")
            if isinstance(body, dict) and isinstance(body.get("error"), dict)
            else None
        )
        if code == "INVALID_API_KEY":
            body["error"] |= {"code": "UNAUTHORIZED"}
            body["error"].pop("number", None)
            reply.json = body
        if code == "FORBIDDEN" and request.method == "GET":
            reply = refusal("CITY_NOT_FOUND", 404)
        if request.below == "/services" and "category" in dict(request.query) and reply.status == 200:
            reply = reply if reply.json["services"] else refusal("INVALID_PARAMETERS", 400)
        if isinstance(body, dict) and body.get("error") == "invalid_client":
            reply.status = 400
        return reply


_TYPES = {
    "Building",
    "Road",
    "Bridge",
    "Park",
    "Utility",
    "Landmark",
    "TransportHub",
    "WaterBody",
    "dtcKiosk",
}


class Lengthy(Relay):
    """Objects carry more than was sent: computed properties, empty lists, members of its own at each level.

    Ids of cities and objects are echoed in links; numbers are written with an exponent or as fractions.
    """

    def after(self, request: Request, reply: Reply) -> Reply:
        body = reply.json
        if not isinstance(body, dict) or reply.status >= 400 or "oauth" in request.path:
            return reply
        now = datetime.now(UTC).isoformat()
        for one in [body, *body.get("objects", []), *body.get("cityObjects", [])]:
            if isinstance(one, dict) and isinstance(one.get("properties"), dict) and "geometry" in one:
                one["properties"] = {**one["properties"], "computedArea": 12.5, "tagsOfMaker": []}
                one["revision"], one["links"] = 3, {"self": f"/objects/{one.get('id')}"}
                if isinstance(one.get("metadata"), dict):
                    one["metadata"] = {**one["metadata"], "editor": "maker", "indexed": now}
        reply.json = {**body, "servedAt": now, "warnings": None, "apiVersion": "1.4.2"}
        return reply


MORE_MAKERS: dict[str, type[Relay]] = {
    "coarse": Coarse,
    "framed": Framed,
    "obliging": Obliging,
    "queueing": Queueing,
    "picky": Picky,
    "lengthy": Lengthy,
}
