"""What is sent: routes with weights, each with many prepared requests, in an order that the seed decides."""

import random
from collections.abc import Mapping, Sequence

import msgspec


class Request(msgspec.Struct, frozen=True, array_like=True):
    """A request as bytes, and what an honest answer to it must hold."""

    route: int
    """Index into the names of the routes."""
    wire: bytes
    about: str = ""
    """What the answer is about (an object's id, a box): the sampled answer is compared with it."""
    statuses: tuple[int, ...] = (200,)


class Route(msgspec.Struct, frozen=True):
    """Requests of one kind; `weight` is its share among the routes."""

    name: str
    weight: float
    requests: tuple[Request, ...]


class Traffic(msgspec.Struct, frozen=True):
    """All requests of a run and the order in which they are sent."""

    routes: tuple[str, ...]
    requests: tuple[Request, ...]
    order: tuple[int, ...]
    """Indices into `requests`; the run goes round it as often as it needs."""


ROUND = 1 << 15
"""Requests of one round: enough that weights come true within a per cent."""


def mix(routes: Sequence[Route], seed: int) -> Traffic:
    """Interleave routes by their weights; the same seed gives the same order."""
    chance = random.Random(seed)
    requests: list[Request] = []
    spans: list[range] = []
    for number, route in enumerate(routes):
        start = len(requests)
        requests.extend(msgspec.structs.replace(request, route=number) for request in route.requests)
        spans.append(range(start, len(requests)))
    picks = chance.choices(range(len(routes)), [route.weight for route in routes], k=ROUND)
    return Traffic(
        tuple(route.name for route in routes),
        tuple(requests),
        tuple(chance.choice(spans[pick]) for pick in picks),
    )


def encode(method: str, path: str, host: str, headers: Mapping[str, str], body: bytes | None = None) -> bytes:
    """A request of HTTP/1.1 as bytes (RFC 9112); `path` is already percent-encoded."""
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: {host}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii") + (body or b"")
