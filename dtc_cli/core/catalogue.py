"""The catalogue of the standard: requirements, readings, tables and schemas, from `dtc_cli/spec`."""

import hashlib
import json
from collections.abc import Collection, Mapping
from functools import cache, cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec
import yaml

from dtc_cli import paths
from dtc_cli.core import tables
from dtc_cli.core.model import Level, Requirement, Vector
from dtc_cli.errors import DtcError
from dtc_cli.exit_codes import ExitCode

REQUIREMENT_FILES = ("phase1", "phase2", "phase3", "phase4", "performance", "security")
SCHEMA_SUFFIX = ".schema.json"
SCHEMA_REFERENCE = "urn:dtc:schema:"

Row = TypeVar("Row")

# libyaml's loader is about ten times faster; the pure one gives the same result where it was not built.
YAML_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Catalogue:
    """The standard as data. Each table is read at its first use and never changes afterwards.

    Raises:
        DtcError: `catalogue-damaged` from any member whose file is missing, unreadable or of another shape.
    """

    def __init__(self, root: Path = paths.SPEC) -> None:
        self.root = root

    @cached_property
    def requirements(self) -> Mapping[str, Requirement]:
        """All requirements by id, in the order of the files: phases 1 to 4, performance, security."""
        entries = [
            entry
            for name in REQUIREMENT_FILES
            for entry in self._rows(f"requirements/{name}.yaml", Requirement)
        ]
        return self._by(entries, "id", "requirements")

    @cached_property
    def vectors(self) -> tuple[Vector, ...]:
        """All vectors of the suites, sorted by id (vectors.json is generated from the suites)."""
        rows = self._convert("vectors.json", self._json("vectors.json"), tuple[Vector, ...])
        return tuple(sorted(rows, key=lambda vector: vector.id))

    @cached_property
    def waived(self) -> Mapping[str, str]:
        """Requirement id (or `DTC-P1-043/negative`) to the reason why it can have no vector."""
        return MappingProxyType(
            self._convert("waived-vectors.yaml", self._yaml("waived-vectors.yaml"), dict[str, str])
        )

    @cached_property
    def interpretations(self) -> Mapping[str, tables.Interpretation]:
        """The readings C-01 to C-142 by id."""
        return self._by(self._rows("interpretations.yaml", tables.Interpretation), "id", "interpretations")

    @cached_property
    def conditions(self) -> Mapping[str, tables.Condition]:
        """The closed conditions that a requirement's `when` may name."""
        return self._by(self._rows("conditions.yaml", tables.Condition), "id", "conditions")

    @cached_property
    def levels(self) -> tables.Levels:
        """What each level needs of a target file, and the conditional requirements."""
        return self._convert("levels.yaml", self._yaml("levels.yaml"), tables.Levels)

    @cached_property
    def codes(self) -> tables.Codes:
        """Error codes of the API and of the data format, the rules behind them, and accepted refusals."""
        return self._convert("codes.yaml", self._yaml("codes.yaml"), tables.Codes)

    @cached_property
    def parameters(self) -> Mapping[str, tables.Parameter]:
        """The standard measurement parameters by name (P1 5.2)."""
        return self._by(self._rows("parameters.yaml", tables.Parameter), "name", "parameters")

    @cached_property
    def vocabularies(self) -> Mapping[str, tables.Vocabulary]:
        """The vocabularies by name: object_types, quality, simulation_states and so on."""
        return self._by(self._rows("vocabularies.yaml", tables.Vocabulary), "name", "vocabularies")

    @cached_property
    def topics(self) -> tables.Topics:
        """The topic hierarchy of the protocol (P3 4.2.2)."""
        return self._convert("topics.yaml", self._yaml("topics.yaml"), tables.Topics)

    @cached_property
    def messages(self) -> tables.Messages:
        """Message types, envelope and binary frame of the protocol (P3 5)."""
        return self._convert("messages.yaml", self._yaml("messages.yaml"), tables.Messages)

    @cached_property
    def limits(self) -> Mapping[str, tables.Limit]:
        """The standard's numbers by name, each with its unit and clause."""
        return self._by(self._rows("limits.yaml", tables.Limit), "name", "limits")

    @cached_property
    def operations(self) -> Mapping[str, tables.Operation]:
        """The operations of the API by id: the 22 of P2 4.2-4.8, then optional ones."""
        return self._by(self._rows("operations.yaml", tables.Operation), "id", "operations")

    @property
    def inventory(self) -> tuple[tables.Operation, ...]:
        """The 22 method and path pairs of P2 4.2-4.8, which every target must route (DTC-P2-106)."""
        return tuple(
            row
            for row in self.operations.values()
            if row.strength == "must" and row.clause.startswith("P2 4.")
        )

    @cached_property
    def schemas(self) -> Mapping[str, tables.Schema]:
        """The JSON Schemas by name (`city`, `object-list`, `record` ...), as written in their files."""
        names = sorted(file.name for file in (self.root / "schemas").glob(f"*{SCHEMA_SUFFIX}"))
        return MappingProxyType(
            {name.removesuffix(SCHEMA_SUFFIX): self._json(f"schemas/{name}") for name in names}
        )

    def schema(self, name: str) -> tables.Schema:
        """One schema made self-contained: the schemas it refers to (`urn:dtc:schema:*`) are embedded.

        Raises:
            KeyError: there is no schema of that name.
        """
        found: dict[str, tables.Schema] = {}
        _collect(self.schemas[name], self.schemas, found)
        found.pop(name, None)
        if not found:
            return self.schemas[name]
        own = self.schemas[name]
        return {**own, "$defs": {**own.get("$defs", {}), **found}}

    @cached_property
    def digest(self) -> str:
        r"""SHA-256 (hex) of the data as a whole.

        Hashed are the lines `<sha256 of the file>  <path relative to spec>\n` of every file below
        `dtc_cli/spec`, sorted by path; hidden files do not count. `sha256sum` gives the same lines.
        """
        whole = hashlib.sha256()
        files = {file.relative_to(self.root): file for file in self.root.rglob("*") if file.is_file()}
        for relative in sorted(files, key=lambda path: path.as_posix()):
            if not any(part.startswith((".", "__")) for part in relative.parts):
                one = hashlib.sha256(files[relative].read_bytes()).hexdigest()
                whole.update(f"{one}  {relative.as_posix()}\n".encode())
        return whole.hexdigest()

    def for_level(self, level: Level) -> tuple[Requirement, ...]:
        """The requirements of a level and of all below it, in catalogue order."""
        return tuple(entry for entry in self.requirements.values() if entry.level.rank <= level.rank)

    def _rows(self, name: str, kind: type[Row]) -> tuple[Row, ...]:
        return self._convert(name, self._yaml(name), tuple[kind, ...])  # type: ignore[valid-type]

    def _by(self, rows: Collection[Row], key: str, what: str) -> Mapping[str, Row]:
        table: dict[str, Row] = {getattr(row, key): row for row in rows}
        if len(table) != len(rows):
            raise _damaged(self.root / what, f"two rows of {what} share a name")
        return MappingProxyType(table)

    def _yaml(self, name: str) -> Any:
        try:
            # A safe loader, the C one where there is one: it builds plain data only.
            return yaml.load(self._bytes(name), Loader=YAML_LOADER)  # noqa: S506
        except yaml.YAMLError as problem:
            raise _damaged(self.root / name, str(problem)) from problem

    def _json(self, name: str) -> Any:
        try:
            return json.loads(self._bytes(name))
        except ValueError as problem:
            raise _damaged(self.root / name, str(problem)) from problem

    def _bytes(self, name: str) -> bytes:
        try:
            return (self.root / name).read_bytes()
        except OSError as problem:
            raise _damaged(self.root / name, str(problem.strerror)) from problem

    def _convert(self, name: str, value: Any, kind: type[Row]) -> Row:
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as problem:
            raise _damaged(self.root / name, str(problem)) from problem


