"""Records that dtc itself put into a target: its own run's are not held against it, others' are named."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import msgspec
import orjson

from dtc_cli.clients.documents import Document
from dtc_cli.core.records import Judgement, judge_text

RUN_TAG = "dtcRun"
"""The member of `properties` or `specifications` that carries the run id in everything a run creates."""
SEED_TAG = "dtcSeed"
"""Stands beside it in what `dtc seed` writes: good data, there to be judged."""
_RUN_ID = re.compile(r"[0-9a-f-]{8,36}")


def judged(documents: Iterable[Document], now: datetime, run_id: str) -> Iterator[tuple[Document, Judgement]]:
    """Each document with what is to be held against the target; see `without_own`."""
    for document in documents:
        yield document, without_own(judge_text(document.content, now=now), document.content, run_id)


def without_own(judgement: Judgement, content: bytes, run_id: str) -> Judgement:
    """The judgement without the findings inside records of this run, and with a word about those of others.

    What this run made up to see how it is taken is not the target's data. Another run's tag excuses nothing,
    or anybody could write it into bad data: such a finding names the run and how to take its records back.
    What `dtc seed` wrote counts, and so does whatever the document says outside such records.
    """
    if not judgement.findings:
        return judgement
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError:
        return judgement
    kept = []
    for finding in judgement.findings:
        runs = [run for place in _places(document, finding.pointer) for run in _runs(place)]
        if run_id in runs:
            continue
        if runs and _RUN_ID.fullmatch(runs[0]):
            told = (
                f"{finding.message} (left by run {runs[0]}: `dtc clean TARGET --run {runs[0]}` takes it back)"
            )
            finding = msgspec.structs.replace(finding, message=told)  # noqa: PLW2901
        kept.append(finding)
    return msgspec.structs.replace(judgement, findings=tuple(kept))


def _places(document: Any, pointer: str) -> Iterator[Any]:
    """The values that a JSON pointer leads through, from the top down."""
    here = document
    yield here
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(here, dict):
            here = here.get(name)
        elif isinstance(here, list) and name.isdecimal() and int(name) < len(here):
            here = here[int(name)]
        else:
            return
        yield here


def _runs(value: Any) -> Iterator[str]:
    """The run whose tag this record carries, if it does."""
    if isinstance(value, dict):
        for member in ("properties", "specifications"):
            tags = value.get(member)
            if isinstance(tags, dict) and SEED_TAG not in tags and isinstance(tags.get(RUN_TAG), str):
                yield tags[RUN_TAG]
