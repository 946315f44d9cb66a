"""OGC API Features: collections read page by page along their `next` links, with counts checked."""

import hashlib
from collections.abc import Iterator
from typing import Any

import shapely

from dtc_cli.migrate.sources.records import Item, Kinds, batches
from dtc_cli.migrate.sources.source import Batch, Field, Layer
from dtc_cli.migrate.sources.web import Web
from dtc_cli.migrate.trouble import need, source_error

ACCEPT = "application/geo+json, application/json;q=0.8"
SAMPLE = 100
LIMIT = 1000


class OapifSource:
    """Collections of an OGC API Features service; positions come as longitude and latitude (CRS84).

    Args:
        path: address of the landing page, of `/collections`, or of one collection.
        format: always `oapif`.
        encoding: not used; JSON is UTF-8.
        token_env: environment variable with the credential.
        auth_header: header that carries it.
        page: records per request.
        patience_s: how long a failing request is repeated.
    """

    format = "oapif"

    def __init__(
        self,
        path: str,
        *,
        format: str = "oapif",
        encoding: str | None = None,
        token_env: str | None = None,
        auth_header: str = "Authorization",
        page: int = LIMIT,
        patience_s: float = 30.0,
    ) -> None:
        need("shapely", what="reading OGC API Features")
        base, _, rest = path.partition("?")[0].rstrip("/").partition("/collections")
        self._only = rest.strip("/").partition("/")[0] or None
        self._base, self._page = base, page
        self._web = Web(path, token_env=token_env, header=auth_header, patience_s=patience_s)
        self._known: list[Layer] | None = None

    def layers(self) -> list[Layer]:
        """See `Source`."""
        if self._known is None:
            listed = self._web.json(f"{self._base}/collections", {"f": "json"}).get("collections") or []
            ids = [str(one["id"]) for one in listed if one.get("itemType", "feature") == "feature"]
            if self._only is not None:
                ids = [one for one in ids if one == self._only] or [self._only]
            if not ids:
                raise source_error("the service has no collections", where=self._web.where)
            self._known = [self._layer(one) for one in ids]
        return self._known

    def batches(self, layer: str, *, start: int, size: int, careful: bool) -> Iterator[Batch]:
        """See `Source`. The careful way asks for small pages."""
        return batches(self._items(layer, 50 if careful else self._page), start, size)

    def token(self) -> str:
        """Changes with the number of records and the first of them; services say no more."""
        digest = hashlib.blake2b(digest_size=16)
        for layer in self.layers():
            page = self._web.json(self._address(layer.name), {"f": "json", "limit": 10}, accept=ACCEPT)
            told = {name: page.get(name) for name in ("numberMatched", "features")}
            digest.update(repr(told).encode())
        return digest.hexdigest()

    def close(self) -> None:
        """Close the connections."""
        self._web.close()

    def _address(self, name: str) -> str:
        return f"{self._base}/collections/{name}/items"

    def _layer(self, name: str) -> Layer:
        page = self._web.json(self._address(name), {"f": "json", "limit": SAMPLE}, accept=ACCEPT)
        if not isinstance(page, dict) or "features" not in page:
            raise self._web.trouble(f"the collection {name} gives no features", str(page)[:200])
        kinds = Kinds()
        shapes = set()
        for place, one in enumerate(page["features"]):
            item = _item(one, place)
            kinds.add(item.row)
            if item.shape is not None:
                shapes.add(item.shape.geom_type)
        fields = {one.name: one for one in kinds.fields()}
        fields |= {one: Field(name=one, kind="text") for one in self._declared(name) if one not in fields}
        count = page.get("numberMatched")
        if count is None and not _next(page):
            count = len(page["features"])
        return Layer(
            name=name, count=count if isinstance(count, int) else None,
            geometry=shapes.pop() if len(shapes) == 1 else "Unknown" if shapes else None,
            crs="EPSG:4326", fields=tuple(fields.values()), encoding="UTF-8",
            encoding_evidence="JSON is UTF-8", key="feature_id",
            notes=() if isinstance(count, int) else ("the service does not say how many records it has",),
        )  # fmt: skip

    def _declared(self, name: str) -> list[str]:
        """Fields that the first page may lack: what the collection can be asked by."""
        from dtc_cli.errors import DtcError

        try:
            found = self._web.json(f"{self._base}/collections/{name}/queryables", {"f": "json"})
        except DtcError:
            return []
        properties = found.get("properties") if isinstance(found, dict) else None
        return [str(one) for one, what in (properties or {}).items() if not _is_geometry(what)]

    def _items(self, name: str, limit: int) -> Iterator[Item]:
        url: str | None = self._address(name)
        parameters: dict[str, Any] = {"f": "json", "limit": limit}
        pages: set[str] = set()
        seen: set[str] = set()
        place = 0
        while url is not None:
            page = self._web.json(url, parameters, accept=ACCEPT)
            features = page.get("features") or []
            fresh = 0
            for one in features:
                item = _item(one, place)
                if one.get("id") is not None and item.fid in seen:
                    raise self._web.trouble(
                        f"pages of {name} overlap", f"the record {item.fid} comes twice",
                        "does the service sort its records? a download is safer than its pages",
                    )  # fmt: skip
                if one.get("id") is not None:
                    seen.add(item.fid)
                fresh += 1
                place += 1
                yield item
            url = _next(page) if fresh else None
            parameters = {}
            if url is not None:
                if url in pages:
                    raise self._web.trouble(f"pages of {name} have no end", f"{url} comes twice")
                pages.add(url)


def _is_geometry(what: Any) -> bool:
    if not isinstance(what, dict):
        return False
    return "geojson" in str(what.get("$ref", "")) or "geometry" in str(what.get("format", ""))


def _next(page: dict[str, Any]) -> str | None:
    return next((str(one["href"]) for one in page.get("links") or () if one.get("rel") == "next"), None)


def _item(feature: Any, place: int) -> Item:
    """A record of a GeoJSON feature."""
    if not isinstance(feature, dict):
        return Item(
            fid=str(place), row={"value": str(feature)[:1000]}, problem=("bad-row", "it is no feature")
        )
    key = feature.get("id")
    row = {"feature_id": None if key is None else str(key), **(feature.get("properties") or {})}
    fid = str(place) if key is None else str(key)
    geometry = feature.get("geometry")
    if geometry is None:
        return Item(fid=fid, row=row)
    import orjson

    try:
        return Item(fid=fid, row=row, shape=shapely.from_geojson(orjson.dumps(geometry)))
    except (shapely.errors.ShapelyError, TypeError, ValueError) as problem:
        row["geometry"] = orjson.dumps(geometry)[:100_000].decode("utf-8", "ignore")
        return Item(fid=fid, row=row, problem=("unparseable-geometry", str(problem)[:200]))
