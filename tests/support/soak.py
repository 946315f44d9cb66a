"""Readings over connections that are cut at random: what was acknowledged must be stored, once.

Publishers keep what is not acknowledged and send it again, marked DUP, after each cut, as P3 9.1 asks.
A subscriber is cut too, and resumes its session.
"""

import json
import random
import time
from typing import Any

import mqtt5

from tests.support.mqtt_client import Client, Closed

WINDOW = 800
BASE_MS = 1_735_689_600_000  # 2025-01-01T00:00:00Z
OFTEN = 0.1
"""How likely a connection is cut in a step."""


class Publisher:
    """Publishes numbered readings of a sensor, a millisecond apart, over whatever connection it has."""

    def __init__(
        self,
        url: str,
        key: str,
        topic: str,
        sensor: str,
        name: str,
        randomness: random.Random,
        first: int = 0,
        often: float = OFTEN,
    ) -> None:
        self.often = often
        self.url, self.key, self.topic, self.sensor, self.name = url, key, topic, sensor, name
        self.random = randomness
        self.first = self.next = first
        self.acknowledged: set[int] = set()
        self.refused = self.cuts = 0
        self._under_way: dict[int, tuple[int, int]] = {}
        self._released: set[int] = set()
        """QoS 2 messages that the server has taken: they are released again, not sent again."""
        self._due: list[int] = []
        """Those that were not released yet."""
        self._client: Client | None = None

    def step(self, count: int, qos: int) -> None:
        """Publish some more, take acknowledgements, and lose the connection every now and then."""
        client = self._client or self._connect()
        try:
            batch = []
            while count and len(self._under_way) < WINDOW:
                packet_id = self.next % 60_000 + 1
                while packet_id in self._under_way:
                    packet_id += 1
                self._under_way[packet_id] = (self.next, qos)
                batch.append(self._message(packet_id))
                self.next += 1
                count -= 1
            client.send(*batch)
            if self.random.random() < self.often:
                self.cut()
                return
            while (more := client.waiting()) or self._due or len(self._under_way) > WINDOW * 3 // 4:
                if more:
                    self._taken(client.read())
                elif self._due:
                    self._release(client)
                else:
                    self._taken(client.read())
        except (Closed, OSError):
            self.cut()

    def finish(self) -> None:
        """Wait for the last acknowledgement, over as many connections as it takes."""
        while self._under_way:
            client = self._client or self._connect()
            try:
                self._release(client)
                self._taken(client.read())
            except (Closed, OSError):
                self.cut()
        self.close()

    def close(self) -> None:
        """Hang up for good."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def cut(self) -> None:
        """Lose the connection."""
        self.cuts += 1
        self.close()

    def _connect(self) -> Client:
        client = Client(self.url)
        self._client = client
        client.login(self.key, self.name, clean_start=False, session_expiry_interval=600)
        self._due = []
        for packet_id in self._under_way:
            taken = packet_id in self._released
            client.send(mqtt5.PubRelPacket(packet_id) if taken else self._message(packet_id, again=True))
        return client

    def _message(self, packet_id: int, *, again: bool = False) -> mqtt5.PublishPacket:
        number, qos = self._under_way[packet_id]
        one = {
            "parameter": "temperature",
            "value": number % 50,
            "unit": "celsius",
            "timestamp": instant(number),
            "quality": "good",
        }
        body = json.dumps({"sensorId": self.sensor, "measurements": [one]}).encode()
        return mqtt5.PublishPacket(self.topic, body, qos=mqtt5.QoS(qos), packet_id=packet_id, duplicate=again)

    def _release(self, client: Client) -> None:
        """Send the releases that are due, together."""
        due, self._due = self._due, []
        if due:
            client.send(*map(mqtt5.PubRelPacket, due))

    def _taken(self, packet: Any) -> None:
        if isinstance(packet, mqtt5.PubRecPacket) and int(packet.reason_code) < 0x80:
            self._released.add(packet.packet_id)
            self._due.append(packet.packet_id)
        elif isinstance(packet, mqtt5.PubAckPacket | mqtt5.PubCompPacket | mqtt5.PubRecPacket):
            self._released.discard(packet.packet_id)
            number, _ = self._under_way.pop(packet.packet_id, (None, 0))
            known = isinstance(packet, mqtt5.PubCompPacket) or int(packet.reason_code) < 0x80
            if number is not None and known:
                self.acknowledged.add(number)
            elif number is not None:
                self.refused += 1


def instant(number: int) -> str:
    """The instant of a reading."""
    whole, rest = divmod(BASE_MS + number, 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{rest:03d}Z"


class Watcher:
    """Hears every reading, acknowledges it, and is cut now and then; its session keeps what it misses."""

    def __init__(
        self, url: str, key: str, pattern: str, randomness: random.Random, often: float = OFTEN
    ) -> None:
        self.often = often
        self.url, self.key, self.pattern, self.random = url, key, pattern, randomness
        self.heard: dict[str, int] = {}
        self.cuts = 0
        self._client = self._connect(first=True)

    def _connect(self, *, first: bool = False) -> Client:
        client = Client(self.url)
        client.login(self.key, "watcher", clean_start=first, session_expiry_interval=600, receive_max=500)
        if first:
            client.subscribe(self.pattern, qos=1)
        return client

    def step(self) -> bool:
        """Take what has come, sometimes after losing the connection; whether something came."""
        known = len(self.heard)
        if self.random.random() < self.often:
            self.cuts += 1
            self._client.close()
            self._client = self._connect()
        came = [one for one in self._client.rest() if isinstance(one, mqtt5.PublishPacket)]
        for packet in came:
            key = packet.topic + packet.payload.partition(b'"timestamp": "')[2][:24].decode()
            self.heard[key] = self.heard.get(key, 0) + 1
        if came:
            self._client.send(*(mqtt5.PubAckPacket(packet.packet_id or 0) for packet in came))
        return len(self.heard) > known

    def close(self) -> None:
        """Hang up for good."""
        self._client.close()
