"""Proof that the tables beside the catalogue are whole: codes, parameters, words, protocol, schemas."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from dtc_cli.core.catalogue import SCHEMA_REFERENCE, Catalogue
from dtc_cli.core.tables import Refusal

CODE = re.compile(
    r"(?P<name>ERR_[A-Z_]+|[A-Z]+(?:_[A-Z]+)+|UNAUTHORIZED|FORBIDDEN)(?: \((?P<number>\d{4})\))?"
)
FOREIGN_SCHEMAS = ("record", "target")  # the standard's own record schema, and the tool's target file
INVENTORY_COUNT = 22  # P2 4.2-4.8, DTC-P2-106
FORMS = ("envelope", "oauth", "any")
RIGHTS = ("read", "write", "none")


def check(catalogue: Catalogue) -> Iterator[str]:
    """Every defect of the tables in words."""
    for part in (
        _codes,
        _refusals,
        _requirement_codes,
        _parameters,
        _words,
        _protocol,
        _operations,
        _schemas,
    ):
        yield from part(catalogue)


def unknown(catalogue: Catalogue, ids: Iterable[str], where: str) -> Iterator[str]:
    """A sentence for each id that is no requirement."""
    for entry in ids:
        if entry not in catalogue.requirements:
            yield f"{where}: {entry} does not exist"


def _twice(names: Iterable[object], where: str) -> Iterator[str]:
    for name, times in Counter(names).items():
        if times > 1:
            yield f"{where}: {name} stands {times} times"


def _codes(catalogue: Catalogue) -> Iterator[str]:
    codes = catalogue.codes
    yield from _twice([*(row.name for row in codes.api), *(row.name for row in codes.record)], "codes.yaml")
    yield from _twice([code.number for code in codes.api if code.number is not None], "codes.yaml")
    api = {code.name for code in codes.api}
    rules = {rule.id for rule in codes.rules}
    for code in codes.api:
        if code.additive != (code.number is None):
            yield f"codes.yaml: {code.name} is additive exactly when it has no number"
        if not code.statuses:
            yield f"codes.yaml: {code.name} has no status"
    for record in codes.record:
        if not set(record.api) <= api or not set(record.rules) <= rules:
            yield f"codes.yaml: {record.name} names a code or a rule that does not exist"
        if record.printed not in ("table", "used", "additive"):
            yield f"codes.yaml: {record.name} is printed {record.printed}"
    for rule in codes.rules:
        if rule.code not in {record.name for record in codes.record}:
            yield f"codes.yaml: {rule.id} names the code {rule.code}, which does not exist"
        yield from unknown(catalogue, rule.requirements, f"codes.yaml: {rule.id}")


def _refusals(catalogue: Catalogue) -> Iterator[str]:
    for refusal in catalogue.codes.refusals:
        where = f"codes.yaml: {refusal.requirement}, {refusal.case}"
        yield from unknown(catalogue, [refusal.requirement], where)
        yield from _refusal(catalogue, refusal, where)


def _refusal(catalogue: Catalogue, refusal: Refusal, where: str) -> Iterator[str]:
    api = {code.name: code for code in catalogue.codes.api}
    if refusal.form not in FORMS:
        yield f"{where}: unknown form {refusal.form}"
    if not refusal.codes and not refusal.any_code:
        yield f"{where}: names no code, and does not accept any"
    if refusal.form == "oauth":
        return
    for name in (*refusal.codes, *refusal.tolerated):
        if name not in api:
            yield f"{where}: the code {name} does not exist"
    usual = {status for name in refusal.codes if name in api for status in api[name].statuses}
    if not refusal.any_code and refusal.statuses and not set(refusal.statuses) & usual:
        yield f"{where}: none of its statuses is one of its code"


def _requirement_codes(catalogue: Catalogue) -> Iterator[str]:
    numbers = {code.name: code.number for code in catalogue.codes.api}
    names = {*numbers, *(code.name for code in catalogue.codes.record)}
    for entry in catalogue.requirements.values():
        found = list(CODE.finditer(entry.error_code or ""))
        if entry.error_code and not found:
            yield f"{entry.id}: its error code names none"
        for match in found:
            if match["name"] not in names:
                yield f"{entry.id}: the error code {match['name']} does not exist"
            elif match["number"] and numbers.get(match["name"]) != int(match["number"]):
                yield f"{entry.id}: {match['name']} has not the number {match['number']}"


def _parameters(catalogue: Catalogue) -> Iterator[str]:
    rows = catalogue.parameters.values()
    yield from _twice([row.binary_id for row in rows], "parameters.yaml: binary_id")
    for row in rows:
        yield from unknown(catalogue, [row.requirement], f"parameters.yaml: {row.name}")
        if row.maximum is None and row.maximum_from is None:
            yield f"parameters.yaml: {row.name} has no upper limit, and does not say where it comes from"
        if row.maximum is not None and row.maximum <= row.minimum:
            yield f"parameters.yaml: {row.name} has an empty range"


def _words(catalogue: Catalogue) -> Iterator[str]:
    for vocabulary in catalogue.vocabularies.values():
        where = f"vocabularies.yaml: {vocabulary.name}"
        yield from _twice(vocabulary.values, where)
        yield from unknown(catalogue, vocabulary.requirements, where)
    checks = set(catalogue.vocabularies["checks"].values)
    for entry in catalogue.requirements.values():
        if entry.check not in checks:
            yield f"{entry.id}: the check {entry.check} does not exist"
    for name in checks - {entry.check for entry in catalogue.requirements.values()}:
        yield f"vocabularies.yaml: no requirement belongs to the check {name}"


def _protocol(catalogue: Catalogue) -> Iterator[str]:
    topics, messages = catalogue.topics, catalogue.messages
    events = set(catalogue.vocabularies["events"].values)
    for topic in topics.topics:
        yield from unknown(
            catalogue, [topic.requirement] if topic.requirement else [], f"topics.yaml: {topic.name}"
        )
        if topic.event is not None and topic.event not in events:
            yield f"topics.yaml: {topic.name} carries {topic.event}, which is no event"
        if topic.additive == (topic.requirement is not None):
            yield f"topics.yaml: {topic.name} is additive exactly when no requirement asks for it"
    for retention in topics.retention:
        yield from unknown(catalogue, [retention.requirement], f"topics.yaml: {retention.filter}")
    names = {kind.name for kind in messages.types}
    yield from _twice([kind.name for kind in messages.types], "messages.yaml")
    for kind in messages.types:
        yield from unknown(catalogue, kind.requirements, f"messages.yaml: {kind.name}")
        if not set(kind.answered_by) <= names or kind.direction not in ("client", "server", "both"):
            yield f"messages.yaml: {kind.name} has an unknown answer or direction"
    yield from unknown(catalogue, [row.requirement for row in messages.envelope], "messages.yaml: envelope")
    yield from unknown(
        catalogue, [id_ for row in messages.reasons for id_ in row.requirements], "messages.yaml"
    )
    end = 0
    for field in messages.binary:
        yield from unknown(catalogue, [field.requirement], f"messages.yaml: {field.name}")
        if field.offset != end:
            yield f"messages.yaml: the field {field.name} does not begin where the one before ends"
        end = field.offset + field.size
    if end != messages.binary_sizes[0]:
        yield f"messages.yaml: the fields end at {end}, the frame at {messages.binary_sizes[0]}"
    for limit in catalogue.limits.values():
        yield from unknown(catalogue, limit.requirements, f"limits.yaml: {limit.name}")


def _operations(catalogue: Catalogue) -> Iterator[str]:
    if len(catalogue.inventory) != INVENTORY_COUNT:
        yield f"operations.yaml: {len(catalogue.inventory)} operations are required, not {INVENTORY_COUNT}"
    operations = catalogue.operations.values()
    yield from _twice([f"{row.method} {row.path} at {row.at}" for row in operations], "operations.yaml")
    for operation in operations:
        where = f"operations.yaml: {operation.id}"
        yield from unknown(catalogue, operation.requirements, where)
        for name in (operation.request, operation.response):
            if name is not None and name not in catalogue.schemas:
                yield f"{where}: the schema {name} does not exist"
        if operation.right not in RIGHTS or not operation.statuses:
            yield f"{where}: unknown right, or no status"


def _schemas(catalogue: Catalogue) -> Iterator[str]:
    import jsonschema_rs

    for name, schema in catalogue.schemas.items():
        try:
            jsonschema_rs.meta.validate(schema)  # by the dialect that its $schema names
        except jsonschema_rs.ValidationError as problem:
            yield f"schemas/{name}: {problem.message}"
        if name in FOREIGN_SCHEMAS:
            continue
        if schema.get("$id") != SCHEMA_REFERENCE + name or not schema.get("$comment"):
            yield f"schemas/{name}: its $id is not {SCHEMA_REFERENCE}{name}, or no $comment names its clause"
        for reference in _references(schema):
            target, _, pointer = reference.removeprefix(SCHEMA_REFERENCE).partition("#/$defs/")
            if pointer not in catalogue.schemas.get(target, {}).get("$defs", {}):
                yield f"schemas/{name}: {reference} leads nowhere"


def _references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for child in node.values():
            yield from _references(child)
    elif isinstance(node, list):
        for child in node:
            yield from _references(child)
