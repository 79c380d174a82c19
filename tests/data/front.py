"""A shop behind an open policy: a real SQLite file, or PostgreSQL as a plain role, with a store and a reviewer."""

import asyncio
import contextlib
import functools
import inspect
from pathlib import Path

import sqlalchemy as sa
from tests.stores.postgres.server import server

import handrail
from handrail.core.record import RecordKind
from handrail.core.store import Query
from handrail.data.rows import install
from handrail.review.decide import approve, deny
from handrail.review.keys import enroll

SECRET = "a secret of kim's"

POLICY = """
version: 1
agents: {{bot: {{access: write, owner: dana}}}}
reviewers: [kim]
databases:
  shop:
    url: "{url}"
    tables:
      lead: {{write: [status, score], insert: true, delete: true, rows_free: {free}, rows_max: 50, inserts_free: 3}}
      note: {{write: [text]}}
"""
"""Tables in the policy."""

BARE = """
version: 1
agents: {bot: {access: write, owner: dana}}
reviewers: [kim]
"""
"""No table in the policy."""

SCHEMA = (
    "CREATE TABLE lead (id integer PRIMARY KEY, status text, score integer)",
    "CREATE TABLE note (lead_id integer PRIMARY KEY REFERENCES lead (id) ON DELETE CASCADE, text text)",
    *(f"INSERT INTO lead VALUES ({n}, '{'error' if n % 2 else 'open'}', {n * 10})" for n in range(1, 21)),
    "INSERT INTO note VALUES (1, 'one'), (2, 'two')",
)


@functools.cache
def kim():
    """Return the reviewer, enrolled once: that is slow on purpose."""
    return enroll("kim", SECRET)


class Front:
    """A database, and workspaces over one store of its own; each workspace is as good as another process."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder
        self.store = f"sqlite:///{folder / 'handrail.db'}"
        self.engine = sa.create_engine(url)
        if self.engine.dialect.name == "sqlite":
            sa.event.listen(self.engine, "connect", lambda one, _: one.execute("PRAGMA foreign_keys = ON"))
        self.run(*SCHEMA)
        with self.engine.begin() as connection:
            install(connection)
        self.write(POLICY)
        with self.open() as hr:
            hr.store.transact(lambda tx: tx.put_reviewer(kim()))

    def write(self, text, **values):
        """Write the policy."""
        text = text.format(**{"url": self.url, "free": 3, **values}) if "{{" in text else text
        (self.folder / "handrail.yaml").write_text(text)

    def open(self):
        """Return a workspace."""
        return handrail.open(self.folder / "handrail.yaml", store=self.store)

    def using(self, where="shop", *, id=None, **options):
        """Open a workspace with its database, in a run, as another process would."""
        return _Using(self, where, id, options)

    def decide(self, held, decide=approve):
        """Decide a ticket as kim, in a process of her own."""
        with self.open() as hr:
            decide(hr.store, hr.policy, held.value.ticket, reviewer="kim", secret=SECRET)

    def refuse(self, held):
        """Deny a ticket as kim."""
        self.decide(held, deny)

    def run(self, *statements):
        """Run statements as somebody else would."""
        with self.engine.begin() as connection:
            for sql in statements:
                connection.exec_driver_sql(sql)

    def rows(self, sql):
        """Return rows of a query."""
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql)]

    def lead(self, *ids):
        """Return the status of leads."""
        found = dict(self.rows("SELECT id, status FROM lead"))
        return [found.get(id) for id in ids]

    def changes(self):
        """Return how many changes were made."""
        return self.rows("SELECT count(*) FROM handrail_change")[0][0]

    def journal(self, *kinds):
        """Return the rows of the journal as (tool, kind, status, reason)."""
        with self.open() as hr:
            found = hr.store.read(lambda tx: [row.record for row in tx.records(Query(kinds=kinds, limit=10_000))])
            assert hr.store.verify().faults == ()
        return found

    def hole(self):
        """Return the intents that have no outcome."""
        found = self.journal()
        begun = {one.action for one in found if one.kind is RecordKind.ATTEMPT and not one.status}
        with self.open() as hr:
            open_ = {call.action for call in hr.store.read(lambda tx: tx.unsettled())}
        return (begun - {one.action for one in found if one.kind is RecordKind.OUTCOME}) | open_

    def tickets(self):
        """Return the states of all tickets."""
        with self.open() as hr:
            return sorted(ticket.state.value for ticket in hr.store.read(lambda tx: tx.tickets()))


class _Using:
    """A database in a run, for as long as it is needed; a run cannot begin in a generator."""

    def __init__(self, shop, where, id, options):
        self.shop, self.where, self.id, self.options = shop, where, id, options

    def __enter__(self):
        self.stack = contextlib.ExitStack()
        with self.stack as stack:
            hr = stack.enter_context(self.shop.open())
            db = Waited(hr.database(self.where, **self.options))
            stack.enter_context(hr.run("bot", id=self.id))
            self.stack = stack.pop_all()
        return db

    def __exit__(self, *error):
        return self.stack.__exit__(*error)


class Waited:
    """A guarded database of either kind, whose verbs are waited for."""

    def __init__(self, database):
        self.database = database

    def __getattr__(self, name):
        verb = getattr(self.database, name)

        def waited(*args, **kwargs):
            made = verb(*args, **kwargs)
            return _loop().run_until_complete(made) if inspect.isawaitable(made) else made

        return waited if callable(verb) else verb


_LOOPS: list[asyncio.AbstractEventLoop] = []


def _loop():
    return _LOOPS[-1]


@contextlib.contextmanager
def looping():
    """Have one event loop, on which all async verbs run."""
    loop = asyncio.new_event_loop()
    _LOOPS.append(loop)
    try:
        yield loop
    finally:
        _LOOPS.pop()
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


@contextlib.contextmanager
def front(kind: str, folder: Path):
    """Make a shop of a kind, and remove it."""
    if kind == "sqlite":
        made = Front(f"sqlite:///{folder / 'shop.db'}", folder)
        try:
            yield made
        finally:
            made.engine.dispose()
        return
    name = server().new_database()
    role = f"shop_{name}"
    server().run(f"CREATE ROLE {role} LOGIN PASSWORD 'pw'")
    server().run(f"ALTER DATABASE {name} OWNER TO {role}")
    server().run(f"GRANT ALL ON SCHEMA public TO {role}", name)
    try:
        made = Front(f"postgresql+psycopg://{role}:pw@127.0.0.1:{server().port}/{name}", folder)
        yield made
        made.engine.dispose()
    finally:
        server().drop(name)
        server().run(f"DROP ROLE {role}")
