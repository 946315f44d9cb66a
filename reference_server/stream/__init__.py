"""The WebSocket door, `/stream` below the base path (P3 3.1.3, 4.1, 5, 6, 7, 8).

Bytes come and go in `connection`, which speaks RFC 6455 through the sans-I/O core of `websockets`;
`handshake` judges the upgrade; `envelope`, `binary` and `frames` know the forms of messages; `conversation`
answers the messages of one client; `session` is what may outlive its connection; `door` holds them all and
keeps time.
"""
