"""WFS 1.1 and 2.0: counted first, read page by page where paging is declared, pages given to GDAL as GML."""

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from dtc_cli.migrate.sources import axes, markup
from dtc_cli.migrate.sources.ogr import OgrSource
from dtc_cli.migrate.sources.source import Batch, Layer
from dtc_cli.migrate.sources.web import Web
from dtc_cli.migrate.trouble import need, source_error

PAGE = 1000
XML = "text/xml, application/xml;q=0.9, */*;q=0.5"


class WfsSource:
    """Feature types of a WFS.

    Axis order is that of the form of `srsName`: URNs in the order of the authority. Where a service lies, the
    plan's `axis_order: yx` sets it right.

    Args:
        path: address of the service; its query is replaced.
        format: always `wfs`.
        encoding: not used; XML says it.
        types: feature types to read, all without.
        sort_by: property that pages are sorted by.
        token_env: environment variable with the credential.
        auth_header: header that carries it.
        page: records per request.
        patience_s: how long a failing request is repeated.
    """

    format = "wfs"

    def __init__(
        self,
        path: str,
        *,
        format: str = "wfs",
        encoding: str | None = None,
        types: list[str] | None = None,
        sort_by: str | None = None,
        token_env: str | None = None,
        auth_header: str = "Authorization",
        page: int = PAGE,
        patience_s: float = 30.0,
    ) -> None:
        need("lxml.etree", what="reading WFS")
        need("pyogrio", what="reading WFS")
        self._base = path.partition("?")[0]
        self._web = Web(path, token_env=token_env, header=auth_header, patience_s=patience_s)
        self._types, self._sort, self._page = types, sort_by, page
        self._folder = tempfile.TemporaryDirectory(prefix="dtc-wfs-")
        self._version, self._paged = "2.0.0", False
        self._layers: list[Layer] | None = None

    def layers(self) -> list[Layer]:
        """See `Source`."""
        if self._layers is None:
            names = self._capabilities()
            self._layers = [self._layer(name, crs) for name, crs in names.items()]
        return self._layers

    def batches(self, layer: str, *, start: int, size: int, careful: bool) -> Iterator[Batch]:
        """See `Source`."""
        self.layers()
        first = start if self._paged else 0
        seen: set[str] = set()
        while True:
            page = self._get_page(layer, first)
            count = 0
            for batch in page:
                ids = [one for one in batch.columns.get("gml_id", []) if one]
                if seen.intersection(ids):
                    raise self._web.trouble(
                        f"pages of {layer} overlap", "a record comes twice",
                        "options: {sort_by: PROPERTY} names a property that sorts them",
                    )  # fmt: skip
                seen.update(ids)
                yield from _from(batch, first + count, start, size)
                count += batch.size
            first += count
            if not self._paged or count == 0:
                return

    def token(self) -> str:
        """Changes with the number of records; services say no more."""
        digest = hashlib.blake2b(digest_size=16)
        for layer in self.layers():
            digest.update(f"{layer.name} {self._counted(layer.name)}\n".encode())
        return digest.hexdigest()

    def close(self) -> None:
        """Close the connections and remove the pages."""
        self._web.close()
        self._folder.cleanup()

    def _ask(self, request: str, **parameters: Any) -> bytes:
        given = {"service": "WFS", "version": self._version, "request": request, **parameters}
        body = self._web.get(self._base, given, accept=XML)
        markup.refuse_declarations(body[: markup.LONGEST_PROLOG], self._web.where)
        if b"ExceptionReport" in body[:2000]:
            raise self._web.trouble("the service refuses a request", _exception(body))
        return body

    def _capabilities(self) -> dict[str, str | None]:
        root = _parsed(self._ask("GetCapabilities"), self._web)
        self._version = root.get("version") or "2.0.0"
        self._paged = any(
            one.get("name") == "ImplementsResultPaging"
            and (one.findtext("{*}DefaultValue") or "").upper() == "TRUE"
            for one in root.iter("{*}Constraint")
        )
        names: dict[str, str | None] = {}
        for one in root.iter("{*}FeatureType"):
            name = (one.findtext("{*}Name") or "").strip()
            crs = one.findtext("{*}DefaultCRS") or one.findtext("{*}DefaultSRS")
            if name and (self._types is None or name in self._types):
                names[name] = crs.strip() if crs else None
        if not names:
            raise source_error("the service has no feature types", where=self._web.where)
        return names

    def _names(self, layer: str) -> dict[str, Any]:
        return {"typeNames" if self._version.startswith("2") else "typeName": layer}

    def _counted(self, layer: str) -> int | None:
        root = _parsed(self._ask("GetFeature", resultType="hits", **self._names(layer)), self._web)
        stated = root.get("numberMatched") or root.get("numberOfFeatures") or ""
        return int(stated) if stated.isdigit() else None

    def _layer(self, name: str, crs: str | None) -> Layer:
        count = self._counted(name)
        order = axes.named(crs)
        notes = [] if count is not None else ["the service does not say how many records it has"]
        if not self._paged:
            notes.append("the service declares no paging: all records come in one answer")
        found = Layer(name=name, count=count, geometry="Unknown", crs=order.crs, notes=tuple(notes))
        sample = self._sample(name)
        if sample is None:
            return found
        return msgspec.structs.replace(
            found, fields=sample.fields, geometry=sample.geometry, crs=sample.crs or order.crs,
            key=sample.key, encoding="UTF-8", encoding_evidence="XML states it",
            notes=(*found.notes, *sample.notes),
        )  # fmt: skip

    def _sample(self, name: str) -> Layer | None:
        source = self._opened(name, self._page_parameters(name, 0))
        if source is None:
            return None
        try:
            return source.layers()[0]
        finally:
            source.close()

    def _page_parameters(self, layer: str, first: int) -> dict[str, Any]:
        given = self._names(layer)
        if self._paged:
            given |= {"count": self._page, "startIndex": first}
            if self._sort:
                given["sortBy"] = self._sort
        return given

    def _get_page(self, layer: str, first: int) -> Iterator[Batch]:
        source = self._opened(layer, self._page_parameters(layer, first))
        if source is None:
            return
        try:
            name = source.layers()[0].name
            yield from source.batches(name, start=0, size=self._page, careful=False)
        finally:
            source.close()

    def _opened(self, layer: str, parameters: Mapping[str, Any]) -> OgrSource | None:
        """A page as a file that GDAL opens; None for one without records."""
        body = self._ask("GetFeature", **parameters)
        if not any(mark in body for mark in (b"member>", b"featureMember", b"member ")):
            return None
        path = Path(self._folder.name) / "page.gml"
        path.write_bytes(body)
        for side in path.parent.glob("page.*"):
            if side != path:
                side.unlink()
        return OgrSource(str(path), format="gml")


def _from(batch: Batch, first: int, start: int, size: int) -> Iterator[Batch]:
    """The records of a batch from ordinal `start` on, at most `size` at once."""
    for begin in range(max(0, start - first), batch.size, size):
        end = min(begin + size, batch.size)
        yield Batch(
            first=first + begin,
            columns={name: column[begin:end] for name, column in batch.columns.items()},
            geometry=batch.geometry[begin:end],
            fids=[str(one) for one in (batch.columns.get("gml_id") or batch.fids)[begin:end]],
            problems={at - begin: one for at, one in batch.problems.items() if begin <= at < end},
            raw={at - begin: one for at, one in batch.raw.items() if begin <= at < end},
        )


def _parsed(body: bytes, web: Web) -> Any:
    etree = need("lxml.etree")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        return etree.fromstring(body, parser)
    except etree.XMLSyntaxError as problem:
        raise web.trouble("the service answers with something that is no XML", str(problem)) from problem


def _exception(body: bytes) -> str:
    import re

    found = re.search(rb"ExceptionText>\s*(.*?)\s*</", body, re.DOTALL)
    return (found[1] if found else body[:200]).decode("utf-8", "replace")
