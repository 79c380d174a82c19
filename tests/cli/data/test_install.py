"""`handrail data install`: shown first, then made; what the role of agents is granted suffices for all it does."""

import json
import re
import sqlite3

import pytest
import sqlalchemy as sa
from tests.mcp.guarded import TABLES, DataWire, guarded, handrail, policy

from handrail.data.rows import ddl


@pytest.fixture
def shop(project):
    """A project with a database that has no history yet."""
    sqlite3.connect(project.folder / "shop.db").close()
    (project.folder / "handrail.yaml").write_text(policy("sqlite:///shop.db"))
    return project


def tables(project):
    connection = sqlite3.connect(project.folder / "shop.db")
    try:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    finally:
        connection.close()


SECRET = "a secret of dana's"
HISTORY = {"handrail_meta", "handrail_change", "handrail_row"}


def test_it_is_shown_first(shop):
    """As it would run; nothing is created, and the command that does is told."""
    result = shop.run("data", "install", "shop")
    assert result.exit_code == 0
    assert result.stdout == ddl("sqlite")
    assert "handrail data install shop --apply" in result.stderr
    assert tables(shop) == set()


def test_it_is_made_once(shop):
    """A second time says that it is there."""
    assert "Created the history tables" in shop.ok("data", "install", "--apply")
    assert tables(shop) == HISTORY
    for args in ((), ("--apply",)):
        assert "there already" in shop.ok("data", "install", *args)


def test_for_machines(shop):
    """One object each."""
    told = shop.json("data", "install")
    (lacks,) = told.pop("lacks")
    assert "no table 'lead'" in lacks
    assert told == {"installed": False, "created": False, "ddl": ddl("sqlite"), "grants": ""}
    assert shop.json("data", "install", "--apply")["created"] is True
    told = shop.json("data", "install", "--apply")
    assert (told["installed"], told["created"]) == (True, False)


def test_an_address_needs_no_policy(shop):
    """Relative to the working folder."""
    (shop.folder / "handrail.yaml").unlink()
    shop.ok("data", "install", "--url", "sqlite:///shop.db", "--apply")
    assert tables(shop) == HISTORY
    result = shop.run("data", "install")
    assert result.exit_code == 3
    assert "There is no policy" in result.stderr


def test_half_a_history_is_not_left(shop):
    """All tables or none; a part that is there already is named, and what is missing is not guessed."""
    connection = sqlite3.connect(shop.folder / "shop.db")
    connection.execute("CREATE TABLE handrail_row (mine integer)")
    connection.close()
    for args in (("install",), ("install", "--apply"), ("prune", "--older", "1d")):
        result = shop.run("data", *args)
        assert result.exit_code == 3
        assert "handrail_meta, handrail_change are missing, while handrail_row is there" in result.stderr
    assert tables(shop) == {"handrail_row"}


def test_when_a_create_fails_nothing_is_left(shop):
    """What was created before it is taken back."""
    connection = sqlite3.connect(shop.folder / "shop.db")
    connection.execute("CREATE VIEW handrail_x AS SELECT 1")
    connection.execute("CREATE TABLE t (x)")
    connection.execute("CREATE INDEX handrail_row ON t (x)")
    connection.close()
    result = shop.run("data", "install", "--apply")
    assert result.exit_code == 3
    assert "The database refused" in result.stderr
    assert tables(shop) == {"t"}


@pytest.mark.parametrize("args", [("install",), ("install", "--apply"), ("prune", "--older", "1d", "--apply")])
@pytest.mark.parametrize("by", ["name", "link", "address", "address alone"])
def test_the_store_itself(shop, args, by):
    """Is refused by each command, and left as it is."""
    store = shop.folder / ".handrail" / "handrail.db"
    store.parent.mkdir()
    sqlite3.connect(store).close()
    (shop.folder / "link.db").symlink_to(store)
    if by in ("name", "link"):
        url = "sqlite:///link.db" if by == "link" else "sqlite:///.handrail/handrail.db"
        (shop.folder / "handrail.yaml").write_text(policy(url))
        more = ()
    else:
        more = (*(["shop"] if by == "address" else []), "--url", "sqlite:///.handrail/handrail.db")
    result = shop.run("data", *args, *more)
    assert result.exit_code == 3
    assert "is the store itself" in result.stderr
    assert store.stat().st_size == 0


