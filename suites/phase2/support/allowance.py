"""Using up the allowance of a client on purpose (DTC-P2-101..103)."""

from datetime import datetime
from typing import NamedTuple

from dtc_cli.harness.suite import Answer, Blocked, NotApplicable, NotTested, Twin, http_date

LIMITED = "limited"
SMALL = 300
"""Without a key made for it, only an allowance of at most so many requests is used up."""
DEFAULT = 1000  # C-115: per minute, where nothing is advertised
CITY = "/cities/{city}"


class Exhaustion(NamedTuple):
    """The requests of one client up to its first 429."""

    role: str
    served: tuple[Answer, ...]
    refused: Answer | None
    """The first 429, None when none came."""
    other: Answer | None
    """The answer to another client, asked straight after the 429."""
    allowance: int
    at: datetime
    """The instant of the first 429, or of the last request."""
    since: datetime
    """The instant of the first request."""

    @property
    def too_slow(self) -> bool:
        """Whether the requests came no faster than an allowance per minute is given out again."""
        minutes = (self.at - self.since).total_seconds() / 60
        return len(self.served) < 2 * self.allowance * max(1.0, minutes)


class Allowance:
    """Uses up an allowance once per run, when the first vector asks for it."""

    def __init__(self, twin: Twin) -> None:
        self._twin = twin
        self._found: Exhaustion | NotTested | Blocked | None = None

    def used_up(self) -> Exhaustion:
        """What came of it.

        Raises:
            NotTested: when there is no key whose allowance may be used up.
            Blocked: when the key is refused.
        """
        if self._found is None:
            try:
                self._found = exhaust(self._twin)
            except (NotTested, Blocked) as problem:
                self._found = problem
        if isinstance(self._found, Exhaustion):
            return self._found
        raise self._found

    def seen(self) -> Exhaustion:
        """The same for vectors that only look at the answers of it.

        Raises:
            NotApplicable: when there are none.
        """
        try:
            return self.used_up()
        except NotTested as problem:
            raise NotApplicable(problem.message) from problem


def exhaust(twin: Twin) -> Exhaustion:
    """Ask with one key until a 429 comes, then once with another key.

    Raises:
        NotTested: when there is no key whose allowance may be used up.
    """
    role = _role(twin)
    since = twin.clock.now()
    first = twin.rest.get(CITY, as_=role, patient=False)
    allowance = allowance_of(first)
    if first.status == 429:
        raise NotTested(f"the allowance of {role} was used up before the check began")
    if not first.ok:
        raise Blocked("DTC-P2-086", f"the key {role} is refused (status {first.status})")
    if role != LIMITED and (allowance is None or allowance > SMALL):
        raise NotTested("the target file names no key auth.api_keys.limited, and the allowance is not small")
    served = [first]
    refused = None
    # Twice a known allowance, because a window may end while we count.
    for _ in range(2 * allowance + 2 if allowance else DEFAULT + 2):
        answer = twin.rest.get(CITY, as_=role, patient=False)
        if answer.status == 429:
            refused = answer
            break
        served.append(answer)
    other = None
    if refused is not None:
        other = twin.rest.get(CITY, as_="admin", patient=False)
    return Exhaustion(role, tuple(served), refused, other, allowance or DEFAULT, twin.clock.now(), since)


def waiting_s(answer: Answer) -> float | None:
    """The seconds that a 429 asks to wait: Retry-After, else X-RateLimit-Reset; None when it says nothing.

    Retry-After may be an HTTP date, and the reset a Unix time; both are read by the target's own clock.
    """
    after, reset = (answer.headers.get(name, "") for name in ("retry-after", "x-ratelimit-reset"))
    try:
        here = http_date(answer.headers.get("date", ""))
        if after and not after.isdigit():
            return max(0.0, (http_date(after) - here).total_seconds())
    except ValueError:
        return float(after) if after.isdigit() else None
    if after or not reset.isdigit():
        return float(after) if after else None
    return max(0.0, float(reset) - here.timestamp()) if float(reset) > 1e9 else float(reset)


def allowance_of(answer: Answer) -> int | None:
    """The allowance that an answer advertises (C-115), None when it does not."""
    text = answer.headers.get("x-ratelimit-limit", "").split(",")[0].split(";")[0].strip()
    return int(text) if text.isdigit() and int(text) > 0 else None


def _role(twin: Twin) -> str:
    if LIMITED in twin.credentials.roles:
        return LIMITED
    if "operator" in twin.credentials.roles:
        return "operator"
    raise NotTested("the target file names no key auth.api_keys.limited")
