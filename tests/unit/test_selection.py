"""The selector grammar."""

import pytest

from dtc_cli.core import plan
from dtc_cli.core.catalogue import load
from dtc_cli.core.model import Level
from dtc_cli.core.selection import parse
from dtc_cli.errors import DtcError

FAILED = {"DTC-P1-008/validator.reject-lower-case"}


def selected(expression: str, level: Level = Level.PLATINUM) -> set[str]:
    entries = load()
    rule = parse(expression, entries.requirements, lambda run: FAILED if run == "runs/one" else set())
    made = plan.make(entries.requirements.values(), entries.vectors, level, {}, rule)
    assert {entry.id for entry in made.requirements} == {vector.requirement for vector in made.vectors}
    return {vector.id for vector in made.vectors}


def everything(level: Level = Level.PLATINUM) -> set[str]:
    entries = load()
    made = plan.make(entries.requirements.values(), entries.vectors, level, {})
    return {vector.id for vector in made.vectors}


def test_a_requirement_in_any_case() -> None:
    found = selected("dtc-p1-008")
    assert found
    assert {vector.partition("/")[0] for vector in found} == {"DTC-P1-008"}


def test_a_glob_over_requirements_and_over_vectors() -> None:
    assert {vector[:9] for vector in selected("DTC-P1-06*")} == {"DTC-P1-06"}
    one = selected("DTC-P1-008/documents")
    assert one == {"DTC-P1-008/documents"}
    assert selected("DTC-P1-008/*") == selected("DTC-P1-008")


@pytest.mark.parametrize(
    "expression",
    [
        "phase:1",
        "level:bronze",
        "check:Timestamp format",
        'clause:"P1 7.1"',
        "strength:should",
        "hazard:read",
    ],
)
def test_each_word_selects_a_part(expression: str) -> None:
    assert set() < selected(expression) < everything()


def test_a_clause_holds_its_sub_clauses_and_no_namesake() -> None:
    assert selected("clause:P1 4.1") < selected("clause:P1 4")
    assert not selected("clause:P1 3.1") & (selected("clause:P1 3.2.2") - selected("clause:P1 3.1"))


def test_terms_add_and_take_away() -> None:
    both = selected("DTC-P1-008,DTC-P1-009")
    assert both == selected("DTC-P1-008") | selected("DTC-P1-009")
    assert selected("phase:1,!strength:should") == selected("phase:1") - selected("strength:should")
    assert selected("!phase:1") == everything() - selected("phase:1")


def test_what_failed_before() -> None:
    assert selected("failed:runs/one") == FAILED & everything()


def test_a_level_bounds_the_selection() -> None:
    assert selected("strength:must", Level.BRONZE) <= everything(Level.BRONZE)


@pytest.mark.parametrize(
    ("expression", "hint"),
    [
        ("DTC-P1-999", "DTC-P1-0"),
        ("phase:9", ""),
        ("chekc:Pagination", "check"),
        ("check:Paginaton", "Pagination"),
        ("level:lead", ""),
        ("clause:P9 1", ""),
        ("nonsense", ""),
        ("phase:", ""),
        (" , ", ""),
    ],
)
def test_a_term_that_selects_nothing_is_explained(expression: str, hint: str) -> None:
    with pytest.raises(DtcError) as caught:
        selected(expression)
    assert caught.value.code == "selection"
    assert hint in caught.value.hint
