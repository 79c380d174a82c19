"""`handrail data install`: the tables in which a database keeps what was changed, shown first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple, TypeAlias

import typer

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from handrail.cli.settings import Settings
    from handrail.data.sql.catalog import Catalog
    from handrail.policy import CompiledPolicy
    from handrail.policy.guarded import DatabaseSpec, Spec

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
    from handrail.data.lacking import lacks
    from handrail.data.rows import history
    from handrail.data.sql.reflect import reflect

    meant = found(ctx, name, url)
    words = " ".join(filter(None, ["handrail data install", meant.name, "--url URL" if url else "", "--apply"]))
    with connected(meant) as connection:
        dialect = connection.dialect.name
        there = _is_there(connection)
        text = history.ddl(dialect)
        if apply and not there:
            if dialect == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")  # the driver begins none before CREATE TABLE
            history.install(connection)
            connection.commit()
        catalog = reflect(connection.engine)
    grants = _grants(meant.spec, catalog) if dialect == "postgresql" else ""
    missing = lacks(catalog, meant.spec.tables, meant.name) if meant.spec is not None else ()
    if options(ctx).json:
        emit(
            {
                "installed": there or apply, "created": apply and not there, "ddl": text, "grants": grants,
                "lacks": list(missing),
            }
        )  # fmt: skip
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
    for sentence in missing:
        say(f"warning: {sentence}")


class MeantDatabase(NamedTuple):
    """The database that a command line means.

    Attributes:
        name: Its name in the policy, `""` without one.
        spec: What is declared of it.
        where: Its address.
        store: The file of the store, None for another kind, or where there is no policy.
        by_agents: Whether the address is the policy's own, by which agents come.
    """

    name: str
    spec: DatabaseSpec | None
    where: str
    store: Path | None
    by_agents: bool


def found(ctx: typer.Context, name: str, url: str) -> MeantDatabase:
    """Return the database that the command line means.

    With an address and no name, no policy is needed.

    Raises:
        ConfigurationError: There is no such database.
    """
    from handrail.cli.options import options
    from handrail.cli.settings import load_policy, resolve
    from handrail.mcp.data_place import absolute, address, meant
    from handrail.policy.guarded import DatabaseSpec

    settings = resolve(options(ctx))
    if url and not name:
        policy = None if settings.policy is None else load_policy(settings)
        return MeantDatabase("", None, absolute(url, Path.cwd()), _store_file(settings, policy), by_agents=False)
    policy = load_policy(settings)
    places = policy.document.places
    declared(places, name, url)
    database = meant(places, name, url, Path.cwd())
    spec = places.get(database.name)
    assert settings.policy is not None
    where = address(places, database, settings.policy.absolute().parent)
    by_name = spec if isinstance(spec, DatabaseSpec) else None
    return MeantDatabase(database.name, by_name, where, _store_file(settings, policy), by_agents=not url)


def declared(places: Mapping[str, Spec], name: str, url: str) -> None:
    """Refuse a name that is none of the policy's databases, and tell those that are.

    Where the policy has databases, an address does not make up for a wrong name: what was mistyped would otherwise be
    served with nothing that the policy says of it.

    Raises:
        ConfigurationError: It is none of them.
    """
    from handrail.core.names import did_you_mean
    from handrail.core.text import safe
    from handrail.errors import ConfigurationError
    from handrail.policy.guarded import DatabaseSpec

    known = sorted(one for one, spec in places.items() if isinstance(spec, DatabaseSpec))
    if not name or name in known or (url and not known):
        return
    there = f" There is: {', '.join(known)}." if known else " It declares none; add one there."
    raise ConfigurationError(
        f"There is no database '{safe(name)}' under 'databases' in the policy.{did_you_mean(name, known)}{there}"
    )


def _store_file(settings: Settings, policy: CompiledPolicy | None) -> Path | None:
    from handrail.cli.settings import store_url

    if policy is None and settings.store is None:
        return None
    url = store_url(settings, policy)
    path = url.removeprefix("sqlite:///")
    return None if path in (url, "") else settings.folder / path


@contextmanager
def connected(meant: MeantDatabase) -> Iterator[Connection]:
    """Yield a connection, and turn what the database says into a sentence.

    Args:
        meant: The database.

    Raises:
        ConfigurationError: It cannot be used, or is the store.
    """
    from sqlalchemy.exc import SQLAlchemyError

    from handrail.data.reading.apart import REACHES_STORE, keep_apart, reached
    from handrail.data.reading.place import place
    from handrail.errors import ConfigurationError

    at = place(meant.where)
    said = ""
    try:
        if at.engine.dialect.name == "sqlite":
            keep_apart(at.engine.url.database, meant.store, meant.name)
        with at.engine.connect() as connection:
            if meant.by_agents and at.engine.dialect.name == "postgresql":
                role = connection.exec_driver_sql(REACHES_STORE).scalar()
                if role is not None:
                    raise reached(role)
                connection.rollback()
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
    """Return whether the history is there.

    Raises:
        ConfigurationError: Only a part of it is.
    """
    from handrail.data.lacking import history_missing, torn
    from handrail.errors import ConfigurationError

    missing = history_missing(connection)
    connection.rollback()
    if torn(missing):
        raise ConfigurationError(torn(missing))
    return not missing


def _grants(spec: DatabaseSpec | None, catalog: Catalog) -> str:
    """Return what the role of agents needs on PostgreSQL, as comments."""
    from handrail.data.lacking import is_known

    lines = [
        "The tables belong to the role that creates them. The role that agents use is an ordinary one that needs:",
        "GRANT USAGE ON SCHEMA public TO agents_role;",
        "GRANT SELECT ON public.handrail_meta TO agents_role;",
        "GRANT SELECT, INSERT ON public.handrail_change, public.handrail_row TO agents_role;",
        "and SELECT on what it may read, and USAGE on sequences that give keys.",
        "An undo writes the opposite, so each table that is changed needs:",
    ]
    for name, table in (spec.tables if spec is not None else {}).items():
        if not is_known(catalog, name):
            continue  # told beside: a GRANT for it would fail
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
