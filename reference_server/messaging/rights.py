"""Which topics a caller may hear and speak on (P3 8.3: allowedTopics)."""

from collections.abc import Mapping
from functools import lru_cache

from reference_server.auth import Principal
from reference_server.messaging import topics

HEAR: Mapping[str, tuple[str, ...]] = {
    "admin": ("#",),
    "operator": ("#",),
    "viewer": ("sensors/#", "objects/#", "simulations/#", "alerts/#", "services/#", "devices/#"),
    "device": ("sensors/#", "devices/#", "commands/#", "responses/#"),
}
"""Below city/{cityId}/, by role."""
SPEAK: Mapping[str, tuple[str, ...]] = {
    "admin": ("sensors/#", "alerts/#", "commands/#", "responses/#", "devices/#", "services/+/status"),
    "operator": ("sensors/#", "alerts/#", "commands/#", "responses/#", "devices/#"),
    "viewer": (),
    "device": ("sensors/#", "devices/#", "responses/#"),
}
"""What the twin says of itself (objects, simulations) nobody else says."""
NEEDED = {"sensors": "measure", "services": "manage"}
"""The right that a token's scope must leave for a branch to be spoken on."""


@lru_cache(maxsize=20_000)
def may_subscribe(caller: Principal, pattern: str) -> bool:
    """Whether a caller may hear all that a filter matches."""
    return "read" in caller.rights and any(
        topics.covers(allowed, pattern) for allowed in patterns(caller, HEAR)
    )


@lru_cache(maxsize=20_000)
def may_publish(caller: Principal, topic: str) -> bool:
    """Whether a caller may speak on a topic."""
    levels = topic.split("/")
    needed = NEEDED.get(levels[2] if len(levels) > 2 else "", "measure")
    return needed in caller.rights and any(
        topics.matches(allowed, topic) for allowed in patterns(caller, SPEAK)
    )


def patterns(caller: Principal, table: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The caller's filters, in each of its cities."""
    cities = ["+"] if caller.cities is None else sorted(caller.cities)
    return [f"city/{city}/{branch}" for city in cities for branch in table.get(caller.role, ())]
