"""What came back: one HTTP answer, and the ways in which there may be none."""

from collections.abc import Mapping
from typing import Any

import msgspec
import orjson


class TargetUnreachable(Exception):  # noqa: N818 - the state of the target, not a mistake of ours
    """No answer because of the network or because nothing listens; never a verdict about the target."""


class TargetMisbehaves(Exception):  # noqa: N818 - see above
    """The target is there, but this exchange had no usable answer: cut off, endless, not HTTP."""

    def __init__(self, message: str, event: int) -> None:
        super().__init__(message)
        self.event = event


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP answer, body read in full and content coding removed."""

    event: int
    """Sequence number of the exchange in `events.jsonl`."""
    method: str
    url: str
    """The URL as sent, secrets removed."""
    status: int
    headers: Mapping[str, str]
    """By lower-case name; repeated headers joined by a comma."""
    body: bytes
    sent: bytes
    """The request body as sent."""
    credential: str
    elapsed_s: float

    @property
    def media_type(self) -> str:
        """The media type in lower case without parameters; empty when there is none."""
        return self.headers.get("content-type", "").split(";")[0].strip().lower()

    @property
    def is_json(self) -> bool:
        """Whether the body parses as JSON."""
        try:
            orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return False
        return True

    def json(self) -> Any:
        """The parsed body.

        Raises:
            orjson.JSONDecodeError: when it is not JSON (`is_json` tells before).
        """
        return orjson.loads(self.body)

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    def excerpt(self, limit: int = 300) -> str:
        """The start of the body as text, for messages."""
        text = self.body[: limit + 1].decode("utf-8", "backslashreplace")
        return text if len(text) <= limit else text[:limit] + "..."
