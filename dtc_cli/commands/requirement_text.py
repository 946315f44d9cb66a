"""One requirement in full, for a terminal: statement, examples, condition, readings, vectors."""

import shutil
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dtc_cli.core.catalogue import Catalogue
    from dtc_cli.core.model import Requirement

LABEL_WIDTH = 11
WIDEST = 110  # longer lines are hard to read
NARROWEST = 40


def in_full(catalogue: "Catalogue", entry: "Requirement") -> str:
    """The entry as wrapped text: labels on the left, texts on the right."""
    width = max(NARROWEST, min(shutil.get_terminal_size((WIDEST, 24)).columns, WIDEST))
    phase = f"phase {entry.phase}" if isinstance(entry.phase, int) else entry.phase
    lines = [
        f"{entry.id}  {entry.title}",
        f"  {entry.strength.value.upper()}, {entry.level.value}, {phase}, {entry.clause}",
    ]
    for label, text in _parts(catalogue, entry):
        lines += textwrap.wrap(
            text,
            width,
            initial_indent=f"  {label:<{LABEL_WIDTH}}",
            subsequent_indent=" " * (LABEL_WIDTH + 2),
            break_long_words=False,
            break_on_hyphens=False,
        )
    return "\n".join(lines)


def _parts(catalogue: "Catalogue", entry: "Requirement") -> Iterator[tuple[str, str]]:
    yield "check", f"{entry.check} (judged by {entry.method})"
    yield "statement", entry.statement
    yield "positive", entry.positive
    yield "negative", entry.negative
    if entry.error_code:
        yield "error", entry.error_code
    if entry.when:
        condition = catalogue.conditions[entry.when]
        yield "applies if", f"{condition.holds} ({condition.id})"
        if condition.keys not in ((), (condition.id,)):
            yield "", "declared by: " + " or ".join(condition.keys)
        if condition.observed:
            yield "", f"or observed: {condition.observed}"
        if entry.id in condition.partly:
            yield "", f"governs only a part: {condition.partly[entry.id]}"
    if entry.binds == "programme":
        yield "binds", "the programme of certification, not the target; it never holds a level back"
    if entry.ambiguity:
        yield "note", entry.ambiguity
    for number, name in enumerate(entry.interpretations):
        reading = catalogue.interpretations[name]
        yield "" if number else "readings", f"{name} ({reading.where}) {reading.gap}"
        yield "", f"read as: {reading.resolution}"
    own = [vector for vector in catalogue.vectors if vector.requirement == entry.id]
    if not own:
        yield "vectors", "none yet"
    for number, vector in enumerate(own):
        yield "" if number else "vectors", f"{vector.polarity} {vector.id}: {vector.title}"
