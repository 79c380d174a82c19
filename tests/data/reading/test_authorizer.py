"""What SQLite's authorizer lets through, on a connection that could do everything."""

import sqlite3

import pytest

from handrail.data.reading.authorizer import authorizer
from handrail.data.sql import Catalog, Dialect, Table, TableColumn

SCHEMA = """
    CREATE TABLE lead (id INTEGER PRIMARY KEY, status TEXT, "Secret" TEXT);
    CREATE TABLE api_key (id INTEGER PRIMARY KEY, secret TEXT, owner TEXT);
    CREATE VIEW owners AS SELECT id, owner FROM api_key;
    CREATE VIEW outer_owners AS SELECT owner FROM owners;
    CREATE VIEW broken AS SELECT * FROM no_such_table;
    CREATE VIRTUAL TABLE pages USING fts5(body);
    CREATE VIRTUAL TABLE hidden USING fts5(body);
    INSERT INTO lead VALUES (1, 'new', 'x');
    INSERT INTO api_key VALUES (1, 'sk_live', 'kim');
    INSERT INTO pages VALUES ('hello world');
    INSERT INTO hidden VALUES ('hello world');
"""


def table(name, *columns, view=False):
    return Table(name, tuple(TableColumn(column) for column in columns), view=view)


@pytest.fixture
def connection(tmp_path):
    """A writable connection with the rule: nothing but the authorizer holds it."""
    made = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    made.executescript(SCHEMA)
    made.execute("SELECT 1 FROM json_each('[]')").fetchall()
    made.execute("SELECT 1 FROM json_tree('[]')").fetchall()
    known = Catalog(
        [
            table("lead", "id", "status"),
            table("outer_owners", "owner", view=True),
            table("broken", "x", view=True),
            table("pages", "body"),
        ],
        Dialect.SQLITE,
    )
    made.set_authorizer(authorizer(made, known, ["Sqlite_Source_Id"]))
    yield made
    made.set_authorizer(None)
    made.close()


@pytest.mark.parametrize(
    ("sql", "first"),
    [
        ("SELECT ID, Status FROM Lead", (1, "new")),
        ("SELECT count(*) FROM lead", (1,)),
        ("SELECT count(*) FROM outer_owners", (1,)),
        ("SELECT owner FROM outer_owners", ("kim",)),
        ("WITH n AS (SELECT id FROM lead) SELECT count(*) FROM n", (1,)),
        ("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT max(i) FROM n", (3,)),
        ("SELECT j.value FROM lead, json_each('[7]') AS j", (7,)),
        ("""SELECT '{"a": 5}' ->> 'a'""", (5,)),
        ("SELECT body FROM pages WHERE pages MATCH 'hello'", ("hello world",)),
        (
            "SELECT snippet(pages, 0, '<', '>', '', 5) FROM pages WHERE body MATCH 'hello' ORDER BY rank",
            ("<hello> world",),
        ),
        ("SELECT length(sqlite_source_id()) > 1", (1,)),
    ],
)
def test_reads_of_what_is_known(connection, sql, first):
    """Pass: also views of what is hidden, and full-text tables with all that is behind them."""
    assert connection.execute(sql).fetchone() == first


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT secret FROM lead",
        "SELECT * FROM lead",
        "SELECT owner FROM api_key",
        "SELECT rowid FROM api_key",
        "SELECT owner FROM owners",
        "SELECT sql FROM sqlite_master",
        "SELECT count(*) FROM sqlite_master",
        "SELECT count(*) FROM hidden",
        "SELECT body FROM hidden",
        "SELECT c0 FROM hidden_content",
        "SELECT name FROM pragma_table_list",
        "WITH outer_owners AS (SELECT secret FROM api_key) SELECT secret FROM outer_owners",
        "WITH owners AS (SELECT secret FROM api_key) SELECT secret FROM owners",
        "SELECT load_extension('x')",
        "SELECT randomblob(10)",
        "SELECT fts5(1)",
        "PRAGMA table_info(lead)",
        "PRAGMA data_version = 1",
        "PRAGMA query_only = 0",
        "PRAGMA writable_schema = 1",
        "ATTACH ':memory:' AS x",
        "DETACH main",
        "BEGIN",
        "COMMIT",
        "SAVEPOINT a",
        "VACUUM",
        "ANALYZE",
        "REINDEX",
        "CREATE TEMP TABLE t (a)",
        "CREATE TABLE t (a)",
        "CREATE VIEW v AS SELECT 1",
        "CREATE TRIGGER t AFTER INSERT ON lead BEGIN SELECT 1; END",
        "CREATE INDEX i ON lead (status)",
        "CREATE VIRTUAL TABLE v USING fts5(a)",
        "DROP TABLE lead",
        "ALTER TABLE lead ADD COLUMN x",
        "INSERT INTO lead (id) VALUES (2)",
        "UPDATE lead SET status = 'x'",
        "DELETE FROM lead",
        "INSERT INTO pages (pages) VALUES ('rebuild')",
    ],
)
def test_everything_else_is_denied(connection, sql):
    """By SQLite, when it plans the statement."""
    with pytest.raises(sqlite3.DatabaseError, match=r"prohibited|not authorized|authorization denied"):
        connection.execute(sql).fetchall()


def test_a_cte_with_the_name_of_a_view_reads_no_more_than_the_view(connection):
    """SQLite names both alike, so what a view reads is granted by column."""
    known = Catalog([table("outer_owners", "owner", view=True)], Dialect.SQLITE)
    connection.set_authorizer(None)
    connection.set_authorizer(authorizer(connection, known))
    found = connection.execute("WITH owners AS (SELECT owner FROM api_key) SELECT owner FROM owners").fetchall()
    assert found == [("kim",)]  # a column that the view shows anyway
    with pytest.raises(sqlite3.DatabaseError, match="prohibited"):
        connection.execute("WITH owners AS (SELECT secret FROM api_key) SELECT secret FROM owners").fetchall()


def test_a_temporary_table_with_the_name_of_a_known_one(connection):
    """Is another table."""
    known = Catalog([table("lead", "id")], Dialect.SQLITE)
    connection.set_authorizer(None)
    connection.execute("CREATE TEMP TABLE lead (id)")
    connection.set_authorizer(authorizer(connection, known))
    with pytest.raises(sqlite3.DatabaseError, match="prohibited"):
        connection.execute("SELECT id FROM temp.lead").fetchall()
    assert connection.execute("SELECT id FROM main.lead").fetchone() == (1,)
