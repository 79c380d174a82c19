"""What doctor tells of a server: each risk is named when it is there, and only then."""

import pytest
from tests.stores.postgres.server import server

from handrail.stores.postgres import PostgresStore
from handrail.stores.postgres.risks import risks


@pytest.fixture
def small(url, database):
    """A store whose role is its own, and no more."""
    server().run(
        "CREATE ROLE own LOGIN; CREATE ROLE stranger LOGIN; CREATE SCHEMA handrail AUTHORIZATION own", database
    )
    store = PostgresStore(url.replace("postgres@", "own@"))
    yield store
    store.close()
    server().run("DROP OWNED BY own CASCADE; DROP OWNED BY stranger; DROP ROLE own; DROP ROLE stranger", database)


def test_a_role_of_its_own(small):
    """Is as it should be."""
    assert small.risks() == ()


def test_a_superuser(fleet):
    """Whoever has the password has everything."""
    (found,) = fleet.risks()
    assert found.startswith("The store's role is a superuser")


@pytest.mark.parametrize(
    "grant", ["CREATE ON SCHEMA handrail", "UPDATE ON handrail.calls", "INSERT ON handrail.reviewers"]
)
def test_another_role_that_can_write(small, database, grant):
    """Is named; one that can only read is not."""
    server().run("GRANT USAGE ON SCHEMA handrail TO stranger", database)
    server().run("GRANT SELECT ON ALL TABLES IN SCHEMA handrail TO stranger", database)
    assert small.risks() == ()
    server().run(f"GRANT {grant} TO stranger", database)
    (found,) = small.risks()
    assert found.startswith("Other roles can change what is remembered: stranger.")


def test_a_server_that_forgets(small):
    """Without fsync no intent survives a power loss."""
    server().run("ALTER SYSTEM SET fsync = off")
    server().run("SELECT pg_reload_conf()")
    try:
        found = ()
        while not found:
            found = small.risks()
        assert "do not survive power loss" in found[0]
    finally:
        server().run("ALTER SYSTEM RESET fsync")
        server().run("SELECT pg_reload_conf()")


class Answers:
    """A connection from another machine, in the clear."""

    def execute(self, sql):
        self.rows = [] if "rolcanlogin" in sql else [(False, True, True, True)]
        return self

    def fetchone(self):
        return self.rows[0]

    def fetchall(self):
        return self.rows


def test_an_open_network():
    """Is told; the server of these tests can only be reached from this machine."""
    (found,) = risks(Answers())
    assert "sslmode=verify-full" in found
