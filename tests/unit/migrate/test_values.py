"""Single values, units, expressions and mappings of a plan."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from dtc_cli.errors import DtcError
from dtc_cli.migrate import suggest, units, values
from dtc_cli.migrate.expressions import compile_expression
from dtc_cli.migrate.mapping import Mapper
from dtc_cli.migrate.plan import parse
from dtc_cli.migrate.profile import FieldProfile, Profiler
from dtc_cli.migrate.table import Table, plain


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("12,5", 12.5),
        ("1,234.5", 1234.5),
        ("1,234,567", 1234567),
        (" 7 ", 7),
        ("", None),
        (None, None),
        (True, 1),
        ("1 234", 1234),
        (3.5, 3.5),
        (float("nan"), None),
        ("-0.5", -0.5),
        ("4294968191", 4294968191),
    ],
)
def test_a_number_of_a_register(given: Any, wanted: Any) -> None:
    assert values.number(given) == wanted


@pytest.mark.parametrize("given", ["abc", "1e999", "1_000", "nan"])
def test_what_is_no_number_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        values.number(given)


def test_text_loses_padding_and_keeps_digits() -> None:
    assert values.text(" a\x00 ") == "a"
    assert values.text(4294968191.0) == "4294968191"
    assert values.text(1.5) == "1.5"
    assert values.text(float("inf")) is None
    assert values.text(b"\x01") == "01"
    assert values.text(False) == "false"
    assert values.text("  ") is None


def test_integers_take_the_first_of_several() -> None:
    assert values.integer("2;3") == 2
    assert values.integer(" ") is None
    assert values.integer(2.6) == 3
    assert values.integer(None) is None
    with pytest.raises(ValueError, match="no whole number"):
        values.integer("two")


def test_yes_and_no_in_three_languages() -> None:
    assert [values.boolean(one) for one in ("Y", "예", "いいえ", "0", "", None, True)] == [
        True,
        True,
        False,
        False,
        None,
        None,
        True,
    ]
    with pytest.raises(ValueError, match="neither"):
        values.boolean("maybe")


def test_instants_carry_their_zone() -> None:
    assert values.instant("19980501", "%Y%m%d", "+09:00") == "1998-05-01T00:00:00+09:00"
    assert values.instant("2020-01-02 03:04:05", None, "Asia/Seoul") == "2020-01-02T03:04:05+09:00"
    assert values.instant(1577934245000, "epoch-ms", None) == "2020-01-02T03:04:05Z"
    assert values.instant("2020/01/02", None, "-0330") == "2020-01-02T00:00:00-03:30"
    assert values.instant(datetime(2020, 1, 2, tzinfo=UTC), None, None) == "2020-01-02T00:00:00Z"
    assert values.instant("  ", None, None) is None
    assert values.day(date(2020, 1, 2), None) == "2020-01-02"
    assert values.day(None, None) is None
    assert values.year("1998", None) == 1998
    assert values.year("19980501", "%Y%m%d") == 1998
    assert values.year("", "%Y") is None


@pytest.mark.parametrize("given", ["9999-12-31", "1900-01-00", "0001-01-01"])
def test_dates_that_stand_for_unknown_are_refused(given: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        values.instant(given, None, None)


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        values.zone("Mars/Base")


def test_units_become_those_of_the_standard() -> None:
    assert units.convert(100, "us-ft") == pytest.approx(30.480061)
    assert units.convert(100, "ft") == pytest.approx(30.48)
    assert units.convert(10, "pyeong") == pytest.approx(33.05785)
    assert units.convert(5, "storeys") == 15
    assert units.convert(212, "degF") == pytest.approx(100)
    assert units.convert(300, "K") == pytest.approx(26.85)
    assert units.convert(20, "degC") == 20
    assert units.convert(60, "mph") == pytest.approx(96.56064)
    assert not units.known("cubit")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("FLOORS * 3.3", 33.0),
        ("MISSING + 1", None),
        ("NAME or 'x'", "Hall"),
        ("1 if FLOORS > 5 else 0", 1),
        ("upper(NAME) + '!'", "HALL!"),
        ("part('a-b', '-', 1)", "b"),
        ("coalesce(MISSING, '', 7)", 7),
        ("round(number('2,55'), 1)", 2.5),
        ("FLOORS in [1, 10]", True),
        ("not MISSING", True),
        ("-FLOORS", -10),
        ("MISSING and 1", None),
        ("FLOORS and 1", 1),
        ("field('NAME')", "Hall"),
        ("min(3, MISSING, 2)", 2),
        ("MISSING < 1", False),
        ("2 ** 3", 8),
        ("7 // 2", 3),
        ("7 % 4", 3),
        ("length(NAME)", 4),
        ("MISSING or ''", ""),
        ("contains(NAME, 'al') and startswith(NAME, 'H')", True),
        ("replace(strip(' a '), 'a', 'b')", "b"),
        ("abs(0 - 3) + floor(1.5) + ceil(1.5) + max(1, 2)", 8),
        ("lower('A') + text(1)", "a1"),
    ],
)
def test_expressions(text: str, wanted: Any) -> None:
    assert compile_expression(text)({"NAME": "Hall", "FLOORS": 10}) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')",
        "NAME.__class__",
        "[x for x in NAME]",
        "lambda: 1",
        "1 <",
        "f'{NAME}'",
        "1 < 2 < 3",
        "unknown(1)",
        "field()",
        "~1",
        "NAME[0]",
        "a" * 501,
        "number(value=1)",
        "NAME is None",
        "(" * 400,
    ],
)
def test_what_an_expression_may_not_do(text: str) -> None:
    with pytest.raises(DtcError) as problem:
        compile_expression(text, where="plan.yaml")
    assert problem.value.code == "migration-plan"
    assert problem.value.where == "plan.yaml"


@pytest.mark.parametrize("text", ["9 ** 99", "'a' * 9", "'%d' % 9", "NAME * 3"])
def test_expressions_that_would_grow_are_stopped(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        compile_expression(text)({"NAME": "x" * 99})


PLAN = """
migration: 1
name: test
city: {id: KR-SEOUL-2025}
sources:
  - name: s
    path: x.gpkg
    layers:
      - name: l
        type: {from: KIND, table: kinds, default: Landmark}
        properties:
