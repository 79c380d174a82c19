"""How many processes write to one SQLite database: ways to take turns, and what a durable commit costs.

    python bench/writers.py [--quick] [--json]

First part: 8 processes of 4 threads insert one row a transaction (WAL, synchronous=NORMAL), taking turns by

- ``busy``       SQLite's own busy handler;
- ``flock``      one `flock` around the transaction;
- ``turnstile``  two `flock`s: whoever waits for the lock holds the gate that the one who releases must pass;
- ``broker``     a process that alone has the database, asked over a unix socket, grouping what has arrived;
- ``fairlock``   handrail.stores.fairlock around the transaction: the bare insert under our lock;
- ``committer``  handrail.stores.committer: what the store does.

Second part: durable works, one caller, 64 callers in one process, and 64 callers in 8 processes, beside
`synchronous=FULL` under the same lock; and what plain writers feel of durable ones.

All ways are measured in one run, in turns, so that ratios mean something on a machine that others use too. The
longest wait of all is taken from the best run: what the machine or its disk adds now and then is not the lock's.
"""

import fcntl
import json
import os
import selectors
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import threading
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import IO, Any

from figures import Figure, at_most, options, report

from handrail.stores.committer import Committer
from handrail.stores.fairlock import FairLock

ROW = "x" * 400
INSERT = "INSERT INTO rows (kind, body) VALUES (?, ?)"
WAYS = ("busy", "flock", "turnstile", "broker", "fairlock", "committer")
Call = Callable[[], object]


