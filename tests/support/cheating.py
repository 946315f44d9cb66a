"""Ways to meddle with the contents of a package: a line of the matrix, a document, the event chain."""

import json
from collections.abc import Callable
from typing import Any

from dtc_cli.core import chain
from dtc_cli.core.canonical import canonical_json
from dtc_cli.signing import layout
from tests.support.packages import Contents

FAILED, BLOCKED = "DTC-P1-001/negative-case", "DTC-P1-002/negative-case"
Json = dict[str, Any]


def lines(contents: Contents, name: str) -> list[Json]:
    return [json.loads(line) for line in contents[name].splitlines()]


def write_lines(contents: Contents, name: str, values: list[Json]) -> None:
    contents[name] = b"".join(canonical_json(value) + b"\n" for value in values)


def matrix(edit: Callable[[list[Json]], object]) -> Callable[[Contents], object]:
    def change(contents: Contents) -> None:
        values = lines(contents, layout.MATRIX)
        edit(values)
        write_lines(contents, layout.MATRIX, values)

    return change


def line(vector: str, **members: Any) -> Callable[[Contents], object]:
    return matrix(lambda values: next(v for v in values if v["vector"] == vector).update(members))


def document(name: str, edit: Callable[[Any], object]) -> Callable[[Contents], object]:
    def change(contents: Contents) -> None:
        value = json.loads(contents[name])
        edit(value)
        contents[name] = json.dumps(value).encode()

    return change


def run(**members: Any) -> Callable[[Contents], object]:
    return document(layout.RUN, lambda value: value.update(members))


def both(*changes: Callable[[Contents], object]) -> Callable[[Contents], object]:
    def change(contents: Contents) -> None:
        for each in changes:
            each(contents)

    return change


def without(name: str, key: str, id_: str) -> Callable[[Contents], object]:
    def edit(values: list[Json]) -> None:
        values[:] = [value for value in values if value[key] != id_]

    return document(name, edit)


def drop_line(vector: str) -> Callable[[Contents], object]:
    def edit(values: list[Json]) -> None:
        values[:] = [value for value in values if value["vector"] != vector]

    return matrix(edit)


def rechained(edit: Callable[[list[Json]], object]) -> Callable[[Contents], object]:
    """Edit the events and link them again, up to the head in run.json."""

    def change(contents: Contents) -> None:
        facts = json.loads(contents[layout.RUN])
        events = lines(contents, layout.EVENTS)
        edit(events)
        head = chain.genesis(
            facts["nonce"], facts["runId"], facts["standard"]["catalogueDigest"], facts["profile"]["digest"]
        )
        for event in events:
            event["prev"] = head
            head = chain.link(canonical_json(event))
        write_lines(contents, layout.EVENTS, events)
        facts["events"] = {"count": len(events), "head": head}
        contents[layout.RUN] = json.dumps(facts).encode()

    return change


def first_body(contents: Contents) -> str:
    return next(name for name in contents if name.startswith(layout.BODIES))


def withhold(contents: Contents) -> None:
    del contents[first_body(contents)]


def renamed_body(contents: Contents) -> None:
    contents[layout.BODIES + "not-a-digest"] = b"{}"
