"""The hash chain of `events.jsonl`: what `prev` is, what line 0 starts from, what a vector binds.

The recorder writes by these rules and `verify` recomputes by them, so they stand in one place.
"""

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from dtc_cli.core.canonical import canonical_json, sha256_hex


def genesis(nonce: str, run_id: str, catalogue_digest: str, profile_digest: str) -> str:
    """`prev` of line 0: SHA-256 (hex) over nonce bytes, run id, catalogue digest and profile digest.

    Args:
        nonce: base64url, with or without padding; its decoded bytes are hashed.
        run_id: UUIDv7, hashed as its text in UTF-8.
        catalogue_digest: SHA-256 in hex, hashed as text.
        profile_digest: SHA-256 in hex, hashed as text.

    Raises:
        ValueError: when the nonce is not base64url.
    """
    return sha256_hex(
        nonce_bytes(nonce) + run_id.encode() + catalogue_digest.encode() + profile_digest.encode()
    )


def nonce_bytes(nonce: str) -> bytes:
    """The bytes of a base64url nonce.

    Raises:
        ValueError: for any other text.
    """
    try:
        return base64.b64decode(nonce + "=" * (-len(nonce) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as problem:
        raise ValueError(f"the nonce is not base64url: {problem}") from problem


def link(line: bytes) -> str:
    """`prev` of the following line: SHA-256 (hex) of this line's bytes without its newline."""
    return sha256_hex(line)


def profile_digest(excluded: Mapping[str, str], hazards: Iterable[str], declares: Mapping[str, Any]) -> str:
    """SHA-256 (hex) over the profile's RFC 8785 bytes, as they stand in `evidence/profile.json`."""
    return sha256_hex(profile_bytes(excluded, hazards, declares))


def profile_bytes(excluded: Mapping[str, str], hazards: Iterable[str], declares: Mapping[str, Any]) -> bytes:
    """The profile of a run as RFC 8785 bytes; hazards keep their order."""
    return canonical_json({"excluded": dict(excluded), "hazards": list(hazards), "declares": dict(declares)})


class SpanDigest:
    """Digests over the events of one vector, fed in the order of their sequence numbers.

    Requests: a line `METHOD URL BODY-DIGEST` per event (`METHOD` is the event's kind where it has none,
    `BODY-DIGEST` is `-` for no body). Answers: a line `STATUS BODY-DIGEST`.
    """

    def __init__(self) -> None:
        self.count = 0
        self._requests = hashlib.sha256()
        self._answers = hashlib.sha256()

    def add(self, event: Mapping[str, Any]) -> None:
        """Take one event in."""
        sent = (event.get("method") or event["kind"], event.get("url") or "", event.get("reqDigest") or "-")
        self._requests.update((" ".join(sent) + "\n").encode())
        self._answers.update(f"{event.get('status')} {event.get('respDigest') or '-'}\n".encode())
        self.count += 1

    @property
    def requests(self) -> str | None:
        """SHA-256 (hex) of the request lines; None without an event."""
        return self._requests.hexdigest() if self.count else None

    @property
    def answers(self) -> str | None:
        """SHA-256 (hex) of the answer lines; None without an event."""
        return self._answers.hexdigest() if self.count else None
