"""Where facts, tickets and the journal live.

To add a store: implement `core.store.Store`, name its scheme below, and add one entry to
`tests/conformance/conftest.py`; the same suite then runs on it.
"""

from __future__ import annotations

import re
from pathlib import Path

from handrail.core.store import Store
from handrail.core.text import safe
from handrail.errors import ConfigurationError


def connect(url: str, folder: Path) -> Store:
    """Open the store at an address.

    Args:
        url: `sqlite:///path` (relative to `folder`), `sqlite:////absolute/path`, `postgresql://user@host:port/database`,
            or `memory:`.
        folder: What relative paths start from.

    Raises:
        ConfigurationError: The address names no store that is known.
        StoreError: The store cannot be opened.
    """
    if url == "memory:":
        from handrail.stores.memory import MemoryStore  # noqa: PLC0415 (only what is used is loaded)

        return MemoryStore()
    if url.startswith("sqlite:///") and url != "sqlite:///":
        from handrail.stores.sqlite import SqliteStore  # noqa: PLC0415

        return SqliteStore(folder / url.removeprefix("sqlite:///"))
    if re.match(r"postgresql(?:\+\w+)?://", url):
        return _postgres(url)
    raise ConfigurationError(
        f"'{safe(url.partition(':')[0], max_chars=40)}:…' is not the address of a store. "  # the rest may be secret
        "Use sqlite:///.handrail/handrail.db, postgresql://user@host:port/database, or memory: for a trial."
    )


def _postgres(url: str) -> Store:
    try:
        from handrail.stores.postgres import PostgresStore  # noqa: PLC0415
    except ImportError as error:
        if not (error.name or "psycopg").startswith("psycopg"):
            raise
        raise ConfigurationError(
            "The store is in PostgreSQL, and psycopg is not installed. Run: pip install 'handrail[postgres]'"
        ) from error
    return PostgresStore(url)
