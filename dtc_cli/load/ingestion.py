"""Readings of a fleet of sensors: registered, submitted on time, read back, compared (DTC-PERF-005).

A reading that was accepted and cannot be read afterwards is lost; one that is there twice is doubled; one
whose value differs is changed. Refused readings are counted apart.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from dtc_cli.clients.rest import quote
from dtc_cli.load import bulk, publisher, readback
from dtc_cli.load.bulk import Exchange
from dtc_cli.load.health import Host
from dtc_cli.load.histogram import Histogram, Summary
from dtc_cli.load.publisher import Message
from dtc_cli.load.readback import PARAMETER, Reading, Site

UNIT = "celsius"
SHORT_TYPE = "environmental"  # C-64
Tell = Callable[[str], None]


class Ingested(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    sensors: int
    """That were to be registered."""
    registered: int
    registering_s: float
    refusals: dict[str, int]
    """Of registrations, by status."""
    sent: dict[str, int]
    """By door: rest, mqtt."""
    accepted: dict[str, int]
    refused: dict[str, int]
    """Readings that were not accepted, by door and reason."""
    rounds: int
    """Readings of each sensor."""
    interval_s: float
    """In which one reading of each sensor was to be submitted."""
    took_s: float
    """From the first to the last acknowledgement."""
    latency: Summary
    """From the instant at which a reading was due to its acceptance."""
    cpu_share: float
    """Processor time of the generator over wall time while it submitted."""
    lost: int
    doubled: int
    changed: int
    foreign: int
    """Readings at the run's sensors that nobody submitted."""
    unreadable: int
    """Sensors whose data could not be read, after several attempts: nothing is known of their readings."""
    examples: tuple[str, ...]
    host: Host
    reading: str = ""
    """Why the comparison could not be made; empty when it was."""

    @property
    def taken(self) -> int:
        """Readings that were accepted."""
        return sum(self.accepted.values())


def run(
    site: Site,
    bodies: Sequence[Mapping[str, Any]],
    *,
    interval_s: float,
    rounds: int = 1,
    planned: Callable[[str], None],
    now: datetime | None = None,
    tell: Tell = lambda _text: None,
) -> tuple[Ingested, tuple[str, ...]]:
    """Register sensors, submit `rounds` readings of each, read all back.

    Args:
        site: the target.
        bodies: a registration for each sensor.
        interval_s: seconds over which the readings of a round are spread evenly.
        rounds: readings of each sensor.
        planned: is told the id of each registered sensor, so that it can be taken back.
        now: the present on the target's clock.
        tell: is told what happens.

    Returns:
        What came of it, and the ids of the registered sensors.
    """
    begun = time.monotonic()
    tell(f"registering {len(bodies)} sensors")
    answers = bulk.send(site.address, [site.wire("POST", "/sensors", body) for body in bodies])
    registering_s = time.monotonic() - begun
    ids = [found for one in answers if (found := created(one)) is not None]
    for found in ids:
        planned(found)
    readings = _readings(ids, rounds, now or datetime.now(UTC), mqtt=site.broker is not None)
    rate = len(ids) / interval_s if ids else 1.0
    tell(f"submitting {len(readings)} readings at {rate:.0f}/s")
    submitted = _submit(site, readings, rate)
    tell("reading all of it back")
    compared = readback.compare(site, ids, readings, submitted.accepted)
    made = Ingested(
        sensors=len(bodies),
        registered=len(ids),
        registering_s=round(registering_s, 2),
        refusals=_refusals(answers),
        sent=dict(Counter(reading.door for reading in readings)),
        accepted=dict(Counter(r.door for r, ok in zip(readings, submitted.accepted, strict=True) if ok)),
        refused=submitted.refused,
        rounds=rounds,
        interval_s=interval_s,
        took_s=round(submitted.took_s, 2),
        latency=submitted.latency,
        cpu_share=round(submitted.cpu_share, 3),
        host=Host.here(),
        **compared,
    )
    return made, tuple(ids)


def remove(site: Site, ids: Sequence[str]) -> list[str]:
    """Delete sensors where the target offers it; those that are still there."""
    if not ids:
        return []
    first = bulk.send(site.address, [site.wire("DELETE", f"/sensors/{quote(ids[0])}")])[0]
    if not first.ok:
        return list(ids)
    gone = bulk.send(site.address, [site.wire("DELETE", f"/sensors/{quote(one)}") for one in ids[1:]])
    return [name for name, one in zip(ids[1:], gone, strict=True) if not one.ok and one.status != 404]


