"""The server itself dies in the middle of apply and at COMMIT, and comes back: the digest decides, and it is whole."""

import os
import signal
import time

import psycopg
import pytest
import sqlalchemy as sa
from tests.data.killing.model import plan, planned
from tests.data.killing.stops import Stops
from tests.data.rows.real import database
from tests.stores.postgres.server import server

from handrail.data.rows import ChangeRefused, CommitInDoubt, DatabaseBusy

IDS = [1, 2, 3]


def gone(_backend):
    """The server is gone, and stays so."""
    server().stop("immediate")


def crashed(_backend):
    """The server crashes, and is started again at once."""
    server().restart("immediate")


def shot(backend):
    """The process that serves us is killed: the server ends all sessions and recovers by itself."""
    os.kill(backend, signal.SIGKILL)
    time.sleep(0.05)
    answering()


def answering():
    """Wait until the server answers."""
    for _ in range(400):
        try:
            server().run("SELECT 1")
        except psycopg.OperationalError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError("the server did not come back")


def exchanges(patch, act=lambda *_: None):
    """Count the exchanges of this process by what they are; `act` is told each of their moments."""
    seen = {STATEMENT: 0, COMMIT: 0}

    def reach(now, text=""):
        name = text.rpartition(".")[2]
        if name in seen:
            seen[name] += now == "before"
            act(name, seen[name], now)

    stops = Stops()
    stops.reach = reach
    stops.on_postgres(patch.setattr)
    return seen


def interrupted(monkeypatch, shop, db, made, moment, happens):
    """Apply while something happens to the server at a moment; return what apply said.

    Of the statements it is one at two thirds of the way, where the rows are written.
    """
    with monkeypatch.context() as patch:
        seen = exchanges(patch)
        done = db.apply(db.update("lead", [5], {"score": 51}))
        number = {STATEMENT: seen[STATEMENT] * 2 // 3, COMMIT: 1}[moment[0]]
        db.apply(db.undo(done.change))
    mine = f"SELECT id FROM handrail_change WHERE digest = '{made.undo_of}'"
    shop.run(f"DELETE FROM handrail_row WHERE change_id NOT IN ({mine})")
    shop.run(f"DELETE FROM handrail_change WHERE id NOT IN ({mine})")
    backend, happened = shop.rows("SELECT pg_backend_pid()")[0][0], []

    def act(name, count, now):
        if not happened and (name, count, now) == (moment[0], number, moment[1]):
            happened.append(moment)
            happens(backend)

    with monkeypatch.context() as patch:
        exchanges(patch, act)
        try:
            said = db.apply(made)
        except (ChangeRefused, CommitInDoubt, DatabaseBusy) as error:
            said = error
    assert happened
    return said


STATEMENT, COMMIT = "_execute_gen", "_commit_gen"


@pytest.mark.parametrize(
    ("moment", "happens"),
    [
        ((STATEMENT, "sent"), crashed),
        ((STATEMENT, "after"), shot),
        ((COMMIT, "before"), crashed),
        ((COMMIT, "sent"), crashed),
        ((COMMIT, "sent"), shot),
        ((COMMIT, "after"), crashed),
        ((COMMIT, "sent"), gone),
        ((COMMIT, "before"), gone),
    ],
    ids=lambda one: one.__name__ if callable(one) else " ".join(one),
)
@pytest.mark.parametrize("kind", ["delete"])
def test_a_server_that_dies_leaves_all_or_nothing(monkeypatch, kind, moment, happens):
    """What apply says is true: a receipt is durable, a refusal wrote nothing, doubt is doubt; the digest tells which."""
    with database("postgres", "") as shop:
        start, db = shop.all(), shop.guarded()
        made = plan(shop, db, kind, IDS)
        said = interrupted(monkeypatch, shop, db, made, moment, happens)
        if happens is gone:
            server().start()
        answering()
        shop.close()
        found = db.receipt(made.digest)
        assert shop.all() == (start if found is None else planned(start, kind, IDS))
        assert shop.kept() == ((0, 0) if found is None else (1, made.rows))
        if isinstance(said, ChangeRefused | DatabaseBusy):
            assert found is None, "it said that nothing was written"
        elif isinstance(said, CommitInDoubt):
            assert said.digest == made.digest
            assert (moment[0], happens) == (COMMIT, gone)
        else:
            assert found is not None, "it said that it was written"
        if moment == (COMMIT, "after"):
            assert found is not None
        if moment[0] == STATEMENT or moment[1] == "before":
            assert found is None
        assert db.apply(made).again == (found is not None)
        assert db.apply(made).again
        assert shop.all() == planned(start, kind, IDS)
        db.apply(db.undo(made.digest))
        assert shop.all() == start


def test_an_undo_over_a_crash_is_all_or_nothing(monkeypatch):
    """The same at the COMMIT of an undo."""
    with database("postgres", "") as shop:
        start, db = shop.all(), shop.guarded()
        done = db.apply(plan(shop, db, "delete", IDS))
        changed = shop.all()
        back = db.undo(done.change)
        said = interrupted(monkeypatch, shop, db, back, (COMMIT, "sent"), crashed)
        shop.close()
        found = db.receipt(back.digest)
        assert shop.all() == (changed if found is None else start)
        assert isinstance(said, ChangeRefused) == (found is None)
        assert db.apply(back).again == (found is not None)
        assert shop.all() == start


def test_a_server_that_does_not_answer_decides_nothing():
    """Asked for the digest while the server is gone, nobody says that nothing was written."""
    with database("postgres", "") as shop:
        db = shop.guarded()
        made = plan(shop, db, "update", IDS)
        db.apply(made)
        shop.close()
        server().stop("immediate")
        try:
            with pytest.raises((ChangeRefused, CommitInDoubt, sa.exc.SQLAlchemyError)) as said:
                db.receipt(made.digest)
        finally:
            server().start()
        answering()
        assert db.receipt(made.digest) is not None
        assert not isinstance(said.value, ChangeRefused), f"it was written, and this says: {said.value}"
