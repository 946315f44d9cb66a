"""What is written along with a change: in the same transaction, so that both are there or none.

An Idempotency-Key's answer is such a thing: kept apart from its change, a crash between the two would let the
change be done twice.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from reference_server.storage.protocol import Transaction

T = TypeVar("T")
Addition = Callable[[Transaction, Any], None]
"""Given the transaction and the result of the change that it follows."""

_waiting: ContextVar[list[Addition] | None] = ContextVar("waiting", default=None)
"""A list, so that taking the addition out is seen by all tasks that copied the context."""


@contextmanager
def adding(addition: Addition) -> Iterator[None]:
    """Join an addition to the first change that is submitted within."""
    token = _waiting.set([addition])
    try:
        yield
    finally:
        _waiting.reset(token)


def joined(change: Callable[[Transaction], T]) -> Callable[[Transaction], T]:
    """The change with what is to be added to it."""
    waiting = _waiting.get()
    if not waiting:
        return change
    addition = waiting.pop()

    def both(tx: Transaction) -> T:
        result = change(tx)
        addition(tx, result)
        return result

    return both
