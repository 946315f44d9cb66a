"""The rules of phase 1: what makes a Digital Twin record valid, and the vectors put to other validators."""

from dtc_cli.core.records.answers import judge_answer
from dtc_cli.core.records.cases import Case, load_cases
from dtc_cli.core.records.finding import Code, Judgement, RecordFinding, Severity
from dtc_cli.core.records.judge import NOT_BY_DOCUMENT, judge, merge
from dtc_cli.core.records.parsing import Parsed, parse
from dtc_cli.core.records.text import judge_text

__all__ = [
    "NOT_BY_DOCUMENT",
    "Case",
    "Code",
    "Judgement",
    "Parsed",
    "RecordFinding",
    "Severity",
    "judge",
    "judge_answer",
    "judge_text",
    "load_cases",
    "merge",
    "parse",
]
