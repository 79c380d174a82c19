"""Catalogs of the corpus, and real databases that tell whether anything in them changed."""

import hashlib
import json
import sqlite3
import time
from pathlib import Path

import psycopg
from tests.stores.postgres.server import server

from handrail.data.sql import Catalog, Dialect

CORPUS = Path(__file__).parent / "corpus"
POSTGRES, SQLITE = Dialect.POSTGRES, Dialect.SQLITE
TIME_MAX_S = 2
STATE_POSTGRES = (
    "SELECT last_value, is_called FROM s",
    "SELECT count(*) FROM pg_largeobject_metadata",
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'",
    "SELECT oid, relname, relkind FROM pg_class ORDER BY oid",
    "SELECT name, setting FROM pg_settings WHERE source = 'session' ORDER BY name",
    "SELECT oid, rolname FROM pg_authid ORDER BY oid",
)


def schema(dialect):
    """Return the tables of the corpus as JSON, with their keys."""
    said = {"lead": "id status score company_size owner updated_at", "order_line": "order_id line_no sku qty price"}
    said |= {
        "customer": "id name email country created_at profile",
        "orders": "id customer_id total currency placed_at",
    }
    said |= {"event": "at kind payload"}
    form = {name: {"columns": columns.split(), "primary_key": ["id"]} for name, columns in said.items()}
    form["order_line"]["primary_key"], form["event"]["primary_key"] = ["order_id", "line_no"], []
    form["Mixed Case"] = {"columns": ["Id", "select"], "primary_key": ["Id"]}
    if dialect is POSTGRES:
        form["orders"]["columns"].append("tags")
    return form


def catalog(dialect):
    """Return the catalog of the corpus. The table `api_key` is not in it: agents are not told of it."""
    return Catalog.from_json(schema(dialect), dialect)


def collected(name, dialect):
    """Return the lines of a file that somebody else collected."""
    text = (CORPUS / f"{name}_{dialect.value}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


class Sqlite:
    """A real SQLite file, written to without any protection of its own."""

    def __init__(self, path):
        self.path = path
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.executescript((CORPUS / "schema_sqlite.sql").read_text(encoding="utf-8"))

    def run(self, sql):
        """Return the rows, within the time limit."""
        end = time.monotonic() + TIME_MAX_S
        self.connection.set_progress_handler(lambda: time.monotonic() > end, 10_000)
        try:
            return self.connection.execute(sql).fetchall()
        finally:
            self.connection.set_progress_handler(None, 0)

    def state(self):
        """Return a hash of the file's bytes and of its contents."""
        dump = "\n".join(self.connection.iterdump())
        return hashlib.sha256(self.path.read_bytes() + dump.encode()).hexdigest()

    def close(self):
        """Close."""
        self.connection.close()


class Postgres:
    """A database on a real server, used by its superuser, so that nothing but the classifier protects it."""

    def __init__(self):
        self.database = server().new_database()
        self.connection = psycopg.connect(server().url(self.database), autocommit=True)
        self.connection.execute((CORPUS / "schema_postgres.sql").read_text(encoding="utf-8"))
        self.connection.execute("CREATE SEQUENCE s")
        self.connection.execute(f"SET statement_timeout = '{TIME_MAX_S}s'")

    def run(self, sql):
        """Return the rows, within the time limit. What a transaction left behind is kept."""
        cursor = self.connection.execute(sql, prepare=True)
        return cursor.fetchall() if cursor.description else []

    def state(self):
        """Return a hash of all tables, and of what lies beside them."""
        tables = self.run("SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        digest = hashlib.sha256()
        for sql in (*STATE_POSTGRES, *(f"SELECT t.xmin, t.ctid, t::text FROM {name} t" for (name,) in tables)):
            digest.update(repr(self.run(sql)).encode())
        return digest.hexdigest()

    def close(self):
        """Close."""
        self.connection.close()
