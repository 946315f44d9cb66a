"""Who gets a message: subscriptions in a tree of topic levels, shared groups among them (MQTT 5, 4.7)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from reference_server.mqtt.session import Session

SHARE = "$share/"
MAX_CACHED = 20_000


class Subscription(msgspec.Struct, frozen=True):
    """What a session asked for with one topic filter; `group` is the name of a shared subscription."""

    pattern: str
    qos: int
    no_local: bool
    as_published: bool
    retain_handling: int
    identifier: int | None
    group: str | None = None


class Node:
    """One level of the tree."""

    __slots__ = ("children", "members")

    def __init__(self) -> None:
        self.children: dict[str, Node] = {}
        self.members: dict[tuple[int, str | None], tuple[Session, Subscription]] = {}


Matches = list[tuple["Session", Subscription]]


def split_share(text: str) -> tuple[str | None, str]:
    """Group and filter of a subscription; the group is None unless it is shared."""
    if not text.startswith(SHARE):
        return None, text
    group, _, pattern = text.removeprefix(SHARE).partition("/")
    return group, pattern


def is_filter(text: str) -> bool:
    """Whether a text is a topic filter: `+` fills a level, `#` the last one; a share has a name."""
    group, pattern = split_share(text)
    if not pattern or (group is not None and (not group or "+" in group or "#" in group)):
        return False
    levels = pattern.split("/")
    return (
        all(level in ("+", "#") or ("+" not in level and "#" not in level) for level in levels)
        and "#" not in levels[:-1]
    )


class Tree:
    """All subscriptions of the broker. Answers for topics that were asked before come from a cache."""

    def __init__(self) -> None:
        self._root = Node()
        self._cache: dict[str, Matches] = {}

    def add(self, session: "Session", subscription: Subscription) -> None:
        """Add or replace the subscription of a session to a filter."""
        node = self._root
        for level in subscription.pattern.split("/"):
            node = node.children.setdefault(level, Node())
        node.members[id(session), subscription.group] = (session, subscription)
        self._cache.clear()

    def remove(self, session: "Session", subscription: Subscription) -> None:
        """Take a subscription out, and the levels that nobody needs any more."""
        levels = subscription.pattern.split("/")
        path = [self._root]
        for level in levels:
            if level not in path[-1].children:
                return
            path.append(path[-1].children[level])
        path[-1].members.pop((id(session), subscription.group), None)
        for above, level in zip(reversed(path[:-1]), reversed(levels), strict=True):
            if above.children[level].members or above.children[level].children:
                break
            del above.children[level]
        self._cache.clear()

    def find(self, topic: str) -> Matches:
        """Every subscription that matches a topic name; do not change the list."""
        found = self._cache.get(topic)
        if found is None:
            found = list(self._walk(self._root, topic.split("/"), 0))
            if len(self._cache) >= MAX_CACHED:
                self._cache.clear()
            self._cache[topic] = found
        return found

    def _walk(self, node: Node, levels: list[str], depth: int) -> Iterator[tuple["Session", Subscription]]:
        hidden = depth == 0 and levels[0].startswith("$")  # wildcards do not show what begins with $
        if "#" in node.children and not hidden:
            yield from node.children["#"].members.values()
        if depth == len(levels):
            yield from node.members.values()
            return
        if levels[depth] in node.children and levels[depth] not in ("+", "#"):
            yield from self._walk(node.children[levels[depth]], levels, depth + 1)
        if "+" in node.children and not hidden:
            yield from self._walk(node.children["+"], levels, depth + 1)
