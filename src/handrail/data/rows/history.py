"""The history in the user's own database: what was changed and how its rows were; in the transaction of each change."""

# ruff: noqa: S608 (texts are made of quoted names and our own expressions; every value is bound)

from __future__ import annotations

import datetime as dt
import json
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from handrail.core.digest import Json, canonical
from handrail.core.text import safe
from handrail.data.rows.backend import UNDOING_MAX, Backend, DatabaseState
from handrail.data.rows.errors import ChangeRefused, Key
from handrail.data.rows.plan import RowPlan, Touched
from handrail.data.rows.postgres import Postgres
from handrail.data.rows.shape import TableShape
from handrail.data.rows.sqlite import Sqlite
from handrail.data.sql.change import Operation
from handrail.errors import ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

KEYS_KEPT = 20
"""Keys of inserted rows that a receipt tells of each part."""

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
        keys: For each table the primary keys of rows that were inserted, at most 20 of each part.
    """

    change: str
    rows: int
    footprint: Mapping[str, Touched]
    applied_at: str
    undo_of: str = ""
    again: bool = False
    keys: Mapping[str, tuple[Key, ...]] = field(default_factory=dict)


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
    found = kind.state(connection)
    return None if found is None else found.identity


def state(
    kind: Backend,
    connection: Connection,
    tables: Sequence[tuple[str, str]] = (),
    digest: str = "",
    counted: Collection[str] | None = None,
    undone: str = "",
) -> DatabaseState:
    """Return what stands in the database, as `Backend.state` does.

    Raises:
        ChangeRefused: The history is not installed.
    """
    found = kind.state(connection, tables, digest, counted, undone)
    if found is None:
        raise ChangeRefused(
            "This database has no history tables, so nothing is changed. Install them: handrail data install"
        )
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


def receipt(digest: str, found: Sequence[object], *, again: bool = False) -> ChangeReceipt:
    """Return what is recorded of a change.

    Args:
        digest: Its digest.
        found: What `DatabaseState.change` tells.
        again: Whether it had been made before.
    """
    counts = {name: (one[0], one[1], one[2]) for name, one in json.loads(str(found[1])).items()}
    made: dict[str, tuple[Key, ...]] = {}
    for head in json.loads(str(found[4])):
        _add_keys(made, head, map(tuple, head.get("keys", ())))
    return ChangeReceipt(digest, int(str(found[0])), counts, str(found[2]), str(found[3]), again, made)


def _add_keys(made: dict[str, tuple[Key, ...]], head: Mapping[str, Json], keys: Iterable[Key]) -> None:
    name = f"{head['schema']}.{head['table']}" if head["schema"] else str(head["table"])
    found = (*made.get(name, ()), *keys)
    if found:
        made[name] = found


def changes(kind: Backend, connection: Connection, limit: int) -> list[ChangeReceipt]:
    """Return the changes that were made last, newest first.

    Args:
        kind: The kind of database.
        connection: A transaction that reads.
        limit: How many at most.
    """
    found = connection.exec_driver_sql(
        "SELECT digest, rows, footprint, applied_at, undo_of, parts "
        f"FROM {kind.table('public', 'handrail_change')} ORDER BY applied_at DESC, id LIMIT {kind.mark}",
        (limit,),
    )
    return [receipt(str(row[0]), tuple(row[1:])) for row in found]


def is_undone(state: DatabaseState) -> str:
    """Return the digest of the undo by which a change is undone now, `""` when it stands: also once that was undone.

    Args:
        state: What stands in the database, of that change.

    Raises:
        ChangeRefused: It was undone and redone too often to tell.
    """
    if len(state.undoing) >= UNDOING_MAX:
        raise ChangeRefused(
            f"The change was undone and redone in turn {UNDOING_MAX:,} times, so nobody can tell whether it stands. "
            "Plan a new change instead."
        )
    return state.undoing[0] if len(state.undoing) % 2 else ""


def parts(digest: str, found: Sequence[object] | None) -> list[dict[str, Json]]:
    """Return what is recorded of the parts of a change, with the key columns of each.

    Args:
        digest: Its digest.
        found: What `DatabaseState.change` tells.

    Raises:
        ChangeRefused: There is no such change, or its rows were pruned.
    """
    if found is None:
        raise ChangeRefused(f"No change {safe(digest)} was made in this database. List the changes.")
    if found[5]:
        raise ChangeRefused(f"The old rows of the change {safe(digest[:12])} were pruned, so it cannot be undone.")
    return list(json.loads(str(found[4])))


def _made(kind: Backend, connection: Connection, plan: RowPlan) -> dict[int, list[Key]]:
    """Return the keys of the first rows that each part has inserted."""
    numbers = [str(at) for at, part in enumerate(plan.parts) if part.operation is Operation.INSERT and part.rows]
    if not numbers:
        return {}
    found = connection.exec_driver_sql(
        f"SELECT h.part, {kind.out('h.key')} FROM {kind.table('public', 'handrail_row')} AS h WHERE h.change_id = "
        f"{change_id(plan.digest)} AND h.part IN ({', '.join(numbers)}) AND {kind.place(0)} AND h.n < {KEYS_KEPT} "
        "ORDER BY h.part, h.n"
    )
    made: dict[int, list[Key]] = {}
    for row in found:
        made.setdefault(int(row[0]), []).append(kind.image_cells(row[1]))
    return made


def record(
    kind: Backend, connection: Connection, plan: RowPlan, shapes: Sequence[TableShape], now_s: float
) -> tuple[ChangeReceipt, Mapping[str, Touched], Sequence[TableShape | None]]:
    """Record that a plan was applied; its digest is unique, so it never is again.

    Args:
        kind: The kind of database.
        connection: The transaction of the change.
        plan: The plan.
        shapes: The tables of its parts.
        now_s: The time, in seconds since 1970.

    Returns:
        The receipt, what this connection has touched until now, and the tables as they are after the write.
    """
    made = _made(kind, connection, plan)
    heads: list[Json] = []
    keys: dict[str, tuple[Key, ...]] = {}
    for number, (part, shape) in enumerate(zip(plan.parts, shapes, strict=True)):
        head: dict[str, Json] = {**part.head(), "key": list(shape.key), "content": list(shape.stored)}
        if number in made:
            head["keys"] = [list(key) for key in made[number]]
            _add_keys(keys, head, made[number])
        heads.append(head)
    done = ChangeReceipt(plan.digest, plan.rows, plan.footprint, _utc(now_s), plan.undo_of, keys=keys)
    footprint: Json = {name: list(counts) for name, counts in plan.footprint.items()}
    again = kind.again([(shape.schema, shape.name) for shape in shapes])
    found = connection.exec_driver_sql(
        f"INSERT INTO {kind.table('public', 'handrail_change')} "
        f"(id, digest, parts, footprint, rows, undo_of, applied_at) VALUES ({', '.join([kind.mark] * 7)}) "
        f"RETURNING {kind.touches(plan.footprint)}{'' if again is None else ', ' + again[0]}",
        (
            change_id(plan.digest),
            plan.digest,
            canonical(heads).decode(),
            canonical(footprint).decode(),
            plan.rows,
            plan.undo_of,
            done.applied_at,
            *(() if again is None else again[1]),
        ),
    ).one()
    now = shapes if again is None else kind.shapes(found[1], len(shapes))
    return done, kind.touched(found[0], plan.footprint), now


def _utc(moment_s: float) -> str:
    return dt.datetime.fromtimestamp(moment_s, dt.UTC).isoformat(timespec="microseconds")
