"""What every reader offers: layers with their facts, and batches of records in a stable order."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """A column of a layer."""

    name: str
    kind: str
    """`text`, `integer`, `number`, `boolean`, `instant`, `date`, `other`."""


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of a layer that need no full read."""

    name: str
    count: int | None
    """Records as the source itself states them; None where it cannot say."""
    geometry: str | None
    """Name of the geometry type, or None for a table."""
    crs: str | None
    """Authority code or WKT; None when the source states none."""
    fields: tuple[Field, ...] = ()
    extent: tuple[float, float, float, float] | None = None
    """Least x and y, most x and y, in the system of the layer, of all records or of the first."""
    encoding: str | None = None
    encoding_evidence: str = ""
    notes: tuple[str, ...] = ()
    """What a person should know, one sentence each."""
    key: str | None = None
    """Field that the format itself makes the key (OBJECTID, gml:id)."""
    scheme: str = "uuid5"
    role: str | None = None
    """`objects` by default; `sensors` or `measurements` where the format says so."""
    blockers: tuple[str, ...] = ()
    """Reasons why the layer cannot be migrated as it is."""


class Batch(msgspec.Struct, kw_only=True):
    """Records in source order. Lists are parallel; `first` is the ordinal of the first record."""

    first: int
    columns: dict[str, list[Any]]
    geometry: Any
    """numpy array of shapely geometries, None where there is none."""
    fids: list[str]
    """The source's own row ids; not stable over repacking."""
    problems: dict[int, tuple[str, str]] = {}
    """Index in the batch to (code, sentence) for records that could not be read."""
    raw: Mapping[int, bytes] = {}
    """Index to the geometry as it stood in the source (WKB), where it could not be parsed."""
    extra: Mapping[int, dict[str, Any]] = {}
    """Index to further members of the object (geometries by LOD, parent)."""
    ordinals: Sequence[int] | None = None
    """Where some records were picked: the ordinal of each."""

    def ordinal(self, index: int) -> int:
        """The ordinal of a record in its layer."""
        return self.first + index if self.ordinals is None else self.ordinals[index]

    def only(self, indices: Sequence[int]) -> "Batch":
        """Some of the records, in their order."""
        place = {old: new for new, old in enumerate(indices)}
        return Batch(
            first=self.first,
            columns={name: [column[one] for one in indices] for name, column in self.columns.items()},
            geometry=self.geometry[list(indices)],
            fids=[self.fids[one] for one in indices],
            problems={place[one]: told for one, told in self.problems.items() if one in place},
            raw={place[one]: raw for one, raw in self.raw.items() if one in place},
            extra={place[one]: more for one, more in self.extra.items() if one in place},
            ordinals=[self.ordinal(one) for one in indices],
        )

    @property
    def size(self) -> int:
        """Number of records."""
        return len(self.fids)

    def row(self, index: int) -> dict[str, Any]:
        """The fields of one record."""
        return {name: column[index] for name, column in self.columns.items()}


class Source(Protocol):
    """A place that records come from."""

    format: str

    def layers(self) -> list[Layer]:
        """The layers with their facts."""
        ...

    def batches(self, layer: str, *, start: int, size: int, careful: bool) -> Iterator[Batch]:
        """Records from ordinal `start` on.

        Args:
            layer: name of the layer.
            start: ordinal of the first record wanted.
            size: records per batch, at most.
            careful: the slower way that is used after a crash.
        """
        ...

    def token(self) -> str:
        """A text that changes when the source changes."""
        ...

    def close(self) -> None:
        """Release files and connections."""
        ...


def rows_batch(
    first: int,
    rows: Sequence[Mapping[str, Any]],
    geometry: Sequence[Any],
    *,
    fids: Sequence[str] | None = None,
    problems: dict[int, tuple[str, str]] | None = None,
    raw: Mapping[int, bytes] | None = None,
    extra: Mapping[int, dict[str, Any]] | None = None,
) -> Batch:
    """A batch from records in row form; a field that a record lacks is null there."""
    import numpy as np

    names: dict[str, None] = {}
    for row in rows:
        names.update(dict.fromkeys(row))
    shapes = np.empty(len(rows), dtype=object)
    shapes[:] = list(geometry)
    return Batch(
        first=first,
        columns={name: [row.get(name) for row in rows] for name in names},
        geometry=shapes,
        fids=list(fids) if fids is not None else [str(first + index) for index in range(len(rows))],
        problems=problems or {},
        raw=raw or {},
        extra=extra or {},
    )


def profiled(rows: Sequence[Mapping[str, Any]]) -> tuple[Field, ...]:
    """Columns of records in row form, their kind taken from the values."""
    kinds: dict[str, str] = {}
    for row in rows:
        for name, value in row.items():
            kind = kind_of(value)
            before = kinds.get(name)
            if kind is None:
                kinds.setdefault(name, "")
            elif not before:
                kinds[name] = kind
            elif before != kind:
                both = {before, kind}
                kinds[name] = "number" if both == {"integer", "number"} else "text"
    return tuple(Field(name=name, kind=kind or "text") for name, kind in kinds.items())


def kind_of(value: Any) -> str | None:
    """The kind of one value, None for null."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    return "text" if isinstance(value, str) else "other"
