"""The tables. State tables are projections of `event`; readings are a series of their own."""

SCHEMA_VERSION = 3

UPGRADES: dict[int, tuple[str, ...]] = {
    1: (
        "ALTER TABLE sensor ADD COLUMN import TEXT",
        "ALTER TABLE entity ADD COLUMN import TEXT",
        "CREATE TABLE object_sensor (city INTEGER, sensor TEXT, object INTEGER,"
        " PRIMARY KEY (city, sensor, object)) WITHOUT ROWID",
        "INSERT OR IGNORE INTO object_sensor SELECT o.city, j.value, o.no FROM object o,"
        " json_each(o.body, '$.sensors') j",
    ),
    2: (
        "UPDATE OR REPLACE object_property SET value = shortened(value)"
        " WHERE typeof(value) = 'text' AND value != shortened(value)",
        "DROP INDEX IF EXISTS object_by_city",
    ),
}
"""By schema version: the statements that make the next one of it."""

TABLES = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS city (
    no INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, body TEXT NOT NULL,
    revision INTEGER NOT NULL, created INTEGER NOT NULL, updated INTEGER NOT NULL);

CREATE TABLE IF NOT EXISTS object (
    no INTEGER PRIMARY KEY AUTOINCREMENT, city INTEGER NOT NULL, id TEXT NOT NULL, type TEXT NOT NULL,
    body TEXT NOT NULL, revision INTEGER NOT NULL, updated INTEGER NOT NULL,
    x0 REAL, y0 REAL, x1 REAL, y1 REAL, import TEXT, UNIQUE (city, id));
CREATE INDEX IF NOT EXISTS object_in_order ON object (city, no, updated);
CREATE INDEX IF NOT EXISTS object_by_type ON object (city, type, no);
CREATE INDEX IF NOT EXISTS object_by_update ON object (city, updated);
CREATE INDEX IF NOT EXISTS object_by_import ON object (import) WHERE import IS NOT NULL;
CREATE VIRTUAL TABLE IF NOT EXISTS object_box USING rtree (no, x0, x1, y0, y1);
CREATE TABLE IF NOT EXISTS object_property (
    city INTEGER, path TEXT, value, object INTEGER, PRIMARY KEY (city, path, value, object)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS object_sensor (
    city INTEGER, sensor TEXT, object INTEGER, PRIMARY KEY (city, sensor, object)) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS sensor (
    no INTEGER PRIMARY KEY AUTOINCREMENT, city INTEGER NOT NULL, id TEXT NOT NULL, type TEXT NOT NULL,
    attached TEXT, operational INTEGER NOT NULL, body TEXT NOT NULL, revision INTEGER NOT NULL,
    updated INTEGER NOT NULL, import TEXT, UNIQUE (city, id));
CREATE INDEX IF NOT EXISTS sensor_by_city ON sensor (city);
CREATE INDEX IF NOT EXISTS sensor_by_import ON sensor (import) WHERE import IS NOT NULL;
CREATE INDEX IF NOT EXISTS sensor_by_type ON sensor (city, type, no);
CREATE INDEX IF NOT EXISTS sensor_by_update ON sensor (city, updated);
CREATE INDEX IF NOT EXISTS sensor_by_owner ON sensor (city, attached) WHERE attached IS NOT NULL;

CREATE TABLE IF NOT EXISTS entity (
    no INTEGER PRIMARY KEY AUTOINCREMENT, city INTEGER NOT NULL, kind TEXT NOT NULL, id TEXT NOT NULL,
    type TEXT NOT NULL, status TEXT, body TEXT NOT NULL, revision INTEGER NOT NULL, updated INTEGER NOT NULL,
    import TEXT, UNIQUE (city, kind, id));
CREATE INDEX IF NOT EXISTS entity_by_import ON entity (import) WHERE import IS NOT NULL;

CREATE TABLE IF NOT EXISTS import_job (
    no INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, city INTEGER NOT NULL,
    status TEXT NOT NULL, cursor INTEGER NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS import_error (
    import TEXT, line INTEGER, pointer TEXT, id TEXT, code TEXT NOT NULL, message TEXT NOT NULL,
    PRIMARY KEY (import, line, pointer)) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, city INTEGER NOT NULL, kind TEXT NOT NULL, entity TEXT NOT NULL,
    action TEXT NOT NULL, at INTEGER NOT NULL, actor TEXT NOT NULL, revision INTEGER NOT NULL, body TEXT);
CREATE INDEX IF NOT EXISTS event_by_entity ON event (city, kind, entity, seq);
CREATE INDEX IF NOT EXISTS event_by_instant ON event (city, at);

CREATE TABLE IF NOT EXISTS counter (
    city INTEGER, name TEXT, n REAL NOT NULL, PRIMARY KEY (city, name)) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS term (no INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS latest (
    sensor INTEGER, parameter INTEGER, at INTEGER NOT NULL, value, unit INTEGER NOT NULL,
    quality INTEGER NOT NULL, confidence REAL, zone INTEGER NOT NULL,
    PRIMARY KEY (sensor, parameter)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rollup (
    sensor INTEGER, parameter INTEGER, hour INTEGER, n INTEGER NOT NULL, total REAL NOT NULL,
    low REAL NOT NULL, high REAL NOT NULL, PRIMARY KEY (sensor, parameter, hour)) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS credential (
    name TEXT PRIMARY KEY, kind TEXT NOT NULL, digest BLOB NOT NULL UNIQUE, role TEXT NOT NULL, cities TEXT,
    allowance INTEGER NOT NULL, window REAL NOT NULL, created INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS retired_secret (
    digest BLOB PRIMARY KEY, name TEXT NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS idempotency (
    caller TEXT, key TEXT, digest BLOB NOT NULL, status INTEGER NOT NULL, headers TEXT NOT NULL,
    body BLOB NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (caller, key)) WITHOUT ROWID;
"""

READING_TABLE = """
CREATE TABLE IF NOT EXISTS reading_{month} (
    sensor INTEGER, at INTEGER, parameter INTEGER, value, unit INTEGER NOT NULL, quality INTEGER NOT NULL,
    confidence REAL, zone INTEGER NOT NULL, PRIMARY KEY (sensor, at, parameter)) WITHOUT ROWID
"""
"""Readings are partitioned by month of their instant; `zone` is the device's own offset in minutes."""

PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA busy_timeout = 10000",
    "PRAGMA cache_size = -32768",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA wal_autocheckpoint = 8000",
)
