"""Readers that crash, targets that are down, busy, picky, or know no bulk import."""

import errno
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dtc_cli.core import target as targets
from dtc_cli.errors import DtcError
from dtc_cli.migrate import frames
from dtc_cli.migrate.child import Job, run
from dtc_cli.migrate.import_jobs import ImportJobs
from dtc_cli.migrate.journal import Journal
from dtc_cli.migrate.reader import LayerReader
from dtc_cli.migrate.sinks import FileSink, Item
from dtc_cli.migrate.trouble import need
from dtc_cli.migrate.twin import Twin
from dtc_cli.migrate.wire import TargetDown, Wire
from tests.integration.migrate import made
from tests.integration.migrate.conftest import Run

CRASH = """
import os, sys
from dtc_cli.migrate import child
from dtc_cli.migrate.transform import Transformer
whole = Transformer.mended
def mended(self, given):
    if given.first <= {bad} < given.first + given.size:
        os.kill(os.getpid(), {signal})
    return whole(self, given)
Transformer.mended = mended
child.main()
"""


def reader(plan: Path, bad: int, signal: int = 11) -> LayerReader:
    return LayerReader(
        plan, "gis", "b", migration="m", started=datetime.now(UTC), frame=50,
        command=(sys.executable, "-c", CRASH.format(bad=bad, signal=signal)),
    )  # fmt: skip


def test_a_crash_of_the_library_costs_one_record(tmp_path: Path) -> None:
    plan = made.plan(made.buildings(tmp_path / "b.gpkg", 100))
    layer = reader(plan, 70)
    found = [record for frame in layer.frames() for record, _ in frame.items()]
    assert [record.n for record in found] == list(range(100))
    assert [record.n for record in found if record.code == "reader-crash"] == [70]
    assert layer.facts.crashes >= 2
    assert layer.facts.read == 100


def test_a_crash_at_the_last_record(tmp_path: Path) -> None:
    plan = made.plan(made.buildings(tmp_path / "b.gpkg", 10))
    layer = reader(plan, 9)
    found = [record for frame in layer.frames() for record, _ in frame.items()]
    assert [record.n for record in found] == list(range(10))
    assert found[9].code == "reader-crash"


def test_a_reader_that_never_starts_is_an_error(tmp_path: Path) -> None:
    plan = made.plan(made.buildings(tmp_path / "b.gpkg", 3))
    layer = LayerReader(
        plan,
        "gis",
        "b",
        migration="m",
        started=datetime.now(UTC),
        frame=5,
        command=(sys.executable, "-c", "raise SystemExit('no')"),
    )
    with pytest.raises(DtcError, match="without an answer") as problem:
        list(layer.frames())
    assert "no" in problem.value.why


def test_frames_that_are_cut_off_are_none(tmp_path: Path) -> None:
    plan = made.plan(made.buildings(tmp_path / "b.gpkg", 3))
    job = Job(
        plan=str(plan), source="gis", layer="b", start=0, size=10, careful=False,
        stop=2, migration="m", started=datetime.now(UTC).isoformat(), frame=10,
    )  # fmt: skip
    file = tmp_path / "frames"
    with file.open("wb") as out:
        run(job, out)
    with file.open("rb") as stream:
        kinds = []
        while (frame := frames.read(stream)) is not None:
            kinds.append((frame.kind, len(list(frame.items())) if frame.kind == frames.DATA else 0))
    assert kinds == [(frames.READY, 0), (frames.DATA, 2), (frames.END, 0)]
    for cut in (3, 20):
        (tmp_path / "cut").write_bytes(file.read_bytes()[:cut])
        with (tmp_path / "cut").open("rb") as stream:
            assert frames.read(stream) is None
    (tmp_path / "junk").write_bytes(b"\x09" * 9)
    with (tmp_path / "junk").open("rb") as stream:
        assert frames.read(stream) is None


def test_a_missing_extra_is_named() -> None:
    with pytest.raises(DtcError) as problem:
        need("no_such_library", extra="osm", what="reading OSM")
    assert problem.value.code == "extra-missing"
    assert "dtc[osm]" in problem.value.hint


