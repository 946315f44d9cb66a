"""Formats of the report; every renderer reads the one report model.

A format is a module with `render(report) -> bytes` and a line in `FORMATS`. Renderers are pure: the same
report gives the same bytes. What a target said is data in every format: it is escaped, never markup.
"""

from collections.abc import Callable

from dtc_cli.core.report import Report
from dtc_cli.reports import cdxa, crosswalk, csv, ctrf, earl, github, html, json, junit, markdown, sarif, text

FORMATS: dict[str, Callable[[Report], bytes]] = {
    "text": text.render,
    "json": json.render,
    "html": html.render,
    "junit": junit.render,
    "markdown": markdown.render,
    "csv": csv.render,
    "ctrf": ctrf.render,
    "sarif": sarif.render,
    "sarif-full": sarif.render_full,
    "earl": earl.render,
    "cdxa": cdxa.render,
    "crosswalk": crosswalk.render,
    "github": github.render,
}
"""Format name to renderer."""

FILE_NAMES = {
    "text": "report.txt",
    "json": "report.json",
    "html": "report.html",
    "junit": "junit.xml",
    "markdown": "report.md",
    "csv": "report.csv",
    "ctrf": "ctrf.json",
    "sarif": "results.sarif",
    "sarif-full": "results-full.sarif",
    "earl": "earl.jsonld",
    "cdxa": "cdxa.cdx.json",
    "crosswalk": "crosswalk.csv",
    "github": "annotations.txt",
}
"""The name of the file when a format is written into a folder or a package."""
