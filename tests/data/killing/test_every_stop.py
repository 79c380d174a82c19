"""kill -9 before and after every statement of apply and undo: the digest tells what is there, and it is whole (G3, G5)."""

import os
import signal

import pytest
import sqlalchemy as sa
from tests.data.killing.model import KINDS, plan, planned
from tests.data.killing.stops import Stops, ended, forked, seeded
from tests.data.rows.real import Database, database

from handrail.data.rows import RowPlan

IDS = [1, 2, 3]
RANDOM_STOPS = 20
EVERY = bool(os.environ.get("KILLING_EVERY"))
"""Whether PostgreSQL is killed at every point as well; it takes a minute."""

COLUMNS = {
    "lead": ("id", "status", "score", "price", "rev"),
    "orders": ("id", "lead_id", "total"),
    "line": ("orders_id", "n", "sku"),
    "audit": ("id", "what"),
}
KEYS = {"lead": ("id",), "orders": ("id",), "line": ("orders_id", "n"), "audit": ("id",)}


class Life:
    """A process that plans a change, applies it, takes it back, and dies at a moment of the last two.

    Attributes:
        code: How it ended.
        seen: Moments that were reached, where it lived to the end.
        plans: What it was about to apply: none, the change, or the change and its undo.
    """

    def __init__(self, shop, kind, folder, at, commit=None):
        self._shop, self._kind, self._folder, self._at, self._commit = shop, kind, folder, at, commit
        shop.close()
        for name in ("0", "1", "seen"):
            (folder / name).unlink(missing_ok=True)
        self.code = ended(forked(self._live))
        texts = [(folder / name).read_text() for name in ("0", "1") if (folder / name).exists()]
        self.plans = [RowPlan.from_text(text) for text in texts]
        self.seen = int((folder / "seen").read_text()) if self.code == 0 else None

    def _live(self):
        stops = Stops(self._at)
        stops.counts = False
        if self._commit:
            stops.at_commit(*self._commit)
        there = Database(self._shop.dialect, self._shop.url)
        stops.on_sqlite(there.engine) if there.dialect == "sqlite" else stops.on_postgres()
        db = there.guarded()
        change = plan(there, db, self._kind, IDS)
        self._keep("0", change)
        stops.counts = True
        db.apply(change)
        stops.reach("after", "apply")
        back = db.undo(change.digest)
        self._keep("1", back)
        db.apply(back)
        stops.reach("after", "undo")
        (self._folder / "seen").write_text(str(stops.seen))

    def _keep(self, name, made):
        (self._folder / "part").write_text(made.to_text())
        (self._folder / "part").rename(self._folder / name)


def images(shop):
    """Return what the history keeps: the digest, how many rows it says and has, how many of them lack an image."""
    return shop.rows(
        "SELECT c.digest, c.rows, count(r.n), "
        "sum(CASE WHEN (r.before IS NULL AND r.after IS NULL) OR r.key IS NULL THEN 1 ELSE 0 END) "
        "FROM handrail_change AS c LEFT JOIN handrail_row AS r ON r.change_id = c.id GROUP BY c.id, c.digest, c.rows"
    )


def decided(shop, db, life, start, kind):
    """Check what a death left: the digests tell which of the states it is, and nothing is in between."""
    after = planned(start, kind, IDS)
    there = [made for made in life.plans if db.receipt(made.digest) is not None]
    assert there == life.plans[: len(there)], "an undo without its change"
    assert shop.all() == (after if len(there) == 1 else start)
    assert sorted(images(shop)) == sorted((made.digest, made.rows, made.rows, 0) for made in there)
    for made in there:
        found = db.receipt(made.digest)
        assert (found.change, found.rows, dict(found.footprint)) == (made.digest, made.rows, dict(made.footprint))
    if len(there) == 1:  # every row that is to come back is kept as it was
        samples = db.undo(there[0].digest).preview.samples
        assert len(samples) == there[0].rows
        for sample in samples:
            assert (sample.after is None) == (kind == "insert")
            assert any(was(sample, name, row) for name, rows in start.items() for row in rows) == (kind != "insert")
    return len(there)


def was(sample, table, row):
    """Return whether what the history keeps of a row is what the row was."""
    old = dict(zip(COLUMNS[table], row, strict=True))
    key = tuple(str(old[name]) for name in KEYS[table])
    if key != tuple(map(str, sample.key)) or not sample.after or not sample.after.keys() <= old.keys():
        return False
    return all(text(value) == text(old[name]) for name, value in sample.after.items())


def text(value):
    """Return a value, or its cell, as one text."""
    value = value["real"] if isinstance(value, dict) else value
    try:
        return None if value is None else str(float(value))
    except ValueError:
        return str(value)


