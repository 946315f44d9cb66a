"""Defects of other makers: history, snapshots and aggregates over time."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from tests.support.defects import (
    HISTORY,
    SNAPSHOT,
    Defect,
    answer,
    query,
)
from tests.support.defects_tools import INSTANT, key_of, replied
from tests.support.relay import Relay, Reply, Request


def _past() -> Iterator[Defect]:
    yield Defect("DTC-P2-083", "the last change is missing", after=answer("GET", HISTORY, _all_but_last))
    yield Defect("DTC-P2-083", "every version shows the present", *_present_versions())
    yield Defect("DTC-P2-083", "entries have no instant", after=answer("GET", HISTORY, _no_instants))
    yield Defect("DTC-P2-083", "the range is ignored", query(HISTORY, _wide))
    yield Defect("DTC-P2-083", "a reversed range is put in order", query(HISTORY, _in_order))
    yield Defect("DTC-P2-084", "what was deleted later is missing", *_only_present())
    yield Defect("DTC-P2-084", "the zone of the instant is ignored", _no_zone)
    yield Defect("DTC-P2-084", "before the city it was empty", after=_before_the_city)
    yield Defect("DTC-P2-084", "words are now", _words_are_now)


def _all_but_last(body: Any) -> Any:
    body["versions"] = body["versions"][:-1] if len(body["versions"]) > 1 else []
    return body


def _present_versions() -> tuple[Any, Any]:
    shown: dict[str, Any] = {}

    def before(relay: Relay, request: Request) -> None:
        if re.fullmatch(HISTORY, request.below):
            kept = relay.ask("GET", request.path.rpartition("/")[0], headers=key_of(request))
            shown[request.path] = kept.json if kept.status == 200 else None

    def after(request: Request, reply: Reply, body: Any) -> Any:
        now = shown.get(request.path)
        if reply.status != 200 or not now:
            return None
        for version in body["versions"]:
            for name, value in list(version.items()):
                if isinstance(value, dict) and "properties" in value:
                    version[name] = {**value, "properties": now["properties"]}
            if "properties" in version:
                version["properties"] = now["properties"]
        return body

    return before, after


def _no_instants(body: Any) -> Any:
    body["versions"] = [
        {k: v for k, v in one.items() if not (isinstance(v, str) and INSTANT.fullmatch(v))}
        for one in body["versions"]
    ]
    for one in body["versions"]:
        for part in one.values():
            if isinstance(part, dict):
                part.pop("metadata", None)
        one.pop("metadata", None)
    return body


def _wide(given: dict[str, str]) -> None:
    if given.get("start", "9") < given.get("end", ""):
        given |= {"start": "2001-01-01T00:00:00Z", "end": datetime.now(UTC).isoformat()}


def _in_order(given: dict[str, str]) -> None:
    if {"start", "end"} <= set(given):
        given["start"], given["end"] = sorted([given["start"], given["end"]])


def _only_present() -> tuple[Any, Any]:
    known: dict[str, bool] = {}

    def before(relay: Relay, request: Request) -> None:
        if re.fullmatch(SNAPSHOT, request.below):
            path = request.path.partition("/snapshots")[0] + "/objects?limit=1000"
            listed = relay.ask("GET", path, headers=key_of(request))
            if listed.status == 200:
                known.clear()
                known.update((one["id"], True) for one in listed.json["objects"])

    def after(request: Request, reply: Reply, body: Any) -> Any:
        if re.fullmatch(SNAPSHOT, request.below) and reply.status == 200 and "cityObjects" in body:
            body["cityObjects"] = [one for one in body["cityObjects"] if one["id"] in known]
            return body
        return None

    return before, after


def _no_zone(_relay: Relay, request: Request) -> None:
    if re.fullmatch(SNAPSHOT, request.below):
        request.path = re.sub(r"(%2B|\+)09(%3A|:)00$", "Z", request.path)


def _before_the_city(request: Request, reply: Reply, body: Any) -> Any:
    del body
    if reply.status == 404 and request.below.startswith("/snapshots/1900"):
        return replied(reply, 200, {"cityObjects": []})
    return None


def _words_are_now(_relay: Relay, request: Request) -> None:
    if re.fullmatch(SNAPSHOT, request.below) and not re.search(r"/\d{4}-", request.below):
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        request.path = f"{request.path.rpartition('/')[0]}/{now}"


PAST = tuple(_past())
