"""The SensorThings facade: what the query options promise, and a client of another maker."""
# ruff: noqa: E501 - a filter is read best on one line

from typing import Any

import frost_sta_client as fsc  # type: ignore[import-untyped]
import pytest
import requests
from frost_sta_client.service.auth_handler import AuthHandler  # type: ignore[import-untyped]

from reference_server import instants

STREAM = "Datastreams('sensor-environmental-001:humidity')"
NEWEST = "$orderby=phenomenonTime desc"


def ask(twin: Any, path: str, status: int = 200) -> Any:
    url = path if path.startswith("http") else f"{twin.origin}/sta/KR-BUSAN-2025/v1.1/{path}".rstrip("/")
    answer = twin.call("GET", url, role="viewer")
    assert answer.status_code == status, answer.text[:300]
    return answer.json() if answer.headers["content-type"] == "application/json" else answer.text


def ids(page: Any) -> list[str]:
    return [one["@iot.id"] for one in page["value"]]


def walk(twin: Any, path: str) -> list[Any]:
    found, url = [], path
    while url:
        page = ask(twin, url)
        found += page["value"]
        url = page.get("@iot.nextLink", "")
    return found


def test_the_root_lists_the_eight_sets_and_every_link_leads_somewhere(untouched: Any) -> None:
    sets = {one["name"]: one["url"] for one in ask(untouched, "")["value"]}
    assert len(sets) == 8
    for name, url in sets.items():
        page = ask(untouched, f"{url}?$top=1")
        first = page["value"][0]
        again = ask(untouched, first["@iot.selfLink"])
        assert again == first, name
        for member, link in first.items():
            if member.endswith("@iot.navigationLink"):
                assert ask(untouched, link)


def test_things_are_the_objects_and_the_city(untouched: Any) -> None:
    total = untouched.get("/statistics")["cityObjects"]["total"]
    assert ask(untouched, "Things?$count=true&$top=1")["@iot.count"] == total + 1
    assert ask(untouched, "Things/$count") == str(total + 1)
    every = [one["@iot.id"] for one in walk(untouched, "Things?$top=40&$select=id")]
    assert len(every) == len(set(every)) == total + 1
    api = untouched.get("/objects/building-000001")
    thing = ask(untouched, "Things('building-000001')?$expand=Locations,Datastreams($select=id)")
    assert thing["name"] == api["properties"]["name"]
    assert thing["Locations"][0]["location"]["coordinates"] == api["geometry"]["coordinates"]
    sensors = untouched.get("/sensors", params={"attachedTo": "building-000001"})["sensors"]
    assert {one["@iot.id"].partition(":")[0] for one in thing["Datastreams"]} == {
        one["id"] for one in sensors
    }
    free = [one for one in untouched.get("/sensors?limit=1000")["sensors"] if one.get("attachedTo") is None]
    of_city = walk(untouched, "Things('KR-BUSAN-2025')/Datastreams")
    assert {one["properties"]["sensorId"] for one in of_city} == {one["id"] for one in free}


def test_observations_are_the_readings(untouched: Any) -> None:
    api = untouched.get(
        "/sensors/sensor-environmental-001/data?parameter=humidity&start=2000-01-01T00:00:00Z"
    )
    values = [(one["timestamp"], one["value"]) for one in api["measurements"]]
    seen = [
        (one["phenomenonTime"], one["result"]) for one in walk(untouched, f"{STREAM}/Observations?$top=50")
    ]
    assert seen == values
    newest = ask(untouched, f"{STREAM}/Observations?$top=3&$count=true&{NEWEST}")
    assert newest["@iot.count"] == len(values)
    assert [one["phenomenonTime"] for one in newest["value"]] == [at for at, _ in values[:-4:-1]]
    oldest_first = walk(
        untouched, f"{STREAM}/Observations?$orderby=result,phenomenonTime&$top=1000&$select=result"
    )
    assert [one["result"] for one in oldest_first] == sorted(value for _, value in values)
    start, end = (instants.show(instants.parse(values[i][0]) or 0) for i in (3, 8))
    between = f"phenomenonTime ge {start} and phenomenonTime lt {end}"
    page = ask(untouched, f"{STREAM}/Observations?$filter={between}&$count=true&{NEWEST}")
    assert [one["phenomenonTime"] for one in page["value"]] == [at for at, _ in values[7:2:-1]]
    assert page["@iot.count"] == 5
    backwards = f"{end} gt phenomenonTime and {start} le phenomenonTime"
    assert ids(ask(untouched, f"{STREAM}/Observations?$filter={backwards}")) == ids(page)[::-1]
    one = page["value"][0]
    assert (
        ask(untouched, one["Datastream@iot.navigationLink"])["@iot.id"] == "sensor-environmental-001:humidity"
    )
    assert ask(untouched, one["FeatureOfInterest@iot.navigationLink"])["feature"]["type"] == "Point"
    assert ask(untouched, f"{STREAM}/Observations('{one['@iot.id']}')") == one
    assert ask(untouched, f"Observations('{one['@iot.id']}')/result/$value") == str(one["result"])


