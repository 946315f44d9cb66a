"""OGC API Features and WFS: every page, the count, the order of axes, refusals in words."""

from pathlib import Path
from typing import Any

import pytest

from dtc_cli.errors import DtcError
from dtc_cli.migrate.sources.open import open_source
from dtc_cli.migrate.sources.web import Web, retry_after
from tests.integration.migrate.reading import read
from tests.support.data_server import serving


class Features:
    """An OGC API Features service of one collection."""

    def __init__(self, count: int = 7, **habits: Any) -> None:
        self.features: list[dict[str, Any]] = [
            {
                "type": "Feature", "id": n,
                "properties": {"name": f"집 {n}", "pnu": 12345678901234567890 + n},
                "geometry": {"type": "Point", "coordinates": [127 + n / 1000, 37.5]},
            }
            for n in range(count)
        ]  # fmt: skip
        self.habits = habits

    def __call__(self, path: str, given: dict[str, str], headers: dict[str, str]) -> Any:
        if self.habits.get("key") and headers.get("x-api-key") != self.habits["key"]:
            return 401, {"detail": f"bad key {headers.get('x-api-key')}"}, {}
        if path.endswith("/collections"):
            return {"collections": [{"id": "bldg"}, {"id": "tiles", "itemType": "record"}]}
        if path.endswith("/queryables"):
            return {
                "properties": {
                    "name": {},
                    "late": {},
                    "geom": {"$ref": "https://geojson.org/schema/Point.json"},
                }
            }
        first, limit = int(given.get("offset", 0)), min(int(given.get("limit", 3)), 3)
        if self.habits.get("overlap") and first:
            first -= 1
        page: dict[str, Any] = {"features": self.features[first : first + limit], "links": []}
        if self.habits.get("counts", True):
            page["numberMatched"] = len(self.features)
        if first + limit < len(self.features):
            host = self.habits.get("host", "http://localhost:1")
            page["links"].append(
                {"rel": "next", "href": f"{host}{path}?offset={first + limit}&limit={limit}&f=json"}
            )
        if self.habits.get("endless"):
            page["links"] = [{"rel": "next", "href": f"{path}?offset=0"}]
            page["features"] = [{"type": "Feature", "geometry": None}]
        return page


def test_pages_are_followed_to_the_end_on_the_own_host() -> None:
    service = Features()
    service.features[2]["geometry"] = {"type": "Polygon", "coordinates": [[[0, 0]]]}
    service.features[3]["geometry"] = None
    with serving(service) as asked:
        facts, rows = read(asked.base + "/ogc/collections/bldg")
        everything = open_source(asked.base + "/ogc")
        assert [one.name for one in everything.layers()] == ["bldg"]
        everything.close()
    assert (facts.count, facts.crs, facts.key) == (7, "EPSG:4326", "feature_id")
    assert {field.name for field in facts.fields} == {"feature_id", "name", "pnu", "late", "geometry"}
    assert [row["feature_id"] for row in rows] == [str(n) for n in range(7)]
    assert rows[1]["pnu"] == 12345678901234567891
    assert rows[2]["!"][0] == "unparseable-geometry"
    assert rows[3]["*"] is None
    assert rows[6]["*"].coords[0] == (127.006, 37.5)


def test_pages_that_overlap_or_never_end_are_told() -> None:
    with serving(Features(overlap=True)) as asked, pytest.raises(DtcError, match="overlap"):
        read(asked.base + "/ogc/collections")
    with serving(Features(endless=True)) as asked, pytest.raises(DtcError, match="no end"):
        read(asked.base + "/ogc/collections")


def test_a_key_goes_into_the_header_that_the_service_wants(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Features(key="k-1")) as asked:
        monkeypatch.setenv("CITY_KEY", "k-1")
        facts, _ = read(asked.base + "/ogc", options={"token_env": "CITY_KEY", "auth_header": "X-API-Key"})
        assert facts.count == 7
        monkeypatch.setenv("CITY_KEY", "k-2")
        with pytest.raises(DtcError, match="refuses access") as refused:
            read(asked.base + "/ogc", options={"token_env": "CITY_KEY", "auth_header": "X-API-Key"})
        assert "k-2" not in refused.value.why
        with pytest.raises(DtcError, match="no option colour"):
            open_source(asked.base + "/ogc", options={"colour": 1})


GML = (
    '<wfs:FeatureCollection xmlns:wfs="http://www.opengis.net/wfs/2.0" xmlns:c="urn:city" '
    'xmlns:gml="http://www.opengis.net/gml/3.2" numberMatched="{matched}" numberReturned="{returned}">'
    "{members}</wfs:FeatureCollection>"
)


