"""The load engine on real sockets, against servers that behave and servers that do not."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from dtc_cli.core.target import TlsFiles
from dtc_cli.errors import DtcError
from dtc_cli.harness import authority
from dtc_cli.load import bulk, fleet, truth
from dtc_cli.load.lanes import Sample
from dtc_cli.load.outcome import Instant, Outcome
from dtc_cli.load.papers import Papers
from dtc_cli.load.schedule import Schedule
from dtc_cli.load.traffic import Request, Route, encode, mix
from tests.support.load_server import serving


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving() as number:
        yield number


def load(port: int, path: str, *, rate: float = 100, seconds: float = 1, **options: object) -> Outcome:
    return load_at(fleet.Address("127.0.0.1", port), path, rate=rate, seconds=seconds, **options)


def load_at(
    address: fleet.Address, path: str, *, rate: float, seconds: float = 1, **options: object
) -> Outcome:
    request = Request(0, encode("GET", path, f"{address.host}:{address.port}", {}), "{}")
    return fleet.run(
        address,
        Schedule.constant(rate, seconds),
        mix([Route("only", 1.0, (request,))], 1),
        lanes=32,
        **{"timeout_s": 2.0, **options},  # type: ignore[arg-type]
    )


def test_a_constant_latency_is_measured(port: int) -> None:
    made = load(port, "/wait/0.1", rate=100, seconds=2, workers=2, sample_every=10)
    assert made.errors == {}
    assert made.measured == 200
    middle = made.total.at("p50")
    assert middle is not None
    # The event loops of both sides add to it, never take from it.
    assert middle >= 100
    assert len(made.samples) == 20
    assert {sample.status for sample in made.samples} == {200}
    assert sum(second.done for second in made.seconds) <= 200


@pytest.mark.parametrize("shown", [True, False], ids=["shown", "missing"])
def test_the_certificate_of_the_run_is_shown(tmp_path: Path, shown: bool) -> None:
    """A server that lets in nobody without one (P3 8.2.3)."""
    authority.make(tmp_path, clients=("operator",))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # With TLS 1.3 a client learns of its refusal when it reads; with 1.2 while it connects.
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    context.load_verify_locations(tmp_path / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    own = (tmp_path / "operator.pem", tmp_path / "operator.key") if shown else (None, None)
    papers = Papers.of(TlsFiles(tmp_path / "ca.pem", *own))
    with serving(context) as number:
        address = fleet.Address("127.0.0.1", number, True, papers)
        answers = bulk.send(address, [encode("GET", "/", f"127.0.0.1:{number}", {})])
        assert [one.ok for one in answers] == [shown]
        if not shown:
            with pytest.raises(DtcError, match="no connection"):
                load_at(address, "/", rate=20)
        else:
            assert load_at(address, "/", rate=20).errors == {}


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/drop", "connection: "),
        ("/garbage", "protocol: "),
        ("/500", "status 500"),
        ("/never", "timeout"),
        ("/short", "connection: closed"),
        ("/unchunked", "connection: closed"),
        ("/headless", "connection: closed"),
    ],
)
def test_each_way_to_fail_is_counted_as_itself(port: int, path: str, kind: str) -> None:
    made = load(port, path, rate=20)
    assert made.measured == 20
    assert sum(made.errors.values()) == 20
    assert any(name.startswith(kind) for name in made.errors), made.errors
    assert made.achieved_per_s == 0


def test_a_server_that_closes_after_each_answer_is_no_error(port: int) -> None:
    made = load(port, "/close", rate=50)
    assert made.errors == {}
    assert made.measured == 50


@pytest.mark.parametrize(
    ("path", "body", "whole"),
    [
        ("/hints", b"{}", True),
        ("/ends", b'{"a": 1}', True),
        ("/old", b'{"a": 1}', True),
        ("/gzip", b"{}", True),
        ("/brotli", b"", False),
    ],
)
def test_answers_of_every_framing_are_read(port: int, path: str, body: bytes, whole: bool) -> None:
    made = load(port, path, rate=40, seconds=0.5, sample_every=1)
    assert made.errors == {}
    assert {(one.status, one.body, one.whole) for one in made.samples} == {(200, body, whole)}
    wire = encode("GET", path, f"127.0.0.1:{port}", {})
    if path not in ("/gzip", "/brotli"):
        answers = bulk.send(fleet.Address("127.0.0.1", port), [wire] * 4, lanes=2)
        assert [(one.status, one.body) for one in answers] == [(200, body)] * 4


def test_two_answers_to_one_request_are_noticed(port: int) -> None:
    made = load(port, "/twice", rate=50)
    # The first answer counts; the connection that spoke unasked is not used again.
    assert made.measured == 50
    assert made.total.count == 50


def test_a_body_beyond_the_limit_is_not_kept(port: int) -> None:
    made = load(port, "/large", rate=5, sample_every=1)
    assert made.errors == {}
    assert {(sample.whole, sample.body) for sample in made.samples} == {(False, b"")}


def test_a_generator_that_cannot_follow_says_so(port: int) -> None:
    made = load(port, "/", rate=400_000, seconds=1)
    assert made.health.saturated
    assert made.health.reasons


def test_a_run_can_be_stopped(port: int) -> None:
    seen: list[Instant] = []

    def tell(instant: Instant) -> str:
        seen.append(instant)
        return "enough"

    # The last answers are still under way then: our own end is no error of the target, and no lower rate.
    made = load(port, "/wait/0.3", rate=50, seconds=600, tell=tell, workers=2)
    assert made.stopped == "enough"
    assert made.measured < 500
    assert seen[0].offered == 50
    assert (made.errors, made.achieved_per_s) == ({}, 50)
    assert made.due == made.measured == pytest.approx(50 * made.window_s, abs=2)


def test_what_is_cut_off_at_a_stop_is_no_error(port: int) -> None:
    made = load(port, "/never", rate=20, seconds=600, timeout_s=60, tell=lambda _instant: "enough")
    assert (made.errors, made.cut) == ({}, made.due)
    assert 0 < made.due < 400
    # Each has waited for that long at least.
    assert (made.total.max_ms or 0) > 1000


def test_answers_under_way_at_the_end_are_no_shortfall(port: int) -> None:
    made = load(port, "/wait/0.3", rate=100)
    assert (made.measured, made.achieved_per_s) == (100, 100)
    assert made.good < 80


def test_requests_that_pile_up_are_a_shortfall_though_all_are_answered(port: int) -> None:
    # 32 connections, each for 0.6 s: some 53 answers a second, the others wait.
    made = load(port, "/wait/0.6", rate=100)
    assert (made.errors, made.growing) == ({}, True)
    assert made.achieved_per_s == made.good <= 64


def test_a_target_that_goes_away_is_said_to_be_away() -> None:
    with serving() as number:
        made = load(
            number, "/leave", rate=40, seconds=600, timeout_s=60,
            tell=lambda instant: "away" if instant.away else "",
        )  # fmt: skip
    # Nobody waits for the time-out of a request that cannot be made.
    assert {kind.partition(":")[0] for kind in made.errors} <= {"connection", "connect"}
    assert made.errors["connect: refused"] > 10
    assert made.stopped == "away"


def test_nothing_listens() -> None:
    with serving() as free:
        pass
    with pytest.raises(DtcError, match="no connection to") as problem:
        load(free, "/")
    assert problem.value.code == "target-unreachable"


OBJECT = (
    b'{"id": "o1", "type": "Building", "name": "A", "properties": {},'
    b' "geometry": {"type": "Point", "coordinates": [127.0, 37.5]},'
    b' "metadata": {"created": "2025-01-01T00:00:00Z", "updated": "2025-01-01T00:00:00Z", "version": 1}}'
)
NEARBY = (
    b'{"query": {}, "count": 1, "results": [{"id": "o1", "name": "A", "distance": 250,'
    b' "location": [127.0, 37.5]}]}'
)


@pytest.mark.parametrize(
    ("route", "about", "body", "reason"),
    [
        ("keyed", '{"id": "o1"}', OBJECT, ""),
        ("keyed", '{"id": "o2"}', OBJECT, "another object"),
        ("keyed", '{"id": "o1"}', b"[]", "no city object"),
        ("keyed", '{"id": "o1"}', b"<html>", "not JSON"),
        ("list", '{"limit": 1, "at_least": 1}', b'{"objects": [' + OBJECT + b"]}", ""),
        ("list", '{"limit": 1, "at_least": 1}', b"[" + OBJECT + b"]", ""),
        ("list", '{"limit": 1, "at_least": 1}', b'{"objects": []}', "missing"),
        ("list", '{"limit": 0, "at_least": 0}', b"[" + OBJECT + b"]", "limit"),
        ("bounds", '{"holds": "o1", "crowded": false}', b"[" + OBJECT + b"]", ""),
        ("bounds", '{"holds": "o2", "crowded": false}', b"[" + OBJECT + b"]", "missing"),
        ("bounds", '{"holds": "o2", "crowded": true}', b"[" + OBJECT + b"]", ""),
        ("nearby", '{"radius": 300}', NEARBY, ""),
        ("nearby", '{"radius": 200}', NEARBY, "beyond"),
        ("nearby", '{"radius": 200}', b'{"query": {}, "count": 0, "results": []}', "no result"),
    ],
)
def test_what_is_true(route: str, about: str, body: bytes, reason: str) -> None:
    found = truth.check([Sample(0, about, 200, body, whole=True)], [route])
    assert found.checked == 1
    assert found.wrong == bool(reason)
    assert reason in " ".join(found.reasons)
    assert len(found.examples) == found.wrong


def test_what_is_not_judged() -> None:
    unjudged = [Sample(0, "{}", 500, b"", whole=True), Sample(0, "{}", 200, b"", whole=False)]
    assert truth.check(unjudged, ["keyed"]).checked == 0
    assert truth.check([Sample(0, "{}", 200, b"", whole=True)], ["unknown route"]).checked == 0
