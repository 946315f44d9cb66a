"""The phase 1 vectors: records to put to a validator, read from a folder of YAML files and base documents."""

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import msgspec
import yaml

from dtc_cli.core.records.answers import judge_answer
from dtc_cli.core.records.case import EXPECTATIONS, Case, Want
from dtc_cli.core.records.patching import PatchError, apply
from dtc_cli.errors import DtcError

__all__ = ["Case", "Want", "judge_answer", "load_cases"]


class _Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A case as it stands in a YAML file."""

    id: str
    expect: str
    why: str
    base: str | None = None
    patch: tuple[dict[str, Any], ...] = ()
    text: str | None = None
    encoding: str = "utf-8"
    fragment: bool = False
    codes: tuple[str, ...] = ()
    names: str | None = None
    wants: tuple[Want, ...] = ()
    at: str | None = None
    also: tuple[str, ...] = ()
    tolerates: tuple[str, ...] = ()
    exact: bool = False
    warns: bool = False


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    requirement: str
    clause: str
    cases: tuple[_Entry, ...]


def load_cases(folder: Path) -> tuple[Case, ...]:
    """Every case of a folder of vectors, ordered by requirement and then as written.

    Raises:
        DtcError: `vectors-broken`, for a file or a case that cannot be used; names the file and the case.
    """
    bases = {path.stem: _read_json(path) for path in sorted((folder / "base").glob("*.json"))}
    cases = [case for path in sorted(folder.glob("DTC-P1-*.yaml")) for case in _read_file(path, bases)]
    return tuple(cases)


def _read_file(path: Path, bases: Mapping[str, Any]) -> Iterator[Case]:
    try:
        raw = yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
        content = msgspec.convert(raw, _File)
    except (OSError, yaml.YAMLError, msgspec.ValidationError) as problem:
        raise _broken(path, "", str(problem)) from problem
    if content.requirement != path.stem:
        raise _broken(path, "", f"holds the cases of {content.requirement}")
    seen: set[str] = set()
    for entry in content.cases:
        if entry.id in seen:
            raise _broken(path, entry.id, "this id is used twice")
        seen.add(entry.id)
        yield _case(entry, content, path, bases)


def _case(entry: _Entry, content: _File, path: Path, bases: Mapping[str, Any]) -> Case:
    if entry.expect not in EXPECTATIONS or not entry.id.startswith(entry.expect + "-"):
        raise _broken(path, entry.id, "expect is accept, reject or report, and the id begins with it")
    if (entry.base is None) == (entry.text is None):
        raise _broken(path, entry.id, "a case has either a base or a text")
    template = None
    if entry.base is not None:
        if entry.base not in bases:
            raise _broken(path, entry.id, f"there is no base {entry.base}; known: {', '.join(bases)}")
        try:
            template = apply(deepcopy(bases[entry.base]), entry.patch)
        except PatchError as problem:
            raise _broken(path, entry.id, str(problem)) from problem
    named = (Want(codes=entry.codes, names=entry.names),) if entry.codes or entry.names else ()
    return Case(
        requirement=content.requirement,
        id=entry.id,
        clause=content.clause,
        expect=entry.expect,
        why=entry.why,
        template=template,
        text=entry.text,
        encoding=entry.encoding,
        fragment=entry.fragment,
        wants=named + entry.wants,
        at=entry.at,
        also=entry.also,
        tolerates=entry.tolerates,
        exact=entry.exact,
        warns=entry.warns,
    )


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as problem:
        raise _broken(path, "", str(problem)) from problem


def _broken(path: Path, case: str, why: str) -> DtcError:
    return DtcError(
        "vectors-broken",
        f"the vectors in {path.name} cannot be used",
        where=f"{path}{': ' + case if case else ''}",
        why=why,
        hint="see suites/phase1/vectors/README.md for the form of a case",
    )
