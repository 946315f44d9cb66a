"""The stream port against the server of the websockets library, and its record played back."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.sync.server import Server, ServerConnection, serve
from websockets.typing import Subprotocol

from dtc_cli.clients import frames
from dtc_cli.clients.replayer import NotRecorded
from dtc_cli.clients.stream import StreamLink
from dtc_cli.core.report.live_command import mosquitto, wscat
from tests.support.live_ports import KEY, Ports, played, ports


@contextmanager
def serving(handle: Callable[[ServerConnection], None], *, compression: str | None = None) -> Iterator[str]:
    def run(connection: ServerConnection) -> None:
        handle(connection)

    server: Server = serve(
        run,
        "127.0.0.1",
        0,
        subprotocols=[Subprotocol("wia-dtc-v1")],
        compression=compression,
        max_size=2_000_000,
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}/stream"
    finally:
        server.shutdown()
        thread.join()


def echo(connection: ServerConnection) -> None:
    for message in connection:
        connection.send(message)


def talk(link: StreamLink) -> list[str]:
    """A conversation that a replay must be able to hold again."""
    link.send_text(json.dumps({"key": KEY, "n": 1}))
    first = link.receive(3.0)
    link.send_binary(b"\x01" * 66)
    second = link.receive(3.0)
    silence = link.receive(0.05)
    assert first is not None
    assert second is not None
    return [first.kind, str(first.json()["n"]), second.kind, str(len(second.data)), str(silence)]


def test_an_upgrade_and_an_echo(tmp_path: Path) -> None:
    with serving(echo) as url, ports(tmp_path, url, door="stream") as one:
        link = one.stream.open(as_="admin")
        assert link.is_open
        assert link.headers["sec-websocket-protocol"] == "wia-dtc-v1"
        assert link.headers["sec-websocket-accept"] == link.accept
        assert talk(link) == ["text", "1", "binary", "66", "None"]
        end = link.close()
        assert end is not None
        assert end.code == 1000
        assert KEY.encode() not in one.kept()
        assert [event["method"] for event in one.events()][:4] == ["OPEN", "SEND", "RECV", "SEND"]


def test_a_record_plays_back_without_a_server(tmp_path: Path) -> None:
    with serving(echo) as url, ports(tmp_path / "run", url, door="stream") as one:
        then = talk(one.stream.open(as_="admin"))
    with played(tmp_path / "again", one, url, door="stream") as again:
        assert talk(again.stream.open(as_="admin")) == then
        assert len(again.events()) == len(one.events())


def test_another_question_than_the_recorded_one_is_noticed(tmp_path: Path) -> None:
    with serving(echo) as url, ports(tmp_path / "run", url, door="stream") as one:
        talk(one.stream.open(as_="admin"))
    with played(tmp_path / "again", one, url, door="stream") as again:
        link = again.stream.open(as_="admin")
        with pytest.raises(NotRecorded, match="SEND"):
            link.send_text("another text")


def test_fragments_become_one_message_and_their_sizes_are_known(tmp_path: Path) -> None:
    def fragments(connection: ServerConnection) -> None:
        connection.send(iter(["a" * 10, "b" * 20, "c" * 5]))
        connection.recv()

    with serving(fragments) as url, ports(tmp_path, url, door="stream") as one:
        link = one.stream.open(as_="admin")
        found = link.receive(3.0)
        assert found is not None
        assert found.data == b"a" * 10 + b"b" * 20 + b"c" * 5
        assert sorted(found.sizes)[-3:] == [5, 10, 20]
        link.send_text("end")


def test_compressed_messages_both_ways(tmp_path: Path) -> None:
    with serving(echo, compression="deflate") as url, ports(tmp_path, url, door="stream") as one:
        link = one.stream.open(as_="admin", deflate="permessage-deflate; client_no_context_takeover")
        assert "permessage-deflate" in link.extensions
        for text in ("hello " * 100, "hello " * 101):
            link.send_deflated(text)
            found = link.receive(3.0)
            assert found is not None
            assert found.compressed
            assert found.data.decode() == text


def test_a_ping_is_answered_and_shown(tmp_path: Path) -> None:
    answered = threading.Event()

    def ping(connection: ServerConnection) -> None:
        if connection.ping(b"are you there").wait(3.0):
            answered.set()
        connection.recv()

    with serving(ping) as url, ports(tmp_path, url, door="stream") as one:
        link = one.stream.open(as_="admin")
        found = link.receive(3.0)
        assert found is not None
        assert (found.kind, found.data) == ("ping", b"are you there")
        assert answered.wait(3.0)
        link.send_text("end")


def test_an_unmasked_frame_ends_the_connection(tmp_path: Path) -> None:
    with serving(echo) as url, ports(tmp_path, url, door="stream") as one:
        link = one.stream.open(as_="admin")
        link.send_frame(frames.TEXT, b"{}", mask=False)
        found = link.receive(3.0)
        assert found is not None
        assert (found.kind, found.code) == ("close", 1002)


def test_a_cut_connection_is_gone_on_both_sides(tmp_path: Path) -> None:
    gone = threading.Event()

    def wait(connection: ServerConnection) -> None:
        try:
            connection.recv()
        except ConnectionClosedError:
            gone.set()

    def cut(one: Ports) -> None:
        link = one.stream.open(as_="admin")
        link.cut()
        found = link.receive(0.1)
        assert found is not None
        assert found.kind == "eof"

    with serving(wait) as url, ports(tmp_path, url, door="stream") as one:
        cut(one)
        assert gone.wait(3.0)


def test_a_refused_upgrade_shows_its_status(tmp_path: Path) -> None:
    with serving(echo) as url, ports(tmp_path, url, door="stream") as one:
        link = one.stream.open(as_="admin", version="8")
        assert not link.is_open
        assert link.status in (400, 426)


def test_a_frame_can_be_repeated_with_wscat_and_shows_no_key(tmp_path: Path) -> None:
    line = wscat("wss://twin.example/stream#3", "admin", protocol="wia-dtc-v1", text='{"type": "PING"}')
    assert line == (
        'wscat -c wss://twin.example/stream -s wia-dtc-v1 -H "X-API-Key: $TWIN_ADMIN_KEY" '
        '-x \'{"type": "PING"}\' -w 5'
    )
    assert wscat("file:///etc/passwd", "admin", protocol="", text=None) == ""


def test_a_packet_can_be_repeated_with_mosquitto() -> None:
    facts = {"packet": "PUBLISH", "topic": "city/a b", "qos": "2"}
    line = mosquitto("mqtt://twin.example:1883#1", "device", facts, "{}")
    assert line == (
        'mosquitto_pub -V 5 -d -h twin.example -p 1883 -u api-key -P "$TWIN_DEVICE_KEY" '
        "-q 2 -t 'city/a b' -m '{}'"
    )
    assert mosquitto("mqtt://twin.example", "device", {"packet": "PINGREQ"}, None) == ""
