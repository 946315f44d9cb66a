"""The rules of phase 1 beyond the vectors: warnings, modes, what counts as tested, one finding per fault."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from dtc_cli.core import catalogue
from dtc_cli.core.records import NOT_BY_DOCUMENT, Judgement, Severity, judge
from dtc_cli.core.records.measurements import PARAMETERS, label
from dtc_cli.core.records.patching import apply
from dtc_cli.core.records.placeholders import resolve
from dtc_cli.paths import SPEC, SUITES

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
BASES = SUITES / "phase1" / "vectors" / "base"
OBJECT = "/cityObjects/0"
NODE = "/sensorNetwork/nodes/0"
MEASUREMENT = NODE + "/measurements/0"
SIMULATION = "/simulations/0"
AGGREGATION = "/sensorNetwork/aggregations/0"


def base(name: str = "city") -> Any:
    return resolve(json.loads((BASES / f"{name}.json").read_bytes()), NOW)


def put(pointer: str, value: Any, name: str = "city") -> Any:
    return apply(base(name), [{"op": "add", "path": pointer, "value": value}])


def drop(pointer: str, name: str = "city") -> Any:
    return apply(base(name), [{"op": "remove", "path": pointer}])


def found(judgement: Judgement) -> list[tuple[str, str]]:
    return [(finding.requirement[-3:], finding.pointer) for finding in judgement.findings]


def test_every_base_but_the_faulty_one_is_without_any_finding() -> None:
    for path in sorted(BASES.glob("*.json")):
        if path.stem != "faulty":
            assert judge(base(path.stem), now=NOW, fragment="fragment" in path.stem).findings == (), path.stem


def test_the_bases_put_every_requirement_to_the_test_that_a_document_can_show() -> None:
    tested: set[str] = set()
    for path in BASES.glob("*.json"):
        tested |= set(judge(base(path.stem), now=NOW, fragment="fragment" in path.stem).exercised)
    wanted = {entry.id for entry in catalogue.load().requirements.values() if entry.phase == 1}
    assert wanted - tested == set(NOT_BY_DOCUMENT) - {"DTC-P1-088", "DTC-P1-089"}


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (put("/coordinateSystem/epsg", 3857), ("017", "/coordinateSystem/epsg")),
        (put("/coordinateSystem/epsg", 4326, "utm"), ("017", "/coordinateSystem/epsg")),
        (put("/coordinateSystem/zone", 29), ("018", "/coordinateSystem/zone")),
        (put("/coordinateSystem/zone", 61, "utm"), ("018", "/coordinateSystem/zone")),
        (put("/coordinateSystem/zone", "29X", "utm"), ("018", "/coordinateSystem/zone")),
        (drop("/coordinateSystem/zone", "utm"), ("018", "/coordinateSystem/zone")),
        (put("/$schema", 3), ("019", "/$schema")),
        (put("/metadata", []), ("021", "/metadata")),
        (drop("/metadata/created"), ("021", "/metadata/created")),
        (put("/metadata/updateFrequency", "5 minutes"), ("021", "/metadata/updateFrequency")),
        (put("/metadata/updateFrequency", -1), ("021", "/metadata/updateFrequency")),
        (put("/metadata/dataQuality", 1.7), ("021", "/metadata/dataQuality")),
        (put("/metadata/dataQuality", "95%"), ("021", "/metadata/dataQuality")),
        (put("/metadata/created", "2026-07-01T12:00:00Z"), ("022", "/metadata/created")),
        (put(OBJECT + "/type", "building"), ("029", OBJECT + "/type")),
        (put(OBJECT + "/properties/height", "50m"), ("030", OBJECT + "/properties/height")),
        (put(OBJECT + "/properties/height", True), ("030", OBJECT + "/properties/height")),
        (put(OBJECT + "/properties/floors", {"above": "six"}), ("030", OBJECT + "/properties/floors")),
        (put(OBJECT + "/properties/occupancy", 7), ("030", OBJECT + "/properties/occupancy")),
        (
            put("/cityObjects/4/properties/facilities", "a", "complete"),
            ("030", "/cityObjects/4/properties/facilities"),
        ),
        (
            put(OBJECT + "/properties/occupancy/current", 601),
            ("031", OBJECT + "/properties/occupancy/current"),
        ),
        (
            put(OBJECT + "/properties/occupancy", {"current": -1}),
            ("031", OBJECT + "/properties/occupancy/current"),
        ),
        (put(OBJECT + "/metadata", "survey"), ("034", OBJECT + "/metadata")),
        (put(OBJECT + "/metadata/accuracy", 98), ("034", OBJECT + "/metadata/accuracy")),
        (drop(OBJECT + "/metadata/dataSource"), ("034", OBJECT + "/metadata/dataSource")),
        (
            put(NODE + "/specifications/installDate", "15/06/2024"),
            ("012", NODE + "/specifications/installDate"),
        ),
        (
            put(NODE + "/specifications/calibrationDate", "2024-02-30"),
            ("012", NODE + "/specifications/calibrationDate"),
        ),
        (put(NODE + "/type", "environmental"), ("049", NODE + "/type")),
        (put(MEASUREMENT + "/confidence", 0.97), ("058", MEASUREMENT + "/quality")),
        (put(NODE + "/specifications", "DI-40"), ("070", NODE + "/specifications")),
        (
            put(NODE + "/specifications/updateInterval", "5min"),
            ("070", NODE + "/specifications/updateInterval"),
        ),
        (put(NODE + "/specifications/accuracy", 99), ("070", NODE + "/specifications/accuracy")),
        (drop(NODE + "/specifications/model"), ("070", NODE + "/specifications/model")),
        (put(AGGREGATION, "mean"), ("072", AGGREGATION)),
        (put(AGGREGATION + "/value", "24.1"), ("072", AGGREGATION + "/value")),
        (put(AGGREGATION + "/sensors", "sensor-hall-air"), ("072", AGGREGATION + "/sensors")),
        (drop(AGGREGATION + "/timestamp"), ("072", AGGREGATION + "/timestamp")),
        (drop(AGGREGATION + "/unit"), ("072", AGGREGATION + "/unit")),
        (put(AGGREGATION + "/coverage", {"type": "Circle"}), ("072", AGGREGATION + "/coverage")),
        (put(SIMULATION + "/type", "traffic"), ("077", SIMULATION + "/type")),
        (
            put(SIMULATION + "/results/averageSpeed", "31.4 km/h"),
            ("079", SIMULATION + "/results/averageSpeed"),
        ),
        (put(SIMULATION + "/results/queue", "40 m"), ("079", SIMULATION + "/results/queue")),
        (
            put(SIMULATION + "/results/queue", {"value": "40", "unit": "m"}),
            ("079", SIMULATION + "/results/queue"),
        ),
        (put(SIMULATION + "/results/efficiency", 88), ("079", SIMULATION + "/results/efficiency")),
        (put(SIMULATION + "/results/recommendations", {}), ("080", SIMULATION + "/results/recommendations")),
        (
            put(SIMULATION + "/results/recommendations/0", "x"),
            ("080", SIMULATION + "/results/recommendations/0"),
        ),
        (
            put(SIMULATION + "/results/recommendations/0/priority", "urgent"),
            ("080", SIMULATION + "/results/recommendations/0/priority"),
        ),
        (put(OBJECT + "/sensors/-", "ghost"), ("086", OBJECT + "/sensors/1")),
        (put(AGGREGATION + "/sensors/-", "ghost"), ("087", AGGREGATION + "/sensors/1")),
        (
            put(SIMULATION + "/results/affectedRoads", ["road-9"]),
            ("087", SIMULATION + "/results/affectedRoads/0"),
        ),
        (put(SIMULATION + "/id", "building-hall"), ("081", SIMULATION + "/id")),
        (put(NODE + "/status/operational", False), ("089", NODE + "/status/operational")),
        (put("/metadata/dataQuality", 0.59), ("088", "/metadata/dataQuality")),
        (put(MEASUREMENT + "/quality", "poor"), ("088", MEASUREMENT + "/quality")),
    ],
)
def test_what_should_be_is_one_warning(record: Any, expected: tuple[str, str]) -> None:
    judgement = judge(record, now=NOW)
    assert found(judgement) == [expected]
    assert judgement.valid
    assert judgement.warnings == judgement.findings


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (drop(OBJECT + "/geometry"), ("027", OBJECT + "/geometry")),
        (put(OBJECT + "/geometry", "POINT"), ("027", OBJECT + "/geometry")),
        (drop(OBJECT + "/id"), ("025", OBJECT + "/id")),
        (drop(NODE + "/id"), ("048", NODE + "/id")),
        (put("/cityObjects", None), ("024", "/cityObjects")),
        (put("/sensorNetwork", None), ("047", "/sensorNetwork")),
        (put("/sensorNetwork/nodes", None), ("047", "/sensorNetwork/nodes")),
        (put("/bounds", None), ("013", "/bounds")),
        (put("/coordinateSystem", []), ("015", "/coordinateSystem")),
        (drop("/coordinateSystem/epsg"), ("016", "/coordinateSystem/epsg")),
        (drop(MEASUREMENT + "/unit"), ("054", MEASUREMENT + "/unit")),
        (put(MEASUREMENT + "/unit", "kelvin"), ("068", MEASUREMENT + "/unit")),
        (put(MEASUREMENT + "/timestamp", 5), ("055", MEASUREMENT + "/timestamp")),
        (put(SIMULATION, 5), ("001", SIMULATION)),
        (put(SIMULATION + "/parameters", 5), ("075", SIMULATION + "/parameters")),
        (
            put(AGGREGATION + "/coverage/coordinates/0/-", [-8.62, 41.0]),
            ("037", AGGREGATION + "/coverage/coordinates/0"),
        ),
        (put(AGGREGATION + "/timestamp", 5), ("011", AGGREGATION + "/timestamp")),
        (put(NODE + "/attachedTo", 7), ("085", NODE + "/attachedTo")),
        (put("/sensorNetwork/nodes/-", "sensor-2"), ("048", "/sensorNetwork/nodes/1")),
        (put(NODE + "/location/coordinates", [-8.611]), ("050", NODE + "/location")),
        (drop(NODE + "/location/coordinates"), ("050", NODE + "/location")),
        (put(NODE + "/location", 5), ("050", NODE + "/location")),
        (drop(NODE + "/status/operational"), ("071", NODE + "/status/operational")),
        (put("/version", "1.0.0\n"), ("009", "/version")),
    ],
)
def test_a_broken_member_is_blamed_on_its_requirement_alone(record: Any, expected: tuple[str, str]) -> None:
    judgement = judge(record, now=NOW)
    assert found(judgement) == [expected]
    assert not judgement.valid


def test_properties_are_compulsory_in_strict_mode_and_advised_in_schema_mode() -> None:
    record = drop(OBJECT + "/properties")
    assert judge(record, now=NOW).findings[0].severity is Severity.ERROR
    assert judge(record, now=NOW, strict=False).findings[0].severity is Severity.WARNING
    wrong = put(OBJECT + "/properties", [])
    assert judge(wrong, now=NOW, strict=False).findings[0].severity is Severity.ERROR


def test_a_reference_that_dangles_is_an_error_against_a_live_city() -> None:
    record = put(OBJECT + "/sensors/-", "ghost")
    assert judge(record, now=NOW).valid
    assert [finding.requirement for finding in judge(record, now=NOW, live=True).errors] == ["DTC-P1-086"]


def test_a_fragment_is_judged_by_what_it_holds() -> None:
    fragment = {"sensorNetwork": base()["sensorNetwork"]}
    assert judge(fragment, now=NOW, fragment=True).findings == ()
    alone = judge(fragment, now=NOW)
    assert {finding.requirement[-3:] for finding in alone.errors} == {
        "002",
        "003",
        "004",
        "005",
        "006",
        "085",
    }
    assert "DTC-P1-085" not in judge(fragment, now=NOW, fragment=True).exercised
    fragment["cityObjects"] = []
    assert found(judge(fragment, now=NOW, fragment=True)) == [("085", NODE + "/attachedTo")]


def test_a_sensor_that_is_attached_to_null_refers_to_nothing() -> None:
    assert judge(put(NODE + "/attachedTo", None), now=NOW).findings == ()


def test_a_silent_sensor_is_old_by_the_records_own_time_and_by_the_clock_of_a_live_city() -> None:
    record = base()
    record["timestamp"] = "2026-07-01T15:00:00Z"
    record["sensorNetwork"]["nodes"][0]["measurements"][0]["timestamp"] = "2026-07-01T10:00:00Z"
    record["sensorNetwork"]["nodes"][0]["measurements"][1]["timestamp"] = "2026-07-01T11:00:00Z"
    assert found(judge(record, now=NOW)) == [("089", NODE + "/measurements")]
    assert judge(record, now=NOW, live=True).findings == ()


def test_the_quality_threshold_is_the_callers() -> None:
    record = put("/metadata/dataQuality", 0.7)
    assert judge(record, now=NOW).findings == ()
    assert found(judge(record, now=NOW, quality_threshold=0.8)) == [("088", "/metadata/dataQuality")]
    poor = put(MEASUREMENT + "/quality", "poor")
    assert judge(poor, now=NOW, quality_threshold=0.5).findings == ()
    doubtful = put(MEASUREMENT + "/confidence", 0.85)
    assert found(judge(doubtful, now=NOW, quality_threshold=0.9)) == [("088", MEASUREMENT)]


def test_the_future_begins_a_minute_after_now() -> None:
    assert judge(put(MEASUREMENT + "/timestamp", "2026-07-01T12:01:00Z"), now=NOW).findings == ()
    late = judge(put(MEASUREMENT + "/timestamp", "2026-07-01T12:01:00.001Z"), now=NOW)
    assert found(late) == [("082", MEASUREMENT + "/timestamp")]


@pytest.mark.parametrize(
    ("parameter", "unit", "value", "fits"),
    [
        ("energy_consumption", "kWh", 1000, True),
        ("energy_consumption", "kWh", 1001, False),
        ("water_flow", "liters/min", 1001, False),
    ],
)
def test_a_declared_maximum_limits_what_the_table_leaves_open(
    parameter: str, unit: str, value: float, fits: bool
) -> None:
    record = put(NODE + "/specifications/maxValue", 1000)
    reading = {"parameter": parameter, "unit": unit, "value": value, "quality": "good"}
    record["sensorNetwork"]["nodes"][0]["measurements"] = [{**reading, "timestamp": "2026-07-01T11:55:00Z"}]
    assert judge(record, now=NOW).valid is fits


def test_one_maximum_of_two_quantities_limits_neither() -> None:
    record = put(NODE + "/specifications/maxValue", 10)
    rows = [("energy_consumption", "kWh", 11), ("water_flow", "liters/min", 12)]
    record["sensorNetwork"]["nodes"][0]["measurements"] = [
        {"parameter": p, "unit": u, "value": v, "quality": "good", "timestamp": "2026-07-01T11:55:00Z"}
        for p, u, v in rows
    ]
    assert judge(record, now=NOW).findings == ()


@pytest.mark.parametrize(
    ("accuracy", "word"),
    [
        (1, "excellent"),
        (0.9501, "excellent"),
        (0.95, "good"),
        (0.8, "good"),
        (0.79, "fair"),
        (0.6, "fair"),
        (0.59, "poor"),
    ],
)
def test_quality_bands(accuracy: float, word: str) -> None:
    assert label(accuracy) == word


def test_the_parameter_table_is_that_of_the_catalogue() -> None:
    import yaml

    printed = yaml.safe_load((SPEC / "parameters.yaml").read_bytes())
    assert {row["name"] for row in printed} == set(PARAMETERS)
    for row in printed:
        ours = PARAMETERS[row["name"]]
        assert set(ours.ranges) == {unit["name"] for unit in row["units"]}
        assert ours.ranges[row["units"][0]["name"]] == (row["minimum"], row["maximum"])
        assert ours.requirement == row["requirement"]
        assert ours.integral is row.get("integral", False)


def test_what_nothing_exercises_is_not_counted() -> None:
    exercised = judge(base("minimal"), now=NOW).exercised
    assert exercised["DTC-P1-014"] == 1
    assert exercised["DTC-P1-040"] == 5
    assert not {"DTC-P1-037", "DTC-P1-041", "DTC-P1-061", "DTC-P1-083", "DTC-P1-085"} & set(exercised)
    complete = judge(base("complete"), now=NOW).exercised
    assert complete["DTC-P1-061"] == 1
    assert complete["DTC-P1-025"] == 9
    assert complete["DTC-P1-037"] == 7


FEATURE = "/features/0"


def features() -> Iterator[tuple[str, Callable[[Any], Any], list[tuple[str, str]]]]:
    yield "a collection", lambda f: {"type": "FeatureCollection", "features": [f]}, []
    yield "an empty one", lambda _: {"type": "FeatureCollection", "features": []}, []
    yield "no list", lambda _: {"type": "FeatureCollection", "features": {}}, [("045", "")]
    yield "no type", lambda f: {"features": [f]}, [("045", "")]
    yield "no feature", lambda _: {"type": "FeatureCollection", "features": [7]}, [("045", FEATURE)]
    yield "null geometry", lambda f: {**f, "geometry": None}, [("045", "/geometry")]
    yield "no properties", lambda f: {**f, "properties": None}, [("045", "/properties/cityObjectId")]
    yield "no type of its own", lambda f: {k: v for k, v in f.items() if k != "type"}, [("045", "/type")]
    yield (
        "outside the earth",
        lambda f: {**f, "geometry": {"type": "Point", "coordinates": [181, 0]}},
        [("040", "/geometry/coordinates")],
    )


@pytest.mark.parametrize(
    ("change", "expected"), [row[1:] for row in features()], ids=[row[0] for row in features()]
)
def test_features(change: Callable[[Any], Any], expected: list[tuple[str, str]]) -> None:
    assert found(judge(change(base("feature")), now=NOW)) == expected
