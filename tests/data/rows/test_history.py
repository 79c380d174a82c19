"""The tables of the history: shown first, installed once, pruned without forgetting what was done."""

import datetime as dt

import pytest
import sqlalchemy as sa
from tests.data.rows.real import TABLES

from handrail.data.rows import ChangeRefused, Table, ddl, install, prune
from handrail.data.rows.history import change_id


def test_what_is_shown_is_what_is_installed(shop):
    """The text alone makes the tables; a second install changes nothing."""
    tables = sa.inspect(shop.engine).get_table_names()
    shown = ddl(shop.engine.dialect.name)
    assert all(name in tables and name in shown for name in ("handrail_meta", "handrail_change", "handrail_row"))
    identity = shop.rows("SELECT value FROM handrail_meta")
    with shop.engine.begin() as connection:
        assert install(connection) is False
    assert shop.rows("SELECT value FROM handrail_meta") == identity
    shop.run("DROP TABLE handrail_meta", "DROP TABLE handrail_change", "DROP TABLE handrail_row")
    shop.run(*[statement for statement in shown.split(";\n") if statement])
    assert shop.kept() == (0, 0)


def test_pruning_drops_old_images_and_keeps_that_it_was_done(shop):
    """A pruned change is not undone, and its plan is not applied again."""
    now = [1000.0]
    db = shop.guarded(clock=lambda: now[0])
    plan = db.update("lead", [1], {"score": 1})
    old = db.apply(plan)
    now[0] = 5000.0
    new = db.apply(db.update("lead", [2], {"score": 1}))
    with shop.engine.begin() as connection:
        assert prune(connection, dt.datetime.fromtimestamp(3000, dt.UTC)) == 1
        assert prune(connection, dt.datetime.fromtimestamp(3000, dt.UTC)) == 0
        with pytest.raises(ValueError, match="time zone"):
            prune(connection, dt.datetime(2026, 1, 1))
    assert shop.kept() == (2, 1)
    with pytest.raises(ChangeRefused, match="were pruned"):
        db.undo(old.change)
    assert db.apply(plan).again
    db.apply(db.undo(new.change))


def test_a_change_that_was_never_made_is_not_undone(shop):
    """It says so."""
    with pytest.raises(ChangeRefused, match=r"No change .* was made"):
        shop.guarded().undo("0" * 64)


def test_images_hold_the_old_values(shop):
    """What is kept can be read without us: key, before, after of the columns that were written."""
    done = shop.guarded().apply(shop.guarded().update("lead", [1], {"status": "new"}))
    row = shop.rows(f"SELECT key, before, after FROM handrail_row WHERE change_id = {change_id(done.change)}")[0]
    assert row == (("[1]", '["error"]', '["new"]') if shop.dialect == "sqlite" else (["1"], ["error"], ["new"]))  # fmt: skip


def test_a_receipt_names_the_rows_that_were_inserted(shop):
    """By table, at most 20 of each; the same when it is read again, also once the old rows are pruned."""
    identity = "INTEGER PRIMARY KEY" if shop.dialect == "sqlite" else "integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY"
    shop.run(f"CREATE TABLE auto (id {identity}, n integer)")
    db = shop.guarded({"auto": Table(write={"n"}, insert=True), **TABLES})
    cell = (lambda key: key) if shop.dialect == "sqlite" else str
    plan = db.insert("auto", [{"n": n} for n in range(30)])
    done = db.apply(plan)
    assert done.keys == {f"{shop.prefix}auto": tuple((cell(n),) for n in range(1, 21))}
    assert db.receipt(done.change) == done
    assert db.apply(plan).keys == done.keys
    line = db.apply(db.insert("line", [{"orders_id": 12, "n": 9, "sku": "x"}]))
    assert line.keys == {f"{shop.prefix}line": ((cell(12), cell(9)),)}
    assert db.apply(db.update("lead", [1], {"score": 1})).keys == {}
    gone = db.apply(db.delete("lead", [1]))
    assert gone.keys == {}
    back = db.apply(db.undo(gone.change)).keys
    assert {name: len(keys) for name, keys in back.items()} == {
        f"{shop.prefix}lead": 1,
        f"{shop.prefix}line": 3,
        f"{shop.prefix}orders": 2,
    }
    with shop.engine.begin() as connection:
        prune(connection, dt.datetime(9000, 1, 1, tzinfo=dt.UTC))
    assert db.receipt(done.change) == done


def test_changes_are_listed_newest_first_with_what_undid_them(shop):
    """The last undo, where a change was undone, done again and undone again."""
    now = [1000.0]
    db = shop.guarded(clock=lambda: now[0])
    assert db.changes() == ()

    def apply(plan):
        now[0] += 1
        return db.apply(plan)

    first, second = apply(db.update("lead", [1], {"score": 1})), apply(db.insert("lead", [{"id": 7}]))
    assert db.undone(first.change) == db.undone("0" * 64) == ""
    undo = apply(db.undo(first.change))
    assert db.undone(first.change) == undo.change
    redo = apply(db.undo(undo.change))
    assert (db.undone(undo.change), db.undone(first.change)) == (redo.change, "")
    again = apply(db.undo(first.change))
    assert db.undone(first.change) == again.change
    assert db.changes() == (again, redo, undo, second, first)
    assert db.changes(limit=2) == (again, redo)
    shop.run("DROP TABLE handrail_meta")
    for ask in (db.changes, lambda: db.undone(first.change)):
        with pytest.raises(ChangeRefused, match="no history tables"):
            ask()
