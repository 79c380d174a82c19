"""Reading PostgreSQL: the role, the transaction, the protocol, the time, and connections that are lost."""

import contextlib
import os
import signal
import threading
import time

import psycopg
import pytest
from tests.data.reading.world import sessions
from tests.stores.postgres.server import server

from handrail.data.reading import DataReader, QueryFailed, ReadLimits, watchdog
from handrail.data.reading import postgres as module
from handrail.data.sql import Catalog, Dialect
from handrail.errors import ConfigurationError

NOTHING = Catalog((), Dialect.POSTGRES)
QUICK = ReadLimits(time_s=0.5, lock_s=0.3)


@pytest.fixture
def reads(postgres):
    made = postgres.reads(QUICK)
    yield made
    made.close()


def test_a_superuser_is_refused(postgres):
    """When the reader starts, with what to do instead."""
    with pytest.raises(ConfigurationError, match="The role postgres is a superuser") as caught:
        DataReader(server().url(postgres.database, tcp=True))
    assert "CREATE ROLE agent_reader LOGIN" in str(caught.value)


@pytest.mark.parametrize(
    ("grant", "said"),
    [
        ("GRANT pg_read_server_files TO {}", "is a member of pg_read_server_files"),
        ("GRANT pg_write_server_files TO {}", "is a member of pg_write_server_files"),
        ("GRANT pg_execute_server_program TO {}", "is a member of pg_execute_server_program"),
        ("ALTER ROLE {} REPLICATION", "may replicate"),
        ("ALTER ROLE {} SUPERUSER", "is a superuser"),
        ("ALTER ROLE {} NOINHERIT; GRANT postgres TO {}", "is a member of postgres"),
        ("GRANT between_{0} TO {0}", "is a member of pg_read_server_files"),
    ],
)
def test_a_role_with_powers_is_refused(postgres, grant, said):
    """Files, programs, anything: also through another role, also where it has to be taken with SET ROLE."""
    role = f"p{sum(map(ord, grant))}_{postgres.database}"
    postgres.make_role(role)
    if "between" in grant:
        postgres.connection.execute(f"CREATE ROLE between_{role}; GRANT pg_read_server_files TO between_{role}")
    DataReader(postgres.url_of(role)).close()  # it was fine before
    postgres.connection.execute(grant.format(role, role))
    with pytest.raises(ConfigurationError, match=said):
        DataReader(postgres.url_of(role))


def test_powers_given_later_are_seen_by_the_next_connection(postgres):
    """The role is looked at whenever a connection is made."""
    role = f"later_{postgres.database}"
    postgres.make_role(role)
    with DataReader(postgres.url_of(role)) as made:
        postgres.connection.execute(f"ALTER ROLE {role} SUPERUSER")
        server().run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'")
        with pytest.raises(ConfigurationError, match="is a superuser"):
            made.query("SELECT 1")
        postgres.connection.execute(f"ALTER ROLE {role} NOSUPERUSER")
        assert made.query("SELECT 1").rows == ((1,),)


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM lead",
        "WITH d AS (DELETE FROM lead RETURNING *) SELECT * FROM d",
        "SELECT * INTO copied FROM lead",
        "SELECT nextval('s')",
        "SELECT id FROM lead FOR UPDATE",
        "SELECT set_config('transaction_read_only', 'off', true), set_config('default_transaction_read_only', 'off', false)",
        "SELECT set_config('transaction_read_only', 'off', false) FROM lead",
    ],
)
def test_writes_are_refused_by_the_server(postgres, reads, sql):
    """Of a role that owns the tables."""
    before = postgres.state()
    with pytest.raises(QueryFailed):
        reads.read(sql, NOTHING)
    assert postgres.state() == before
    assert reads.read("SELECT current_setting('transaction_read_only')", NOTHING).rows == [("on",)]


def test_the_text_goes_by_the_extended_protocol(postgres, reads):
    """Which takes one statement only, and says so."""
    with pytest.raises(QueryFailed, match="cannot insert multiple commands into a prepared statement"):
        reads.read("SELECT 1; SELECT 2", NOTHING)


