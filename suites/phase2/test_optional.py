"""Operations that only the SDK names, probed: DTC-P2-085. Absence is recorded, never a failure."""

from datetime import timedelta

from dtc_cli.harness.suite import NotApplicable, Twin, expect, verifies
from suites.phase2.support_live import body, written

CLAUSE = "P2 3.1, C-36"


@verifies("DTC-P2-085")
def test_snapshots_can_be_compared(twin: Twin) -> None:
    now = twin.clock.now()
    times = {"time1": written(now - timedelta(seconds=2)), "time2": written(now - timedelta(seconds=1))}
    answer = twin.rest.get("/cities/{city}/snapshots/compare", params=times)
    if not answer.ok:
        raise NotApplicable(f"the comparison of snapshots is not offered (status {answer.status})")
    expect.json_value(answer, clause=CLAUSE)


@verifies("DTC-P2-085", negative=True)
def test_a_comparison_needs_instants(twin: Twin) -> None:
    now = written(twin.clock.now() - timedelta(seconds=1))
    if not twin.rest.get("/cities/{city}/snapshots/compare", params={"time1": now, "time2": now}).ok:
        raise NotApplicable("the comparison of snapshots is not offered")
    times = {"time1": "not-a-time", "time2": now}
    answer = twin.rest.get("/cities/{city}/snapshots/compare", params=times)
    expect.error(answer, {400, 404, 422}, clause=CLAUSE)


@verifies("DTC-P2-085")
def test_the_city_can_be_exported(twin: Twin) -> None:
    answer = twin.rest.get("/cities/{city}/export")
    if not answer.ok:
        raise NotApplicable(f"GET .../export is not offered (status {answer.status})")
    expect.that(bool(answer.body), "the export is empty", actual=body(answer), clause=CLAUSE)


@verifies("DTC-P2-085")
def test_accessibility_can_be_analysed(twin: Twin) -> None:
    here = {"type": "Point", "coordinates": list(twin.city.place(twin.random))}
    request = {"location": here, "maxDistance": 500, "radius": 500, "mode": "walking"}
    answer = twin.rest.post("/cities/{city}/spatial/accessibility", json=request)
    if not answer.ok:
        raise NotApplicable(f"POST .../spatial/accessibility is not offered (status {answer.status})")
    expect.json_value(answer, clause=CLAUSE)
