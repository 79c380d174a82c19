"""INSERT, UPDATE and DELETE."""

import datetime as dt
from decimal import Decimal

import pytest

from handrail.data.sql import Catalog, Computed, Dialect, Operation, classify, writing
from handrail.data.sql.grammar import tree
from handrail.data.sql.parts import place
from handrail.data.sql.refusal import Refusal
from handrail.data.sql.tokens import tokens

FORM = {
    "lead": {"columns": ["id", "status", "score", "note", "full"], "primary_key": ["id"], "generated": ["full"]},
    "plain": {"columns": ["id", "a", "b"], "primary_key": ["id"]},
    "seen": {"columns": ["id"], "kind": "view"},
    "open": {"columns": ["id", "a"]},
    "Odd": {"columns": ["Id", "end"], "primary_key": ["Id"], "schema": "x"},
}
POSTGRES, SQLITE = Dialect.POSTGRES, Dialect.SQLITE


def answer(sql, dialect=POSTGRES):
    return classify(sql, dialect, Catalog.from_json(FORM, dialect))


def change(sql, dialect=POSTGRES):
    found = answer(sql, dialect)
    assert found.change is not None, found.why
    return found.change


def test_insert_rows():
    """Values that are written out, and expressions to be computed."""
    found = change(
        "INSERT INTO lead (status, score, note) VALUES ('a', 1.50, NULL), (upper('b'), -3, DATE '2024-01-01')"
    )
    assert found.operation is Operation.INSERT
    assert found.columns == ("status", "score", "note")
    assert found.rows == (("a", Decimal("1.50"), None), (Computed("upper ('b')"), -3, dt.date(2024, 1, 1)))


def test_insert_without_columns():
    """All columns in their order; for a table that nobody knows, as many as there are."""
    assert change("INSERT INTO plain VALUES (1, 'x', true)").columns == ("id", "a", "b")
    unknown = change("INSERT INTO nosuch VALUES (1, 2), (3, 4)")
    assert (unknown.columns, unknown.rows) == ((), ((1, 2), (3, 4)))


def test_update_by_key():
    """Columns as they are stored, values exactly, keys in order."""
    found = change("UPDATE Lead SET Status = 'new', \"score\" = score + 1 WHERE id IN (3, 1, 3)")
    assert (found.table, found.alias, found.columns) == ("lead", "lead", ("status", "score"))
    assert found.rows == (("new", Computed("score + 1")),)
    assert (found.key_columns, found.keys, found.predicate, found.where_columns) == (("id",), ((3,), (1,)), "", ("id",))
    assert not found.whole_table


def test_update_by_predicate():
    """The condition is written anew, over the table's alias; its columns are told for a breakdown."""
    sql = "update plain as p set (a, b) = ('x', 2) where p.a like 'e%' /* all */ and p.b in (select score from lead l where l.id = p.id)"
    found = change(sql)
    assert found.alias == "p"
    assert found.predicate == "p.a like 'e%' and p.b in (select score from lead l where l.id = p.id)"
    assert found.where_columns == ("a", "b", "id")
    assert (found.columns, found.rows) == (("a", "b"), (("x", 2),))
    assert answer(sql).tables == ("plain", "lead")


def test_columns_of_a_subquery_are_not_of_the_table():
    """Even when they have the same name."""
    assert change("DELETE FROM plain WHERE a IN (SELECT status FROM lead WHERE id = 3)").where_columns == ("a",)


def test_the_whole_table():
    """Is said."""
    found = change("DELETE FROM lead")
    assert (found.predicate, found.keys, found.whole_table) == ("", (), True)
    assert change("UPDATE nosuch SET a = 1").whole_table


def test_a_table_that_nobody_knows():
    """Keeps the names as they are written."""
    found = change('UPDATE y."Nosuch" n SET a = 1 WHERE n.id = 1 AND b > 2')
    assert (found.table, found.schema, found.alias, found.key_columns) == ("Nosuch", "y", "n", ())
    assert (found.predicate, found.where_columns) == ("n.id = 1 AND b > 2", ("id", "b"))


def test_a_table_whose_key_nobody_knows():
    """Is changed by condition only."""
    assert answer("UPDATE open SET a = 1 WHERE id = 1").kind == "by_predicate"


def test_names_of_words():
    """SQLite lets a column be called end; the schema is kept."""
    found = change('UPDATE x."Odd" SET "end" = 1 WHERE "Id" = 1')
    assert (found.schema, found.table, found.keys) == ("x", "Odd", ((1,),))
    lite = answer("UPDATE plain SET a = 1, b = 2 WHERE id = 1", SQLITE)
    assert lite.change.columns == ("a", "b")


