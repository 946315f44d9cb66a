"""Baseline files: reading them with the line of each mistake, and writing what fails now."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta

import msgspec
import yaml

from dtc_cli.core import baseline
from dtc_cli.core.baseline import FINGERPRINT_LENGTH, Entry
from dtc_cli.core.levels import UNDECIDED
from dtc_cli.core.model import MatrixLine, Outcome, Vector
from dtc_cli.errors import DtcError

KEYS = ("vector", "fingerprint", "owner", "reason", "link", "expires")
TO_BE_FILLED_IN = "to be filled in"
LIFETIME = timedelta(days=30)
"""How long an entry that `--update-baseline` writes holds."""
HEADER = """\
# Known failing vectors, for `dtc test --baseline`. They change its exit code and no verdict.
# --update-baseline writes this file anew: entries of others stay, comments do not.
"""
_SHAPES = {
    "vector": (
        re.compile(r"DTC-[A-Z0-9]+-\d{3}/\S+"),
        "a vector id, as DTC-P2-022/reading-an-unknown-object",
    ),
    "fingerprint": (
        re.compile(rf"[0-9a-f]{{{FINGERPRINT_LENGTH}}}"),
        f"{FINGERPRINT_LENGTH} hex digits; --update-baseline writes them",
    ),
    "owner": (re.compile(r".*\S.*", re.DOTALL), "who sees to it"),
    "reason": (re.compile(r".*\S.*", re.DOTALL), "why it is accepted for now"),
    "link": (re.compile(r".*", re.DOTALL), 'an address, or ""'),
    "expires": (re.compile(r"\d{4}-\d\d-\d\d"), "the last day it holds, as 2026-12-31"),
}


def parse(text: str, source: str) -> tuple[Entry, ...]:
    """The entries of a baseline file, in its order.

    Raises:
        DtcError: `baseline-file`, with the line, the key and, for an unknown key, the nearest valid one.
    """
    try:
        # Scalars are taken as they are written: the fingerprint 123456789012 is no number.
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as problem:
        mark = getattr(problem, "problem_mark", None)
        raise _refusal(
            "the baseline is not YAML",
            f"{source}:{mark.line + 1}" if mark else source,
            str(getattr(problem, "problem", None) or problem),
            "check indentation, quotes and colons on that line",
        ) from problem
    if node is None:
        return ()
    if not isinstance(node, yaml.SequenceNode):
        hint = "write each entry as `- vector: ...`; --update-baseline writes the file"
        raise _refusal("the baseline is not a list of entries", _at(source, node), "", hint)
    entries = [_entry(item, source) for item in node.value]
    first: dict[str, int] = {}
    for entry in entries:
        if entry.vector in first:
            raise _refusal(
                f"{entry.vector} is listed twice",
                f"{source}:{entry.line}  vector",
                f"it stands on line {first[entry.vector]} already",
                "keep one of the two",
            )
        first[entry.vector] = entry.line
    return tuple(entries)


def _entry(node: yaml.Node, source: str) -> Entry:
    if not isinstance(node, yaml.MappingNode):
        hint = f"keys of an entry: {', '.join(KEYS)}"
        raise _refusal("an entry is not a mapping", _at(source, node), "", hint)
    given: dict[str, str] = {}
    for key_node, value_node in node.value:
        key, where = str(key_node.value), _at(source, key_node)
        if key not in KEYS:
            close = difflib.get_close_matches(key, KEYS, n=1)
            hint = (f"did you mean {close[0]}? " if close else "") + f"known keys here: {', '.join(KEYS)}"
            raise _refusal(f"unknown key {key} in an entry", f"{where}  {key}", "", hint)
        if key in given:
            raise _refusal(f"the key {key} is given twice", f"{where}  {key}", "", "keep one of the two")
        given[key] = _value(key, value_node, f"{_at(source, value_node)}  {key}")
    missing = [key for key in KEYS if key not in given]
    if missing:
        hint = "link may be empty; the others say what is known, by whom and until when"
        raise _refusal(f"an entry lacks {', '.join(missing)}", _at(source, node), "", hint)
    return Entry(
        **{key: text for key, text in given.items() if key != "expires"},
        expires=date.fromisoformat(given["expires"]),
        line=node.start_mark.line + 1,
    )


def _value(key: str, node: yaml.Node, where: str) -> str:
    shape, hint = _SHAPES[key]
    text = str(node.value) if isinstance(node, yaml.ScalarNode) else ""
    if not isinstance(node, yaml.ScalarNode) or not shape.fullmatch(text):
        raise _refusal(f"{key} is not valid", where, f"{text!r} is not what belongs here", hint)
    if key == "expires":
        try:
            date.fromisoformat(text)
        except ValueError as problem:
            raise _refusal(f"{key} is not valid", where, f"{text}: {problem}", hint) from problem
    return text


def _at(source: str, node: yaml.Node) -> str:
    return f"{source}:{node.start_mark.line + 1}"


def _refusal(what: str, where: str, why: str, hint: str) -> DtcError:
    return DtcError("baseline-file", what, where=where, why=why, hint=hint)


def render(entries: Iterable[Entry]) -> str:
    """The text of a baseline file, by vector id; `parse` reads the same entries from it."""
    rows = [
        {key: getattr(entry, key) for key in KEYS}
        for entry in sorted(entries, key=lambda entry: entry.vector)
    ]
    return HEADER + yaml.safe_dump(rows, sort_keys=False, allow_unicode=True, width=100)


class Update(msgspec.Struct, frozen=True, kw_only=True):
    """A baseline brought up to date, and a sentence for everything that was done or left."""

    entries: tuple[Entry, ...]
    words: tuple[str, ...]


def update(
    entries: Sequence[Entry], vectors: Sequence[Vector], lines: Iterable[MatrixLine], today: date
) -> Update:
    """The baseline that lists what fails now.

    An entry that still fails in the same way stays, also an expired one: only a person extends it. An entry
    of a vector that this run did not hold or did not decide stays too.
    """
    by_vector: Mapping[str, MatrixLine] = {line.vector: line for line in lines}
    in_run = {vector.id for vector in vectors}
    kept: list[Entry] = []
    words: list[str] = []
    for entry in entries:
        line = by_vector.get(entry.vector)
        if line is None or line.outcome in UNDECIDED:
            state = "was not decided" if entry.vector in in_run else "is no vector of this run"
            words.append(f"kept     {entry.vector}: it {state}")
            kept.append(entry)
        elif baseline.failure_of(line) is None:
            words.append(f"dropped  {entry.vector}: {line.outcome.value.replace('_', ' ')}")
        elif baseline.failure_of(line) == entry.fingerprint:
            late = f", expired on {entry.expires}: extend it by hand" if today > entry.expires else ""
            words.append(f"kept     {entry.vector}: fails as before{late}")
            kept.append(entry)
        else:
            words.append(f"changed  {entry.vector}: it fails in another way; its reason was {entry.reason!r}")
            kept.append(msgspec.structs.replace(_fresh(line, today), owner=entry.owner, link=entry.link))
    listed = {entry.vector for entry in entries}
    for line in by_vector.values():
        if line.outcome is Outcome.FAILED and line.vector not in listed:
            words.append(f"added    {line.vector}: {line.finding.message if line.finding else ''}")
            kept.append(_fresh(line, today))
        elif line.outcome in UNDECIDED and line.vector not in listed:
            words.append(f"left out {line.vector}: {line.outcome.value.replace('_', ' ')} is no failure")
    return Update(entries=tuple(sorted(kept, key=lambda entry: entry.vector)), words=tuple(sorted(words)))


def _fresh(line: MatrixLine, today: date) -> Entry:
    return Entry(
        vector=line.vector,
        fingerprint=baseline.failure_of(line) or "",
        owner=TO_BE_FILLED_IN,
        reason=TO_BE_FILLED_IN,
        link="",
        expires=today + LIFETIME,
    )
