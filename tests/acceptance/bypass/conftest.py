"""What the roads share: keys that are derived once, and servers that are started once."""

import functools

import pytest

from handrail.review import decide, keys
from tests.acceptance.bypass.mcp_road import Pool

enroll = functools.cache(keys.enroll)  # deriving a key is slow on purpose, and every case has a reviewer


@pytest.fixture(autouse=True)
def fast_enrolling(monkeypatch):
    """Derive the key of a reviewer once for all cases."""
    monkeypatch.setattr(decide, "enroll", enroll)


@pytest.fixture(scope="session")
def servers():
    """MCP servers that wait to be told what to answer."""
    pool = Pool()
    yield pool
    pool.close()
