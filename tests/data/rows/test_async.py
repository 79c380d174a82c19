"""The same code on the drivers of asyncio, called inside SQLAlchemy's `greenlet_spawn`."""

import asyncio

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.util import greenlet_spawn
from tests.data.rows.real import TABLES

from handrail.data.rows import Footprint, GuardedRows, RowConflict, StaleRows, Table

pytest.importorskip("aiosqlite")


@pytest.fixture
async def later(shop):
    """An engine of asyncio on the same database, with foreign keys enforced."""
    url = shop.url.replace("sqlite:", "sqlite+aiosqlite:")
    engine = create_async_engine(url)
    if shop.dialect == "sqlite":
        sa.event.listen(engine.sync_engine, "connect", _enforced)
    yield engine
    await engine.dispose()


def _enforced(connection, _record):
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


async def test_update_insert_delete_and_undo(shop, later):
    """Planned, applied, applied again, taken back."""
    db, start = GuardedRows(later.sync_engine, TABLES), shop.all()
    for plan in (
        lambda: db.update("lead", [1, 3, 6], {"status": None, "score": 7}),
        lambda: db.plan(shop.change("UPDATE lead SET score = score + 1 WHERE status LIKE 'e%'")),
        lambda: db.insert("lead", [{"id": 7, "status": "x"}, {"id": 8, "status": None}]),
        lambda: db.delete("lead", [1, 2]),
    ):
        planned = await greenlet_spawn(plan)
        assert shop.all() == start, "planning wrote"
        done = await greenlet_spawn(db.apply, planned)
        assert shop.all() != start
        assert (await greenlet_spawn(db.apply, planned)).again
        undo = await greenlet_spawn(db.undo, done.change)
        await greenlet_spawn(db.apply, undo)
        assert shop.all() == start
        assert await greenlet_spawn(db.undone, done.change) == undo.digest
    assert len(await greenlet_spawn(db.changes)) == 8


async def test_what_is_refused_is_refused_there_too(shop, later):
    """A row that changed since, a conflict of an undo, a footprint: nothing is left of any of them."""
    db = GuardedRows(later.sync_engine, TABLES)
    plan = await greenlet_spawn(db.update, "lead", [1, 2], {"status": "new"})
    shop.run("UPDATE lead SET score = 99 WHERE id = 2")
    with pytest.raises(StaleRows, match="no longer as planned: 2"):
        await greenlet_spawn(db.apply, plan)
    done = await greenlet_spawn(db.apply, await greenlet_spawn(db.update, "lead", [1, 2], {"status": "new"}))
    shop.run("UPDATE lead SET score = 98 WHERE id = 2")
    with pytest.raises(RowConflict, match="changed since: 2"):
        await greenlet_spawn(db.undo, done.change)
    wrong = GuardedRows(later.sync_engine, {"lead": Table(write={"status"}, also={"line": 1})})
    before = shop.all()
    with pytest.raises(Footprint):
        await greenlet_spawn(wrong.apply, await greenlet_spawn(wrong.update, "lead", [3], {"status": "new"}))
    assert shop.all() == before


async def test_many_rows(shop, later):
    """More than one chunk, through the temporary table on SQLite."""
    shop.run("INSERT INTO lead (id, status) VALUES " + ", ".join(f"({n}, 'x')" for n in range(100, 6_200)))
    db, start = GuardedRows(later.sync_engine, {"lead": Table(write={"status"}, rows_max=10_000)}), shop.all()
    plan = await greenlet_spawn(db.update, "lead", range(100, 6_200), {"status": "y"})
    done = await greenlet_spawn(db.apply, plan)
    assert shop.rows("SELECT count(*) FROM lead WHERE status = 'y'") == [(6_100,)]
    await greenlet_spawn(db.apply, await greenlet_spawn(db.undo, done.change))
    assert shop.all() == start


async def test_two_at_once_apply_one_plan_once(shop, later):
    """The second waits, and is told of the first."""
    db = GuardedRows(later.sync_engine, TABLES)
    plan = await greenlet_spawn(db.update, "lead", [1], {"status": "new"})
    found = await asyncio.gather(*(greenlet_spawn(db.apply, plan) for _ in range(3)))
    assert sorted(one.again for one in found) == [False, True, True]
