"""The journal's chains: whoever changes, removes, swaps or cuts rows of the file is found."""

import hashlib
import shutil
import sqlite3
import time
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handrail.core.record import Record, RecordKind
from handrail.core.store import Query
from handrail.errors import StoreError
from handrail.stores.chain import (
    ANCHOR_EVERY,
    ANCHORED_MAX,
    GENESIS,
    Link,
    Verifier,
    anchor,
    decode,
    encode,
    link,
    row_of,
    stored,
)
from handrail.stores.sqlite import SqliteStore

quick = settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=60)
TEXTS = ["writer", "action", "run", "agent", "tool", "resource", "status", "reason"]
BLOBS = ["body", "payload", "hash"]
COLUMNS = [*TEXTS, *BLOBS, "number", "at_us"]
CHAINS = 4


def record(name):
    return Record(
        RecordKind.ATTEMPT, name, "run", "bot", "vm.tag", "vm/1", "denied", "rule", {"args": {"id": name, "n": 7}}
    )


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A file with four chains, one after the other, each anchored to those before."""
    path = tmp_path_factory.mktemp("chain") / "handrail.db"
    for chain in range(CHAINS):
        store = SqliteStore(path)
        for number in range(3):
            store.transact(partial(lambda tx, name: tx.append(record(name)), name=f"a-{chain}-{number}"))
        store.close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return path


@pytest.fixture
def journal(original, tmp_path):
    """Changes a copy of the file by hand, and returns what verification finds."""

    def tamper(change):
        path = tmp_path / "copy.db"
        for old in tmp_path.glob("copy.db*"):
            old.unlink()
        shutil.copy(original, path)
        connection = sqlite3.connect(path, isolation_level=None)
        change(connection)
        connection.close()
        store = SqliteStore(path)
        found = store.verify()
        store.close()
        return found

    return tamper


def chains(connection):
    """Return the chains in the order in which they began."""
    return [row[0] for row in connection.execute("SELECT writer FROM journal GROUP BY writer ORDER BY min(seq)")]


def flipped(value, index, bit):
    """Return `value` with one bit of one byte changed; text stays text."""
    if isinstance(value, int):
        return value ^ (1 << bit)
    if not value:
        return "x" if isinstance(value, str) else b"x"
    raw = bytearray(value.encode() if isinstance(value, str) else value)
    raw[index % len(raw)] ^= 1 << bit
    return raw.decode() if isinstance(value, str) else bytes(raw)


def test_an_untouched_journal_is_whole(journal):
    """Every row counts, in four chains, without a fault."""
    found = journal(lambda connection: None)
    assert (found.records, found.chains, found.pruned, found.faults) == (4 * CHAINS, CHAINS, 0, ())


@quick
@given(st.integers(1, 4 * CHAINS), st.sampled_from(COLUMNS), st.integers(0, 500), st.integers(0, 6))
def test_a_flipped_bit_is_found(journal, seq, column, index, bit):
    """One bit of any byte of any column of any row."""

    def change(connection):
        (value,) = connection.execute(f"SELECT {column} FROM journal WHERE seq = ?", (seq,)).fetchone()
        new = flipped(value, index, 0 if column in TEXTS else bit)
        connection.execute(f"UPDATE journal SET {column} = ? WHERE seq = ?", (new, seq))

    assert journal(change).faults


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("seq", range(1, 4 * CHAINS + 1))
def test_no_column_of_any_row_is_left_out(original, seq, column):
    """The same for each column of each row, in the rows as a store hands them to the verifier."""
    connection = sqlite3.connect(original)
    rows = connection.execute("SELECT * FROM journal ORDER BY seq").fetchall()
    names = [row[1] for row in connection.execute("PRAGMA table_info(journal)")]
    connection.close()
    place = names.index(column)
    changed = [(*row[:place], flipped(row[place], 0, 0), *row[place + 1 :]) if row[0] == seq else row for row in rows]
    verifier = Verifier()
    for row in changed:
        verifier.feed(row)
    hashes = {(row[1], row[2]): row[14].hex() for row in changed}
    assert verifier.result(lambda writer, number: hashes.get((writer, number))).faults


@pytest.mark.parametrize("kind", [k.value for k in RecordKind if k is not RecordKind.ATTEMPT])
def test_another_kind_is_found(journal, kind):
    """A row cannot be made to tell something else."""
    found = journal(lambda c: c.execute("UPDATE journal SET kind = ? WHERE kind = 'attempt' AND seq < 4", (kind,)))
    assert found.faults


@pytest.mark.parametrize("seq", range(1, 4 * CHAINS))
def test_a_deleted_row_is_found(journal, seq):
    """First, middle and last rows of every chain that another anchored; of the newest, all but its end."""
    assert journal(lambda c: c.execute("DELETE FROM journal WHERE seq = ?", (seq,))).faults


@pytest.mark.parametrize("chain", range(CHAINS - 1))
@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_cut_tail_is_found(journal, chain, count):
    """Whoever removes the end of a chain breaks the anchors of those that began later."""

    def cut(connection):
        writer = chains(connection)[chain]
        connection.execute("DELETE FROM journal WHERE writer = ? AND number > ?", (writer, 4 - count))

    assert any("is missing" in fault for fault in journal(cut).faults)


@pytest.mark.parametrize("chain", range(CHAINS - 1))
def test_a_removed_chain_is_found(journal, chain):
    """A whole chain that another anchored is missed."""
    found = journal(lambda c: c.execute("DELETE FROM journal WHERE writer = ?", (chains(c)[chain],)))
    assert any("is missing" in fault for fault in found.faults)


def test_the_unanchored_end_is_out_of_reach(journal):
    """The end of the newest chain can be cut unseen until another writer begins: a copy elsewhere helps against it."""
    assert journal(lambda c: c.execute("DELETE FROM journal WHERE seq = (SELECT max(seq) FROM journal)")).faults == ()


@quick
@given(st.integers(1, 4 * CHAINS), st.integers(1, 4 * CHAINS))
def test_swapped_contents_are_found(journal, one, other):
    """What two rows tell cannot be exchanged, within a chain or between two."""

    def swap(connection):
        names = "at_us, kind, action, run, agent, tool, resource, status, reason, body, payload"
        a, b = (connection.execute(f"SELECT {names} FROM journal WHERE seq = ?", (n,)).fetchone() for n in (one, other))
        columns = ", ".join(f"{name} = ?" for name in names.split(", "))
        for seq, values in ((one, b), (other, a)):
            connection.execute(f"UPDATE journal SET {columns} WHERE seq = ?", (*values, seq))
        return a == b

    same = []
    found = journal(lambda connection: same.append(swap(connection)))
    assert bool(found.faults) is not same[0]


@pytest.mark.parametrize(("one", "other"), [(1, 2), (2, 3), (2, 4), (5, 7), (14, 15)])
def test_swapped_rows_are_found(journal, one, other):
    """Two whole rows of a chain that change places."""

    def swap(connection):
        for old, new in ((one, -1), (other, one), (-1, other)):
            connection.execute("UPDATE journal SET seq = ? WHERE seq = ?", (new, old))

    assert journal(swap).faults


def test_a_replayed_row_is_found(journal):
    """A row that stands twice."""
    names = "writer, number, at_us, kind, action, run, agent, tool, resource, status, reason, body, payload, hash"
    found = journal(lambda c: c.execute(f"INSERT INTO journal ({names}) SELECT {names} FROM journal WHERE seq = 2"))
    assert found.faults


def rewrite(connection):
    """Compute the oldest chain anew, with correct hashes; return its name and its last link."""
    writer = chains(connection)[0]
    head = Link()
    for row in connection.execute("SELECT * FROM journal WHERE writer = ? ORDER BY number", (writer,)).fetchall():
        told = stored(row).record
        told = told._replace(agent="somebody") if row[2] > 1 else told
        head = link(head, writer, row[3], told)
        values = (told.agent, head.body, head.payload, head.hash, row[0])
        connection.execute("UPDATE journal SET agent = ?, body = ?, payload = ?, hash = ? WHERE seq = ?", values)
    return writer, head


def test_a_rewritten_chain_is_found(journal):
    """Whoever computes a whole chain anew, with correct hashes, still breaks the others' anchors."""
    faults = journal(rewrite).faults
    assert faults
    assert all("another hash" in fault for fault in faults)


