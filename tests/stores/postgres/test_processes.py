"""Eight processes with four threads each on one database: nothing lost, nothing doubled, also over a restart."""

import subprocess
import sys
import time
from collections import Counter

import pytest
from tests.stores.postgres.server import server

from handrail.core.record import RecordKind
from handrail.core.store import Query
from handrail.stores.postgres import PostgresStore

PROCESSES, THREADS, CALLS = 8, 4, 12

WORKER = """
import sys, threading
from handrail.policy import loads
from handrail.stores.postgres import PostgresStore
from handrail.workspace import Workspace

POLICY = '''
version: 1
agents: {bot: {access: write}}
tools:
  lead.get:   {do: read, resource: "lead/{args.n}"}
  lead.write: {do: update, resource: "lead/{args.n}", ask: never}
'''
hr = Workspace(loads(POLICY, source="p"), PostgresStore(sys.argv[1]))

@hr.tool("lead.get")
def get(n: int) -> int:
    return n

@hr.tool("lead.write")
def write(n: int) -> int:
    return n

def work(thread):
    with hr.run("bot", id=f"{sys.argv[2]}/{thread}"):
        for n in range(int(sys.argv[3])):
            (write if n % 3 == 0 else get)(n)

print("ready", flush=True)
sys.stdin.readline()
threads = [threading.Thread(target=work, args=(i,)) for i in range(int(sys.argv[4]))]
[t.start() for t in threads]
[t.join() for t in threads]
hr.close()
"""


@pytest.mark.parametrize("how", ["", "fast"], ids=["quiet", "restart"])
def test_eight_processes_with_four_threads(url, how):
    """Every attempt and every outcome of every thread stands in the journal once, and all chains verify."""
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, url, f"p{index}", str(CALLS), str(THREADS)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for index in range(PROCESSES)
    ]  # fmt: skip
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    store = PostgresStore(url)
    if how:
        while not store.read(lambda tx: len(list(tx.records(Query(kinds=("outcome",), limit=100))))) > 50:
            time.sleep(0.01)
        server().restart(how)
    for worker in workers:
        _, errors = worker.communicate(timeout=120)
        assert worker.returncode == 0, errors
        assert not errors
    rows = store.read(lambda tx: list(tx.records(Query(limit=1_000_000))))
    per_run = Counter((row.record.run, row.record.kind) for row in rows if row.record.run)
    expected = {
        (f"p{process}/{thread}", kind): CALLS
        for process in range(PROCESSES)
        for thread in range(THREADS)
        for kind in (RecordKind.ATTEMPT, RecordKind.OUTCOME)
    }
    assert per_run == expected
    assert len({(row.record.action, row.record.kind) for row in rows if row.record.run}) == sum(expected.values())
    assert [row.at_us for row in rows] == sorted(row.at_us for row in rows)
    verified = store.verify()
    assert verified.faults == ()
    assert verified.chains == PROCESSES
    store.close()
