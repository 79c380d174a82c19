"""Tables on which several processes work at once: keys of one and of two columns, cascades, a version column.

Every write gives each of its rows a token that nobody used before, so that a row's token tells its whole content, and
the history of a key is a chain of tokens. `wrote` is where writers of raw SQL tell what they did, in its transaction.
"""

import contextlib
import json

import sqlalchemy as sa
from tests.data.rows.real import _enforced
from tests.stores.postgres.server import server

from handrail.data.rows import GuardedRows, Table, install

SCHEMA = (
    "CREATE TABLE lead (id integer PRIMARY KEY, token text, status text, score integer, weight real, raw bytea)",
    "CREATE TABLE orders (id integer PRIMARY KEY, lead_id integer REFERENCES lead (id) ON DELETE CASCADE, token text, total integer)",
    "CREATE TABLE line (orders_id integer REFERENCES orders (id) ON DELETE CASCADE, n integer, token text, sku text, PRIMARY KEY (orders_id, n))",
    "CREATE TABLE stock (shop integer, item text, token text, amount integer, note text, rev integer NOT NULL DEFAULT 1, PRIMARY KEY (shop, item))",
    "CREATE INDEX of_lead ON orders (lead_id)",
)
WROTE = {
    "sqlite": "CREATE TABLE wrote (n integer PRIMARY KEY, name text, key text, before text, after text, sets text)",
    "postgres": "CREATE TABLE wrote (n bigserial PRIMARY KEY, name text, key text, before text, after text, sets text)",
}
COLUMNS = {
    "lead": ("id", "token", "status", "score", "weight", "raw"),
    "orders": ("id", "lead_id", "token", "total"),
    "line": ("orders_id", "n", "token", "sku"),
    "stock": ("shop", "item", "token", "amount", "note", "rev"),
}
KEYS = {"lead": ("id",), "orders": ("id",), "line": ("orders_id", "n"), "stock": ("shop", "item")}
TABLES = {
    "lead": Table(write={"token", "status", "score", "weight"}, insert=True, delete=True),
    "orders": Table(write={"token", "lead_id", "total"}, insert=True, delete=True),
    "line": Table(write={"token", "sku"}, insert=True, delete=True),
    "stock": Table(write={"token", "amount", "note"}, insert=True, delete=True, version="rev"),
}
ABSENT = "absent"
"""The token of a row that is not there."""

LEADS, ORDERS, LINES, STOCK = 12, 24, 2, 12
TEXTS = ("plain", "ä'\"\\ \n\t", "", "{}", "NULL", "日本", "%s", "1.0")


class Place:
    """A database for the soak.

    Attributes:
        dialect: `sqlite` or `postgres`.
        url: Where it is.
    """

    def __init__(self, dialect, url):
        self.dialect, self.url = dialect, url

    def engine(self, **options):
        """Return a new engine; a process that forks holds none open."""
        made = sa.create_engine(self.url, **options)
        if self.dialect == "sqlite":
            sa.event.listen(made, "connect", _enforced)
        return made

    @contextlib.contextmanager
    def guarded(self):
        """Return our way to it, with connections that are closed after each use."""
        engine = self.engine(poolclass=sa.pool.NullPool)
        yield GuardedRows(engine, TABLES, lock_s=10)
        engine.dispose()


@contextlib.contextmanager
def place(dialect, folder, *, wal=False):
    """Make a database with rows in it, and remove it."""
    name = ""
    url = f"sqlite:///{folder}/soak.db"
    if dialect == "postgres":
        name = server().new_database()
        server().run(f"ALTER DATABASE {name} SET deadlock_timeout = '50ms'")
        url = server().url(name).replace("postgresql:", "postgresql+psycopg:")
    made = Place(dialect, url)
    engine = made.engine(poolclass=sa.pool.NullPool)
    try:
        with engine.begin() as connection:
            for sql in (*SCHEMA, WROTE[dialect]):
                connection.exec_driver_sql(sql)
            _fill(connection)
            install(connection)
        if wal:
            with engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        engine.dispose()
        yield made
    finally:
        if name:
            server().drop(name)


def _fill(connection):
    for n in range(1, LEADS + 1):
        put(connection, "lead", (n, f"i{n}", TEXTS[n % 8], n * 10, n / 7, bytes([0, n, 255])))
    for n in range(1, ORDERS + 1):
        put(connection, "orders", (n, (n + 1) // 2, f"i{n}", n * 100))
        for line in range(1, LINES + 1):
            put(connection, "line", (n, line, f"i{line}", TEXTS[(n + line) % 8]))
    for n in range(1, STOCK + 1):
        put(connection, "stock", (n % 3, f"item-{n}", f"i{n}", n, TEXTS[n % 8], 1))


def put(connection, table, values):
    """Insert one row."""
    marks = ", ".join(f":v{at}" for at in range(len(values)))
    names = ", ".join(COLUMNS[table])
    given = {f"v{at}": value for at, value in enumerate(values)}
    connection.execute(sa.text(f"INSERT INTO {table} ({names}) VALUES ({marks})"), given)


def key_text(key):
    """Return a key as one text, however its values came."""
    return json.dumps([str(one) for one in key])


def value_text(value):
    """Return a value, or its cell in a plan or an image, as one text: two of them are equal when the values are."""
    if isinstance(value, dict):
        return repr(float(value["real"])) if "real" in value else f"x{value['blob']}"
    if isinstance(value, bytes | memoryview):
        return f"x{bytes(value).hex()}"
    if isinstance(value, str) and value.startswith("\\x"):
        return f"x{value[2:]}"
    return None if value is None else str(value)
