"""The one error a person sees: what happened, where, why, and what to try."""

import shlex

from dtc_cli.exit_codes import ExitCode


class DtcError(Exception):
    """A failure that `dtc` can explain, in five fields.

    Args:
        code: stable kebab-case name, for scripts (`target-unreachable`).
        what: one sentence that says what happened.
        where: file and line, key, or address; empty when there is no place.
        why: the cause as far as it is known.
        hint: what the reader can do next (printed as `try`).
        exit_code: the process exit code that goes with it.
    """

    def __init__(
        self,
        code: str,
        what: str,
        *,
        where: str = "",
        why: str = "",
        hint: str = "",
        exit_code: ExitCode = ExitCode.USAGE,
    ) -> None:
        super().__init__(what)
        self.code = code
        self.what = what
        self.where = where
        self.why = why
        self.hint = hint
        self.exit_code = exit_code

    def as_dict(self) -> dict[str, str]:
        """The error as the five fields of `--json` (D-14)."""
        return {"code": self.code, "what": self.what, "where": self.where, "why": self.why, "try": self.hint}

    def as_text(self) -> str:
        """The error as four short lines for a terminal, empty fields left out."""
        lines = [f"error[{self.code}]: {self.what}"]
        for label, text in (("where", self.where), ("why", self.why), ("try", self.hint)):
            if text:
                lines.append(f"  {label:<5}  {text}")
        return "\n".join(lines)


def as_word(value: object) -> str:
    """A path or text as one word of a shell, for commands that a reader may copy."""
    return shlex.quote(str(value))
