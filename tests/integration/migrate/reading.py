"""Reading a source whole, as the tests of the readers do."""

from typing import Any

from dtc_cli.migrate.sources.open import open_source
from dtc_cli.migrate.sources.source import Layer


def read(path: Any, layer: str | None = None, **how: Any) -> tuple[Layer, list[dict[str, Any]]]:
    """Facts and records of a layer: `*` is the geometry, `!` the problem, `+` what comes beside.

    Reading from the middle on must give the same records, and the count must be that of the records.
    """
    source = open_source(str(path), **how)
    try:
        layers = {one.name: one for one in source.layers()}
        facts = layers[layer] if layer else next(iter(layers.values()))
        rows = list(_rows(source, facts.name, 0))
        middle = len(rows) // 2
        assert [row["#"] for row in _rows(source, facts.name, middle)] == [row["#"] for row in rows[middle:]]
        assert facts.count in (None, len(rows))
        assert source.token() == source.token()
        return facts, rows
    finally:
        source.close()


def _rows(source: Any, layer: str, start: int) -> Any:
    for batch in source.batches(layer, start=start, size=3, careful=False):
        for i in range(batch.size):
            yield {
                **batch.row(i), "*": batch.geometry[i], "!": batch.problems.get(i),
                "+": batch.extra.get(i) or {}, "#": (batch.first + i, batch.fids[i]),
            }  # fmt: skip
