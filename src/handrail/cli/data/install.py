"""`handrail data install`: the tables in which a database keeps what was changed, shown first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from handrail.policy.guarded import DatabaseSpec

Name: TypeAlias = Annotated[
    str, typer.Argument(metavar="NAME", help="A name under 'databases' [the only one].", show_default=False)
]
Url: TypeAlias = Annotated[
    str, typer.Option("--url", metavar="URL", help="Its address, in place of the policy's.", show_default=False)
]


def install(
    ctx: typer.Context,
    name: Name = "",
    url: Url = "",
    apply: Annotated[bool, typer.Option("--apply", help="Create the tables.")] = False,
) -> None:
    """Show the tables of the history that guarded changes need; create them with --apply.

    On PostgreSQL that takes a role that may create tables in the schema public; give it with --url. The role that
    agents use needs less: what to grant to it is shown too.
    """
    from handrail.cli.options import options
    from handrail.cli.output import emit, line, say
    from handrail.data.rows import history

    called, spec, where = found(ctx, name, url)
    words = " ".join(filter(None, ["handrail data install", called, "--url URL" if url else "", "--apply"]))
    with connected(where) as connection:
        dialect = connection.dialect.name
        there = _is_there(connection)
        text = history.ddl(dialect)
        if apply and not there:
            if dialect == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")  # the driver begins none before CREATE TABLE
            history.install(connection)
            connection.commit()
    grants = _grants(spec) if dialect == "postgresql" else ""
    if options(ctx).json:
        emit({"installed": there or apply, "created": apply and not there, "ddl": text, "grants": grants})
        return
    if there:
        line("The history tables are there already. Nothing was created.")
    elif apply:
        line("Created the history tables: changes can be planned, applied and undone now.")
    else:
        line(text.rstrip("\n"))
    if grants and not apply:
        line(f"\n{grants}".rstrip("\n"))
    if not there and not apply:
        say(f"Nothing was created. Create the tables with: {words}")


def found(ctx: typer.Context, name: str, url: str) -> tuple[str, DatabaseSpec | None, str]:
    """Return the database that the command line means: its name, what is declared of it, and its address.

    With an address and no name, no policy is needed.

    Raises:
        ConfigurationError: There is no such database.
    """
    from pathlib import Path

    from handrail.cli.options import options
    from handrail.cli.settings import load_policy, resolve
    from handrail.mcp.data_place import absolute, address, meant
    from handrail.policy.guarded import DatabaseSpec

    if url and not name:
        return "", None, absolute(url, Path.cwd())
    settings = resolve(options(ctx))
    places = load_policy(settings).document.places
    database = meant(places, name, url, Path.cwd())
    spec = places.get(database.name)
    assert settings.policy is not None
    where = address(places, database, settings.policy.absolute().parent)
    return database.name, spec if isinstance(spec, DatabaseSpec) else None, where


@contextmanager
def connected(where: str) -> Iterator[Connection]:
    """Yield a connection, and turn what the database says into a sentence.

    Args:
        where: Address of the database.

    Raises:
        ConfigurationError: It cannot be used.
    """
    from sqlalchemy.exc import SQLAlchemyError

    from handrail.data.reading.place import place
    from handrail.errors import ConfigurationError

    at = place(where)
    said = ""
    try:
        with at.engine.connect() as connection:
            yield connection
    except SQLAlchemyError as error:
        said = at.cleaned(getattr(error, "orig", None) or error)
    finally:
        at.engine.dispose()
    if said:
        raise ConfigurationError(
            f"The database refused: {said}. Nothing was changed. Use a role that may do this: --url URL."
        )


def _is_there(connection: Connection) -> bool:
    from handrail.mcp.data_place import has_history

    there = has_history(connection)
    connection.rollback()
    return there


def _grants(spec: DatabaseSpec | None) -> str:
    """Return what the role of agents needs on PostgreSQL, as comments."""
    lines = [
        "The tables belong to the role that creates them. The role that agents use is an ordinary one that needs:",
        "GRANT USAGE ON SCHEMA public TO agents_role;",
        "GRANT SELECT ON public.handrail_meta TO agents_role;",
        "GRANT SELECT, INSERT ON public.handrail_change, public.handrail_row TO agents_role;",
        "and SELECT on what it may read, and USAGE on sequences that give keys.",
        "An undo writes the opposite, so each table that is changed needs:",
    ]
    for name, table in (spec.tables if spec is not None else {}).items():
        lines.append(f"GRANT {', '.join(_rights(update=bool(table.write), rows=table.insert or table.delete))} "
                     f"ON {_quoted(name)} TO agents_role;")  # fmt: skip
    if spec is None or not spec.tables:
        lines.append("GRANT SELECT, UPDATE, INSERT, DELETE ON TABLE_NAME TO agents_role;")
    return "".join(f"-- {text}\n" for text in lines)


def _rights(*, update: bool, rows: bool) -> list[str]:
    return ["SELECT", *(["UPDATE"] if update else []), *(["INSERT", "DELETE"] if rows else [])]


def _quoted(name: str) -> str:
    from handrail.core.text import safe

    return ".".join('"' + safe(part).replace('"', '""') + '"' for part in name.split("."))
