"""One transaction, whole or not at all: footprint, kill -9, a connection lost at COMMIT, plans that were forged."""

import dataclasses
import os
import signal
import socket
import threading

import pytest
import sqlalchemy as sa
from tests.data.rows.real import Database, database
from tests.stores.postgres.server import server

from handrail.data.rows import ChangeRefused, CommitInDoubt, DatabaseBusy, Footprint, GuardedRows, Table
from handrail.data.rows.plan import footprint

TRIGGER = {
    "sqlite": ["CREATE TRIGGER tell AFTER UPDATE ON lead BEGIN INSERT INTO audit VALUES (new.id, 'changed'); END"],
    "postgres": [
        (
            "CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS "
            "'BEGIN INSERT INTO audit VALUES (new.id, ''changed''); RETURN NULL; END'"
        ),
        "CREATE TRIGGER tell AFTER UPDATE ON lead FOR EACH ROW EXECUTE FUNCTION tell()",
    ],
}


def test_a_trigger_that_writes_elsewhere_rolls_everything_back(shop):
    """G4: unless the operator declared exactly what it writes."""
    shop.run(*TRIGGER[shop.dialect])
    plan, before = shop.guarded().update("lead", [1, 2], {"status": "new"}), shop.all()
    assert "1 triggers or rules stand on" in plan.preview.warnings[0]
    with pytest.raises(Footprint, match="rolled back") as refused:
        shop.guarded().apply(plan)
    assert refused.value.found != refused.value.planned
    assert shop.all() == before
    assert shop.kept() == (0, 0)
    said = shop.guarded({"lead": Table(write={"status"}, also={"audit": 1})})
    said.apply(said.update("lead", [1, 2], {"status": "new"}))
    assert len(shop.rows("SELECT * FROM audit")) == 2
    wrong = shop.guarded({"lead": Table(write={"status"}, also={"line": 1})})
    with pytest.raises(Footprint):
        wrong.apply(wrong.update("lead", [3], {"status": "new"}))


def test_undo_of_an_insert_does_not_take_others_rows_along(shop):
    """Somebody has since referred to the new row."""
    db = shop.guarded()
    done = db.apply(db.insert("lead", [{"id": 7}]))
    shop.run("INSERT INTO orders VALUES (77, 7, 1)")
    before = shop.all()
    with pytest.raises(Footprint):
        db.apply(db.undo(done.change))
    assert shop.all() == before


def test_a_deferred_constraint_is_found_before_it_is_too_late(shop):
    """The whole change is rolled back."""
    shop.run(
        "CREATE TABLE pair (id integer PRIMARY KEY, other integer REFERENCES lead (id) DEFERRABLE INITIALLY DEFERRED)",
        "INSERT INTO pair VALUES (1, 1)",
    )
    db = shop.guarded({"pair": Table(write={"other"})})
    with pytest.raises(ChangeRefused, match=r"The database refused: .*(FOREIGN KEY|foreign key)"):
        db.apply(db.update("pair", [1], {"other": 999}))
    assert shop.rows("SELECT other FROM pair") == [(1,)]
    assert shop.kept() == (0, 0)


def test_a_trigger_that_keeps_rows_back_is_told(postgres):
    """Fewer rows were written than planned, though all are as planned."""
    postgres.run(
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "CREATE TRIGGER no BEFORE UPDATE ON lead FOR EACH ROW WHEN (old.id = 2) EXECUTE FUNCTION no()",
    )
    db = postgres.guarded()
    with pytest.raises(ChangeRefused, match="did not write all planned rows"):
        db.apply(db.update("lead", [1, 2], {"status": "new"}))
    assert postgres.rows("SELECT count(*) FROM lead WHERE status = 'new'") == [(0,)]


def test_forged_plans_are_refused(shop):
    """A plan made by hand meets the declared limits, and an undo what the history says."""
    db = shop.guarded()
    narrow = shop.guarded({"lead": Table(write={"score"}, rows_max=1)})
    plan = db.update("lead", [1, 2], {"status": "new"})
    with pytest.raises(ChangeRefused, match="may not be written"):
        narrow.apply(plan)
    with pytest.raises(ChangeRefused, match="more than 1 rows"):
        narrow.apply(db.update("lead", [1, 2], {"score": 1}))
    with pytest.raises(ChangeRefused, match="not declared"):
        shop.guarded({}).apply(plan)
    part = dataclasses.replace(plan.parts[0], rows=plan.parts[0].rows[:1])
    with pytest.raises(ChangeRefused, match="not what it writes"):
        db.apply(dataclasses.replace(plan, parts=(part,)))
    undo = db.undo(db.apply(db.insert("lead", [{"id": 7}])).change)
    other = db.delete("lead", [5]).parts[0]
    row = other.rows[0]._replace(version=shop_fingerprint(shop, db))
    forged = dataclasses.replace(undo.parts[0], rows=(row,))
    with pytest.raises(ChangeRefused, match="not what the history says"):
        db.apply(dataclasses.replace(undo, parts=(forged,), footprint=footprint((forged,), {})))
    assert shop.rows("SELECT count(*) FROM lead WHERE id = 5") == [(1,)]


