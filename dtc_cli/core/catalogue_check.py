"""Proof that the catalogue is whole: ids, references, texts, conditions and schemas."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec

from dtc_cli.core import tables_check
from dtc_cli.core.catalogue import Catalogue
from dtc_cli.core.model import LEVELS, Requirement, Strength
from dtc_cli.errors import DtcError

REQUIREMENT_COUNT = 368
INTERPRETATION_COUNT = 142
REQUIREMENT_ID = re.compile(r"DTC-(P[1-4]|PERF|SEC)-\d{3}")
VECTOR_ID = re.compile(r"(DTC-(?:P[1-4]|PERF|SEC)-\d{3})/[a-z0-9]+(?:-[a-z0-9]+)*(?:\.[A-Za-z0-9._-]+)?")
INTERPRETATION_ID = re.compile(r"C-\d{2,3}")
PREFIX = {1: "P1", 2: "P2", 3: "P3", 4: "P4", "performance": "PERF", "security": "SEC"}
HAZARDS = ("read", "write", "destructive", "load", "security")
METHODS = ("static-document", "http", "websocket", "mqtt", "tls", "integration", "load")


def check(catalogue: Catalogue) -> list[str]:
    """Every defect in words, empty when the catalogue is whole. Never raises for a defect of the data."""
    try:
        return [problem for part in PARTS for problem in part(catalogue)]
    except DtcError as damaged:
        return [f"{damaged.where}: {damaged.why}"]


def _requirements(catalogue: Catalogue) -> Iterator[str]:
    entries = catalogue.requirements.values()
    if len(entries) != REQUIREMENT_COUNT:
        yield f"there are {len(entries)} requirements, not {REQUIREMENT_COUNT}"
    for entry in entries:
        if not REQUIREMENT_ID.fullmatch(entry.id):
            yield f"{entry.id}: not an id of the form DTC-P1-001"
        elif entry.id.split("-")[1] != PREFIX.get(entry.phase):
            yield f"{entry.id}: stands under phase {entry.phase}"
        for name, value in msgspec.structs.asdict(entry).items():
            if isinstance(value, str) and value != value.strip():
                yield f"{entry.id}: {name} has blanks at an end"
            if value == "":
                yield f"{entry.id}: {name} is empty"
        if entry.method not in METHODS:
            yield f"{entry.id}: unknown method {entry.method}"
        if entry.level not in LEVELS:
            yield f"{entry.id}: belongs to no level"
        yield from _strength(entry)


def _strength(entry: Requirement) -> Iterator[str]:
    """The statement must hold the word of its strength; a MUST inside a SHOULD only as a side condition."""
    said = re.findall(r"\b(MUST|SHOULD|MAY)\b", entry.statement)
    word = entry.strength.value.upper()
    if word not in said:
        yield f"{entry.id}: is a {word}, its statement says {said or 'nothing'}"
    elif said[0] != word and entry.strength is not Strength.MUST:
        yield f"{entry.id}: is a {word}, its statement begins with {said[0]}"


def _interpretations(catalogue: Catalogue) -> Iterator[str]:
    readings = catalogue.interpretations
    if len(readings) != INTERPRETATION_COUNT:
        yield f"there are {len(readings)} interpretations, not {INTERPRETATION_COUNT}"
    for reading in readings.values():
        if not INTERPRETATION_ID.fullmatch(reading.id):
            yield f"{reading.id}: not an id of the form C-01"
        if not (reading.where and reading.gap and reading.resolution):
            yield f"{reading.id}: a text is empty"
        for entry in reading.entries:
            if entry not in catalogue.requirements:
                yield f"{reading.id}: names {entry}, which does not exist"
            elif reading.id not in catalogue.requirements[entry].interpretations:
                yield f"{reading.id}: names {entry}, which does not name it back"


def _readings_of_requirements(catalogue: Catalogue) -> Iterator[str]:
    readings = catalogue.interpretations
    for requirement in catalogue.requirements.values():
        for name in requirement.interpretations:
            if name not in readings:
                yield f"{requirement.id}: names {name}, which does not exist"
            elif requirement.id not in readings[name].entries:
                yield f"{requirement.id}: names {name}, which does not name it back"
        for name in INTERPRETATION_ID.findall(requirement.ambiguity or ""):
            if name not in requirement.interpretations:
                yield f"{requirement.id}: speaks of {name} but does not list it"


def _conditions(catalogue: Catalogue) -> Iterator[str]:
    for condition in catalogue.conditions.values():
        users = {entry.id for entry in catalogue.requirements.values() if entry.when == condition.id}
        if users != set(condition.requirements):
            yield f"condition {condition.id}: lists other requirements than those whose `when` names it"
        if not condition.keys and condition.observed is None:
            yield f"condition {condition.id}: nothing can make it hold"
        if not set(condition.partly) <= users:
            yield f"condition {condition.id}: speaks of a part of a requirement that it does not govern"
    conditional = {entry.id for entry in catalogue.requirements.values() if entry.when}
    for entry in catalogue.requirements.values():
        if entry.when and entry.when not in catalogue.conditions:
            yield f"{entry.id}: its condition {entry.when} does not exist"
    yield from _same(conditional, catalogue.levels.conditional, "conditional")
    programme = {entry.id for entry in catalogue.requirements.values() if entry.binds == "programme"}
    yield from _same(programme, catalogue.levels.programme, "programme")
    for entry in catalogue.requirements.values():
        if entry.binds not in ("target", "programme"):
            yield f"{entry.id}: binds {entry.binds}, which is neither target nor programme"


def _same(wanted: set[str], listed: Iterable[str], what: str) -> Iterator[str]:
    given = set(listed)
    for entry in sorted(wanted - given):
        yield f"levels.yaml: {what} lacks {entry}"
    for entry in sorted(given - wanted):
        yield f"levels.yaml: {what} lists {entry}, which is not"


def _levels(catalogue: Catalogue) -> Iterator[str]:
    if tuple(catalogue.levels.levels) != LEVELS:
        yield "levels.yaml: the levels are not bronze, silver, gold, platinum in this order"
    for level, needs in catalogue.levels.levels.items():
        for want in needs.wants:
            yield from tables_check.unknown(catalogue, want.requirements, f"levels.yaml: {level}, {want.key}")


def _vectors(catalogue: Catalogue) -> Iterator[str]:
    for vector, times in Counter(vector.id for vector in catalogue.vectors).items():
        if times > 1:
            yield f"{vector}: stands {times} times in vectors.json"
    for entry in catalogue.vectors:
        shape = VECTOR_ID.fullmatch(entry.id)
        if not shape or shape[1] != entry.requirement:
            yield f"{entry.id}: not an id of the form {entry.requirement}/what-it-shows"
        if entry.requirement not in catalogue.requirements:
            yield f"{entry.id}: its requirement does not exist"
        if entry.polarity not in ("positive", "negative") or entry.hazard not in HAZARDS or not entry.title:
            yield f"{entry.id}: unknown polarity or hazard, or no title"
    for name, reason in catalogue.waived.items():
        entry_id, _, polarity = name.partition("/")
        yield from tables_check.unknown(catalogue, [entry_id], "waived-vectors.yaml")
        if polarity not in ("", "positive", "negative") or not reason.strip():
            yield f"waived-vectors.yaml: {name} has an unknown polarity or no reason"


PARTS = (
    _requirements,
    _interpretations,
    _readings_of_requirements,
    _conditions,
    _levels,
    _vectors,
    tables_check.check,
)
