"""Every statement of every corpus on real databases, which nothing but the classifier protects: no write, ever.

The databases are used with all rights (a superuser of PostgreSQL, a writable SQLite file) and are hashed before and
after each statement. Reads run by their own text, and give the rows that the statement as it was written gives.
"""

import re
import sqlite3

import psycopg
import pytest
from tests.data.sql.real import POSTGRES, SQLITE, catalog, collected
from tests.data.sql.statements import (
    HARMLESS_POSTGRES,
    HARMLESS_SQLITE,
    REFUSED_BOTH,
    REFUSED_POSTGRES,
    REFUSED_SQLITE,
)

from handrail.data.sql import Catalog, Computed, Dialect, Operation, classify

HARMLESS = {POSTGRES: HARMLESS_POSTGRES, SQLITE: HARMLESS_SQLITE}
REFUSED = {POSTGRES: REFUSED_BOTH + REFUSED_POSTGRES, SQLITE: REFUSED_BOTH + REFUSED_SQLITE}
VARIES = re.compile(r"random|uuid|clock_timestamp|timeofday|now|current_|localtime", re.IGNORECASE)
ERRORS = (psycopg.Error, sqlite3.Error, sqlite3.Warning)


def both(statements):
    """Return parameters, a statement and a dialect each."""
    return [
        pytest.param(dialect, sql, id=f"{dialect.value}-{n}")
        for dialect in Dialect
        for n, sql in enumerate(statements[dialect])
    ]


def lines(name):
    return {dialect: [line["sql"] for line in collected(name, dialect)] for dialect in Dialect}


def road(database, dialect, sql):
    """Send a statement down the road that its class allows; return its class, and the rows of a read."""
    answer = classify(sql, dialect, catalog(dialect))
    again = classify(sql, dialect, catalog(dialect))
    assert again == answer
    if not answer.resolved:
        return answer, None
    rows = None
    try:
        if answer.kind == "read":
            rows = database.run(answer.sql)
        elif answer.change is not None:
            for text in planned(answer.change, dialect):
                database.run(text)
    except ERRORS as error:
        rows = error
    return answer, rows


def planned(change, dialect):
    """Yield the queries that a plan of the change would run: which rows, and the values that are computed."""
    table = f'"{change.table}" AS "{change.alias}"'
    if change.operation is not Operation.INSERT and not change.keys:
        yield f"SELECT * FROM {table}" + (f" WHERE {change.predicate}" if change.predicate else "")
    for row in change.rows:
        for value in row:
            if isinstance(value, Computed):
                yield f"SELECT {value.sql}" + ("" if change.operation is Operation.INSERT else f" FROM {table}")


@pytest.mark.parametrize(("dialect", "sql"), both(REFUSED))
def test_what_we_know_to_be_dangerous_is_refused(databases, dialect, sql):
    """With a sentence that tells what to do, and without a trace in the database."""
    before = databases[dialect].state()
    answer, _ = road(databases[dialect], dialect, sql)
    assert databases[dialect].state() == before
    assert answer.kind == "refused"
    assert answer.sql == ""
    assert answer.change is None
    assert re.search(r"\. [A-Z(]", answer.why), "what happened, and what to do next"
    assert answer.why.isprintable()


@pytest.mark.parametrize("name", ["hostile", "harmless", "changes"])
@pytest.mark.parametrize("dialect", list(Dialect))
def test_nothing_that_somebody_else_collected_writes(databases, dialect, name):
    """The corpus of a person who has not read the classifier."""
    database = databases[dialect]
    before = database.state()
    for line in collected(name, dialect):
        road(database, dialect, line["sql"])
        assert database.state() == before, line


@pytest.mark.parametrize("dialect", list(Dialect))
def test_the_hostile_are_refused_or_not_read(dialect):
    """Only what a policy or a time limit has to stop is understood: a hidden table, an expensive read."""
    for line in collected("hostile", dialect):
        answer = classify(line["sql"], dialect, catalog(dialect))
        if line["must"] == "not_read":
            assert answer.kind != "read", line
        elif answer.kind != "refused":
            hidden = not answer.resolved  # an agent is not told of api_key, and nothing that is not resolved runs
            assert hidden or line.get("assumes", "").startswith("cost:"), (line, answer)


@pytest.mark.parametrize("dialect", list(Dialect))
def test_changes_have_the_class_that_is_expected(dialect):
    """Or another that is as good."""
    for line in collected("changes", dialect):
        answer = classify(line["sql"], dialect, catalog(dialect))
        assert answer.kind in {line["expect"], *line.get("also", ())}, (line, answer.why)


@pytest.mark.parametrize(("dialect", "sql"), both(HARMLESS))
def test_ordinary_reads_pass_and_mean_the_same(databases, dialect, sql):
    """The text that is run gives the rows of the text that was written."""
    database = databases[dialect]
    answer, rows = road(database, dialect, sql)
    assert answer.kind == "read", answer.why
    assert answer.resolved
    if isinstance(rows, Exception):  # functions that this version lacks
        with pytest.raises(type(rows)):
            database.run(sql)
    elif not VARIES.search(sql):
        assert repr(database.run(sql)) == repr(rows)


@pytest.mark.parametrize("dialect", list(Dialect))
def test_97_of_100_reads_that_somebody_else_collected_pass(databases, dialect):
    """And mean the same."""
    database, passed, all_tables = databases[dialect], 0, reflected(databases[dialect], dialect)
    statements = [line["sql"] for line in collected("harmless", dialect)]
    for sql in statements:
        answer = classify(sql, dialect, all_tables)
        if answer.kind != "read":
            continue
        passed += answer.resolved
        rows = database.run(answer.sql)
        if not VARIES.search(sql):
            assert repr(database.run(sql)) == repr(rows), sql
    assert passed / len(statements) >= 0.97


def reflected(database, dialect):
    """Return the catalog that the database itself tells."""
    from sqlalchemy import create_engine

    from handrail.data.sql.reflect import reflect

    url = f"sqlite:///{database.path}" if dialect is SQLITE else "postgresql+psycopg://"
    if dialect is SQLITE:
        engine = create_engine(url)
    else:
        from tests.stores.postgres.server import server

        engine = create_engine(url, creator=lambda: psycopg.connect(server().url(database.database)))
    try:
        return reflect(engine)
    finally:
        engine.dispose()


@pytest.mark.parametrize("dialect", list(Dialect))
def test_what_is_run_is_read_the_same_again(dialect):
    """Texts of reads classify as themselves, word for word, also by somebody who knows no table."""
    for sql in (*HARMLESS[dialect], *lines("harmless")[dialect]):
        answer = classify(sql, dialect, catalog(dialect))
        if answer.kind == "read":
            assert classify(answer.sql, dialect, catalog(dialect)) == answer
            unknown = classify(answer.sql, dialect, Catalog((), dialect))
            assert unknown.kind in ("read", "refused")
            assert unknown.resolved is (not unknown.tables)


def test_the_corpora_are_large():
    """At least 250 hostile and 150 harmless, half of them somebody else's."""
    theirs = [sum(len(collected(name, dialect)) for dialect in Dialect) for name in ("hostile", "harmless")]
    ours = [len({*REFUSED_BOTH, *REFUSED_POSTGRES, *REFUSED_SQLITE}), len(HARMLESS_POSTGRES) + len(HARMLESS_SQLITE)]
    assert theirs[0] >= 125
    assert theirs[1] >= 75
    assert ours[0] >= 120
    assert ours[1] >= 100