Answer = tuple[int, dict[str, str], Any]


@contextmanager
def server(*answers: Answer, otherwise: Any = None) -> Iterator[tuple[Path, list[tuple[str, str, bytes]]]]:
    """A server that gives these answers in turn, then asks `otherwise(method, path, body)`."""
    asked: list[tuple[str, str, bytes]] = []
    left = list(answers)
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            with lock:
                asked.append((self.command, self.path, body))
                status, headers, answer = left.pop(0) if left else otherwise(self.command, self.path, body)
            told = json.dumps(answer).encode() if not isinstance(answer, bytes) else answer
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        do_GET = do_POST = do_PATCH = do_DELETE = _any  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield httpd.server_address[1], asked  # type: ignore[misc]
        finally:
            httpd.shutdown()
            thread.join()


def wire(port: object, waits: list[float] | None = None, patience_s: float = 60) -> Wire:
    text = f"""
dtc: 1
target: {{name: t, vendor: v, version: "1"}}
city: KR-TEST-2025
rest: {{base_url: "http://127.0.0.1:{port}/api/v1"}}
auth: {{api_keys: {{admin: "a-long-enough-key"}}}}
"""
    target = targets.parse(text, source="t.yaml", folder=Path())
    return Wire(target, patience_s=patience_s, wait=(waits if waits is not None else []).append)


def items(count: int, *, known: bool = False) -> list[Item]:
    return [
        Item(
            f"o{n}",
            json.dumps(
                {
                    "id": f"o{n}",
                    "type": "T",
                    "geometry": {"type": "Point", "coordinates": [1.5, 2.5]},
                    "properties": {},
                    "metadata": {"legacyId": str(n)},
                }
            ).encode(),
            known,
        )
        for n in range(count)
    ]