class Wfs:
    """A WFS 2.0 with one feature type in EPSG:5186, north before east."""

    def __init__(self, count: int = 5, **habits: Any) -> None:
        self.count, self.habits = count, habits

    def __call__(self, path: str, given: dict[str, str], headers: dict[str, str]) -> Any:
        return 200, self._answer(given).encode(), {"Content-Type": "text/xml"}

    def _answer(self, given: dict[str, str]) -> str:
        if self.habits.get("entity"):
            return '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'
        if given["request"] == "GetCapabilities":
            paging = "TRUE" if self.habits.get("paged", True) else "FALSE"
            return (
                '<w:WFS_Capabilities version="2.0.0" xmlns:w="http://www.opengis.net/wfs/2.0" '
                'xmlns:ows="http://www.opengis.net/ows/1.1"><ows:Constraint name="ImplementsResultPaging">'
                f"<ows:DefaultValue>{paging}</ows:DefaultValue></ows:Constraint><w:FeatureTypeList><w:FeatureType>"
                "<w:Name>c:bldg</w:Name><w:DefaultCRS>urn:ogc:def:crs:EPSG::5186</w:DefaultCRS></w:FeatureType>"
                "</w:FeatureTypeList></w:WFS_Capabilities>"
            )
        if self.habits.get("refuses") and "startIndex" in given:
            return (
                '<ows:ExceptionReport xmlns:ows="http://www.opengis.net/ows/1.1"><ows:Exception>'
                "<ows:ExceptionText>Cannot do natural order without a primary key</ows:ExceptionText>"
                "</ows:Exception></ows:ExceptionReport>"
            )
        matched = self.habits.get("matched", self.count)
        if given.get("resultType") == "hits":
            return GML.format(matched=matched, returned=0, members="")
        first, count = int(given.get("startIndex", 0)), int(given.get("count", self.count))
        if self.habits.get("overlap"):
            first = max(0, first - 1)
        members = "".join(
            f'<wfs:member><c:bldg gml:id="b.{n}"><c:name>집 {n}</c:name><c:code>00{n}</c:code><c:geom>'
            f'<gml:Point srsName="urn:ogc:def:crs:EPSG::5186" gml:id="p{n}">'
            f"<gml:pos>{550_000 + n} 200000</gml:pos></gml:Point></c:geom></c:bldg></wfs:member>"
            for n in range(first, min(first + count, self.count))
        )
        return GML.format(matched=matched, returned=0, members=members)


@pytest.mark.parametrize("paged", [True, False])
def test_a_feature_type_is_read_whole_with_its_axes_right(paged: bool) -> None:
    with serving(Wfs(paged=paged)) as asked:
        facts, rows = read(asked.base + "/wfs", options={"page": 2})
    assert (facts.name, facts.count, facts.key) == ("c:bldg", 5, "gml_id")
    assert [row["gml_id"] for row in rows] == [f"b.{n}" for n in range(5)]
    assert (rows[1]["name"], rows[4]["*"].coords[0]) == ("집 1", (200_000, 550_004))
    assert facts.crs is not None
    assert "5186" in facts.crs


def test_a_wfs_that_does_not_count_sort_or_behave_is_told() -> None:
    with serving(Wfs(matched="unknown")) as asked:
        assert read(asked.base + "/wfs")[0].count is None
    with serving(Wfs(overlap=True)) as asked, pytest.raises(DtcError, match="overlap"):
        read(asked.base + "/wfs", options={"page": 2})
    with serving(Wfs(refuses=True)) as asked, pytest.raises(DtcError, match="refuses a request") as refused:
        read(asked.base + "/wfs")
    assert "primary key" in refused.value.why
    with serving(Wfs(entity=True)) as asked, pytest.raises(DtcError, match="document type"):
        read(asked.base + "/wfs")
    with serving(lambda *_: (200, b"<html", {})) as asked, pytest.raises(DtcError, match="no XML"):
        read(asked.base + "/wfs")


def test_trouble_of_a_service_is_told_in_words() -> None:
    waits: list[float] = []

    def web(base: str, **more: Any) -> Web:
        return Web(base + "/x", wait=waits.append, patience_s=0.5, **more)

    answers: list[Any] = [(429, {}, {"Retry-After": "0"}), (503, {}, {}), {"ok": 1}]
    with serving(lambda *_: answers.pop(0)) as asked:
        one = web(asked.base)
        assert one.json("/x") == {"ok": 1}
        assert one.retries == 2
        assert waits[0] == 0.0
        one.close()
    for answer, words in (
        ((404, b"gone", {}), "refuses a request"),
        ((302, b"", {"Location": "http://elsewhere.example/"}), "sends elsewhere"),
        ((302, b"", {"Location": "/x"}), "without an end"),
        ((200, b"<html>", {}), "no JSON"),
        ((503, b"", {"Retry-After": "60"}), "does not answer"),
    ):
        with serving(lambda *_, answer=answer: answer) as asked:
            one = web(asked.base)
            with pytest.raises(DtcError) as refused:
                one.json("/x")
            assert words in refused.value.what + refused.value.why
            one.close()
    with pytest.raises(DtcError, match="no address"):
        Web("ftp://host/x")
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    assert retry_after("soon") is None


def test_a_service_that_is_not_there_is_told(tmp_path: Path) -> None:
    with serving(lambda *_: {}) as asked:
        base = asked.base
    with pytest.raises(DtcError, match="does not answer"):
        open_source(base + "/FeatureServer/0", options={"patience_s": 0.3}).layers()
