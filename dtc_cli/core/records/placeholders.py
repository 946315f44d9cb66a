"""Instants of a vector that depend on the run's clock: `{now-5m}`, `{now+1h +09:00}`, `{now-5m .125}`."""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

_PLACEHOLDER = re.compile(
    r"\{now(?:(?P<sign>[+-])(?P<count>\d+)(?P<unit>[smhd]))?"
    r"(?: (?P<zone>[+-]\d{2}:\d{2}|zoneless))?(?: (?P<fraction>\.\d+))?\}",
    re.ASCII,
)
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def resolve(value: Any, now: datetime) -> Any:
    """The JSON value with every placeholder in its strings replaced by an RFC 3339 instant.

    Without a zone the instant ends in Z; `zoneless` leaves the zone designator out, which makes it none.
    `now` is an aware datetime; its fraction of a second is dropped.
    """
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda match: _instant(match, now), value) if "{now" in value else value
    if isinstance(value, list):
        return [resolve(item, now) for item in value]
    if isinstance(value, dict):
        return {name: resolve(item, now) for name, item in value.items()}
    return value


def _instant(match: re.Match[str], now: datetime) -> str:
    shift = int(match["count"] or 0) * _UNIT_S[match["unit"] or "s"]
    moment = now.astimezone(UTC) + timedelta(seconds=-shift if match["sign"] == "-" else shift)
    zone = match["zone"]
    if zone is None or zone == "zoneless":
        suffix = "Z" if zone is None else ""
    else:
        minutes = int(zone[1:3]) * 60 + int(zone[4:])
        moment = moment.astimezone(timezone(timedelta(minutes=-minutes if zone[0] == "-" else minutes)))
        suffix = zone
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + (match["fraction"] or "") + suffix