@pytest.mark.parametrize("sql", ["SELECT 1\0; DELETE FROM lead", "SELECT '\ud800'"])
def test_text_that_libpq_would_read_otherwise(reads, sql):
    """Is not sent: libpq stops at a NUL, and would run another statement."""
    with pytest.raises(QueryFailed, match="the text "):
        reads.read(sql, NOTHING)
    assert reads.read("SELECT 1", NOTHING).rows == [(1,)]


def test_a_session_cannot_switch_its_time_limit_off(reads):
    """The first row switches it off, the second sleeps: the watchdog ends it from outside."""
    sql = """SELECT CASE WHEN i = 1 THEN set_config('statement_timeout', '0', false) ELSE pg_sleep(30)::text END
             FROM generate_series(1, 3) AS i"""
    begun = time.monotonic()
    with pytest.raises(QueryFailed, match=r"longer than 0\.5 seconds and was stopped"):
        reads.read(sql, NOTHING)
    assert time.monotonic() - begun < 3
    assert reads.read("SELECT current_setting('statement_timeout')", NOTHING).rows == [("500ms",)]


def test_many_short_fetches_do_not_add_up(reads):
    """Each is under the server's limit; the watchdog counts from the beginning."""
    begun = time.monotonic()
    with pytest.raises(QueryFailed, match="was stopped"):
        reads.read("SELECT i, pg_sleep(0.1) FROM generate_series(1, 100) AS i", NOTHING)
    assert time.monotonic() - begun < 3


