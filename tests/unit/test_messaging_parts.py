"""The parts of messaging by themselves: outbox, retention, retained messages, allowances, rights."""

import asyncio

import pytest

from reference_server.messaging import alerts, rights
from reference_server.messaging.allowances import Meter
from reference_server.messaging.bus import Bus
from reference_server.messaging.dedup import Repeats
from reference_server.messaging.messages import Message, deadline, new_id
from reference_server.messaging.outbox import Outbox
from reference_server.messaging.outcome import Outcome
from reference_server.messaging.retention import MESSAGE_BYTES, TOPIC_BYTES, Retention, Rule
from reference_server.storage.protocol import Reading
from tests.support.twin_world import Ear, caller


def message(topic: str = "city/X/a", payload: bytes = b"{}", **more: object) -> Message:
    return Message(topic=topic, payload=payload, at=1, id=new_id(), **more)  # type: ignore[arg-type]


def test_a_full_outbox_drops_its_oldest_messages_of_qos_0_and_counts_them() -> None:
    box = Outbox(max_messages=8)
    kept = message(payload=b'"one"')
    box.put(kept, 1)
    for number in range(8):
        box.put(message(payload=str(number).encode()), 0)
    assert not box.full
    assert box.told() == 3
    assert box.told() == 0
    assert len(box) == 6
    assert box.take().message is kept
    assert box.take().message.payload == b"3"


def test_an_outbox_never_drops_what_must_arrive() -> None:
    box = Outbox(max_messages=4)
    for _ in range(5):
        box.put(message(), 1)
    assert box.full
    assert box.told() == 0
    assert len(box) == 5


def test_an_outbox_is_bounded_in_bytes_too() -> None:
    box = Outbox(max_bytes=10_000)
    for _ in range(4):
        box.put(message(payload=b"x" * 3000), 0)
    assert box.told() > 0
    assert not box.full


def test_an_expired_message_is_passed_over() -> None:
    box = Outbox()
    box.put(message(expires=deadline(0)), 1)
    box.put(message(payload=b"late", expires=deadline(60)), 1)
    first = box.peek()
    assert first is not None
    assert first.message.payload == b"late"


def test_the_bus_numbers_each_topic_and_grows_in_position() -> None:
    bus, ear = Bus(), Ear()
    bus.attach(ear)
    for topic in ("city/X/a", "city/X/b", "city/X/a"):
        bus.publish(message(topic))
    assert [one.sequence for one in ear.heard] == [1, 1, 2]
    positions = [one.position for one in ear.heard]
    assert positions == sorted(set(positions))
    bus.detach(ear)
    bus.publish(message())
    assert len(ear.heard) == 3


