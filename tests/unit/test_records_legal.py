"""No false alarms: records drawn from all that the standard allows are valid, for us and for jsonschema."""

import json
import math
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import jsonschema
from hypothesis import given, settings
from hypothesis import strategies as st

from dtc_cli.core.records import judge, judge_text
from dtc_cli.core.records.bulk import judge_slices
from dtc_cli.core.records.finding import Settings
from dtc_cli.core.records.measurements import PARAMETERS, QUALITIES
from dtc_cli.paths import SPEC

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
SCHEMA = jsonschema.Draft7Validator(json.loads((SPEC / "schemas" / "record.schema.json").read_bytes()))

texts = st.text(st.characters(codec="utf-8"), max_size=8)
ids = texts.filter(bool)
junk: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), texts
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=5,
)
extra = st.dictionaries(texts.map("x-{}".format), junk, max_size=2)
ratios = st.one_of(st.floats(0, 1), st.sampled_from([0, 1, 0.0, 1.0]))


@st.composite
def past_instants(draw: st.DrawFn) -> str:
    """An RFC 3339 date-time of the past, in any form that the grammar has."""
    year, month, day = draw(st.integers(0, 2025)), draw(st.integers(1, 12)), draw(st.integers(1, 28))
    clock = f"{draw(st.integers(0, 23)):02}:{draw(st.integers(0, 59)):02}:{draw(st.integers(0, 59)):02}"
    fraction = draw(st.from_regex(r"\A(\.[0-9]{1,12})?\Z"))
    offset = f"{draw(st.sampled_from('+-'))}{draw(st.integers(0, 23)):02}:{draw(st.integers(0, 59)):02}"
    zone = draw(st.sampled_from(["Z", "z", "+00:00", "-00:00", "+14:00", offset]))
    return f"{year:04}-{month:02}-{day:02}{draw(st.sampled_from('Tt'))}{clock}{fraction}{zone}"


class City:
    """Strategies for one city: a box in one of the three coordinate systems, with a hole or without."""

    def __init__(self, system: str) -> None:
        self.system = {
            "WGS84": {"type": "WGS84", "epsg": 4326},
            "UTM": {"type": "UTM", "epsg": 32652.0, "zone": "52N"},
            "local": {"type": "local", "epsg": 0},
        }[system]
        self.west, self.south, self.east, self.north = {
            "WGS84": (126.5, 37.25, 127.5, 37.75),
            "UTM": (300_000.0, 4_100_000.0, 340_000.0, 4_200_000.0),
            "local": (-1000.0, -500.0, 1e7, 0.0),
        }[system]
        across, up = st.floats(self.west, self.east), st.floats(self.south, self.north)
        edge = st.sampled_from([(self.west, self.south), (self.east, self.north), (self.east, self.south)])
        flat = st.one_of(st.tuples(across, up), edge).map(list)
        self.positions = st.one_of(flat, st.tuples(flat, st.floats(-500, 9000)).map(lambda p: [*p[0], p[1]]))

    def bounds(self) -> dict[str, Any]:
        w, s, e, n = self.west, self.south, self.east, self.north
        return {"type": "Polygon", "coordinates": [[[w, s], [e, s], [e, n], [w, n], [w, s]]]}

    def rings(self) -> st.SearchStrategy[list[list[float]]]:
        return st.lists(self.positions, min_size=3, max_size=6).map(lambda some: [*some, list(some[0])])

    def geometries(self) -> st.SearchStrategy[dict[str, Any]]:
        line = st.lists(self.positions, min_size=2, max_size=4)
        polygon = st.lists(self.rings(), min_size=1, max_size=2)
        shapes = {
            "Point": self.positions,
            "MultiPoint": st.lists(self.positions, max_size=3),
            "LineString": line,
            "MultiLineString": st.lists(line, max_size=2),
            "Polygon": polygon,
            "MultiPolygon": st.lists(polygon, max_size=2),
        }
        simple = st.one_of(
            *(st.fixed_dictionaries({"type": st.just(name), "coordinates": c}) for name, c in shapes.items())
        )
        collected = st.recursive(
            simple,
            lambda inner: st.fixed_dictionaries(
                {"type": st.just("GeometryCollection"), "geometries": st.lists(inner, max_size=2)}
            ),
            max_leaves=3,
        )
        lods = st.sampled_from([{}, {"lod": 0}, {"lod": 4}, {"lod": 2.0}])
        return st.builds(lambda shape, lod, more: {**shape, **lod, **more}, collected, lods, extra)


@st.composite
def measurements(draw: st.DrawFn) -> dict[str, Any]:
    name = draw(st.sampled_from(sorted(PARAMETERS)))
    row = PARAMETERS[name]
    unit = draw(st.sampled_from(sorted(row.ranges)))
    low, high = row.ranges[unit]
    top = 1e6 if high is None else high
    whole = st.integers(int(low), int(top))
    value = draw(
        st.one_of(whole, whole.map(float)) if row.integral else st.one_of(whole, st.floats(low, top))
    )
    listed = {"parameter": name, "value": value, "unit": unit}
    other = {
        "parameter": draw(texts.map("my_{}".format)),
        "value": draw(st.floats(-1e9, 1e9)),
        "unit": draw(texts),
    }
    optional = draw(st.fixed_dictionaries({}, optional={"confidence": ratios}))
    return {
        **draw(st.sampled_from([listed, other])),
        "timestamp": draw(past_instants()),
        "quality": draw(st.sampled_from(QUALITIES)),
        **optional,
        **draw(extra),
    }


