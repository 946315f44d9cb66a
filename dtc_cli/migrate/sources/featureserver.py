"""ArcGIS FeatureServer and MapServer layers: read by ObjectID, so that a short page never loses a record."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from dtc_cli.migrate.sources import esri
from dtc_cli.migrate.sources.records import Item, batch_of
from dtc_cli.migrate.sources.source import Batch, Field, Layer
from dtc_cli.migrate.sources.web import TRY_AGAIN, Web, refuse_secrets
from dtc_cli.migrate.trouble import need, source_error

PAGE = 1000
"""Records asked for at once, or what the server allows where that is less."""
DENIED = (401, 403, 498, 499)


class FeatureServerSource:
    """Layers of one service, or one layer of it.

    The ids are asked for first. Records are then fetched by ranges of ids; ids that a page left out are
    asked for again, and one that the server never gives is a record with the problem `missing-record`.

    Args:
        path: address of the service or of a layer (`.../FeatureServer` or `.../FeatureServer/0`).
        format: always `featureserver`.
        encoding: not used; JSON is UTF-8.
        token_env: environment variable with the token.
        where: condition in the service's SQL; all records without one.
        page: records per request, at most.
        patience_s: how long a failing request is repeated.
    """

    format = "featureserver"

    def __init__(
        self,
        path: str,
        *,
        format: str = "featureserver",
        encoding: str | None = None,
        token_env: str | None = None,
        where: str = "1=1",
        page: int = PAGE,
        patience_s: float = 30.0,
        **unknown: Any,
    ) -> None:
        refuse_secrets(path, unknown)
        if unknown:
            raise source_error(
                f"there is no option {next(iter(unknown))}", where=path,
                hint="known: token_env, where, page, patience_s",
            )  # fmt: skip
        need("shapely", what="reading a FeatureServer")
        self._base = path.partition("?")[0].rstrip("/")
        self._web = Web(path, token_env=token_env, parameter="token", patience_s=patience_s)
        self._condition, self._page = where, max(1, page)
        self._known: dict[str, _Remote] | None = None

    def layers(self) -> list[Layer]:
        """See `Source`."""
        return [one.layer() for one in self._remotes().values()]

    def batches(self, layer: str, *, start: int, size: int, careful: bool) -> Iterator[Batch]:
        """See `Source`. The careful way asks for one record at a time."""
        return self._remotes()[layer].batches(start, 1 if careful else min(size, self._page))

    def keys(self, layer: str, field: str) -> list[Any]:
        """The values of one field."""
        return self._remotes()[layer].keys(field)

    def token(self) -> str:
        """Changes when a layer was edited: its last edit, its number of records, its largest id."""
        digest = hashlib.blake2b(digest_size=16)
        for one in self._remotes().values():
            digest.update(one.state().encode())
        return digest.hexdigest()

    def close(self) -> None:
        """Close the connections."""
        self._web.close()

    def _remotes(self) -> "dict[str, _Remote]":
        if self._known is not None:
            return self._known
        if self._base.rpartition("/")[2].isdigit():
            places = [self._base]
        else:
            answer = ask(self._web, self._base, {})
            listed = [*(answer.get("layers") or ()), *(answer.get("tables") or ())]
            groups = {one.get("id") for one in listed if one.get("subLayerIds")}
            places = [f"{self._base}/{one['id']}" for one in listed if one.get("id") not in groups]
            if not places:
                raise source_error("the service has no layers", where=self._web.where)
        found: dict[str, _Remote] = {}
        for place in places:
            one = _Remote(self._web, place, self._condition, self._page)
            name = one.name
            if name in found:
                name = f"{name} ({place.rpartition('/')[2]})"
            one.name = name
            found[name] = one
        self._known = found
        return found


def ask(web: Web, url: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """One answer; an error that comes with status 200 is an error.

    Raises:
        DtcError: `migration-source`.
        Refused: where the service says no to this query.
    """
    for tries in (2, 1, 0):
        answer = web.json(url, {"f": "json", **parameters}, form=True)
        if not isinstance(answer, dict):
            raise web.trouble("the service answers with something that is no object", type(answer).__name__)
        error = answer.get("error")
        if error is None:
            return answer
        if not isinstance(error, dict) or error.get("code") not in TRY_AGAIN or not tries:
            break
        web.pause()
    if not isinstance(error, dict):
        raise Refused(str(error)[:200])
    details = "; ".join(str(one) for one in error.get("details") or ())
    why = web.silent(f"{error.get('code')} {error.get('message') or ''} {details}".strip())
    if error.get("code") in DENIED:
        raise web.denied(why)
    raise Refused(why[:300])


class Refused(Exception):  # noqa: N818 - what the service did
    """The service says no to a query, in an answer of status 200."""


class _Remote:
    """One layer of a service."""

    def __init__(self, web: Web, url: str, condition: str, page: int) -> None:
        self._web, self._url, self._condition = web, url, condition
        try:
            self._facts = ask(web, url, {})
        except Refused as problem:
            raise web.trouble("the service does not describe a layer", str(problem)) from problem
        self.name = str(self._facts.get("name") or url.rpartition("/")[2])
        self._columns = esri.Columns(self._facts)
        allowed = self._facts.get("maxRecordCount")
        self._page = min(page, int(allowed)) if allowed else page
        self._geometry = esri.GEOMETRIES.get(str(self._facts.get("geometryType")))
        extent = self._facts.get("extent") or {}
        self._crs = esri.crs(self._facts.get("sourceSpatialReference") or extent.get("spatialReference"))
        self._oid = self._oid_field()
        self._ids: list[int] | None = None
        self._count: int | None = None
        self._notes: list[str] = []

    def layer(self) -> Layer:
        blockers = []
        ids: Sequence[int] = ()
        if self._oid is None:
            blockers.append("the layer has no field of ObjectIDs, so its pages cannot be told apart")
        else:
            ids = self._all_ids()
            self._check_page(ids)
        kinds = [Field(name=name, kind=kind) for name, kind in self._columns.kinds.items()]
        kinds += [Field(name=f"{name}_label", kind="text") for name in self._columns.labelled]
        notes = list(self._notes)
        if self._facts.get("hasAttachments"):
            notes.append("records have attachments; those are not migrated")
        if self._columns.labelled:
            notes.append(
                "codes keep their field; their words are beside it: "
                + ", ".join(f"{name}_label" for name in self._columns.labelled)
            )
        return Layer(
            name=self.name, count=self._count, geometry=self._geometry, crs=self._crs, fields=tuple(kinds),
            encoding="UTF-8", encoding_evidence="JSON is UTF-8", notes=tuple(notes), key=self._oid,
            scheme="arcgis", blockers=tuple(blockers),
        )  # fmt: skip

    def batches(self, start: int, size: int) -> Iterator[Batch]:
        ids = self._all_ids()
        step = min(size, self._page)
        for first in range(start, len(ids), step):
            wanted = ids[first : first + step]
            got = self._fetch(wanted)
            yield batch_of(first, [self._item(oid, got.get(oid)) for oid in wanted])

    def keys(self, field: str) -> list[Any]:
        ids = self._all_ids()
        if field == self._oid:
            return list(ids)
        return [value for batch in self.batches(0, self._page) for value in batch.columns.get(field, ())]

    def state(self) -> str:
        edited = (self._facts.get("editingInfo") or {}).get("lastEditDate")
        try:
            now = ask(self._web, self._url, {})
            edited = (now.get("editingInfo") or {}).get("lastEditDate", edited)
        except Refused:
            pass
        ids = self._ids or ()
        return f"{self.name} {edited} {self._counted()} {ids[-1] if ids else 0}\n"

    def _oid_field(self) -> str | None:
        stated = self._facts.get("objectIdField")
        listed = [
            one["name"] for one in self._facts.get("fields") or () if one.get("type") == "esriFieldTypeOID"
        ]
        return str(stated) if stated else str(listed[0]) if listed else None

    def _query(self, **parameters: Any) -> dict[str, Any]:
        return ask(self._web, f"{self._url}/query", {"where": self._condition, **parameters})

    def _counted(self) -> int | None:
        try:
            answer = self._query(returnCountOnly="true")
        except Refused:
            return None
        count = answer.get("count")
        return int(count) if isinstance(count, int | float) else None  # some servers answer with records

    def _all_ids(self) -> list[int]:
        """All ObjectIDs in order."""
        if self._ids is not None:
            return self._ids
        self._count = self._counted()
        try:
            listed = self._query(returnIdsOnly="true").get("objectIds")
        except Refused:
            listed = None
        if listed is None and self._count != 0:
            self._notes.append("the service gives no list of ids; they were collected page by page")
            listed = self._walk_ids()
        self._ids = sorted({int(one) for one in listed or ()})
        if self._count is None:
            self._notes.append("the service does not say how many records it has")
        elif self._count != len(self._ids):
            self._notes.append(f"the service counts {self._count} records and lists {len(self._ids)} ids")
        return self._ids

    def _walk_ids(self) -> list[int]:
        """Ids page by page, each beyond the last; only an empty page ends it."""
        found: list[int] = []
        last: int | None = None
        while True:
            beyond = f"({self._condition}) AND {self._oid} > {last}" if last is not None else self._condition
            try:
                answer = self._query(
                    where=beyond, outFields=self._oid, returnGeometry="false", orderByFields=self._oid
                )
            except Refused as problem:
                raise self._web.trouble("the service does not give its records", str(problem)) from problem
            given = (self._oid_of(one) for one in answer.get("features") or ())
            page = sorted({oid for oid in given if oid is not None})
            fresh = [oid for oid in page if last is None or oid > last]
            if not fresh:
                if answer.get("features") and not page:
                    raise self._web.trouble(
                        "the service leaves the ObjectID out", f"records come without {self._oid}"
                    )
                return found
            found += fresh
            last = fresh[-1]

    def _check_page(self, ids: Sequence[int]) -> None:
        """The reference system that pages come in is the one that counts."""
        if not ids or self._geometry is None:
            return
        try:
            answer = self._query(objectIds=ids[0], outFields=self._oid, returnGeometry="true")
        except Refused:
            return
        stated = esri.crs(answer.get("spatialReference"))
        if stated is not None and stated != self._crs:
            if self._crs is not None:
                self._notes.append(f"the layer says {self._crs}, its records come in {stated}")
            self._crs = stated

    def _fetch(self, wanted: Sequence[int]) -> dict[int, Any]:
        """Records by id. A refused page is halved until the record to blame is alone."""
        got: dict[int, Any] = {}
        between = f"({self._condition}) AND {self._oid} >= {wanted[0]} AND {self._oid} <= {wanted[-1]}"
        try:
            self._take(got, where=between, orderByFields=self._oid)
        except Refused as problem:
            if len(wanted) == 1:
                return {wanted[0]: str(problem)}
        missing = [oid for oid in wanted if oid not in got]
        if missing and len(missing) < len(wanted):
            return got | self._again(missing)
        if missing and len(wanted) == 1:
            return self._again(missing)
        if missing:
            half = len(wanted) // 2
            return self._fetch(wanted[:half]) | self._fetch(wanted[half:])
        return got

    def _again(self, missing: Sequence[int]) -> dict[int, Any]:
        """Ids that a page left out, asked for by name; what comes short again is halved."""
        got: dict[int, Any] = {}
        try:
            self._take(got, objectIds=",".join(str(oid) for oid in missing))
        except Refused as problem:
            if len(missing) == 1:
                return {missing[0]: str(problem)}
        rest = [oid for oid in missing if oid not in got]
        if not rest or len(missing) == 1:
            return got
        if len(rest) < len(missing):
            return got | self._again(rest)
        half = len(rest) // 2
        return self._again(rest[:half]) | self._again(rest[half:])

    def _take(self, got: dict[int, Any], **parameters: Any) -> None:
        shown = str(self._geometry is not None).lower()
        answer = self._query(outFields="*", returnGeometry=shown, **parameters)
        stated = esri.crs(answer.get("spatialReference"))
        if stated is not None and self._crs is not None and stated != self._crs:
            raise self._web.trouble(
                "the reference system changes between pages", f"{self._crs}, then {stated}"
            )
        for one in answer.get("features") or ():
            oid = self._oid_of(one)
            if oid is not None:
                got.setdefault(oid, (one, bool(answer.get("hasZ")), bool(answer.get("hasM"))))

    def _oid_of(self, feature: Any) -> int | None:
        try:
            return int((feature.get("attributes") or {})[self._oid])
        except (KeyError, TypeError, ValueError, AttributeError):
            return None

    def _item(self, oid: int, got: Any) -> Item:
        if got is None or isinstance(got, str):
            why = got or "the service lists its ObjectID and gives no record for it"
            return Item(
                fid=str(oid), row=self._columns.row({str(self._oid): oid}), problem=("missing-record", why)
            )
        feature, has_z, has_m = got
        row = self._columns.row(feature.get("attributes") or {})
        try:
            shape = esri.shape(feature.get("geometry"), has_z=has_z, has_m=has_m)
        except (ValueError, TypeError, IndexError, KeyError, AttributeError) as problem:
            row["geometry"] = orjson.dumps(feature.get("geometry"))[:100_000].decode("utf-8", "ignore")
            return Item(
                fid=str(oid), row=row,
                problem=("unparseable-geometry", str(problem)[:200]),
            )  # fmt: skip
        return Item(fid=str(oid), row=row, shape=shape)
