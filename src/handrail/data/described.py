"""What is told of a database: its tables, what may be changed in them or why nothing may, and the rows of a query."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from handrail.core.digest import Json
from handrail.core.names import did_you_mean
from handrail.core.text import safe
from handrail.core.tool import Access, Agent, Tool
from handrail.data.reading import Rows
from handrail.data.rows import ChangeRefused
from handrail.data.sql import Table as KnownTable
from handrail.data.table import Table


def described(table: KnownTable, limits: Table | None, nothing: str) -> Json:
    """Return what is told of a table.

    Args:
        table: The table.
        limits: What is declared of it, None when nothing is.
        nothing: Why whoever asks may change nothing at all, `""` when they may.
    """
    key = table.primary_key
    form: dict[str, Json] = {
        "table": f"{table.schema}.{table.name}" if table.schema else table.name,
        "columns": [{"name": column.name, "type": column.type} for column in table.columns],
        "primary_key": None if key is None else list(key),
        "view": table.view,
    }
    if why := _only_read(table, limits, nothing):
        return {**form, "may": "read", "why": why}
    assert limits is not None
    write: list[Json] = [column.name for column in table.columns if column.name in limits.write]
    may: dict[str, Json] = {"update": write, "insert": limits.insert, "delete": limits.delete}
    return {**form, "may": {**may, "rows_max": limits.rows_max, "rows_free": limits.rows_free}}


def _only_read(table: KnownTable, limits: Table | None, nothing: str) -> str:
    """Return why a table cannot be changed, `""` when something of it can."""
    if table.view:
        return "It is a view, and views are not changed. Change the tables under it."
    if limits is None:
        return "The policy does not declare it. Its operator can, under 'tables'."
    if not table.primary_key:
        return "It has no primary key, so its rows cannot be named, and none is changed."
    return nothing


def limits_of(tables: Mapping[str, Table], table: KnownTable) -> Table | None:
    """Return what is declared of a table, by its full name or its short one, None when nothing is."""
    full = f"{table.schema}.{table.name}" if table.schema else table.name
    return tables.get(full) or tables.get(table.name)


def no_write(agent: Agent | None, tool: Tool | None) -> str:
    """Return why an agent may change nothing, `""` when it may.

    Args:
        agent: The agent, None when undeclared.
        tool: What would change something.
    """
    if agent is None or agent.access is Access.WRITE:
        return ""
    if agent.access is Access.WRITE_NONCRITICAL and tool is not None and not tool.critical:
        return ""
    return f"The agent '{safe(agent.name)}' has access {agent.access}. A person can give more, in handrail.yaml."


def never_made(change: str, *, planned: bool, act: str) -> ChangeRefused:
    """Return why a change that was never made is not undone.

    Args:
        change: Its digest, or what somebody took for one.
        planned: Whether a plan of that name is kept.
        act: The verb that applies that plan.
    """
    short = safe(change[:12])
    if not planned:
        return ChangeRefused(
            f"There is no change {short} in this database, and no plan of that name is kept, so there is nothing to "
            "undo. Give the 'change' of one that was applied."
        )
    return ChangeRefused(
        f"The change {short} is planned and was not applied: {act} was not called yet, or did not succeed. So there is "
        "nothing to undo."
    )


def unknown_table(names: Iterable[str], tables: Iterable[KnownTable]) -> str:
    """Return that a statement names a table that there is not, with the nearest one."""
    known = {table.name.lower() for table in tables}
    for name in names:
        short = name.rpartition(".")[2]
        if short.lower() not in known:
            return f"There is no table {safe(name)}.{did_you_mean(short, sorted(known))} Ask describe for all of them."
    return "It names a table that is not known. Ask describe for all of them."


def rows_form(rows: Rows) -> Json:
    """Return the answer to a query as the journal keeps it."""
    return {
        "columns": list(rows.columns), "rows": [list(row) for row in rows.rows], "truncated": rows.truncated,
        "why": rows.why,
    }  # fmt: skip


def rows_of(form: Json) -> Rows:
    """Return the answer that was kept of a query."""
    match form:
        case {"columns": list(columns), "rows": list(rows), "truncated": bool(cut), "why": str(why)}:
            lines = tuple(tuple(row) for row in rows if isinstance(row, list))
            return Rows(tuple(map(str, columns)), lines, cut, why)
    raise ValueError("This is not the answer to a query.")
