"""Where the data of a plan lies, and whether that is the city at all: told once, not record by record."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from dtc_cli.migrate.frames import Frame
from dtc_cli.migrate.plan import Plan
from dtc_cli.migrate.reader import LayerReader
from dtc_cli.migrate.trouble import plan_error

Box = Sequence[float]
"""West, south, east, north in degrees."""


def of_layers(plan: Plan) -> list[list[float]]:
    """The boxes of the layers of a plan, found by placing all geometry once."""
    found: list[list[float]] = []
    for source in plan.sources:
        for layer in source.layers:
            if layer.skip:
                continue
            if layer.point is not None:
                found.append([*layer.point[:2], *layer.point[:2]])
            reader = LayerReader(
                Path(plan.file),
                source.name,
                layer.name,
                migration="none",
                started=datetime.now(UTC),
                frame=8192,
                placed_only=True,
            )
            for _ in reader.frames():
                pass
            if reader.facts.bounds:
                found.append(reader.facts.bounds)
    return found


def refuse_elsewhere(plan: Plan, city: Box, frame: Frame) -> bool:
    """Refuse data of which nothing lies in the city.

    The first records say whether that may be so; only then all layers are placed, and compared.

    Args:
        plan: the plan.
        city: the box of the city.
        frame: the first records of a layer.

    Returns:
        Whether they said something: records without a place do not.

    Raises:
        DtcError: `migration-plan`, with both places.
    """
    boxes = (
        box_of(orjson.loads(body).get("geometry"))
        for record, body in frame.items()
        if record.state in ("ready", "repaired")
    )
    found = False
    for box in boxes:
        if box is not None and _meet(box, city):
            return True
        found = found or box is not None
    if not found:
        return False
    layers = of_layers(plan)
    if not layers or any(_meet(box, city) for box in layers):
        return True
    whole = [min(box[place] for box in layers) for place in (0, 1)]
    whole += [max(box[place] for box in layers) for place in (2, 3)]
    raise plan_error(
        f"the data lies outside of the city {plan.city}; nothing was sent",
        where=plan.file,
        why=f"the data lies at {told(whole)}, the city at {told(city)}",
        hint="source_crs and axis_order say where it lies; or it is of another city.id, or other bounds",
    )


def box_of(shape: Any) -> list[float] | None:
    """The box of a GeoJSON geometry, or of a box; None for what is neither, or empty."""
    if isinstance(shape, list) and len(shape) == 4 and all(isinstance(one, int | float) for one in shape):
        return [float(one) for one in shape]
    if not isinstance(shape, dict):
        return None
    points = list(_points(shape.get("coordinates")))
    for part in shape.get("geometries") or ():
        inner = box_of(part)
        if inner is not None:
            points += [inner[:2], inner[2:]]
    if not points:
        return None
    low = [min(float(point[place]) for point in points) for place in (0, 1)]
    return low + [max(float(point[place]) for point in points) for place in (0, 1)]


def told(box: Box) -> str:
    """A box for people."""
    (west, east), (south, north) = (sorted((box[place], box[place + 2])) for place in (0, 1))
    return (
        f"{_degrees(west, east)} {'E' if west >= 0 else 'longitude'}, "
        f"{_degrees(south, north)} {'N' if south >= 0 else 'latitude'}"
    )


def _degrees(low: float, high: float) -> str:
    return f"{low:.4f}" if f"{low:.4f}" == f"{high:.4f}" else f"{low:.4f} to {high:.4f}"


def _points(coordinates: Any) -> Iterable[Sequence[float]]:
    if not isinstance(coordinates, list) or not coordinates:
        return
    if isinstance(coordinates[0], int | float):
        if len(coordinates) > 1:
            yield coordinates
        return
    for part in coordinates:
        yield from _points(part)


def _meet(one: Box, other: Box) -> bool:
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]
