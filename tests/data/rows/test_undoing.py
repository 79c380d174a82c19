"""An undo restores from the kept images only what is there whole, and as the change left it."""

import pytest
from tests.data.rows.real import TABLES

from handrail.data.rows import ChangeRefused


def test_images_that_are_missing_or_altered_are_not_restored(shop):
    """Nothing is made up, and an image that was changed after the undo was planned is noticed."""
    db = shop.guarded()
    done = db.apply(db.update("lead", [1, 2], {"status": "new"}))
    planned = db.undo(done.change)
    shop.run("UPDATE handrail_row SET before = '[\"forged\"]' WHERE n = 1")
    with pytest.raises(ChangeRefused, match="not what the history says"):
        db.apply(planned)
    shop.run("DELETE FROM handrail_row WHERE n = 0")
    with pytest.raises(ChangeRefused, match="are missing"):
        db.undo(done.change)
    assert shop.rows("SELECT status FROM lead WHERE id < 3") == [("new",), ("new",)]


def test_the_preview_of_an_undo_shows_what_comes_back(shop):
    """Before and after, from the kept images."""
    db = shop.guarded()
    undo = db.undo(db.apply(db.update("lead", [1], {"status": "new"})).change)
    sample = undo.preview.samples[0]
    assert (sample.before, sample.after) == ({"status": "new"}, {"status": "error"})
    gone = db.undo(db.apply(db.delete("lead", [5])).change).preview.samples[0]
    assert gone.before is None
    assert gone.after["status"] == "open"


def test_an_undo_needs_no_permission_to_write(shop):
    """Whoever may undo need not be allowed to delete rows."""
    done = shop.guarded().apply(shop.guarded().insert("lead", [{"id": 7}]))
    narrow = shop.guarded({name: table for name, table in TABLES.items() if name != "lead"})
    narrow.apply(narrow.undo(done.change))
    assert shop.rows("SELECT count(*) FROM lead WHERE id = 7") == [(0,)]


def test_rows_that_refer_to_rows_of_the_same_table_come_back(shop):
    """A tree is deleted from its root, and restored parents first."""
    from handrail.data.rows import Table

    shop.run(
        "CREATE TABLE tree (id integer PRIMARY KEY, up integer REFERENCES tree (id) ON DELETE CASCADE)",
        "INSERT INTO tree VALUES (9, NULL)",
        "INSERT INTO tree VALUES (5, 9)",
        "INSERT INTO tree VALUES (7, 5), (6, 5)",
    )
    db, before = shop.guarded({"tree": Table(delete=True)}), shop.all()
    plan = db.delete("tree", [9])
    assert plan.footprint == {f"{shop.prefix}tree": (0, 0, 4)}
    undone = db.apply(db.undo(db.apply(plan).change))
    assert shop.all() == before
    redone = db.apply(db.undo(undone.change))
    assert shop.rows("SELECT * FROM tree") == []
    db.apply(db.undo(redone.change))
    assert shop.all() == before


def test_a_history_that_somebody_made_a_circle_of_is_refused(shop):
    """Whoever writes into the history by hand makes nobody wait for ever."""
    db = shop.guarded()
    done = db.apply(db.update("lead", [1], {"status": "new"}))
    undone = db.apply(db.undo(done.change))
    assert (db.undone(done.change), db.undone(undone.change)) == (undone.change, "")
    shop.run(f"UPDATE handrail_change SET undo_of = '{undone.change}' WHERE digest = '{done.change}'")
    with pytest.raises(ChangeRefused, match="nobody can tell whether it stands"):
        db.undo(undone.change)