def test_an_undo_cannot_be_bound_to_a_later_version(shop):
    """Whoever writes today's fingerprint, or another key, into an undo is refused: the history says what was left."""
    db = shop.guarded()
    done = [db.apply(db.insert("lead", [{"id": 7}])), db.apply(db.update("lead", [5], {"status": "new"}))]
    undos = [db.undo(one.change) for one in done]
    later = [db.apply(db.update("lead", [key], {"score": 99})) for key in (7, 5)]
    before = shop.all()
    for undo, now in zip(undos, later, strict=True):
        mark = shop.rows(f"SELECT after_fp FROM handrail_row WHERE change_id = {int(now.change[:15], 16)}")[0][0]
        row = undo.parts[0].rows[0]._replace(version=mark)
        forged = dataclasses.replace(undo, parts=(dataclasses.replace(undo.parts[0], rows=(row,)),))
        with pytest.raises(ChangeRefused, match="not what the history says"):
            db.apply(forged)
    gone = db.undo(db.apply(db.delete("lead", [6])).change)
    other = db.delete("lead", [5]).parts[0].rows[0].key
    row = gone.parts[0].rows[0]._replace(key=other)
    with pytest.raises(ChangeRefused, match="not what the history says"):
        db.apply(dataclasses.replace(gone, parts=(dataclasses.replace(gone.parts[0], rows=(row,)),)))
    db.apply(gone)
    assert shop.all() == before


def shop_fingerprint(shop, db):
    """Return the content fingerprint of the row 5, which any undo of a change to it would name."""
    done = db.apply(db.update("lead", [5], {"score": 50}))
    return shop.rows(f"SELECT after_fp FROM handrail_row WHERE change_id = {int(done.change[:15], 16)}")[0][0]


@pytest.mark.parametrize("kind", ["update", "delete", "insert", "undo"])
def test_one_row_takes_few_statements_and_one_commit(shop, kind):
    """Settings, the beginning and the end of the transaction included."""
    db = shop.guarded()
    db.apply(db.update("line", [(11, 1)], {"sku": "the first time a connection is used"}))
    plan = {
        "update": lambda: db.update("lead", [1], {"status": "new"}),
        "delete": lambda: db.delete("lead", [5]),
        "insert": lambda: db.insert("lead", [{"id": 7}]),
        "undo": lambda: db.undo(db.apply(db.update("lead", [1], {"status": "new"})).change),
    }[kind]()
    said = []
    sa.event.listen(shop.engine, "before_cursor_execute", lambda *found: said.append(found[2]))
    if shop.dialect == "postgres":
        sa.event.listen(shop.engine, "commit", lambda _: said.append("COMMIT"))
    db.apply(plan)
    assert len(said) <= 8, said
    assert said.count("COMMIT") == 1


@pytest.mark.parametrize("kind", ["update", "delete", "insert", "undo"])
def test_killed_at_any_statement_it_is_whole_or_not_there(kind, tmp_path):
    """G3, G5: a process that dies before or after any statement leaves a state that the digest decides."""
    with database("sqlite", tmp_path) as shop:
        db = shop.guarded()
        if kind == "undo":
            plan = db.undo(db.apply(db.delete("lead", [1, 2])).change)
        else:
            plan = {
                "update": lambda: db.update("lead", [1, 2, 3], {"status": "new"}),
                "delete": lambda: db.delete("lead", [1, 2]),
                "insert": lambda: db.insert("lead", [{"id": 7}, {"id": 8}]),
            }[kind]()
        before, kept = shop.all(), shop.kept()
        shop.close()
        for at in range(1, 200):
            code = killed_at(shop, plan, at)
            done = db.receipt(plan.digest)
            shop.close()
            if done is not None:
                break
            assert code == signal.SIGKILL
            assert shop.all() == before
            assert shop.kept() == kept
            shop.close()
        assert at > 10
        assert done.rows == plan.rows
        assert shop.kept() == (kept[0] + 1, kept[1] + plan.rows)
        assert db.apply(plan).again


