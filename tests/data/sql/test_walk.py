"""Names of tables and columns, and where rows come from."""

import pytest
from tests.data.sql.real import POSTGRES, SQLITE, catalog

from handrail.data.sql import Catalog, Dialect, classify
from handrail.data.sql.walk import BUILT_IN, SYSTEM_COLUMNS

CATALOGS = {dialect: catalog(dialect) for dialect in Dialect}


def answer(sql, dialect=POSTGRES):
    return classify(sql, dialect, CATALOGS[dialect])


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id FROM lead WHERE EXISTS (SELECT 1 FROM orders WHERE orders.id = lead.id AND score > 1)",
        "SELECT x FROM (SELECT id AS x FROM lead) AS t",
        "SELECT t.a FROM (SELECT id, status FROM lead) AS t (a, b)",
        "WITH t (a) AS (SELECT id FROM lead) SELECT a FROM t",
        "WITH t AS (SELECT id AS a FROM lead), u AS (SELECT a FROM t) SELECT u.a FROM u",
        "SELECT count(*) AS n FROM lead GROUP BY owner ORDER BY n",
        "SELECT owner AS o FROM lead GROUP BY o",
        "SELECT column1 FROM (VALUES (1)) AS v",
        "SELECT count FROM (SELECT count(*) FROM lead) AS t",
        "SELECT l.* FROM lead l",
        "SELECT id FROM lead UNION SELECT id FROM orders ORDER BY id",
        "SELECT (SELECT status FROM orders LIMIT 1) FROM lead",
    ],
)
def test_columns_are_found(sql):
    """In tables, subqueries, CTEs, outer queries and outputs."""
    assert answer(sql).kind == "read", answer(sql).why


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELECT stat FROM lead", "Did you mean 'status'?"),
        ("SELECT x FROM (SELECT id FROM lead) AS t", "no column x"),
        ("WITH t AS (SELECT id FROM lead) SELECT status FROM t", "no column status"),
        ("SELECT leed.id FROM lead", "Did you mean 'lead'?"),
        ("SELECT leed.* FROM lead", "Did you mean 'lead'?"),
        ("SELECT lead.id FROM lead AS l", "no table or alias lead"),
        ("SELECT score AS s FROM lead WHERE s > 1", "no column s here"),
        ("SELECT public.lead.id FROM lead", "with its schema"),
        ("SELECT (lead).id FROM lead", "dots"),
        ("SELECT lead FROM lead", "whole row"),
        ("SELECT max(lead) FROM lead", "whole row"),
        ('SELECT "ID" FROM lead', "no column ID"),
    ],
)
def test_columns_that_are_not_there(sql, said):
    """With the nearest name."""
    assert answer(sql).kind == "refused"
    assert said in answer(sql).why


def test_system_columns():
    """Of any table, unless the table has a column of that name."""
    for dialect in Dialect:
        for name in SYSTEM_COLUMNS[dialect]:
            assert "system" in answer(f"SELECT {name} FROM lead", dialect).why
            assert "system" in answer(f"SELECT l.{name} FROM nosuch l", dialect).why
            own = Catalog.from_json({"t": {"columns": [name]}}, dialect)
            assert classify(f"SELECT {name} FROM t", dialect, own).kind == "read"


@pytest.mark.parametrize(
    "name", ["pg_class", "PG_Class", "pg_catalog.x", "information_schema.tables", "pg_temp.lead", "pg_toast.x"]
)
def test_tables_of_the_system_of_postgres(name):
    """Are not for agents, read or written."""
    for sql in (
        f"SELECT * FROM {name}",
        f"DELETE FROM {name}",
        f"SELECT 1 FROM lead WHERE id IN (SELECT 1 FROM {name})",
    ):
        assert "describe" in answer(sql).why


@pytest.mark.parametrize(
    "name", ["sqlite_master", "SQLITE_schema", "temp.lead", "other.lead", "pragma_table_info", *sorted(BUILT_IN)]
)
def test_tables_of_the_system_of_sqlite(name):
    """Nor those that nobody made."""
    for sql in (f"SELECT * FROM {name}", f"INSERT INTO {name} VALUES (1)"):
        assert answer(sql, SQLITE).kind == "refused"


def test_strings_in_double_quotes():
    """SQLite takes what is no column for a string; here it is never guessed."""
    assert answer('SELECT "status" FROM lead', SQLITE).kind == "read"
    assert "'kim'" in answer('SELECT id FROM lead WHERE owner = "kim"', SQLITE).why
    assert "Nobody knows" in answer('SELECT "x" FROM nosuch', SQLITE).why
    assert answer('SELECT "x" FROM nosuch').kind == "read"


def test_a_cte_hides_a_table():
    """And is itself none; what it reads is told."""
    found = answer("WITH lead AS (SELECT id FROM orders) SELECT id FROM lead")
    assert (found.kind, found.tables) == ("read", ("orders",))
    inner = answer("WITH lead AS (SELECT id FROM lead) SELECT id FROM lead")
    assert inner.tables == ("lead",)
    schema = answer("WITH lead AS (SELECT id FROM orders) SELECT id FROM public.lead")
    assert schema.tables == ("orders", "lead")


@pytest.mark.parametrize(
    "body",
    [
        "SELECT 1 UNION ALL SELECT n + 1 FROM r", "VALUES (1) UNION ALL SELECT n FROM r", "SELECT 1 UNION ALL SELECT n FROM R x",
    ],
)  # fmt: skip
def test_recursions_without_an_end(dialect, body):
    """That nothing stops."""
    assert "no end" in answer(f"WITH RECURSIVE r(n) AS ({body}) SELECT n FROM r", dialect).why
    assert (
        answer(
            f"WITH RECURSIVE r(n) AS ({body} WHERE n < 5) SELECT n FROM r".replace("r WHERE", "r WHERE"), dialect
        ).kind
        == "read"
    )


def test_recursion_without_the_word():
    """SQLite does not need RECURSIVE; its CTE is no table that nobody knows."""
    found = answer("WITH r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT n FROM r", SQLITE)
    assert (found.kind, found.tables, found.resolved) == ("read", (), True)


@pytest.mark.parametrize(
    "source",
    [
        "pg_ls_dir('.')", "nosuch(1)", "upper('x')", "LATERAL pg_ls_dir('.')", "LATERAL upper('x')", "ROWS FROM (pg_ls_dir('.'))", "unnest(pg_sleep(1))",
        "generate_series(1, pg_sleep(1))", "(SELECT pg_sleep(1)) x", "(VALUES (pg_sleep(1))) x", "lead JOIN orders ON pg_sleep(1) IS NULL",
        "(lead JOIN orders ON pg_sleep(1) IS NULL)", "jsonb_to_recordset('[]') AS r(a regclass)", "ONLY lead", "lead TABLESAMPLE SYSTEM (1)",
        "(DELETE FROM lead RETURNING *) x", "(SELECT 1 INTO x) y", "(SELECT 1 FROM lead FOR UPDATE) x",
    ],
)  # fmt: skip
def test_nothing_hides_where_a_table_stands(source):
    """Functions, hints, conditions of joins, queries inside of queries."""
    assert answer(f"SELECT 1 FROM {source}").kind == "refused"


def test_a_column_that_is_a_function_of_the_row():
    """PostgreSQL takes `t.f` for f(t) where t has no column f."""
    assert answer("SELECT lead.row_to_json FROM lead").kind == "refused"
    assert answer("SELECT x.pg_sleep FROM nosuch x").kind == "refused"