%s
tables:
  kinds: {"1": Building, "2": Road}
  uses: {"01000": residential}
"""


def one(made: Mapper, row: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Properties and rest of a single record."""
    table = Table({name: [value] for name, value in row.items()}, 1)
    return made.properties(table)[0], (made.rest(table) or [{}])[0]


def mapper(rules: str) -> Mapper:
    text = PLAN % "\n".join("          " + line for line in rules.strip().splitlines())
    plan = parse(text, source="plan.yaml", folder=Path())
    return Mapper(plan.sources[0].layers[0], plan.tables, "plan.yaml s/l")


def test_a_mapping_renames_converts_and_counts() -> None:
    made = mapper("""
name: {from: NM, default: unnamed}
height: {from: H, unit: ft, min: 0, max: 500}
floors.above: {from: GRO, as: integer}
floors.below: {value: 0}
buildingType: {from: USE, table: uses}
built: {from: DAY, as: instant, pattern: "%Y%m%d", zone: Asia/Seoul}
parts: {from: LIST, split: ";"}
address: {from: [A, B], join: ", "}
volume: {expr: "number(H) * 2"}
flag: {from: F, as: boolean}
label: {from: N, as: text}
year: {from: DAY, as: year, pattern: "%Y%m%d"}
day: {from: DAY, as: date, pattern: "%Y%m%d"}
amount: {from: N, as: number, nulls: [-9999]}
plain: 7
same: NM
""")
    row = {
        "NM": " Hall ",
        "H": "100",
        "GRO": "3",
        "USE": "01000",
        "DAY": "19980501",
        "LIST": "a; b;",
        "A": "x",
        "B": None,
        "F": "Y",
        "N": -9999,
        "REST": 5,
        "EMPTY": "",
        "KIND": "1",
    }
    properties, rest = one(made, row)
    assert properties == {
        "name": "Hall",
        "height": 30.48,
        "floors": {"above": 3, "below": 0},
        "buildingType": "residential",
        "built": "1998-05-01T00:00:00+09:00",
        "parts": ["a", "b"],
        "address": "x",
        "volume": 200,
        "flag": True,
        "label": "-9999",
        "year": 1998,
        "day": "1998-05-01",
        "plain": 7,
        "same": "Hall",
    }
    assert rest == {"REST": 5, "KIND": "1"}
    assert made.types(Table({"KIND": ["1", "9"]}, 2)) == ["Building", "Landmark"]
    bad, _ = one(made, {"H": "9999", "USE": "77", "DAY": "junk", "GRO": "x"})
    assert bad["buildingType"] == "77"
    assert bad["name"] == "unnamed"
    assert "height" not in bad
    assert made.notices["unknown code USE=77"] == 1
    assert made.notices["unknown code KIND=9"] == 1
    assert made.notices["height: out of range: 3047.6952"] == 1
    assert any(text.startswith("built: not instant") for text in made.notices)
    one(made, {"H": "x"})
    assert made.notices["expression failed: volume"] == 1


