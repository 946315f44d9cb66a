"""How a check says no: with a sentence and with the exit code that goes with it."""

from dtc_cli.exit_codes import ExitCode


class Refusal(Exception):  # noqa: N818 - an answer of a check, not a defect of the program
    """A check failed; the text is one line for a person.

    Args:
        reason: what does not hold, without a full stop.
        code: the exit code of the failure; integrity where nothing else is said.
    """

    def __init__(self, reason: str, code: ExitCode = ExitCode.INTEGRITY) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


class Unavailable(Exception):  # noqa: N818
    """A check could not be made, because what it needs is not there."""


class NotRequired(Exception):  # noqa: N818
    """A check does not apply to this package or was not asked for."""
