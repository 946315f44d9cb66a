"""Secrets leave no trace: known values in every spelling, and unknown ones by the name of their field."""

import base64
import json
import re
import threading
import urllib.parse
from collections.abc import Iterable, Mapping

SECRET_HEADERS = frozenset(
    {"authorization", "proxy-authorization", "x-api-key", "api-key", "cookie", "set-cookie", "x-auth-token"}
)
_SECRET_MEMBER = re.compile(
    rb'("(?:access_token|refresh_token|id_token|client_secret|password|passwd|api_?key|secret|private_?key)"'
    rb'\s*:\s*")((?:[^"\\]|\\.)*)(")',
    re.IGNORECASE,
)
_MARK = "[redacte"
SHORTEST_SECRET = 4
"""Characters. A shorter value would blank out half of every body; doctor refuses such keys."""


class Redactor:
    """Replaces registered secrets in bytes and text by `[redacted:<name>]`.

    Matching is by value in these spellings: as it is, JSON-escaped, percent-encoded, hexadecimal, and
    base64 (standard and URL alphabet, at each of the three alignments it can have inside a longer
    base64 text, so that a Basic credential is found too). Header names and JSON members that are known
    to hold secrets are blanked whatever their value.
    """

    def __init__(self) -> None:
        self._by_head: dict[bytes, dict[bytes, bytes]] = {}
        """Spellings with what stands in their place, the longest first, by their first four bytes."""
        self._pattern: re.Pattern[bytes] | None = None
        """Finds heads; there are few, as keys of one maker begin alike. None when one was added since."""
        self._lock = threading.Lock()

    def register(self, value: str, name: str) -> None:
        """Blank this value from now on. Called before the value is first sent (D-15)."""
        # In a replay a token is the mark that stands for it: to blank marks would change what is compared.
        if len(value) < SHORTEST_SECRET or _MARK in value:
            return
        mark = f"[redacted:{name}]".encode()
        with self._lock:
            for spelling in _spellings(value):
                head = spelling[:SHORTEST_SECRET]
                known = self._by_head.get(head, {})
                if spelling in known:
                    continue
                if not known:
                    self._pattern = None
                longest_first = sorted([*known, spelling], key=len, reverse=True)
                # A new table for each: another thread may be going through the old one.
                self._by_head[head] = {one: known.get(one, mark) for one in longest_first}

    def data(self, body: bytes) -> bytes:
        """The body without secrets."""
        return self._blanked(_SECRET_MEMBER.sub(rb"\1[redacted]\3", body))

    def _blanked(self, body: bytes) -> bytes:
        """The body without the registered values: at each place the longest spelling."""
        search, done, at = self._heads().search, 0, 0
        parts: list[bytes] = []
        while (found := search(body, at)) is not None:
            at = found.start()
            for spelling, mark in self._by_head[found.group()].items():
                if body.startswith(spelling, at):
                    parts += (body[done:at], mark)
                    done = at = at + len(spelling)
                    break
            else:
                at += 1
        return body if not parts else b"".join((*parts, body[done:]))

    def _heads(self) -> "re.Pattern[bytes]":
        with self._lock:
            if self._pattern is None:
                firsts: dict[bytes, list[bytes]] = {}
                for head in sorted(self._by_head):
                    firsts.setdefault(head[:1], []).append(re.escape(head[1:]))
                branches = [
                    re.escape(first) + b"(?:" + b"|".join(rest) + b")" for first, rest in firsts.items()
                ]
                self._pattern = re.compile(b"|".join(branches) or b"(?!)")
            return self._pattern

    def text(self, text: str) -> str:
        """The text without secrets."""
        return self.data(text.encode("utf-8", "surrogatepass")).decode("utf-8", "backslashreplace")

    def headers(self, headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> dict[str, str]:
        """Headers by lower-case name; repeated ones joined by a comma; secrets blanked."""
        clean: dict[str, str] = {}
        pairs = headers.items() if isinstance(headers, Mapping) else headers
        for name, value in pairs:
            key = name.lower()
            shown = self.text(value)
            if key in SECRET_HEADERS and "[redacted:" not in shown:
                shown = "[redacted]"
            clean[key] = f"{clean[key]}, {shown}" if key in clean else shown
        return clean


def _spellings(value: str) -> set[bytes]:
    raw = value.encode("utf-8", "surrogatepass")
    quoted = urllib.parse.quote(raw, safe="")
    found = {
        raw,
        json.dumps(value)[1:-1].encode(),
        json.dumps(value, ensure_ascii=False)[1:-1].encode("utf-8", "surrogatepass"),
        quoted.encode(),
        re.sub(r"%[0-9A-F]{2}", lambda match: match.group().lower(), quoted).encode(),
        urllib.parse.quote_plus(raw).encode(),
        raw.hex().encode(),
        raw.hex().upper().encode(),
    }
    for shift in range(3):
        # Base64 carries 3 bytes in 4 characters: those that also hold a neighbour's bits are cut off.
        encoded = base64.b64encode(b"\0" * shift + raw)
        start = 0 if shift == 0 else shift + 1
        core = encoded[start : (shift + len(raw)) * 8 // 6]
        if len(core) >= SHORTEST_SECRET:
            found |= {core, core.translate(bytes.maketrans(b"+/", b"-_"))}
    return found
