"""A process that dies anywhere around a change: the same call made again ends in one application, and no hole."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import handrail
from handrail.data.rows import CommitInDoubt, DatabaseBusy, GuardedRows
from handrail.data.rows.sqlite import Sqlite

WORKER = Path(__file__).with_name("front_worker.py")
STOPS = [
    "before the change",
    "before the commit",
    "after the commit",
    "before the settlement",
    "after the settlement",
]


def die(shop, verb, digest, stop):
    """Let a process try, which dies there."""
    root = str(WORKER.parents[2])
    paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    worker = subprocess.run(
        [sys.executable, str(WORKER), str(shop.folder), verb, digest, stop],
        env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert worker.returncode == -signal.SIGKILL, worker.stdout + worker.stderr


@pytest.mark.parametrize("stop", STOPS)
def test_killed_while_applying_what_was_approved(shop, stop):
    """No second approval is needed, and the journal has no hole."""
    with shop.using() as db:
        plan = db.plan_sql("UPDATE lead SET score = score + 1 WHERE status = 'error'")
        with pytest.raises(handrail.ReviewRequired) as held:
            db.apply(plan)
    shop.decide(held)
    die(shop, "apply", plan.digest, stop)
    done = STOPS.index(stop) > 1
    assert shop.changes() == done
    assert bool(shop.hole()) is (stop != "after the settlement")
    with shop.using() as db:
        assert db.apply(plan.digest).again is done
    assert (shop.changes(), shop.tickets(), shop.hole()) == (1, ["spent"], set())
    assert shop.rows("SELECT score FROM lead WHERE id IN (1, 2) ORDER BY id") == [(11,), (20,)]
    with shop.using() as db:
        assert db.apply(plan.digest).again


@pytest.mark.parametrize("stop", STOPS)
def test_killed_while_undoing(small, stop):
    """The same for an undo."""
    with small.using() as db:
        change = db.apply(db.update("lead", [1], {"status": "new"})).change
        with pytest.raises(handrail.ReviewRequired) as held:
            db.undo(change)
    small.decide(held)
    die(small, "undo", change, stop)
    with small.using() as db:
        receipt = db.undo(change)
    assert (receipt.undo_of, receipt.again) == (change, STOPS.index(stop) > 1)
    assert (small.changes(), small.tickets(), small.hole()) == (2, ["spent"], set())
    assert small.lead(1) == ["error"]


@pytest.mark.parametrize("stop", STOPS[2:4])
def test_killed_while_applying_what_is_free(small, stop):
    """Nobody is asked at all."""
    with small.using() as db:
        plan = db.update("lead", [1], {"status": "new"})
    die(small, "apply", plan.digest, stop)
    with small.using() as db:
        assert db.apply(plan).again
    assert (small.changes(), small.tickets(), small.hole()) == (1, [], set())


def test_the_commit_is_in_doubt(small, monkeypatch):
    """The action is made again until the database answers; if it does not, it is never told of as done or undone."""
    with small.using() as db:
        plan, other = (db.update("lead", [n], {"status": "new"}) for n in (1, 2))
        apply, calls = GuardedRows.apply, []

        def doubtful(self, plan, digest=None):
            calls.append(plan.digest)
            made = apply(self, plan, digest)
            if len(calls) != 2:
                raise CommitInDoubt("The connection broke.", plan.digest)
            return made

        db.database._parts.edge.host.sleep = lambda _: None
        monkeypatch.setattr(GuardedRows, "apply", doubtful)
        assert db.apply(plan).again
        assert calls == [plan.digest] * 2
        with pytest.raises(handrail.ReviewRequired, match="failed 4 times") as doubt:
            db.apply(other)
        assert isinstance(doubt.value.__cause__, CommitInDoubt)
        monkeypatch.undo()
        assert db.apply(other).again
    assert small.changes() == 2


def test_a_locked_database_is_told_of_at_once_and_leaves_a_doubt_in_doubt(small, monkeypatch):
    """A busy database is no retry; where an attempt before may have been made, nobody says that it was not."""
    with small.using() as db:
        plan, other = (db.update("lead", [n], {"status": "new"}) for n in (1, 2))
        calls = []

        def answers(*errors):
            left = list(errors)

            def apply(self, plan, digest=None):
                calls.append(plan.digest)
                raise left.pop(0)

            monkeypatch.setattr(GuardedRows, "apply", apply)

        db.database._parts.edge.host.sleep = lambda _: None
        answers(DatabaseBusy("It is locked."))
        with pytest.raises(DatabaseBusy):
            db.apply(plan)
        assert len(calls) == 1
        assert small.hole() == set()
        answers(CommitInDoubt("The connection broke.", other.digest), DatabaseBusy("It is locked."))
        with pytest.raises(DatabaseBusy):
            db.apply(other)
        monkeypatch.undo()
        assert len(small.hole()) == 1
        assert not db.apply(other).again
        assert small.hole() == set()


def test_the_connection_breaks_at_the_commit(small, monkeypatch):
    """The history tells what became of it."""
    import sqlalchemy as sa

    commit = Sqlite.commit

    def broken(self, connection):
        commit(self, connection)
        raise sa.exc.OperationalError("COMMIT", {}, Exception("connection lost"))

    monkeypatch.setattr(Sqlite, "commit", broken)
    with small.using() as db:
        assert db.apply(db.update("lead", [1], {"status": "new"})).rows == 1
    assert (small.lead(1), small.hole()) == (["new"], set())


def test_the_store_is_closed_in_the_middle(small, monkeypatch):
    """The caller is told that the outcome is not recorded; the next process ends the call."""
    with small.using() as db:
        plan = db.plan_sql("UPDATE lead SET status = 'x' WHERE id < 3")
        with pytest.raises(handrail.ReviewRequired) as held:
            db.apply(plan)
    small.decide(held)
    hr = small.open()
    apply, db = GuardedRows.apply, hr.database("shop")

    def closing(self, *args):
        made = apply(self, *args)
        hr.store.close()
        return made

    with hr.run("bot"):
        monkeypatch.setattr(GuardedRows, "apply", closing)
        with pytest.raises(handrail.StoreError, match="outcome could not be recorded"):
            db.apply(plan)
        monkeypatch.undo()
        for call in (lambda: db.apply(plan), lambda: db.undo(plan.digest), lambda: db.update("lead", [1], {})):
            with pytest.raises((handrail.StoreError, handrail.Denied), match="store is closed"):
                call()
    db.close()
    with small.using() as db:
        assert db.apply(plan).again
    assert (small.changes(), small.tickets(), small.hole()) == (1, ["spent"], set())