def test_a_door_that_fails_keeps_a_message_from_no_other(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def deliver(self, message: Message) -> None:
            raise KeyError(message.topic)

    bus, ear = Bus(), Ear()
    bus.attach(Broken())
    bus.attach(ear)
    bus.publish(message("city/X/a"))
    assert [one.topic for one in ear.heard] == ["city/X/a"]
    assert "a door failed on a message" in caplog.text


def test_retained_messages_are_found_replaced_and_cleared() -> None:
    bus = Bus()
    bus.publish(message("city/X/services/a/status", b"1", retain=True))
    bus.publish(message("city/X/services/a/status", b"2", retain=True))
    bus.publish(message("city/X/services/b/status", b"3", retain=True, expires=deadline(0)))
    bus.publish(message("city/X/services/c/status", b"4"))
    assert [one.payload for one in bus.retained.matching("city/+/services/#")] == [b"2"]
    bus.publish(message("city/X/services/a/status", b"", retain=True))
    assert list(bus.retained.matching("city/X/services/a/status")) == []


def test_a_topic_s_oldest_messages_are_forgotten_and_the_gap_is_said() -> None:
    bus = Bus()
    bus.retention = kept = Retention(bus.position, (Rule("#", 10**11, 3, 10**6),))
    start = bus.position
    for number in range(4):
        bus.publish(message("city/X/a", str(number).encode()))
    bus.publish(message("city/X/b", b"b"))
    replay = kept.since("city/X/#", start)
    assert [one.payload for one in replay.messages] == [b"1", b"2", b"3", b"b"]
    assert replay.gaps == ["city/X/a"]
    later = kept.since("city/X/a", replay.messages[0].position)
    assert [one.payload for one in later.messages] == [b"2", b"3"]
    assert later.gaps == []
    assert kept.since("city/X/b", start - 1).gaps == ["city/X/b"]
    assert kept.since("city/X/#", start, limit=1).gaps == ["city/X/a", "city/X/#"]


def test_old_and_large_messages_are_forgotten() -> None:
    kept = Retention(0, (Rule("#", 60, 100, 50),))
    bus = Bus()
    kept.add(message("city/X/a"))
    assert kept.since("city/X/a", 0).messages == []
    bus.retention = Retention(0, (Rule("#", 10**11, 100, 50),), total=TOPIC_BYTES + MESSAGE_BYTES + 60)
    for number in range(3):
        bus.publish(message(f"city/X/{number}", b"x" * 30))
    assert [one.topic for one in bus.retention.since("city/X/#", 1).messages] == ["city/X/2"]
    assert bus.retention.since("city/X/#", 1).gaps == ["city/X/#"]


def test_an_allowance_is_a_second_s_worth_that_refills() -> None:
    now = 0.0
    meter = Meter(lambda: now)
    device = caller("device")
    assert [meter.take(device, 10) for _ in range(12)].count(True) == 10
    now = 0.5
    assert [meter.take(device, 10) for _ in range(12)].count(True) == 5
    now = 10.0
    assert meter.take(device, 20_000)
    assert not meter.take(device, 1)
    now = 11.5
    assert meter.take(device, 1)
    assert all(meter.take(caller("admin", allowance=1_000_000), 10**9) for _ in range(20_000))


@pytest.mark.parametrize(
    ("role", "pattern", "allowed"),
    [
        ("viewer", "city/X/sensors/#", True),
        ("viewer", "city/X/alerts/high/+", True),
        ("viewer", "city/X/#", False),
        ("viewer", "city/Y/sensors/#", False),
        ("viewer", "city/+/sensors/#", False),
        ("viewer", "#", False),
        ("device", "city/X/alerts/#", False),
        ("device", "city/X/commands/gate-1", True),
        ("operator", "city/X/#", True),
    ],
)
def test_who_may_hear(role: str, pattern: str, allowed: bool) -> None:
    assert rights.may_subscribe(caller(role, "X"), pattern) is allowed


@pytest.mark.parametrize(
    ("role", "topic", "allowed"),
    [
        ("device", "city/X/sensors/environmental/s/temperature", True),
        ("device", "city/X/alerts/high/air-quality", False),
        ("device", "city/Y/sensors/environmental/s/temperature", False),
        ("viewer", "city/X/sensors/environmental/s/temperature", False),
        ("operator", "city/X/alerts/high/air-quality", True),
        ("operator", "city/X/objects/Building/b/updates", False),
        ("operator", "city/X/services/s/status", False),
        ("admin", "city/X/services/s/status", True),
        ("admin", "anything", False),
    ],
)
def test_who_may_speak(role: str, topic: str, allowed: bool) -> None:
    assert rights.may_publish(caller(role, "X"), topic) is allowed


def test_all_cities_and_narrowed_rights() -> None:
    assert rights.may_subscribe(caller("admin"), "city/+/sensors/#")
    silent = caller("operator", "X")
    import msgspec

    assert not rights.may_publish(
        msgspec.structs.replace(silent, rights=frozenset({"read"})), "city/X/sensors/a/b/c"
    )
    assert not rights.may_subscribe(msgspec.structs.replace(silent, rights=frozenset({"write"})), "city/X/#")


@pytest.mark.parametrize(
    ("value", "expected"), [(100, None), (101, "medium"), (155, "high"), (301, "critical")]
)
def test_how_bad_an_alert_is(value: float, expected: str | None) -> None:
    reading = Reading("air_quality", value, "aqi", 0, "good", None, 0)
    found = alerts.raised(reading, "s", None, {"air_quality": 100})
    assert (None if found is None else found[0]) == expected


def test_repeats_are_known_for_a_while_and_refusals_are_forgotten() -> None:
    now = 0.0
    repeats = Repeats(lambda: now)
    good, bad = Outcome(), Outcome()
    repeats.remember("good", good)
    repeats.remember("bad", bad)
    assert repeats.earlier("bad") is bad
    good.set_result()
    bad.set_exception(ValueError())
    assert repeats.earlier("bad") is None
    assert repeats.earlier("good") is good
    now = 601.0
    assert repeats.earlier("good") is None


def test_an_outcome_is_told_to_each_who_waits_whatever_another_does(caplog: pytest.LogCaptureFixture) -> None:
    async def wait(outcome: Outcome) -> str:
        try:
            await outcome
        except ValueError as problem:
            return str(problem)
        return "taken"

    async def check() -> list[str]:
        good, bad = Outcome(), Outcome()
        waiting = [asyncio.ensure_future(wait(one)) for one in (good, bad, good)]
        await asyncio.sleep(0)
        waiting[2].cancel()  # who goes away takes nothing from the others
        bad.add_done_callback(lambda _: 1 / 0)
        bad.add_done_callback(heard.append)
        good.set_result()
        bad.set_exception(ValueError("refused"))
        bad.add_done_callback(heard.append)
        assert waiting[2].cancelled() or await asyncio.wait([waiting[2]])
        return [*await asyncio.gather(*waiting[:2]), await wait(bad), await wait(good)]

    heard: list[Outcome] = []
    assert asyncio.run(check()) == ["taken", "refused", "refused", "taken"]
    assert len(heard) == 2
    assert "ZeroDivisionError" in caplog.text
