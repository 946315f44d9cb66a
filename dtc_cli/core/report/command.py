"""A shell line that repeats a recorded request, with a variable wherever a secret stood."""

import re
import shlex
from collections.abc import Mapping

MARK = re.compile(r"\[redacted(?::([^\]]*))?\]")
"""What the recorder writes in place of a secret."""

SECRET_HEADERS = frozenset(
    {
        "authorization",
        "proxy-authorization",
        "x-api-key",
        "api-key",
        "cookie",
        "set-cookie",
        "x-auth-token",
    }
)
NOT_SENT_BY_HAND = frozenset(
    {"host", "connection", "content-length", "accept-encoding", "user-agent", "transfer-encoding", "te"}
)
"""Headers that curl makes by itself, or that would change what it prints."""

LONGEST_INLINE_BODY = 2000
"""Characters; a longer body is read from the run folder."""

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110 5.6.2


def variable(name: str) -> str:
    """The shell variable that stands for a secret: `admin` gives `$TWIN_ADMIN_KEY`."""
    word = re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_")
    if not word or word == "NONE":
        return "$TWIN_KEY"
    return f"$TWIN_{word}" if word.endswith(("KEY", "TOKEN", "SECRET")) else f"$TWIN_{word}_KEY"


def safe_headers(headers: Mapping[str, str], credential: str) -> dict[str, str]:
    """Headers for showing: those that carry secrets never show a value, whatever was recorded."""
    return {name: _safe_value(name, value, credential) for name, value in headers.items()}


def _safe_value(name: str, value: str, credential: str) -> str:
    if name.lower() not in SECRET_HEADERS:
        return value
    # The scheme is what a reader needs; the rest is all secret, also what stands beside a mark.
    scheme = re.match(r"(Bearer|Basic) ", value, re.IGNORECASE)
    mark = MARK.search(value)
    shown = mark.group() if mark else f"[redacted:{credential or 'key'}]"
    return (scheme.group() if scheme else "") + shown


def curl(
    method: str,
    url: str,
    headers: Mapping[str, str],
    *,
    body: str | None,
    digest: str,
) -> str:
    """A `curl` line, or nothing when the address is none that curl should be given.

    Args:
        method: the HTTP method.
        url: the address.
        headers: request headers as `safe_headers` gives them.
        body: the whole request body, or None when it is empty or not printable as a whole.
        digest: SHA-256 (hex) of the recorded body, empty when there is none; used when `body` is None.
    """
    # A package may come from anybody: nothing in it may become an option or a file that curl reads.
    if not re.match(r"https?://", url, re.IGNORECASE) or not _TOKEN.fullmatch(method):
        return ""
    words = ["curl", "-i"]
    if set(url) & set("[]{}"):
        words.append("-g")
    if re.search(r"/\.\.?(/|$)", url):
        words.append("--path-as-is")
    if method == "HEAD":
        words.append("--head")
    elif method != "GET" or digest:
        words += ["-X", shlex.quote(method)]
    for name, value in headers.items():
        if name.lower() not in NOT_SENT_BY_HAND and _TOKEN.fullmatch(name):
            words += ["-H", quoted(f"{name}: {value}" if value else f"{name};")]
    if digest and "content-type" not in {name.lower() for name in headers}:
        words += ["-H", "content-type:"]  # else curl would add one of its own
    if body is not None and len(body) <= LONGEST_INLINE_BODY:
        words += ["--data-raw", quoted(body)]
    elif re.fullmatch(r"[0-9a-f]{64}", digest):
        words += ["--data-binary", f"@bodies/{digest}"]
    words.append(quoted(url))
    return " ".join(words)


def quoted(text: str) -> str:
    """One shell word; a mark of a secret becomes a variable that the shell fills in."""
    pieces, last = [], 0
    for mark in MARK.finditer(text):
        pieces += [_literal(text[last : mark.start()]), f'"{variable(mark.group(1) or "")}"']
        last = mark.end()
    if not pieces:
        return shlex.quote(text)
    if (
        last == len(text)
        and len(pieces) == 2
        and re.fullmatch(r"[\w :/.?=&-]*", text[: text.index("[redacted")])
    ):
        # The usual case, a header that is a name and a key, reads best as one quoted word.
        return f'"{text[: text.index("[redacted")]}{pieces[1][1:-1]}"'
    return "".join([*pieces, _literal(text[last:])])


def _literal(text: str) -> str:
    return shlex.quote(text) if text else ""
