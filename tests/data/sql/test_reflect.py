"""Catalogs of real databases."""

import psycopg
import pytest
from sqlalchemy import create_engine
from tests.stores.postgres.server import server

from handrail.data.sql import CatalogError, Dialect, classify
from handrail.data.sql.reflect import reflect


@pytest.fixture
def engine():
    """An engine of a new database on a real server."""
    name = server().new_database()
    made = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(server().url(name)))
    yield made
    made.dispose()


def run(engine, *statements):
    with engine.connect() as connection:
        for sql in statements:
            connection.exec_driver_sql(sql)
        connection.commit()


def test_postgres(engine):
    """Columns, types, keys, views, generated columns, other schemas."""
    run(
        engine,
        'CREATE TABLE "Lead" (id int PRIMARY KEY, "Status" text, full_name text GENERATED ALWAYS AS (upper("Status")) STORED,'
        " n int GENERATED ALWAYS AS IDENTITY)",
        "CREATE TABLE bare (a int)",
        "CREATE TABLE line (b int, a uuid, PRIMARY KEY (a, b))",
        'CREATE VIEW seen AS SELECT id FROM "Lead"',
        "CREATE MATERIALIZED VIEW kept AS SELECT 1 AS x",
        "CREATE SCHEMA other CREATE TABLE t (id int PRIMARY KEY)",
    )
    catalog = reflect(engine)
    lead = catalog.find("Lead")
    assert (lead.names, lead.primary_key) == (("id", "Status", "full_name", "n"), ("id",))
    assert [(column.type, column.generated) for column in lead.columns] == [
        ("integer", False),
        ("text", False),
        ("text", True),
        ("integer", True),
    ]
    assert catalog.find("bare").primary_key == ()
    assert catalog.find("line", "public").primary_key == ("a", "b")
    assert catalog.find("seen").view
    assert catalog.find("kept").view
    assert (catalog.find("t"), catalog.find("t", "other").primary_key) == (None, ("id",))
    assert not [table.name for table in catalog.tables if table.name.startswith("pg_")]


def test_a_key_whose_index_is_not_valid_is_no_key(engine):
    """It may not be unique, so it names no row."""
    run(engine, "CREATE TABLE lead (id int PRIMARY KEY, a int)")
    assert classify("DELETE FROM lead WHERE id = 1", Dialect.POSTGRES, reflect(engine)).kind == "by_key"
    run(engine, "UPDATE pg_index SET indisvalid = false WHERE indrelid = 'lead'::regclass")
    assert reflect(engine).find("lead").primary_key == ()
    assert "no valid primary key" in classify("DELETE FROM lead WHERE id = 1", Dialect.POSTGRES, reflect(engine)).why


def test_sqlite(tmp_path):
    """Of a file, with its generated columns."""
    made = create_engine(f"sqlite:///{tmp_path / 'x.db'}")
    run(
        made,
        "CREATE TABLE Lead (id INTEGER PRIMARY KEY, name TEXT, loud TEXT AS (upper(name)), kept TEXT AS (lower(name)) STORED)",
        "CREATE TABLE line (a, b, PRIMARY KEY (b, a)) WITHOUT ROWID",
        "CREATE TABLE bare (a)",
        "CREATE VIEW seen AS SELECT 1 AS x",
    )
    catalog = reflect(made)
    made.dispose()
    lead = catalog.find("lead")
    assert [column.name for column in lead.columns if column.generated] == ["loud", "kept"]
    assert lead.primary_key == ("id",)
    assert catalog.find("line").primary_key == ("b", "a")
    assert catalog.find("bare").primary_key == ()
    assert catalog.find("seen").view


def test_another_database():
    """Is not understood."""

    class Other:
        class dialect:
            name = "oracle"

    with pytest.raises(CatalogError, match="oracle"):
        reflect(Other())
