"""The store stands apart from guarded data: who reaches it could approve for itself, or rewrite the journal."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from handrail.core.text import safe
from handrail.errors import ConfigurationError

if TYPE_CHECKING:
    from typing import LiteralString

    from handrail.core.store import Store

REACHES_STORE: LiteralString = """
    SELECT DISTINCT session_user::text
    FROM pg_catalog.pg_namespace AS n, pg_catalog.pg_class AS c, pg_catalog.pg_roles AS r
    WHERE n.nspname = 'handrail' AND c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v', 'm')
      AND EXISTS (SELECT 1 FROM pg_catalog.pg_class AS j WHERE j.relnamespace = n.oid AND j.relname = 'journal')
      AND pg_catalog.pg_has_role(session_user, r.oid, 'MEMBER')
      AND (r.oid IN (n.nspowner, c.relowner)
        OR pg_catalog.has_table_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER')
        OR pg_catalog.has_any_column_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE'))
      AND EXISTS (
        SELECT 1 FROM pg_catalog.pg_roles AS u
        WHERE pg_catalog.pg_has_role(session_user, u.oid, 'MEMBER')
          AND (u.oid = n.nspowner OR pg_catalog.has_schema_privilege(u.oid, n.oid, 'USAGE')))
"""
"""The role that is connected, where it can use anything in a schema `handrail` that holds a store; no row otherwise."""


def store_file(store: Store) -> Path | None:
    """Return the file that a store lives in, None for one without."""
    from handrail.stores.sqlite import SqliteStore  # noqa: PLC0415 (only where guarded data is used)

    return store.path if isinstance(store, SqliteStore) else None


def same_file(one: Path, other: Path) -> bool:
    """Return whether two paths name one file, by whatever links; a file that does not exist is known by its path."""
    try:
        return os.path.samefile(one, other)  # noqa: PTH121 (this one follows links on both sides)
    except OSError:
        return os.path.realpath(one) == os.path.realpath(other)


def keep_apart(file: str | Path | None, store: Path | None, name: str) -> None:
    """Refuse a SQLite database that is the store itself.

    Args:
        file: The database's file.
        store: The store's file, None when it has none.
        name: What the database is called, `""` when it has no name.

    Raises:
        ConfigurationError: It is.
    """
    if not file or store is None or not same_file(Path(file), store):
        return
    shown = f"The database '{safe(name)}'" if name else "This database"
    raise ConfigurationError(
        f"{shown} is the store itself ({safe(store)}), in which approvals and the journal live: an agent that changes "
        "rows there could approve for itself. Name another database, or give the store a file of its own under 'store'."
    )


def reached(role: object) -> ConfigurationError:
    """Return what is said of a PostgreSQL role that `REACHES_STORE` tells."""
    who = safe(role)
    return ConfigurationError(
        f"The role {who} can read or write the schema handrail of this database, in which a store keeps approvals and "
        "the journal: an agent could approve for itself. Put the store into a database of its own, or take the schema "
        f"from the role: REVOKE ALL ON SCHEMA handrail FROM {who}; and use a role that neither owns it nor is a "
        "member of its owner."
    )
