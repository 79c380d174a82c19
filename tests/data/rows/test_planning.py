"""What is planned, what is refused with which sentence, and values of every kind, there and back."""

import datetime as dt
import json
import uuid
from decimal import Decimal

import pytest
import sqlalchemy as sa
from tests.data.rows.real import TABLES, refused

from handrail.data.rows import ChangeRefused, Table


def test_warnings(shop):
    """Missing keys, no rows, the whole table."""
    db = shop.guarded()
    assert db.update("lead", [1, 99], {"score": 1}).preview.warnings == ("1 of 2 keys name no row.",)
    assert "No row is changed." in db.update("lead", [99], {"score": 1}).preview.warnings
    whole = db.plan(shop.change("DELETE FROM line"))
    assert any("Every row" in warning for warning in whole.preview.warnings)
    empty = db.plan(shop.change("UPDATE lead SET score = 1 WHERE status = 'none'"))
    assert empty.rows == 0
    assert db.apply(empty).rows == 0


def test_keys_that_are_said_twice_or_badly(shop):
    """Each row once; a key has as many values as it has columns."""
    db = shop.guarded()
    plan = db.update("lead", [2, 1, 2], {"score": 1})
    assert (plan.rows, plan.preview.warnings) == (2, ())
    refused(lambda: db.update("lead", [(1, 2)], {"score": 1}), "has the columns id. Give a value for each")
    refused(lambda: db.update("line", [11], {"sku": "x"}), "has the columns orders_id, n")


def test_a_plan_takes_few_statements(shop):
    """One reads what stands in the database, one the rows, the values that they get and the first of them whole."""
    db = shop.guarded()
    done = db.apply(db.update("lead", [1], {"status": "the first time a connection is used"}))
    said = []
    sa.event.listen(shop.engine, "before_cursor_execute", lambda *found: said.append(found[2]))
    plan = db.update("lead", [2, 1, 4], {"status": "new", "score": "7"})
    reads = [sql for sql in said if "SELECT" in sql and not sql.startswith("BEGIN")]
    assert len(reads) == 2, reads
    assert [sample.before["id"] for sample in plan.preview.samples] == [row.key[0] for row in plan.parts[0].rows]
    assert {str(sample.after["score"]) for sample in plan.preview.samples} == {"7"}
    said.clear()
    db.undo(done.change)
    reads = [sql for sql in said if "SELECT" in sql and not sql.startswith("BEGIN")]
    assert len(reads) == 3, reads


def test_values_are_read_even_where_no_row_gets_them(postgres):
    """A value that the database cannot read is refused, also when no key names a row."""
    postgres.run("CREATE TABLE pair (a integer, b integer, n integer, PRIMARY KEY (a, b))")
    db = postgres.guarded({"pair": Table(write={"n"}), **TABLES})
    refused(lambda: db.update("lead", [99], {"score": "many"}), "invalid input syntax")
    refused(lambda: db.update("pair", [(9, 9)], {"n": "many"}), "invalid input syntax")
    assert db.update("pair", [(9, 9)], {"n": "7"}).rows == 0


def test_rows_of_a_later_statement_get_the_values_too(shop):
    """The keys of the first statement name no row."""
    db = shop.guarded({"lead": Table(write={"score", "price"}, rows_max=20_000)})
    plan = db.update("lead", [*range(-6000, 0), 1, 2], {"score": 7, "price": Decimal("1.50")})
    assert {tuple(row.values) for row in plan.parts[0].rows if str(row.values[0]) != "7"} == set()
    assert [sample.key for sample in plan.preview.samples] == [row.key for row in plan.parts[0].rows]
    db.apply(plan)
    assert shop.rows("SELECT count(*) FROM lead WHERE score = 7 AND price = 1.5") == [(2,)]


def test_a_preview_of_many_columns(postgres):
    """A function of PostgreSQL takes only 100 values."""
    columns = ", ".join(f"c{at} integer DEFAULT {at}" for at in range(150))
    postgres.run(f"CREATE TABLE wide (id integer PRIMARY KEY, {columns})", "INSERT INTO wide (id) VALUES (1)")
    sample = postgres.guarded({"wide": Table(write={"c3"})}).update("wide", [1], {"c3": 7}).preview.samples[0]
    assert (len(sample.before), sample.before["c149"], sample.after["c3"]) == (151, "149", "7")