FILTERS = [
    ("Things", "name eq 'Citizens Park'", {"park-citizens"}),
    ("Things", "id eq 'park-citizens' or @iot.id eq 'bridge-gwangan'", {"park-citizens", "bridge-gwangan"}),
    ("Things", "substringof('itizens',name)", {"park-citizens"}),
    ("Things", "contains(name,'itizens') and not (description eq 'Road')", {"park-citizens"}),
    ("Things", "endswith(tolower(name),' PARK') or startswith(toupper(name),'CITIZENS')", {"park-citizens"}),
    ("Things", "properties/height gt 34 and properties/height lt 36 and description eq 'Bridge'", {"bridge-gwangan"}),
    ("Things", "length(name) eq 13 and indexof(name,'Park') eq 9 and substring(name,9) eq 'Park'", {"park-citizens"}),
    ("Things", "concat(substring(name,0,8),'!') eq 'Citizens!'", {"park-citizens"}),
    ("Things", "(properties/span add 100) div 2 sub 50 eq 250 and properties/span mod 7 ge 3", {"bridge-gwangan"}),
    ("Things", "properties/span mul 2 le 1000 and properties/span ne null and description ne 'Road'", {"bridge-gwangan"}),
    ("Things", "round(properties/depth) eq 7 and floor(properties/depth) eq 6", {"water-reservoir"}),
    ("Things", "Datastreams/ObservedProperty/name eq 'water_flow'", {"utility-water-main"}),
    ("Locations", "st_within(location,geography'POLYGON((129.0703 35.1753,129.072 35.1753,129.072 35.177,129.0703 35.177,"
     "129.0703 35.1753))') and name eq 'Citizens Park'", {"park-citizens"}),
    ("Locations", "geo.distance(location,geography'POINT(129.074 35.175)') lt 1", {"hub-central", "KR-BUSAN-2025"}),
    ("Locations", "st_intersects(location,geography'LINESTRING(129.0683 35.1725,129.0687 35.1728)')",
     {"bridge-gwangan", "KR-BUSAN-2025"}),
    ("Locations", "st_disjoint(location,geography'POINT(129.0712 35.1755)') eq false and name eq 'Citizens Park'",
     {"park-citizens"}),
    ("Datastreams", "Thing/id eq 'landmark-tower' and unitOfMeasurement/symbol ne '°K' and ObservedProperty/id eq 'temperature'",
     {"sensor-weatherstation-001:temperature"}),
    ("Sensors", "id eq 'it''s' or 1 eq 2", set()),
    ("Sensors", "name eq 5 or name gt 5 or nothing(1) eq 2", None),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "wanted"), FILTERS, ids=range(len(FILTERS)))
def test_filters_choose_what_they_say(untouched: Any, kind: str, text: str, wanted: set[str] | None) -> None:
    url = f"{untouched.origin}/sta/KR-BUSAN-2025/v1.1/{kind}"
    answer = untouched.call("GET", url, params={"$filter": text, "$top": 1000})
    if wanted is None:
        assert answer.status_code == 400
        return
    found = set(ids(answer.json()))
    roads = {one for one in found if one.startswith(("road-", "building-", "hub-tram"))}
    assert found - roads == wanted, answer.text[:500]


