"""What a judgement collects, and the small checks of type and presence that every part needs."""

from collections.abc import Iterator
from typing import Any, NamedTuple


class Finding(NamedTuple):
    """A violation of one MUST of phase 1, at a JSON Pointer (RFC 6901)."""

    requirement: str
    code: str
    pointer: str
    message: str
    warning: bool = False
    """A SHOULD: reported, but the document stays valid."""


class Findings:
    """The violations found so far, in document order of the parts."""

    def __init__(self) -> None:
        self.items: list[Finding] = []

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def add(self, requirement: int, code: str, pointer: str, message: str) -> None:
        """Note a violation of DTC-P1-`requirement`."""
        self.items.append(Finding(f"DTC-P1-{requirement:03d}", code, pointer, message))

    def warn(self, requirement: int, code: str, pointer: str, message: str) -> None:
        """Note that a SHOULD is not met."""
        self.items.append(Finding(f"DTC-P1-{requirement:03d}", code, pointer, message, warning=True))

    def missing(self, requirement: int, pointer: str) -> None:
        """Note an absent member; the pointer names where it should stand."""
        self.add(requirement, "ERR_MISSING_FIELD", pointer, f"{pointer.rpartition('/')[2]} is missing")

    def wrong_type(self, requirement: int, pointer: str, wanted: str) -> None:
        """Note a member of the wrong JSON type."""
        self.add(
            requirement, "ERR_INVALID_TYPE", pointer, f"{pointer.rpartition('/')[2] or 'it'} must be {wanted}"
        )

    def text(self, holder: dict[str, Any], name: str, at: str, requirement: int) -> str | None:
        """The string member `name`, or None after noting that it is absent or no string."""
        if name not in holder:
            self.missing(requirement, f"{at}/{name}")
            return None
        value = holder[name]
        if not isinstance(value, str):
            self.wrong_type(requirement, f"{at}/{name}", "a string")
            return None
        return value

    def array(self, holder: dict[str, Any], name: str, at: str, requirement: int) -> list[Any]:
        """The optional array member `name`; empty when absent or, after noting it, of another type."""
        if name not in holder:
            return []
        value = holder[name]
        if not isinstance(value, list):
            self.wrong_type(requirement, f"{at}/{name}", "an array")
            return []
        return value


def is_number(value: object) -> bool:
    """Whether a decoded JSON value is a number (true and false are not)."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def member(name: str) -> str:
    """A member name as a reference token of a JSON Pointer."""
    return name.replace("~", "~0").replace("/", "~1")
