"""The watchdog, against sessions that do not want to end, on a real server."""

import os
import signal
import time

import psycopg
import pytest
from tests.stores.postgres.server import server

from handrail.data.reading import watchdog
from handrail.data.reading.watchdog import Watchdog

STUBBORN = """
    CREATE FUNCTION stubborn() RETURNS int LANGUAGE plpgsql AS $$
    BEGIN
      FOR i IN 1..100 LOOP
        BEGIN PERFORM pg_sleep(10); EXCEPTION WHEN query_canceled THEN NULL; END;
      END LOOP;
      RETURN 1;
    END $$
"""


@pytest.fixture
def connection(postgres, monkeypatch):
    """A connection of the role."""
    monkeypatch.setattr(watchdog, "GRACE_S", 0.3)
    with psycopg.connect(postgres.url, autocommit=True) as made:
        yield made


def another(postgres):
    return lambda: psycopg.connect(postgres.url, autocommit=True)


def test_it_cancels(postgres, connection):
    """A query that takes too long; the connection lives."""
    begun = time.monotonic()
    with pytest.raises(psycopg.errors.QueryCanceled), Watchdog(connection, 0.2, another(postgres)) as dog:
        connection.execute("SELECT pg_sleep(30)")
    assert dog.bit
    assert time.monotonic() - begun < 2
    assert not connection.broken


def test_it_terminates_what_catches_the_cancel(postgres, connection):
    """From a second connection."""
    postgres.run(STUBBORN)
    begun = time.monotonic()
    with pytest.raises(psycopg.errors.AdminShutdown), Watchdog(connection, 0.2, another(postgres)) as dog:
        connection.execute("SELECT stubborn()")
    assert dog.bit
    assert time.monotonic() - begun < 3
    assert connection.broken


@pytest.mark.parametrize("tcp", [True, False])
def test_it_hangs_up_on_a_server_that_answers_nobody(postgres, monkeypatch, tcp):
    """The process of the session is stopped, so that it takes no signal: still, the caller gets its thread back."""
    monkeypatch.setattr(watchdog, "GRACE_S", 0.3)
    with psycopg.connect(server().url(postgres.database, tcp=tcp), autocommit=True) as connection:
        pid = connection.info.backend_pid
        os.kill(pid, signal.SIGSTOP)
        try:
            begun = time.monotonic()
            with pytest.raises(psycopg.OperationalError), Watchdog(connection, 0.1, another(postgres)) as dog:
                connection.execute("SELECT 1")
            assert dog.bit
            assert time.monotonic() - begun < 4
        finally:
            os.kill(pid, signal.SIGCONT)


def test_it_does_not_bite_what_is_done_in_time(postgres, connection):
    """And its thread ends with the block."""
    with Watchdog(connection, 5, another(postgres)) as dog:
        connection.execute("SELECT 1")
    assert not dog.bit
    assert not dog._thread.is_alive()


def test_no_second_connection_is_no_obstacle(connection):
    """It goes on to the next stage."""

    def nothing():
        raise OSError

    connection.execute(
        "CREATE OR REPLACE FUNCTION stubborn2() RETURNS int LANGUAGE plpgsql AS " + STUBBORN.partition("AS ")[2]
    )
    with pytest.raises(psycopg.OperationalError), Watchdog(connection, 0.1, nothing) as dog:
        connection.execute("SELECT stubborn2()")
    assert dog.bit