class _Submitted(NamedTuple):
    accepted: list[bool]
    refused: dict[str, int]
    took_s: float
    latency: Summary
    cpu_share: float


def _readings(ids: Sequence[str], rounds: int, now: datetime, *, mqtt: bool) -> list[Reading]:
    """Every second sensor reports over MQTT where there is a broker; all instants lie in the past."""
    found = []
    for turn in range(rounds):
        for number, sensor in enumerate(ids):
            at = now - timedelta(seconds=2 * (rounds - turn), milliseconds=number % 1000)
            text = at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
            # Eighths are exact in every representation of a number, and neighbours differ.
            value = 10 + (number * 7 + turn) % 160 / 8
            found.append(Reading(sensor, value, text, "mqtt" if mqtt and number % 2 else "rest"))
    return found


def _measurement(reading: Reading) -> dict[str, Any]:
    return {
        "parameter": PARAMETER,
        "value": reading.value,
        "unit": UNIT,
        "timestamp": reading.at,
        "quality": "good",
    }


def _submit(site: Site, readings: Sequence[Reading], rate: float) -> _Submitted:
    """All readings, each door at its share of the rate, the two at the same time."""
    import threading

    rest = [number for number, one in enumerate(readings) if one.door == "rest"]
    mqtt = [number for number, one in enumerate(readings) if one.door == "mqtt"]
    accepted = [False] * len(readings)
    refused: Counter[str] = Counter()
    latency = Histogram()
    trouble: list[BaseException] = []
    begun, cpu = time.monotonic(), time.process_time()

    def over_rest() -> None:
        wires = [
            site.wire(
                "POST", f"/sensors/{quote(readings[number].sensor)}/data",
                {"measurements": [_measurement(readings[number])]},
            )
            for number in rest
        ]  # fmt: skip
        share = rate * len(rest) / len(readings)
        for number, one in zip(rest, bulk.send(site.address, wires, rate=share), strict=True):
            accepted[number] = one.ok
            latency.record([int(one.latency_s * 1e6)])
            if not one.ok:
                refused[f"rest: {one.status or one.error}"] += 1

    def over_mqtt() -> None:
        assert site.broker is not None  # noqa: S101 - narrows the type, no reading goes there without one
        assert site.login is not None  # noqa: S101 - as above
        messages = [
            Message(
                f"city/{site.city}/sensors/{SHORT_TYPE}/{one.sensor}/{PARAMETER}",
                json.dumps({"sensorId": one.sensor, "measurements": [_measurement(one)]}).encode(),
            )
            for one in (readings[number] for number in mqtt)
        ]
        share = rate * len(mqtt) / len(readings)
        try:
            done = publisher.publish(site.broker, site.login, messages, rate=share)
        except OSError as problem:
            refused[f"mqtt: {problem}"] += len(mqtt)
            return
        for number, sent in zip(mqtt, done, strict=True):
            accepted[number] = sent.ok
            latency.record([int(sent.latency_s * 1e6)])
            if not sent.ok:
                why = "no acknowledgement" if sent.reason is None else f"reason {sent.reason:#x}"
                refused[f"mqtt: {why}"] += 1

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as problem:
            trouble.append(problem)

    work = [one for one, numbers in ((over_rest, rest), (over_mqtt, mqtt)) if numbers]
    threads = [threading.Thread(target=guarded, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if trouble:
        raise trouble[0]
    took = time.monotonic() - begun
    share = (time.process_time() - cpu) / took if took else 0.0
    return _Submitted(accepted, dict(refused), took, latency.summary(), share)


def created(answer: Exchange) -> str | None:
    """The id that a target gave to what it created; None when it created nothing."""
    if not answer.ok:
        return None
    try:
        found = json.loads(answer.body).get("id")
    except (ValueError, AttributeError):
        return None
    return found if isinstance(found, str) and found else None


def _refusals(answers: Sequence[Exchange]) -> dict[str, int]:
    return dict(Counter(f"status {one.status}" if one.status else one.error for one in answers if not one.ok))
