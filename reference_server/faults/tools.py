"""Building blocks of faults: change an answer, swallow a refusal, answer with another code."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import orjson

from reference_server.errors import ApiError
from reference_server.faults.fault import wrap
from reference_server.rest.call import Call, Reply

Json = Any
Installer = Callable[[], None]


def answer(owner: Any, name: str, change: Callable[[Reply], Reply]) -> Installer:
    """Change the successful answer of a handler."""

    def make(handler: Callable[..., Any]) -> Callable[..., Any]:
        async def wrong(call: Call) -> Reply:
            return change(await handler(call))

        return wrong

    return wrap(owner, name, make)


def body(owner: Any, name: str, change: Callable[[Json], Json]) -> Installer:
    """Change the JSON of a handler's answer, in place or by returning another value."""

    def rewrite(reply: Reply) -> Reply:
        value = orjson.loads(reply.body)
        result = change(value)
        return msgspec.structs.replace(reply, body=orjson.dumps(value if result is None else result))

    return answer(owner, name, rewrite)


def status(owner: Any, name: str, code: int) -> Installer:
    """Give a handler's answer another status."""
    return answer(owner, name, lambda reply: msgspec.structs.replace(reply, status=code))


def refusal(owner: Any, name: str, codes: Iterable[str], change: Callable[[ApiError], ApiError]) -> Installer:
    """Change the refusals of a coroutine function that have one of these codes."""
    wanted = frozenset(codes)

    def make(function: Callable[..., Any]) -> Callable[..., Any]:
        async def wrong(*arguments: Any, **options: Any) -> Any:
            try:
                return await function(*arguments, **options)
            except ApiError as problem:
                if problem.code not in wanted:
                    raise
                raise change(problem) from problem

        return wrong

    return wrap(owner, name, make)


def renamed(code: str, status_code: int | None = None) -> Callable[[ApiError], ApiError]:
    """A refusal under another code."""
    return lambda problem: ApiError(
        code, problem.message, problem.details, status=status_code or problem.status
    )


def swallowed(owner: Any, name: str, *codes: str) -> Installer:
    """A check that no longer refuses with these codes."""

    def make(check: Callable[..., Any]) -> Callable[..., Any]:
        def lax(*arguments: Any, **options: Any) -> Any:
            try:
                return check(*arguments, **options)
            except ApiError as problem:
                if problem.code not in codes:
                    raise
                return None

        return lax

    return wrap(owner, name, make)


def member(name: str, value: Any = None, *, drop: bool = False) -> Callable[[Json], None]:
    """Replace or drop a member, named by a dotted path, of a JSON object."""

    def change(shown: Json) -> None:
        *above, last = name.split(".")
        for part in above:
            shown = shown[part]
        if drop:
            shown.pop(last, None)
        else:
            shown[last] = value(shown.get(last)) if callable(value) else value

    return change


def each(list_name: str, change: Callable[[Json], Any]) -> Callable[[Json], None]:
    """Apply a change to every item of a list member."""

    def apply(shown: Json) -> None:
        for item in shown[list_name]:
            change(item)

    return apply


def naive(text: Any) -> Any:
    """An instant without its zone."""
    return text[:19] if isinstance(text, str) else text
