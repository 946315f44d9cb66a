"""PostGIS: tables and views through a server-side cursor, in the order of their primary key."""

import hashlib
from collections.abc import Iterator
from typing import Any

import msgspec

from dtc_cli.migrate.sources import wkb as wkbs
from dtc_cli.migrate.sources.source import Batch, Field, Layer
from dtc_cli.migrate.trouble import need, source_error

KINDS = {
    "smallint": "integer", "integer": "integer", "bigint": "integer", "numeric": "number", "real": "number",
    "double precision": "number", "boolean": "boolean", "date": "date",
    "timestamp without time zone": "instant", "timestamp with time zone": "instant",
}  # fmt: skip
SYSTEM = ("spatial_ref_sys", "geometry_columns", "geography_columns", "raster_columns", "raster_overviews")
SHAPES = ("geometry", "geography")


class _Table(msgspec.Struct, frozen=True, kw_only=True):
    schema: str
    name: str
    columns: dict[str, str]
    geometry: str | None
    key: tuple[str, ...]
    is_view: bool


class PostgisSource:
    """Tables of one database, read in one transaction that sees one state and may not write.

    The password comes from PGPASSWORD, `~/.pgpass` or a service file, as for `psql`.

    Args:
        path: `postgresql://user@host:port/database`.
        format: always `postgis`.
        encoding: not used; the server converts to UTF-8.
        tables: names, or `schema.name`; all outside the system schemas without.
    """

    format = "postgis"

    def __init__(
        self,
        path: str,
        *,
        format: str = "postgis",
        encoding: str | None = None,
        tables: list[str] | None = None,
    ) -> None:
        self._psycopg = need("psycopg", extra="postgis", what="reading PostGIS")
        self._path, self._wanted = path, tables
        try:
            self._link = self._psycopg.connect(path, connect_timeout=15, client_encoding="UTF8")
            self._link.isolation_level = self._psycopg.IsolationLevel.REPEATABLE_READ
            self._link.read_only = True
        except self._psycopg.Error as problem:
            raise source_error(
                "the database does not let us in", where=path, why=str(problem).strip().splitlines()[0][:200],
                hint="PGPASSWORD or ~/.pgpass holds the password; does psql get in with the same address?",
            ) from problem  # fmt: skip
        self._tables: dict[str, _Table] | None = None
        self._layers: list[Layer] | None = None

    def layers(self) -> list[Layer]:
        """See `Source`."""
        if self._layers is None:
            self._layers = [self._layer(name, table) for name, table in self._found().items()]
        return self._layers

    def batches(self, layer: str, *, start: int, size: int, careful: bool) -> Iterator[Batch]:
        """See `Source`."""
        table = self._found()[layer]
        sql = self._psycopg.sql
        names = [name for name in table.columns if table.columns[name] not in SHAPES]
        chosen = [sql.Identifier(name) for name in names]
        if table.geometry is not None:
            shape = sql.Identifier(table.geometry)
            chosen.append(sql.SQL("ST_AsBinary(ST_CurveToLine({}::geometry))").format(shape))
        order = sql.SQL("1" if table.is_view else "ctid")
        if table.key:
            order = sql.SQL(", ").join(sql.Identifier(one) for one in table.key)
        query = sql.SQL("SELECT {} FROM {} ORDER BY {} OFFSET {}").format(
            sql.SQL(", ").join(chosen), sql.Identifier(table.schema, table.name), order, sql.Literal(start)
        )
        first = start
        try:
            with self._link.cursor(name="dtc_migrate", withhold=False) as cursor:
                cursor.itersize = size
                cursor.execute(query)
                while rows := cursor.fetchmany(size):
                    yield self._batch(rows, names, table, first)
                    first += len(rows)
        except self._psycopg.Error as problem:
            raise self._trouble(problem, layer) from problem
        finally:
            self._link.rollback()

    def keys(self, layer: str, field: str) -> list[Any]:
        """The values of one field."""
        table, sql = self._found()[layer], self._psycopg.sql
        query = sql.SQL("SELECT {} FROM {}").format(
            sql.Identifier(field), sql.Identifier(table.schema, table.name)
        )
        return [row[0] for row in self._rows(query)]

    def token(self) -> str:
        """Changes with counts and with what the server counts as written rows."""
        digest = hashlib.blake2b(digest_size=16)
        for name, table in self._found().items():
            facts = self._rows(
                "SELECT n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_all_tables "
                "WHERE schemaname = %s AND relname = %s",
                (table.schema, table.name),
            )
            digest.update(f"{name} {self._count(table)} {facts}\n".encode())
        return digest.hexdigest()

    def close(self) -> None:
        """Close the connection."""
        self._link.close()

    def _rows(self, query: Any, given: Any = None) -> list[Any]:
        try:
            found: list[Any] = self._link.execute(query, given).fetchall()
        except self._psycopg.Error as problem:
            raise self._trouble(problem, "the catalogue") from problem
        finally:
            self._link.rollback()
        return found

    def _trouble(self, problem: Exception, what: str) -> Exception:
        why = str(problem).strip().splitlines()
        return source_error(
            f"the database does not give {what}", where=self._path, why=(why or ["?"])[0][:200]
        )

    def _found(self) -> dict[str, _Table]:
        if self._tables is not None:
            return self._tables
        columns: dict[tuple[str, str], dict[str, str]] = {}
        for schema, name, column, kind, udt in self._rows(
            "SELECT c.table_schema, c.table_name, c.column_name, c.data_type, c.udt_name "
            "FROM information_schema.columns c "
            "WHERE c.table_schema NOT IN ('pg_catalog', 'information_schema') "
            "AND c.table_schema NOT LIKE 'pg_temp%' ORDER BY 1, 2, c.ordinal_position"
        ):
            if name not in SYSTEM and (
                self._wanted is None or {name, f"{schema}.{name}"} & set(self._wanted)
            ):
                columns.setdefault((schema, name), {})[column] = udt if kind == "USER-DEFINED" else kind
        if not columns:
            raise source_error(
                "the database has no such tables" if self._wanted else "the database has no tables to read",
                where=self._path, hint="options: {tables: [schema.name]}; may the user read them?",
            )  # fmt: skip
        keys: dict[tuple[str, str], list[str]] = {}
        for schema, name, column in self._rows(
            "SELECT n.nspname, t.relname, a.attname FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid "
            "JOIN pg_namespace n ON n.oid = t.relnamespace CROSS JOIN LATERAL unnest(i.indkey) "
            "WITH ORDINALITY AS k(num, place) JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.num "
            "WHERE i.indisprimary ORDER BY 1, 2, k.place"
        ):
            keys.setdefault((schema, name), []).append(column)
        views = set(
            self._rows(
                "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
                "WHERE c.relkind NOT IN ('r', 'p', 'm')"
            )
        )
        self._tables = {}
        for (schema, name), found in columns.items():
            shape = next((column for column, kind in found.items() if kind in SHAPES), None)
            known = f"{schema}.{name}" if name in self._tables or schema != "public" else name
            self._tables[known] = _Table(
                schema=schema,
                name=name,
                columns=found,
                geometry=shape,
                key=tuple(keys.get((schema, name), ())),
                is_view=(schema, name) in views,
            )
        return self._tables

    def _count(self, table: _Table) -> int:
        sql = self._psycopg.sql
        query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table.schema, table.name))
        return int(self._rows(query)[0][0])

    def _layer(self, known: str, table: _Table) -> Layer:
        geometry, crs, notes = None, None, []
        if table.geometry is not None:
            crs, geometry = self._system(table)
            shapes = [name for name, kind in table.columns.items() if kind in SHAPES]
            if len(shapes) > 1:
                notes.append("further geometries are left out: " + ", ".join(shapes[1:]))
        blockers = []
        if not table.key:
            notes.append("the table has no primary key; its order is that of the disk")
        fields = tuple(
            Field(
                name=name,
                kind=KINDS.get(kind, "text" if "char" in kind or kind in ("text", "uuid") else "other"),
            )
            for name, kind in table.columns.items()
            if kind not in SHAPES
        )
        if isinstance(crs, list):
            blockers.append(
                f"the table mixes systems: SRID {', '.join(str(one) for one in crs)}; make views of one"
            )
            crs = None
        return Layer(
            name=known, count=self._count(table), geometry=geometry, crs=crs, fields=fields, encoding="UTF-8",
            encoding_evidence="the server converts", notes=tuple(notes), blockers=tuple(blockers),
            key=table.key[0] if len(table.key) == 1 else None,
        )  # fmt: skip

    def _system(self, table: _Table) -> tuple[Any, str]:
        """Authority code or WKT of the geometry, or the list of SRIDs where there are several."""
        sql = self._psycopg.sql
        query = sql.SQL(
            "SELECT DISTINCT ST_SRID({0}::geometry), GeometryType({0}::geometry) FROM {1} "
            "WHERE {0} IS NOT NULL"
        ).format(sql.Identifier(table.geometry), sql.Identifier(table.schema, table.name))
        found = self._rows(query)
        kinds, srids = {kind for _, kind in found}, sorted({int(srid) for srid, _ in found})
        geometry = kinds.pop().title() if len(kinds) == 1 else "Unknown"
        if len(srids) > 1:
            return srids, geometry
        if not srids or srids[0] == 0:
            return None, geometry
        rows = self._rows(
            "SELECT auth_name, auth_srid, srtext FROM spatial_ref_sys WHERE srid = %s", (srids[0],)
        )
        if not rows:
            return None, geometry
        name, number, text = rows[0]
        return (f"{name}:{number}" if name and number else text), geometry

    def _batch(self, rows: list[Any], names: list[str], table: _Table, first: int) -> Batch:
        columns = {name: [_value(row[place]) for row in rows] for place, name in enumerate(names)}
        raw = [row[len(names)] for row in rows] if table.geometry is not None else [None] * len(rows)
        shapes, problems, kept = wkbs.parse([None if one is None else bytes(one) for one in raw])
        key = columns.get(table.key[0]) if len(table.key) == 1 else None
        return Batch(
            first=first, columns=columns, geometry=shapes, problems=problems, raw=kept,
            fids=[str(one) for one in key] if key else [str(first + place) for place in range(len(rows))],
        )  # fmt: skip


def _value(value: Any) -> Any:
    """Numbers of any precision as text where a float would lose digits."""
    import decimal

    if isinstance(value, decimal.Decimal):
        if not value.is_finite():
            return None
        if value == value.to_integral_value():
            return int(value)
        short = float(value)
        return short if decimal.Decimal(repr(short)) == value else str(value)
    if isinstance(value, memoryview):
        return bytes(value)
    return value
