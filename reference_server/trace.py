"""W3C Trace Context: a request's `traceparent` goes on in its answer, with this server as the parent."""

import os
import re

_PARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)


def passed_on(header: bytes | None) -> str | None:
    """The `traceparent` of the answer: the caller's trace and its sampled flag, a new parent id.

    None without a header, or with one that is not valid; then the trace is not carried on (W3C 3.2.2).
    """
    match = _PARENT.fullmatch(header or b"")
    if match is None or match[1] == b"ff" or (match[1] == b"00" and match[5]):
        return None
    if not match[2].strip(b"0") or not match[3].strip(b"0"):
        return None
    return f"00-{match[2].decode()}-{os.urandom(8).hex()}-{int(match[4], 16) & 1:02x}"