def test_a_false_witness_does_not_hide_it(journal):
    """A new chain put in front, whose anchor vouches for the forged rows, silences none of the true anchors."""

    def forge(connection):
        writer, head = rewrite(connection)
        told = anchor([(writer, head.number, head.hash.hex())])
        row = row_of(-1, "f" * 12, 1, told, link(Link(), "f" * 12, 1, told))
        connection.execute(f"INSERT INTO journal VALUES ({', '.join('?' * len(row))})", row)

    assert journal(forge).faults


def test_pruned_rows_stay_in_the_chain(original, tmp_path):
    """Retention removes bodies, not rows: the journal verifies, and tampering with what is left is found."""
    path = tmp_path / "pruned.db"
    shutil.copy(original, path)
    store = SqliteStore(path)
    assert store.prune(2**62) == 3 * CHAINS
    found = store.verify()
    assert (found.pruned, found.faults) == (3 * CHAINS, ())
    store.close()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("UPDATE journal SET agent = 'x' WHERE seq = 6")
    connection.close()
    store = SqliteStore(path)
    assert store.verify().faults
    store.close()


def test_an_emptied_anchor_is_found(journal):
    """Retention never touches anchors: one without its body was emptied to hide what was cut."""

    def hide(connection):
        connection.execute("UPDATE journal SET body = NULL WHERE kind = 'anchor'")
        connection.execute("DELETE FROM journal WHERE writer = ?", (chains(connection)[0],))

    assert journal(hide).faults


