"""Comparing JSON values and instants as far as the standard fixes them."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from dtc_cli.harness.suite import expect

Path = tuple[str | int, ...]


def moment(value: object) -> datetime | None:
    """The instant that a text denotes, read leniently (no zone counts as UTC), None if it denotes none."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value.strip().replace("z", "Z"))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def near(value: object, now: datetime, tolerance: timedelta) -> bool:
    """Whether a text denotes an instant that close to `now`."""
    found = moment(value)
    return found is not None and abs(found - now) <= tolerance


def differences(sent: object, kept: object, path: Path = ()) -> Iterator[tuple[Path, object, object]]:
    """Where what is kept lacks or changes what was sent; members that the target added do not count.

    Numbers are equal by value (1 is 1.0), arrays by order and length.
    """
    if isinstance(sent, Mapping) and isinstance(kept, Mapping):
        for name, value in sent.items():
            if name in kept:
                yield from differences(value, kept[name], (*path, name))
            else:
                yield (*path, name), value, "nothing"
    elif isinstance(sent, list) and isinstance(kept, list) and len(sent) == len(kept):
        for index, (one, other) in enumerate(zip(sent, kept, strict=True)):
            yield from differences(one, other, (*path, index))
    elif not expect.same_json(sent, kept):
        yield path, sent, kept


def same(sent: object, kept: object, what: str, *, clause: str) -> None:
    """All that was sent is kept as it was.

    Raises:
        Violation: naming the first member that is not.
    """
    for path, wanted, found in differences(sent, kept):
        where = "/" + "/".join(str(step) for step in path)
        expect.that(
            False,
            f"{what} came back changed at {where}",
            expected=wanted,
            actual=found,
            clause=clause,
        )


def within(value: Any, *names: str) -> Any:
    """The member reached by these names, None where there is none."""
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
