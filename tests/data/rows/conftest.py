"""A fresh database of each kind."""

import pytest
from tests.data.rows.real import database


@pytest.fixture(params=["sqlite", "postgres"])
def shop(request, tmp_path):
    """Both."""
    with database(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def sqlite(tmp_path):
    """SQLite alone."""
    with database("sqlite", tmp_path) as made:
        yield made


@pytest.fixture
def postgres(tmp_path):
    """PostgreSQL alone."""
    with database("postgres", tmp_path) as made:
        yield made
