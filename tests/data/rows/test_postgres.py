"""What is PostgreSQL's own: which tables are refused, schemas, names with per cent signs, values as text."""

import pytest

from handrail.data.rows import ChangeRefused, Table
from handrail.data.rows.postgres import text
from handrail.data.rows.shape import ShapeColumn


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        (["CREATE TABLE p (id integer PRIMARY KEY, x integer) PARTITION BY RANGE (id)"], "partitioned"),
        (["CREATE TABLE p (id integer PRIMARY KEY, x integer)", "CREATE TABLE q () INHERITS (p)"], "inherits"),
        (["CREATE MATERIALIZED VIEW p AS SELECT 1 AS id, 2 AS x"], "materialized view"),
        (["CREATE TABLE p (id integer, x integer UNIQUE)"], "no valid primary key"),
    ],
)
def test_tables_whose_rows_cannot_be_counted_or_named(postgres, sql, why):
    """One sentence each."""
    postgres.run(*sql)
    with pytest.raises(ChangeRefused, match=why):
        postgres.guarded({"p": Table(write={"x"})}).update("p", [1], {"x": 1})


def test_schemas_and_names_with_quotes_and_per_cent_signs(postgres):
    """Names are quoted, and the driver finds no parameter in them."""
    name, read = 'crm.a "%s', 'SELECT * FROM crm."a ""%%s"'
    postgres.run(
        "CREATE SCHEMA crm",
        'CREATE TABLE crm."a ""%%s" ("k %%" integer PRIMARY KEY, "v""%%" text)',
        'INSERT INTO crm."a ""%%s" VALUES (1, \'x\')',
    )
    db = postgres.guarded({name: Table(write={'v"%'}, delete=True)})
    done = db.apply(db.update(name, [1], {'v"%': "100%"}))
    assert postgres.rows(read) == [(1, "100%")]
    db.apply(db.undo(done.change))
    db.apply(db.undo(db.apply(db.delete(name, [1])).change))
    assert postgres.rows(read) == [(1, "x")]


def test_values_as_text():
    """What has no text is refused."""
    column = ShapeColumn("x", "text[]", "text[]")
    assert text([1, None, ['a"b']], column) == '{"1",NULL,{"a\\"b"}}'
    assert text({"a": None}, ShapeColumn("x", "jsonb", "jsonb")) == '{"a": null}'
    with pytest.raises(ChangeRefused, match="has no form for the column x"):
        text({"a": 1}, column)


def test_the_row_version_is_that_of_the_database(postgres):
    """Even a write that changes nothing is a later write."""
    db = postgres.guarded()
    plan = db.update("lead", [1], {"score": 1})
    assert plan.parts[0].versioned_by == "xmin"
    postgres.run("UPDATE lead SET score = score WHERE id = 1")
    with pytest.raises(ChangeRefused, match="no longer as planned: 1"):
        db.apply(plan)
