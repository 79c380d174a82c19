"""Real databases of the corpus with a role for agents, and readers of them."""

import contextlib
import time
from pathlib import Path

import psycopg
from tests.data.sql.real import POSTGRES, SQLITE, Postgres, Sqlite, collected
from tests.data.sql.statements import REFUSED_BOTH, REFUSED_POSTGRES, REFUSED_SQLITE
from tests.stores.postgres.server import server

from handrail.data.reading import ReadLimits
from handrail.data.reading.place import place
from handrail.data.reading.postgres import PostgresReads
from handrail.data.reading.sqlite import SqliteReads

HOSTILE = {
    dialect: [line["sql"] for line in collected("hostile", dialect)]
    + [line["sql"] for line in collected("changes", dialect)]
    + list(REFUSED_BOTH)
    + list(own)
    for dialect, own in ((POSTGRES, REFUSED_POSTGRES), (SQLITE, REFUSED_SQLITE))
}
"""Everything that must change nothing: what others and we collected, and all changes."""


class SqliteWorld(Sqlite):
    """A SQLite file that anybody may write to."""

    dialect = SQLITE

    @property
    def url(self):
        return f"sqlite:///{self.path}"

    def reads(self, limits=None):
        """Return the enforced connection, without a classifier before it."""
        return SqliteReads(place(self.url), limits or ReadLimits())


class PostgresWorld(Postgres):
    """A database whose agents' role owns all tables: only the read-only transaction stands before a write."""

    dialect = POSTGRES

    def __init__(self):
        super().__init__()
        self.role = f"agent_{self.database}"
        self.make_role(self.role)
        for (table,) in self.run("SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'"):
            self.connection.execute(f"ALTER TABLE {table} OWNER TO {self.role}")
        self.connection.execute(f"GRANT ALL ON SCHEMA public TO {self.role}")
        self.connection.execute(f"GRANT ALL ON SEQUENCE s TO {self.role}")

    def make_role(self, name):
        """Make an ordinary role that may log in."""
        self.connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 's3cret-of-role'")

    def url_of(self, role, password="s3cret-of-role"):
        """Return the address for a role."""
        return f"postgresql://{role}:{password}@127.0.0.1:{server().port}/{self.database}"

    @property
    def url(self):
        return self.url_of(self.role)

    def reads(self, limits=None):
        """Return the enforced connection, without a classifier before it."""
        return PostgresReads(place(self.url), limits or ReadLimits())

    def close(self):
        """Remove the database, then the roles that owned what was in it."""
        server().run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{self.role}'")
        end = time.monotonic() + 60
        while sessions(self.database, self.role) and time.monotonic() < end:
            time.sleep(0.1)  # format('%1000000000s') hears neither a cancel nor the end of its connection for seconds
        super().close()
        server().drop(self.database)
        for (name,) in server().run(f"SELECT rolname FROM pg_roles WHERE rolname LIKE '%{self.database}'"):
            server().run(f"DROP ROLE {name}")


@contextlib.contextmanager
def world(dialect, folder: Path):
    """A world of a kind, for as long as it is needed."""
    made = SqliteWorld(folder / "corpus.db") if dialect is SQLITE else PostgresWorld()
    try:
        yield made
    finally:
        made.close()


def sessions(database, role):
    """Return the process ids of a role's sessions."""
    with psycopg.connect(server().url(database), autocommit=True) as connection:
        rows = connection.execute("SELECT pid FROM pg_stat_activity WHERE usename = %s", (role,)).fetchall()
    return [row[0] for row in rows]
