"""Reading answers so that each requirement is blamed for its own faults only.

A refusal has four sides that belong to four requirements: its status and its named code (the requirement
that demands the refusal), its envelope (DTC-P2-093) and the form of its code (DTC-P2-095). The functions
here judge the first two and end the vector as blocked when one of the others is in the way.
"""

import re
from collections.abc import Collection
from typing import Any

from dtc_cli.harness.suite import Answer, Blocked, NotTested, Violation, expect

ANY_REFUSAL = frozenset(range(400, 500)) - {401, 403, 405, 429}
"""Statuses of a refusal where the standard names none: every 4xx that is not about something else."""
BAD_REQUEST = frozenset({400, 422})  # C-33: 400, 422 accepted
NOT_ROUTED = frozenset({405, 501})


def error_of(answer: Answer) -> dict[str, Any] | None:
    """The `error` member of an error envelope, None when the body is none."""
    body = answer.json() if answer.is_json else None
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, dict) else None


def code_of(answer: Answer) -> str | None:
    """The symbolic code of a refusal, None when there is none."""
    code = (error_of(answer) or {}).get("code")
    return code if isinstance(code, str) else None


def refused(
    answer: Answer,
    statuses: Collection[int],
    codes: Collection[str] = (),
    *,
    clause: str,
    message: str = "",
) -> None:
    """The request was refused with one of the statuses and, where they are named, one of the codes.

    Raises:
        Violation: when it was not.
        Blocked: when the status is right but the code cannot be read, by the requirement about its form.
    """
    # A read that is forbidden is no matter of rights: the same key reads everything else.
    admitted(answer, {*statuses, 403} if answer.method == "GET" else statuses)
    expect.status(answer, statuses, clause=clause, message=message)
    if not codes:
        return
    error = error_of(answer)
    if error is None:
        raise Blocked("DTC-P2-093", f"the refusal has no error envelope: {answer.excerpt(120)}")
    code = error.get("code")
    if code in codes:
        return
    if code is None or code == "":
        raise Blocked("DTC-P2-093", f"the error envelope holds no code: {answer.excerpt(120)}")
    if not isinstance(code, str) or code.isdigit() or _plain(code) in {_plain(name) for name in codes}:
        raise Blocked("DTC-P2-095", f"the code of the refusal is not in its symbolic form: {code!r}")
    raise Violation(
        message or f"{answer.method} was refused with the wrong code",
        expected=f"error.code {' or '.join(sorted(codes))}",
        actual=f"status {answer.status}, body {answer.excerpt()}",
        clause=clause,
    )


def served(answer: Answer, statuses: Collection[int] = (), *, clause: str, message: str = "") -> None:
    """The request was served: one of the statuses, any 2xx without them (C-39).

    Raises:
        Violation: when it was not.
        Blocked: when the credentials or the routing are in the way.
    """
    admitted(answer, statuses)
    if statuses:
        expect.status(answer, statuses, clause=clause, message=message)
    else:
        expect.success(answer, clause=clause)


def set_up(answer: Answer, by: str, what: str) -> Answer:
    """The answer of a set-up step, when it is a 2xx.

    Raises:
        Blocked: by the requirement that demands it, otherwise.
    """
    admitted(answer)
    if not answer.ok:
        raise Blocked(by, f"{what} (status {answer.status}: {answer.excerpt(120)})")
    return answer


def admitted(answer: Answer, statuses: Collection[int] = ()) -> None:
    """The answer is about the request itself, not about credentials, allowance or routing.

    Args:
        answer: what came back.
        statuses: statuses that are expected here, whatever they are about.

    Raises:
        Blocked: by DTC-P2-086 for a refused key, by DTC-P2-091 for a refused right, by DTC-P2-106 for a
            method or operation that is not there.
        NotTested: when the allowance is used up; that is never a verdict (D-08).
    """
    if answer.status in statuses:
        return
    if answer.status == 401:
        raise Blocked("DTC-P2-086", f"the key {answer.credential} was refused")
    if answer.status == 403:
        raise Blocked("DTC-P2-091", f"the key {answer.credential} lacks the right")
    if answer.status == 429:
        raise NotTested("the allowance of the key was used up, and waiting did not help")
    if answer.status in NOT_ROUTED:
        raise Blocked("DTC-P2-106", f"{answer.method} is not offered here (status {answer.status})")


def _plain(code: str) -> str:
    return re.sub(r"[^a-z0-9]", "", code.lower())
