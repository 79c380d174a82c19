"""`handrail data serve`: an MCP server over a guarded database."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from handrail.mcp.data_place import Meant
    from handrail.workspace import Workspace


def serve(
    ctx: typer.Context,
    agent: Annotated[str, typer.Option("--agent", help="Who uses the database, a name under 'agents'.")],
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A name under 'databases' [the only one].", show_default=False)
    ] = "",
    url: Annotated[
        str, typer.Option("--url", metavar="URL", help="Its address, in place of the policy's.", show_default=False)
    ] = "",
    run: Annotated[str | None, typer.Option("--run", help="Name of the run [a new one].", show_default=False)] = None,
    wait: Annotated[
        float, typer.Option("--wait", metavar="SECONDS", min=0, help="How long a held call waits for a person.")
    ] = 0.0,
) -> None:
    """Serve a database to an agent as five MCP tools: query, describe, plan_change, apply_change, undo_change.

    Put it where the agent's configuration starts a server: handrail data serve NAME --agent AGENT.
    Under a policy that declares no database, one that is given by --url can be read and not changed.
    """
    from handrail.cli.data.install import declared
    from handrail.cli.mcp import opened
    from handrail.cli.output import say, shown
    from handrail.drivers.host import new_id
    from handrail.errors import ConfigurationError
    from handrail.mcp.data_place import meant
    from handrail.mcp.data_server import ServedData, serve

    def tell(message: str) -> None:
        for row in shown(message):
            say(f"handrail: {row}")

    with opened(ctx) as (workspace, path):
        if workspace.policy.agent(agent) is None:
            raise ConfigurationError(workspace.policy.undeclared("agent", agent))
        places = workspace.places
        declared(places, name, url)
        database = meant(places, name, url, Path.cwd())
        for sentence in _looked(workspace, database):
            tell(f"warning: {sentence}")
        serve(workspace, ServedData(database, agent, run or new_id(), path, wait), tell)


def _looked(workspace: Workspace, database: Meant) -> tuple[str, ...]:
    """Return what the database lacks; nothing of one that cannot be used, for whoever opens it next says why."""
    from sqlalchemy.exc import SQLAlchemyError

    from handrail.data.lacking import history_missing, lacks, torn
    from handrail.data.reading.place import place
    from handrail.data.sql.reflect import reflect
    from handrail.errors import ConfigurationError
    from handrail.mcp.data_place import address
    from handrail.policy.guarded import DatabaseSpec

    try:
        spec = workspace.places.get(database.name)
        engine = place(address(workspace.places, database, workspace.folder)).engine
        with engine.connect() as connection:
            said = torn(history_missing(connection))
        tables = spec.tables if isinstance(spec, DatabaseSpec) else {}
        found = lacks(reflect(engine), tables, database.name) if tables else ()
    except (ConfigurationError, SQLAlchemyError):
        return ()
    return (*([said] if said else []), *found)
