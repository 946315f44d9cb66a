"""Reading a plan: YAML as JSON knows it, with the line of each key for messages."""

import difflib
import json
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from dtc_cli.core.schema_check import SchemaCheck
from dtc_cli.errors import DtcError
from dtc_cli.migrate.trouble import plan_error
from dtc_cli.paths import SPEC

LONGEST_PLAN = 4 * 1024 * 1024
DEEPEST_PLAN = 50
"""Bytes; a plan is written by hand."""


class _Loader(yaml.SafeLoader):
    """A date stays the text that was written."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read(path: Path, *, judged: bool = False) -> tuple[dict[str, Any], dict[str, int]]:
    """The checked data of a plan file and the 1-based line of each dotted key.

    `judged` says that another process of the same run has checked it.

    Raises:
        DtcError: `migration-plan` with the line, when it cannot be read, is not YAML or breaks the schema.
    """
    try:
        if path.stat().st_size > LONGEST_PLAN:
            raise plan_error(f"the plan {path} is too large", where=str(path), why="a plan takes a few pages")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise plan_error(
            f"the plan {path} cannot be read",
            where=str(path),
            why=getattr(problem, "strerror", None) or str(problem),
            hint="dtc migrate plan SOURCE --out plan.yaml   writes one",
        ) from problem
    return check(text, str(path), judged=judged)


def check(text: str, source: str, *, judged: bool = False) -> tuple[dict[str, Any], dict[str, int]]:
    """As `read`, for the text of a plan."""
    lines: dict[str, int] = {}
    depth = 0
    try:
        for event in yaml.parse(text, Loader=_Loader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST_PLAN:  # the parser's time grows with the square of the depth
                raise RecursionError
            if isinstance(event, yaml.AliasEvent):
                raise plan_error(
                    "the plan uses a YAML alias",
                    where=f"{source}:{event.start_mark.line + 1 if event.start_mark else 1}",
                    why="a few lines of aliases can stand for gigabytes",
                    hint="write it out",
                )
        _note(yaml.compose(text, Loader=_Loader), "", lines, source)
        data = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, RecursionError) as problem:
        mark = getattr(problem, "problem_mark", None)
        raise plan_error(
            "the plan is not YAML",
            where=f"{source}:{mark.line + 1}" if mark else source,
            why=str(getattr(problem, "problem", None) or "it is nested too deeply"),
            hint="check indentation, quotes and colons on that line",
        ) from problem
    if judged:
        return data, lines
    # A mistyped key is what happened; that the right one is then missing only follows from it.
    problems = sorted(
        _validator().iter_errors(data),
        key=lambda one: (one.validator != "additionalProperties", [str(part) for part in one.absolute_path]),
    )
    if problems:
        raise _explained(problems[0], len(problems) - 1, lines, source)
    return data, lines


@cache
def _validator() -> SchemaCheck:
    schema = json.loads((SPEC / "schemas" / "migration-plan.schema.json").read_bytes())
    return SchemaCheck(schema)


def _note(node: yaml.nodes.Node | None, prefix: str, lines: dict[str, int], source: str) -> None:
    if isinstance(node, yaml.MappingNode):
        for key_node, value_node in node.value:
            key = f"{prefix}{key_node.value}"
            if key in lines:
                raise plan_error(
                    f"the key {key_node.value} is given twice",
                    where=f"{source}:{key_node.start_mark.line + 1}  {key}",
                    why=f"it stands on line {lines[key]} already",
                    hint="keep one of the two",
                )
            lines[key] = key_node.start_mark.line + 1
            _note(value_node, f"{key}.", lines, source)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            lines[f"{prefix}{index}"] = item.start_mark.line + 1
            _note(item, f"{prefix}{index}.", lines, source)


def _explained(error: Any, others: int, lines: dict[str, int], source: str) -> DtcError:
    path = ".".join(str(part) for part in error.absolute_path)
    what, hint, key = f"{path or 'the plan'} is not valid", "", path
    rules = error.schema if isinstance(error.schema, dict) else {}
    known = sorted(rules.get("properties", {}))
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        unknown = next((str(name) for name in error.instance if name not in known), "")
        nearest = difflib.get_close_matches(unknown, known, n=1)
        what = f"unknown key {unknown} in {path or 'the top level'}"
        hint = (f"did you mean {nearest[0]}? " if nearest else "") + f"known keys here: {', '.join(known)}"
        key = f"{path}.{unknown}".lstrip(".")
    elif error.validator == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        what = f"{path or 'the plan'} lacks {', '.join(missing)}"
    elif error.validator == "enum":
        hint = "one of: " + ", ".join(str(value) for value in error.validator_value)
    line = lines.get(key) or lines.get(path)
    return plan_error(
        what + (f" (and {others} more in this file)" if others else ""),
        where=f"{source}:{line}  {key}" if line else source,
        why=error.message if len(error.message) < 300 else f"it breaks the rule {error.validator}",
        hint=hint or "docs/migrate.md explains every key",
    )
