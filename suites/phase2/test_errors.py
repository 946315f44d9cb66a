"""Error answers from all sides: DTC-P2-093..097."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from dtc_cli.harness.suite import Answer, Blocked, NotApplicable, Twin, Violation, catalogue, expect, verifies
from suites.phase2.support.allowance import Allowance
from suites.phase2.support.refusals import KINDS, Refusals
from suites.phase2.support.replies import error_of
from suites.phase2.support.values import moment, within

NUMBERS = {code.name: code.number for code in catalogue().codes.api if code.number is not None}
SYMBOL = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*", re.ASCII)
BY_NAME = {kind.name: kind for kind in KINDS}
NAMES = list(BY_NAME)
WITH_IDS = [kind.name for kind in KINDS if kind.details]
WITH_CODES = [kind.name for kind in KINDS if kind.codes]
NUMBER_MEMBERS = ("number", "numericCode", "codeNumber", "errorNumber", "errno")
TOLERANCE = timedelta(seconds=300)  # P2 9.1


@verifies("DTC-P2-093", negative=True, hazard="write")
@pytest.mark.parametrize("kind", NAMES)
def test_envelope(refusals: Refusals, kind: str) -> None:
    """No refusal comes as a page, as text, or as JSON of another shape."""
    judge_envelope(refusals.get_sound(BY_NAME[kind]).answer)


@verifies("DTC-P2-093", negative=True)
def test_envelope_of_429(allowance: Allowance) -> None:
    exhaustion = allowance.seen()
    if exhaustion.refused is None:
        raise Blocked("DTC-P2-101", "the allowance could not be exceeded")
    judge_envelope(exhaustion.refused)


@verifies("DTC-P2-093")
def test_envelope_is_for_errors_alone(twin: Twin) -> None:
    """What is served carries no error inside."""
    answer = twin.rest.get("/cities/{city}")
    if not answer.ok:
        raise Blocked("DTC-P2-003", f"the city cannot be read (status {answer.status})")
    expect.that(error_of(answer) is None, "an answer that is served holds an error", actual=answer.excerpt())


@verifies("DTC-P2-094", hazard="write")
@pytest.mark.parametrize("kind", NAMES)
def test_instant_of_an_error(refusals: Refusals, kind: str) -> None:
    refusal = refusals.get_sound(BY_NAME[kind])
    stamp = envelope_of(refusal.answer).get("timestamp")
    expect.instant(stamp, what="error.timestamp", clause="P2 9.1, P1 7.1 VAL-004")


@verifies("DTC-P2-094", hazard="write", negative=True)
@pytest.mark.parametrize("kind", NAMES)
def test_instant_of_an_error_is_now(refusals: Refusals, kind: str) -> None:
    refusal = refusals.get_sound(BY_NAME[kind])
    stamp = envelope_of(refusal.answer).get("timestamp")
    found = moment(stamp)
    expect.that(
        found is not None and abs(found - refusal.at) <= TOLERANCE,
        "error.timestamp is not within five minutes of now",
        expected=f"about {refusal.at.isoformat(timespec='seconds')}",
        actual=stamp,
        clause="P2 9.1",
    )


@verifies("DTC-P2-095", hazard="write")
@pytest.mark.parametrize("kind", NAMES)
def test_code_is_a_symbol(refusals: Refusals, kind: str) -> None:
    code = envelope_of(refusals.get_sound(BY_NAME[kind]).answer).get("code")
    expect.that(
        isinstance(code, str) and SYMBOL.fullmatch(code) is not None,
        "error.code is no upper-case symbolic name",
        expected="a name such as OBJECT_NOT_FOUND",
        actual=code,
        clause="P2 9.1, C-32",
    )


@verifies("DTC-P2-095", hazard="write", negative=True)
@pytest.mark.parametrize("kind", WITH_CODES)
def test_code_is_no_number(refusals: Refusals, kind: str) -> None:
    """Where P2 9.2 has a name for the condition, its number alone does not do."""
    code = envelope_of(refusals.get_sound(BY_NAME[kind]).answer).get("code")
    expect.that(
        isinstance(code, str) and not code.isdigit(),
        "error.code is a number",
        expected=" or ".join(sorted(BY_NAME[kind].codes)),
        actual=code,
        clause="C-32",
    )


@verifies("DTC-P2-096", hazard="write")
@pytest.mark.parametrize("kind", WITH_CODES)
def test_number_fits_the_code(refusals: Refusals, kind: str) -> None:
    error = envelope_of(refusals.get_sound(BY_NAME[kind]).answer)
    given = numbers_of(error)
    if not given:
        raise NotApplicable("this error carries no numeric code")
    code = str(error.get("code"))
    wanted = {NUMBERS[name] for name in ({code} & set(NUMBERS) or BY_NAME[kind].codes & set(NUMBERS))}
    expect.that(
        all(number in wanted for number in given),
        "the numeric code is not the one that P2 9.2 lists for the condition",
        expected=" or ".join(str(number) for number in sorted(wanted)),
        actual=error,
        clause="P2 9.2",
    )


@verifies("DTC-P2-096", hazard="write", negative=True)
@pytest.mark.parametrize("kind", NAMES)
def test_no_number_of_another_code(refusals: Refusals, kind: str) -> None:
    """A code of P2 9.2 never goes with the number of another one."""
    error = envelope_of(refusals.get_sound(BY_NAME[kind]).answer)
    given = numbers_of(error)
    if not given:
        raise NotApplicable("this error carries no numeric code")
    own = NUMBERS.get(str(error.get("code")))
    foreign = [number for number in given if own is not None and number != own]
    expect.equal(foreign, [], f"{error.get('code')} comes with the number of another code", clause="P2 9.2")


@verifies("DTC-P2-097", hazard="write")
@pytest.mark.parametrize("kind", WITH_IDS)
def test_details_name_the_ids(twin: Twin, refusals: Refusals, kind: str) -> None:
    wanted = {name: value.replace("{city}", twin.rest.city) for name, value in BY_NAME[kind].details.items()}
    error = envelope_of(refusals.get_sound(BY_NAME[kind]).answer)
    if str(error.get("code")).upper() not in BY_NAME[kind].codes:
        raise Blocked(BY_NAME[kind].requirement, f"{kind} is answered with {error.get('code')}")
    details = error.get("details")
    found = {name: within({"details": details}, "details", name) for name in wanted}
    expect.equal(found, wanted, "details do not name the ids of the path", clause="P2 9.1")


def judge_envelope(answer: Answer) -> None:
    """JSON {"error": {...}}; code and message are not empty (C-122). The timestamp is DTC-P2-094's."""
    if not answer.is_json:
        raise Violation(
            "an error answer is no JSON",
            expected='{"error": {"code", "message", "details", "timestamp"}}',
            actual=f"{answer.media_type or 'no media type'}: {answer.excerpt()}",
            clause="P2 9.1",
        )
    error = error_of(answer)
    if error is None:
        raise Violation(
            "an error answer has no member error",
            expected='{"error": {"code", "message", "details", "timestamp"}}',
            actual=answer.excerpt(),
            clause="P2 9.1",
        )
    code, message, details = error.get("code"), error.get("message"), error.get("details", {})
    expect.that(code not in {None, ""}, "error.code is missing or empty", actual=error, clause="P2 9.1")
    expect.that(
        isinstance(message, str) and message.strip() != "",
        "error.message is missing, empty or no text",
        expected="a non-empty string",
        actual=error,
        clause="P2 9.1",
    )
    expect.that(
        details is None or isinstance(details, Mapping | list),
        "error.details is no object",
        expected="an object, empty or absent",
        actual=error,
        clause="P2 9.1, C-122",
    )


def envelope_of(answer: Answer) -> dict[str, Any]:
    """The error of an envelope.

    Raises:
        Blocked: by DTC-P2-093 when there is none.
    """
    error = error_of(answer)
    if error is None:
        raise Blocked("DTC-P2-093", f"the refusal has no error envelope: {answer.excerpt(120)}")
    if error.get("code") in {None, ""}:
        raise Blocked("DTC-P2-093", f"the error envelope holds no code: {answer.excerpt(120)}")
    return error


def numbers_of(error: Mapping[str, Any]) -> list[int]:
    """The numeric codes that an error carries (C-32)."""
    given = [error[name] for name in NUMBER_MEMBERS if name in error]
    code = error.get("code")
    if isinstance(code, int | float) or (isinstance(code, str) and code.isdigit()):
        given.append(code)
    return [int(float(number)) for number in given if re.fullmatch(r"\d+(\.0+)?", str(number))]
