"""SQL files: named statements and numbered migrations."""

import re
import sqlite3
from pathlib import Path

import pytest

from handrail.stores import sql
from handrail.stores.sql import migrations, queries
from handrail.stores.sqlite import _statements

SOURCE = Path(sql.__file__).parents[1]


@pytest.fixture
def empty():
    connection = sqlite3.connect(":memory:")
    for _, script in migrations("sqlite"):
        connection.executescript(script)
    yield connection
    connection.close()


def test_migrations_are_numbered_without_gaps():
    """From 1, one after the other."""
    assert [number for number, _ in migrations("sqlite")] == list(range(1, len(migrations("sqlite")) + 1))


@pytest.mark.parametrize("name", queries("sqlite"))
def test_every_statement_compiles(empty, name):
    """Each is one statement that the newest schema understands."""
    text = queries("sqlite")[name].replace(":names", "?, ?")
    count = text.count("?")
    assert ";" not in text
    empty.execute(f"EXPLAIN {text}", (1,) * count)


def test_names_are_unique_and_used():
    """No statement is written twice, and none stands there for nothing."""
    text = (Path(sql.__file__).parent / "sqlite" / "queries.sql").read_text()
    names = re.findall(r"^-- name: (.*)$", text, re.MULTILINE)
    assert len(names) == len(set(names)) == len(queries("sqlite"))
    code = "".join(path.read_text() for path in SOURCE.glob("*.py"))
    assert [name for name in names if f'"{name}"' not in code and f"['{name}']" not in code] == []


def test_scripts_are_split_where_statements_end():
    """Our own splitting runs the same statements as SQLite's script runner."""
    script = "-- a;b\nCREATE TABLE t (a TEXT DEFAULT ';');\n\nINSERT INTO t VALUES ('x;\n\ny');\n"
    connection = sqlite3.connect(":memory:")
    for statement in _statements(script):
        connection.execute(statement)
    assert connection.execute("SELECT a FROM t").fetchall() == [("x;\n\ny",)]
    connection.close()
    assert [len(list(_statements(script))) >= 2 for _, script in migrations("sqlite")] == [True, True, True]


def test_unknown_databases_have_none():
    """A database without a folder is an error, not an empty set of statements."""
    with pytest.raises(FileNotFoundError):
        queries("oracle")
