"""A client of the broker: connects as a means to test something else, acknowledges, counts."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dtc_cli.harness.suite import Arrived, Blocked, Credential, MqttLink, Twin
from suites.phase3.support.wia import DELIVERY_S, SILENCE_S

REFUSED_LOGIN = {0x86, 0x87}  # P3 8.2: bad user name or password, not authorized


def client_id(twin: Twin, name: str) -> str:
    """A client identifier of the run."""
    return f"dtc-{twin.run_id[-8:]}-{name}"


class Client:
    """One connected client; it acknowledges what it gets, unless `acks` is False."""

    def __init__(self, twin: Twin, link: MqttLink, *, acks: bool = True) -> None:
        self.twin = twin
        self.link = link
        self.acks = acks
        self.heard: list[Arrived] = []
        self.ended: Arrived | None = None
        self.twice: list[int] = []
        """Packet ids of QoS 2 messages that came again before they were released."""
        self._waiting: list[Arrived] = []
        self._open: set[int] = set()
        self.released: set[int] = set()

    def subscribe(self, *filters: tuple[str, int], values: Mapping[str, Any] | None = None) -> Arrived | None:
        """Send SUBSCRIBE; the SUBACK."""
        number = self.link.subscribe(filters, values)
        return self.reply("SUBACK", lambda one: one.packet.id == number)

    def subscribed(self, *filters: tuple[str, int], values: Mapping[str, Any] | None = None) -> Arrived:
        """Subscribe as a means to test something else.

        Raises:
            Blocked: by DTC-P3-083 when it is refused, by DTC-P3-051 when it is not answered.
        """
        answer = self.subscribe(*filters, values=values)
        if answer is None:
            raise Blocked("DTC-P3-051", f"SUBSCRIBE to {filters} is not answered")
        if any(reason > 2 for reason in answer.packet.reasons):
            raise Blocked("DTC-P3-083", f"{filters} is refused with {answer.packet.reasons}")
        return answer

    def publish(self, topic: str, payload: Any, *, qos: int = 0, **options: Any) -> int | None:
        """Send PUBLISH with JSON; its packet id."""
        return self.link.publish(topic, json.dumps(payload).encode(), qos=qos, **options)

    def published(self, topic: str, payload: Any, *, qos: int = 1, **options: Any) -> Arrived | None:
        """Publish and take part in the handshake to its end; the last answer, None without one."""
        number = self.publish(topic, payload, qos=qos, **options)
        if not qos:
            return None
        last = "PUBACK" if qos == 1 else "PUBCOMP"
        return self.reply(
            (last, "PUBREC") if qos == 2 else last,
            lambda one: one.packet.id == number and (one.kind == last or (one.packet.reason or 0) >= 0x80),
        )

    def reply(
        self,
        kinds: str | Sequence[str],
        wanted: Callable[[Arrived], bool] = lambda _: True,
        *,
        within_s: float = DELIVERY_S,
    ) -> Arrived | None:
        """The next packet of that kind; others are kept. None when none comes in time."""
        kinds = (kinds,) if isinstance(kinds, str) else tuple(kinds)
        for index, one in enumerate(self._waiting):
            if one.kind in kinds and wanted(one):
                return self._waiting.pop(index)
        if self.ended is not None:
            return None
        for one in self.link.during(within_s):
            self._take(one)
            if one.kind in kinds and wanted(one):
                return one
            self._waiting.append(one)
        return None

    def messages(
        self,
        seconds: float = SILENCE_S,
        wanted: Callable[[Arrived], bool] = lambda _: True,
        *,
        most: int | None = None,
    ) -> list[Arrived]:
        """The PUBLISH packets that came already or come within the seconds, at most so many."""
        found = [one for one in self._waiting if one.kind == "PUBLISH" and wanted(one)]
        self._waiting = [one for one in self._waiting if one not in found]
        if self.ended is not None or (most is not None and len(found) >= most):
            return found
        for one in self.link.during(seconds):
            self._take(one)
            if one.kind != "PUBLISH" or not wanted(one):
                self._waiting.append(one)
                continue
            found.append(one)
            if most is not None and len(found) >= most:
                break
        return found

    def settle(self, seconds: float = SILENCE_S) -> None:
        """Finish the handshakes that are under way; stops when nothing comes for that long."""
        while self.ended is None and (one := self.link.receive(seconds)) is not None:
            self._take(one)
            self._waiting.append(one)

    def end(self, within_s: float = DELIVERY_S) -> Arrived | None:
        """Wait for the end of the connection; the DISCONNECT or the end itself, None when it goes on."""
        told = self.reply(("DISCONNECT", "END", "MALFORMED"), within_s=within_s)
        return told or self.ended

    def close(self) -> None:
        """Leave in order."""
        if self.ended is None:
            self.link.disconnect()
        self.link.drop()

    def _take(self, one: Arrived) -> None:
        self.heard.append(one)
        if one.over:
            self.ended = one
        number = one.packet.id
        if not self.acks or number is None:
            return
        if one.kind == "PUBLISH" and one.packet.qos == 1:
            self.link.answer("PUBACK", number)
        elif one.kind == "PUBLISH" and one.packet.qos == 2:
            if number in self._open:
                self.twice.append(number)
            self._open.add(number)
            self.link.answer("PUBREC", number)
        elif one.kind == "PUBREL":
            self._open.discard(number)
            self.link.answer("PUBCOMP", number)
        elif one.kind == "PUBREC" and (one.packet.reason or 0) < 0x80:
            self.released.add(number)
            self.link.answer("PUBREL", number)


def connect(
    twin: Twin, name: str, as_: str | Credential | None = None, *, acks: bool = True, **options: Any
) -> Client:
    """A client that is connected, as a means to test something else.

    Raises:
        Blocked: by DTC-P3-051 or -052 when CONNECT is refused.
    """
    link = twin.mqtt.connect(client_id(twin, name), as_=as_, **options)
    if not link.accepted:
        answer = link.connack
        reason = answer.packet.reason if answer else None
        by = "DTC-P3-052" if reason in REFUSED_LOGIN else "DTC-P3-051"
        raise Blocked(by, f"the broker cannot be used: {told(answer)}")
    return Client(twin, link, acks=acks)


def told(answer: Arrived | None) -> str:
    """A packet in words."""
    if answer is None:
        return "no answer"
    if answer.over:
        return f"{answer.kind} ({answer.error})"
    reasons = answer.packet.reasons or (answer.packet.reason,)
    codes = " ".join(f"{reason:#04x}" for reason in reasons if reason is not None)
    return f"{answer.kind} {codes}".strip()
