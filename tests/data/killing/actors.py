"""Processes that work until they are killed: some by plans, some with raw SQL. What they were about to do is on disk."""

import json
import os
import random
import time
import traceback

import sqlalchemy as sa
from tests.data.killing.stops import Stops
from tests.data.killing.world import (
    ABSENT,
    COLUMNS,
    KEYS,
    LEADS,
    ORDERS,
    STOCK,
    TABLES,
    TEXTS,
    key_text,
    put,
    value_text,
)

from handrail.data.rows import ChangeRefused, CommitInDoubt, DatabaseBusy, GuardedRows, RowPlan
from handrail.data.sql import classify
from handrail.data.sql.reflect import reflect

REFUSALS = ("StaleRows", "RowConflict", "Footprint", "ChangeRefused")


class Diary:
    """A file of what a process is about to do and how it ended, one JSON a line; a killed process leaves it whole.

    A last line without its end was never finished, and what it would have said has not begun.
    """

    def __init__(self, path):
        self._out = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def write(self, **entry):
        """Add a line."""
        os.write(self._out, json.dumps(entry).encode() + b"\n")


def read(path, start=0):
    """Return the finished lines of a diary from a place on, and the place after them."""
    with path.open("rb") as file:
        file.seek(start)
        text = file.read()
    end = text.rfind(b"\n") + 1
    return [json.loads(line) for line in text[:end].splitlines()], start + end


