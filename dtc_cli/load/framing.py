"""What the fast parser leaves to us: interim answers, bodies that end with the connection, coded bodies."""

import zlib

import httptools

MOST_HEAD = 1 << 16
"""Bytes of an unfinished answer that are kept to read its head again."""
CODINGS = {"": 0, "identity": 0, "gzip": 47, "x-gzip": 47, "deflate": 47}
"""Window bits of zlib by content coding; 47 tells gzip and zlib apart by itself."""


def interim(status: int) -> bool:
    """Whether another answer follows this one (RFC 9110 15.2); after 101 none does."""
    return 100 <= status < 200 and status != 101


class Head:
    """The last head in the bytes of an answer; a parser calls its `on_` methods."""

    def __init__(self, data: bytes) -> None:
        self.complete = False
        self.fields: dict[str, str] = {}
        self._parser = httptools.HttpResponseParser(self)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.complete = False

    @property
    def until_close(self) -> bool:
        """Whether the body ends where the connection ends (RFC 9112 6.3)."""
        if not self.complete or "content-length" in self.fields:
            return False
        return "chunked" not in self.fields.get("transfer-encoding", "").lower()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field."""
        self.fields[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """All fields of a head are there."""
        self.complete = not interim(self._parser.get_status_code())

    def on_message_begin(self) -> None:
        """A head begins."""
        self.complete, self.fields = False, {}


def decoded(body: bytes, coding: str, most: int) -> bytes | None:
    """A body without its coding, as it is when damaged; None for another coding or above `most` bytes."""
    bits = CODINGS.get(coding.strip().lower())
    if not bits:
        return body if bits == 0 else None
    # Some servers call deflate what lacks zlib's header: RFC 1950 wants it, most readers do without.
    if coding == "deflate" and body[:1] and body[0] & 15 != zlib.DEFLATED:
        bits = -zlib.MAX_WBITS
    reader = zlib.decompressobj(bits)
    try:
        found = reader.decompress(body, most)
    except zlib.error:
        return body
    if reader.unconsumed_tail:
        return None
    return found if reader.eof else body
