"""How outcomes, bodies and odd characters look to a reader, the same in every format."""

import re

from dtc_cli.core.model import Outcome
from dtc_cli.core.report.model import Body, Case, Exchange

SYMBOLS = {
    Outcome.PASSED: "✓",
    Outcome.FAILED: "✗",
    Outcome.WARNED: "!",
    Outcome.ERROR: "?",
    Outcome.NOT_APPLICABLE: "-",
    Outcome.NOT_TESTED: "○",
    Outcome.BLOCKED: "⊘",
}
"""A shape for each outcome, so that colour is never the only sign."""

MEANINGS = {
    Outcome.PASSED: "the requirement is met",
    Outcome.FAILED: "a compulsory requirement (MUST) is violated",
    Outcome.WARNED: "a recommendation (SHOULD) is not met, or only in a tolerated form; blocks nothing",
    Outcome.ERROR: "it could not be decided: trouble of the tool or of the network, no fault shown",
    Outcome.NOT_APPLICABLE: "it does not apply to this product, for the reason given",
    Outcome.NOT_TESTED: "nothing exercised it; holds the level back",
    Outcome.BLOCKED: "something it needs failed first",
}

# Control characters but tab and line feed, what XML 1.0 forbids, and characters that reorder a line of text.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]"
)


def visible(text: str) -> str:
    r"""The text with what cannot be seen, or could deceive the eye, spelt out (`\x00`, `\u202e`).

    CR LF becomes a plain line feed. The result is legal in XML 1.0 and can be encoded as UTF-8.
    """
    if text.isascii() and text.isprintable():
        return text
    return _HIDDEN.sub(_spelt, text.replace("\r\n", "\n"))


def _spelt(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def words(outcome: Outcome) -> str:
    """The outcome as a reader sees it: `not tested`."""
    return outcome.value.replace("_", " ")


def duration(milliseconds: int) -> str:
    """`12 ms`, `1.2 s`, `3 min 20 s`."""
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    if milliseconds < 60_000:
        return f"{milliseconds / 1000:.1f} s"
    minutes, seconds = divmod(round(milliseconds / 1000), 60)
    return f"{minutes} min {seconds} s"


def heading(exchange: Exchange) -> str:
    """One line for an exchange: `POST https://... as admin`."""
    who = f" as {exchange.credential}" if exchange.credential and exchange.credential != "none" else ""
    what = exchange.method or exchange.kind
    return " ".join(part for part in (what, exchange.url or exchange.note) if part) + who


def answer(exchange: Exchange) -> str:
    """What came back in a word or two: `500`, or the trouble on the way."""
    if exchange.status is not None:
        what = "exit status " if exchange.kind == "validator" and exchange.status < 100 else ""
        return f"{what}{exchange.status}" + (f", {exchange.error}" if exchange.error else "")
    if exchange.error:
        return exchange.error
    if exchange.response:
        return f"{exchange.response.size:,} bytes"
    return "nothing came back" if exchange.kind == "http" else "noted"


def body_note(body: Body) -> str:
    """What the reader must know about a body that is not shown as a whole; empty when it is."""
    return {
        "excerpt": f"the first {len(body.text):,} characters of {body.size:,} bytes",
        "binary": f"{body.size:,} bytes that are no UTF-8 text; the first as hexadecimal",
        "missing": f"{body.size:,} bytes, not kept in the folder",
        "altered": f"{body.size:,} bytes; the kept body is not the recorded one (another SHA-256)",
        "left out": f"{body.size:,} bytes, left out because the run is large",
    }.get(body.shown, "")


def events(case: Case) -> str:
    """Where the evidence of a case lies: `events 2 to 3`; empty when it has none."""
    if case.first_event is None or case.last_event is None:
        return ""
    if case.first_event == case.last_event:
        return f"event {case.first_event}"
    return f"events {case.first_event} to {case.last_event}"


def reason(case: Case) -> str:
    """Why the case came out as it did, in one text; empty for a plain pass."""
    return case.message or case.justification


def indented(body: Body) -> str:
    """The text of a body, JSON laid out over lines. No token is changed: only space outside strings is."""
    text = body.text
    if (
        body.shown not in {"whole", "excerpt"}
        or not text.lstrip().startswith(("{", "["))
        or "\n" in text.strip()
    ):
        return text
    pieces: list[str] = []
    depth = 0
    for piece in _JSON_TOKEN.findall(text):
        if piece in {"{", "["}:
            depth += 1
            pieces.append(piece + "\n" + "  " * depth)
        elif piece in {"}", "]"}:
            depth = max(0, depth - 1)
            pieces.append("\n" + "  " * depth + piece)
        elif piece == ",":
            pieces.append(",\n" + "  " * depth)
        else:
            pieces.append(": " if piece == ":" else piece)
    return _EMPTY.sub(r"\1\2", "".join(pieces))


_JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"?|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
_EMPTY = re.compile(r"([{\[])\s+([}\]])")
