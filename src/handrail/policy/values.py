"""What conditions of rules and events can ask about: the values of their variables, for one effect of an action."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from handrail.core.action import Action
from handrail.core.case import creator
from handrail.core.digest import Json
from handrail.core.effect import Effect
from handrail.core.policy import Case, End
from handrail.core.tool import Agent

VIEWS = frozenset({"commands", "statements"})
"""Variables that are read out of a text in the arguments; empty for tools that declare no such text."""


def variables(subject: Case | End, effect: Effect, needs: Mapping[str, frozenset[str] | None]) -> dict[str, Any]:
    """Return the values of the variables that conditions need, for one effect of an action."""
    values: dict[str, Any] = {}
    action = subject.action
    for name, members in needs.items():
        if name == "effect":
            values[name] = _effect(effect, members, subject)
        elif name == "args":
            args = action.args
            values[name] = args if type(args) is dict else dict(args)
        elif name == "tool":
            values[name] = {"name": action.tool}
        elif name == "run":
            values[name] = {"id": action.run}
        elif name == "agent":
            values[name] = _agent(action, subject.agent)
        elif name in VIEWS:
            view = None if subject.tool is None else subject.tool.views.get(name)
            values[name] = [] if view is None else view(action.args)
        elif isinstance(subject, End):
            values[name] = subject.result
        elif subject.before is not None:
            values[name] = subject.before
    return values


def _effect(effect: Effect, members: frozenset[str] | None, subject: Case | End) -> dict[str, Json]:
    value: dict[str, Json] = {} if members is not None else effect.to_json()
    for member in members if members is not None else ("created_by_run",):
        if member == "verb":
            value[member] = effect.verb.value
        elif member == "labels":
            value[member] = list(effect.labels)
        elif member == "created_by_run":
            action = subject.action
            value[member] = creator(action.run, subject.agent, action.agent) in effect.labels
        else:
            value[member] = getattr(effect, member)
    return value


def _agent(action: Action, agent: Agent | None) -> dict[str, Json]:
    if agent is None:
        return {"name": action.agent, "access": None, "owner": None, "parent": action.parent}
    parent = agent.lineage[-2] if len(agent.lineage) > 1 else None
    return {"name": agent.name, "access": agent.access.value, "owner": agent.owner, "parent": parent}
