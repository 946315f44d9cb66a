"""Headers of answers, as the REST port reads them."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from dtc_cli.clients.answer import Answer


def joined(headers: httpx.Headers) -> dict[str, str]:
    """Headers by name in lower case; those of one name are joined with a comma."""
    joined: dict[str, str] = {}
    for name, value in headers.multi_items():
        key = name.lower()
        joined[key] = f"{joined[key]}, {value}" if key in joined else value
    return joined


def retry_after_s(answer: Answer, now: float) -> float:
    """Seconds to wait after a 429: Retry-After (seconds or an HTTP date), else X-RateLimit-Reset, else 1.

    `now` is a Unix time.
    """
    text = answer.headers.get("retry-after", "")
    if text.isdigit():
        return float(text)
    if text:
        try:
            return max(0.0, http_date(text).timestamp() - now)
        except ValueError:
            return 1.0
    reset = answer.headers.get("x-ratelimit-reset", "")
    if reset.isdigit():
        seconds = float(reset)
        # The header is seconds to go in some servers and a Unix time in others.
        return max(0.0, seconds - now) if seconds > 1e9 else seconds
    return 1.0


def http_date(text: str) -> datetime:
    """An HTTP date, aware: they are all in GMT, also where a server spells that otherwise (RFC 9110 5.6.7).

    Of several dates, as proxies leave them, the first.

    Raises:
        ValueError: when it is none.
    """
    day, comma, rest = text.partition(",")
    found = parsedate_to_datetime(day + comma + rest.partition(",")[0])
    return found if found.tzinfo else found.replace(tzinfo=UTC)