ODD = [
    "UPDATE journal SET kind = 'attempu' WHERE seq = 3",
    "UPDATE journal SET payload = 'x' WHERE seq = 3",
    "UPDATE journal SET number = 'x' WHERE seq = 3",
    "UPDATE journal SET body = '[1]' WHERE seq = 5",
    "UPDATE journal SET tool = cast(x'ff' AS TEXT) WHERE seq = 3",
]


@pytest.mark.parametrize("sql", ODD)
def test_values_of_another_kind_are_faults(journal, sql):
    """A row that cannot even be read is a fault with its place, beside all other faults."""
    assert journal(lambda connection: connection.execute(sql)).faults


@pytest.mark.parametrize("sql", ODD[:4])
def test_values_of_another_kind_are_named_to_readers(original, tmp_path, sql):
    """Reading the journal ends in one sentence with the row's number."""
    path = tmp_path / "odd.db"
    shutil.copy(original, path)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(sql)
    connection.close()
    store = SqliteStore(path)
    with pytest.raises(StoreError, match=r"Row \d+ of the journal cannot be read. Run: handrail log verify"):
        store.read(lambda tx: list(tx.records(Query())))
    store.close()


def test_a_body_removed_without_a_prune_is_found(journal):
    """A row without its body is fine only where retention says so."""
    found = journal(lambda c: c.execute("UPDATE journal SET body = NULL WHERE seq = 6"))
    assert (found.pruned, len(found.faults)) == (1, 1)
    assert "row 6" in found.faults[0]
    assert "its body was removed without a prune" in found.faults[0]


def test_a_prune_covers_only_what_is_older(original, tmp_path):
    """Bodies removed later, and the body of the prune's own row, are missed."""
    path = tmp_path / "later.db"
    shutil.copy(original, path)
    store = SqliteStore(path)
    store.prune(2**62)
    time.sleep(0.001)
    store.transact(lambda tx: tx.append(record("later")))
    assert store.verify().faults == ()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("UPDATE journal SET body = NULL WHERE action = 'later'")
    assert [f for f in store.verify().faults if "without a prune" in f]
    connection.execute("UPDATE journal SET body = NULL WHERE reason = 'pruned'")
    connection.close()
    assert [f for f in store.verify().faults if "which retention never does" in f]
    store.close()


# --- the parts --------------------------------------------------------------------------------------------------------


def test_links_follow_each_other():
    """Each hash covers the one before; the first follows zeros."""
    first = link(Link(), "w", 1, record("a"))
    second = link(first, "w", 2, record("b"))
    assert (Link().number, Link().hash, first.number, second.number) == (0, GENESIS, 1, 2)
    assert first.payload == hashlib.sha256(first.body).digest()
    assert link(Link(), "w", 2, record("b")).hash != second.hash
    assert link(first, "v", 2, record("b")).hash != second.hash


@quick
@given(st.dictionaries(st.text(max_size=5), st.text(st.characters(), max_size=9) | st.integers(-(2**63), 2**64 - 1)))
def test_bodies_come_back(body):
    """Whatever text, lone surrogates included, and every 64-bit integer."""
    assert decode(encode(body)) == body


def test_a_row_comes_back():
    """What readers see is what was appended; the body can be left out."""
    made = link(Link(), "w", 5, record("a"))
    row = row_of(1, "w", 5, record("a"), made)
    assert stored(row).record == record("a")
    assert (stored(row).seq, stored(row).hash, stored(row).pruned) == (1, made.hash.hex(), False)
    assert stored(row, with_body=False).record.body == {}
    assert stored((*row[:12], None, *row[13:])).pruned


def test_anchors_are_bounded():
    """An anchor names so many chains and no more, however many there are."""
    told = anchor((f"w{n}", n, "00") for n in range(1_000))
    assert told.kind is RecordKind.ANCHOR
    assert len(told.body["heads"]) == ANCHORED_MAX
    assert ANCHOR_EVERY >= 100


@pytest.mark.parametrize("body", [{}, {"heads": 1}, {"heads": [1]}, {"heads": [["w"]]}, {"heads": [[["w"], 1, "h"]]}])
def test_an_anchor_that_says_nothing_is_a_fault(body):
    """Even when its hashes are right."""
    told = Record(RecordKind.ANCHOR, body=body)
    made = link(Link(), "w", 5, told)
    verifier = Verifier()
    verifier.feed(row_of(1, "w", 5, told, made))
    assert any("anchor cannot be read" in fault for fault in verifier.result(lambda writer, number: None).faults)
