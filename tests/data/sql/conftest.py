"""Both dialects, and a real database of each."""

import pytest
from tests.data.sql.real import POSTGRES, SQLITE, Postgres, Sqlite

from handrail.data.sql import Dialect


@pytest.fixture(params=list(Dialect))
def dialect(request):
    """Both."""
    return request.param


@pytest.fixture(scope="session")
def databases(tmp_path_factory):
    """A database of each kind."""
    made = {SQLITE: Sqlite(tmp_path_factory.mktemp("sqlite") / "corpus.db"), POSTGRES: Postgres()}
    yield made
    for database in made.values():
        database.close()
