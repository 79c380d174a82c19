"""A real database that is served to an agent: leads with statuses, a history, and on PostgreSQL an ordinary role."""

import contextlib
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import sqlalchemy as sa
from tests.mcp.wire import Wire
from tests.stores.postgres.server import server

from handrail.data.rows import install

NAMES = itertools.count(1)
PASSWORD = "s3cret-of-role"
STATUSES = (("expired", 3104), ("error", 308), ("new", 1200), ("won", 388))
"""How many leads have which status."""

HEAD = """\
version: 1
four_eyes: false
reviewers: [dana@example.com]
agents: {bot: {access: write, owner: kim@example.com, tokens_per_day: 1000}, reader: {}}
"""
TABLES = "{lead: {write: [status], rows_max: 5000, rows_free: 2, insert: true, delete: true}}"


def policy(url, tables=TABLES):
    """Return a policy that declares the database."""
    return f"{HEAD}databases: {{shop: {{url: {json.dumps(url)}, tables: {tables}}}}}\n"


class Guarded:
    """A database.

    Attributes:
        dialect: `sqlite` or `postgres`.
        owner: Address of whoever may do everything.
        url: Address of the role that agents use.
        role: Its name, `""` on SQLite.
    """

    def __init__(self, dialect, folder, statuses=STATUSES):
        self.dialect, self.role, self._name = dialect, "", ""
        if dialect == "sqlite":
            self.owner = self.url = f"sqlite:///{folder / 'shop.db'}"
        else:
            self._name, self.role = server().new_database(), f"agent_{os.getpid()}_{next(NAMES)}"
            server().run(f"CREATE ROLE {self.role} LOGIN PASSWORD '{PASSWORD}'")
            self.owner = server().url(self._name)
            self.url = f"postgresql://{self.role}:{PASSWORD}@127.0.0.1:{server().port}/{self._name}"
        self.engine = sa.create_engine(self.owner.replace("postgresql:", "postgresql+psycopg:"), poolclass=sa.NullPool)
        every = [status for status, count in statuses for _ in range(count)]
        with self.engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE lead (id integer PRIMARY KEY, status text NOT NULL, note text)")
            connection.exec_driver_sql("CREATE TABLE secret (id integer PRIMARY KEY, word text)")
            rows = [{"id": number, "status": status, "note": "n"} for number, status in enumerate(every, 1)]
            connection.execute(sa.text("INSERT INTO lead VALUES (:id, :status, :note)"), rows)

    def run(self, *statements):
        """Run statements as somebody else, on a connection that nothing guards."""
        with self.engine.begin() as connection:
            for sql in statements:
                connection.exec_driver_sql(sql)

    def rows(self, sql="SELECT id, status, note FROM lead ORDER BY id"):
        """Return rows as they are."""
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql)]

    def counts(self):
        """Return how many leads have which status."""
        return dict(self.rows("SELECT status, count(*) FROM lead GROUP BY status"))

    def install(self):
        """Make the history and grant what the role needs."""
        with self.engine.begin() as connection:
            install(connection)
        if self.role:
            self.run(
                f"GRANT SELECT ON handrail_meta TO {self.role}",
                f"GRANT SELECT, INSERT ON handrail_change, handrail_row TO {self.role}",
                f"GRANT SELECT, INSERT, UPDATE, DELETE ON lead TO {self.role}",
            )

    def close(self):
        """Remove it."""
        self.engine.dispose()
        if self._name:
            server().drop(self._name)
            server().run(f"DROP ROLE {self.role}")


@contextlib.contextmanager
def guarded(dialect, folder, statuses=STATUSES):
    """A database, for as long as it is needed."""
    made = Guarded(dialect, folder, statuses)
    try:
        yield made
    finally:
        made.close()


class DataWire(Wire):
    """The data server as a child process, spoken to line by line."""

    def __init__(self, folder, *options, policy=None, agent="bot"):
        self.folder = folder
        if policy is not None:
            (folder / "handrail.yaml").write_text(policy)
        self.log = folder / "server.log"
        self.stderr = (folder / "stderr.txt").open("ab")
        self.process = subprocess.Popen(
            words(*options, agent=agent), cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.stderr
        )
        self._listen()


def words(*options, agent="bot"):
    """Return what starts the data server."""
    return [sys.executable, "-m", "handrail", "data", "serve", "--agent", agent, *map(str, options)]


def handrail(folder: Path, *args, input=None, code=0):
    """Run the command line in a process of its own; return its stdout."""
    ended = subprocess.run(
        [sys.executable, "-m", "handrail", *args],
        cwd=folder, input=input, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert ended.returncode == code, ended.stderr
    return ended.stdout
