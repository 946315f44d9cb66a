"""Many wrong keys are slowed or refused (DTC-SEC-018). The last module: a target may shut out who tries."""

from dtc_cli.harness.suite import Credential, Tolerated, Twin, expect, verifies
from suites.security.support.secret import CLAUSE

CITY = "/cities/{city}"
TRIES = 1000
BATCH = 50
SLOWED = 5.0
"""Times as long as at the beginning: then failed logins are slowed."""
SLOW_S = 0.5
"""Seconds that one refusal takes at least, then."""


@verifies("DTC-SEC-018", hazard="security")
def test_one_wrong_key(twin: Twin) -> None:
    answer = twin.rest.get(CITY, as_=Credential("wrong", {"X-API-Key": "dtc-wrong-key-first"}), patient=False)
    expect.that(
        answer.status in {401, 403},
        "one wrong key is not answered with 401",
        expected="401",
        actual=answer.status,
        clause=CLAUSE,
    )


@verifies("DTC-SEC-018", negative=True, hazard="security")
def test_a_thousand_wrong_keys(twin: Twin) -> None:
    first = None
    for batch in range(TRIES // BATCH):
        begin = twin.clock.now()
        for number in range(BATCH):
            wrong = Credential("wrong", {"X-API-Key": f"dtc-wrong-key-{batch}-{number}"})
            answer = twin.rest.get(CITY, as_=wrong, patient=False)
            if answer.status == 429:
                return
        took = (twin.clock.now() - begin).total_seconds() / BATCH
        first = first or took
        if took > SLOW_S and took > SLOWED * first:
            return
    raise Tolerated(
        f"{TRIES} wrong keys in a row were answered alike: guessing is not slowed (CWE-307, API2:2023)",
        expected="429, or answers that take longer",
        actual=f"{TRIES} times the same refusal",
        clause=CLAUSE,
    )
