"""What is SQLite's own: what its tables may be, and how its values become cells."""

import datetime as dt
from decimal import Decimal

import pytest

from handrail.data.rows import ChangeRefused, Table
from handrail.data.rows.sqlite import bound, cell, hashed, image, item


@pytest.mark.parametrize("value", [None, 0, -(2**63), 1.0, 0.1, float("-inf"), "", "a\0b", b"", b"\xff"])
def test_cells_come_back_exactly(value):
    """With their type: 1 is not 1.0."""
    back = bound(cell(value))
    assert (type(back), back) == (type(value), value)
    assert item(image("x", value), 1) == value


def test_other_values_have_the_form_that_columns_hold():
    """Decimals are reals, as literals are; times and JSON are text."""
    assert cell(Decimal("1.50")) == {"real": "1.5"}
    assert cell(True) == 1
    assert cell(dt.datetime(2026, 1, 2, 3)) == "2026-01-02 03:00:00"
    assert cell({"a": [1]}) == '{"a": [1]}'
    assert hashed(None) is None
    assert hashed(image(1)) != hashed(image(1.0)) != hashed(image("1"))
    with pytest.raises(ValueError, match=r"1\.5"):
        bound(1.5)


def test_tables_that_cannot_be_counted_are_refused(sqlite):
    """Virtual tables, and those that are too wide."""
    sqlite.run("CREATE VIRTUAL TABLE words USING fts5(w)")
    sqlite.run(f"CREATE TABLE wide (id integer PRIMARY KEY, {', '.join(f'c{n}' for n in range(100))})")
    db = sqlite.guarded({"words": Table(write={"w"}), "wide": Table(write={"c1"})})
    for name, text in (("words", "virtual table"), ("wide", "more than 100 columns")):
        with pytest.raises(ChangeRefused, match=text):
            db.update(name, [1], {"c1": 1})


def test_conflict_clauses_of_a_table_do_not_remove_rows(sqlite):
    """`ON CONFLICT REPLACE` would silently delete the other row."""
    sqlite.run(
        "CREATE TABLE u (id integer PRIMARY KEY, x UNIQUE ON CONFLICT REPLACE)",
        "INSERT INTO u VALUES (1, 'a'), (2, 'b')",
    )
    db = sqlite.guarded({"u": Table(write={"x"}, insert=True)})
    for plan in (db.update("u", [2], {"x": "a"}), db.insert("u", [{"id": 3, "x": "a"}])):
        with pytest.raises(ChangeRefused, match="UNIQUE"):
            db.apply(plan)
    assert sqlite.rows("SELECT * FROM u") == [(1, "a"), (2, "b")]


def test_rows_without_a_key_are_not_named(sqlite):
    """SQLite lets a text key be NULL."""
    sqlite.run("CREATE TABLE k (id text PRIMARY KEY, x)", "INSERT INTO k VALUES (NULL, 1), ('a', 1)")
    with pytest.raises(ChangeRefused, match="NULL in its key"):
        sqlite.guarded({"k": Table(write={"x"})}).plan(sqlite.change("UPDATE k SET x = 2"))


def test_tables_without_rowid_and_keys_that_ignore_case(sqlite):
    """The key is the stored one."""
    sqlite.run("CREATE TABLE n (id text COLLATE NOCASE PRIMARY KEY, x) WITHOUT ROWID", "INSERT INTO n VALUES ('Ab', 1)")
    db = sqlite.guarded({"n": Table(write={"x"}, delete=True)})
    plan = db.update("n", ["aB"], {"x": 2})
    assert plan.parts[0].rows[0].key == ("Ab",)
    db.apply(db.undo(db.apply(plan).change))
    db.apply(db.undo(db.apply(db.delete("n", ["AB"])).change))
    assert sqlite.rows("SELECT * FROM n") == [("Ab", 1)]
