"""A verification as numbered checks: how one is described, made, and counted into an exit code."""

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum

import msgspec

from dtc_cli.exit_codes import ExitCode
from dtc_cli.signing.case import Case
from dtc_cli.signing.refusal import NotRequired, Refusal, Unavailable

PRECEDENCE = (
    ExitCode.INTEGRITY,
    ExitCode.UNTRUSTED,
    ExitCode.INCOMPLETE,
    ExitCode.STALE,
    ExitCode.CANNOT_DECIDE,
    ExitCode.NOT_CONFORMANT,
)
"""Of several failures the first in this list decides the exit code."""


class Status(StrEnum):
    """How a check ended."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    UNAVAILABLE = "unavailable"
    """What it needs is not there. When the check is required, nothing can be decided."""
    NOT_REQUIRED = "not-required"


MET = (Status.PASS, Status.NOT_REQUIRED)


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One check that can be made."""

    name: str
    run: Callable[[Case], str]
    """Returns a reason when it holds; raises Refusal, Unavailable or NotRequired otherwise."""
    needs: tuple[str, ...] = ()
    """Checks that must have passed; without them this one is unavailable."""
    required: bool = True
    authenticity: bool = True
    """Whether AUTHENTIC depends on it."""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One check that was made."""

    number: int
    name: str
    status: Status
    reason: str
    code: ExitCode | None
    """The exit code that it asks for, None when it holds."""
    authenticity: bool
    follows: bool = False
    """Unavailable only because of another check, which asks for the exit code already."""


def run(steps: Iterable[Step], case: Case) -> tuple[Check, ...]:
    """Make all checks in order."""
    made: dict[str, Check] = {}
    for number, step in enumerate(steps, start=1):
        made[step.name] = _make(number, step, case, made)
    return tuple(made.values())


def exit_code(checks: Iterable[Check]) -> ExitCode:
    """The exit code by precedence; 0 only when no check asks for another."""
    asked = {check.code for check in checks}
    return next((code for code in PRECEDENCE if code in asked), ExitCode.OK)


def authentic(checks: Iterable[Check]) -> bool:
    """Whether every check that authenticity depends on was made and holds, or is not required."""
    return all(check.status in (Status.PASS, Status.NOT_REQUIRED) for check in checks if check.authenticity)


def _make(number: int, step: Step, case: Case, made: Mapping[str, Check]) -> Check:
    missing = next((name for name in step.needs if made[name].status not in MET), None)
    code: ExitCode | None = None
    follows = False
    if missing is not None:
        cause = made[missing]
        follows = cause.follows or cause.code is not None
        status, reason = Status.UNAVAILABLE, f"needs check {cause.number}, {missing}"
        code = ExitCode.CANNOT_DECIDE if step.required and not follows else None
    else:
        try:
            status, reason = Status.PASS, step.run(case)
        except Refusal as refusal:
            status, reason, code = Status.FAIL, refusal.reason, refusal.code
        except NotRequired as excuse:
            status, reason = Status.NOT_REQUIRED, str(excuse)
        except Unavailable as lack:
            status, reason = Status.UNAVAILABLE, str(lack)
            code = ExitCode.CANNOT_DECIDE if step.required else None
    return Check(
        number=number,
        name=step.name,
        status=status,
        reason=reason,
        code=code,
        authenticity=step.authenticity,
        follows=follows,
    )
