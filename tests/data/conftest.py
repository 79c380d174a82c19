"""Shops of each kind behind an open policy."""

import pytest
from tests.data.front import front


@pytest.fixture(params=["sqlite", "postgres"])
def shop(request, tmp_path):
    """Both."""
    with front(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def small(tmp_path):
    """SQLite alone."""
    with front("sqlite", tmp_path) as made:
        yield made
