"""Coverage of the standard by vectors: what is lacking, what is excused, what is out of date."""

from dtc_cli.core.catalogue import load
from dtc_cli.core.coverage import Coverage, measure
from dtc_cli.core.model import Vector


def vector(requirement: str, polarity: str, slug: str = "case") -> Vector:
    return Vector(
        id=f"{requirement}/{slug}", requirement=requirement, polarity=polarity, hazard="read", title="t"
    )


def of(*ids: str, vectors: list[Vector], waived: dict[str, str] | None = None) -> Coverage:
    return measure([load().requirements[id_] for id_ in ids], vectors, waived or {})


def test_a_must_of_a_begun_phase_needs_both_polarities() -> None:
    result = of("DTC-P1-013", "DTC-P1-014", vectors=[vector("DTC-P1-013", "positive")])
    assert result.lacking == ("DTC-P1-013/negative", "DTC-P1-014/positive", "DTC-P1-014/negative")
    assert not result.complete


def test_a_phase_without_any_vector_is_not_judged() -> None:
    result = of(
        "DTC-P1-013",
        "DTC-P2-005",
        vectors=[vector("DTC-P1-013", "positive"), vector("DTC-P1-013", "negative", "b")],
    )
    assert result.complete
    assert [(phase.phase, phase.begun, phase.must_complete) for phase in result.phases] == [
        (1, True, 1),
        (2, False, 0),
    ]


def test_a_should_is_counted_but_never_lacking() -> None:
    result = of(
        "DTC-P1-012",
        "DTC-P1-013",
        vectors=[vector("DTC-P1-013", polarity, polarity) for polarity in ("positive", "negative")],
    )
    assert result.requirements[0].lacking == ("positive", "negative")
    assert result.complete


def test_a_waiver_excuses_its_polarity_only() -> None:
    waived = {"DTC-P1-013/negative": "nothing to refuse"}
    assert of("DTC-P1-013", vectors=[vector("DTC-P1-013", "positive")], waived=waived).complete
    other = of("DTC-P1-013", "DTC-P1-014", vectors=[vector("DTC-P1-014", "negative")], waived=waived)
    assert other.lacking == ("DTC-P1-013/positive", "DTC-P1-014/positive")


def test_a_bare_id_waives_both_polarities() -> None:
    vectors = [vector("DTC-P1-014", polarity, polarity) for polarity in ("positive", "negative")]
    assert of("DTC-P1-013", "DTC-P1-014", vectors=vectors, waived={"DTC-P1-013": "because"}).complete


def test_a_waiver_that_a_vector_has_overtaken_is_red() -> None:
    vectors = [vector("DTC-P1-013", polarity, polarity) for polarity in ("positive", "negative")]
    result = of("DTC-P1-013", vectors=vectors, waived={"DTC-P1-013/negative": "nothing to refuse"})
    assert result.lacking == ()
    assert result.stale == ("DTC-P1-013/negative",)
    assert not result.complete


def test_vectors_of_other_requirements_do_not_count() -> None:
    result = of("DTC-P1-013", vectors=[vector("DTC-P1-014", "positive")])
    assert (result.requirements[0].positive, result.phases[0].begun) == (0, False)
