"""Who a migrated object is: its id, its legacy id, and where it says it comes from (D-40)."""

import hashlib
import re
import uuid
from typing import Any

from dtc_cli.migrate import values
from dtc_cli.migrate.plan import LayerPlan

NAMESPACE = uuid.UUID("6f1c0a5e-3d0b-5a55-9d6e-6c6f63617465")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f/?#%\\\s]+")
_SLUG = re.compile(r"[^a-z0-9]+")
LONGEST_ID = 200
DATA_SOURCE = {"osm": "openstreetmap"}  # P4 6.2; all else P4 9.2
LEGACY = "legacy-migration"


class Identity:
    """Makes ids for the records of one layer: the same record always gets the same id."""

    def __init__(self, source: str, layer: LayerPlan) -> None:
        self._source, self._layer = source, layer
        self._space = uuid.uuid5(NAMESPACE, f"{source}\n{layer.name}").bytes
        self.data_source = DATA_SOURCE.get(layer.scheme, LEGACY)
        self._seen: dict[bytes, int] = {}

    def key_of(self, row: dict[str, Any]) -> str | None:
        """The legacy key as text, no digit lost; None where the record has none."""
        return values.text(row.get(self._layer.key)) if self._layer.key else None

    def id_of(self, kind: str, key: str) -> str:
        """The id of the object for a legacy key."""
        slug = _SLUG.sub("-", kind.lower()).strip("-") or "object"
        if self._layer.scheme == "arcgis":
            return _short(f"{slug}-{_UNSAFE.sub('_', key)}")
        if self._layer.scheme == "osm":
            return _short(f"{slug}-osm-{_UNSAFE.sub('_', key)}")
        if self._layer.scheme == "sensor":
            return _short(_UNSAFE.sub("_", key))
        digest = hashlib.sha1(self._space + key.encode("utf-8", "surrogatepass")).digest()  # noqa: S324 - UUIDv5
        return f"{slug}-{uuid.UUID(bytes=digest[:16], version=5)}"

    def from_content(self, content: bytes) -> str:
        """A key made of the content, for a record without one. Equal records are counted apart."""
        digest = hashlib.blake2b(content, digest_size=12).digest()
        times = self._seen.get(digest, 0) + 1
        self._seen[digest] = times
        return f"content:{digest.hex()}" + (f"#{times}" if times > 1 else "")


def _short(text: str) -> str:
    if len(text) <= LONGEST_ID:
        return text
    return text[:160] + "-" + hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