def test_nothing_of_one_query_reaches_the_next(postgres, reads):
    """Advisory locks survive a rollback; settings and temporary things are forgotten, too."""
    reads.read("SELECT pg_advisory_lock(4242), set_config('work_mem', '64kB', false)", NOTHING)
    assert postgres.run("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [(0,)]
    assert reads.read("SELECT current_setting('work_mem')", NOTHING).rows != [("64kB",)]
    with contextlib.suppress(QueryFailed):  # newer servers refuse it in a read-only transaction
        reads.read("SELECT lo_create(777777)", NOTHING)
    assert postgres.run("SELECT count(*) FROM pg_largeobject_metadata") == [(0,)]


def test_what_catches_the_cancel_is_stopped_all_the_same(postgres, monkeypatch):
    """The session is terminated, the answer is the same, and the next query has a new one."""
    monkeypatch.setattr(watchdog, "GRACE_S", 0.3)
    postgres.run(
        "CREATE FUNCTION deaf() RETURNS int LANGUAGE plpgsql AS $$ BEGIN LOOP BEGIN PERFORM pg_sleep(9); "
        "EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$"
    )
    with DataReader(postgres.url, functions=["deaf"], limits=QUICK) as made:
        begun = time.monotonic()
        with pytest.raises(QueryFailed, match=r"longer than 0\.5 seconds and was stopped"):
            made.query("SELECT deaf()")
        assert time.monotonic() - begun < 4
        assert made.query("SELECT 1").rows == ((1,),)


def test_a_connection_that_froze_while_nobody_used_it(postgres, monkeypatch):
    """Is hung up on, and another one is made."""
    monkeypatch.setattr(watchdog, "GRACE_S", 0.2)
    monkeypatch.setattr(module, "CONNECT_S", 0.2)
    with DataReader(postgres.url) as made:
        (pid,) = sessions(postgres.database, postgres.role)
        os.kill(pid, signal.SIGSTOP)
        try:
            assert made.query("SELECT 1").rows == ((1,),)
        finally:
            os.kill(pid, signal.SIGCONT)


def test_the_search_path_is_ours(postgres):
    """A function with the name of a usual one is not called instead, whatever the role's settings say."""
    role = postgres.role
    postgres.connection.execute(f"CREATE SCHEMA evil AUTHORIZATION {role}")
    postgres.connection.execute("CREATE FUNCTION evil.upper(text) RETURNS text LANGUAGE sql AS $$ SELECT 'evil' $$")
    postgres.connection.execute(f"ALTER ROLE {role} SET search_path = evil, pg_catalog, public")
    try:
        with DataReader(postgres.url) as made:
            assert made.query("SELECT upper('a')").rows == (("A",),)
    finally:
        postgres.connection.execute(f"ALTER ROLE {role} RESET search_path")


def test_a_table_that_is_locked(postgres):
    """Is said after the wait that is allowed."""
    with DataReader(postgres.url, limits=QUICK) as made, psycopg.connect(postgres.url) as other:
        other.execute("LOCK TABLE lead IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(QueryFailed, match=r"A table was locked for 0\.3 seconds\. Ask again"):
            made.query("SELECT count(*) FROM lead")
        other.rollback()
        assert made.query("SELECT count(*) FROM lead").rows[0][0] > 0


def test_a_right_that_is_missing(postgres):
    """Is asked of the operator."""
    role = f"bare_{postgres.database}"
    postgres.make_role(role)
    missing = r"permission denied for table lead\)\. Ask the operator"
    with DataReader(postgres.url_of(role)) as made, pytest.raises(QueryFailed, match=missing):
        made.query("SELECT id FROM lead")


def test_a_connection_that_was_lost_between_two_queries(postgres):
    """Is made again."""
    with DataReader(postgres.url) as made:
        made.query("SELECT 1")
        server().run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{postgres.role}'")
        assert made.query("SELECT 2").rows == ((2,),)


def test_a_connection_that_is_lost_in_a_query(postgres):
    """Is one sentence, and the next query works."""
    reads = postgres.reads(ReadLimits())
    caught = []

    def ask():
        try:
            reads.read("SELECT pg_sleep(20)", NOTHING)
        except QueryFailed as error:
            caught.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    time.sleep(0.3)
    (pid,) = sessions(postgres.database, postgres.role)
    server().run(f"SELECT pg_terminate_backend({pid})")
    thread.join(timeout=10)
    assert str(caught[0]).startswith("The connection to the database was lost (")
    assert str(caught[0]).endswith("Nothing was changed; ask again in a moment.")
    assert caught[0].__context__ is caught[0].__cause__ is None
    assert reads.read("SELECT 1", NOTHING).rows == [(1,)]
    reads.close()


def test_a_password_that_changed_is_not_shown(postgres):
    """Neither the old one nor the new one."""
    role = f"moved_{postgres.database}"
    postgres.make_role(role)
    with DataReader(postgres.url_of(role)) as made:
        postgres.connection.execute(f"ALTER ROLE {role} NOLOGIN")
        server().run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{role}'")
        with pytest.raises(QueryFailed, match="was lost") as caught:
            made.query("SELECT 1")
        assert "s3cret" not in str(caught.value)


def test_a_busy_reader_says_so(postgres):
    """One query at a time; who waits too long is told."""
    reads = postgres.reads(ReadLimits(lock_s=0.2))
    thread = threading.Thread(target=lambda: reads.read("SELECT pg_sleep(1)", NOTHING))
    thread.start()
    time.sleep(0.3)
    with pytest.raises(QueryFailed, match=r"Other queries have kept the connection for 0\.2 seconds"):
        reads.read("SELECT 1", NOTHING)
    thread.join()
    reads.close()


def test_another_driver_is_refused(postgres):
    """What is proven here is proven for psycopg."""
    with pytest.raises(ConfigurationError, match="by the driver asyncpg is not read"):
        DataReader(postgres.url.replace("postgresql:", "postgresql+asyncpg:"))


def test_few_large_rows_at_a_time(postgres, reads):
    """What is beyond the limit is not fetched by the hundred."""
    taken = reads.read("SELECT repeat('x', 300000) FROM generate_series(1, 1000)", NOTHING)
    assert len(taken.rows) == 3
    assert "1,048,576 bytes" in taken.cut