def connect(folder: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(folder / "bench.db", timeout=60, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def insert(connection: sqlite3.Connection) -> None:
    connection.execute(INSERT, (1, ROW))


def transaction(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    insert(connection)
    connection.execute("COMMIT")


# --- the ways: each gives every thread a function that inserts one row and returns when it is committed ---


def busy(folder: Path) -> Callable[[], Call]:
    def for_thread() -> Call:
        connection = connect(folder)
        return lambda: transaction(connection)

    return for_thread


def flocked(folder: Path, *, gate: bool) -> Callable[[], Call]:
    def for_thread() -> Call:
        connection = connect(folder)
        lock = os.open(folder / "flock", os.O_RDWR | os.O_CREAT)
        turnstile = os.open(folder / "gate", os.O_RDWR | os.O_CREAT) if gate else -1

        def call() -> None:
            if gate:
                fcntl.flock(turnstile, fcntl.LOCK_EX)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if gate:
                fcntl.flock(turnstile, fcntl.LOCK_UN)
            try:
                transaction(connection)
            finally:
                fcntl.flock(lock, fcntl.LOCK_UN)

        return call

    return for_thread


def fairlock(folder: Path) -> Callable[[], Call]:
    lock = FairLock(folder / "bench.db-lock")

    def for_thread() -> Call:
        connection = connect(folder)

        def call() -> None:
            with lock:
                transaction(connection)

        return call

    return for_thread


def broker(folder: Path) -> Callable[[], Call]:
    def for_thread() -> Call:
        asking = socket.socket(socket.AF_UNIX)
        asking.connect(str(folder / "broker"))
        body = ROW.encode()

        def call() -> None:
            asking.sendall(body)
            assert asking.recv(1) == b"k"

        return call

    return for_thread


class FullUnderLock(Committer):
    """The rival of walsync.py: a durable batch is committed with synchronous=FULL, under the lock."""

    full = False
    full_commits = 0

    def _write(self, line: Any, batch: Any) -> None:
        with self._lock:
            connection = self._connection or self._open()
            if self.full != line.durable:
                connection.execute(f"PRAGMA synchronous = {'FULL' if line.durable else 'NORMAL'}")
                self.full = line.durable
            self._transact(connection, line, batch)
            self.full_commits += line.durable
            batch.synced = True

    @property
    def syncs(self) -> int:
        return self.full_commits


def grouped(folder: Path, kind: type[Committer]) -> Committer:
    return kind(lambda: connect(folder), FairLock(folder / "bench.db-lock"))


def serve_broker(folder: Path) -> None:
    """Serve until stdin closes: one transaction for all that has arrived."""
    connection = connect(folder)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(folder / "broker"))
    listening.listen(64)
    selector = selectors.DefaultSelector()
    selector.register(listening, selectors.EVENT_READ)
    selector.register(sys.stdin, selectors.EVENT_READ)
    print("ready", flush=True)
    while True:
        asking: list[socket.socket] = []
        for key, _ in selector.select():
            if key.fileobj is sys.stdin:
                return
            if key.fileobj is listening:
                selector.register(listening.accept()[0], selectors.EVENT_READ)
                continue
            caller = key.fileobj
            assert isinstance(caller, socket.socket)
            if caller.recv(4096):
                asking.append(caller)
            else:
                selector.unregister(caller)
                caller.close()
        if asking:
            connection.execute("BEGIN IMMEDIATE")
            for _ in asking:
                insert(connection)
            connection.execute("COMMIT")
            for caller in asking:
                caller.sendall(b"k")


# --- one measured process: threads that call for a while, and what they saw ---


def work(folder: Path, way: str, plain: int, durable: int, seconds: float) -> None:
    """Measure in this process; speaks with `measure` over stdin and stdout."""
    committer: Committer | None = None
    if way in ("committer", "full"):
        committer = grouped(folder, FullUnderLock if way == "full" else Committer)
    makers: dict[str, Callable[[], Callable[[], Call]]] = {
        "busy": lambda: busy(folder),
        "flock": lambda: flocked(folder, gate=False),
        "turnstile": lambda: flocked(folder, gate=True),
        "fairlock": lambda: fairlock(folder),
        "broker": lambda: broker(folder),
    }
    maker = None if committer else makers[way]()
    calls: list[Call] = []
    for number in range(plain + durable):
        if committer is None:
            assert maker is not None
            calls.append(maker())
        else:
            calls.append(partial(committer.run, insert, durable=number >= plain))
    for call in calls:
        call()
    before = committer.syncs if committer else 0
    seen = [array("d") for _ in calls]
    print("ready", flush=True)
    sys.stdin.readline()
    threads = [
        threading.Thread(target=repeat, args=(call, times, seconds)) for call, times in zip(calls, seen, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    syncs = committer.syncs - before if committer else 0
    head = {"syncs": syncs, "calls": [len(times) for times in seen]}
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n")
    for times in seen:
        sys.stdout.buffer.write(times.tobytes())


def repeat(call: Call, times: "array[float]", seconds: float) -> None:
    clock = time.perf_counter
    start = now = clock()
    while now < start + seconds:
        call()
        now, before = clock(), now
        times.append(now - before)


# --- the measuring process ---


@dataclass
class Seen:
    """What all threads of one kind saw in one run."""

    times: list[float]
    per_process: list[int]
    syncs: int
    seconds: float

    @property
    def rate(self) -> float:
        return len(self.times) / self.seconds

    def at(self, share: float) -> float:
        """The latency below which this share of the calls lay, in milliseconds."""
        return self.times[min(len(self.times) - 1, int(share * len(self.times)))] * 1e3

    @property
    def least_over_most(self) -> float:
        return min(self.per_process) / max(self.per_process)


def measure(way: str, processes: int, seconds: float, *, plain: int = 0, durable: int = 0) -> tuple[Seen, Seen]:
    """Run one way on a fresh database; returns what plain callers saw and what durable callers saw."""
    with tempfile.TemporaryDirectory(prefix="handrail-bench-", dir=os.environ.get("BENCH_DIR")) as name:
        folder = Path(name)
        connection = connect(folder)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, kind INTEGER, body TEXT)")
        connection.execute("CREATE INDEX rows_kind ON rows (kind, id)")
        server = [start("serve", folder)] if way == "broker" else []
        for process in server:
            wait_ready(process)
        workers = [start("work", folder, way, plain, durable, seconds) for _ in range(processes)]
        for process in workers:
            wait_ready(process)
        for process in workers:
            pipe(process.stdin).write(b"go\n")
            pipe(process.stdin).flush()
        outputs = [process.communicate()[0] for process in workers]
        for process in server:
            process.communicate()
        (rows,) = connection.execute("SELECT count(*) FROM rows").fetchone()
        connection.close()
    return collect(outputs, rows, plain, plain + durable, seconds)


def collect(outputs: list[bytes], rows: int, plain: int, width: int, seconds: float) -> tuple[Seen, Seen]:
    kinds = (Seen([], [], 0, seconds), Seen([], [], 0, seconds))
    calls = 0
    for output in outputs:
        line, _, body = output.partition(b"\n")
        head = json.loads(line)
        values = struct.unpack(f"={len(body) // 8}d", body)
        counts = head["calls"]
        calls += sum(counts) + width
        split = sum(counts[:plain])
        for seen, part in zip(kinds, (values[:split], values[split:]), strict=True):
            seen.times.extend(part)
            seen.per_process.append(len(part))
        kinds[1].syncs += head["syncs"]
    if rows != calls:
        raise SystemExit(f"{calls} calls left {rows} rows")
    for seen in kinds:
        seen.times.sort()
    return kinds


def start(mode: str, *args: object) -> "subprocess.Popen[bytes]":
    command = [sys.executable, __file__, f"--{mode}", *map(str, args)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None
    return stream


def wait_ready(process: "subprocess.Popen[bytes]") -> None:
    if pipe(process.stdout).readline() != b"ready\n":
        raise SystemExit("a measured process did not start")


def turns(rounds: int, seconds: float) -> list[Figure]:
    """The first part."""
    runs: dict[str, list[Seen]] = {way: [] for way in WAYS}
    for _ in range(rounds):
        for way in WAYS:
            runs[way].append(measure(way, 8, seconds, plain=4)[0])
    while len(runs["committer"]) < 3:
        runs["committer"].append(measure("committer", 8, seconds, plain=4)[0])

    def middle(way: str, get: Callable[[Seen], float]) -> float:
        return median(get(seen) for seen in runs[way])

    figures = []
    for way in WAYS:
        what = f"8x4 inserts, {way}"
        figures += [
            Figure(f"{what}: rate", middle(way, lambda seen: seen.rate), "1/s"),
            Figure(f"{what}: p50", middle(way, lambda seen: seen.at(0.5)), "ms"),
            Figure(f"{what}: p99", middle(way, lambda seen: seen.at(0.99)), "ms"),
            Figure(f"{what}: p99.9", middle(way, lambda seen: seen.at(0.999)), "ms"),
            Figure(f"{what}: max", middle(way, lambda seen: seen.at(1)), "ms"),
            Figure(f"{what}: max/p50", middle(way, lambda seen: seen.at(1) / seen.at(0.5)), "ratio"),
            Figure(f"{what}: least/most served process", middle(way, lambda s: s.least_over_most), "ratio"),
        ]
    bare = middle("fairlock", lambda seen: seen.at(0.99))
    ratio = middle("committer", lambda seen: seen.at(0.99)) / bare
    starving = min(seen.at(1) / seen.at(0.5) for seen in runs["committer"])
    raw = middle("busy", lambda seen: seen.at(1) / seen.at(0.5))
    figures.append(at_most("8x4 inserts: p99 of committer over bare insert under the lock", ratio, "x", 3, bare))
    figures.append(at_most("8x4 inserts, committer: longest wait over median, best of 3 runs", starving, "x", 20, raw))
    return figures


def alone(seconds: float) -> list[Figure]:
    """What taking turns costs somebody who is alone, which is nearly always."""
    bare, *ours = [
        measure(way, 1, seconds, plain=1)[0].at(0.5) * 1e3 for way in ("busy", "fairlock", "committer", "broker")
    ]
    return [
        Figure(f"1x1 insert, {way}: p50", value, "us", baseline=bare)
        for way, value in zip(("fairlock", "committer", "broker"), ours, strict=True)
    ]


def durables(rounds: int, seconds: float) -> list[Figure]:
    """The second part."""
    cases = {
        "1 caller": ("committer", 1, 1),
        "64 callers in 1 process": ("committer", 1, 64),
        "64 callers in 8 processes": ("committer", 8, 8),
        "1 caller, FULL under the lock": ("full", 1, 1),
        "64 callers in 1 process, FULL under the lock": ("full", 1, 64),
        "64 callers in 8 processes, FULL under the lock": ("full", 8, 8),
    }
    if rounds == 1:
        cases = {case: how for case, how in cases.items() if how[0] == "committer" or how[1] == 8}
    runs: dict[str, list[Seen]] = {case: [] for case in cases}
    for _ in range(rounds):
        for case, (way, processes, threads) in cases.items():
            runs[case].append(measure(way, processes, seconds, durable=threads)[1])
    single = median(seen.rate for seen in runs["1 caller"])
    figures = []
    for case, seens in runs.items():
        syncs = median(seen.syncs / len(seen.times) for seen in seens)
        figures.append(Figure(f"durable, {case}: rate", median(s.rate for s in seens), "1/s", single))
        figures.append(Figure(f"durable, {case}: p50", median(s.at(0.5) for s in seens), "ms"))
        figures.append(Figure(f"durable, {case}: p99", median(s.at(0.99) for s in seens), "ms"))
        held = "64" in case and "FULL" not in case
        figures.append(
            at_most(f"durable, {case}: syncs a work", syncs, "1", 1 / 16, 1.0)
            if held
            else Figure(f"durable, {case}: syncs a work", syncs, "1")
        )
    return figures


def side_by_side(rounds: int, seconds: float) -> list[Figure]:
    """What plain callers feel while durable ones write: 8 processes of 3 plain and 1 durable thread."""
    runs: dict[str, list[Seen]] = {"committer": [], "full": []}
    for _ in range(rounds):
        for way, seens in runs.items():
            seens.append(measure(way, 8, seconds, plain=3, durable=1)[0])
    names = {"committer": "synced after the lock", "full": "FULL under the lock"}
    figures = []
    for way, seens in runs.items():
        for share in (0.5, 0.99):
            value = median(seen.at(share) for seen in seens)
            figures.append(Figure(f"plain beside durable, {names[way]}: p{share * 100:g}", value, "ms"))
    return figures


def main() -> None:
    chosen = options(__doc__ or "")
    rounds, seconds = (1, 0.5) if chosen.quick else (3, 3.0)
    figures = [
        *turns(rounds, seconds),
        *alone(seconds),
        *durables(rounds, seconds),
        *side_by_side(rounds, seconds),
    ]
    report(figures, as_json=chosen.json)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve_broker(Path(sys.argv[2]))
    elif sys.argv[1:2] == ["--work"]:
        work(Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5]), float(sys.argv[6]))
    else:
        main()
