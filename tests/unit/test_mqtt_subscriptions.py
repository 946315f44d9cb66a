"""The subscription tree finds what a comparison of every filter finds."""

from hypothesis import given, settings
from hypothesis import strategies as st

from reference_server.messaging import topics
from reference_server.mqtt.session import Session
from reference_server.mqtt.subscriptions import Subscription, Tree, is_filter, split_share

LEVELS = st.sampled_from(["a", "b", "", "$SYS", "+"])
FILTERS = st.builds(
    lambda levels, rest: "/".join([*levels, *rest]) or "a",
    st.lists(LEVELS, max_size=4),
    st.sampled_from([[], ["#"]]),
)
TOPICS = st.lists(st.sampled_from(["a", "b", "", "$SYS"]), min_size=1, max_size=5).map("/".join)


def subscription(pattern: str) -> Subscription:
    return Subscription(pattern, 1, no_local=False, as_published=False, retain_handling=0, identifier=None)


@settings(deadline=None)
@given(st.lists(FILTERS, max_size=8), st.lists(st.integers(0, 7), max_size=4), TOPICS)
def test_the_tree_finds_every_match(patterns: list[str], removed: list[int], topic: str) -> None:
    tree = Tree()
    members = [(Session(str(i), "owner", 0), subscription(one)) for i, one in enumerate(patterns)]
    for session, one in members:
        tree.add(session, one)
    tree.find(topic)
    gone = {i for i in removed if i < len(members)}
    for i in gone:
        tree.remove(*members[i])
    expected = {str(i) for i, one in enumerate(patterns) if i not in gone and topics.matches(one, topic)}
    assert {session.client_id for session, _ in tree.find(topic)} == expected


def test_filters() -> None:
    for good in ("a", "#", "+", "a/+/b/#", "/", "$share/g/a/#", "$SYS/#"):
        assert is_filter(good), good
    for bad in ("", "a#", "a/#/b", "a+", "$share/g", "$share/g/", "$share//a", "$share/g+/a", "$share/g/a#"):
        assert not is_filter(bad), bad
    assert split_share("$share/g/a/b") == ("g", "a/b")
    assert split_share("a/b") == (None, "a/b")
