"""Commands that refuse an empty text where a path belongs: `dtc verify "$PACKAGE"`, the variable unset."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand

from dtc_cli.errors import DtcError


class CheckedCommand(TyperCommand):
    """A command whose path arguments and options must not be empty; Python would read them as this folder."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse as ever, then look at the paths.

        Raises:
            DtcError: `usage`, naming the argument or option.
        """
        # A copy: parsing takes what it understood out of the list.
        given = list(args)
        rest: list[str] = super().parse_args(ctx, args)
        if (
            any(not word or (word.startswith("--") and word.endswith("=")) for word in given)
            and "." not in given
        ):
            for parameter in self.params:
                value = ctx.params.get(parameter.name)
                several = value if isinstance(value, list | tuple) else [value]
                # Some take paths as text, with `-` for standard input.
                is_path = Path() in several or ("" in several and "FILE" in (parameter.metavar or ""))
                if is_path and parameter.default != Path():
                    label = parameter.opts[0] if parameter.opts[0].startswith("-") else parameter.name.upper()
                    raise DtcError(
                        "usage",
                        f"{label} is empty",
                        where=f"{ctx.command_path} {label}",
                        why="an empty text is no path; a variable of your shell may be unset",
                        hint=f"{ctx.command_path} --help",
                    )
        return rest


def check(app: typer.Typer) -> None:
    """Have every command of the program checked."""
    for command in _commands(app):
        command.cls = CheckedCommand


def _commands(app: typer.Typer) -> Iterator[typer.models.CommandInfo]:
    yield from app.registered_commands
    for group in app.registered_groups:
        if group.typer_instance is not None:
            yield from _commands(group.typer_instance)