@pytest.mark.parametrize(
    "sql", ["UPDATE t SET end = 1, a = 2 WHERE id = 3", "UPDATE t SET a = 2, end = 1 WHERE id = 3"]
)
def test_a_column_called_end(sql):
    """The WHERE is found all the same, or the statement is refused; it never becomes the whole table."""
    found = classify(
        sql, SQLITE, Catalog.from_json({"t": {"columns": ["id", "a", "end"], "primary_key": ["id"]}}, SQLITE)
    )
    assert found.kind in ("by_key", "refused")
    assert found.change is None or found.change.keys == ((3,),)


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("INSERT INTO lead (id, full) VALUES (1, 'x')", "computed by the database"),
        ("INSERT INTO lead VALUES (1, 2, 3, 4, 5)", "Name the other columns"),
        ("UPDATE lead SET full = 'x' WHERE id = 1", "computed by the database"),
        ("INSERT INTO seen (id) VALUES (1)", "is a view"),
        ("DELETE FROM seen WHERE id = 1", "is a view"),
        ("INSERT INTO plain (id, a) VALUES (1)", "1 values, and 2 are needed"),
        ("INSERT INTO plain VALUES (1, 2)", "2 values, and 3 are needed"),
        ("INSERT INTO plain (id) VALUES (DEFAULT)", "Leave the column out"),
        ("INSERT INTO plain (id, ids) VALUES (1, 2)", "Did you mean 'id'?"),
        ("INSERT INTO plain (id, id) VALUES (1, 2)", "named twice"),
        ("INSERT INTO plain (id) SELECT 1", "come from a query"),
        ("INSERT INTO plain (id) VALUES (1) ORDER BY 1", "."),
        ("INSERT INTO plain (id) VALUES (id)", "no column id here"),
        ("UPDATE plain SET a = 1, a = 2 WHERE id = 1", "set twice"),
        ("UPDATE plain SET id = 2 WHERE id = 1", "primary key"),
        ("UPDATE plain SET (a, id) = (1, 2) WHERE id = 1", "primary key"),
        ("UPDATE plain SET aa = 2 WHERE id = 1", "no column aa"),
        ("UPDATE plain SET a = DEFAULT", "DEFAULT is no value"),
        ("UPDATE plain SET (a, b) = (SELECT 1, 2)", "Several columns"),
        ("UPDATE plain SET (a, b) = (1, 2, 3)", "Several columns"),
        ("UPDATE plain SET plain.a = 1", "not a plain column"),
        ("UPDATE plain SET a[1] = 1", "not a plain column"),
        ("UPDATE plain SET a = 1 FROM lead", "(SELECT …)"),
        ("UPDATE plain p (x) SET a = 1", "."),
        ("DELETE FROM plain USING lead", "(SELECT …)"),
        ("DELETE plain", "DELETE FROM table"),
        ("DELETE FROM plain WHERE id = 1 RETURNING id", "RETURNING"),
        ("UPDATE plain SET a = (SELECT 1 FROM lead FOR UPDATE)", "lock"),
        ("UPDATE plain SET a = pg_sleep(1) WHERE id = 1", "pg_sleep"),
        ("DELETE FROM pg_class", "describe"),
        ("DELETE FROM LATERAL (SELECT 1) x", "."),
    ],
)
def test_what_is_refused(sql, said):
    """With what to write instead."""
    found = answer(sql)
    assert found.kind == "refused"
    assert said in found.why


def test_a_value_may_come_from_a_query():
    """It is computed while the change is planned; its tables are told."""
    found = answer("UPDATE plain SET a = (SELECT max(score) FROM lead) WHERE id = 1")
    assert found.kind == "by_key"
    assert found.tables == ("plain", "lead")
    assert found.change.rows == ((Computed("(SELECT max (score) FROM lead)"),),)


def test_a_verb_stands_at_the_beginning_only():
    """Whatever the tree says."""
    writing._verbs(tokens("UPDATE a SET b = 1", POSTGRES), frozenset({"update", "set"}), 1)
    for sql in ("UPDATE a SET b = (update)", "UPDATE a SET b = (SELECT 1 set)", "UPDATE update SET b = 1"):
        with pytest.raises(Refusal, match="inside"):
            writing._verbs(tokens(sql, POSTGRES), frozenset({"update", "set"}), 1)


def test_words_and_tree_agree_about_the_where():
    """A condition that only one of them has is never run."""
    for words, parsed in (("DELETE FROM a WHERE b", "DELETE FROM a"), ("DELETE FROM a", "DELETE FROM a WHERE b")):
        found = tokens(words, POSTGRES)
        with pytest.raises(Refusal, match="two ways"):
            writing._same(found, place(found, "where"), tree(parsed, POSTGRES))
        writing._same(found, place(found, "where"), tree(words, POSTGRES))