class Agent:
    """Plans, applies and undoes at random, and dies where it is told to: at a moment, or around a COMMIT.

    Attributes:
        name: Unlike that of any other process before.
    """

    def __init__(self, place, name, folder, seed, stop):
        self._place, self.name, self._folder = place, name, folder
        self._chance, self._stop = random.Random(seed), stop
        self._count = 0

    def run(self):
        """Work and never end."""
        self._diary = Diary(self._folder / f"{self.name}.diary")
        engine = self._place.engine(pool_size=1)
        self._stops = Stops(self._stop if isinstance(self._stop, int) else 0)
        self._stops.counts = False
        if not isinstance(self._stop, int):
            self._stops.at_commit(*self._stop)
        self._stops.on_sqlite(engine) if self._place.dialect == "sqlite" else self._stops.on_postgres()
        self._db = GuardedRows(engine, TABLES, lock_s=10)
        self._engine = engine
        self._catalog = None
        while True:
            try:
                self._step()
            except ChangeRefused as refused:  # while planning
                self._diary.write(planned=type(refused).__name__)
                if "The database refused" in str(refused):
                    time.sleep(0.01)
            except sa.exc.SQLAlchemyError:  # while looking around, with the server gone
                time.sleep(0.02)
            except Exception:
                self._diary.write(fault=traceback.format_exc())
                os._exit(1)

    def _step(self):
        chance = self._chance
        kind = chance.choices(
            ("update", "predicate", "computed", "insert", "delete", "undo", "others"), (6, 2, 1, 7, 2, 7, 1)
        )[0]
        plan, asked = getattr(self, f"_{kind}")()
        if plan is None or (not plan.rows and chance.random() < 0.95):
            return
        if chance.random() < 0.4:
            time.sleep(chance.random() * (0.08 if kind == "delete" else 0.03))
        self.apply(plan, asked)
        if chance.random() < 0.05:
            self.apply(plan, None)

    def apply(self, plan, asked):
        """Say that a plan will be applied, apply it, say what became of it."""
        self._count += 1
        attempt = f"{self.name}.{self._count}"
        text = plan.to_text() if asked is not None else None
        self._diary.write(attempt=attempt, digest=plan.digest, plan=text, asked=asked)
        self._stops.counts = True
        try:
            done = self._db.apply(plan, plan.digest)
            end = "again" if done.again else "applied"
        except (CommitInDoubt, DatabaseBusy):  # this call wrote nothing, or nobody knows
            end = "doubt"
        except ChangeRefused as refused:
            end = type(refused).__name__
        finally:
            self._stops.reach("after", "apply")
            self._stops.counts = False
        self._diary.write(attempt=attempt, digest=plan.digest, end=end)

    def _token(self):
        self._count += 1
        return f"{self.name}-{self._count}"

    def _keys(self, table, most):
        chance = self._chance
        return chance.sample(EXISTING[table], min(chance.randint(1, most), len(EXISTING[table])))

    def _sets(self, table):
        chance = self._chance
        sets = {
            "lead": {
                "status": chance.choice(TEXTS),
                "score": chance.randint(0, 150),
                "weight": chance.randint(0, 99) + 0.5,
            },
            "orders": {"total": chance.randint(0, 9999), "lead_id": chance.randint(1, LEADS)},
            "line": {"sku": chance.choice(TEXTS)},
            "stock": {"amount": chance.choice((None, 1, 2, 3)), "note": chance.choice(TEXTS)},
        }[table]
        names = chance.sample(sorted(sets), chance.randint(1, len(sets)))
        if table == "orders" and chance.random() < 0.7:
            names = ["total"]
        return {"token": self._token(), **{name: sets[name] for name in names}}

    def _update(self):
        table = self._chance.choice(("lead", "lead", "orders", "line", "stock"))
        ids, sets = self._keys(table, 5), self._sets(table)
        return self._db.update(table, ids, sets), {
            "operation": "update", "table": table, "ids": [key_text(_tuple(one)) for one in ids],
            "set": {name: value_text(value) for name, value in sets.items()},
        }  # fmt: skip

    def _change(self, sql):
        if self._catalog is None:
            self._catalog = reflect(self._engine)
        found = classify(sql, "sqlite" if self._place.dialect == "sqlite" else "postgres", self._catalog)
        assert found.change is not None, (sql, found.why)
        return self._db.plan(found.change)

    def _predicate(self):
        n, token = self._chance.randint(0, 100), self._token()
        sql = self._chance.choice((
            f"UPDATE lead SET status = 'p', token = '{token}' WHERE score BETWEEN {n} AND {n + 30}",
            f"UPDATE orders SET total = {n}, token = '{token}' WHERE lead_id = {n % LEADS + 1}",
            f"UPDATE stock SET amount = {n}, token = '{token}' WHERE amount > 1 AND shop = {n % 3}",
        ))  # fmt: skip
        return self._change(sql), {"operation": "update", "table": sql.split()[1]}

    def _computed(self):
        token = self._token()
        sql = f"UPDATE lead SET score = score + 1, token = '{token}' WHERE id IN ({self._chance.randint(1, LEADS)}, 3)"
        return self._change(sql), {"operation": "update", "table": "lead"}

    def _insert(self):
        chance = self._chance
        table = chance.choice(("lead", "orders", "line", "stock"))
        rows = []
        for taken in self._keys(table, 3):
            sets = self._sets(table)
            # the versions of stock count on only while a key is not made anew
            key = (9, self._token()) if table == "stock" else taken
            sets.pop("lead_id", None)
            sets = {**sets, "lead_id": chance.randint(1, LEADS)} if table == "orders" else sets
            rows.append({**dict(zip(KEYS[table], _tuple(key), strict=True)), **sets})
        rows = [row for row in rows if row.keys() == rows[0].keys()]
        found = [key_text(row[name] for name in KEYS[table]) for row in rows]
        return self._db.insert(table, rows), {"operation": "insert", "table": table, "ids": found}

    def _delete(self):
        table = self._chance.choice(("lead", "orders", "line", "stock"))
        ids = self._keys(table, 2)
        return self._db.delete(table, ids), {
            "operation": "delete", "table": table, "ids": [key_text(_tuple(one)) for one in ids]
        }  # fmt: skip

    def _undo(self):
        with self._engine.connect() as connection:
            found = [
                row[0]
                for row in connection.exec_driver_sql(
                    "SELECT digest FROM handrail_change ORDER BY applied_at DESC LIMIT 12"
                )
            ]
        if not found:
            return None, None
        plan = self._db.undo(self._chance.choice(found))
        return plan, {"operation": plan.parts[0].operation.value, "table": plan.parts[0].table}

    def _others(self):
        """Apply what somebody else is about to apply."""
        path = self._chance.choice(sorted(self._folder.glob("*.diary")))
        entries = [one for one in read(path)[0] if one.get("plan")]
        if not entries:
            return None, None
        return RowPlan.from_text(self._chance.choice(entries[-3:])["plan"]), None


EXISTING = {
    "lead": list(range(1, LEADS + 3)),
    "orders": list(range(1, ORDERS + 7)),
    "line": [(order, n) for order in range(1, ORDERS + 1) for n in (1, 2, 3)],
    "stock": [(n % 3, f"item-{n}") for n in range(1, STOCK + 1)],
}
"""Keys that writers take; some name no row."""


