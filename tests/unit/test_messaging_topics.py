"""Topic names and filters: grammar, matching, cover, and the tree against the plain definition."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_server.messaging import topics

LEVEL = st.sampled_from(["a", "b", "city", "$x"])
TOPIC = st.lists(LEVEL, min_size=1, max_size=4).map("/".join)
FILTER = st.tuples(
    st.lists(st.one_of(LEVEL, st.just("+")), min_size=1, max_size=4), st.sampled_from([[], ["#"]])
).map(lambda parts: "/".join(parts[0] + parts[1]))


@pytest.mark.parametrize(
    "text", ["a", "city/KR-BUSAN-2025/alerts/high/air-quality", "도시/센서", "a b", "/".join("a" * 16)]
)
def test_topics(text: str) -> None:
    assert topics.is_topic(text)
    assert topics.is_filter(text)


@pytest.mark.parametrize(
    "text", ["", "/a", "a/", "a//b", "a/+", "a/#", "a\x00b", "a\nb", "\ud800", "x" * 1025, "/".join("a" * 17)]
)
def test_what_is_no_topic(text: str) -> None:
    assert not topics.is_topic(text)


@pytest.mark.parametrize("text", ["#", "+", "a/#", "+/+/c", "city/+/sensors/#"])
def test_filters(text: str) -> None:
    assert topics.is_filter(text)


@pytest.mark.parametrize("text", ["", "a/#/b", "#/a", "a+", "a/b#", "a/+b/c", "/#", "a//#"])
def test_what_is_no_filter(text: str) -> None:
    assert not topics.is_filter(text)


@pytest.mark.parametrize(
    ("pattern", "topic", "expected"),
    [
        ("city/X/sensors/+/+/temperature", "city/X/sensors/environmental/env-001/temperature", True),
        ("city/X/sensors/+/+/temperature", "city/X/sensors/environmental/env-001/humidity", False),
        ("city/X/#", "city/X", True),
        ("city/X/#", "city/Y/sensors", False),
        ("+", "a/b", False),
        ("#", "$SYS/a", False),
        ("$SYS/#", "$SYS/a", True),
    ],
)
def test_matching(pattern: str, topic: str, expected: bool) -> None:
    assert topics.matches(pattern, topic) is expected


@given(FILTER, FILTER, TOPIC)
def test_a_cover_holds_for_every_topic(wide: str, narrow: str, topic: str) -> None:
    if topics.covers(wide, narrow) and not topic.startswith("$") and topics.matches(narrow, topic):
        assert topics.matches(wide, topic)


@given(st.dictionaries(FILTER, st.integers(0, 2), max_size=8), st.lists(FILTER, max_size=3), TOPIC)
def test_the_tree_finds_what_matches(wanted: dict[str, int], ended: list[str], topic: str) -> None:
    tree: topics.Tree[str] = topics.Tree()
    for pattern, qos in wanted.items():
        tree.add(pattern, "one", qos)
        tree.add(pattern, pattern, qos)
    tree.find(topic)
    for pattern in ended:
        tree.remove(pattern, pattern)
    found = dict(tree.find(topic))
    matching = {pattern: qos for pattern, qos in wanted.items() if topics.matches(pattern, topic)}
    assert found.pop("one", None) == (max(matching.values()) if matching else None)
    assert found == {pattern: qos for pattern, qos in matching.items() if pattern not in ended}


def test_words_of_topics() -> None:
    assert topics.reading("X", "EnvironmentalSensor", "s-1", "temperature") == (
        "city/X/sensors/environmental/s-1/temperature"
    )
    assert topics.short_type("WeatherStation") == "weatherstation"
    assert topics.is_topic(topics.reading("X", "Sensor", "a/b+#", "p/q"))
    words = topics.parse_sensor("city/X/sensors/traffic/t-1/volume")
    assert words is not None
    assert words.parameter == "traffic_volume"
    assert topics.parse_sensor("city/X/sensors/traffic/t-1") is None
