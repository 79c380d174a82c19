"""A real SQLite file or PostgreSQL database with customers, their orders and notes, and a second writer beside us."""

import contextlib

import pytest
import sqlalchemy as sa
from tests.stores.postgres.server import server

from handrail.data.rows import ChangeRefused, GuardedRows, Table, install
from handrail.data.sql import classify
from handrail.data.sql.reflect import reflect

SCHEMA = (
    "CREATE TABLE lead (id integer PRIMARY KEY, status text, score integer, price numeric(10,2), rev integer DEFAULT 1)",
    "CREATE TABLE orders (id integer PRIMARY KEY, lead_id integer REFERENCES lead (id) ON DELETE CASCADE, total integer)",
    (
        "CREATE TABLE line (orders_id integer REFERENCES orders (id) ON DELETE CASCADE, n integer, sku text, "
        "PRIMARY KEY (orders_id, n))"
    ),
    "CREATE TABLE audit (id integer, what text)",
    (
        "INSERT INTO lead (id, status, score, price) VALUES (1, 'error', 10, 1.50), (2, 'error', 20, 2.50), "
        "(3, 'expired', 30, NULL), (4, 'expired', 40, 4.50), (5, 'open', 50, 5.50), (6, NULL, NULL, NULL)"
    ),
    "INSERT INTO orders VALUES (11, 1, 100), (12, 1, 200), (13, 2, 300)",
    "INSERT INTO line VALUES (11, 1, 'a'), (11, 2, 'b'), (13, 1, 'c')",
)
TABLES = {
    "lead": Table(write={"status", "score", "price"}, insert=True, delete=True),
    "orders": Table(write={"total", "lead_id"}, insert=True, delete=True),
    "line": Table(write={"sku"}, insert=True, delete=True),
}


def refused(plan, text):
    """The plan is refused with that sentence."""
    with pytest.raises(ChangeRefused, match=text):
        plan()


class Database:
    """A database of ours, with its engine."""

    def __init__(self, dialect, url):
        self.dialect, self.url = dialect, url
        self.engine = sa.create_engine(url)
        if dialect == "sqlite":
            sa.event.listen(self.engine, "connect", _enforced)

    @property
    def prefix(self):
        """What stands before a table in a footprint."""
        return "" if self.dialect == "sqlite" else "public."

    def run(self, *statements):
        """Run statements as somebody else would, each group committed."""
        with self.engine.begin() as connection:
            for sql in statements:
                connection.exec_driver_sql(sql)

    def rows(self, sql):
        """Return the rows of a query."""
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql)]

    def all(self):
        """Return everything but the history."""
        names = [name for name in sa.inspect(self.engine).get_table_names() if not name.startswith("handrail_")]
        return {name: self.rows(f"SELECT * FROM {name} ORDER BY 1, 2") for name in names}

    def kept(self):
        """Return how many rows the history has."""
        return self.rows("SELECT count(*) FROM handrail_change")[0][0], self.rows("SELECT count(*) FROM handrail_row")[
            0
        ][0]

    def guarded(self, tables=None, **options):
        """Return our way to it."""
        return GuardedRows(self.engine, TABLES if tables is None else tables, **options)

    def change(self, sql):
        """Return the change that a statement asks for."""
        found = classify(sql, self.dialect, reflect(self.engine))
        assert found.change is not None, found.why
        return found.change

    def close(self):
        """Close all connections."""
        self.engine.dispose()


def _enforced(connection, _record):
    connection.execute("PRAGMA foreign_keys = ON")


@contextlib.contextmanager
def database(dialect, folder, *, schema=SCHEMA):
    """Make a database with the history, and remove it."""
    name = ""
    if dialect == "sqlite":
        url = f"sqlite:///{folder}/shop.db"
    else:
        name = server().new_database()
        url = server().url(name).replace("postgresql:", "postgresql+psycopg:")
    made = Database(dialect, url)
    try:
        made.run(*schema)
        with made.engine.begin() as connection:
            install(connection)
        yield made
    finally:
        made.close()
        if name:
            server().drop(name)
