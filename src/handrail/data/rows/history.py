"""The history in the user's own database: what was changed and how its rows were; in the transaction of each change."""

# ruff: noqa: S608 (texts are made of quoted names and our own expressions; every value is bound)

from __future__ import annotations

import datetime as dt
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from handrail.core.digest import Json, canonical
from handrail.core.text import safe
from handrail.data.rows.backend import Backend
from handrail.data.rows.errors import ChangeRefused
from handrail.data.rows.plan import RowPlan, Touched
from handrail.data.rows.postgres import Postgres
from handrail.data.rows.sqlite import Sqlite
from handrail.errors import ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

TABLES = ("handrail_meta", "handrail_change", "handrail_row")
"""The tables of the history."""


@dataclass(frozen=True, slots=True)
class ChangeReceipt:
    """What was done.

    Attributes:
        change: Digest of the plan, which names the change from now on.
        rows: Rows that were changed, those that cascades took included.
        footprint: Rows inserted, updated and deleted, by table.
        applied_at: When, in UTC, as ISO 8601 writes it.
        undo_of: Digest of the change that it undid; `""` for any other.
        again: Whether the change had been made before, so that nothing was done now.
    """

    change: str
    rows: int
    footprint: Mapping[str, Touched]
    applied_at: str
    undo_of: str = ""
    again: bool = False


def backend(dialect: str) -> Backend:
    """Return the kind of database that SQLAlchemy names.

    Raises:
        ConfigurationError: It is another one.
    """
    if dialect == "sqlite":
        return Sqlite()
    if dialect == "postgresql":
        return Postgres()
    raise ConfigurationError(
        f"{safe(dialect)} is not guarded. Use PostgreSQL (postgresql+psycopg://…) or SQLite (sqlite:///…)."
    )


def ddl(dialect: str) -> str:
    """Return what `install` will run, to be shown first.

    Args:
        dialect: SQLAlchemy's name of the database.
    """
    return "".join(f"{statement};\n" for statement in backend(dialect).history)


def install(connection: Connection) -> bool:
    """Create the tables of the history and give the database its random id.

    The caller commits.

    Args:
        connection: A connection of a role that may create tables.

    Returns:
        Whether they were created: False when they are there already.
    """
    kind = backend(connection.dialect.name)
    if identity(kind, connection) is not None:
        return False
    for statement in kind.history:
        connection.exec_driver_sql(statement)
    connection.exec_driver_sql(
        f"INSERT INTO {kind.table('public', 'handrail_meta')} (name, value) VALUES ('database', {kind.mark})",
        (secrets.token_hex(16),),
    )
    return True


def identity(kind: Backend, connection: Connection) -> str | None:
    """Return the identity of the database, None when the history is not installed."""
    if kind.shape(connection, "", "handrail_meta") is None:
        return None
    found = connection.exec_driver_sql(
        f"SELECT value FROM {kind.table('public', 'handrail_meta')} WHERE name = {kind.mark}", ("database",)
    ).scalar()
    return None if found is None else kind.identity(connection, str(found))


def installed(kind: Backend, connection: Connection) -> str:
    """Return the identity of the database.

    Raises:
        ChangeRefused: The history is not installed.
    """
    found = identity(kind, connection)
    if found is None:
        raise ChangeRefused("This database has no history tables, so nothing is changed. Install them first.")
    return found


def prune(connection: Connection, before: dt.datetime) -> int:
    """Remove the kept rows of old changes. That the changes were made stays known, so no plan is applied twice.

    The caller commits. What was pruned cannot be undone any more.

    Args:
        connection: A connection to the database.
        before: Changes that were applied before are pruned; it has a time zone.

    Returns:
        How many changes were pruned.

    Raises:
        ValueError: `before` has no time zone.
    """
    if before.tzinfo is None:
        raise ValueError("The time before which changes are pruned needs a time zone.")
    kind = backend(connection.dialect.name)
    limit = _utc(before.timestamp())
    change, row = kind.table("public", "handrail_change"), kind.table("public", "handrail_row")
    old = f"SELECT id FROM {change} WHERE pruned = 0 AND applied_at < {kind.mark}"
    connection.exec_driver_sql(f"DELETE FROM {row} WHERE change_id IN ({old})", (limit,))
    return connection.exec_driver_sql(
        f"UPDATE {change} SET pruned = 1 WHERE pruned = 0 AND applied_at < {kind.mark}", (limit,)
    ).rowcount


def change_id(digest: str) -> int:
    """Return the number of a change: the first 60 bits of its digest."""
    return int(digest[:15], 16)


def receipt(kind: Backend, connection: Connection, digest: str) -> ChangeReceipt | None:
    """Return what is recorded of a change, None when it was not made."""
    found = connection.exec_driver_sql(
        f"SELECT rows, footprint, applied_at, undo_of FROM {kind.table('public', 'handrail_change')} "
        f"WHERE digest = {kind.mark}",
        (digest,),
    ).first()
    if found is None:
        return None
    counts = {name: (one[0], one[1], one[2]) for name, one in json.loads(found[1]).items()}
    return ChangeReceipt(digest, int(found[0]), counts, str(found[2]), str(found[3]))


def parts(kind: Backend, connection: Connection, digest: str) -> list[dict[str, Json]]:
    """Return what is recorded of the parts of a change, with the key columns of each.

    Raises:
        ChangeRefused: There is no such change, or its rows were pruned.
    """
    found = connection.exec_driver_sql(
        f"SELECT parts, pruned FROM {kind.table('public', 'handrail_change')} WHERE digest = {kind.mark}", (digest,)
    ).first()
    if found is None:
        raise ChangeRefused(f"No change {safe(digest)} was made in this database. List the changes.")
    if found[1]:
        raise ChangeRefused(f"The old rows of the change {safe(digest[:12])} were pruned, so it cannot be undone.")
    return list(json.loads(found[0]))


def record(
    kind: Backend,
    connection: Connection,
    plan: RowPlan,
    keys: list[tuple[str, ...]],
    stored: list[tuple[str, ...]],
    now_s: float,
) -> ChangeReceipt:
    """Record that a plan was applied; its digest is unique, so it never is again.

    Args:
        kind: The kind of database.
        connection: The transaction of the change.
        plan: The plan.
        keys: The key columns of each part.
        stored: The columns that the fingerprints of each part cover.
        now_s: The time, in seconds since 1970.
    """
    heads: list[Json] = [
        {**part.head(), "key": list(key), "content": list(content)}
        for part, key, content in zip(plan.parts, keys, stored, strict=True)
    ]
    made = ChangeReceipt(plan.digest, plan.rows, plan.footprint, _utc(now_s), plan.undo_of)
    footprint: Json = {name: list(counts) for name, counts in plan.footprint.items()}
    connection.exec_driver_sql(
        f"INSERT INTO {kind.table('public', 'handrail_change')} "
        f"(id, digest, parts, footprint, rows, undo_of, applied_at) VALUES ({', '.join([kind.mark] * 7)})",
        (
            change_id(plan.digest),
            plan.digest,
            canonical(heads).decode(),
            canonical(footprint).decode(),
            plan.rows,
            plan.undo_of,
            made.applied_at,
        ),
    )
    return made


def _utc(moment_s: float) -> str:
    return dt.datetime.fromtimestamp(moment_s, dt.UTC).isoformat(timespec="microseconds")
