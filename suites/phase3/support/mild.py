"""What MQTT 5 or another RFC asks for and the standard does not name: a warning where it is missing."""

from dtc_cli.harness.suite import Tolerated, Violation, expect


def wanted(
    holds: bool, message: str, *, expected: object = "", actual: object = "", clause: str = ""
) -> None:
    """Warn with the message unless the condition holds.

    Raises:
        Tolerated: when it does not.
    """
    try:
        expect.that(holds, message, expected=expected, actual=actual, clause=clause)
    except Violation as found:
        raise Tolerated(
            found.message,
            expected=found.finding.expected,
            actual=found.finding.actual,
            clause=found.finding.clause,
        ) from None
