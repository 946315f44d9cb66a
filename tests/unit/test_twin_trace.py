"""A trace goes on with a parent of this server; what is not valid is dropped."""

import pytest

from reference_server.trace import passed_on

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize(("flags", "kept"), [("01", "01"), ("00", "00"), ("03", "01")])
def test_the_trace_and_its_sampling_go_on(flags: str, kept: str) -> None:
    shown = passed_on(f"00-{TRACE}-{PARENT}-{flags}".encode())
    assert shown is not None
    version, trace, parent, sampled = shown.split("-")
    assert (version, trace, sampled) == ("00", TRACE, kept)
    assert parent != PARENT
    assert len(bytes.fromhex(parent)) == 8


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    assert passed_on(f"cc-{TRACE}-{PARENT}-01-what-comes".encode()) is not None


@pytest.mark.parametrize(
    "header",
    [
        None,
        b"",
        b"nonsense",
        f"ff-{TRACE}-{PARENT}-01".encode(),
        f"00-{'0' * 32}-{PARENT}-01".encode(),
        f"00-{TRACE}-{'0' * 16}-01".encode(),
        f"00-{TRACE.upper()}-{PARENT}-01".encode(),
        f"00-{TRACE}-{PARENT}-01-more".encode(),
        f"00-{TRACE}-{PARENT}".encode(),
    ],
)
def test_what_is_no_trace_is_dropped(header: bytes | None) -> None:
    assert passed_on(header) is None
