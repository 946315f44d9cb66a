"""How a vector says what it found: a violation, or one of the reasons why it cannot say."""

from dtc_cli.core.model import Finding, Outcome


class VectorOutcome(Exception):  # noqa: N818 - these are outcomes that end a vector, most are no errors
    """Ends a vector with an outcome."""

    outcome: Outcome

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Violation(VectorOutcome):
    """The target does not do what the requirement says."""

    outcome = Outcome.FAILED

    def __init__(
        self,
        message: str,
        *,
        expected: str = "",
        actual: str = "",
        clause: str = "",
        hint: str = "",
        event: int | None = None,
    ) -> None:
        super().__init__(message)
        self.finding = Finding(
            message=message, expected=expected, actual=actual, clause=clause, hint=hint, event=event
        )


class Tolerated(Violation):
    """A form that the standard only tolerates: a warning, whatever the strength (C-32, C-35)."""

    outcome = Outcome.WARNED


class Blocked(VectorOutcome):
    """A prerequisite does not work; its own requirement is the one to look at."""

    outcome = Outcome.BLOCKED

    def __init__(self, by: str, message: str) -> None:
        super().__init__(f"blocked by {by}: {message}")
        self.by = by


class NotTested(VectorOutcome):
    """Nothing exercised the requirement; the message names what is missing."""

    outcome = Outcome.NOT_TESTED


class NotApplicable(VectorOutcome):
    """A closed condition does not hold, or another vector of the requirement shows it; with the reason."""

    outcome = Outcome.NOT_APPLICABLE
