"""Requests as bytes: paths and headers that an HTTP library would tidy up before it sends them."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from dtc_cli.harness.suite import NotTested, Twin

END = b"\r\n\r\n"


class Reply(NamedTuple):
    """What came back; status 0 when nothing that is HTTP came."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def send(
    twin: Twin,
    method: str,
    target: str,
    headers: Sequence[tuple[str, str]] = (),
    body: bytes = b"",
) -> Reply:
    """Send one request with exactly this target and these headers, and read the answer until its end.

    Args:
        twin: the target.
        method: the method as sent.
        target: the request target as sent, from the origin's root.
        headers: headers besides Host, Connection and Content-Length.
        body: the body.
    """
    door = twin.raw.doors["rest"]
    host = f"[{door.host}]" if ":" in door.host else door.host
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}:{door.port}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    seen = twin.raw.say("rest", "\r\n".join(lines).encode("latin-1") + END + body, wait_s=10.0)
    if seen.error is not None:
        raise NotTested(f"no connection to the API: {seen.error}")
    return parse(seen.data)


def parse(data: bytes) -> Reply:
    """Read an answer; a chunked body is joined."""
    head, _, body = data.partition(END)
    first, *rest = head.decode("latin-1").split("\r\n")
    found = re.match(r"HTTP/1\.[01] (\d{3})", first)
    headers = {}
    for line in rest:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = _joined(body)
    return Reply(int(found[1]) if found else 0, headers, body)


def _joined(body: bytes) -> bytes:
    parts = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        try:
            length = int(size.split(b";")[0], 16)
        except ValueError:
            return parts + body
        if not length:
            return parts
        parts += rest[:length]
        body = rest[length + 2 :]
    return parts


def base_path(twin: Twin) -> str:
    """The path of the API's base, without a trailing slash."""
    return twin.raw.doors["rest"].path.rstrip("/")