def carried_on(shop, db, life, start, kind, done):
    """Apply the same plans again: each ends up applied once, and undo brings everything back."""
    after = planned(start, kind, IDS)
    change = life.plans[0]
    if done == 2:
        assert db.apply(life.plans[1]).again
        assert db.apply(change).again
        assert shop.all() == start
        return
    assert db.apply(change).again == (done == 1)
    assert shop.all() == after
    assert db.apply(change).again
    assert shop.all() == after
    assert sorted(images(shop)) == [(change.digest, change.rows, change.rows, 0)]
    back = life.plans[1] if len(life.plans) == 2 else db.undo(change.digest)
    assert not db.apply(back).again
    assert shop.all() == start
    assert db.apply(back).again


def killed(shop, kind, folder, at, *, carry_on=True):
    """Kill one life at a moment and check all of it; return the state it left, None when it lived."""
    db, start = shop.guarded(), shop.all()
    life = Life(shop, kind, folder, at)
    assert life.code in {0, -signal.SIGKILL}
    done = decided(shop, db, life, start, kind)
    if life.code == 0:
        assert done == 2
    if carry_on:
        carried_on(shop, db, life, start, kind, done)
    elif done == 1:
        db.apply(db.undo(life.plans[0].digest))
    assert shop.all() == start
    shop.run("DELETE FROM handrail_row", "DELETE FROM handrail_change")
    return None if life.code == 0 else done


@pytest.mark.parametrize("kind", KINDS if EVERY else ["update", "delete"])
def test_on_sqlite_killed_at_every_statement_it_is_whole_or_not_there(kind, tmp_path):
    """Apply and undo, COMMIT included: the moment is moved on until the process lives; at every third all is done again."""
    with database("sqlite", tmp_path) as shop:
        found = []
        for at in range(1, 400):
            found.append(killed(shop, kind, tmp_path, at, carry_on=EVERY or at % 3 == 0))
            if found[-1] is None:
                break
        assert found == [*sorted(found[:-1]), None], "what was there was gone again"
        assert {0, 1, 2} <= set(found)
        print(kind, len(found) - 1, "kills")


@pytest.mark.parametrize("dialect", ["sqlite", "postgres"])
def test_killed_at_random_moments_it_is_whole_or_not_there(dialect, tmp_path):
    """The same at 20 moments, drawn from all of apply and undo; on PostgreSQL also between a request and its answer."""
    chance = seeded()
    with database(dialect, tmp_path) as shop:
        moments = []
        for kind in KINDS:
            life = Life(shop, kind, tmp_path, 0)
            assert life.code == 0
            moments += [(kind, at + 1) for at in range(life.seen)]
            shop.run("DELETE FROM handrail_row", "DELETE FROM handrail_change")
        chosen = moments if EVERY and dialect == "postgres" else chance.sample(moments, RANDOM_STOPS)
        left = [killed(shop, kind, tmp_path, at) for kind, at in chosen]
        print(
            len(moments), "moments,", len(chosen), "kills; left by them:", {one: left.count(one) for one in set(left)}
        )
        if not EVERY:
            print(dict(zip(chosen, left, strict=True)))
        assert left.count(None) <= len(chosen) // 10, "hardly anything was killed"


@pytest.mark.parametrize("dialect", ["sqlite", "postgres"])
def test_a_kill_at_commit_is_decided_by_the_digest(dialect, tmp_path):
    """At COMMIT itself, of the change and of its undo: before it nothing is there, after it all is."""
    with database(dialect, tmp_path) as shop:
        for which in (1, 2):
            for what, least, most in (
                ("before", which - 1, which - 1),
                ("sent", which - 1, which),
                ("after", which, which),
            ):
                if dialect == "sqlite" and what == "sent":
                    continue
                start = shop.all()
                life = Life(shop, "delete", tmp_path, 0, commit=(which, what))
                assert life.code == -signal.SIGKILL
                done = decided(shop, shop.guarded(), life, start, "delete")
                assert least <= done <= most
                carried_on(shop, shop.guarded(), life, start, "delete", done)
                shop.run("DELETE FROM handrail_row", "DELETE FROM handrail_change")


@pytest.mark.parametrize("which", [1, 2])
def test_whoever_asks_while_a_dead_process_is_still_being_committed_waits_for_it(which, tmp_path):
    """The request to commit is out, its process is gone, the server takes its time: the answer is not `not made`."""
    with database("postgres", "") as shop:
        start = shop.all()
        for name, value in (("commit_delay", 100_000), ("commit_siblings", 0)):
            shop.run(f"ALTER DATABASE {sa.make_url(shop.url).database} SET {name} = {value}")
        life = Life(shop, "delete", tmp_path, 0, commit=(which, "sent"))
        assert life.code == -signal.SIGKILL
        assert shop.guarded().receipt(life.plans[-1].digest) is not None
        assert decided(shop, shop.guarded(), life, start, "delete") == which
