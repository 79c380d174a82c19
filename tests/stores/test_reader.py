"""Reading on a snapshot, across forks."""

import os
import subprocess
import sys

import pytest

from handrail.errors import StoreError
from handrail.stores.sqlite import SqliteStore

FORK = """
import os, sys
from pathlib import Path
from handrail.core.record import Record, RecordKind
from handrail.stores.sqlite import SqliteStore
store = SqliteStore(Path(sys.argv[1]))
append = lambda name: store.transact(lambda tx: tx.append(Record(RecordKind.EVENT, reason=name)), durable=True)
append("parent before")
store.read(lambda tx: tx.latches())
go, ready = os.pipe(), os.pipe()
pid = os.fork()
if pid == 0:
    append("child 1")
    os.write(ready[1], b"x")
    os.read(go[0], 1)
    for n in range(5):
        append(f"child {n + 2}")
    store.close()
    os._exit(0)
os.read(ready[0], 1)
append("parent after")
store.close()
os.write(go[1], b"x")
assert os.waitpid(pid, 0)[1] == 0
"""


def test_nothing_is_lost_when_the_parent_closes_first(tmp_path):
    """A parent that had read before the fork and closes first does not take the child's rows with it."""
    path = tmp_path / "h.db"
    done = subprocess.run([sys.executable, "-c", FORK, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    from handrail.core.store import Query

    store = SqliteStore(path)
    rows = store.read(lambda tx: [r.record.reason for r in tx.records(Query(kinds=("event",)))])
    assert sorted(rows) == sorted(["parent before", "parent after", *[f"child {n}" for n in range(1, 7)]])
    assert store.verify().faults == ()
    store.close()


def test_a_read_sees_a_snapshot(tmp_path):
    """What is committed during a read is not seen by it."""
    from handrail.core.record import Record, RecordKind
    from handrail.core.store import Query

    store = SqliteStore(tmp_path / "h.db")
    other = SqliteStore(tmp_path / "h.db")

    def look(tx):
        before = len(list(tx.records(Query())))
        other.transact(lambda tx: tx.append(Record(RecordKind.EVENT, reason="x")))
        return before, len(list(tx.records(Query())))

    before, after = store.read(look)
    assert before == after
    store.close()
    other.close()
    assert os.path.exists(tmp_path / "h.db")


def test_a_read_cannot_write(tmp_path):
    """A reading step that writes is refused."""
    from handrail.core.facts import Latch

    store = SqliteStore(tmp_path / "h.db")
    with pytest.raises(StoreError):
        store.read(lambda tx: tx.put_latch(Latch("bot", "x", "y", 1)))
    store.close()
