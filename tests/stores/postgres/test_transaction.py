"""The verbs on PostgreSQL: their SQL, their round trips, and what the conformance suite does not ask."""

import re
from pathlib import Path

import pytest
from tests.stores.postgres.server import server

from handrail.core.facts import Call, CallState, Need
from handrail.core.record import Record, RecordKind
from handrail.core.store import Query
from handrail.stores import sql
from handrail.stores.chain import ANCHOR_EVERY
from handrail.stores.postgres import PostgresStore
from handrail.stores.postgres import transaction as postgres_transaction
from handrail.stores.postgres.session import PostgresSession, SessionSettings, migrate, parse
from handrail.stores.postgres.transaction import facts_sql
from handrail.stores.postgres.wire import Wire
from handrail.stores.sql import queries
from handrail.testing import Clock

SOURCE = Path(sql.__file__).parents[1]
CALL = Call("run", "call", "action", "bot", "tool", "key", CallState.RUNNING, durable=True)
NEED = Need("run", "call", "key", ("root", "bot"), ("a", "b"), True, ("a/",), ("m",), (("t", 1), ("u", 2)))


@pytest.fixture
def connection(url):
    """A connection to a database with the newest schema."""
    session = PostgresSession(parse(url), SessionSettings())
    migrate(session.open())
    yield session.open()
    session.drop()


@pytest.fixture
def sent(monkeypatch):
    """The statements of each round trip."""
    trips, send = [], Wire._send

    def watched(wire, *questions):
        trips.append([sql for sql, _ in (*wire._waiting, *questions)])
        return send(wire, *questions)

    monkeypatch.setattr(Wire, "_send", watched)
    return trips


def append(store, name="a"):
    store.transact(lambda tx: tx.append(Record(RecordKind.ATTEMPT, name, "run", "bot", "tool")))


def test_every_statement_is_understood(connection):
    """Each is one statement that the newest schema understands."""
    found = queries("postgres")
    for name in set(found) - {"create_schema"}:
        understood(connection, name, found[name].replace(":where", "TRUE"))


def understood(connection, name, text):
    """Have the server read a statement without running it."""
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", text)))
    text = re.sub(r"%\((\w+)\)s", lambda found: f"${names.index(found[1]) + 1}", text)
    for number in range(1, 20):
        text = re.sub("%[sb]", f"${number}", text, count=1)
    assert ";" not in text, name
    if re.match(r"BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE", text):
        assert "\n" not in text, name
    else:
        connection.execute(f"PREPARE {name}_ AS {text}")


def test_names_are_unique_and_used():
    """No statement is written twice, and none stands there for nothing."""
    text = (Path(sql.__file__).parent / "postgres" / "queries.sql").read_text()
    names = re.findall(r"^-- name: (.*)$", text, re.MULTILINE)
    assert len(names) == len(set(names)) == len(queries("postgres"))
    code = "".join(path.read_text() for path in (SOURCE / "postgres").glob("*.py"))
    assert [name for name in names if f'"{name}"' not in code and f"['{name}']" not in code] == []


def test_facts_are_one_round_trip(fleet, sent):
    """The transaction's beginning, the clock, the facts and the call itself."""
    fleet.transact(lambda tx: tx.put_call(CALL))
    sent.clear()
    assert fleet.transact(lambda tx: tx.facts(NEED)).call is not None
    asked, ended = sent
    assert len(asked) == 5
    assert asked[2].startswith("SELECT 'failures'")
    assert [sql for sql in ended if sql != "COMMIT"] == []


def test_a_step_that_writes_costs_one_more(fleet, sent):
    """What it writes travels with COMMIT."""
    append(fleet)
    sent.clear()

    def step(tx):
        tx.facts(NEED)
        tx.append(Record(RecordKind.ATTEMPT, "a", "run", "bot", "tool"))
        tx.put_call(CALL)

    fleet.transact(step)
    assert [len(trip) for trip in sent] == [5, 3]


def test_a_step_has_one_time(fleet, sent):
    """It is asked once, with the first question, and stays."""

    def step(tx):
        tx.facts(NEED)
        return tx.now_us, tx.facts(NEED).now_us, tx.now_us

    assert len(set(fleet.transact(step))) == 1
    assert [len(trip) for trip in sent] == [5, 2, 1]


