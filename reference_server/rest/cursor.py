"""Cursors of list answers: where a walk in the order of creation goes on."""

import base64
import binascii

from reference_server.errors import ApiError

_PREFIX = b"c1:"


def write(after: int) -> str:
    """The cursor behind the row of that number."""
    return base64.urlsafe_b64encode(_PREFIX + str(after).encode()).decode().rstrip("=")


def read(text: str) -> int:
    """The number in a cursor.

    Raises:
        ApiError: INVALID_PARAMETERS for text that this server did not give out.
    """
    try:
        raw = base64.b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as problem:
        raise _unknown() from problem
    number = raw.removeprefix(_PREFIX)
    if not raw.startswith(_PREFIX) or not number.isdigit() or len(number) > 18:
        raise _unknown()
    return int(number)


def _unknown() -> ApiError:
    return ApiError("INVALID_PARAMETERS", "the cursor is not one of this server", {"parameter": "cursor"})