def test_hidden_columns_are_not_shown_and_yet_written(shop):
    """Not in samples, not in a breakdown, not in an undo; the plan holds the real values, and so does the history."""
    tables = {"lead": Table(write={"status", "score"}, delete=True, insert=True, hide={"status", "price"})}
    db, start = shop.guarded(tables), shop.all()
    plan = db.plan(shop.change("UPDATE lead SET status = 'secret' WHERE status LIKE 'e%' AND score < 35"))
    assert plan.preview.breakdown["status"] == (("[redacted]", 2), ("[redacted]", 1))
    assert [value for value, _ in plan.preview.breakdown["score"]] != ["[redacted]"] * 3
    sample = plan.preview.samples[0]
    assert (sample.before["status"], sample.after["status"], sample.after["price"]) == ("[redacted]",) * 3
    assert "[redacted]" not in (sample.before["score"], sample.before["id"])
    assert "secret" not in str(plan.preview)
    assert plan.parts[0].rows[0].values == ("secret",)
    done = db.apply(plan)
    assert shop.rows("SELECT count(*) FROM lead WHERE status = 'secret'") == [(3,)]
    undo = db.undo(done.change)
    assert undo.preview.samples[0].before == undo.preview.samples[0].after == {"status": "[redacted]"}
    db.apply(undo)
    new = db.insert("lead", [{"id": 7, "status": "secret"}])
    assert "secret" not in str(new.preview)
    assert "secret" not in str(db.undo(db.apply(new).change).preview)
    gone = db.apply(db.delete("lead", [7]))
    back = db.undo(gone.change)
    assert back.preview.samples[0].after["status"] == "[redacted]"
    assert shop.all() == start
    for hide in ({"password"}, {"id"}):
        wrong = shop.guarded({"lead": Table(write={"score"}, hide=hide)})
        refused(lambda wrong=wrong: wrong.update("lead", [1], {"score": 1}), "is no column of .* that can be hidden")


def test_expressions_are_evaluated_while_planning(shop):
    """The plan holds literal values, one row each; what an expression cannot do refuses the plan."""
    db = shop.guarded()
    plan = db.plan(shop.change("UPDATE lead SET score = score * 2 WHERE score BETWEEN 10 AND 20"))
    assert [str(row.values[0]) for row in plan.parts[0].rows] == ["20", "40"]
    made = db.plan(shop.change("INSERT INTO lead (id, score) VALUES (7, 3 + 4)"))
    assert str(made.parts[0].rows[0].values[1]) == "7"
    percent = db.plan(shop.change("UPDATE lead SET status = '50%' WHERE status LIKE '%pir%'"))
    assert percent.rows == 2
    db.apply(percent)
    assert [row[0] for row in shop.rows("SELECT status FROM lead WHERE id IN (3, 4)")] == ["50%", "50%"]


def test_keys_of_every_kind(shop):
    """Composite and text keys, keys with quotes and blanks, and a key that the database gives."""
    identity = "INTEGER PRIMARY KEY" if shop.dialect == "sqlite" else "integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
    shop.run(
        "CREATE TABLE word (w varchar(40) PRIMARY KEY, n integer)",
        "INSERT INTO word VALUES ('it''s, {\"a\"}', 1), ('NULL', 2), ('', 3), ('a\\b', 4), ('ü ', 5)",
        f"CREATE TABLE auto (id {identity}, n integer)",
    )
    words = [row[0] for row in shop.rows("SELECT w FROM word")]
    db = shop.guarded({"word": Table(write={"n"}, delete=True), "auto": Table(write={"n"}, insert=True), **TABLES})
    done = db.apply(db.update("word", words, {"n": 0}))
    assert shop.rows("SELECT count(*) FROM word WHERE n = 0") == [(5,)]
    db.apply(db.undo(done.change))
    gone = db.apply(db.delete("word", words))
    db.apply(db.undo(gone.change))
    assert sorted(row[1] for row in shop.rows("SELECT w, n FROM word")) == [1, 2, 3, 4, 5]
    line = db.apply(db.update("line", [(11, 2), (13, 1)], {"sku": "new"}))
    assert shop.rows("SELECT sku FROM line ORDER BY 1") == [("a",), ("new",), ("new",)]
    db.apply(db.undo(line.change))
    made = db.apply(db.insert("auto", [{"n": 1}, {"n": 2}]))
    assert shop.rows("SELECT n FROM auto ORDER BY n") == [(1,), (2,)]
    undone = db.apply(db.undo(made.change))
    assert shop.rows("SELECT n FROM auto") == []
    db.apply(db.undo(undone.change))
    assert shop.rows("SELECT id, n FROM auto ORDER BY n") == [(1, 1), (2, 2)]


