"""Tokens whose time ends within a run."""

from datetime import datetime

from dtc_cli.harness.suite import Blocked, NotApplicable, Twin
from suites.phase2.support.tokens import Tokens
from suites.phase2.support_live import once

LONGEST_WAIT_S = 40.0
"""Seconds for which the end of a token is waited for."""


def first_token(twin: Twin) -> tuple[str, float, datetime]:
    """A fresh token, its lifetime in seconds, and when it was asked for.

    Raises:
        Blocked: by DTC-P2-090 when the endpoint gives none.
    """
    tokens = Tokens(twin)
    since = twin.clock.now()
    answer = tokens.post(tokens.form())
    told = answer.json() if answer.ok and answer.is_json else {}
    text, lifetime = told.get("access_token"), told.get("expires_in")
    if not isinstance(text, str) or not text or not isinstance(lifetime, int | float):
        raise Blocked("DTC-P2-090", f"the token endpoint gives no token (status {answer.status})")
    tokens.credential(text)
    return text, float(lifetime), since


def expired(twin: Twin) -> str:
    """The token that the run got first, once its time is over.

    Raises:
        NotApplicable: when it outlives the run.
    """
    text, lifetime, since = once(twin, "p3-first-token", lambda: first_token(twin))
    left = lifetime - (twin.clock.now() - since).total_seconds()
    if left > LONGEST_WAIT_S:
        raise NotApplicable(f"the target's tokens live {lifetime:.0f} s: none expires within the run")
    twin.clock.wait(max(0.0, left) + 1.5)
    return text
