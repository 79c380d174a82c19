"""What an undo must not do once it was made: be made again over what others did since."""

import pytest
from tests.data.rows.real import database

from handrail.data.rows import ChangeRefused, RowConflict, StaleRows, Table

TABLES = {"lead": Table(write={"score"}, version="rev", insert=True, delete=True)}


@pytest.mark.parametrize("dialect", ["sqlite", "postgres"])
def test_a_change_that_was_undone_is_not_undone_again_over_a_later_delete(dialect, tmp_path):
    """G6: the row was brought back, written and deleted by others since; their delete stands."""
    with database(dialect, tmp_path) as shop:
        db = shop.guarded(TABLES)
        done = db.apply(db.delete("lead", [5]))
        db.apply(db.undo(done.change))
        shop.run("UPDATE lead SET score = 99, rev = rev + 1 WHERE id = 5", "DELETE FROM lead WHERE id = 5")
        with pytest.raises((ChangeRefused, RowConflict)):
            db.apply(db.undo(done.change))
        assert shop.rows("SELECT count(*) FROM lead WHERE id = 5") == [(0,)]


@pytest.mark.parametrize("dialect", ["sqlite", "postgres"])
def test_a_version_that_ran_back_makes_no_stale_plan_good(dialect, tmp_path):
    """G1: the plan was made for a row that is gone; the row that has its version now is another."""
    with database(dialect, tmp_path) as shop:
        db = shop.guarded(TABLES)
        done = db.apply(db.delete("lead", [5]))
        db.apply(db.undo(done.change))
        shop.run("UPDATE lead SET score = 99, rev = rev + 1 WHERE id = 5")
        stale = db.update("lead", [5], {"score": 100})
        shop.run("DELETE FROM lead WHERE id = 5")
        try:
            db.apply(db.undo(done.change))
        except ChangeRefused:
            return
        shop.run("UPDATE lead SET score = 7, rev = rev + 1 WHERE id = 5")
        with pytest.raises(StaleRows):
            db.apply(stale)
