"""An ArcGIS layer as cities run it, with the habits of those that lose records."""

import re
from typing import Any

FIELDS = [
    {"name": "OBJECTID", "type": "esriFieldTypeOID"},
    {"name": "NAME", "type": "esriFieldTypeString"},
    {
        "name": "USE_CD", "type": "esriFieldTypeString",
        "domain": {"type": "codedValue", "codedValues": [{"name": "Housing", "code": "01"}]},
    },
    {"name": "BUILT", "type": "esriFieldTypeDate"},
    {"name": "PARCEL", "type": "esriFieldTypeDouble"},
    {"name": "Shape", "type": "esriFieldTypeGeometry"},
]  # fmt: skip


class FeatureServer:
    """One layer with ids 3, 6, 9, ... and squares in web mercator.

    Args:
        count: records.
        most: records of a page, at most.
        forgets: ids that pages of a range leave out.
        never: ids that are listed and never given.
        breaks: id at which every query fails.
        token: the only good token.
        no_ids: the list of ids comes as a dump of records, as from servers that ignore the flag.
        busy: how many requests are answered with 503 first.
    """

    def __init__(self, count: int = 25, **habits: Any) -> None:
        self.ids = [3 * (n + 1) for n in range(count)]
        self.most = habits.get("most", 10)
        self.forgets, self.never = habits.get("forgets", ()), habits.get("never", ())
        self.breaks, self.token = habits.get("breaks"), habits.get("token")
        self.no_ids, self.busy = habits.get("no_ids", False), habits.get("busy", 0)
        self.edited = 1_700_000_000_000

    def __call__(self, path: str, given: dict[str, str], headers: dict[str, str]) -> Any:
        if self.busy:
            self.busy -= 1
            return 503, {}, {"Retry-After": "0"}
        if self.token is not None and given.get("token") != self.token:
            return {"error": {"code": 498, "message": f"Invalid token {given.get('token')}"}}
        if path.endswith("/FeatureServer"):
            return {"layers": [{"id": 0, "name": "Buildings"}], "tables": []}
        if path.endswith("/0"):
            return {
                "name": "Buildings", "maxRecordCount": self.most, "fields": FIELDS,
                "geometryType": "esriGeometryPolygon", "hasAttachments": True,
                "editingInfo": {"lastEditDate": self.edited},
                "extent": {"spatialReference": {"wkid": 102100, "latestWkid": 3857}},
            }  # fmt: skip
        return self._query(given)

    def _query(self, given: dict[str, str]) -> Any:
        chosen = self._chosen(given)
        if given.get("returnCountOnly") == "true" and not self.no_ids:
            return {"count": len(chosen)}
        if given.get("returnIdsOnly") == "true" and not self.no_ids:
            return {"objectIdFieldName": "OBJECTID", "objectIds": [float(one) for one in reversed(chosen)]}
        if self.breaks in chosen:
            return {"error": {"code": 400, "message": "Unable to perform query operation."}}
        if "objectIds" not in given:
            chosen = [one for one in chosen if one not in self.forgets]
        chosen = [one for one in chosen if one not in self.never]
        return {
            "spatialReference": {"wkid": 102100},
            "features": [self._feature(one) for one in chosen[: self.most]],
        }

    def _chosen(self, given: dict[str, str]) -> list[int]:
        if "objectIds" in given:
            wanted = {int(one) for one in given["objectIds"].split(",")}
            return [one for one in self.ids if one in wanted]
        chosen = self.ids
        for sign, bound in re.findall(r"OBJECTID (>=|<=|>) (\d+)", given.get("where", "")):
            limit = int(bound)
            chosen = [
                one for one in chosen
                if (one >= limit if sign == ">=" else one <= limit if sign == "<=" else one > limit)
            ]  # fmt: skip
        return chosen

    def _feature(self, oid: int) -> dict[str, Any]:
        x, y = 14_135_126.3 + oid * 20, 4_518_296.29
        ring = [[x, y], [x, y + 10], [x + 10, y + 10], [x + 10, y], [x, y]]
        hole = [[x + 2, y + 2], [x + 8, y + 2], [x + 8, y + 8], [x + 2, y + 2]]
        geometry: Any = {"rings": [ring, hole]}
        if oid == 6:
            far = [[px + 500, py] for px, py in ring]
            geometry = {"rings": [hole, far, ring]}
        if oid == 9:
            geometry = None
        if oid == 12:
            geometry = {"rings": [ring[:2]]}
        return {
            "attributes": {
                "OBJECTID": oid, "NAME": f"집 {oid}", "USE_CD": "01" if oid % 2 else "77",
                "BUILT": -86_400_000 + oid * 86_400_000, "PARCEL": 410106100009.0,
            },
            "geometry": geometry,
        }  # fmt: skip