def test_times_in_filters(untouched: Any) -> None:
    first = ask(untouched, f"{STREAM}/Observations?$top=1")["value"][0]
    at = instants.show(instants.parse(first["phenomenonTime"]) or 0)
    parts = {
        "year": at[:4], "month": at[5:7], "day": at[8:10], "hour": at[11:13], "minute": at[14:16], "second": at[17:19],
    }  # fmt: skip
    text = " and ".join(f"{name}(phenomenonTime) eq {int(value)}" for name, value in parts.items())
    text += f" and date(resultTime) eq '{at[:10]}' and time(resultTime) eq '{at[11:19]}' and phenomenonTime lt now()"
    text += " and phenomenonTime gt mindatetime() and phenomenonTime lt maxdatetime()"
    text += " and fractionalseconds(phenomenonTime) lt 1 and totaloffsetminutes(phenomenonTime) eq 540"
    url = f"{untouched.origin}/sta/KR-BUSAN-2025/v1.1/{STREAM}/Observations"
    answer = untouched.call("GET", url, params={"$filter": text})
    assert ids(answer.json()) == [first["@iot.id"]]


def test_relations_are_shown_in_place_to_any_depth(untouched: Any) -> None:
    inner = "Observations($top=2;$orderby=phenomenonTime desc;$count=true;$select=result,phenomenonTime)"
    path = f"Things('building-000000')?$expand=Datastreams($filter=ObservedProperty/name eq 'humidity';$expand={inner},Sensor)"
    streams = ask(untouched, path)["Datastreams"]
    assert [one["@iot.id"] for one in streams] == ["sensor-environmental-001:humidity"]
    assert streams[0]["Sensor"]["@iot.id"] == "sensor-environmental-001"
    assert [set(one) for one in streams[0]["Observations"]] == [{"result", "phenomenonTime"}] * 2
    assert streams[0]["Observations@iot.count"] > 2
    more = ask(untouched, streams[0]["Observations@iot.nextLink"].replace("$skip", NEWEST + "&$skip"))
    assert more["value"][0]["phenomenonTime"] < streams[0]["Observations"][1]["phenomenonTime"]
    deep = ask(untouched, f"{STREAM}?$expand=Thing/Locations,Thing/HistoricalLocations")
    assert deep["Thing"]["Locations"][0]["@iot.id"] == deep["Thing"]["HistoricalLocations"][0]["@iot.id"]
    assert ask(untouched, f"{STREAM}/Thing/$ref")["@iot.selfLink"] == deep["Thing"]["@iot.selfLink"]


REFUSED = [
    ("Nothing", 404), ("Things('none')", 404), ("Things(5)", 404), ("Things(x)", 404), ("Things('a')('b')", 404),
    ("Things/Locations", 404), (f"{STREAM}/Thing('x')", 404), (f"{STREAM}/nothing", 404), ("Sensors('a'b')", 404),
    ("Observations('x')", 404), ("Observations('sensor-environmental-001:humidity@5')", 404),
    (f"{STREAM}/Observations('sensor-environmental-001:temperature@5')", 404), (f"{STREAM}/$value", 404),
    ("/".join(["Things('building-000001')"] + ["Locations"] * 20), 404),
    ("Things?$top=-1", 400), ("Things?$top=x", 400), ("Things?$skip=99999999999", 400), ("Things?$count=yes", 400),
    ("Things?$nonsense=1", 400), ("Things?$top=1&$top=2", 400), ("Things?$expand=Nothing", 400),
    ("Things?$expand=Datastreams(", 400), ("Things?$expand=Datastreams)x(", 400), ("Things?$select=a b", 400),
    ("Things?$filter=", 400), ("Things?$filter=name eq", 400), ("Things?$filter=name eq 'x", 400),
    ("Things?$filter=name eq 'x' extra", 400), ("Things?$filter=nothing eq 1", 400), ("Things?$filter=5", 400),
    ("Things?$filter=length(name,name) eq 1", 400), ("Things?$filter=(((name eq 'a')", 400),
    ("Things?$filter=" + "(" * 60 + "true" + ")" * 60, 400), ("Things?$filter=" + "not " * 60 + "true", 400),
    ("Things?$filter=" + " or ".join(["true"] * 400), 400), ("Things?$orderby=nothing", 400),
    ("Locations?$filter=geo.distance(location,geography'CIRCLE(1 2)') lt 5", 400), ("Things?$resultFormat=CSV", 400),
    ("Locations?$filter=geo.distance(location,geography'LINESTRING(129 35,129.1 35)') lt 5", 400),
]  # fmt: skip


