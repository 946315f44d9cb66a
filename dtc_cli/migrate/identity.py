"""Who a migrated object is: its id, its legacy id, and where it says it comes from (D-40)."""

import hashlib
import re
import uuid

from dtc_cli.migrate import values
from dtc_cli.migrate.plan import LayerPlan
from dtc_cli.migrate.table import Table, kinds_of

NAMESPACE = uuid.UUID("6f1c0a5e-3d0b-5a55-9d6e-6c6f63617465")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f/?#%\\\s]+")
_SLUG = re.compile(r"[^a-z0-9]+")
LONGEST_ID = 200
DATA_SOURCE = {"osm": "openstreetmap"}  # P4 6.2; all else P4 9.2
LEGACY = "legacy-migration"
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


class Identity:
    """Makes ids for the records of one layer: the same record always gets the same id."""

    def __init__(self, source: str, layer: LayerPlan) -> None:
        self._source, self._layer = source, layer
        self._space = uuid.uuid5(NAMESPACE, f"{source}\n{layer.name}").bytes
        self.data_source = DATA_SOURCE.get(layer.scheme, LEGACY)
        self._seen: dict[bytes, int] = {}
        self._slugs: dict[str, str] = {}

    def keys_of(self, table: Table) -> list[str | None] | None:
        """The legacy keys as text, no digit lost; None where the layer has no key."""
        if not self._layer.key:
            return None
        column = table.raw(self._layer.key)
        if kinds_of(column) == {str}:
            return table.clean(self._layer.key)
        return [values.text(value) for value in column]

    def id_of(self, kind: str, key: str) -> str:
        """The id of the object for a legacy key."""
        slug = self._slugs.get(kind)
        if slug is None:
            slug = self._slugs[kind] = _SLUG.sub("-", kind.lower()).strip("-") or "object"
        if self._layer.scheme == "arcgis":
            return _short(f"{slug}-{_UNSAFE.sub('_', key)}")
        if self._layer.scheme == "osm":
            return _short(f"{slug}-osm-{_UNSAFE.sub('_', key)}")
        if self._layer.scheme == "sensor":
            return sensor_name(key)
        # The text of a UUIDv5 (RFC 9562, 5.5), made without the cost of a UUID object.
        h = hashlib.sha1(self._space + key.encode("utf-8", "surrogatepass")).hexdigest()  # noqa: S324
        return f"{slug}-{h[:8]}-{h[8:12]}-5{h[13:16]}-{_VARIANT[h[16]]}{h[17:20]}-{h[20:32]}"

    def from_content(self, content: bytes) -> str:
        """A key made of the content, for a record without one. Equal records are counted apart.

        So the records that come before have to be seen, also by a reader that goes on in the middle.
        """
        digest = hashlib.blake2b(content, digest_size=12).digest()
        times = self._seen.get(digest, 0) + 1
        self._seen[digest] = times
        return f"content:{digest.hex()}" + (f"#{times}" if times > 1 else "")


def sensor_name(key: str) -> str:
    """The id of a sensor in a twin: its own, without what a path cannot hold. Readings name it so, too."""
    return _short(_UNSAFE.sub("_", key))


def _short(text: str) -> str:
    if len(text) <= LONGEST_ID:
        return text
    return text[:160] + "-" + hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
