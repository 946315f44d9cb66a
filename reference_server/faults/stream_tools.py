"""Building blocks of the stream's faults: change what is written, what is read, what is judged."""

from collections.abc import Callable
from typing import Any

import orjson

from reference_server.faults.fault import wrap
from reference_server.stream import envelope

Json = dict[str, Any]
Change = Callable[[Json], Any]
Make = Callable[..., Any]
Installer = Callable[[], None]


def published(change: Change) -> Installer:
    """Change every PUBLISH that a subscriber gets."""

    def make(publish: Make) -> Make:
        def wrong(message: Any, qos: int, **options: Any) -> bytes:
            shown = orjson.loads(publish(message, qos, **options))
            change(shown)
            return orjson.dumps(shown)

        return wrong

    return wrap(envelope, "publish", make)


def of_sensors(change: Change) -> Change:
    """A change of the payload of readings only."""

    def apply(shown: Json) -> None:
        if isinstance(shown["payload"], dict) and "measurements" in shown["payload"]:
            change(shown["payload"])

    return apply


def written(kind: str, change: Change) -> Installer:
    """Change the server's messages of a type; all of them when `kind` is empty."""

    def make(write: Make) -> Make:
        def wrong(of: str, payload: Any, **options: Any) -> bytes:
            text: bytes = write(of, payload, **options)
            if kind not in ("", of):
                return text
            shown = orjson.loads(text)
            change(shown)
            return orjson.dumps(shown)

        return wrong

    return wrap(envelope, "write", make)


def read(change: Change) -> Installer:
    """Change a client's message before it is judged."""

    def make(parse: Make) -> Make:
        def wrong(text: bytes) -> Any:
            try:
                whole = orjson.loads(text)
            except orjson.JSONDecodeError:
                return parse(text)
            if isinstance(whole, dict):
                change(whole)
            return parse(orjson.dumps(whole))

        return wrong

    return wrap(envelope, "parse", make)


def drop(name: str) -> Change:
    """Leave a member out."""
    return lambda shown: shown.pop(name, None)


def put(name: str, value: Any) -> Change:
    """Give a member another value, or one made from its own."""

    def change(shown: Json) -> None:
        shown[name] = value(shown.get(name)) if callable(value) else value

    return change


def forget(name: str, wrong: Callable[[Any], bool]) -> Change:
    """Leave a member of a client's message out where it is wrong, as if it had not been sent."""

    def change(shown: Json) -> None:
        if name in shown and wrong(shown[name]):
            del shown[name]

    return change


def instead(value: Any) -> Make:
    """Replace something, whatever it was."""
    return lambda _: value


def nothing(_: Any) -> Make:
    """A function that does nothing."""
    return lambda *arguments, **options: None


def always(value: Any) -> Make:
    """A function that always gives the same."""
    return lambda _: lambda *arguments, **options: value
