"""A started twin, reached over real sockets as any client would."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
CITY = "KR-BUSAN-2025"
START_TIMEOUT_S = 30


class Twin:
    """A server process and a client for each of its keys."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.target = folder / "target.yaml"
        command = [sys.executable, "-m", "reference_server", "--write-target", str(self.target)]
        self.process = subprocess.Popen(
            [*command, "--stop-on-stdin-eof", *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline()
        assert self.line, self.process.stderr.read() if self.process.stderr else ""
        self.announced: dict[str, Any] = json.loads(self.line)
        self.rest: str = self.announced["rest"]
        self.origin = self.rest.removesuffix("/digital-twin-city/v1")
        self.settings: dict[str, Any] = yaml.safe_load(self.target.read_text())
        self.http = httpx.Client(timeout=START_TIMEOUT_S)

    def key(self, role: str) -> str:
        """The secret of a key."""
        return Path(self.settings["auth"]["api_keys"][role].removeprefix("file:")).read_text()

    def call(self, method: str, path: str, role: str = "load", **options: Any) -> httpx.Response:
        """A request below the city, with the key of a role."""
        headers = {"X-API-Key": self.key(role), **options.pop("headers", {})}
        url = path if path.startswith("http") else f"{self.rest}/cities/{CITY}{path}"
        return self.http.request(method, url, headers=headers, **options)

    def get(self, path: str, **options: Any) -> Any:
        """The JSON of a GET that must succeed."""
        answer = self.call("GET", path, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def create(self, **changes: Any) -> dict[str, Any]:
        """A created building."""
        body = {**building(), **changes}
        answer = self.call("POST", "/objects", json=body)
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json()
        return created

    def stop(self) -> int:
        """End the process by closing its stdin; its exit code."""
        self.http.close()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        return self.process.wait(timeout=START_TIMEOUT_S)


def building() -> dict[str, Any]:
    """The body of a valid create request."""
    ring = [[129.07, 35.18], [129.071, 35.18], [129.071, 35.181], [129.07, 35.181], [129.07, 35.18]]
    return {
        "type": "Building",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {
            "name": "Test House",
            "energyClass": "B",
            "floors": {"above": 7, "below": 1},
            "height": 21.5,
        },
    }


@pytest.fixture(scope="session")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twin]:
    """One twin for all tests that leave it in order."""
    started = Twin(tmp_path_factory.mktemp("twin"))
    yield started
    assert started.stop() == 0


@pytest.fixture(scope="session")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twin]:
    """A twin that tests only read from: its data are the generated ones."""
    started = Twin(tmp_path_factory.mktemp("untouched"))
    yield started
    assert started.stop() == 0


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Twin]]:
    """Start twins of one's own; they are stopped at the end."""
    running: list[Twin] = []

    def begin(*arguments: str) -> Twin:
        running.append(Twin(tmp_path / str(len(running)), *arguments))
        return running[-1]

    yield begin
    for one in running:
        one.stop()


@pytest.fixture(scope="session")
def new_building() -> Callable[[], dict[str, Any]]:
    """Bodies of valid create requests."""
    return building


@pytest.fixture(scope="session")
def examples() -> Path:
    """The documents printed in the standard; they stand beside the checkout or where DTC_SHARED says."""
    import os

    places = [Path(os.environ[name]) for name in ("DTC_SHARED",) if name in os.environ]
    places.append(ROOT.parent / "shared")
    found = next(
        (place / "spec" / "examples" for place in places if (place / "spec" / "examples").is_dir()), None
    )
    if found is None:
        pytest.skip(
            "the standard's examples are not here; set DTC_SHARED to the folder that holds spec/examples"
        )
    return found
