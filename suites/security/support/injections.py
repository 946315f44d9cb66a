"""Texts that become commands where a server builds queries from strings, and how that shows."""

import re
from collections.abc import Callable

from dtc_cli.harness.suite import Answer, Twin, expect

SQL = {
    "quote": "x' OR '1'='1",
    "comment": "x' OR 1=1 -- ",
    "double-quote": 'x" OR "1"="1',
    "number": "0 OR 1=1",
    "union": "x' UNION SELECT name, sql, 1, 1 FROM sqlite_master -- ",
    "stacked": "x'; DROP TABLE objects; -- ",
    "stacked-delete": "x'); DELETE FROM objects; -- ",
    "backslash": "x\\' OR 1=1 #",
    "parenthesis": "x') OR ('1'='1",
    "percent": "%' OR '%'='",
}
OPERATORS = {
    "not-equal": '{"$ne": null}',
    "greater": '{"$gt": ""}',
    "where": "'; return true; var x='",
    "template": "{{7*7}}${7*7}",
    "ldap": "*)(uid=*))(|(uid=*",
    "xpath": "' or count(/*)=1 or '",
}
SLOW = {
    "postgres": "x'; SELECT pg_sleep(7) -- ",
    "postgres-inline": "x' || (SELECT pg_sleep(7)) || '",
    "mysql": "x' OR SLEEP(7) -- ",
    "mssql": "x'; WAITFOR DELAY '0:0:7' -- ",
    "sqlite": "x' OR 1=LIKE('ABCDEFG',UPPER(HEX(RANDOMBLOB(400000000)))) -- ",
    "mongo": "'; sleep(7000); var x='",
    "shell": "x; sleep 7; $(sleep 7) `sleep 7`",
}
DELAY_MAX_S = 5.0  # P4 8.3, as spec/limits.yaml has it
SIGNS = re.compile(
    rb"sqlite3?\.|SQLSTATE|psycopg|syntax error at or near|unrecognized token|near \"[^\"]*\": syntax error|"
    rb"ORA-\d{5}|ODBC |MySQL server version|MongoServerError|MongoError|"
    rb"unterminated quoted string|unclosed quotation mark|no such column|no such table",
    re.IGNORECASE,
)


def judge_harmless(answer: Answer, what: str, *, clause: str) -> None:
    """No failure of the server, and no word of its database.

    Raises:
        Violation: otherwise; what the attacker gains is in the message.
    """
    expect.that(
        answer.status < 500,
        f"{what} makes the server fail: text reaches a query (CWE-89, API8:2023)",
        expected="the text treated as data, or 400",
        actual=f"status {answer.status}, body {answer.excerpt(160)}",
        clause=clause,
    )
    found = SIGNS.search(answer.body)
    expect.that(
        found is None,
        f"{what} shows words of the database: text reaches a query (CWE-89, CWE-209)",
        expected="an answer without them",
        actual=found[0].decode("utf-8", "replace") if found else "",
        clause=clause,
    )


def seconds(twin: Twin, ask: Callable[[], Answer]) -> float:
    """How long a request takes by the run's own clock, which a replay repeats."""
    begin = twin.clock.now()
    ask()
    return (twin.clock.now() - begin).total_seconds()
