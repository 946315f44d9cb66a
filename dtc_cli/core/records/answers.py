"""The oracle over a validator's answer: whether `{"valid", "errors"}` is a right answer to a case (D-11)."""

import re
from collections.abc import Sequence
from typing import Any

from dtc_cli.core.model import Finding
from dtc_cli.core.records.case import Case, Want
from dtc_cli.core.records.envelope import COMPULSORY
from dtc_cli.core.records.finding import Code

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SHOWN = 5


def judge_answer(case: Case, valid: object, errors: object) -> Finding | None:
    """What is wrong with a validator's answer to a case, or None if the standard allows it.

    accept: `valid` is true and no error is listed; with `warns` errors may stand beside `valid: true`;
    tolerated codes are excused. reject: `valid` is false and errors are listed, all wanted ones among them.
    report: each wanted error is listed, whatever `valid` says. With `exact`, nothing else is listed.
    """
    fault = _malformed(valid, errors)
    if fault is not None or not isinstance(errors, list):
        expected = '{"valid": true or false, "errors": [{"code", "pointer", "message"}]}'
        return Finding(
            message=f"the validator's answer {fault}", expected=expected, actual="", clause=case.clause
        )
    if case.expect == "accept":
        return _judge_acceptance(case, valid is True, errors)
    return _judge_refusal(case, valid is True, errors)


def names(error: dict[str, Any], field: str) -> bool:
    """Whether an error names a member in pointer or message: `cityId`, `city_id`, `city-id` or `city id`."""
    words = _CAMEL.split(field)
    pattern = r"(?<![A-Za-z0-9])" + r"[ _-]?".join(re.escape(word) for word in words) + r"(?![A-Za-z0-9])"
    return any(
        re.search(pattern, str(error.get(part) or ""), re.IGNORECASE) for part in ("pointer", "message")
    )


def _judge_acceptance(case: Case, valid: bool, errors: list[dict[str, Any]]) -> Finding | None:
    serious = [error for error in errors if not (_tolerated(case, error) or (valid and _is_warning(error)))]
    if valid and (case.warns or not serious):
        return None
    if not valid and errors and not serious:
        return None
    words = "refuses a record that is valid" if not valid else "lists errors on a record that is valid"
    return Finding(
        message=f"the validator {words}: {case.why}",
        expected="valid: true" + ("" if case.warns else ", no errors"),
        actual=_shown(valid, errors),
        clause=case.clause,
    )


def _judge_refusal(case: Case, valid: bool, errors: list[dict[str, Any]]) -> Finding | None:
    expected = _expected(case)
    problem = ""
    if case.expect == "reject" and valid:
        problem = f"accepts a record that is not valid: {case.why}"
    elif not errors:
        problem = f"names no error: {case.why}"
    else:
        unmet = _unmet(case.wants, errors)
        extra = [error for error in errors if case.exact and not _foreseen(case, error)]
        if unmet is not None:
            problem = f"does not report {_wanted(unmet)}: {case.why}"
        elif extra:
            problem = f"reports {extra[0]['code']}, which is no fault of this record: {case.why}"
    if not problem:
        return None
    return Finding(
        message=f"the validator {problem}",
        expected=expected,
        actual=_shown(valid, errors),
        clause=case.clause,
    )


def _unmet(wants: Sequence[Want], errors: list[dict[str, Any]]) -> Want | None:
    """The first want that no error meets; one error meets one want only, so that there is no catch-all."""
    free = list(errors)
    for want in wants:
        match = next((error for error in free if _meets(error, want)), None)
        if match is None:
            return want
        free.remove(match)
    return None


def _meets(error: dict[str, Any], want: Want) -> bool:
    if want.codes and error["code"] not in want.codes:
        return False
    return want.names is None or names(error, want.names)


def _foreseen(case: Case, error: dict[str, Any]) -> bool:
    return any(not want.codes or error["code"] in want.codes for want in case.wants) or _tolerated(
        case, error
    )


def _tolerated(case: Case, error: dict[str, Any]) -> bool:
    if error["code"] not in case.tolerates:
        return False
    if case.fragment and error["code"] == Code.MISSING_FIELD:
        # A validator without a fragment mode misses the five members of a whole record, and no others.
        return any(names(error, field) for field in COMPULSORY)
    return True


def _is_warning(error: dict[str, Any]) -> bool:
    """Whether an entry says of itself that it is no error; D-11 leaves room for further members."""
    return any(str(error.get(name)).lower() in {"warning", "info"} for name in ("severity", "level"))


def _malformed(valid: object, errors: object) -> str | None:
    if not isinstance(valid, bool):
        return "has no boolean `valid`"
    if not isinstance(errors, list):
        return "has no array `errors`"
    for error in errors:
        if not isinstance(error, dict) or not isinstance(error.get("code"), str) or not error["code"]:
            return "has an error without a `code`"
    return None


def _expected(case: Case) -> str:
    verdict = "valid: false" if case.expect == "reject" else "whatever valid says"
    listed = "; ".join(_wanted(want) for want in case.wants) or "any error"
    return f"{verdict}, errors with {listed}" + (", and nothing else" if case.exact else "")


def _wanted(want: Want) -> str:
    code = " or ".join(want.codes) or "an error"
    return code if want.names is None else f"{code} naming {want.names}"


def _shown(valid: bool, errors: list[dict[str, Any]]) -> str:
    listed = [f"{error['code']} at {str(error.get('pointer') or '-')[:120]}" for error in errors[:_SHOWN]]
    more = f" and {len(errors) - _SHOWN} more" if len(errors) > _SHOWN else ""
    return f"valid: {str(valid).lower()}, errors: {', '.join(listed) or 'none'}{more}"
