"""Names of events: DTC-P2-104. Events travel on the stream, which is judged with phase 3 (D-03)."""

from dtc_cli.harness.suite import NotApplicable, NotTested, Twin, verifies


def need_stream(twin: Twin) -> None:
    """The condition `stream.declared`, and what judging by it takes."""
    if twin.target.stream_url is None:
        raise NotApplicable("the target file names no stream (stream.url)")
    raise NotTested("the names of events are read off the stream, with the suites of phase 3")


@verifies("DTC-P2-104")
def test_events_have_the_names_of_the_standard(twin: Twin) -> None:
    need_stream(twin)


@verifies("DTC-P2-104", negative=True)
def test_no_event_has_another_name(twin: Twin) -> None:
    need_stream(twin)
