"""The store is no guarded database: known by its file, or by what a role of PostgreSQL can use."""

import os
from pathlib import Path

import pytest
from tests.data.sql.real import POSTGRES

from handrail.data.reading import DataReader
from handrail.data.reading.apart import keep_apart, same_file, store_file
from handrail.errors import ConfigurationError
from handrail.stores.memory import MemoryStore
from handrail.stores.sqlite import SqliteStore


def test_one_file_by_every_way(tmp_path):
    """By itself, a relative path, a link, a link to its folder, and a second name; another file is another."""
    file, other = tmp_path / "a" / "store.db", tmp_path / "other.db"
    file.parent.mkdir()
    file.touch()
    other.touch()
    (tmp_path / "link.db").symlink_to(file)
    (tmp_path / "folder").symlink_to(file.parent)
    os.link(file, tmp_path / "second.db")
    ways = (file, Path(os.path.relpath(file)), *(tmp_path / one for one in ("link.db", "folder/store.db", "second.db")))
    for way in ways:
        assert same_file(way, file)
        with pytest.raises(ConfigurationError, match=r"'shop' is the store itself .* Name another database"):
            keep_apart(way, file, "shop")
    assert not same_file(other, file)
    keep_apart(other, file, "shop")


def test_a_store_that_is_not_made_yet(tmp_path):
    """Is known by its path, through a link to its folder too."""
    (tmp_path / "folder").symlink_to(tmp_path)
    with pytest.raises(ConfigurationError, match="This database is the store itself"):
        keep_apart(str(tmp_path / "folder" / "store.db"), tmp_path / "store.db", "")


def test_what_has_no_file(tmp_path):
    """A store in memory is no database's file."""
    assert store_file(MemoryStore()) is None
    keep_apart(tmp_path / "x.db", None, "shop")
    keep_apart(None, tmp_path / "x.db", "shop")
    store = SqliteStore(tmp_path / "store.db")
    assert store_file(store) == (tmp_path / "store.db").resolve()
    store.close()


GRANTS = {
    "it reads": "GRANT SELECT ON handrail.journal TO {role}",
    "it writes one column": "GRANT UPDATE (body) ON handrail.journal TO {role}",
    "it owns a table": "ALTER TABLE handrail.journal OWNER TO {role}",
    "everybody may": "GRANT SELECT ON handrail.journal TO PUBLIC",
    "by a role that it can take on": "GRANT INSERT ON handrail.journal TO {other}; GRANT {other} TO {role}",
}


@pytest.mark.parametrize("how", GRANTS)
def test_a_role_that_reaches_a_store(postgres, how):
    """Is refused, whatever else it may; without the schema, or without the table, it is served."""
    assert postgres.dialect is POSTGRES
    role, other = postgres.role, f"other_{postgres.database}"
    postgres.make_role(other)
    postgres.connection.execute("CREATE SCHEMA handrail; CREATE TABLE handrail.journal (body text)")
    postgres.connection.execute(f"ALTER ROLE {role} NOINHERIT")
    try:
        DataReader(postgres.url).close()
        postgres.connection.execute(f"GRANT USAGE ON SCHEMA handrail TO {role}")
        DataReader(postgres.url).close()
        postgres.connection.execute(GRANTS[how].format(role=role, other=other))
        with pytest.raises(ConfigurationError, match=rf"The role {role} can read or write the schema handrail"):
            DataReader(postgres.url)
        postgres.connection.execute(f"REVOKE USAGE ON SCHEMA handrail FROM {role}")
        DataReader(postgres.url).close()
    finally:
        postgres.connection.execute(f"DROP SCHEMA handrail CASCADE; DROP ROLE {other}; ALTER ROLE {role} INHERIT")