def test_a_mapping_with_an_unknown_unit_or_zone_is_refused() -> None:
    for rule in ("height: {from: H, unit: cubit}", "d: {from: D, as: instant, zone: Mars/Base}"):
        with pytest.raises(DtcError):
            mapper(rule)


def test_values_become_json() -> None:
    assert plain([1.0, (None, b"\x01"), {"a": 2**60}]) == [1, [None, "01"], {"a": str(2**60)}]
    assert plain(float("nan")) is None
    assert plain(date(2020, 1, 2)) == "2020-01-02"
    assert plain(complex(1)) == "(1+0j)"
    assert plain(True) is True


def profile(name: str, *column: Any) -> FieldProfile:
    made = Profiler(name, "number" if isinstance(column[0], float | int) else "text")
    made.add(list(column))
    return made.done()


@pytest.mark.parametrize(
    ("kind", "field", "member", "unit"),
    [
        ("Building", "HOEHE_M", "height", None),
        ("Building", "Höhe_m", "height", None),
        ("Building", "hoogte_ft", "height", "ft"),
        ("Building", "hauteur_cm", "height", "cm"),
        ("Road", "speed_mph", "maxSpeed", "mph"),
        ("Road", "MaxSpeed (mph)", "maxSpeed", "mph"),
        ("Road", "width_m", "width", None),
    ],
)
def test_a_unit_at_the_end_of_a_name_is_read_as_one(
    kind: str, field: str, member: str, unit: str | None
) -> None:
    (found,) = suggest.mapping(kind, [profile(field, 12.0, 13.5)])
    assert (found.member, found.unit) == (member, unit)
    assert found.confidence >= 0.9


def test_lines_with_lanes_are_roads_and_numbers_of_registers_are_keys() -> None:
    roads = [profile("wegnr", "00001", "00002"), profile("lanes", 1, 2), profile("speed_mph", 30, 50)]
    assert suggest.object_type("w", roads[1:2], "MultiLineString")[:2] == ("Road", 0.7)
    assert suggest.object_type("w", [], "MultiLineString")[:2] == ("Road", 0.3)
    assert suggest.object_type("w", roads[1:2], "Polygon")[0] == "Landmark"
    assert suggest.key_field(roads, None)[0] == "wegnr"
    assert suggest.key_field([profile("kadnr", "1", "2")], None)[0] == "kadnr"
    doubled = profile("pandid", "036", "037", "038", "038")
    assert suggest.key_field([doubled], None)[:2] == ("pandid", 0.5)
