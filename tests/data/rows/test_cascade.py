"""Rows that the database itself removes: planned by key and version, counted, kept, restored."""

import pytest
from tests.data.rows.real import refused

from handrail.data.rows import Footprint, StaleRows, Table


def test_cascades_are_planned_counted_kept_and_restored(shop):
    """G4, G5: every row that goes along has its image, and the undo brings all of them back."""
    db, start = shop.guarded(), shop.all()
    plan = db.delete("lead", [1, 2])
    p = shop.prefix
    assert plan.footprint == {f"{p}lead": (0, 0, 2), f"{p}orders": (0, 0, 3), f"{p}line": (0, 0, 3)}
    assert plan.preview.cascades == {f"{p}orders": 3, f"{p}line": 3}
    done = db.apply(plan)
    assert shop.rows("SELECT count(*) FROM line") == [(0,)]
    assert shop.kept() == (1, 8)
    db.apply(db.undo(done.change))
    assert shop.all() == start


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO line VALUES (12, 1, 'late')",
        "UPDATE line SET sku = 'z' WHERE orders_id = 11 AND n = 1",
        "DELETE FROM line WHERE orders_id = 13",
        "INSERT INTO orders VALUES (14, 1, 0)",
    ],
)
def test_other_rows_that_would_go_along_since_refuse_the_deletion(shop, sql):
    """What cascades take is bound by key and version as well."""
    plan = shop.guarded().delete("lead", [1, 2])
    shop.run(sql)
    before = shop.all()
    with pytest.raises((StaleRows, Footprint)):
        shop.guarded().apply(plan)
    assert shop.all() == before
    assert shop.kept() == (0, 0)


def test_cascades_count_towards_the_limit(shop):
    """Two rows and the six that go along."""
    db = shop.guarded({"lead": Table(delete=True, rows_max=7)})
    refused(lambda: db.delete("lead", [1, 2]), "go along, the change touches more than 7 rows")
    assert shop.guarded({"lead": Table(delete=True, rows_max=8)}).delete("lead", [1, 2]).rows == 8


def test_foreign_keys_that_would_change_rows_otherwise_are_refused(shop):
    """SET NULL and ON UPDATE CASCADE are not carried out behind anybody's back."""
    shop.run(
        "CREATE TABLE a (id integer PRIMARY KEY, code text UNIQUE)",
        "CREATE TABLE b (id integer PRIMARY KEY, a integer REFERENCES a (id) ON DELETE SET NULL)",
        "CREATE TABLE c (id integer PRIMARY KEY, code text REFERENCES a (code) ON UPDATE CASCADE)",
        "INSERT INTO a VALUES (1, 'x'), (2, 'y')",
        "INSERT INTO b VALUES (1, 1)",
    )
    db = shop.guarded({"a": Table(write={"code"}, delete=True)})
    refused(lambda: db.delete("a", [1]), r"would change rows of .*b \(SET NULL\)")
    assert db.delete("a", [2]).rows == 1
    refused(lambda: db.update("a", [1], {"code": "z"}), "would change rows of c too")
