"""HTTP/1.1 as uvicorn speaks it, with this server's error shape for bytes that are no request."""

import sys
from asyncio import Transport

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from reference_server import tls
from reference_server.errors import envelope


class Protocol(HttpToolsProtocol):
    """Answers bytes that are not HTTP with the envelope of P2 9.1 and closes the connection."""

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Note whom the client's certificate names, and how to drop it; requests find both in their state."""
        super().connection_made(transport)
        noted = {"certificate": tls.subject(transport), "abort": transport.abort}
        self.app_state = {**self.app_state, **noted}

    def data_received(self, data: bytes) -> None:
        """Read what came; kept for an upgrade, behind which a message may already stand."""
        self._latest = data
        super().data_received(data)

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over, with the bytes that the client sent together with its request."""
        problem = sys.exception()
        super().handle_websocket_upgrade()
        if isinstance(problem, httptools.HttpParserUpgrade):
            rest = self._latest[problem.args[0] :]
            if rest:
                self.transport.get_protocol().data_received(rest)  # type: ignore[attr-defined]

    def send_400_response(self, msg: str) -> None:
        """Refuse what could not be parsed."""
        body = envelope("MALFORMED_REQUEST", "the bytes are not an HTTP/1.1 request", {})
        head = (
            b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close\r\n"
            b"content-length: %d\r\n\r\n" % len(body)
        )
        self.transport.write(head + body)
        self.transport.close()
