"""One line of the preflight, for all modules that examine a target."""

import msgspec


class Check(msgspec.Struct, frozen=True):
    """One line of the preflight."""

    check: str
    status: str
    """ok, warn, fail or skipped."""
    detail: str
    hint: str = ""
    where: str = ""
