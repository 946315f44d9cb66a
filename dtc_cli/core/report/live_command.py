"""Shell lines that repeat a recorded frame or packet, with `wscat` and `mosquitto_pub` or `_sub`."""

import re
import shlex
import urllib.parse
from collections.abc import Mapping

from dtc_cli.core.report.command import LONGEST_INLINE_BODY, quoted

WAIT_S = 5
"""Seconds that `wscat` and `mosquitto_sub` stay to show what comes back."""
_PLACE = re.compile(r"(wss?|mqtts?)://[^/?#@\s\x00-\x1f]+(/[^?#\s\x00-\x1f]*)?", re.IGNORECASE)


def wscat(url: str, credential: str, *, protocol: str, text: str | None) -> str:
    """A `wscat` line that opens the stream as that credential and, with a text, sends it.

    Empty where the address is none, or the text cannot stand in a line.
    """
    place = _place(url)
    if not place:
        return ""
    words = ["wscat", "-c", shlex.quote(place)]
    if protocol:
        words += ["-s", shlex.quote(protocol)]
    if credential and credential != "none":
        words += ["-H", quoted(f"X-API-Key: [redacted:{credential}]")]
    if text is not None:
        if not text.isprintable() or len(text) > LONGEST_INLINE_BODY:
            return ""
        words += ["-x", quoted(text)]
    return " ".join([*words, "-w", str(WAIT_S)])


def mosquitto(url: str, credential: str, facts: Mapping[str, str], payload: str | None) -> str:
    """A `mosquitto_pub` or `mosquitto_sub` line for a packet that the run sent; empty for other packets."""
    place = _place(url)
    topic = facts.get("topic", "")
    kind = facts.get("packet", "")
    if not place or kind not in ("CONNECT", "PUBLISH", "SUBSCRIBE") or not topic.isprintable():
        return ""
    parts = urllib.parse.urlsplit(place)
    words = ["mosquitto_pub" if kind == "PUBLISH" else "mosquitto_sub", "-V", "5", "-d"]
    words += ["-h", shlex.quote(parts.hostname or ""), "-p", str(parts.port or 8883)]
    if parts.scheme == "mqtts":
        words += ["--cafile", "ca.pem"]
    if credential and credential != "none":
        words += ["-u", "api-key", "-P", quoted(f"[redacted:{credential}]")]
    if kind == "PUBLISH":
        if payload is None or not payload.isprintable() or len(payload) > LONGEST_INLINE_BODY:
            return ""
        return " ".join([*words, "-q", _qos(facts), "-t", quoted(topic), "-m", quoted(payload)])
    for one in topic.split("\n") if topic else ["#"]:
        words += ["-t", quoted(one)]
    return " ".join([*words, "-q", _qos(facts), "-W", str(WAIT_S)])


def _qos(facts: Mapping[str, str]) -> str:
    return facts["qos"] if facts.get("qos") in ("0", "1", "2") else "0"


def _place(url: str) -> str:
    """The address without the number of the conversation; a package may come from anybody."""
    found = _PLACE.match(url)
    return found.group() if found else ""
