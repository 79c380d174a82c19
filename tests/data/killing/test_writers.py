"""A second process writes the same rows at random moments between plan and apply, and within apply (G1, G4, G6)."""

import multiprocessing
import os
import random
import time

import pytest
import sqlalchemy as sa
from tests.data.killing.model import plan, planned, removed
from tests.data.killing.stops import Stops, ended, forked, seeded
from tests.data.rows.real import Database, database

from handrail.data.rows import ChangeRefused

CASES = int(os.environ.get("KILLING_CASES", "40"))
MOMENT_MAX = 50
START = (
    "INSERT INTO lead (id, status, score, price) VALUES "
    + ", ".join(f"({n}, 's{n}', {n}0, {n}.5)" for n in range(1, 7)),
    "INSERT INTO orders VALUES " + ", ".join(f"({n}, {n % 6 + 1}, {n})" for n in range(11, 19)),
    "INSERT INTO line VALUES " + ", ".join(f"({n}, 1, 'a'), ({n}, 2, 'b')" for n in range(11, 19)),
)


class Other:
    """The second process. It does what it is sent in one transaction, and tells how many rows each write found."""

    def __init__(self, shop):
        self._ours, self._theirs = multiprocessing.Pipe()
        shop.close()
        self._process = forked(lambda: self._work(shop))

    def _work(self, shop):
        self._ours.close()  # so that the end of the test is the end of this process, however it ends
        there = Database(shop.dialect, shop.url)
        while (work := self._theirs.recv()) is not None:
            counts, committed = [], False
            try:
                with there.engine.connect() as connection:
                    if there.dialect == "sqlite":
                        connection.exec_driver_sql("BEGIN IMMEDIATE")
                    for sql in work["sql"]:
                        counts.append(connection.exec_driver_sql(sql).rowcount)
                        time.sleep(work["hold_s"])
                    if work["commit"]:
                        connection.commit()
                        committed = True
            except sa.exc.SQLAlchemyError:
                pass
            self._theirs.send((committed, counts))

    def begin(self, work, wait_s):
        """Let it write; wait for a moment."""
        self._ours.send(work)
        self._ours.poll(wait_s)

    def end(self):
        """Wait until it is done; return whether it committed, and the counts."""
        assert self._ours.poll(30)
        return self._ours.recv()

    def close(self):
        """End it."""
        self._ours.send(None)
        self._ours.close()
        assert ended(self._process) == 0


SQL = {
    "score": "UPDATE lead SET score = {1} WHERE id = {0}",
    "drop": "DELETE FROM lead WHERE id = {0}",
    "lead": "INSERT INTO lead (id, status, score) VALUES ({0}, 'raw', {1})",
    "order": "INSERT INTO orders VALUES ({1}, {0}, 1)",
    "move": "UPDATE orders SET lead_id = {0} WHERE id = {1}",
    "sku": "UPDATE line SET sku = 'raw' WHERE orders_id = {1} AND n = 1",
}


def write(chance, ids, kind):
    """Return a write of the other process, mostly where the plan is: what, a lead, a number."""
    cascading = kind in {"delete", "undo insert"}  # more rows than planned would go along
    most = ("order", "order", "move") if cascading else ("score", "score", "drop")
    what = chance.choice((*most, "score", "drop", "lead", "order", "move", "sku"))
    lead = chance.choice(ids) if chance.random() < 0.8 else chance.randint(1, 6)
    if kind.endswith("insert") or (what in {"lead", "score", "drop"} and chance.random() < 0.1):
        lead += 100
    return (
        what,
        lead,
        {"score": chance.randint(0, 99), "lead": 5, "order": chance.randint(30, 40)}.get(what, chance.randint(11, 18)),
    )


def written(state, writes):
    """Return the tables after those writes, and how many rows each finds; None where the database refuses one."""
    state, counts = {name: list(rows) for name, rows in state.items()}, []
    for what, lead, number in writes:
        leads = {row[0] for row in state["lead"]}
        if (what == "lead" and lead in leads) or (what == "order" and lead not in leads):
            return None
        if what == "order" and number in {row[0] for row in state["orders"]}:
            return None
        found = {
            "score": [row for row in state["lead"] if row[0] == lead], "drop": [row for row in state["lead"] if row[0] == lead],
            "move": [row for row in state["orders"] if row[0] == number],
            "sku": [row for row in state["line"] if row[:2] == (number, 1)],
        }.get(what, [()])  # fmt: skip
        if what == "move" and found and lead not in leads:
            return None
        counts.append(len(found))
        if what == "drop":
            removed(state, [lead])
        table = {"order": "orders", "move": "orders", "sku": "line"}.get(what, "lead")
        new = {"lead": [(lead, "raw", number, None, 1)], "order": [(number, lead, 1)]}.get(what, [])
        for row in found if what in {"score", "move", "sku"} else ():
            new.append(
                (*row[:2], number, *row[3:])
                if what == "score"
                else (row[0], lead, row[2])
                if what == "move"
                else (*row[:2], "raw")
            )
        state[table] = sorted([row for row in state[table] if row not in found] + new, key=lambda row: row[:2])
    return state, counts