def test_retry_after_is_honoured() -> None:
    waits: list[float] = []
    busy: Answer = (429, {"Retry-After": "3"}, {})
    with server(
        busy,
        (503, {"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}, {}),
        (503, {"Retry-After": "x"}, {}),
        (200, {}, {}),
    ) as (port, _):
        made_ = wire(port, waits)
        assert made_.request("GET", "/x").status_code == 200
        made_.close()
    assert waits[0] == 3
    assert waits[1] == 0
    assert 0.05 < waits[2] < 1


def test_a_target_that_stays_down_pauses_the_run(tmp_path: Path, dtc: Run) -> None:
    with server(otherwise=lambda *_: (503, {"Retry-After": "100"}, {})) as (port, _):
        made_ = wire(port, patience_s=1)
        with pytest.raises(TargetDown):
            made_.request("GET", "/x")
        made_.close()
    gone = wire(port, patience_s=0)
    with pytest.raises(TargetDown):
        gone.request("POST", "/x", json={}, repeat=False)
    gone.close()


def simple(store: dict[str, Any]) -> Any:
    """A twin without bulk import that refuses o2 and keeps the rest."""

    def answer(method: str, path: str, body: bytes) -> Answer:  # noqa: PLR0911 - one arm per request
        name = path.rpartition("/")[2]
        if "/import" in path:
            return 404, {}, {}
        if method == "POST":
            item = json.loads(body)
            if item["id"] == "o2":
                return (
                    400,
                    {},
                    {"error": {"code": "VALIDATION_ERROR", "message": "no", "details": {"rule": "ERR_X"}}},
                )
            if item["id"] in store:
                return 409, {}, {"error": {"code": "DUPLICATE_OBJECT"}}
            store[item["id"]] = item
            return 201, {"etag": '"1"'}, {"id": item["id"]}
        if name not in store:
            return 404, {}, b"nothing"
        if method == "PATCH":
            store[name]["patched"] = json.loads(body)
            return 200, {}, store[name]
        if method == "DELETE":
            if name == "o1":
                return 403, {}, {"error": {"code": "FORBIDDEN"}}
            del store[name]
            return 204, {}, b""
        return 200, {"etag": '"1"'}, store[name]

    return answer


def test_single_writes_where_there_is_no_import() -> None:
    other = {
        "id": "o3",
        "type": "T",
        "properties": {},
        "geometry": None,
        "metadata": {"legacyId": "someone else"},
    }
    same = {"id": "o4", "type": "Old", "properties": {}, "geometry": None, "metadata": {"legacyId": "4"}}
    store: dict[str, Any] = {"o3": other, "o4": same}
    with server(otherwise=simple(store)) as (port, asked):
        twin = Twin(wire(port), "KR-TEST-2025", migration="m", on_existing="update")
        written = twin.put(items(5))
        assert [one.outcome for one in written] == ["created", "created", "refused", "refused", "updated"]
        assert written[2].code == "ERR_X"
        assert written[3].code == "id-taken"
        assert json.loads(written[4].prior or b"")["type"] == "Old"
        # Once more: what stands there with the same content is not written again.
        assert twin.put(items(2))[0].outcome == "unchanged"
        assert twin.put(items(2, known=True))[0].outcome == "updated"
        assert (
            twin.put([Item("gone", items(1)[0].body.replace(b"o0", b"gone"), True)])[0].outcome == "created"
        )
        assert sum("/import" in path for _, path, _ in asked) == 1
        assert twin.delete_many(["o0", "o1", "nowhere"]) == {"o1": "FORBIDDEN "}
        twin.close()
        for policy, outcome in (("skip", "unchanged"), ("quarantine", "refused")):
            picky = Twin(wire(port), "KR-TEST-2025", migration="m", on_existing=policy)
            assert picky.put([Item("o4", items(5)[4].body.replace(b"1.5", b"9.5"))])[0].outcome == outcome
            picky.close()


def test_an_import_that_is_too_large_is_halved_to_the_bad_line() -> None:
    def answer(method: str, path: str, body: bytes) -> Answer:
        lines = body.splitlines()
        if len(lines) > 2:
            return 413, {}, {}
        if any(b'"o3"' in line for line in lines):
            return 422, {}, {"title": "BAD", "detail": "this one"}
        return 202, {}, {"id": "1", "status": "completed", "counts": {"failed": 0}}

    with server(otherwise=answer) as (port, _):
        twin = Twin(wire(port), "KR-TEST-2025", migration="m")
        written = twin.put(items(7))
        assert [one.outcome for one in written] == ["created"] * 3 + ["refused"] + ["created"] * 3
        assert (written[3].code, written[3].detail) == ("BAD", "this one")
        twin.close()


def test_all_failed_lines_of_an_import_are_fetched() -> None:
    wrong = [{"line": n + 1, "code": "ERR", "message": "m"} for n in range(3)]

    def answer(method: str, path: str, body: bytes) -> Answer:
        if "/errors" in path:
            return 200, {}, {"errors": wrong[1:] if "offset=1" in path else []}
        if method == "GET":
            return 200, {}, {"id": "1", "status": "completed", "counts": {"failed": 3}, "errors": wrong[:1]}
        place = f"http://127.0.0.1:{port}/api/v1/cities/KR-TEST-2025/imports/1"
        return 202, {"location": place}, {"id": "1", "status": "running"}

    with server(otherwise=answer) as (port, _):
        twin = Twin(wire(port), "KR-TEST-2025", migration="m")
        assert [one.outcome for one in twin.put(items(4))] == ["refused"] * 3 + ["created"]
        wrong.pop()
        with pytest.raises(DtcError, match="which lines"):
            twin.put(items(4))
        twin.close()


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ([(403, {}, {"error": {"code": "FORBIDDEN"}})], "may not read"),
        ([(404, {}, {}), (405, {}, b"no")], "does not make one"),
    ],
)
def test_a_target_without_the_city_is_refused_before_anything_is_written(
    answers: list[Answer], words: str
) -> None:
    with server(*answers) as (port, asked):
        twin = Twin(wire(port), "KR-TEST-2025", migration="m")
        with pytest.raises(DtcError, match=words):
            twin.prepare(create=True, bounds=None, name="x")
        assert len(asked) == len(answers)
        twin.close()
    with server((404, {}, {})) as (port, _):
        twin = Twin(wire(port), "KR-TEST-2025", migration="m")
        with pytest.raises(DtcError, match="has no city"):
            twin.prepare(create=False, bounds=None, name="x")
        twin.close()


