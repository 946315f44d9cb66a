"""sqlmap on the bundled twin, with little effort; `scripts/prove second-opinion` has it try all."""

import json
import shutil
import sqlite3
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from dtc_cli.harness.reference import running
from tests.proofs import second_opinion

FOUND = shutil.which("sqlmap")
pytestmark = pytest.mark.skipif(FOUND is None, reason="sqlmap is not installed (Debian package sqlmap)")


class Leaky(BaseHTTPRequestHandler):
    """Puts the value of a filter into its query as it comes."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """List the objects of a name."""
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        with closing(sqlite3.connect(":memory:")) as base:
            base.execute("CREATE TABLE object (id TEXT, name TEXT)")
            base.executemany("INSERT INTO object VALUES (?, ?)", [("a", "x"), ("b", "y")])
            try:
                name = query.get("properties.name")
                asked = f"SELECT id FROM object WHERE name = '{name}'"  # noqa: S608 - the hole
                status, found = 200, [{"id": row[0]} for row in base.execute(asked)]
            except sqlite3.Error:
                status, found = 400, []
        body = json.dumps({"objects": found}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def leaky(folder: Path) -> Iterator[Path]:
    """A server with a hole, as a target file."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Leaky)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    (folder / "load.key").write_text("no-secret", encoding="utf-8")
    kept = {
        "rest": {"base_url": f"http://127.0.0.1:{server.server_port}"},
        "city": "c",
        "auth": {"api_keys": {"load": f"file:{folder / 'load.key'}"}},
    }
    file = folder / "target.yaml"
    file.write_text(yaml.safe_dump(kept), encoding="utf-8")
    try:
        yield file
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def holes(target: Path, folder: Path) -> list[str]:
    assert FOUND is not None
    return second_opinion.injected(
        Path(FOUND).parent, target, folder, effort="1", forms="B", only=("filters",)
    )


def test_sqlmap_finds_nothing_on_the_twin(tmp_path: Path) -> None:
    with running() as target:
        assert holes(target, tmp_path) == []


def test_sqlmap_would_find_a_hole(tmp_path: Path) -> None:
    with leaky(tmp_path) as target:
        assert holes(target, tmp_path) == ["filters"]
