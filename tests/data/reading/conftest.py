"""Worlds of both kinds, and of one."""

import pytest
from tests.data.reading.world import world
from tests.data.sql.real import POSTGRES, SQLITE


@pytest.fixture(scope="module", params=[POSTGRES, SQLITE], ids=str)
def either(request, tmp_path_factory):
    """Both, one after the other."""
    with world(request.param, tmp_path_factory.mktemp("either")) as made:
        yield made


@pytest.fixture(scope="module")
def postgres(tmp_path_factory):
    """A PostgreSQL database with a role for agents."""
    with world(POSTGRES, tmp_path_factory.mktemp("postgres")) as made:
        yield made


@pytest.fixture
def sqlite(tmp_path):
    """A SQLite file."""
    with world(SQLITE, tmp_path) as made:
        yield made
