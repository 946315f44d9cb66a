"""Holding what the API returns against the phase 1 rules, as fragments of a record (C-07)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dtc_cli.harness.suite import Blocked, Twin, expect, judge

ELSEWHERE = frozenset({"DTC-P1-010", "DTC-P1-011", "DTC-P1-083", "DTC-P1-084"})
"""Rules that are judged apart over the API: zones by DTC-P2-107, bounds by DTC-P2-019 and -046."""


def fragment(
    twin: Twin,
    *,
    objects: Sequence[Mapping[str, Any]] = (),
    sensors: Sequence[Mapping[str, Any]] = (),
    simulations: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """A record with these parts in the frame of the city under test.

    Raises:
        Blocked: when the city does not tell bounds and coordinate system.
    """
    answer = twin.rest.get("/cities/{city}")
    city = answer.json() if answer.ok and answer.is_json else None
    if not isinstance(city, dict):
        raise Blocked("DTC-P2-003", f"the city cannot be read (status {answer.status})")
    record: dict[str, Any] = {name: city[name] for name in ("bounds", "coordinateSystem") if name in city}
    if objects:
        record["cityObjects"] = list(objects)
    if sensors:
        record["sensorNetwork"] = {"nodes": list(sensors)}
    if simulations:
        record["simulations"] = list(simulations)
    return record


def errors_of(twin: Twin, record: Mapping[str, Any], *, without: Iterable[str] = ()) -> list[Any]:
    """The findings that make the fragment invalid, except those of the requirements in `without`."""
    found = judge(dict(record), now=twin.clock.now(), fragment=True).errors
    excused = set(without)
    return [finding for finding in found if finding.requirement not in excused]


def conforms(twin: Twin, record: Mapping[str, Any], what: str, *, clause: str) -> None:
    """The fragment breaks no rule of phase 1, except those that are judged elsewhere.

    Raises:
        Violation: naming the first rule that it breaks.
    """
    for finding in errors_of(twin, record, without=ELSEWHERE):
        expect.that(
            False,
            f"{what} breaks {finding.requirement}: {finding.message}",
            expected="what the rules of phase 1 allow",
            actual=f"{finding.code} at {finding.pointer}",
            clause=clause,
        )
