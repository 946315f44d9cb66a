"""The REST port against servers that misbehave."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from dtc_cli.clients import rest as rest_module
from dtc_cli.clients.answer import Answer, TargetMisbehaves, TargetUnreachable
from dtc_cli.clients.credentials import Credentials
from dtc_cli.clients.headers import http_date
from dtc_cli.clients.recorder import Recorder
from dtc_cli.clients.redaction import Redactor
from dtc_cli.clients.rest import Rest
from dtc_cli.core.target import parse
from tests.support.spoilt import CITY, Handler, answer, serving

KEY = "admin-key-0123456789"


class Port:
    """A REST port with its recorder, and the waits it would have made."""

    def __init__(self, origin: str, folder: Path) -> None:
        text = (
            "dtc: 1\ntarget: {name: a, vendor: b, version: c}\ncity: KR-BUSAN-2025\n"
            f"rest: {{base_url: '{origin}/v1'}}\nauth: {{api_keys: {{admin: {KEY}}}}}\n"
        )
        target = parse(text, source="t", folder=folder)
        redactor = Redactor()
        self.folder = folder
        self.waits: list[float] = []
        self.recorder = Recorder(folder, "0" * 64, redactor)
        self.rest = Rest(
            f"{origin}/v1",
            city=target.city,
            credentials=Credentials(target, redactor),
            recorder=self.recorder,
            timeout_s=2,
            wait=self.waits.append,
        )

    def events(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in (self.folder / "events.jsonl").read_bytes().splitlines()]


@pytest.fixture
def port(tmp_path: Path) -> "PortMaker":
    return PortMaker(tmp_path)


class PortMaker:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextmanager
    def __call__(self, handle: Handler) -> Iterator[Port]:
        with serving(handle) as origin:
            one = Port(origin, self._folder)
            try:
                yield one
            finally:
                one.rest.close()
                one.recorder.close()


def test_an_exchange_is_recorded_without_the_key(port: PortMaker) -> None:
    def echo(request: BaseHTTPRequestHandler) -> None:
        answer(request, 200, {"key": request.headers["X-API-Key"]})

    with port(echo) as one:
        got = one.rest.post("/cities/{city}/objects", json={"mine": KEY})
        assert got.json() == {"key": KEY}
        event = one.events()[0]
        assert event["url"].endswith("/v1/cities/KR-BUSAN-2025/objects")  # type: ignore[attr-defined]
        assert event["status"] == 200
        kept = [file.read_bytes() for file in (one.folder / "bodies").iterdir()]
        assert sorted(kept) == [b'{"key": "[redacted:admin]"}', b'{"mine":"[redacted:admin]"}']
        assert all(KEY.encode() not in file.read_bytes() for file in one.folder.rglob("*") if file.is_file())


def test_429_is_waited_for_as_the_target_asks(port: PortMaker) -> None:
    left = [3]

    def limited(request: BaseHTTPRequestHandler) -> None:
        left[0] -= 1
        if left[0]:
            answer(request, 429, {}, headers={"Retry-After": "7"})
        else:
            answer(request, 200, CITY)

    with port(limited) as one:
        one.recorder.begin("v")
        assert one.rest.get("/cities/{city}").status == 200
        assert one.waits == [7.0, 7.0]
        assert [attempt["reason"] for attempt in one.recorder.end().attempts] == ["429", "429"]


def test_a_429_beyond_patience_is_an_answer(port: PortMaker) -> None:
    with port(lambda request: answer(request, 429, {}, headers={"Retry-After": "86400"})) as one:
        assert one.rest.get("/").status == 429
        assert one.waits == []


def test_an_endless_body_is_cut(port: PortMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest_module, "MAX_BODY_BYTES", 100_000)

    def endless(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        while True:
            request.wfile.write(b"x" * 65536)

    with port(endless) as one, pytest.raises(TargetMisbehaves, match="longer than 100000 bytes"):
        one.rest.get("/")


def test_a_request_that_alone_is_cut_off_is_the_targets_fault(port: PortMaker) -> None:
    def cuts(request: BaseHTTPRequestHandler) -> None:
        if request.command == "POST":
            request.rfile.read(int(request.headers["Content-Length"]))
            request.connection.close()
            request.close_connection = True
        else:
            answer(request, 200, CITY)

    with port(cuts) as one, pytest.raises(TargetMisbehaves, match="cut off without an answer"):
        one.rest.post("/cities/{city}/objects", json={})


def test_a_server_that_cuts_everything_off_is_unreachable(port: PortMaker) -> None:
    def cuts(request: BaseHTTPRequestHandler) -> None:
        request.close_connection = True

    with port(cuts) as one, pytest.raises(TargetUnreachable):
        one.rest.get("/cities/{city}")


def test_a_port_where_nothing_listens(tmp_path: Path) -> None:
    with serving(lambda request: answer(request, 200)) as origin:
        pass
    one = Port(origin, tmp_path)
    with pytest.raises(TargetUnreachable, match="no answer from"):
        one.rest.get("/")
    one.rest.close()
    one.recorder.close()
    assert len(one.waits) == rest_module.MAX_ATTEMPTS - 1


def test_content_coding_that_lies(port: PortMaker) -> None:
    with (
        port(lambda request: answer(request, 200, b"no gzip", headers={"Content-Encoding": "gzip"})) as one,
        pytest.raises(TargetMisbehaves, match="content coding is broken"),
    ):
        one.rest.get("/")


def test_content_coding_is_removed(port: PortMaker) -> None:
    body = gzip.compress(b'{"a": 1}')
    with port(lambda request: answer(request, 200, body, headers={"Content-Encoding": "gzip"})) as one:
        assert one.rest.get("/").json() == {"a": 1}


def test_redirects_are_answers(port: PortMaker) -> None:
    with port(lambda request: answer(request, 302, {}, headers={"Location": "/elsewhere"})) as one:
        assert one.rest.get("/").status == 302


def test_a_plus_in_a_query_arrives_as_a_plus(port: PortMaker) -> None:
    with port(lambda request: answer(request, 200, {"path": request.path})) as one:
        got = one.rest.get(
            "/x", params={"properties.energyClass": "A+", "start": "2025-01-15T00:00:00+09:00"}
        )
        assert got.json()["path"] == "/v1/x?properties.energyClass=A%2B&start=2025-01-15T00:00:00%2B09:00"


def test_a_target_that_is_gone_is_not_waited_for_again_and_again(tmp_path: Path) -> None:
    with serving(lambda request: answer(request, 200)) as origin:
        pass
    one = Port(origin, tmp_path)
    for _ in range(rest_module.GONE_AFTER + 5):
        with pytest.raises(TargetUnreachable):
            one.rest.get("/")
    one.rest.close()
    one.recorder.close()
    assert len(one.waits) == rest_module.GONE_AFTER * (rest_module.MAX_ATTEMPTS - 1)
    assert len(one.events()) == rest_module.GONE_AFTER * rest_module.MAX_ATTEMPTS


def test_a_target_that_comes_back_is_used_again(port: PortMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest_module, "ASKED_AGAIN_AFTER_S", 0.0)
    down = [True]

    def handle(request: BaseHTTPRequestHandler) -> None:
        if down[0]:
            request.close_connection = True
        else:
            answer(request, 200, CITY)

    with port(handle) as one:
        for _ in range(rest_module.GONE_AFTER + 1):
            with pytest.raises(TargetUnreachable):
                one.rest.get("/cities/{city}")
        down[0] = False
        assert one.rest.get("/cities/{city}").status == 200


def test_independent_requests_go_together_and_are_recorded_in_order(port: PortMaker) -> None:
    """The server answers none of the first six before all six are there."""
    meeting = threading.Barrier(rest_module.AT_ONCE)
    late: list[str] = []

    def meet(request: BaseHTTPRequestHandler) -> None:
        name = request.path.rpartition("/")[2]
        if int(name) < rest_module.AT_ONCE:
            meeting.wait(timeout=60)
        if name == "7" and not late:
            late.append(name)
            answer(request, 429, {}, headers={"Retry-After": "3"})
        elif name == "8":
            request.close_connection = True
        else:
            answer(request, 200, {"name": name})

    with port(meet) as one:
        got = one.rest.together([("PATCH", f"/things/{number}", {"json": {}}) for number in range(10)])
        names = [found.json()["name"] for found in got if isinstance(found, Answer)]
        assert names == [*"012345679"]
        assert isinstance(got[8], TargetMisbehaves | TargetUnreachable)
        assert one.waits == [3.0]
        named = [str(event["url"]).rpartition("/")[2] for event in one.events()]
        assert [name for name in named if name.isdigit()] == [*"01234567", "7", "8", "9"]


@pytest.mark.parametrize(
    "text",
    [
        "Sat, 21 Nov 2026 20:55:01 GMT",
        "Sat, 21 Nov 2026 20:55:01 -0000",
        "Sat, 21 Nov 2026 20:55:01 GMT, Sat, 21 Nov 2026 20:55:02 GMT",
        "Sat Nov 21 20:55:01 2026",
    ],
)
def test_http_dates_are_in_gmt(text: str) -> None:
    assert http_date(text).isoformat() == "2026-11-21T20:55:01+00:00"
