"""Records that dtc itself put into a target: what is wrong in them is not held against the target."""

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


def judged(documents: Iterable[Document], now: datetime) -> Iterator[tuple[Document, Judgement]]:
    """Each document with what is to be held against the target; see `without_own`."""
    for document in documents:
        yield document, without_own(judge_text(document.content, now=now), document.content)


def without_own(judgement: Judgement, content: bytes) -> Judgement:
    """The judgement without the findings inside records that a test run left in the document.

    A run that was killed, or that another one runs beside, leaves what the suites made up to see how it is
    taken; whoever reads the document later cannot tell it from data of the city but by its tag. What
    `dtc seed` wrote counts, and so does whatever the document says outside such records.
    """
    if not judgement.findings:
        return judgement
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError:
        return judgement
    kept = tuple(
        finding
        for finding in judgement.findings
        if not any(_is_own(place) for place in _places(document, finding.pointer))
    )
    return msgspec.structs.replace(judgement, findings=kept)


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


def _is_own(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    tags = [value.get(member) for member in ("properties", "specifications")]
    return any(isinstance(tag, dict) and RUN_TAG in tag and SEED_TAG not in tag for tag in tags)
