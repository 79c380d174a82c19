"""`handrail data serve`: an MCP server over a guarded database."""

from __future__ import annotations

from typing import Annotated

import typer


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
    A database that the policy does not declare can be read and not changed.
    """
    from pathlib import Path

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
        database = meant(workspace.policy.document.places, name, url, Path.cwd())  # type: ignore[attr-defined]
        serve(workspace, ServedData(database, agent, run or new_id(), path, wait), tell)
