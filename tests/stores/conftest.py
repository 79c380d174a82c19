"""A new PostgreSQL database for a test, and a store in it."""

from collections.abc import Iterator

import pytest
from tests.stores.postgres.server import server

from handrail.stores.postgres import PostgresStore


@pytest.fixture
def database() -> Iterator[str]:
    name = server().new_database()
    yield name
    server().drop(name)


@pytest.fixture
def url(database) -> str:
    return server().url(database)


@pytest.fixture
def fleet(url) -> Iterator[PostgresStore]:
    """One store of a fleet."""
    opened = PostgresStore(url)
    yield opened
    opened.close()
