"""A WebSocket connection: bytes in and out, and the state that RFC 6455 gives it.

The sans-I/O core of `websockets` reads frames and answers pings and closes; messages of the server are
written as frames that were made once for all who hear them.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from websockets.extensions.base import Extension
from websockets.extensions.permessage_deflate import PerMessageDeflate, ServerPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from reference_server import tls
from reference_server.auth import Principal
from reference_server.errors import ApiError
from reference_server.messaging.messages import Message
from reference_server.stream import binary as binary_form
from reference_server.stream import envelope, frames, handshake
from reference_server.stream.conversation import Conversation

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

    from reference_server.stream.door import Door

MAX_MESSAGE = 1_048_576  # P3 4.1.3, C-75
CLOSE_GRACE_S = 5.0
"""How long a client may take to end a connection that the server closed."""
WRITE_HIGH = 256 * 1024
"""Bytes waiting in a socket's buffer from which on messages wait in the session's outbox instead."""
_log = logging.getLogger("reference_server.stream")
_log.setLevel(logging.CRITICAL)
_deflate = ServerPerMessageDeflateFactory(
    server_no_context_takeover=True,  # a compressed message is the same for all; no state for each
    client_no_context_takeover=True,
    server_max_window_bits=frames.WINDOW_BITS,
    compress_settings={"memLevel": 5},
)


class _Framing(ServerProtocol):
    """The core of `websockets`, which takes a close frame inside a fragmented message too (RFC 6455 5.4)."""

    def recv_frame(self, frame: Frame) -> None:
        """Process a frame."""
        if frame.opcode is Opcode.CLOSE:
            self.current_size = None
        super().recv_frame(frame)


class _Inflate(Extension):
    """permessage-deflate with the limit of a message: that of a frame is of its bytes on the wire (C-75)."""

    name = PerMessageDeflate.name

    def __init__(self, deflate: PerMessageDeflate, framing: _Framing) -> None:
        self._deflate = deflate
        self._framing = framing

    def decode(self, frame: Frame, *, max_size: int | None = None) -> Frame:
        """A frame as it was before it was compressed."""
        return self._deflate.decode(frame, max_size=MAX_MESSAGE - (self._framing.current_size or 0))

    def encode(self, frame: Frame) -> Frame:
        """Control frames pass as they are; messages are compressed once for all who hear them."""
        return self._deflate.encode(frame)


class Connection(asyncio.Protocol):
    """One client."""

    __slots__ = (
        "_closes_at", "_connections", "_deflater", "_fragments", "_is_text", "_left", "caller",
        "conversation", "door", "heard", "pinged", "ready", "transport", "ws",
    )  # fmt: skip

    transport: asyncio.Transport

    def __init__(
        self,
        door: "Door",
        config: "Config",
        server_state: "ServerState",
        app_state: Mapping[str, Any],
    ) -> None:
        """As uvicorn makes it, but for the door."""
        self.door = door
        self._connections = cast("set[Any]", server_state.connections)
        self.ws = _Framing(
            extensions=[_deflate],
            subprotocols=[Subprotocol(handshake.SUBPROTOCOL)],
            max_size=(MAX_MESSAGE, frames.MAX_FRAME),
            logger=_log,
        )
        self.conversation: Conversation | None = None
        self.caller: Principal | None = None
        self.ready = False
        """Whether messages may be written: open, and the socket takes them."""
        self.heard = time.monotonic()
        self.pinged = False
        self._fragments: list[bytes] = []
        self._is_text = True
        self._deflater: PerMessageDeflate | None = None
        self._closes_at: float | None = None
        self._left = False
        """Whether the server has begun to close: what still comes is not read. A client's last words are."""

    # --- the transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take over a connection whose request asks for an upgrade."""
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=WRITE_HIGH)
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self.ready = False
        self._connections.discard(self)
        self.door.lost(self)
        if self.conversation is not None:
            self.conversation.lost()

    def pause_writing(self) -> None:
        """The client reads more slowly than it is sent to."""
        self.ready = False

    def resume_writing(self) -> None:
        """The client has caught up."""
        self.ready = self.ws.state is State.OPEN
        if self.ready and self.conversation is not None:
            self.conversation.caught_up()

    def eof_received(self) -> None:
        """The client has ended its side."""
        self.ws.receive_eof()
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Read what came."""
        self.heard = time.monotonic()
        self.pinged = False
        self.ws.receive_data(data)
        self._flush()  # a pong goes out before the answer to what came later
        for event in self.ws.events_received():
            if isinstance(event, Request):
                self._upgrade(event)
            elif isinstance(event, Frame):
                self._frame(event)
        self._flush()

    def shutdown(self) -> None:
        """The server ends."""
        self.close(1012, "the server is stopped")
        self.transport.close()

    # --- the upgrade

    def _upgrade(self, request: Request) -> None:
        try:
            caller = handshake.admit(self.door, request, tls.subject(self.transport))
        except ApiError as problem:
            self.ws.send_response(handshake.refusal(problem))
            return
        response = self.ws.accept(request)
        self.ws.send_response(response)
        if self.ws.state is not State.OPEN:
            return
        self.caller = caller
        for number, extension in enumerate(self.ws.extensions):
            if isinstance(extension, PerMessageDeflate):
                self._deflater = extension
                self.ws.extensions[number] = _Inflate(extension, self.ws)
        self._flush()
        self.ready = True
        self.conversation = Conversation(self.door, self, caller)
        self.door.joined(self)

    # --- messages in

    def _frame(self, frame: Frame) -> None:
        if self.conversation is None or self._left:
            return
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            self._is_text = frame.opcode is Opcode.TEXT
            if frame.fin and not self._fragments:
                self._message(bytes(frame.data))
            else:
                self._fragments = [bytes(frame.data)]
        elif frame.opcode is Opcode.CONT:
            self._fragments.append(bytes(frame.data))
            if frame.fin:
                whole, self._fragments = b"".join(self._fragments), []
                self._message(whole)

    def _message(self, data: bytes) -> None:
        if self.conversation is None:
            return
        if not self._is_text:
            self.conversation.binary(data)
            return
        try:
            data.decode("utf-8")
        except UnicodeDecodeError:
            self.close(1007, "a text message is UTF-8")
            return
        self.conversation.text(data)

    # --- messages out

    def send(self, text: bytes) -> None:
        """Write a text message."""
        if self.ws.state is State.OPEN:
            self.transport.write(self._own(frames.TEXT, text))

    def send_message(self, message: Message, qos: int, *, retained: bool, binary: bool, again: bool) -> None:
        """Write a message of the bus; its frames are made once for all connections."""
        key = ("ws", qos, retained, binary, again, self._bits())
        made = message.forms.get(key)
        if made is None:
            made = message.forms[key] = self._made(
                message, qos, retained=retained, binary=binary, again=again
            )
        self.transport.write(made)

    def _bits(self) -> int:
        """The window of the negotiated compression; 0 without."""
        return 0 if self._deflater is None else min(self._deflater.local_max_window_bits, frames.WINDOW_BITS)

    def _made(self, message: Message, qos: int, *, retained: bool, binary: bool, again: bool) -> bytes:
        if binary and message.fact is not None:
            records = binary_form.encode(message.fact, message.id)
            if records is not None:
                return b"".join(self._own(frames.BINARY, record) for record in records)
        return self._own(frames.TEXT, envelope.publish(message, qos, retained=retained, again=again))

    def _own(self, opcode: int, data: bytes) -> bytes:
        bits = self._bits()
        if bits:
            return frames.frame(opcode, frames.deflate(data, bits), compressed=True)
        return frames.frame(opcode, data)

    def ping(self) -> None:
        """Ask for a sign of life (P3 6.3)."""
        if self.ws.state is State.OPEN:
            self.pinged = True
            self.ws.send_ping(b"dtc")
            self._flush()

    def too_slow(self) -> None:
        """End the connection of a subscriber that cannot keep up with what must not be dropped."""
        self.door.slow += 1
        self.close(1013, "too slow for the messages that wait")

    def close(self, code: int, reason: str) -> None:
        """Start to end the connection; it is cut if the client takes too long."""
        if self.ws.state is State.OPEN:
            self.ready = False
            self._left = True
            self.ws.send_close(code, reason)
            self._flush()

    def overdue(self, now: float) -> bool:
        """Whether a connection that was closed is still there after its grace."""
        return self._closes_at is not None and now >= self._closes_at

    def _flush(self) -> None:
        for chunk in self.ws.data_to_send():
            if chunk:
                self.transport.write(chunk)
            else:
                self.transport.close()
        if self.ws.close_expected() and self._closes_at is None:
            self.ready = False
            self._closes_at = time.monotonic() + CLOSE_GRACE_S
