"""The database backs the parser: every hostile text straight on the enforced connection, and 0 writes."""

import psycopg
import pytest
from sqlalchemy import create_engine
from tests.data.reading.world import HOSTILE
from tests.data.sql.real import POSTGRES, SQLITE, catalog

from handrail.data.reading import DataReader, QueryError, QueryFailed, ReadLimits
from handrail.data.sql.reflect import reflect

SHORT = ReadLimits(time_s=0.5, lock_s=0.5)
TRICK = "SELECT 1; COMMIT; DELETE FROM lead; SELECT 1"


def reflected(world):
    engine = create_engine(world.url.replace("postgresql:", "postgresql+psycopg:"))
    try:
        return reflect(engine)
    finally:
        engine.dispose()


def test_no_hostile_text_writes_though_nobody_has_read_it_before(either):
    """The classifier is bypassed on purpose. The role owns all tables; hashed before and after every statement."""
    reads, known, refused = either.reads(SHORT), reflected(either), 0
    before = either.state()
    for sql in HOSTILE[either.dialect]:
        try:
            reads.read(sql, known)
        except QueryFailed as error:
            refused += 1
            assert str(error).isprintable()
            assert str(error).endswith((".", "…"))
            assert error.__cause__ is error.__context__ is None
        assert either.state() == before, sql
    reads.close()
    assert len(HOSTILE[either.dialect]) >= 250
    assert refused >= len(HOSTILE[either.dialect]) * 0.6


def test_no_hostile_text_writes_through_the_reader(either):
    """The whole path: refused or harmless, hashed before and after every statement."""
    before = either.state()
    with DataReader(either.url, catalog(either.dialect), limits=SHORT) as reader:
        for sql in HOSTILE[either.dialect]:
            try:
                reader.query(sql)
            except QueryError as error:
                assert str(error).isprintable()
            assert either.state() == before, sql


def test_commit_and_delete_in_one_text(either):
    """Does not run: only one statement is taken."""
    reads, before = either.reads(SHORT), either.state()
    for sql in (TRICK, "COMMIT; DELETE FROM lead; SELECT 1", "SELECT 1; SELECT 2"):
        with pytest.raises(QueryFailed):
            reads.read(sql, reflected(either))
        assert either.state() == before
    reads.close()


def test_the_trick_is_real(postgres):
    """In the simple protocol the same text deletes: the protection is not there by accident."""
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE victim (id int)")
        connection.execute("INSERT INTO victim VALUES (1)")
        connection.execute("BEGIN TRANSACTION READ ONLY")
        connection.execute("COMMIT; DELETE FROM victim; SELECT 1")
        assert connection.execute("SELECT count(*) FROM victim").fetchone() == (0,)
        connection.execute("DROP TABLE victim")


def test_both_kinds_are_here():
    """The corpus is not empty for either."""
    assert set(HOSTILE) == {POSTGRES, SQLITE}
