"""Files as targets: object lines, GeoJSON lines, or a phase 1 record."""

import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import msgspec
import orjson

from dtc_cli.migrate import sensing
from dtc_cli.migrate.journal import Written
from dtc_cli.migrate.trouble import target_error


class Item(msgspec.Struct, frozen=True):
    """One object on its way to a target."""

    id: str
    body: bytes
    known: bool = False
    """It stands in the target already, by this migration: it is replaced."""


class Sink(Protocol):
    """A place that objects go to."""

    forgets: bool
    """Whether `restore` undoes what was stored since a checkpoint; nothing is then journalled ahead."""

    @property
    def page(self) -> int:
        """Objects that it takes best in one call."""
        ...

    def put(self, items: Sequence[Item]) -> list[Written]:
        """Store objects; what came of each, in order. Idempotent: an object may come twice after a crash."""
        ...

    def ahead(self, items: Sequence[Item]) -> int:
        """How many pages such as this one may be on their way at once; 0 where each is waited for."""
        ...

    def halt(self) -> None:
        """Nobody waits for what is on its way any more."""
        ...

    def checkpoint(self) -> Any:
        """Make everything durable; a value from which `restore` finds this place again."""
        ...

    def restore(self, place: Any) -> None:
        """Forget what was stored after a checkpoint."""
        ...

    def finish(self, bounds: Sequence[float] | None) -> None:
        """All layers are done."""
        ...

    def close(self) -> None:
        """Release files and connections."""
        ...


class FileSink:
    """Lines in a file: `.geojsonl` gets GeoJSON Features, `.json` a phase 1 record, all else objects."""

    page = 2000
    forgets = True

    def __init__(self, path: Path, *, city: str, at: datetime) -> None:
        self._path = path
        self._form = {".geojsonl": "features", ".geojsons": "features", ".json": "record"}.get(
            path.suffix.lower(), "objects"
        )
        self._city, self._at = city, at
        # A record is written when all is known; until then its objects wait beside it.
        self._lines = path.with_name(path.name + ".part") if self._form == "record" else path
        try:
            self._lines.parent.mkdir(parents=True, exist_ok=True)
            self._stream = self._lines.open("r+b" if self._lines.exists() else "w+b")
        except OSError as problem:
            raise target_error(
                f"{path} cannot be written", where=str(path), why=problem.strerror or str(problem)
            ) from problem

    def ahead(self, items: Sequence[Item]) -> int:
        """A file is written page after page."""
        return 0

    def halt(self) -> None:
        """Nothing is ever on its way."""

    def put(self, items: Sequence[Item]) -> list[Written]:
        """See `Sink`."""
        bodies = [item.body for item in items]
        if self._form == "features":
            bodies = [_feature(body) for body in bodies]
        elif items and sensing.family(items[0].id) != "objects":
            bodies = [orjson.dumps(sensing.native(orjson.loads(body))) for body in bodies]
        try:
            self._stream.write(b"\n".join(bodies) + b"\n")
        except OSError as problem:
            raise self._full(problem) from problem
        return [Written("created")] * len(items)

    def checkpoint(self) -> int:
        """Bytes that are safe on disk."""
        try:
            self._stream.flush()
            os.fsync(self._stream.fileno())
        except OSError as problem:
            raise self._full(problem) from problem
        return self._stream.tell()

    def _full(self, problem: OSError) -> Exception:
        return target_error(
            f"{self._path} cannot be written further", where=str(self._path),
            why=problem.strerror or str(problem),
            hint="make room, then dtc migrate resume; nothing that was journalled is lost",
        )  # fmt: skip

    def restore(self, place: Any) -> None:
        """Cut the file to what the journal knows."""
        try:
            self._stream.truncate(int(place or 0))
            self._stream.seek(int(place or 0))
        except OSError as problem:
            raise target_error(
                f"{self._path} is no ordinary file", where=str(self._path),
                why=problem.strerror or str(problem), hint="--to FILE on a disk; a run may have to cut it",
            ) from problem  # fmt: skip

    def finish(self, bounds: Sequence[float] | None) -> None:
        """Write the record around its objects."""
        if self._form != "record":
            return
        self.checkpoint()
        head = _envelope(self._city, self._at, bounds)
        whole = self._path.with_name(self._path.name + ".new")
        with whole.open("wb") as out:
            out.write(orjson.dumps(head)[:-1] + b',"cityObjects":[\n')
            self._stream.seek(0)
            first, network = True, _Network()
            for line in self._stream:
                if network.takes(line):
                    continue
                out.write((b"" if first else b",\n") + line.rstrip(b"\n"))
                first = False
            out.write(b"\n]" + network.member() + b"}\n")
            out.flush()
            os.fsync(out.fileno())
        whole.replace(self._path)
        self._stream.seek(0, os.SEEK_END)

    def close(self) -> None:
        """See `Sink`."""
        with suppress(OSError):  # what a full disk refused stands in no checkpoint
            self._stream.close()
        if self._form == "record" and self._path.exists():
            self._lines.unlink(missing_ok=True)


def _feature(body: bytes) -> bytes:
    item = orjson.loads(body)
    return orjson.dumps(
        {
            "type": "Feature",
            "id": item["id"],
            "geometry": item["geometry"],
            "properties": {
                **item["properties"],
                "cityObjectId": item["id"],
                "type": item["type"],
                "metadata": item["metadata"],
            },
        }
    )


class _Network:
    """The sensors of a record with their readings (P1 4.3), gathered from the lines of the output."""

    def __init__(self) -> None:
        self._nodes: dict[str, dict[str, Any]] = {}

    def takes(self, line: bytes) -> bool:
        """Whether a line is a sensor or a reading, and is kept."""
        if line.startswith(b'{"geometry":'):  # as all objects here begin
            return False
        item = orjson.loads(line)
        if "sensorId" in item:
            # A reading may come before its sensor, or without one: it must not be lost.
            node = self._nodes.setdefault(item["sensorId"], {"id": item["sensorId"], "type": "Sensor"})
            node.setdefault("measurements", []).extend(item["measurements"])
        else:
            self._nodes[item["id"]] = {**self._nodes.get(item["id"], {}), **item}
        return True

    def member(self) -> bytes:
        """The member of the record; empty without sensors."""
        if not self._nodes:
            return b""
        return b',"sensorNetwork":' + orjson.dumps({"nodes": list(self._nodes.values()), "aggregations": []})


def _envelope(city: str, at: datetime, bounds: Sequence[float] | None) -> dict[str, Any]:
    """The compulsory members of a phase 1 record (P1 4.1)."""
    west, south, east, north = bounds or (-180.0, -90.0, 180.0, 90.0)
    stamp = at.isoformat(timespec="seconds").replace("+00:00", "Z")
    return {
        "version": "1.0.0",
        "cityId": city,
        "timestamp": stamp,
        "bounds": bounds_polygon((west, south, east, north)),
        "coordinateSystem": {"type": "WGS84", "epsg": 4326},
        "metadata": {"created": stamp, "lastUpdated": stamp},
    }


def bounds_polygon(bounds: Sequence[float], margin: float = 0.0) -> dict[str, Any]:
    """A box in degrees as a GeoJSON polygon, counter-clockwise."""
    west, south = max(-180.0, bounds[0] - margin), max(-90.0, bounds[1] - margin)
    east, north = min(180.0, bounds[2] + margin), min(90.0, bounds[3] + margin)
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}
