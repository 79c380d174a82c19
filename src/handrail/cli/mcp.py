"""`handrail mcp serve`: a proxy in front of any MCP server that speaks over stdio."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from handrail.cli.exits import Code, UsageError
from handrail.cli.options import new_app, options

if TYPE_CHECKING:
    from handrail.workspace import Workspace

app = new_app("Guard MCP servers.")


@app.callback()
def mcp() -> None:
    """Guard MCP servers."""


@app.command()
def serve(
    ctx: typer.Context,
    agent: Annotated[str, typer.Option("--agent", help="Who uses the server, a name under 'agents'.")],
    command: Annotated[
        list[str] | None, typer.Argument(metavar="-- COMMAND…", help="The server's program and its arguments.")
    ] = None,
    run: Annotated[str | None, typer.Option("--run", help="Name of the run [a new one].", show_default=False)] = None,
    server: Annotated[
        str, typer.Option("--server", metavar="NAME", help="Tools are NAME.tool in the policy.", show_default=False)
    ] = "",
    wait: Annotated[
        float, typer.Option("--wait", metavar="SECONDS", min=0, help="How long a held call waits for a person.")
    ] = 0.0,
) -> None:
    """Stand between an agent and an MCP server: every call is decided, journalled and verified.

    Put it where the agent's configuration starts the server: handrail mcp serve --agent NAME -- COMMAND.
    Ends with 1 when the server ended by itself.
    """
    from handrail.cli.output import say, shown
    from handrail.drivers.host import new_id
    from handrail.errors import ConfigurationError
    from handrail.mcp.serve import Served, serve

    if not command:
        raise UsageError("Which server? Name its program at the end: handrail mcp serve --agent NAME -- COMMAND")

    def tell(message: str) -> None:
        for row in shown(message):
            say(f"handrail: {row}")

    with opened(ctx) as (workspace, path):
        if workspace.policy.agent(agent) is None:
            raise ConfigurationError(workspace.policy.undeclared("agent", agent))
        served = Served(tuple(command), agent, run or new_id(), server, path, wait)
        by_client = serve(workspace, served, tell)
    if not by_client:
        raise typer.Exit(Code.FINDINGS)


@contextmanager
def opened(ctx: typer.Context) -> Iterator[tuple[Workspace, Path]]:
    """Open the policy and the store that the command line names; yields the workspace and the policy's file."""
    from handrail.cli.settings import load_policy, resolve, store_url
    from handrail.opening import open as open_workspace
    from handrail.stores import connect

    settings = resolve(options(ctx))
    if settings.policy is None:
        load_policy(settings)  # which says what to do
    path = settings.policy
    assert path is not None
    store = connect(store_url(settings, None), settings.folder)
    try:
        workspace = open_workspace(path, store=store)
    except BaseException:
        store.close()
        raise
    with workspace:
        yield workspace, path
