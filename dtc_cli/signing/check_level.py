"""Checks of time, nonce and level: whether an authentic package still says something, and what."""

from datetime import timedelta

from dtc_cli.core.chain import nonce_bytes
from dtc_cli.core.model import Level
from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode
from dtc_cli.signing import live, statement
from dtc_cli.signing.case import Case
from dtc_cli.signing.refusal import NotRequired, Refusal, Unavailable
from dtc_cli.signing.trust import MAX_AGE_DAYS

CLOCK_NOTE_MS = 5_000
CLOCK_LIMIT_MS = 5 * 60_000
AHEAD = timedelta(minutes=10)  # clocks of two honest machines may differ by so much
AUDITED = (Level.GOLD, Level.PLATINUM)  # D-07


def clock(case: Case) -> str:
    """Wall clock and monotonic clock of the run passed the same time.

    Raises:
        Refusal: when they differ by more than 5 minutes: somebody set the clock during the run.
    """
    started, finished = (statement.instant(case.predicate[name]) for name in ("startedAt", "finishedAt"))
    wall = (finished - started) // timedelta(milliseconds=1)
    apart = abs(wall - case.predicate["clock"]["monotonicMs"])
    if wall < 0:
        raise Refusal("the run ended before it began")
    if apart > CLOCK_LIMIT_MS:
        raise Refusal(f"wall clock and monotonic clock of the run differ by {apart // 1000} s")
    note = f"; the clocks differ by {apart} ms" if apart > CLOCK_NOTE_MS else ""
    return f"the run took {wall / 1000:.1f} s by both clocks{note}"


def freshness(case: Case) -> str:
    """The evidence is neither older than the policy allows nor from the future.

    Raises:
        Refusal: STALE.
    """
    validity = case.predicate["validity"]
    start, end = statement.instant(validity["notBefore"]), statement.instant(validity["notAfter"])
    days = case.trust.max_age_days if case.trust else MAX_AGE_DAYS
    due = min(end, start + timedelta(days=days))
    if case.now < start - AHEAD:
        raise Refusal(f"the run ends in the future ({start:%Y-%m-%d %H:%M} UTC)", ExitCode.STALE)
    if case.now > due:
        age = (case.now - start).days
        raise Refusal(f"the evidence is {age} days old; it counted until {due:%Y-%m-%d}", ExitCode.STALE)
    return f"ended {start:%Y-%m-%d %H:%M} UTC, counts until {due:%Y-%m-%d}"


def nonce(case: Case) -> str:
    """The run was made for the nonce that the reader gave out.

    Raises:
        Refusal: STALE: it was made for another one, so it may be an old run shown again.
        NotRequired: the reader asked for none.
        DtcError: `usage` when what was asked for is no nonce.
    """
    if case.asked_nonce is None:
        raise NotRequired("no --nonce was given; the run's own shows only that it is one run")
    try:
        wanted = nonce_bytes(case.asked_nonce)
    except ValueError as problem:
        raise DtcError(
            "usage",
            "that is not a nonce",
            where=f"--nonce {case.asked_nonce}",
            why=str(problem),
            hint="give the base64url text that was handed to the signer before the run",
        ) from problem
    signed = case.predicate["nonce"]
    try:
        same = signed is not None and nonce_bytes(signed["value"]) == wanted
    except ValueError as problem:
        raise Refusal(f"the signed nonce is none: {problem}") from problem
    if not same:
        raise Refusal("the run was made for another nonce", ExitCode.STALE)
    return "the run was made for this nonce"


def target(case: Case) -> str:
    """The server at the reader's address shows the TLS key that was seen during the run, and the same API.

    Raises:
        Refusal: STALE: it shows another key or another API description, so the evidence says nothing about it
            (any more).
        Unavailable: it cannot be reached, or has no TLS, or the run saw none.
        NotRequired: the reader asked for none.
    """
    if case.asked_target is None:
        raise NotRequired("no --target was given")
    signed = case.predicate["target"]["fingerprint"]["tlsSpkiSha256"]
    shown = live.look(case.asked_target, description=True)
    if not signed:
        raise Unavailable("the run saw no TLS key, so that no server can be recognised")
    if shown.spki is None:
        raise Unavailable("the address is without TLS, so that the server cannot be recognised")
    if shown.spki not in signed:
        raise Refusal(f"the server shows the TLS key {shown.spki[:16]}, not one of the run", ExitCode.STALE)
    described = case.predicate["target"]["fingerprint"]["openapi"]
    if described is None or shown.openapi is None:
        return f"the server shows the TLS key {shown.spki[:16]} of the run"
    if shown.openapi != described["digest"]["sha256"]:
        raise Refusal(
            "the server describes another API than in the run: it was changed since", ExitCode.STALE
        )
    return f"the server shows the TLS key {shown.spki[:16]} and the API description of the run"


def level_reached(case: Case) -> str:
    """The level in question is reached by the evidence.

    Raises:
        Refusal: NOT_CONFORMANT when a MUST failed, is excluded, or the run claims less; INCOMPLETE when
            requirements are only undecided (D-06).
    """
    level, claimed = case.level, case.evidence.run.level.claimed
    if level.rank > claimed.rank:
        raise Refusal(f"{level} is asked for, the run was made for {claimed}", ExitCode.NOT_CONFORMANT)
    if case.judgement.achieved.rank >= level.rank:
        return f"every requirement of {level} is met"
    result = next(result for result in case.judgement.levels if result.level is level)
    if result.failed or result.excluded:
        first = (result.failed or result.excluded)[0]
        count = len(result.failed) + len(result.excluded)
        how = "failed" if result.failed else "is excluded without a condition that allows it"
        raise Refusal(
            f"{level} is not reached: {count} MUSTs are not met; {first} {how}", ExitCode.NOT_CONFORMANT
        )
    undecided = f"{len(result.undecided)} MUSTs are undecided" + (
        f", first {result.undecided[0]}" if result.undecided else ""
    )
    raise Refusal(f"{level} is not reached: {undecided}", ExitCode.INCOMPLETE)