def simulations() -> st.SearchStrategy[dict[str, Any]]:
    span = st.tuples(past_instants(), st.just("2026-01-01T00:00:00Z")).map(
        lambda p: {"start": p[0], "end": p[1]}
    )
    return st.builds(
        lambda a, b: {**a, **b},
        st.fixed_dictionaries(
            {
                "type": texts,
                "parameters": st.one_of(extra, st.fixed_dictionaries({"timeRange": span})),
                "results": st.dictionaries(texts, junk, max_size=3),
            },
            optional={
                "status": texts,
                "confidence": ratios,
                "timestamp": past_instants(),
                "validUntil": past_instants(),
            },
        ),
        extra,
    )


@st.composite
def records(draw: st.DrawFn) -> dict[str, Any]:
    city = City(draw(st.sampled_from(["WGS84", "UTM", "local"])))
    names = draw(st.lists(ids, unique=True, min_size=6, max_size=6))
    objects = [
        {
            "id": name,
            "type": draw(st.one_of(texts, st.sampled_from(["Building", "Road", "Park"]))),
            "geometry": draw(city.geometries()),
            "properties": draw(st.dictionaries(texts, junk, max_size=3)),
            **draw(st.fixed_dictionaries({}, optional={"sensors": st.lists(texts, max_size=2)})),
            **draw(extra),
        }
        for name in names[: draw(st.integers(0, 2))]
    ]
    attached = [{}, {"attachedTo": None}, *({"attachedTo": item["id"]} for item in objects)]
    status = st.fixed_dictionaries(
        {"operational": st.booleans()},
        optional={
            "battery": st.one_of(st.floats(0, 100), st.integers(0, 100)),
            "lastMaintenance": past_instants(),
        },
    )
    nodes = [
        {
            "id": name,
            "type": draw(texts),
            **draw(st.sampled_from(attached)),
            **draw(
                st.fixed_dictionaries(
                    {},
                    optional={
                        "location": city.positions.map(lambda p: {"type": "Point", "coordinates": p}),
                        "measurements": st.lists(measurements(), max_size=2),
                        "status": status,
                        "specifications": junk,
                    },
                )
            ),
        }
        for name in names[2 : 2 + draw(st.integers(0, 2))]
    ]
    optional = {
        "$schema": texts,
        "cityObjects": st.just(objects),
        "simulations": st.lists(simulations(), max_size=2).map(
            lambda some: [{"id": name, **one} for name, one in zip(names[4:], some, strict=False)]
        ),
        "services": st.lists(junk, max_size=2),
        "metadata": st.one_of(junk, st.fixed_dictionaries({"created": past_instants(), "dataQuality": junk})),
    }
    record = {
        "version": draw(st.from_regex(r"\A[0-9]+\.[0-9]+\.[0-9]+\Z")),
        "cityId": draw(st.from_regex(r"\A[A-Z]{2}-[A-Z0-9]+-[0-9]{4}\Z")),
        "timestamp": draw(past_instants()),
        "bounds": {**city.bounds(), **draw(extra)},
        "coordinateSystem": {**city.system, **draw(extra)},
        **draw(st.fixed_dictionaries({}, optional=optional)),
        **draw(extra),
    }
    if any("attachedTo" in node for node in nodes):
        record["cityObjects"] = objects
    record["sensorNetwork"] = {"nodes": nodes, **draw(extra)}
    return record


@settings(max_examples=120, deadline=None)
@given(records())
def test_whatever_the_standard_allows_is_valid(record: dict[str, Any]) -> None:
    judgement = judge(record, now=NOW)
    assert judgement.errors == ()
    assert SCHEMA.is_valid(record)
    text = json.dumps(record, ensure_ascii=False).encode()
    assert judge_text(text, now=NOW) == judgement
    assert judge_slices(text, Settings(now=NOW)) in (None, judgement)


@settings(max_examples=100, deadline=None)
@given(st.integers(3, 60), st.floats(0.001, 80), st.floats(-90, 90), st.floats(-9, 9))
def test_a_round_city_holds_its_own_edge(corners: int, radius: float, lon: float, lat: float) -> None:
    ring = [
        [
            lon + radius * math.cos(2 * math.pi * n / corners),
            lat + radius * math.sin(2 * math.pi * n / corners),
        ]
        for n in range(corners)
    ]
    middles = [[(a[0] + b[0]) / 2, (a[1] + b[1]) / 2] for a, b in pairwise(ring)]
    record = {
        "bounds": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]},
        "coordinateSystem": {"type": "WGS84", "epsg": 4326},
        "cityObjects": [
            {
                "id": "a",
                "type": "Park",
                "properties": {},
                "geometry": {"type": "MultiPoint", "coordinates": ring + middles},
            }
        ],
    }
    assert judge(record, now=NOW, fragment=True).errors == ()
