"""Expectations: what a suite may demand of an answer. Each says what was expected and what came."""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from dtc_cli.clients.answer import Answer
from dtc_cli.core.records.instants import Instant
from dtc_cli.core.records.instants import instant as parse_instant
from dtc_cli.harness.outcomes import Violation

_SHOWN = 400


def that(
    holds: bool,
    message: str,
    *,
    expected: object = "",
    actual: object = "",
    clause: str = "",
    hint: str = "",
    of: Answer | None = None,
) -> None:
    """Fail with the message unless the condition holds; `of` is the answer that was judged.

    Raises:
        Violation: when it does not.
    """
    if not holds:
        raise Violation(
            message,
            expected=show(expected),
            actual=show(actual),
            clause=clause,
            hint=hint,
            event=of.event if of else None,
        )


def status(answer: Answer, allowed: Collection[int], *, clause: str = "", message: str = "") -> None:
    """The status is one of the allowed ones."""
    that(
        answer.status in allowed,
        message or f"{answer.method} {_path(answer)} answered {answer.status}",
        expected=f"status {_either(allowed)}",
        actual=f"status {answer.status}, body {answer.excerpt()}",
        clause=clause,
        of=answer,
    )


def success(answer: Answer, *, clause: str = "") -> None:
    """Any 2xx (C-39: the standard prints no status for this answer)."""
    that(
        answer.ok,
        f"{answer.method} {_path(answer)} answered {answer.status}",
        expected="a 2xx status",
        actual=f"status {answer.status}, body {answer.excerpt()}",
        clause=clause,
        of=answer,
    )


def json_object(answer: Answer, *, clause: str = "") -> dict[str, Any]:
    """The body as a JSON object that carries no error inside a 2xx."""
    value = json_value(answer, clause=clause)
    that(
        isinstance(value, dict),
        "the body is not a JSON object",
        expected="a JSON object",
        actual=value,
        clause=clause,
        of=answer,
    )
    that(
        not (answer.ok and set(value) == {"error"}),
        f"status {answer.status} with an error inside",
        expected="the resource, or a 4xx status",
        actual=value,
        clause="P2 9.1",
        of=answer,
    )
    return dict(value)


def json_value(answer: Answer, *, clause: str = "") -> Any:
    """The body as JSON."""
    that(
        answer.is_json,
        f"the body of {answer.method} {_path(answer)} is not JSON",
        expected="a JSON body",
        actual=f"{answer.media_type or 'no media type'}: {answer.excerpt()}",
        clause=clause or "P2 4.1",
        of=answer,
    )
    return answer.json()


def error(
    answer: Answer,
    statuses: Collection[int],
    codes: Collection[str] = (),
    *,
    clause: str = "P2 9",
    message: str = "",
) -> dict[str, Any]:
    """A refusal: one of the statuses and, where the standard names the condition, one of the codes.

    Returns:
        The `error` member. Its other members are judged by DTC-P2-093 to -097, not here.
    """
    status(answer, statuses, clause=clause, message=message)
    body = answer.json() if answer.is_json else None
    found = body.get("error") if isinstance(body, dict) else None
    code = found.get("code") if isinstance(found, dict) else None
    if codes:
        that(
            code in codes,
            message or f"{answer.method} {_path(answer)} was refused with the wrong code",
            expected=f"error.code {_either(codes)}",
            actual=f"status {answer.status}, body {answer.excerpt()}",
            clause=clause,
            of=answer,
        )
    return found if isinstance(found, dict) else {}


def members(value: Mapping[str, Any], names: Iterable[str], *, what: str, clause: str = "") -> None:
    """All the members are present."""
    missing = [name for name in names if name not in value]
    that(
        not missing,
        f"{what} lacks {', '.join(missing)}",
        expected=f"members {', '.join(names)}",
        actual=f"members {', '.join(sorted(value))}",
        clause=clause,
    )


def instant(value: object, *, what: str, clause: str = "P1 7.1 VAL-004") -> Instant:
    """An RFC 3339 date-time with a zone, as a comparable instant."""
    parsed = parse_instant(value)
    if parsed is None:
        raise Violation(
            f"{what} is not an instant with a zone",
            expected="an RFC 3339 date-time with Z or an offset",
            actual=show(value),
            clause=clause,
        )
    return parsed


def equal(actual: object, expected: object, message: str, *, clause: str = "") -> None:
    """Both are the same JSON value: numbers by value (1 equals 1.0), members in any order."""
    that(same_json(actual, expected), message, expected=expected, actual=actual, clause=clause)


def same_json(left: object, right: object) -> bool:
    """Whether two JSON values are equal; true is not 1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same_json(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(
            same_json(one, other) for one, other in zip(left, right, strict=True)
        )
    return left == right


def show(value: object) -> str:
    """A value as short text for a finding."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def _either(values: Collection[object]) -> str:
    return " or ".join(str(value) for value in sorted(values, key=str))


def _path(answer: Answer) -> str:
    """The path and query of the answered request, without scheme and host."""
    return re.sub(r"^[a-z]+://[^/]+", "", answer.url)
