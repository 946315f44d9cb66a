"""A page that shows live data, without anything from elsewhere."""

import base64
import hashlib
import re
from pathlib import Path

from reference_server.rest.call import Call, Reply

PAGE = Path(__file__).with_name("live.html").read_bytes()


def _hash(tag: bytes) -> str:
    """The hash by which a policy allows the text of one inline element (CSP Level 2)."""
    found = re.search(rb"<%b>(.*?)</%b>" % (tag, tag), PAGE, re.DOTALL)
    text = b"" if found is None else found[1]
    return f"'sha256-{base64.b64encode(hashlib.sha256(text).digest()).decode()}'"


POLICY = (
    f"default-src 'none'; script-src {_hash(b'script')}; style-src {_hash(b'style')}; "
    "connect-src 'self' ws: wss:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)


async def page(call: Call) -> Reply:
    """GET /live: readings and events as they come; the key is typed in and goes into CONNECT."""
    headers = {
        "content-security-policy": POLICY,
        "referrer-policy": "no-referrer",
        "cache-control": "no-cache",
    }
    return Reply(200, PAGE, headers, b"text/html; charset=utf-8")