@pytest.mark.parametrize(("path", "status"), REFUSED, ids=range(len(REFUSED)))
def test_what_makes_no_sense_is_refused(untouched: Any, path: str, status: int) -> None:
    assert ask(untouched, path, status)["error"]["message"]


def test_it_is_read_only_and_asks_for_a_key(untouched: Any) -> None:
    url = f"{untouched.origin}/sta/KR-BUSAN-2025/v1.1/Things"
    assert untouched.http.get(url).status_code == 401
    assert untouched.call("GET", url, role="other_city").status_code == 403
    for method in ("POST", "PATCH", "PUT", "DELETE"):
        assert untouched.call(method, url, json={}).status_code == 405
    assert untouched.call("GET", f"{untouched.origin}/sta/ZZ-NOWHERE-2025/v1.1/Things").status_code == 404


def test_odd_ids_keep_their_links(twin: Any, new_building: Any) -> None:
    name = "it's a/strange:id@1%"
    assert twin.call("POST", "/sensors", json={"id": name, "type": "AirSensor"}).status_code == 201
    one = {
        "parameter": "dust:fine/µ",
        "value": 1.5,
        "unit": "mg",
        "timestamp": "2026-01-02T03:04:05Z",
        "quality": "good",
    }
    path = "/sensors/it%27s%20a%2Fstrange%3Aid%401%25"
    assert twin.call("POST", f"{path}/data", json={"measurements": [one]}).status_code == 201
    stream = next(s for s in walk(twin, "Datastreams") if s["properties"]["sensorId"] == name)
    assert ask(twin, stream["@iot.selfLink"]) == stream
    seen = ask(twin, stream["Observations@iot.navigationLink"])["value"]
    assert [entry["result"] for entry in seen] == [1.5]
    assert ask(twin, seen[0]["@iot.selfLink"]) == seen[0]
    assert ask(twin, stream["ObservedProperty@iot.navigationLink"])["name"] == "dust:fine/µ"
    assert ask(twin, stream["Thing@iot.navigationLink"])["@iot.id"] == "KR-BUSAN-2025"
    twin.call("DELETE", path)


class Key(AuthHandler):  # type: ignore[misc]
    """The client knows only Basic; the twin wants its key in a header."""

    def __init__(self, key: str) -> None:
        super().__init__("viewer", key)
        self.key = key

    def add_auth_header(self) -> Any:
        def add(request: requests.PreparedRequest) -> requests.PreparedRequest:
            request.headers["X-API-Key"] = self.key
            return request

        return add


@pytest.mark.filterwarnings("ignore:furl.pathstr:DeprecationWarning")
def test_the_client_of_frost_reads_the_city(untouched: Any) -> None:
    url = f"{untouched.origin}/sta/KR-BUSAN-2025/v1.1"
    service = fsc.SensorThingsService(url, auth_handler=Key(untouched.key("viewer")))
    total = untouched.get("/statistics")["cityObjects"]["total"]
    things = service.things().query().top(50).list()
    names = [thing.id for thing in things]  # follows the next links
    assert len(names) == len(set(names)) == total + 1
    thing = service.things().find("building-000001")
    assert thing.name == untouched.get("/objects/building-000001")["properties"]["name"]
    streams = (
        service.datastreams()
        .query()
        .filter("ObservedProperty/name eq 'humidity'")
        .expand("Thing,Sensor")
        .list()
    )
    assert "sensor-environmental-001:humidity" in [one.id for one in streams]
    stream = service.datastreams().find("sensor-environmental-001:humidity")
    newest = stream.get_observations().query().orderby("phenomenonTime", "desc").top(1).list()
    latest = untouched.get("/sensors/latest?ids=sensor-environmental-001")["results"][0]["measurements"]
    assert newest.entities[0].result == next(one["value"] for one in latest if one["parameter"] == "humidity")
    assert (
        service.locations().query().filter("name eq 'Citizens Park'").list().entities[0].id == "park-citizens"
    )
