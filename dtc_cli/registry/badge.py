"""The badge: a picture (SVG) that carries the signed certificate (Open Badges 3.0 baking)."""

import re
from html import escape, unescape
from typing import Any

from dtc_cli.core.model import Level
from dtc_cli.registry.credential import Facts
from dtc_cli.signing import statement
from dtc_cli.signing.refusal import Refusal

MAX_BYTES = 1024 * 1024
NAMESPACE = "https://purl.imsglobal.org/ob/v3p0"
FILLS = {Level.BRONZE: "#7a4a21", Level.SILVER: "#4d5768", Level.GOLD: "#6b5300", Level.PLATINUM: "#2f4b6e"}
"""All dark enough for white letters; the level is written too, so colour is never the only sign."""
_CREDENTIAL = re.compile(r'<openbadges:credential\s+verify="([A-Za-z0-9._-]+)"\s*/>')


def render(token: str, payload: dict[str, Any], facts: Facts) -> bytes:
    """The picture of a certificate: level, month of expiry, first digits of the evidence; a pure function."""
    until = statement.instant(payload["validUntil"])
    level = facts.level.value.capitalize()
    product = f"{facts.product} {facts.version}"
    short = product if len(product) <= 34 else product[:33] + "\N{HORIZONTAL ELLIPSIS}"
    said = f"{level} certificate of {product}, until {until:%Y-%m}, evidence {facts.statement[:8]}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:openbadges="{NAMESPACE}" width="320" height="96" '
        'viewBox="0 0 320 96" role="img" aria-labelledby="dtc-title dtc-desc">'
        f'<openbadges:credential verify="{token}"/>'
        f'<title id="dtc-title">{escape(said)}</title>'
        '<desc id="dtc-desc">The picture proves nothing by itself: dtc badge verify checks the certificate '
        "inside, whether it was revoked, and whether a server is the one that was judged.</desc>"
        '<rect x="1" y="1" width="318" height="94" rx="10" fill="#ffffff" stroke="#1b2230" stroke-width="2"/>'
        f'<rect x="1" y="1" width="104" height="94" rx="10" fill="{FILLS[facts.level]}"/>'
        '<g font-family="Verdana, DejaVu Sans, sans-serif">'
        '<text x="53" y="54" font-size="17" font-weight="bold" fill="#ffffff" text-anchor="middle">'
        f"{level}</text>"
        f'<text x="116" y="34" font-size="13" font-weight="bold" fill="#1b2230">{escape(short)}</text>'
        f'<text x="116" y="57" font-size="12" fill="#1b2230">until {until:%Y-%m}</text>'
        f'<text x="116" y="78" font-size="12" fill="#1b2230">evidence {facts.statement[:8]}</text>'
        "</g></svg>\n"
    ).encode()


def extract(data: bytes) -> str:
    """The certificate inside a badge.

    Raises:
        Refusal: when there is none, or more than one.
    """
    if len(data) > MAX_BYTES:
        raise Refusal("the badge is too large")
    found = _CREDENTIAL.findall(unescape(data.decode("utf-8", "replace")))
    if len(found) != 1:
        raise Refusal(f"the picture carries {len(found)} certificates; exactly one is allowed")
    return str(found[0])