def test_lists_of_other_shapes_are_walked() -> None:
    def answer(method: str, path: str, body: bytes) -> Answer:
        if "statistics" in path:
            return 200, {}, []
        if "objects/" in path:
            return 418, {}, b"odd"
        return 200, {}, [{"id": "a"}]

    with server(otherwise=answer) as (port, _):
        twin = Twin(wire(port), "KR-TEST-2025", migration="m")
        assert list(twin.walk()) == [{"id": "a"}]
        assert twin.object_count() is None
        with pytest.raises(DtcError, match="read back"):
            twin.get("a")
        twin.close()
    with server(otherwise=lambda *_: (418, {}, {})) as (port, _):
        twin = Twin(wire(port), "KR-TEST-2025", migration="m")
        with pytest.raises(DtcError, match="cannot be listed"):
            list(twin.walk())
        twin.close()


def test_ctrl_c_says_how_to_go_on(tmp_path: Path, dtc: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    plan = made.plan(made.buildings(tmp_path / "b.gpkg", 5))
    with monkeypatch.context() as patch:
        patch.setattr(FileSink, "checkpoint", stop)
        code, answer = dtc("run", plan, "--to", tmp_path / "o.ndjson")
    assert code == 130
    assert "dtc migrate resume" in answer["error"]["try"]


def test_a_full_disk_is_told_as_such(tmp_path: Path, dtc: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    plan = made.plan(made.buildings(tmp_path / "b.gpkg", 5))
    with monkeypatch.context() as patch:
        patch.setattr("dtc_cli.migrate.sinks.os.fsync", full)
        code, answer = dtc("run", plan, "--to", tmp_path / "o.ndjson")
    assert (code, answer["error"]["code"], answer["error"]["why"]) == (
        7,
        "migration-target",
        "No space left on device",
    )
    assert dtc("resume", plan)[1]["states"] == {"loaded": 5}
    journal = Journal(tmp_path / "j", create=True)
    journal._db.execute("PRAGMA max_page_count = 1")
    with pytest.raises(DtcError, match="journal cannot be written"):
        journal.keep_priors([("a", b"x" * 100_000)])
    journal.close()


def test_an_import_that_went_away_with_its_city_is_not_waited_for() -> None:
    lost: list[bool] = []

    def answer(method: str, path: str, body: bytes) -> Answer:
        if method == "POST":
            lost.append("KR-LOST-2025" in path)
            return 202, {}, {"id": "1", "status": "running"}
        if "/imports/" in path or any(lost):
            return 404, {}, {"error": {"code": "JOB_NOT_FOUND"}}
        return 200, {}, {}

    with server(otherwise=answer) as (port, _):
        for city, words in (("KR-TEST-2025", "cannot be asked for"), ("KR-LOST-2025", "is gone")):
            twin = Twin(wire(port), city, migration="m")
            assert twin.exists()
            with pytest.raises(DtcError, match=words):
                twin.put(items(2))
            twin.close()


def test_imports_that_a_killed_run_left_are_waited_for() -> None:
    def listed(status: str) -> Answer:
        return 200, {}, {"imports": [{"id": "1", "status": status}, {"id": "0", "status": "completed"}]}

    with server(listed("queued"), listed("running"), listed("cancelled")) as (port, asked):
        twin = Twin(wire(port), "KR-TEST-2025", migration="m")
        assert twin.settle()
        assert len(asked) == 3
        twin.close()
    with server(otherwise=lambda *_: listed("running")) as (port, _):
        reached = wire(port)
        assert not ImportJobs(reached, "/cities/KR-TEST-2025").settle(0.0)
        reached.close()
    with server((404, {}, {})) as (port, _):
        reached = wire(port)
        assert ImportJobs(reached, "/cities/KR-TEST-2025").settle(0.0)
        reached.close()
