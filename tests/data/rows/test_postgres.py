"""What is PostgreSQL's own: which tables are refused, schemas, names with per cent signs, values as text."""

import dataclasses

import pytest
import sqlalchemy as sa

from handrail.data.rows import ChangeRefused, StaleRows, Table
from handrail.data.rows.postgres import array, text
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


@pytest.mark.parametrize(
    "texts",
    [
        [],
        ["a"],
        ["a\\b", "c"],
        ["a", "b c"],
        ["NULL", None, ""],
        ['"', "a"],
        ['","', "\\", "{}"],
        ["ü\n\t'", " "],
        ['a","b'],
    ],
)
def test_texts_as_an_array(postgres, texts):
    """What the server reads is what was meant."""
    with postgres.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT CAST(%s AS text[])", (array(texts),)).scalar() == texts


@pytest.mark.parametrize("sql", ["ALTER TABLE lead ADD COLUMN x text DEFAULT 'y'", "trigger"])
def test_a_table_that_changes_while_we_apply_is_noticed(postgres, sql):
    """After it was looked at and before the first row is written: what was written is rolled back."""
    from tests.data.rows.test_applying import TRIGGER

    db = postgres.guarded()
    plan = db.update("lead", [1], {"score": 77})
    others = sa.create_engine(postgres.url)

    def slip_in(_connection, _cursor, statement, *_):
        if "UPDATE" in statement:
            with others.begin() as other:
                for one in TRIGGER["postgres"] if sql == "trigger" else [sql]:
                    other.exec_driver_sql(one)

    sa.event.listen(postgres.engine, "before_cursor_execute", slip_in)
    with pytest.raises(StaleRows, match="no longer as it was"):
        db.apply(plan)
    sa.event.remove(postgres.engine, "before_cursor_execute", slip_in)
    others.dispose()
    assert postgres.rows("SELECT score FROM lead WHERE id = 1") == [(10,)]
    assert postgres.rows("SELECT count(*) FROM audit") == [(0,)]
    assert postgres.kept() == (0, 0)


def test_a_plan_with_values_of_another_database_is_refused(postgres):
    """Every cell is a text."""
    db = postgres.guarded()
    plan = db.update("lead", [1, 2], {"score": 1})
    rows = tuple(row._replace(values=(1,)) for row in plan.parts[0].rows)
    with pytest.raises(ChangeRefused, match="no text of PostgreSQL"):
        db.apply(dataclasses.replace(plan, parts=(dataclasses.replace(plan.parts[0], rows=rows),)))


def test_keys_that_are_arrays(postgres):
    """Whose type has no array of its own."""
    postgres.run("CREATE TABLE a (k integer[] PRIMARY KEY, x integer)", "INSERT INTO a VALUES ('{1,2}', 1), ('{3}', 2)")
    db = postgres.guarded({"a": Table(write={"x"})})
    db.apply(db.update("a", [[1, 2], "{3}"], {"x": 7}))
    assert postgres.rows("SELECT count(*) FROM a WHERE x = 7") == [(2,)]


def test_the_driver_keeps_its_prepared_statements(postgres):
    """A plan ends its transaction without a rollback, at which the driver would forget them."""
    db = postgres.guarded()
    for score in range(8):
        db.update("lead", [1], {"score": score})
    assert postgres.rows("SELECT count(*) > 0 FROM pg_prepared_statements") == [(True,)]
