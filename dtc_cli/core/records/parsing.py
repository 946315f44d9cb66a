"""From bytes to one JSON object: strict UTF-8, strict RFC 8259, and a finding instead of an exception."""

import json
from collections.abc import Iterable
from typing import Any, NoReturn

import msgspec

from dtc_cli.core.records.finding import Code, RecordFinding, Severity, encodable
from dtc_cli.core.records.values import kind, show

_BOM = b"\xef\xbb\xbf"
_REQUIREMENT = "DTC-P1-001"


class Parsed(msgspec.Struct, frozen=True, kw_only=True):
    """The value of a text, if it has one, and what is wrong with the text itself (all of it DTC-P1-001)."""

    readable: bool
    """Whether the text is JSON; only then `record` means anything."""
    record: Any
    findings: tuple[RecordFinding, ...]
    line: int = 1
    """The line at which a text that is not readable stops being JSON; 1 where no line is to blame."""


class _NotJsonError(ValueError):
    """A token that Python's parser takes and RFC 8259 does not."""


def parse(text: bytes) -> Parsed:
    """The JSON value of a record's bytes; never raises.

    Not readable (error): bytes that are not UTF-8, text that is not JSON, NaN and Infinity, nesting too deep.
    Readable with an error: a value that is not an object. With a warning: a byte order mark, which
    RFC 8259 lets a reader ignore, and repeated member names, where it says SHOULD; the last one counts.
    """
    notes: list[RecordFinding] = []
    if text.startswith(_BOM):
        notes.append(_note("starts with a byte order mark", Severity.WARNING))
        text = text[len(_BOM) :]
    repeated: list[str] = []

    def gather(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        if len(members) < len(pairs):
            repeated.extend(_repeats(name for name, _ in pairs))
        return members

    try:
        record = json.loads(
            text.decode("utf-8"), object_pairs_hook=gather, parse_constant=_refuse, parse_int=_integer
        )
    except UnicodeDecodeError as problem:
        words = f"is not UTF-8: byte {text[problem.start]:#04x} at offset {problem.start}"
        return _unreadable(notes, words, line=1 + text.count(b"\n", 0, problem.start))
    except json.JSONDecodeError as problem:
        words = f"is not JSON: {problem.msg} at line {problem.lineno} column {problem.colno}"
        return _unreadable(notes, words, line=problem.lineno)
    except _NotJsonError as problem:
        return _unreadable(notes, f"is not JSON: {problem} is no JSON number")
    except RecursionError:
        return _unreadable(notes, "is nested too deeply to be read")
    for name in repeated[:20]:
        notes.append(
            _note(
                f"has an object with the member {show(name)} more than once; the last one counts",
                Severity.WARNING,
            )
        )
    if not isinstance(record, dict):
        notes.append(not_an_object(record))
    return Parsed(readable=True, record=record, findings=tuple(notes))


def not_an_object(record: object) -> RecordFinding:
    """The finding on a record whose top level is anything but an object."""
    return _note(f"is of type {kind(record)} at the top level; a record is one JSON object", Severity.ERROR)


def _repeats(names: Iterable[str]) -> list[str]:
    seen: set[str] = set()
    return [name for name in names if name in seen or seen.add(name)]  # type: ignore[func-returns-value]


def _refuse(token: str) -> NoReturn:
    raise _NotJsonError(token)


def _integer(digits: str) -> int | float:
    # Python refuses to convert more than 4300 digits; such a number is JSON all the same.
    return int(digits) if len(digits) < 4000 else float(digits)


def _unreadable(notes: list[RecordFinding], message: str, *, line: int = 1) -> Parsed:
    return Parsed(readable=False, record=None, findings=(*notes, _note(message, Severity.ERROR)), line=line)


def _note(message: str, severity: Severity) -> RecordFinding:
    return RecordFinding(
        requirement=_REQUIREMENT,
        code=Code.INVALID_JSON,
        pointer="",
        message=encodable("the text " + message),
        severity=severity,
    )
