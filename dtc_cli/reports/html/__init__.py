"""The report as one self-contained HTML file: no network, no fonts, readable without its script.

Page one is for somebody who buys a twin, the requirement table for somebody who compares, the cases for
somebody who mends. A content security policy allows exactly our own style and script (by digest), so that
even markup that slipped through could not run.
"""

import base64
import hashlib
from pathlib import Path

from dtc_cli.core.report import Report
from dtc_cli.reports.html.cases import cases_section
from dtc_cli.reports.html.first_page import first_page, footer, header
from dtc_cli.reports.html.markup import text
from dtc_cli.reports.html.requirements import requirements_section

_HERE = Path(__file__).parent


def render(report: Report) -> bytes:
    """The report as an HTML 5 document in UTF-8."""
    style = (_HERE / "report.css").read_text(encoding="utf-8")
    script = (_HERE / "report.js").read_text(encoding="utf-8")
    policy = (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    name = (
        " ".join(part for part in (report.subject.name, report.subject.version) if part) or "Unnamed target"
    )
    pieces = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n',
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
        '<meta name="referrer" content="no-referrer">\n',
        f"<title>{text(name)}: {text(report.verdict.headline)}</title>\n",
        f"<style>{style}</style>\n</head>\n<body>\n",
        '<a class="skip" href="#main">Skip to the verdict</a>\n',
        header(report),
        '<main id="main" class="wrap" tabindex="-1">\n',
        first_page(report),
        requirements_section(report),
        cases_section(report),
        "</main>\n",
        footer(report),
        f"<script>{script}</script>\n</body>\n</html>\n",
    ]
    return "".join(pieces).encode("utf-8")


def _digest(source: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode("utf-8")).digest()).decode("ascii")
