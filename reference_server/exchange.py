"""A request and its answer, between protocol and application, without detours for short answers."""

from collections.abc import Coroutine, Generator, Mapping
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

END = b"\r\n"
_LINES = {status: line[:-2].decode() for status, line in STATUS_LINE.items()}


class Exchange(RequestResponseCycle):
    """Writes a head and a body that comes in one piece straight away; whatever else is left to uvicorn.

    uvicorn looks at each header by two regular expressions. Here the head is looked at as a whole: a line
    break that is none of its own would be somebody's attempt to add a header or a second answer.
    """

    async def send(self, message: Any) -> None:
        """Take a part of the answer.

        Raises:
            RuntimeError: a header holds a line break or a NUL, or the parts come in no order.
        """
        if self.disconnected or self.flow.write_paused:
            await super().send(message)
        elif not self.response_started and message["type"] == "http.response.start":
            self._begin(message["status"], [*self.default_headers, *message["headers"]])
        elif not self._is_whole(message):
            await super().send(message)
        else:
            self.transport.write(message["body"])
            self._end()

    @property
    def is_open(self) -> bool:
        """Whether `answer` may be used: nothing was sent, and the client takes what is sent."""
        return not (self.response_started or self.disconnected or self.flow.write_paused)

    def answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        """Send an answer that is there as a whole, with its length; all messages of `send` in one.

        Raises:
            RuntimeError: a header holds a line break or a NUL.
        """
        lines = [_LINES[status]]
        lines += [f"{name.decode()}: {value.decode()}" for name, value in self.default_headers]
        if status not in (204, 304):
            lines.append(f"content-length: {len(body)}")
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if headers.get("connection") == "close":
            self.keep_alive = False
        elif not self.keep_alive:
            lines.append("connection: close")
        head = _checked("\r\n".join(lines).encode("latin-1"), len(lines) - 1)
        self.response_started = True
        self.waiting_for_100_continue = False
        self.transport.write(head + END + END + (b"" if self.scope["method"] == "HEAD" else body))
        self._end()

    def _end(self) -> None:
        self.expected_content_length = 0
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()

    def _is_whole(self, message: Any) -> bool:
        """Whether this is the body, all of it, as it was announced."""
        return (
            self.response_started
            and not self.response_complete
            and self.chunked_encoding is False
            and not message.get("more_body")
            and len(message.get("body", b"")) == self.expected_content_length
            and self.scope["method"] != "HEAD"
        )

    def _begin(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        lines = [STATUS_LINE[status][:-2]]
        closing = False
        for name, value in headers:
            if name == b"content-length":
                self.expected_content_length = int(value)
                self.chunked_encoding = False
            elif name == b"connection" and value == b"close":
                self.keep_alive = False
                closing = True
            lines.append(name + b": " + value)
        if not self.keep_alive and not closing:
            lines.append(b"connection: close")
        if self.chunked_encoding is None and self.scope["method"] != "HEAD" and status not in (204, 304):
            self.chunked_encoding = True
            lines.append(b"transfer-encoding: chunked")
        head = _checked(END.join(lines), len(lines) - 1)
        self.response_started = True
        self.waiting_for_100_continue = False
        self.transport.write(head + END + END)


def _checked(head: bytes, breaks: int) -> bytes:
    if head.count(b"\n") != breaks or head.count(b"\r") != breaks or b"\0" in head:
        raise RuntimeError("a header holds a line break or a NUL")
    return head


class Rest:
    """What remains of a coroutine that has begun and now waits; a task can go on with it."""

    def __init__(self, begun: Coroutine[Any, Any, None], waits_for: Any) -> None:
        self._begun = begun
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, None]:
        """Go on."""
        waits_for = self._waits_for
        try:
            while True:
                try:
                    given = yield waits_for
                except GeneratorExit:
                    self._begun.close()
                    raise
                except BaseException as problem:  # the coroutine may answer it: a task is cancelled like this
                    waits_for = self._begun.throw(problem)
                else:
                    waits_for = self._begun.send(given)
        except StopIteration:
            return


async def finish(begun: Coroutine[Any, Any, None], waits_for: Any) -> None:
    """The rest of a coroutine, as one again."""
    await Rest(begun, waits_for)
