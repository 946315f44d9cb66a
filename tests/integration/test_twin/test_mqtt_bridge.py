"""The twin as a client of an external broker: Debian's Mosquitto."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import mqtt5
import pytest

from tests.integration.test_twin.conftest import CITY, ROOT, Twin
from tests.support.mqtt_client import Client
from tests.support.ports import free_ports, wait_for_port

MOSQUITTO = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin")
pytestmark = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")
PATIENCE_S = 20.0


@contextmanager
def mosquitto(folder: Path, port: int) -> Iterator[None]:
    """Mosquitto on a port, open to everybody."""
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nlog_dest none\n")
    assert MOSQUITTO is not None
    with subprocess.Popen([MOSQUITTO, "-c", str(config)], stderr=subprocess.DEVNULL) as process:
        try:
            wait_for_port(port, process)
            yield
        finally:
            process.terminate()
            process.wait(timeout=30)


def until_stored(client: Client, twin: Twin, sensor: str, value: float, minute: int) -> None:
    """Publish a reading until the twin, which may just be connecting, has it."""
    instant = f"2025-04-01T10:{minute:02d}:00Z"
    one = measured(value, instant)
    body = json.dumps({"sensorId": sensor, "measurements": [one]}).encode()
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        client.publish(f"city/{CITY}/sensors/environmental/{sensor}/temperature", body)
        day = "start=2025-04-01T00:00:00Z&end=2025-04-02T00:00:00Z"
        found = twin.get(f"/sensors/{sensor}/data?{day}&parameter=temperature")["measurements"]
        if [m["value"] for m in found if m["value"] == value]:
            assert len([m for m in found if m["value"] == value]) == 1
            return
    raise AssertionError("the reading did not reach the twin")


def test_readings_come_in_and_events_go_out(start: Callable[..., Twin], tmp_path: Path) -> None:
    (port,) = free_ports(1)
    url = f"mqtt://127.0.0.1:{port}"
    login = tmp_path / "login"
    login.write_text("twin:secret\n")
    with mosquitto(tmp_path, port):
        twin = start("--mqtt-broker", url, "--mqtt-broker-login", str(login))
        assert twin.announced["mqtt"] == twin.settings["mqtt"]["url"] == url
        sensor = twin.get("/sensors?type=EnvironmentalSensor&limit=1")["sensors"][0]["id"]
        with Client(url).login("x") as client:
            until_stored(client, twin, sensor, 21.5, 1)
            client.subscribe(f"city/{CITY}/#", retain_handling=mqtt5.RetainHandling.SEND_NEVER)
            made = twin.create()
            got = client.get(mqtt5.PublishPacket)
            assert got.topic == f"city/{CITY}/objects/Building/{made['id']}/updates"
            answer = twin.call("POST", f"/sensors/{sensor}/data", json={"measurements": [measured(19.5)]})
            assert answer.is_success
            got = client.get(mqtt5.PublishPacket)
            assert json.loads(got.payload)["measurements"][0]["value"] == 19.5
            assert twin.call("PATCH", "/services/service-waste", json={"status": "outage"}).is_success
            # its own messages are not taken in again, and those of the broker not sent back
            assert client.get(mqtt5.PublishPacket).topic.endswith("/services/service-waste/status")
            assert client.rest() == []
    with mosquitto(tmp_path, port), Client(url).login("x") as client:
        until_stored(client, twin, sensor, 22.5, 2)


def measured(value: float, instant: str = "2025-04-01T09:00:00Z") -> dict[str, object]:
    kind = {"parameter": "temperature", "unit": "celsius", "quality": "good"}
    return {**kind, "value": value, "timestamp": instant}


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1", "mqtt://", "mqtt://user:pass@127.0.0.1:1883", "mqtt://a:b"]
)
def test_an_unusable_address_is_refused(url: str) -> None:
    command = [sys.executable, "-m", "reference_server", "--mqtt-broker", url]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "--mqtt-broker must look like" in done.stderr