def test_a_store_that_was_named_otherwise(shop):
    """What counts is the store that is used."""
    result = shop.run("data", "install", "--store", "sqlite:///shop.db", "--apply")
    assert result.exit_code == 3
    assert "is the store itself" in result.stderr
    assert tables(shop) == set()


def test_on_postgresql_the_grants_suffice(tmp_path):
    """Made by the owner; the role does all that its table allows, with what was shown and no more."""
    with guarded("postgres", tmp_path, (("error", 4),)) as shop:
        (tmp_path / "handrail.yaml").write_text(policy(shop.url))
        why = json.loads(handrail(tmp_path, "data", "install", "--apply", "--json", code=3))["error"]
        assert "permission denied for schema public" in why
        assert "--url" in why
        handrail(tmp_path, "reviewer", "add", "dana@example.com", "--secret-stdin", input=SECRET)
        shown = handrail(tmp_path, "data", "install", "shop", "--url", shop.owner)
        assert shown.startswith(ddl("postgresql"))
        both = TABLES.replace("{lead:", "{leed: {write: [status]}, lead:")
        (tmp_path / "handrail.yaml").write_text(policy(shop.url, both))
        assert (
            handrail(tmp_path, "data", "install", "shop", "--url", shop.owner) == shown
        )  # no GRANT for what is not there
        (tmp_path / "handrail.yaml").write_text(policy(shop.url))
        handrail(tmp_path, "data", "install", "shop", "--url", shop.owner, "--apply")
        grants = re.findall(r"^-- (GRANT .*;)$", shown, re.MULTILINE)
        assert len(grants) == 4
        assert grants[-1] == 'GRANT SELECT, UPDATE, INSERT, DELETE ON "lead" TO agents_role;'
        shop.run(*(grant.replace("agents_role", shop.role) for grant in grants))
        everything(tmp_path)
        with pytest.raises(sa.exc.ProgrammingError, match="permission denied"):
            as_role(shop, "DELETE FROM handrail_row")


def as_role(shop, sql):
    """Run a statement as the role of agents."""
    engine = sa.create_engine(shop.url.replace("postgresql:", "postgresql+psycopg:"), poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(sql)


def everything(folder):
    """Update, insert and delete by key, and undo each."""
    wire = DataWire(folder)
    wire.begin()
    for sql in (
        "UPDATE lead SET status = 'x' WHERE id = 1",
        "INSERT INTO lead (id, status) VALUES (50, 'new')",
        "DELETE FROM lead WHERE id = 2",
    ):
        change = wire.call("plan_change", sql=sql)["structuredContent"]["change"]
        result = wire.call("apply_change", change=change)
        assert "isError" not in result, result
        ticket = wire.call("undo_change", change=change).get("_meta", {}).get("handrail/ticket")
        if ticket is not None:
            approve = ("review", "approve", ticket, "--as", "dana@example.com", "--secret-stdin")
            handrail(folder, *approve, input=SECRET)
            result = wire.call("undo_change", change=change)
            assert "isError" not in result, result
    assert wire.call("query", sql="SELECT count(*) FROM lead")["structuredContent"]["rows"] == [[4]]
    assert wire.end() == 0


def test_on_postgresql_a_role_that_reaches_the_store(tmp_path):
    """Is refused where it is the policy's own; the owner, by --url, may install beside a store."""
    with guarded("postgres", tmp_path, (("error", 1),)) as shop:
        (tmp_path / "handrail.yaml").write_text(policy(shop.url))
        shop.run("CREATE SCHEMA handrail", "CREATE TABLE handrail.journal (body text)")
        shop.run(f"GRANT USAGE ON SCHEMA handrail TO {shop.role}", f"GRANT SELECT ON handrail.journal TO {shop.role}")
        for command in (("install",), ("prune", "--older", "1d")):
            why = json.loads(handrail(tmp_path, "data", *command, "--json", code=3))["error"]
            assert f"The role {shop.role} can read or write the schema handrail" in why
        handrail(tmp_path, "data", "install", "shop", "--url", shop.owner, "--apply")
        shop.run("DROP SCHEMA handrail CASCADE")
