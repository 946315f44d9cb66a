"""The exit codes of every `dtc` command: a promise that scripts rely on."""

from enum import IntEnum


class ExitCode(IntEnum):
    """One table for all commands (issue contract; EVIDENCE 5.5)."""

    OK = 0
    """The level was reached; the package is authentic; the files are valid."""
    NOT_CONFORMANT = 1
    """A MUST failed, or the level was not reached."""
    USAGE = 2
    """Wrong options, or a file that cannot be read or breaks its schema."""
    INTEGRITY = 3
    """A digest, a signature, a chain or a recount does not hold."""
    UNTRUSTED = 4
    """The signer is not trusted for what was signed, or a threshold is unmet."""
    STALE = 5
    """Expired, revoked, replayed or too old."""
    INCOMPLETE = 6
    """Vectors, evidence or justifications are missing."""
    CANNOT_DECIDE = 7
    """The target was not reachable, the preflight was red, or needed material is unavailable."""
    BUG = 70
    """An error of `dtc` itself; the run folder is kept."""
    INTERRUPTED = 130
    """Stopped by Ctrl-C or SIGTERM; what was begun is closed in order."""
    PIPE_CLOSED = 141
    """Whoever read the output went away."""
