"""The catalogue of the standard: it is whole, and its check notices when it is not."""

import hashlib
import json
import re
import shutil
from pathlib import Path

import pytest

from dtc_cli import paths
from dtc_cli.core.catalogue import Catalogue, check, for_level, load
from dtc_cli.core.model import LEVELS, Level, Strength
from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the data that a test may damage."""
    return Path(shutil.copytree(paths.SPEC, tmp_path / "spec"))


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text, f"the test's text is not in {file.name}"
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_the_catalogue_is_whole() -> None:
    assert check(load()) == []


def test_it_holds_every_requirement_once_and_in_order() -> None:
    ids = list(load().requirements)
    expected = [
        f"DTC-{part}-{number:03}"
        for part, count in (("P1", 92), ("P2", 108), ("P3", 87), ("P4", 47), ("PERF", 10), ("SEC", 24))
        for number in range(1, count + 1)
    ]
    assert ids == expected
    strengths = [entry.strength for entry in load().requirements.values()]
    assert [strengths.count(word) for word in Strength] == [292, 70, 6]


def test_it_holds_every_reading_in_order() -> None:
    assert list(load().interpretations) == [f"C-{number:02}" for number in range(1, 143)]


@pytest.mark.parametrize(
    ("level", "count"),
    [(Level.NONE, 0), (Level.BRONZE, 101), (Level.SILVER, 209), (Level.GOLD, 296), (Level.PLATINUM, 368)],
)
def test_a_level_asks_for_all_below_it(level: Level, count: int) -> None:
    entries = for_level(level)
    assert len(entries) == count
    assert all(entry.level.rank <= level.rank for entry in entries)


def test_what_is_only_declared_or_provoked_is_conditional() -> None:
    entries = load().requirements
    conditions = {
        "DTC-P2-060": "declares.quality_threshold",
        "DTC-P2-071": "provoke.slow_simulation",
        "DTC-P2-073": "provoke.failed_simulation",
        "DTC-P2-074": "provoke.slow_simulation",
        "DTC-P2-077": "target.has_service",
        "DTC-P2-104": "stream.declared",
        "DTC-P3-043": "client.declared",
        "DTC-P3-082": "declares.mtls",
        "DTC-P3-086": "declares.signing",
        "DTC-P3-087": "provoke.alert",
    }
    assert {id_: entries[id_].when for id_ in conditions} == conditions


def test_no_requirement_of_authentication_or_format_is_conditional() -> None:
    avoidable = [
        entry.id
        for entry in load().requirements.values()
        if entry.when
        and entry.check.partition("/")[2] in ("Authentication mechanisms", "Required fields presence")
    ]
    assert avoidable == []


def test_nine_entries_bind_the_programme() -> None:
    programme = [entry.id for entry in load().requirements.values() if entry.binds == "programme"]
    assert programme == [f"DTC-P4-{number:03}" for number in range(39, 48)]


def test_a_target_file_for_bronze_needs_records_and_a_way_to_refuse() -> None:
    needs = load().levels.levels[Level.BRONZE].needs
    documents_only = {"documents"}
    with_validator = {"documents", "validator"}
    over_rest = {"rest.base_url", "auth.api_keys.admin"}
    assert [need.met_by(documents_only) for need in needs] == [True, False]
    assert all(need.met_by(with_validator) for need in needs)
    assert all(need.met_by(over_rest) for need in needs)


def test_a_level_includes_the_needs_below_it() -> None:
    levels = load().levels
    assert [len(levels.up_to(level)) for level in LEVELS] == [1, 2, 3, 4]
    assert levels.up_to(Level.GOLD)[-1].title.startswith("phases 1 to 3")


def test_keys_of_conditions_and_levels_exist_in_the_target_file() -> None:
    schema = load().schemas["target"]
    known = {"hazards.load", "hazards.security"}  # members of a list

    def walk(node: dict[str, object], prefix: str) -> None:
        properties = node.get("properties", {})
        assert isinstance(properties, dict)
        for name, child in properties.items():
            known.add(f"{prefix}{name}")
            walk(child, f"{prefix}{name}.")

    walk(schema, "")
    levels = load().levels.levels.values()
    named = {key for condition in load().conditions.values() for key in condition.keys}
    named |= {want.key for needs in levels for want in needs.wants}
    named |= {key for needs in levels for need in needs.needs for keys in need.any_of for key in keys}
    assert named - known == set()


def test_the_digest_follows_from_sha256sum_lines(copy: Path) -> None:
    lines = sorted(
        (file.relative_to(copy).as_posix(), hashlib.sha256(file.read_bytes()).hexdigest())
        for file in copy.rglob("*")
        if file.is_file()
    )
    text = "".join(f"{digest}  {name}\n" for name, digest in lines)
    assert Catalogue(copy).digest == hashlib.sha256(text.encode()).hexdigest()


def test_the_digest_notices_every_change(copy: Path) -> None:
    before = Catalogue(copy).digest
    (copy / ".cache").write_text("no data")
    assert Catalogue(copy).digest == before
    (copy / "schemas" / "city.schema.json").rename(copy / "schemas" / "town.schema.json")
    renamed = Catalogue(copy).digest
    edit(copy / "limits.yaml", "value: 60,", "value: 61,")
    assert len({before, renamed, Catalogue(copy).digest}) == 3


DAMAGE = [
    ("requirements/phase1.yaml", "id: DTC-P1-001", "id: DTC-P1-1", "not an id of the form"),
    ("requirements/phase1.yaml", "id: DTC-P1-001", "id: DTC-P2-999", "DTC-P2-999: stands under phase 1"),
    (
        "requirements/phase1.yaml",
        "title: Record is one JSON object",
        "title: ''",
        "DTC-P1-001: title is empty",
    ),
    ("requirements/phase1.yaml", "record MUST be", "record will be", "is a MUST, its statement says nothing"),
    ("requirements/phase1.yaml", "strength: must", "strength: may", "DTC-P1-001: is a MAY"),
    ("requirements/phase2.yaml", "interpretations: [C-53]", "interpretations: []", "speaks of C-53"),
    (
        "requirements/phase2.yaml",
        "interpretations: [C-53]",
        "interpretations: [C-53, C-99]",
        "does not name it back",
    ),
    (
        "requirements/phase2.yaml",
        "interpretations: [C-53]",
        "interpretations: [C-999]",
        "C-999, which does not exist",
    ),
    (
        "requirements/phase2.yaml",
        "when: stream.declared",
        "when: stream.wished",
        "stream.wished does not exist",
    ),
    (
        "requirements/phase2.yaml",
        "  when: stream.declared\n",
        "",
        "conditional lists DTC-P2-104, which is not",
    ),
    ("requirements/phase2.yaml", "CITY_NOT_FOUND (1001)", "CITY_NOT_FOUND (1003)", "has not the number 1003"),
    ("requirements/phase2.yaml", "CITY_NOT_FOUND (1001)", "CITY_MISSING", "CITY_MISSING does not exist"),
    (
        "requirements/phase1.yaml",
        "phase1/Timestamp format",
        "phase1/Timestamps",
        "phase1/Timestamps does not exist",
    ),
    ("requirements/phase4.yaml", "  binds: programme\n", "", "programme lists DTC-P4-039, which is not"),
    ("interpretations.yaml", "entries: [DTC-P1-057]", "entries: [DTC-P1-058]", "does not name it back"),
    ("interpretations.yaml", "where: P1 6.1", "where: ''", "a text is empty"),
    ("conditions.yaml", "[DTC-P3-082]", "[DTC-P3-083]", "lists other requirements"),
    ("levels.yaml", "  - DTC-P1-045\n", "", "conditional lacks DTC-P1-045"),
    ("levels.yaml", "[DTC-P2-091]", "[DTC-P2-910]", "DTC-P2-910 does not exist"),
    ("waived-vectors.yaml", "DTC-P1-032/negative", "DTC-P1-032/neither", "unknown polarity"),
    ("codes.yaml", "number: 1002", "number: 1001", "1001 stands 2 times"),
    ("codes.yaml", "codes: [CITY_NOT_FOUND]", "codes: [CITY_UNKNOWN]", "CITY_UNKNOWN does not exist"),
    ("codes.yaml", "statuses: [409], codes: [DUP", "statuses: [400], codes: [DUP", "none of its statuses"),
    ("codes.yaml", "api: [OUT_OF_BOUNDS]", "api: [OUTSIDE]", "ERR_OUT_OF_BOUNDS names a code or a rule"),
    ("parameters.yaml", "binary_id: 2", "binary_id: 1", "1 stands 2 times"),
    ("parameters.yaml", "maximum: 60", "maximum: -60", "temperature has an empty range"),
    ("vocabularies.yaml", "{value: excellent", "{value: good", "good stands 2 times"),
    ("topics.yaml", "event: alert:created", "event: alert.created", "alert.created, which is no event"),
    ("messages.yaml", "offset: 50, size: 8", "offset: 50, size: 4", "quality does not begin where"),
    ("messages.yaml", "answered_by: [PONG]", "answered_by: [PENG]", "PING has an unknown answer"),
    ("limits.yaml", "[DTC-P1-088]", "[DTC-P1-880]", "DTC-P1-880 does not exist"),
    ("operations.yaml", "response: city,", "response: town,", "the schema town does not exist"),
    ("operations.yaml", "strength: must, statuses: [202]", "strength: may, statuses: [202]", "21 operations"),
    ("schemas/city.schema.json", '"type": "object"', '"type": "objekt"', "schemas/city: "),
    ("schemas/city.schema.json", "$defs/instant", "$defs/instance", "leads nowhere"),
]


@pytest.mark.parametrize(("name", "old", "new", "sentence"), DAMAGE)
def test_a_defect_of_the_data_is_named(copy: Path, name: str, old: str, new: str, sentence: str) -> None:
    edit(copy / name, old, new)
    assert any(sentence in problem for problem in check(Catalogue(copy)))


def test_a_lost_requirement_is_noticed(copy: Path) -> None:
    file = copy / "requirements" / "security.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text[: text.index("- id: DTC-SEC-024")], encoding="utf-8")
    problems = check(Catalogue(copy))
    assert "there are 367 requirements, not 368" in problems


@pytest.mark.parametrize(
    ("vector", "sentence"),
    [
        ({"id": "DTC-P1-001/Upper"}, "not an id of the form"),
        ({"id": "DTC-P1-002/reject-array"}, "not an id of the form"),
        ({"requirement": "DTC-P1-900", "id": "DTC-P1-900/reject-array"}, "its requirement does not exist"),
        ({"polarity": "neutral"}, "unknown polarity or hazard"),
        ({"title": ""}, "no title"),
    ],
)
def test_a_bad_vector_is_named(copy: Path, vector: dict[str, str], sentence: str) -> None:
    good = {
        "id": "DTC-P1-001/reject-array",
        "requirement": "DTC-P1-001",
        "polarity": "negative",
        "hazard": "read",
        "title": "a top-level array is refused",
    }
    (copy / "vectors.json").write_text(json.dumps([good]))
    assert not any(
        "vectors.json" in problem or "DTC-P1-001/" in problem for problem in check(Catalogue(copy))
    )
    (copy / "vectors.json").write_text(json.dumps([good | vector]))
    assert any(sentence in problem for problem in check(Catalogue(copy)))
    (copy / "vectors.json").write_text(json.dumps([good, good]))
    assert "DTC-P1-001/reject-array: stands 2 times in vectors.json" in check(Catalogue(copy))


def test_vectors_are_sorted_by_id(copy: Path) -> None:
    rows = [
        {
            "id": f"DTC-P1-001/{slug}",
            "requirement": "DTC-P1-001",
            "polarity": "negative",
            "hazard": "read",
            "title": "t",
        }
        for slug in ("reject-text", "reject-array")
    ]
    (copy / "vectors.json").write_text(json.dumps(rows))
    assert [vector.id for vector in Catalogue(copy).vectors] == [
        "DTC-P1-001/reject-array",
        "DTC-P1-001/reject-text",
    ]


def read_all(catalogue: Catalogue) -> list[object]:
    return [catalogue.requirements, catalogue.limits, catalogue.vectors, catalogue.schemas]


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("requirements/phase1.yaml", "- {id: [", "flow"),
        ("requirements/phase1.yaml", "- {id: DTC-P1-001}", "missing required field"),
        ("limits.yaml", "- {name: A, worth: 1}", "worth"),
        ("vectors.json", "[", "Expecting value"),
        ("schemas/city.schema.json", "{", "property name"),
    ],
)
def test_a_file_of_another_shape_is_our_bug(copy: Path, name: str, content: str, why: str) -> None:
    (copy / name).write_text(content)
    catalogue = Catalogue(copy)
    with pytest.raises(DtcError) as caught:
        read_all(catalogue)
    assert caught.value.code == "catalogue-damaged"
    assert caught.value.exit_code is ExitCode.BUG
    assert caught.value.where.endswith(name)
    assert why in caught.value.why
    assert any(why in problem for problem in check(Catalogue(copy)))


def test_a_missing_file_is_our_bug(copy: Path) -> None:
    (copy / "topics.yaml").unlink()
    with pytest.raises(DtcError, match="cannot be read"):
        Catalogue(copy).topics  # noqa: B018  (reading it is what fails)


def test_two_rows_of_one_name_are_refused(copy: Path) -> None:
    edit(copy / "requirements" / "phase1.yaml", "id: DTC-P1-002", "id: DTC-P1-001")
    with pytest.raises(DtcError) as caught:
        len(Catalogue(copy).requirements)
    assert re.search("two rows of requirements", caught.value.why)