def killed_at(shop, plan, at):
    """Apply in a child process that kills itself at one point; return the signal that ended it, 0 for none."""
    child = os.fork()
    if child == 0:
        seen = [0]

        def count(*_):
            seen[0] += 1
            if seen[0] == at:
                os.kill(os.getpid(), signal.SIGKILL)

        sa.event.listen(shop.engine, "before_cursor_execute", count)
        sa.event.listen(shop.engine, "after_cursor_execute", count)
        try:
            shop.guarded().apply(plan)
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1]


class Line(threading.Thread):
    """A real wire between us and the server that is cut around the first COMMIT.

    Attributes:
        port: Where it listens.
    """

    def __init__(self, fate):
        super().__init__(daemon=True)
        self._fate, self._cut = fate, False
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]

    def run(self):
        """Take connections until it is closed."""
        while True:
            try:
                mine, _ = self._socket.accept()
            except OSError:
                return
            theirs = socket.create_connection(("127.0.0.1", server().port))
            for one, other in ((mine, theirs), (theirs, mine)):
                threading.Thread(target=self._carry, args=(one, other, one is mine), daemon=True).start()

    def _carry(self, one, other, ours):
        with one, other:
            try:
                while data := one.recv(65536):
                    if ours and not self._cut and b"COMMIT\0" in data:
                        self._cut = True
                        one.shutdown(socket.SHUT_RDWR)
                        if self._fate == "arrives":
                            other.sendall(data)
                            other.recv(1)
                        if self._fate != "hangs":
                            other.shutdown(socket.SHUT_RDWR)
                        return
                    other.sendall(data)
            except OSError:
                return

    def close(self):
        """Take no more connections."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self.join()


@pytest.mark.parametrize("fate", ["arrives", "lost", "hangs"])
def test_a_connection_lost_at_commit_is_decided_by_the_digest(postgres, fate):
    """The answer is what the database holds; while the server still waits for the COMMIT, nobody knows."""
    line = Line(fate)
    line.start()
    name = sa.make_url(postgres.url).database
    there = Database("postgres", f"postgresql+psycopg://postgres@127.0.0.1:{line.port}/{name}")
    db = there.guarded(lock_s=0.5)
    plan = db.update("lead", [1], {"score": 77})
    if fate == "arrives":
        assert db.apply(plan).change == plan.digest
    elif fate == "lost":
        with pytest.raises(ChangeRefused, match="Nothing was written"):
            db.apply(plan)
    else:
        with pytest.raises(CommitInDoubt) as doubt:
            db.apply(plan)
        assert doubt.value.digest == plan.digest
    arrived = fate == "arrives"
    assert postgres.rows("SELECT score FROM lead WHERE id = 1") == [(77 if arrived else 10,)]
    assert postgres.kept()[0] == int(arrived)
    there.close()
    line.close()


def test_whoever_holds_the_lock_too_long_is_told_of(postgres):
    """We wait only so long."""
    db = GuardedRows(postgres.engine, {"lead": Table(write={"score"})}, lock_s=0.2)
    plan = db.update("lead", [1], {"score": 1})
    with postgres.engine.connect() as other:
        other.exec_driver_sql("UPDATE lead SET score = 2 WHERE id = 1")
        with pytest.raises(ChangeRefused, match="lock timeout"):
            db.apply(plan)
        other.rollback()
    db.apply(plan)


def test_a_database_that_is_locked_is_told_of(shop):
    """Where somebody holds the whole database, or applies this very plan, the call says that it wrote nothing."""
    db = shop.guarded(lock_s=0.2)
    plan = db.update("lead", [1], {"score": 1})
    hold = (
        "BEGIN IMMEDIATE" if shop.dialect == "sqlite" else f"SELECT pg_advisory_xact_lock({int(plan.digest[:15], 16)})"
    )
    other = shop.engine.raw_connection()
    try:
        other.cursor().execute(hold)
        with pytest.raises(DatabaseBusy, match="This call wrote nothing") as busy:
            db.apply(plan)
        with pytest.raises(CommitInDoubt):
            db.receipt(plan.digest)
        assert not isinstance(busy.value, ChangeRefused)
    finally:
        other.rollback()
        other.close()
    assert not db.apply(plan).again