def test_a_given_clock_does_not_go_back(url):
    """Tests that move the clock back see the store's time stand still."""
    clock = Clock()
    store = PostgresStore(url, clock)
    before = store.transact(lambda tx: tx.now_us)
    clock.forward(-60)
    assert store.transact(lambda tx: tx.now_us) == before
    store.close()


def test_facts_use_indexes(connection):
    """However large the tables, nothing that a decision reads is found by looking at everything."""
    text = re.sub(r"%\((\w+)\)s(::\w+\[\])?", _value, facts_sql(True, True, True, True, True))
    connection.execute("SET enable_seqscan = off")
    plan = "\n".join(str(row[0]) for row in connection.execute(f"EXPLAIN {text}").fetchall())
    assert plan.count("Index") > 8
    assert "Seq Scan" not in plan


def _value(found):
    lists = {"lineage", "resources", "trees", "marks", "tallies"}
    if found[1] == "since":
        return "ARRAY[1, 2]"
    if found[1] in lists:
        return "ARRAY['a/', 'b/']"
    return "10" if found[1] in {"most", "disturbed"} else "'x'"


def test_of_a_tree_with_strange_names(fleet):
    """What lies below is told exactly, whatever characters stand at the border."""
    trees = ("a\\", "b\x00", "c\ud7ff", "d\udfff", "e😀", "f/")
    names = [f"{tree}{end}" for tree in trees for end in ("", "x", "\0", "\U0010ffff", "\ud800")]
    beside = ["a]", "a\0", "a\ud800", "b", "b\x01", "c\ud800", "c\ue000", "d\ue000", "e😁", "f0", "f"]

    def put(tx):
        for name in names + beside:
            tx.put_zone(name, "z")

    fleet.transact(put)
    for tree in trees:
        known = fleet.read(lambda tx, tree=tree: tx.facts(NEED._replace(resources=(), trees=(tree,)))).resources
        assert set(known) == {name for name in names + beside if name.startswith(tree)}


def test_records_come_in_pages(fleet, monkeypatch):
    """In both orders, with limits beside the pages' borders, and rows added meanwhile are not mixed in."""
    monkeypatch.setattr(postgres_transaction, "PAGE", 3)
    for number in range(10):
        append(fleet, f"a{number}")

    def actions(**fields):
        return fleet.read(lambda tx: [r.record.action for r in tx.records(Query(kinds=("attempt",), **fields))])

    everything = [f"a{number}" for number in range(10)]
    assert actions() == everything
    assert actions(newest_first=True) == everything[::-1]
    for limit in (0, 1, 2, 3, 4, 6, 7, 10, 11):
        assert actions(limit=limit) == everything[:limit]
        assert actions(limit=limit, newest_first=True) == everything[::-1][:limit]


def test_the_clock_is_the_servers_and_never_goes_back(url, fleet, database):
    """Not even behind rows that another writer's clock put into the future."""
    before_us = fleet.transact(lambda tx: tx.now_us)
    (server_us,) = server().run("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::BIGINT")[0]
    assert abs(server_us - before_us) < 5_000_000
    ahead = PostgresStore(url, Clock(4_000_000_000_000_000))
    append(ahead)
    ahead.close()
    append(fleet)
    assert fleet.transact(lambda tx: tx.now_us) >= 4_000_000_000_000_000
    look = PostgresStore(url)
    assert look.read(lambda tx: tx.now_us) >= 4_000_000_000_000_000
    look.close()


def test_chains_are_anchored_again_and_again(url, fleet):
    """At its beginning and then every so many rows, a chain names the heads of the others."""
    append(fleet)
    other = PostgresStore(url)
    for _ in range(3):
        append(other)

    def many(tx):
        for _ in range(ANCHOR_EVERY):
            tx.append(Record(RecordKind.EVENT))

    fleet.transact(many)
    rows = fleet.read(lambda tx: list(tx.records(Query(kinds=("anchor",), limit=10_000))))
    mine = [row for row in rows if row.writer == fleet.writer]
    assert len(mine) == 2
    assert [head[:2] for head in mine[1].record.body["heads"]] == [[other.writer, 4]]
    assert fleet.verify().faults == ()
    other.close()


def test_a_chain_has_each_number_once(fleet, database):
    """The database itself refuses a second row with the same number."""
    append(fleet)
    columns = "writer, number, at_us, kind, action, run, agent, tool, resource, status, reason, body, payload, hash"
    with pytest.raises(Exception, match="journal_chain"):
        server().run(f"INSERT INTO handrail.journal ({columns}) SELECT {columns} FROM handrail.journal", database)