def test_values_of_every_kind_come_back_exactly_on_sqlite(sqlite):
    """Bytes, reals, long integers, zero characters, NULL."""
    values = [b"\x00\xff", 0.1 + 0.2, 1e300, float("inf"), 2**63 - 1, "a\0b", "ü'\"\\", None, 1.0, 1, ""]
    sqlite.run("CREATE TABLE v (id INTEGER PRIMARY KEY, x)")
    with sqlite.engine.begin() as connection:
        for at, value in enumerate(values):
            connection.exec_driver_sql("INSERT INTO v VALUES (?, ?)", (at, value))
    db = sqlite.guarded({"v": Table(write={"x"}, delete=True, insert=True)})
    read = "SELECT id, typeof(x), x FROM v ORDER BY id"
    before = sqlite.rows(read)
    everything = range(len(values))
    for plan in (lambda: db.update("v", everything, {"x": "other"}), lambda: db.delete("v", everything)):
        done = db.apply(plan())
        db.apply(db.undo(done.change))
        assert sqlite.rows(read) == before
    db.apply(db.delete("v", everything))
    db.apply(db.insert("v", [{"id": at, "x": value} for at, value in enumerate(values)]))
    assert sqlite.rows(read) == before
    refused(lambda: db.update("v", [1], {"x": float("nan")}), "NaN")
    refused(lambda: db.update("v", [1], {"x": 2**64}), "64 bits")
    refused(lambda: db.update("v", [1], {"x": uuid.uuid4()}), "SQLite has no UUID")


def test_values_of_every_kind_come_back_exactly_on_postgres(postgres):
    """UUID keys, JSON as it was written, arrays, decimals, bytes, time zones, NULLs, generated columns."""
    postgres.run(
        "CREATE TABLE v (id uuid PRIMARY KEY, j json, jb jsonb, a text[], i integer[], d numeric, m numeric(10,2), b bytea, "
        "z timestamptz, t timestamp, day date, span interval, f float8, c char(5), ok boolean, "
        "twice numeric GENERATED ALWAYS AS (m * 2) STORED)",
    )
    ids = [uuid.UUID(int=n) for n in (1, 2, 3)]
    zone = dt.timezone(dt.timedelta(hours=5, minutes=30))
    row = {
        "j": {"b": 1, "a": [None, "ü"]}, "jb": [1, {"x": None}], "a": ['q"', "NULL", None, "a,b\\"], "i": [[1, 2], [3, 4]],
        "d": Decimal("1.500"), "m": Decimal("2.25"), "b": b"\x00\xff", "z": dt.datetime(2026, 3, 1, 12, 0, 0, 5, zone),
        "t": dt.datetime(2026, 3, 1, 12), "day": dt.date(2026, 3, 1), "span": "1 mon 2 days", "f": 0.1 + 0.2, "c": "ab",
        "ok": True,
    }  # fmt: skip
    db = postgres.guarded({"v": Table(write=set(row), insert=True, delete=True)})
    empty = {"id": ids[2], **dict.fromkeys(row)}
    db.apply(db.insert("v", [{"id": one, **row} for one in ids[:2]] + [empty]))
    read = "SELECT v.*, j::text, z AT TIME ZONE 'UTC' FROM v ORDER BY id"
    before = postgres.rows(read)
    first = dict(zip(["id", *row, "twice"], before[0], strict=False))
    assert first["a"] == row["a"]
    assert first["b"] == row["b"]
    assert (first["d"], first["twice"], first["f"], first["z"]) == (row["d"], Decimal("4.50"), row["f"], row["z"])
    assert json.loads(before[0][-2]) == row["j"]
    postgres.run("ALTER DATABASE " + postgres.rows("SELECT current_database()")[0][0] + " SET timezone = 'Asia/Tokyo'")
    postgres.close()
    for plan in (
        lambda: db.update("v", ids, dict.fromkeys(row)),
        lambda: db.delete("v", ids),
        lambda: db.update("v", [str(ids[2])], row),
    ):
        done = db.apply(plan())
        assert postgres.rows(read) != before
        db.apply(db.undo(done.change))
        assert postgres.rows(read) == before
    refused(lambda: db.update("v", [ids[0]], {"m": "many"}), "The database refused: invalid input syntax")
    refused(lambda: db.update("v", [ids[0]], {"c": "a\0"}), "zero character")
    refused(lambda: db.update("v", [ids[0]], {"twice": 1}), "computes")
    with pytest.raises(ChangeRefused, match="too long"):
        db.apply(db.update("v", [ids[0]], {"c": "far too long"}))


def test_many_rows_take_several_statements(shop):
    """More rows than one statement takes, there and back."""
    rows = ", ".join(f"({n}, 'x', {n})" for n in range(100, 12_100))
    shop.run(f"INSERT INTO lead (id, status, score) VALUES {rows}")
    db = shop.guarded({"lead": Table(write={"status"}, rows_max=20_000)})
    before = shop.all()
    done = db.apply(db.plan(shop.change("UPDATE lead SET status = 'y' WHERE status = 'x'")))
    assert shop.rows("SELECT count(*) FROM lead WHERE status = 'y'") == [(12_000,)]
    db.apply(db.undo(done.change))
    assert shop.all() == before
