"""What is SQLite's own: what its tables may be, and how its values become cells."""

import datetime as dt
import json
from decimal import Decimal

import pytest

from handrail.data.rows import ChangeRefused, Table
from handrail.data.rows.row import Columns
from handrail.data.rows.sqlite import Sqlite, bound, cell, fingerprint, hashed, image, item


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


VALUES = [
    None,
    0,
    -(2**63),
    2**53 + 1,
    1.0,
    0.1,
    1e300,
    float("-inf"),
    "",
    "a\0b",
    "\\u0000",
    'ü\U0001f600"\n',
    b"",
    b"\xff",
    "1",
]


def test_what_the_database_writes_is_what_python_writes(sqlite):
    """Images, their items and rows that are brought in, of all kinds of values, exactly and with their types."""
    kind = Sqlite()
    sqlite.run("CREATE TABLE v (id INTEGER PRIMARY KEY, x)")
    with kind.reading(sqlite.engine) as connection:
        for value in VALUES:
            text = connection.exec_driver_sql(
                f"SELECT {kind.cells(['x', 'y'])} FROM (SELECT ? AS x, 2 AS y)", (value,)
            ).scalar()
            assert json.loads(text) == json.loads(image(value, 2))
            back = connection.exec_driver_sql(
                f"SELECT {kind.item('x', 0)}, {kind.item('x', 1)} FROM (SELECT ? AS x)", (text,)
            ).one()
            assert (type(back[0]), back[0], back[1]) == (type(value), value, 2)
        for values in (VALUES, ["a", "b", None], [1.5] * 3, ["a\0"] * 3, ["x", 1, 2]):
            rows = Columns.of([((cell(value),), "v", (at,)) for at, value in enumerate(values)])
            source, given = kind.source(5, rows, 1, 2)
            found = connection.exec_driver_sql(f"WITH {source} SELECT n, k0, v, x0, x1 FROM k ORDER BY n", given).all()
            assert [tuple(row) for row in found] == [(at + 5, value, "v", at, None) for at, value in enumerate(values)]
            assert [type(row[1]) for row in found] == [type(value) for value in values]


def test_a_fingerprint_tells_all_values_apart():
    """Also their types, where one ends, and how they are ordered; it never changes."""
    found = [fingerprint(value) for value in VALUES]
    found += [
        fingerprint("a", "b"),
        fingerprint("ab"),
        fingerprint("b", "a"),
        fingerprint(),
        fingerprint(b"1"),
        fingerprint(1),
    ]
    assert len(set(found)) == len(found)
    assert fingerprint("a" * 2, 1, 0.1, None, b"x") == "05040b84c9675ad349f76d1fb95393c3"


def test_many_rows_with_values_of_every_kind(sqlite):
    """Through the temporary table, as key, value and version, there and back."""
    sqlite.run("CREATE TABLE v (k PRIMARY KEY, x, y)")
    rows = [(key, at / 7, b"y") for at in range(300) for key in (at, at + 0.5, f"{at}\0", f"b{at}".encode())]
    with sqlite.engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO v VALUES (?, ?, ?)", rows)
    db = sqlite.guarded({"v": Table(write={"x", "y"}, delete=True, rows_max=2000)})
    read = "SELECT k, typeof(k), x, typeof(x), y FROM v ORDER BY k"
    before = sqlite.rows(read)
    for plan in (
        lambda: db.plan(sqlite.change("UPDATE v SET x = x * 3, y = 1.5")),
        lambda: db.update("v", [row[0] for row in rows], {"x": b"z"}),
        lambda: db.delete("v", [row[0] for row in rows]),
    ):
        planned = plan()
        assert planned.rows == 1200
        done = db.apply(planned)
        assert sqlite.rows(read) != before
        db.apply(db.undo(done.change))
        assert sqlite.rows(read) == before


def test_text_that_could_not_be_restored_is_not_removed(sqlite):
    """Bytes that are no text, though the database says so; also where a version column stands for the content."""
    sqlite.run(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, x, v INTEGER)",
        "INSERT INTO t SELECT value, 'x', 1 FROM json_each('[" + ", ".join(map(str, range(30))) + "]')",
        "UPDATE t SET x = CAST(x'ff' AS TEXT) WHERE id = 29",
    )
    for table in (Table(write={"v"}, delete=True), Table(delete=True, version="v")):
        db = sqlite.guarded({"t": table})
        with pytest.raises(ChangeRefused):
            db.apply(db.delete("t", range(30)))
    assert sqlite.rows("SELECT count(*) FROM t") == [(30,)]
