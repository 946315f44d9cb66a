"""Many new objects in one change: the same rows that single puts leave, in few statements."""

import sqlite3
from collections import Counter
from collections.abc import Sequence

from reference_server.storage.protocol import Change, Prepared

ROADLIKE = ("Road", "Bridge")


def insert(
    sql: sqlite3.Connection,
    city: int,
    items: Sequence[Prepared],
    *,
    seq: int,
    at: int,
    instant: str,
    actor: str,
    import_id: str | None,
) -> list[Change]:
    """Insert objects that no row has the id of; the events are numbered from `seq` on."""
    first = _next_no(sql)
    objects, boxes, events = [], [], []
    properties: list[tuple[int, str, str | int | float, int]] = []
    mentions: list[tuple[int, str, int]] = []
    changes: list[Change] = []
    counts: Counter[str] = Counter()
    sums: dict[str, float] = {}
    for offset, item in enumerate(items):
        no, number = first + offset, seq + offset
        text = item.text(instant, number)
        box = item.box
        corners = (None, None, None, None) if box is None else box
        objects.append((no, city, item.id, item.type, text, number, at, *corners, import_id))
        if box is not None:
            boxes.append((no, box[0], box[2], box[1], box[3]))
        properties.extend((city, path, value, no) for path, value in item.scalars)
        mentions.extend((city, sensor, no) for sensor in item.sensors)
        events.append((number, city, "object", item.id, "created", at, actor, number, text))
        changes.append(Change(city, "object", item.id, "created", at, number, text))
        counts[f"object:{item.type}"] += 1
        if item.type in ROADLIKE:
            counts["change:roads"] += 1
        if item.accuracy is not None:
            sums["accuracy:total"] = sums.get("accuracy:total", 0.0) + item.accuracy
            counts["accuracy:n"] += 1
    sql.executemany(
        "INSERT INTO object (no, city, id, type, body, revision, updated, x0, y0, x1, y1, import)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        objects,
    )
    sql.executemany("INSERT INTO object_box VALUES (?, ?, ?, ?, ?)", boxes)
    properties.sort(key=_place)
    sql.executemany("INSERT OR IGNORE INTO object_property VALUES (?, ?, ?, ?)", properties)
    sql.executemany("INSERT OR IGNORE INTO object_sensor VALUES (?, ?, ?)", mentions)
    sql.executemany(
        "INSERT INTO event (seq, city, kind, entity, action, at, actor, revision, body)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        events,
    )
    sql.executemany(
        "INSERT INTO counter VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n",
        [(city, name, n) for name, n in (*counts.items(), *sums.items())],
    )
    return changes


def _place(row: tuple[int, str, str | int | float, int]) -> tuple[str, bool, str | int | float]:
    """Where a property lies in its index: neighbours in one batch share their pages."""
    return row[1], isinstance(row[2], str), row[2]


def _next_no(sql: sqlite3.Connection) -> int:
    found = sql.execute("SELECT seq FROM sqlite_sequence WHERE name = 'object'").fetchone()
    return 1 if found is None else int(found[0]) + 1
