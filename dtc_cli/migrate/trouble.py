"""The errors that a person meets while migrating, and the check for optional libraries."""

import importlib
from typing import Any

from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode


def need(module: str, *, extra: str = "migrate", what: str = "migration") -> Any:
    """An optional library, imported.

    Raises:
        DtcError: `extra-missing` when it is not installed, with the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as problem:
        raise DtcError(
            "extra-missing",
            f"{what} needs the extra {extra}, which is not installed",
            where=module.partition(".")[0],
            why=str(problem),
            hint=f'pip install "dtc[{extra}]"',
        ) from problem


def source_error(what: str, *, where: str, why: str = "", hint: str = "") -> DtcError:
    """A source that cannot be read as asked."""
    return DtcError("migration-source", what, where=where, why=why, hint=hint)


def plan_error(what: str, *, where: str, why: str = "", hint: str = "") -> DtcError:
    """A plan that cannot be carried out as written."""
    return DtcError("migration-plan", what, where=where, why=why, hint=hint)


def target_error(what: str, *, where: str, why: str = "", hint: str = "") -> DtcError:
    """A target that cannot take the data."""
    return DtcError(
        "migration-target", what, where=where, why=why, hint=hint, exit_code=ExitCode.CANNOT_DECIDE
    )
