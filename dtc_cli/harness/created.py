"""What a request created, read off the exchange itself: whichever way it was sent, it is taken back."""

import re
import urllib.parse
from collections.abc import Collection
from typing import NamedTuple

import orjson

from dtc_cli.clients.answer import Answer
from dtc_cli.clients.rest import quote
from dtc_cli.harness.journal import Journal

KINDS = {"objects": "object", "sensors": "sensor", "simulations": "simulation"}
"""A collection below a city, and what the journal calls one thing of it."""
_NOTHING_MADE = frozenset({"DELETE", "HEAD", "OPTIONS", "TRACE"})
_HEAD = re.compile(rb"HTTP/1\.[01] (\d{3})")
_REQUEST = re.compile(rb"([A-Z]+) (\S+) HTTP/1\.[01]\r\n")


class Created(NamedTuple):
    """A thing that came to be in the target."""

    key: str
    """What the journal calls it."""
    path: str
    """Where a DELETE takes it back, below the city."""
    city: str


class Creations:
    """Looks at what is answered, and writes down in a run's journal what came to be.

    Args:
        journal: the journal.
        city: the target's city.
        roles: the roles of the target file; a thing in another city is taken back by the role that made it.
    """

    def __init__(self, journal: Journal, city: str, roles: Collection[str]) -> None:
        self._journal = journal
        self._city = city
        self._roles = roles

    def answered(self, answer: Answer, address: str) -> None:
        """See what an exchange of the REST port created."""
        location = answer.headers.get("location", "")
        self._plan(created(answer.method, address, answer.status, answer.body, location), answer.credential)

    def said(self, sent: bytes, got: bytes) -> None:
        """See what a request that was sent as bytes created."""
        self._plan(created_raw(sent, got), None)

    def _plan(self, found: Created | None, role: str | None) -> None:
        if found is None:
            return
        if found.city == self._city:
            self._journal.plan(found.key, "DELETE", f"/cities/{{city}}{found.path}")
        elif role in self._roles:
            # The same id may be planned in the target's own city too.
            path = f"/cities/{quote(found.city)}{found.path}"
            self._journal.plan(f"{found.key} in {found.city}", "DELETE", path, as_=role)


def created(method: str, address: str, status: int, body: bytes, location: str = "") -> Created | None:
    """What an exchange created, None for nothing that is known.

    A POST to a collection that was not refused, and whatever was answered with 201: a method in a header, a
    path that a server tidies up and a media type that it should not take are no way around this.

    Args:
        method: as sent.
        address: the URL or the path that was asked.
        status: of the answer.
        body: of the answer; its `id` names the thing.
        location: the header, for an answer without an `id`.
    """
    if not 200 <= status < 300 or method.upper() in _NOTHING_MADE:
        return None
    parts = _segments(address)
    # A PUT or PATCH of an id that was not there names the thing by its own path.
    named = parts.pop() if len(parts) > 1 and parts[-2].lower() in KINDS else ""
    collection = parts[-1].lower() if parts else ""
    if collection not in KINDS or (status != 201 and (method.upper() != "POST" or named)):
        return None
    found = _id(body) or (_segments(location) or [""])[-1] or named
    above = [part.lower() for part in parts]
    city = parts[above.index("cities") + 1] if "cities" in above[:-2] else ""
    if not found or not city:
        return None
    return Created(f"{KINDS[collection]} {found}", f"/{collection}/{quote(found)}", city)


def created_raw(sent: bytes, got: bytes) -> Created | None:
    """The same for a request that was sent as bytes, and the bytes that came back."""
    asked, answered = _REQUEST.match(sent), _HEAD.match(got)
    if asked is None or answered is None:
        return None
    head, _, body = got.partition(b"\r\n\r\n")
    place = re.search(rb"(?mi)^location:[ \t]*(\S+)", head)
    # A chunked body has its sizes around the object.
    text = body[body.find(b"{") : body.rfind(b"}") + 1]
    address, location = asked[2].decode("latin-1"), place[1].decode("latin-1") if place else ""
    return created(asked[1].decode(), address, int(answered[1]), text, location)


def _id(body: bytes) -> str:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    name = found.get("id") if isinstance(found, dict) else None
    return name if isinstance(name, str) else ""


def _segments(address: str) -> list[str]:
    """The segments of a path as a server may read them: decoded, without empty ones and parameters."""
    path = urllib.parse.urlsplit(address).path
    parts = [urllib.parse.unquote(part).partition(";")[0] for part in path.split("/")]
    return [part for part in parts if part not in ("", ".", "..")]
