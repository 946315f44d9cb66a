"""Options that several commands share, so that they read the same everywhere."""

from typing import Annotated

import typer

from dtc_cli import console
from dtc_cli.core.model import Level
from dtc_cli.errors import DtcError

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout; status goes to stderr.")]
LoadScale = Annotated[
    float,
    typer.Option(
        "--load-scale",
        help="Share of the standard's load, for a trial; below 1 none passes.",
        min=0.001,
        max=1,
    ),
]
LoadAgreed = Annotated[
    list[str] | None,
    typer.Option("--yes-load", help="Host, not this machine, whose owner agreed to a load; again for more."),
]


def done(text: str, *, json: bool, **members: object) -> None:
    """Say what was done: a sentence for a person on stderr, or an object for a script on stdout."""
    if json:
        console.emit_json(members)
    else:
        console.status(text)


def level(text: str) -> Level:
    """A certification level by its name.

    Raises:
        DtcError: `usage` for any other word.
    """
    names = [level.value for level in Level if level is not Level.NONE]
    if text.lower() not in names:
        raise DtcError(
            "usage", f"there is no level {text}", where=f"--level {text}", hint="one of: " + ", ".join(names)
        )
    return Level(text.lower())
