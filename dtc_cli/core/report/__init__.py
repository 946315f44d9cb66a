"""The report model: a run, ready to be shown in any format."""

from dtc_cli.core.report.build import build
from dtc_cli.core.report.model import Report
from dtc_cli.core.report.summary import summary

__all__ = ["Report", "build", "summary"]