def _tuple(key):
    return key if isinstance(key, tuple) else (key,)


class Raw:
    """Writes the same rows with SQL of its own, in transactions of one to three writes, some rolled back."""

    def __init__(self, place, name, seed):
        self._place, self.name, self._chance, self._count = place, name, random.Random(seed), 0

    def run(self):
        """Work and never end."""
        engine = self._place.engine(pool_size=1)
        chance = self._chance
        while True:
            time.sleep(chance.random() * 0.012)
            try:
                self._transaction(engine)
            except sa.exc.SQLAlchemyError:
                time.sleep(0.01)

    def _transaction(self, engine):
        chance = self._chance
        with engine.connect() as connection:
            if self._place.dialect == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            for _ in range(chance.randint(1, 3)):
                table = chance.choice(sorted(KEYS))
                key = _tuple(chance.choice(EXISTING[table]))
                chance.choices((self._update, self._insert, self._delete), (6, 2, 1))[0](connection, table, key)
                if chance.random() < 0.2:
                    time.sleep(chance.random() * 0.004)
            if chance.random() < 0.9:
                connection.commit()

    def _tell(self, connection, table, key, before, after, sets=None):
        connection.execute(
            sa.text("INSERT INTO wrote (name, key, before, after, sets) VALUES (:a, :b, :c, :d, :e)"),
            {"a": table, "b": key_text(key), "c": before, "d": after, "e": json.dumps(sets)},
        )

    def _locked(self, connection, table, columns, key, names):
        lock = " FOR UPDATE" if self._place.dialect == "postgres" else ""
        where = " AND ".join(f"{column} = :k{at}" for at, column in enumerate(columns))
        sql = f"SELECT {', '.join(names)} FROM {table} WHERE {where} ORDER BY 1{lock}"
        return connection.execute(sa.text(sql), {f"k{at}": one for at, one in enumerate(key)}).all()

    def _token(self):
        self._count += 1
        return f"{self.name}-{self._count}"

    def _update(self, connection, table, key):
        found = self._locked(connection, table, KEYS[table], key, ["token"])
        if not found:
            return
        column = {"lead": "score", "orders": "total", "line": "sku", "stock": "amount"}[table]
        value = self._chance.choice(TEXTS) if table == "line" else self._chance.randint(0, 150)
        token = self._token()
        rev = ", rev = rev + 1" if table == "stock" else ""
        where = " AND ".join(f"{name} = :k{at}" for at, name in enumerate(KEYS[table]))
        connection.execute(
            sa.text(f"UPDATE {table} SET token = :t, {column} = :v{rev} WHERE {where}"),
            {"t": token, "v": value, **{f"k{at}": one for at, one in enumerate(key)}},
        )
        self._tell(connection, table, key, found[0][0], token, {"token": token, column: value_text(value)})

    def _insert(self, connection, table, key):
        if table == "stock" or self._locked(connection, table, KEYS[table], key, ["token"]):
            return
        token = self._token()
        values = {
            "lead": (*key, token, "raw", 5, 1.5, b"\x00"), "orders": (*key, self._chance.randint(1, LEADS), token, 5),
            "line": (*key, token, "raw"),
        }[table]  # fmt: skip
        put(connection, table, values)
        sets = dict(zip(COLUMNS[table], map(value_text, values), strict=True))
        self._tell(connection, table, key, ABSENT, token, sets)

    def _delete(self, connection, table, key):
        found = self._locked(connection, table, KEYS[table], key, COLUMNS[table])
        if not found:
            return
        for child, column in {"lead": [("orders", "lead_id")], "orders": [("line", "orders_id")]}.get(table, ()):
            for row in self._locked(connection, child, [column], key[:1], KEYS[child]):
                self._delete(connection, child, tuple(row))
        where = " AND ".join(f"{name} = :k{at}" for at, name in enumerate(KEYS[table]))
        given = {f"k{at}": one for at, one in enumerate(key)}
        gone = connection.execute(sa.text(f"DELETE FROM {table} WHERE {where}"), given).rowcount
        assert gone == 1
        self._tell(connection, table, key, dict(found[0]._mapping)["token"], ABSENT)
