"""Reading a SQLite file."""

import sqlite3
import time

import pytest
from tests.data.sql.real import SQLITE, catalog

from handrail.data.reading import DataReader, QueryFailed, ReadLimits
from handrail.data.sql import Catalog

NOTHING = Catalog((), SQLITE)


def test_three_locks_each_hold_alone(sqlite):
    """The file is opened read-only, queries only are run, and the authorizer denies: each without the others."""
    reads, before = sqlite.reads(), sqlite.state()
    connection = reads._connect()
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DELETE FROM lead")
    assert connection.execute("PRAGMA query_only").fetchone() == (1,)
    assert connection.execute("PRAGMA trusted_schema").fetchone() == (0,)
    connection.execute("PRAGMA query_only = OFF")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DELETE FROM lead")
    connection.close()
    with pytest.raises(QueryFailed, match="SQLite itself refused it"):
        reads.read("DELETE FROM lead", catalog(SQLITE))
    with pytest.raises(QueryFailed, match="SQLite itself refused it"):
        reads.read("SELECT secret FROM api_key", catalog(SQLITE))
    assert sqlite.state() == before


def test_json_functions_work_under_the_authorizer(sqlite):
    """Their first use on a connection asks for a write, which is why they are used before."""
    with DataReader(sqlite.url) as made:
        assert made.query("SELECT value FROM json_each('[1, 2]')").rows == ((1,), (2,))
        assert made.query("SELECT count(*) FROM json_tree('[1, [2]]')").rows == ((4,),)


def test_values(sqlite):
    """Bytes, infinities, text that is none, large integers; each has a JSON form, and bytes are said."""
    sqlite.run("CREATE TABLE v (a, b)")
    sqlite.connection.execute("INSERT INTO v VALUES (x'00ff', 9e999), (CAST(x'ff41' AS TEXT), -9223372036854775808)")
    with DataReader(sqlite.url) as made:
        found = made.query("SELECT a, b FROM v")
        assert found.rows == (("base64:AP8=", "Infinity"), ("base64:/0E=", -(2**63)))
        assert "Bytes are given as base64 text" in found.why


def test_a_value_that_is_too_large(sqlite):
    """Is not read into memory."""
    sqlite.run("CREATE TABLE big (a)")
    sqlite.connection.execute("INSERT INTO big VALUES (zeroblob(20000000))")
    with (
        DataReader(sqlite.url) as made,
        pytest.raises(QueryFailed, match=r"larger than 16,777,216 bytes\. Select a part"),
    ):
        made.query("SELECT a FROM big")


def test_a_join_of_everything_is_stopped(sqlite):
    """By the clock, while no row comes."""
    sqlite.run("CREATE TABLE n AS SELECT value AS i FROM json_each('[" + ",".join(map(str, range(2_000))) + "]')")
    with DataReader(sqlite.url, limits=ReadLimits(time_s=0.3)) as made:
        begun = time.monotonic()
        with pytest.raises(QueryFailed, match=r"longer than 0\.3 seconds and was stopped"):
            made.query("SELECT count(*) FROM n a, n b, n c WHERE a.i + b.i + c.i < 0")
        assert time.monotonic() - begun < 2


def test_a_locked_file_is_said(sqlite):
    """After the wait that is allowed."""
    with DataReader(sqlite.url, limits=ReadLimits(lock_s=0.1)) as made:
        sqlite.connection.execute("BEGIN EXCLUSIVE")
        with pytest.raises(QueryFailed, match=r"locked for 0\.1 seconds"):
            made.query("SELECT count(*) FROM lead")
        sqlite.connection.execute("ROLLBACK")
        assert made.query("SELECT count(*) FROM lead").rows[0][0] > 0


def test_a_file_in_wal_mode_is_read_while_somebody_writes(sqlite):
    """The reader sees what is committed."""
    sqlite.run("PRAGMA journal_mode = WAL")
    with DataReader(sqlite.url) as made:
        before = made.query("SELECT count(*) FROM lead").rows[0][0]
        sqlite.connection.execute("BEGIN IMMEDIATE")
        sqlite.connection.execute("INSERT INTO lead (id) VALUES (900)")
        assert made.query("SELECT count(*) FROM lead").rows[0][0] == before
        sqlite.connection.execute("COMMIT")
        assert made.query("SELECT count(*) FROM lead").rows[0][0] == before + 1


def test_a_file_that_has_gone(sqlite, tmp_path):
    """Is one sentence, and is not made anew."""
    with DataReader(sqlite.url) as made:
        sqlite.path.rename(tmp_path / "elsewhere.db")
        with pytest.raises(QueryFailed, match="was removed since it was opened"):
            made.query("SELECT count(*) FROM lead")
        assert not sqlite.path.exists()
        (tmp_path / "elsewhere.db").rename(sqlite.path)
        assert made.query("SELECT count(*) FROM lead").rows[0][0] > 0


def test_a_name_with_special_characters(tmp_path):
    """Is still one file."""
    path = tmp_path / "a b#%41.db"
    sqlite3.connect(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (a)")
    connection.close()
    from sqlalchemy import URL, create_engine

    engine = create_engine(URL.create("sqlite", database=str(path)))
    with DataReader(engine) as made:
        assert made.query("SELECT count(*) FROM t").rows == ((0,),)
    engine.dispose()
