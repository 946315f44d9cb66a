"""Clients that nobody here wrote: Mosquitto's, Paho's, and MQTT.js."""

import json
import os
import queue
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.integration.test_twin.conftest import CITY, Twin
from tests.support.mqtt_client import Client

TOPIC = f"city/{CITY}/commands/clients"
PATIENCE_S = 30


def port(twin: Twin) -> int:
    return urlsplit(str(twin.announced["mqtt"])).port or 0


@pytest.mark.skipif(shutil.which("mosquitto_sub") is None, reason="mosquitto-clients is not installed")
@pytest.mark.parametrize("version", ["5", "311"])
@pytest.mark.parametrize("qos", ["0", "1", "2"])
def test_mosquitto_clients(twin: Twin, version: str, qos: str) -> None:
    login = ["-V", version, "-p", str(port(twin)), "-u", "api-key", "-P", twin.key("load"), "-q", qos]
    subscriber = [
        "stdbuf",
        "-oL",
        "mosquitto_sub",
        *login,
        "-t",
        f"{TOPIC}/#",
        "-C",
        "1",
        "-W",
        "20",
        "-d",
        "-F",
        "%q %t %p",
    ]
    with subprocess.Popen(subscriber, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "Subscribed" in line:
                break
        command = ["mosquitto_pub", *login, "-t", f"{TOPIC}/mosquitto", "-m", "hello"]
        sent = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
        assert sent.returncode == 0, sent.stderr
        assert f"{qos} {TOPIC}/mosquitto hello" in process.stdout.read()


@pytest.mark.skipif(shutil.which("mosquitto_pub") is None, reason="mosquitto-clients is not installed")
@pytest.mark.parametrize("version", ["5", "311"])
def test_mosquitto_is_told_that_a_key_is_wrong(twin: Twin, version: str) -> None:
    login = ["-V", version, "-p", str(port(twin)), "-u", "api-key", "-P", "wrong"]
    command = ["mosquitto_pub", *login, "-t", TOPIC, "-m", "x"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert done.returncode != 0
    assert "user" in done.stderr.lower()


def test_paho(twin: Twin) -> None:
    heard: queue.Queue[Any] = queue.Queue()
    client = paho.Client(CallbackAPIVersion.VERSION2, "paho", protocol=paho.MQTTv5)
    client.username_pw_set("api-key", twin.key("load"))
    client.on_subscribe = lambda *given: heard.put(("subscribed", [code.value for code in given[3]]))
    client.on_message = lambda _client, _data, message: heard.put(message)
    client.on_disconnect = lambda *given: heard.put(("gone", given[3].value))
    client.connect("127.0.0.1", port(twin))
    client.loop_start()
    try:
        client.subscribe([(f"{TOPIC}/#", 2), (f"city/{CITY}/alerts/#", 1)])
        assert heard.get(timeout=PATIENCE_S) == ("subscribed", [2, 1])
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.UserProperty = ("unit", "test")
        properties.ContentType = "text/plain"
        client.publish(f"{TOPIC}/paho", b"hello", qos=2, properties=properties).wait_for_publish(PATIENCE_S)
        message = heard.get(timeout=PATIENCE_S)
        assert (message.topic, message.payload, message.qos) == (f"{TOPIC}/paho", b"hello", 2)
        assert message.properties.UserProperty == [("unit", "test")]
        assert message.properties.ContentType == "text/plain"
        client.disconnect()
        assert heard.get(timeout=PATIENCE_S) == ("gone", 0)
    finally:
        client.loop_stop()


SCRIPT = """
const mqtt = require('mqtt');
const [port, key, topic] = process.argv.slice(1);
const client = mqtt.connect(`mqtt://127.0.0.1:${port}`,
  {protocolVersion: 5, username: 'api-key', password: key, reconnectPeriod: 0});
client.on('error', problem => { console.error(String(problem)); process.exit(1); });
client.on('message', (name, payload, packet) => {
  console.log(JSON.stringify({name, payload: String(payload), properties: packet.properties}));
  client.end();
});
client.on('connect', () => client.subscribe(topic, {qos: 2}, () =>
  client.publish(topic, 'hello', {qos: 2, properties: {userProperties: {unit: 'test'}}})));
"""


def test_mqtt_js(twin: Twin) -> None:
    node = shutil.which("node")
    modules = [Path(one) for one in (os.environ.get("NODE_PATH", ""), "/usr/lib/node_modules") if one]
    if node is None or not any((one / "mqtt").is_dir() for one in modules):
        pytest.skip("node with the package mqtt is not here; NODE_PATH names its folder")
    command = [node, "-e", SCRIPT, str(port(twin)), twin.key("load"), f"{TOPIC}/js"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    got = json.loads(done.stdout)
    assert (got["name"], got["payload"]) == (f"{TOPIC}/js", "hello")
    assert got["properties"]["userProperties"] == {"unit": "test"}


# --- MQTT 3.1.1, byte by byte


def hello(key: str, *, clean: bool = True, name: bytes = b"old") -> bytes:
    fields = [name, b"api-key", key.encode()]
    payload = b"".join(len(one).to_bytes(2, "big") + one for one in fields)
    body = b"\x00\x04MQTT\x04" + bytes([0xC2 if clean else 0xC0]) + b"\x00\x3c" + payload
    return bytes([0x10, len(body)]) + body


def test_older_clients_are_served_with_their_own_packets(twin: Twin) -> None:
    key = twin.key("load")
    subscribe = b"\x00\x01" + len(TOPIC).to_bytes(2, "big") + TOPIC.encode() + b"\x02\x00\x01#\x00"
    with Client(twin.announced["mqtt"]) as one:
        one.send(hello(key, clean=False))
        assert one.sock.recv(4) == b"\x20\x02\x00\x00"
        one.send(bytes([0x82, len(subscribe)]) + subscribe)
        assert one.sock.recv(6) == b"\x90\x04\x00\x01\x02\x80"
    with Client(twin.announced["mqtt"]).login(key) as other:
        other.publish(TOPIC, b"x", 1, content_type="text/plain", user_properties=[("a", "b")])
    with Client(twin.announced["mqtt"]) as one:
        one.send(hello(key, clean=False))
        body = len(TOPIC).to_bytes(2, "big") + TOPIC.encode()
        expected = b"\x20\x02\x01\x00" + bytes([0x32, len(body) + 3]) + body
        got = b""
        while len(got) < len(expected) + 3:
            got += one.sock.recv(200)
        assert got[: len(expected)] == expected
        one.send(b"\x40\x02" + got[-3:-1], b"\xc0\x00")
        assert one.sock.recv(2) == b"\xd0\x00"
        one.send(hello(key))
        assert one.sock.recv(10) == b""


@pytest.mark.parametrize(
    ("packet", "answer"),
    [
        (hello("wrong"), b"\x20\x02\x00\x04"),
        (b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a", b"\x20\x02\x00\x05"),
        (b"\x10\x0c\x00\x04MQTT\x04\x00\x00\x3c\x00\x00", b"\x20\x02\x00\x05"),
        (b"\x10\x0f\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x01a", b"\x20\x02\x00\x01"),
        (b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x09a", b"\x20\x02\x00\x05"),
    ],
)
def test_older_clients_are_refused_with_their_own_codes(twin: Twin, packet: bytes, answer: bytes) -> None:
    with Client(twin.announced["mqtt"]) as one:
        one.send(packet)
        assert one.sock.recv(10) == answer
        assert one.sock.recv(10) == b""
