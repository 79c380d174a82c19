"""One connection: addresses, errors in one sentence without secrets, reconnecting, and the schema."""

import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from tests.stores.postgres.server import server

from handrail.errors import ConfigurationError, StoreError, StoreVersionError
from handrail.stores.postgres import PostgresStore
from handrail.stores.postgres.session import PostgresSession, SessionSettings, migrate, parse
from handrail.stores.sql import migrations


@pytest.fixture
def session(url):
    opened = PostgresSession(parse(url), SessionSettings())
    yield opened
    opened.drop()


def end(session):
    """End the session's connection as an operator would."""
    pid = session.current.info.backend_pid
    server().run(f"SELECT pg_terminate_backend({pid}, 5000)")


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:sesame@h:5432/d", "postgresql://u@h:5432/d"),
        ("postgresql+psycopg://u:sesame@h/d", "postgresql://u@h/d"),
        ("postgresql://h/d?password=sesame&user=u", "postgresql://u@h/d"),
        ("postgresql://u@a,b:1/d", "postgresql://u@a,b:,1/d"),
        ("postgresql://%1b[2J@h/d", "postgresql://\\x1b[2J@h/d"),
    ],
)
def test_addresses_are_shown_without_secrets(url, shown):
    """Whatever form they have."""
    assert parse(url).shown == shown


@pytest.mark.parametrize(
    "url", ["postgresql://u:sesame@h/d?x", "postgresql://u:sesame@[h/d?x=y", "postgresql://h/d?sesame=1"]
)
def test_what_is_no_address(url):
    """Is refused with the right form, and not repeated."""
    with pytest.raises(ConfigurationError, match=r"postgresql://user@host:5432/database") as caught:
        parse(url)
    assert "sesame" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_server_that_is_not_there():
    """Opening fails at once and says what to look at; the password is nowhere in the error."""
    begun = time.monotonic()
    with pytest.raises(StoreError, match=r"cannot be used .* so nothing runs\. Check that the server runs") as caught:
        PostgresStore(f"postgresql://u:sesame@127.0.0.1:{free_port()}/d")
    assert time.monotonic() - begun < 5
    assert "sesame" not in f"{caught.value} {caught.value.__cause__!r}"
    assert str(caught.value).isprintable()


def test_a_password_that_the_server_repeats_is_not_shown():
    """Errors are cleaned: libpq may quote what it was given."""
    address = parse("postgresql://u:sesame@h/d")
    assert address.cleaned("no such user sesame\n  at \x1b[31m") == "no such user … at \\x1b[31m"


def test_no_such_database_is_not_waited_for():
    """No waiting mends it."""
    begun = time.monotonic()
    with pytest.raises(StoreError, match=r"does not exist.*Check user, password"):
        PostgresSession(parse(server().url("nowhere")), SessionSettings(), patience_s=60).open()
    assert time.monotonic() - begun < 5


def test_a_role_that_may_not_make_the_schema(url, database):
    """Is told what to grant; with a schema of its own it works."""
    server().run("DROP ROLE IF EXISTS small; CREATE ROLE small LOGIN", database)
    with pytest.raises(StoreError, match="CREATE SCHEMA handrail AUTHORIZATION role"):
        PostgresStore(url.replace("postgres@", "small@"))
    server().run("CREATE SCHEMA handrail AUTHORIZATION small", database)
    store = PostgresStore(url.replace("postgres@", "small@"))
    assert store.transact(lambda tx: tx.add_failure("key"), durable=True) == 1
    store.close()
    server().run("DROP OWNED BY small CASCADE; DROP ROLE small", database)


def test_a_database_in_another_encoding():
    """Not every text fits into it, so it is refused with the command that makes a good one."""
    name = f"latin_{os.getpid()}"
    server().run(f"CREATE DATABASE {name} ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0")
    with pytest.raises(StoreError, match=r"has the encoding LATIN1.*createdb --encoding=UTF8"):
        PostgresStore(server().url(name))


def test_a_standby(url):
    """Cannot be written, and is not taken for the primary."""
    with pytest.raises(StoreError, match="It is a standby: name the primary"):
        PostgresSession(
            parse(url + "&options=-cdefault_transaction_read_only%3Don"), SessionSettings(), patience_s=0
        ).open()


def test_it_connects_again(session):
    """After the connection was ended: the error tells that it was lost, and the next use has a new one."""
    first = session.open()
    assert session.open() is first
    end(session)
    with pytest.raises(psycopg.OperationalError) as caught:
        first.execute("SELECT 1")
    assert session.lost(caught.value)
    assert session.current is None
    assert session.open().execute("SELECT 1").fetchone() == (1,)
    assert session.made == 2
    assert session.lost_us > 1_600_000_000_000_000


def test_other_errors_do_not_lose_it(session):
    """A statement that fails, and errors that are not the database's."""
    with pytest.raises(psycopg.Error) as caught:
        session.open().execute("SELECT 1 / 0")
    assert not session.lost(caught.value)
    assert not session.lost(ValueError())
    assert session.lost_us == 0


def test_patience():
    """A server that is away is waited for, but not for ever; after a wait in vain the next one fails at once."""
    session = PostgresSession(parse(f"postgresql://u@127.0.0.1:{free_port()}/d"), SessionSettings(), patience_s=0.5)
    for least_s, most_s in ((0.5, 5), (0, 0.4)):
        begun = time.monotonic()
        with pytest.raises(StoreError):
            session.open()
        assert least_s <= time.monotonic() - begun < most_s


def test_settings(session):
    """Nothing hangs for ever, commits do not wait, and nobody's search path matters; a syncing one waits."""
    shown = {
        name: session.open().execute(f"SHOW {name}").fetchone()[0]
        for name in (
            "synchronous_commit", "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "search_path",
        )
    }  # fmt: skip
    assert list(shown.values()) == ["off", "30s", "20s", "10s", "handrail, pg_temp"]
    with psycopg.connect(session.address.parameters["host"] and server().url()) as plain:
        default = plain.execute("SHOW synchronous_commit").fetchone()[0]
    syncing = PostgresSession(session.address, SessionSettings(synchronous=True))
    assert syncing.open().execute("SHOW synchronous_commit").fetchone()[0] == default == "on"
    syncing.drop()


def test_many_who_open_at_once(url):
    """The schema is made once."""
    with ThreadPoolExecutor(8) as pool:
        stores = list(pool.map(lambda _: PostgresStore(url), range(8)))
    assert sorted(store.transact(lambda tx: tx.add_failure("key")) for store in stores) == list(range(1, 9))
    for store in stores:
        store.close()


def test_migrations_are_numbered_and_kept(session):
    """The version is the newest script's, and migrating again changes nothing."""
    migrate(session.open())
    migrate(session.open())
    found = session.open().execute("SELECT value FROM meta WHERE name = 'version'").fetchall()
    assert found == [(str(migrations("postgres")[-1][0]),)]


def test_a_newer_store(url, session):
    """Is refused, with what to do."""
    migrate(session.open())
    session.open().execute("UPDATE meta SET value = '999' WHERE name = 'version'")
    with pytest.raises(StoreVersionError, match=r"version 999.*Upgrade Handrail"):
        PostgresStore(url)


def test_without_psycopg(tmp_path):
    """The error says what to install."""
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from pathlib import Path; from handrail.stores import connect; from handrail.errors import ConfigurationError\n"
        "try: connect('postgresql://h/d', Path())\n"
        "except ConfigurationError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'handrail[postgres]'" in done.stdout
