"""The short form of `scripts/prove soak`: cuts lose nothing and double nothing."""

import random

from tests.integration.test_twin.conftest import CITY, Twin
from tests.support.soak import Publisher, Watcher

READINGS = 900


def test_published_is_stored_whatever_is_cut(twin: Twin) -> None:
    randomness = random.Random(5)
    url, key = twin.announced["mqtt"], twin.key("load")
    sensors = [one["id"] for one in twin.get("/sensors?type=EnvironmentalSensor&limit=2")["sensors"]]
    topics = [f"city/{CITY}/sensors/environmental/{one}/temperature" for one in sensors]
    watcher = Watcher(url, key, f"city/{CITY}/sensors/environmental/#", randomness)
    publishers = [
        Publisher(url, key, topic, sensor, f"publisher-{i}", randomness)
        for i, (topic, sensor) in enumerate(zip(topics, sensors, strict=True))
    ]
    while any(one.next < READINGS for one in publishers):
        for qos, one in enumerate(publishers, start=1):
            one.step(min(50, READINGS - one.next), qos)
        watcher.step()
    for one in publishers:
        one.finish()
        assert one.refused == 0
        assert one.acknowledged == set(range(READINGS))
        assert one.cuts > 0
    for sensor in sensors:
        answer = twin.get(
            f"/sensors/{sensor}/data?start=2025-01-01T00:00:00Z&end=2025-01-01T00:01:00Z"
            "&parameter=temperature&limit=1000"
        )
        instants = [m["timestamp"] for m in answer["measurements"]]
        assert len(instants) == len(set(instants)) == READINGS
    while len(watcher.heard) < 2 * READINGS:
        watcher.step()
    watcher.close()
    assert watcher.cuts > 0
    assert len(watcher.heard) == 2 * READINGS
