"""Topics and topic filters (P3 4.2.2; grammar of MQTT 5 section 4.7), and the tree that finds subscribers."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")
MAX_BYTES = 1024
MAX_LEVELS = 16
MAX_CACHED = 10_000
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
SHORT_PARAMETERS = {"volume": "traffic_volume"}  # C-64


class SensorTopic(msgspec.Struct, frozen=True):
    """The words of city/{cityId}/sensors/{sensorType}/{sensorId}/{parameter}."""

    city: str
    kind: str
    sensor: str
    parameter: str


def _is_text(text: str) -> bool:
    return 0 < len(text) <= MAX_BYTES and not _CONTROL.search(text) and len(text.encode()) <= MAX_BYTES


@lru_cache(maxsize=MAX_CACHED)
def is_topic(text: str) -> bool:
    """Whether a text names a topic: levels that are not empty, no wildcard."""
    if not _is_text(text) or "+" in text or "#" in text:
        return False
    levels = text.split("/")
    return len(levels) <= MAX_LEVELS and all(levels)


def is_filter(text: str) -> bool:
    """Whether a text is a topic filter: `+` fills a level, `#` fills the last one."""
    if not _is_text(text):
        return False
    levels = text.split("/")
    if len(levels) > MAX_LEVELS or "#" in levels[:-1] or not all(levels):
        return False
    return all(level in ("+", "#") or ("+" not in level and "#" not in level) for level in levels)


def matches(pattern: str, topic: str) -> bool:
    """Whether a filter matches a topic; `a/#` matches `a` too."""
    wanted, levels = pattern.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] in ("+", "#"):
        return False
    for i, level in enumerate(wanted):
        if level == "#":
            return True
        if i >= len(levels) or level not in ("+", levels[i]):
            return False
    return len(wanted) == len(levels)


def covers(wide: str, narrow: str) -> bool:
    """Whether every topic that `narrow` matches is matched by `wide`."""
    outer, inner = wide.split("/"), narrow.split("/")
    for i, level in enumerate(outer):
        if level == "#":
            return True
        if i >= len(inner) or inner[i] == "#":
            return False
        if level != "+" and level != inner[i]:
            return False
    return len(outer) == len(inner)


def short_type(kind: str) -> str:
    """The word of a sensor's type in topics: EnvironmentalSensor is environmental (C-64)."""
    return _segment(kind.removesuffix("Sensor").lower() or kind.lower())


def _segment(text: str) -> str:
    """A word of the data as one level of a topic."""
    return re.sub(r"[/+#\x00-\x1f\x7f]", "-", text) or "-"


def reading(city: str, kind: str, sensor: str, parameter: str) -> str:
    """The topic of a sensor's parameter (DTC-P3-061)."""
    return f"city/{city}/sensors/{short_type(kind)}/{_segment(sensor)}/{_segment(parameter)}"


def object_update(city: str, kind: str, object_id: str) -> str:
    """The topic of an object's changes (DTC-P3-062)."""
    return f"city/{city}/objects/{_segment(kind)}/{_segment(object_id)}/updates"


def simulation(city: str, run_id: str) -> str:
    """The topic of a simulation's status (DTC-P3-063)."""
    return f"city/{city}/simulations/{_segment(run_id)}/status"


def alert(city: str, severity: str, category: str) -> str:
    """The topic of alerts of a severity and category (DTC-P3-064)."""
    return f"city/{city}/alerts/{severity}/{_segment(category)}"


def service(city: str, service_id: str) -> str:
    """The topic of a service's status (DTC-P3-065)."""
    return f"city/{city}/services/{_segment(service_id)}/status"


def device(city: str, sensor_id: str) -> str:
    """The topic of a device's own status; beside the hierarchy, as responses and commands are (C-65)."""
    return f"city/{city}/devices/{_segment(sensor_id)}/status"


@lru_cache(maxsize=MAX_CACHED)
def parse_sensor(topic: str) -> SensorTopic | None:
    """The words of a sensor topic, short parameter names written out; None for another topic."""
    levels = topic.split("/")
    if len(levels) != 6 or levels[0] != "city" or levels[2] != "sensors":
        return None
    return SensorTopic(levels[1], levels[3], levels[4], SHORT_PARAMETERS.get(levels[5], levels[5]))


class _Node(Generic[T]):
    __slots__ = ("below", "here")

    def __init__(self) -> None:
        self.below: dict[str, _Node[T]] = {}
        self.here: dict[T, int] = {}


class Tree(Generic[T]):
    """Subscribers by topic filter, each with the QoS it was granted."""

    def __init__(self) -> None:
        self._root: _Node[T] = _Node()
        self._found: dict[str, dict[T, int]] = {}

    def add(self, pattern: str, member: T, qos: int) -> None:
        """Subscribe, or change the QoS of a subscription."""
        node = self._root
        for level in pattern.split("/"):
            node = node.below.setdefault(level, _Node())
        node.here[member] = qos
        self._found.clear()

    def remove(self, pattern: str, member: T) -> None:
        """End a subscription, if there is one."""
        path = [(self._root, "")]
        for level in pattern.split("/"):
            node = path[-1][0].below.get(level)
            if node is None:
                return
            path.append((node, level))
        path[-1][0].here.pop(member, None)
        for (parent, _), (node, level) in zip(reversed(path[:-1]), reversed(path[1:]), strict=True):
            if node.here or node.below:
                break
            del parent.below[level]
        self._found.clear()

    def find(self, topic: str) -> dict[T, int]:
        """The subscribers of a topic; the highest QoS for one whose filters overlap."""
        found = self._found.get(topic)
        if found is None:
            if len(self._found) >= MAX_CACHED:
                self._found.clear()
            found = self._found[topic] = {}
            for node in self._reach(self._root, topic.split("/"), 0):
                for member, qos in node.here.items():
                    found[member] = max(qos, found.get(member, 0))
        return found

    def _reach(self, node: _Node[T], levels: list[str], depth: int) -> Iterator[_Node[T]]:
        wild = depth > 0 or not levels[0].startswith("$")
        if wild and "#" in node.below:
            yield node.below["#"]
        if depth == len(levels):
            yield node
            return
        for key in (levels[depth], "+") if wild else (levels[depth],):
            below = node.below.get(key)
            if below is not None:
                yield from self._reach(below, levels, depth + 1)
