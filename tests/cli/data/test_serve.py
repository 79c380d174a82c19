"""`handrail data serve` on the command line; what it serves is tested in tests/mcp."""

import sqlite3
import subprocess

import pytest
from tests.mcp.guarded import policy, words


def refused(project, *args, code=3):
    result = project.run("data", "serve", *args)
    assert result.exit_code == code
    return result.stderr


@pytest.fixture
def shop(project):
    """A project whose policy declares a database."""
    sqlite3.connect(project.folder / "shop.db").close()
    (project.folder / "handrail.yaml").write_text(policy("sqlite:///shop.db"))
    return project


def test_the_agent_has_to_be_named(shop):
    """There is no default for who acts."""
    assert "--agent" in refused(shop, code=2)


def test_the_agent_has_to_be_declared(shop):
    """With the nearest name."""
    assert "Did you mean 'bot'?" in refused(shop, "--agent", "bott")


def test_the_database_has_to_be_declared(shop):
    """With the nearest name."""
    assert "Did you mean 'shop'?" in refused(shop, "shp", "--agent", "bot")


@pytest.mark.parametrize("more", [(), ("--url", "sqlite:///shop.db")])
def test_a_wrong_name_is_told_what_there_is(shop, more):
    """An address does not make up for it: the policy's limits would be lost with the name."""
    assert "There is: shop." in refused(shop, "nosuch", "--agent", "bot", *more)


@pytest.mark.parametrize("more", [(), ("--url", "sqlite:///.handrail/handrail.db")])
def test_the_store_is_not_served(shop, more):
    """By the policy's address or another."""
    if not more:
        (shop.folder / "handrail.yaml").write_text(policy("sqlite:///.handrail/handrail.db"))
    assert "'shop' is the store itself" in refused(shop, "--agent", "bot", *more)


def test_without_a_policy_nothing_is_served(shop):
    """Not even with an address."""
    (shop.folder / "handrail.yaml").unlink()
    assert "There is no policy" in refused(shop, "--agent", "bot", "--url", "sqlite:///shop.db")


def test_a_policy_without_databases_needs_an_address(project):
    """It says both ways."""
    said = refused(project, "--agent", "lead-enricher")
    assert "'databases'" in said
    assert "--url" in said


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("sqlite:///gone.db", "no file"),
        ("mysql://h/x", "is not read"),
        ("nothing", "no URL of a database"),
        ("env:NO_SUCH_VARIABLE", "NO_SUCH_VARIABLE"),
        ("postgresql://bot:hunter2@127.0.0.1:1/x", "cannot be reached"),
    ],
)
def test_what_cannot_be_opened_is_told(shop, url, why):
    """Before anything is served, and without its password."""
    said = refused(shop, "--agent", "bot", "--url", url)
    assert why in said
    assert "hunter2" not in said


@pytest.mark.parametrize("wait", ["-1", "soon"])
def test_waiting_takes_seconds(shop, wait):
    """Zero or more."""
    refused(shop, "--agent", "bot", "--wait", wait, code=2)


def served(project):
    """Serve a client that ends the connection at once; return stderr."""
    ended = subprocess.run(
        words(), cwd=project.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stderr


def test_what_the_database_lacks_is_told(shop):
    """Tables and columns of the policy, and a part of the history; what is there is not spoken of."""
    with sqlite3.connect(shop.folder / "shop.db") as connection:
        connection.execute("CREATE TABLE leads (id integer PRIMARY KEY)")
    connection.close()
    assert "no table 'lead', which the policy declares" in served(shop)
    shop.ok("data", "install", "--apply")
    with sqlite3.connect(shop.folder / "shop.db") as connection:
        connection.execute("ALTER TABLE leads RENAME TO lead")
        connection.execute("DROP TABLE handrail_row")
    connection.close()
    said = served(shop)
    assert "no column 'status'" in said
    assert "handrail_row is missing" in said
    with sqlite3.connect(shop.folder / "shop.db") as connection:
        connection.execute("ALTER TABLE lead ADD COLUMN status text")
        connection.execute("CREATE TABLE handrail_row (id)")
    connection.close()
    assert served(shop) == ""
