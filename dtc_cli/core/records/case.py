"""A phase 1 vector: a record to put to a validator, and what a right answer to it is."""

import json
from datetime import datetime
from typing import Any

import msgspec

from dtc_cli.core.records.placeholders import resolve

EXPECTATIONS = ("accept", "reject", "report")


class Want(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One error that a right answer holds."""

    codes: tuple[str, ...] = ()
    """Any of these; empty where the standard names no code for the fault."""
    names: str | None = None
    """A member that the error must name, in its pointer or message."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One record to put to a validator, and what a right answer to it is; see the README of the vectors."""

    requirement: str
    id: str
    clause: str
    expect: str
    """`accept`: it is valid. `reject`: it is not. `report`: valid or not, the wanted errors are listed."""
    why: str
    template: Any
    """The patched base before its instants are resolved; None for a case of raw text."""
    text: str | None
    encoding: str
    fragment: bool
    wants: tuple[Want, ...]
    at: str | None
    """Where this project's own judge points; a validator may point elsewhere."""
    also: tuple[str, ...]
    tolerates: tuple[str, ...]
    exact: bool
    warns: bool

    @property
    def vector(self) -> str:
        """Requirement and case id, `<requirement>/<case id>`: what the case is called in messages."""
        return f"{self.requirement}/{self.id}"

    def document(self, now: datetime) -> bytes:
        """The bytes to put to the validator, instants such as `{now-5m}` resolved against an aware clock."""
        if self.text is not None:
            return str(resolve(self.text, now)).encode(self.encoding)
        return json.dumps(resolve(self.template, now), ensure_ascii=False, indent=1).encode()
