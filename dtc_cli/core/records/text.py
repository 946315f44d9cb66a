"""The rules of phase 1 put to the bytes of a file, whole or, where it is large, object by object."""

from datetime import datetime

from dtc_cli.core.records.bulk import judge_slices
from dtc_cli.core.records.finding import Judgement, Settings
from dtc_cli.core.records.judge import judge
from dtc_cli.core.records.parsing import parse
from dtc_cli.core.records.values import is_object

LARGE_BYTES = 4 * 1024 * 1024
"""From this size on a record is judged object by object, to spare memory."""


def judge_text(
    text: bytes,
    *,
    now: datetime,
    fragment: bool = False,
    strict: bool = True,
    quality_threshold: float = 0.60,
    live: bool = False,
) -> Judgement:
    """`judge` for the bytes of a file: what is wrong with the text comes first (DTC-P1-001).

    In a large file repeated member names, a warning, are not looked for.
    """
    settings = Settings(
        now=now, fragment=fragment, strict=strict, quality_threshold=quality_threshold, live=live
    )
    sliced = judge_slices(text, settings) if len(text) >= LARGE_BYTES else None
    if sliced is not None:
        return sliced
    parsed = parse(text)
    if not parsed.readable or not is_object(parsed.record):
        return Judgement(findings=parsed.findings, exercised={"DTC-P1-001": 1})
    found = judge(
        parsed.record,
        now=now,
        fragment=fragment,
        strict=strict,
        quality_threshold=quality_threshold,
        live=live,
    )
    return Judgement(findings=(*parsed.findings, *found.findings), exercised=found.exercised)
