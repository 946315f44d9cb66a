"""What becomes of a message of a client: nothing yet, taken, or refused."""

import asyncio
import logging
from collections.abc import Callable, Generator

import msgspec

LOG = logging.getLogger(__name__)


class Outcome(msgspec.Struct, eq=False):
    """Decided once. Who waits hears at once, without another turn of the event loop; it can be awaited.

    Thousands are decided a second: a future of `asyncio` costs three times as much.
    """

    decided: bool = False
    problem: BaseException | None = None
    _calls: "list[Callable[[Outcome], object]] | None" = None

    def done(self) -> bool:
        """Whether it is decided."""
        return self.decided

    def exception(self) -> BaseException | None:
        """Why the message was refused; None while that is open, and for one that was taken."""
        return self.problem

    def set_result(self, _: None = None) -> None:
        """The message is committed and was heard."""
        self._decide(None)

    def set_exception(self, problem: BaseException) -> None:
        """The message is refused."""
        self._decide(problem)

    def add_done_callback(self, call: "Callable[[Outcome], object]") -> None:
        """Call it with this outcome once that is decided, which may be now."""
        if self.decided:
            self._tell(call)
        elif self._calls is None:
            self._calls = [call]
        else:
            self._calls.append(call)

    def _decide(self, problem: BaseException | None) -> None:
        self.decided, self.problem = True, problem
        calls, self._calls = self._calls, None
        for call in calls or ():
            self._tell(call)

    def _tell(self, call: "Callable[[Outcome], object]") -> None:
        try:
            call(self)
        except Exception:  # one listener's defect is not the next one's
            LOG.exception("a listener failed on the outcome of a message")

    def __await__(self) -> Generator[object, None, None]:
        """Wait for it; raises why the message was refused."""
        if not self.decided:
            waiter = asyncio.get_running_loop().create_future()
            self.add_done_callback(lambda _: None if waiter.done() else waiter.set_result(None))
            yield from waiter
        if self.problem is not None:
            raise self.problem
