"""Eight processes with four threads each on one store: nothing lost, nothing doubled, no "database is locked"."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

from handrail.core.record import RecordKind
from handrail.core.store import Query
from handrail.stores.sqlite import SqliteStore

PROCESSES, THREADS, CALLS = 8, 4, 12

WORKER = """
import sys, threading
from pathlib import Path
from handrail.policy import loads
from handrail.stores.sqlite import SqliteStore
from handrail.workspace import Workspace

POLICY = '''
version: 1
agents: {bot: {access: write}}
tools:
  lead.get:   {do: read, resource: "lead/{args.n}"}
  lead.write: {do: update, resource: "lead/{args.n}", ask: never}
'''
hr = Workspace(loads(POLICY, source="p"), SqliteStore(Path(sys.argv[1])))

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

threads = [threading.Thread(target=work, args=(i,)) for i in range(int(sys.argv[4]))]
[t.start() for t in threads]
[t.join() for t in threads]
hr.close()
"""


def test_eight_processes_with_four_threads(tmp_path: Path):
    """Every attempt and every outcome of every thread stands in the journal once, and all chains verify."""
    path = tmp_path / "handrail.db"
    SqliteStore(path).close()
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(path), f"p{index}", str(CALLS), str(THREADS)],
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in range(PROCESSES)
    ]
    for worker in workers:
        _, errors = worker.communicate(timeout=120)
        assert worker.returncode == 0, errors
        assert not errors
    store = SqliteStore(path)
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
    verified = store.verify()
    assert verified.faults == ()
    assert verified.chains == PROCESSES
    store.close()
