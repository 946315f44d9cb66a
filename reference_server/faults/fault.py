"""One defect, and the way to put it in place."""

from collections.abc import Callable
from typing import Any

import msgspec


class Fault(msgspec.Struct, frozen=True):
    """A defect of one requirement; `install` puts it in place."""

    id: str
    requirement: str
    why: str
    install: Callable[[], None]


def wrap(owner: Any, name: str, make: Callable[[Any], Any]) -> Callable[[], None]:
    """An installer that replaces `owner.name` by what `make` builds from it."""

    def install() -> None:
        setattr(owner, name, make(getattr(owner, name)))

    return install


def both(*installers: Callable[[], None]) -> Callable[[], None]:
    """An installer that runs several."""

    def install() -> None:
        for one in installers:
            one()

    return install