def keyed(state):
    """Return the rows by table and key."""
    return {(name, row[: 2 if name == "line" else 1]): row for name, rows in state.items() for row in rows}


def touched(before, after):
    """Return the rows that differ."""
    one, other = keyed(before), keyed(after)
    return {place for place in one.keys() | other.keys() if one.get(place) != other.get(place)}


def both(before, after, other):
    """Return the tables after a plan that was made for `before`, on others' writes that touch none of its rows."""
    found, wanted = keyed(other), keyed(after)
    for place in touched(before, after):
        found.pop(place, None)
        if place in wanted:
            found[place] = wanted[place]
    return {
        name: sorted((row for (table, _), row in found.items() if table == name), key=lambda row: row[:2])
        for name in before
    }


def leads(state, writes):
    """Return the leads that writes have to do with, by themselves or through an order."""
    owner = {row[0]: row[1] for row in state["orders"]}
    found = {lead for what, lead, _ in writes if what != "sku"}
    return found | {owner[number] for what, _, number in writes if what in {"move", "sku"} and number in owner}


class Case:
    """A plan, and writes that meet it."""

    def __init__(self, shop, chance):
        shop.run("DELETE FROM line", "DELETE FROM orders", "DELETE FROM lead", *START)
        self.kind = chance.choice(
            ("update", "predicate", "insert", "delete", "undo update", "undo delete", "undo insert")
        )
        self.ids = sorted(chance.sample(range(1, 7), chance.randint(1, 3)))
        self.db, first = shop.guarded(), shop.all()
        name = self.kind.removeprefix("undo ")
        self.plan = plan(shop, self.db, name, self.ids)
        self.before, self.after = first, planned(first, name, self.ids)
        if name != self.kind:
            self.db.apply(self.plan)
            self.before, self.after = shop.all(), first
            self.plan = self.db.undo(self.plan.digest)
        self.writes = [write(chance, self.ids, self.kind) for _ in range(chance.randint(1, 3))]
        self.moment = chance.choice((0, chance.randint(1, MOMENT_MAX)))
        self.work = {
            "sql": [SQL[what].format(*values) for what, *values in self.writes],
            "hold_s": chance.choice((0, 0.003, 0.015)), "commit": chance.random() < 0.9,
        }  # fmt: skip
        self.wait_s = chance.choice((0, 0.002, 0.02))

    def __str__(self):
        return f"{self.kind} {self.ids}, {self.work} at {self.moment}"

    def meet(self, shop, other):
        """Apply while the other writes; return the refusal, if any, and what the other did."""
        stops = Stops(self.moment, lambda *_: other.begin(self.work, self.wait_s))
        with pytest.MonkeyPatch.context() as patch:
            if shop.dialect == "sqlite":
                shop.close()
                stops.on_sqlite(shop.engine)
            else:
                stops.on_postgres(patch.setattr)
            if not self.moment:
                other.begin(self.work, 1)
            refused = None
            try:
                self.db.apply(self.plan)
            except ChangeRefused as error:
                refused = error
            stops.counts = False
        if self.moment > stops.seen:
            other.begin(self.work, 1)
        return refused, other.end()

    def check(self, now, refused, committed, counts, dialect):
        """The full plan or nothing, beside the full work of the other or nothing, one after the other.

        On PostgreSQL each statement of the other sees what is committed by then: the plan may come between two.
        """
        before, after = self.before, self.after
        if refused is not None:
            alone = written(before, self.writes) if committed else (before, counts)
            assert (now, counts) == alone, f"{self}: refused ({refused}), and something is left of it"
            mine = {place[1][0] for place in touched(before, after)} | {*self.ids} | {100 + one for one in self.ids}
            assert leads(before, self.writes) & mine, f"{self}: refused for nothing: {refused}"
        elif not committed:
            assert now == after, f"{self}: not the plan and nothing else"
        else:
            orders = range(len(self.writes) + 1) if dialect == "postgres" else (0, len(self.writes))
            assert any(self._between(at) == (now, counts) for at in orders), f"{self}: neither the plan nor nothing"

    def _between(self, at):
        """Return the tables and the counts when the plan comes after so many writes, none of which meets its rows."""
        first = written(self.before, self.writes[:at])
        if first is None or touched(self.before, first[0]) & touched(self.before, self.after):
            return None
        then = written(both(self.before, self.after, first[0]), self.writes[at:])
        return None if then is None else (then[0], first[1] + then[1])


@pytest.mark.parametrize("dialect", ["sqlite", "postgres"])
def test_with_a_second_process_it_is_the_full_plan_or_nothing(dialect, tmp_path):
    """Update, insert, delete with cascades, and undo of each; the other writes before, within or after apply."""
    chance = seeded()
    with database(dialect, tmp_path) as shop:
        other, found = Other(shop), []
        try:
            for _ in range(CASES):
                case = Case(shop, random.Random(chance.random()))
                refused, (committed, counts) = case.meet(shop, other)
                case.check(shop.all(), refused, committed, counts, dialect)
                assert (shop.guarded().receipt(case.plan.digest) is None) == (refused is not None)
                found.append(type(refused).__name__)
        finally:
            other.close()
        print({one: found.count(one) for one in set(found)})
        assert len(set(found)) > 1, "nothing was refused, or all of it"