def _damaged(file: Path, why: str) -> DtcError:
    return DtcError(
        "catalogue-damaged",
        "a file of the standard that comes with dtc cannot be read",
        where=str(file),
        why=why,
        hint="install dtc again; if the file was edited by hand, undo that",
        exit_code=ExitCode.BUG,
    )


def _collect(node: Any, schemas: Mapping[str, tables.Schema], found: dict[str, tables.Schema]) -> None:
    """Gather, through any depth, the schemas that a schema refers to by `urn:dtc:schema:<name>`."""
    if isinstance(node, dict):
        reference = node.get("$ref")
        if isinstance(reference, str) and reference.startswith(SCHEMA_REFERENCE):
            name = reference.removeprefix(SCHEMA_REFERENCE).partition("#")[0]
            if name not in found:
                found[name] = schemas[name]
                _collect(schemas[name], schemas, found)
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _collect(child, schemas, found)


@cache
def load() -> Catalogue:
    """The catalogue that comes with `dtc`, read once."""
    return Catalogue()


def for_level(level: Level) -> tuple[Requirement, ...]:
    """The requirements of a level and of all below it, in catalogue order."""
    return load().for_level(level)


def check(catalogue: Catalogue) -> list[str]:
    """Every defect of the catalogue in words; empty when it is whole (see `core.catalogue_check`)."""
    from dtc_cli.core import catalogue_check

    return catalogue_check.check(catalogue)
