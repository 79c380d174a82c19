"""What an agent proposes: one tool with its final arguments, in one run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from handrail.core.digest import Json, digest


class Action(NamedTuple):
    """One proposed action. Arguments are final: nothing rewrites them after this value exists.

    Attributes:
        id: Unique id, sortable by time; also the idempotency key handed to the tool.
        agent: Name of the agent.
        run: Id of the run.
        call: Id of the call inside the run; the same (run, call) is the same call.
        tool: Name of the tool.
        args: Final arguments, a JSON object.
        key: The action key (see `action_key`); retries are counted on it.
        keep: Whether the outcome's value is kept so that a repeated call gets it again.
        parent: Id of the action that Handrail makes this call for (`before`, `verify`), None for an agent's own.
    """

    id: str
    agent: str
    run: str
    call: str
    tool: str
    args: Mapping[str, Json]
    key: str
    keep: bool = False
    parent: str | None = None


def action_key(agent: str, tool: str, args: Mapping[str, Json]) -> str:
    """Return the digest that makes two calls the same action: agent, tool and final arguments."""
    return digest([agent, tool, dict(args)])
