"""Statements that wait travel with the next question."""

import psycopg
import pytest

from handrail.stores.postgres.session import PostgresSession, SessionSettings, parse
from handrail.stores.postgres.wire import Wire


@pytest.fixture
def wire(url):
    session = PostgresSession(parse(url), SessionSettings())
    session.open().execute("CREATE SCHEMA handrail; CREATE TABLE t (n BIGINT UNIQUE)")
    yield Wire(session.open())
    session.drop()


def count(url):
    with psycopg.connect(url) as other:
        return other.execute("SELECT count(*) FROM handrail.t").fetchone()[0]


def test_what_waits_is_sent_first(wire, url):
    """Nothing is sent before the question; its answer sees what waited."""
    wire.later("INSERT INTO t VALUES (%s)", (1,))
    assert count(url) == 0
    assert wire.ask("SELECT n FROM t") == [(1,)]
    assert count(url) == 1
    assert wire.ask_all(("SELECT n FROM t", None), ("SELECT n + %s FROM t", (1,))) == [[(1,)], [(2,)]]


def test_changes_are_counted(wire):
    """How many rows a statement changed, not what waited before it."""
    wire.later("INSERT INTO t VALUES (1), (2)")
    assert wire.change("DELETE FROM t WHERE n = %s", (2,)) == 1


def test_an_error_of_what_waited_is_raised_by_the_question(wire, url, caplog):
    """As it was, not as what followed from it; nothing is logged; the connection can be used again."""
    wire.later("BEGIN")
    wire.later("INSERT INTO t VALUES (1)")
    wire.later("INSERT INTO t VALUES (1)")
    with pytest.raises(psycopg.errors.UniqueViolation):
        wire.ask("SELECT 1")
    assert wire.end("ROLLBACK") == "ROLLBACK"
    assert (wire.ask("SELECT 1"), count(url), caplog.records) == ([(1,)], 0, [])


def test_a_failed_transaction_does_not_commit(wire, url):
    """COMMIT says so; without looking it would pass for a success."""
    wire.later("BEGIN")
    wire.later("INSERT INTO t VALUES (1)")
    with pytest.raises(psycopg.errors.DivisionByZero):
        wire.ask("SELECT 1 / 0")
    assert wire.end("COMMIT") == "ROLLBACK"
    assert count(url) == 0


def test_what_waits_travels_with_the_end(wire, url):
    """One round trip for the writes and their COMMIT."""
    wire.later("BEGIN")
    wire.later("INSERT INTO t VALUES (1)")
    assert wire.end("COMMIT") == "COMMIT"
    assert count(url) == 1


def test_a_lost_connection(wire, caplog):
    """Is raised, and not logged."""
    with psycopg.connect(wire.connection.info.dsn) as other:
        other.execute("SELECT pg_terminate_backend(%s)", (wire.connection.info.backend_pid,))
    wire.later("BEGIN")
    with pytest.raises(psycopg.OperationalError):
        wire.ask("SELECT 1")
    assert (wire.connection.closed, caplog.records) == (True, [])
