"""The stores that the suite runs on: one entry each."""

from collections.abc import Iterator

import pytest
from tests.stores.postgres.server import server

from handrail.core.store import Store
from handrail.stores.memory import MemoryStore
from handrail.stores.postgres import PostgresStore
from handrail.stores.sqlite import SqliteStore

STORES = {
    "memory": lambda folder: MemoryStore(),
    "sqlite": lambda folder: SqliteStore(folder / "handrail.db"),
    "postgres": lambda folder: PostgresStore(server().url(server().new_database())),
}


@pytest.fixture(params=STORES)
def store(request, tmp_path) -> Iterator[Store]:
    opened = STORES[request.param](tmp_path)
    yield opened
    opened.close()
