"""Names of events: DTC-P2-104. Events travel on the stream, so they are heard with phase 3's ears (D-03)."""

from dtc_cli.harness.suite import Blocked, NotApplicable, Twin, expect, verifies
from suites.phase3.support import events

NAMES = {"city:updated", "sensor:data", "simulation:completed", "alert:created", "service:status", "error"}
CLAUSE = "P2 2.2, C-54"


def need_stream(twin: Twin) -> None:
    """The condition `stream.declared`."""
    if twin.target.stream_url is None:
        raise NotApplicable("the target file names no stream (stream.url)")


@verifies("DTC-P2-104", hazard="write")
def test_events_have_the_names_of_the_standard(twin: Twin) -> None:
    """A reading raises sensor:data: by its name where messages carry one, else by its topic."""
    need_stream(twin)
    heard = events.reading(twin)
    if not heard.stream:
        raise Blocked("DTC-P3-087", "a reading is not told on the stream")
    try:
        names = events.named(twin)
    except NotApplicable:
        expect.that(
            "/sensors/" in str(heard.stream[0].get("topic")),
            "the event of a reading is neither named nor told by its topic",
            expected="event: sensor:data, or the topic .../sensors/...",
            actual=heard.stream[0],
            clause=CLAUSE,
        )
        return
    expect.that("sensor:data" in names, "no event is named sensor:data", actual=names, clause=CLAUSE)


@verifies("DTC-P2-104", negative=True, hazard="write")
def test_no_event_has_another_name(twin: Twin) -> None:
    need_stream(twin)
    odd = sorted({name for name in events.named(twin) if name not in NAMES})
    expect.that(not odd, "an event has another name", expected=sorted(NAMES), actual=odd, clause=CLAUSE)
