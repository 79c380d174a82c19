"""`handrail stop`: stop an agent, everywhere, now."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer


def stop(
    ctx: typer.Context,
    agent: Annotated[str, typer.Argument(help="Name of the agent, as in the policy.", show_default=False)],
    why: Annotated[str, typer.Option("--why", help="One sentence; agents and people are told.", show_default=False)],
    by: Annotated[str | None, typer.Option("--by", help="Who stops it [the system user].", show_default=False)] = None,
) -> None:
    """Stop an agent and those that work for it, in every process.

    Nothing they propose runs until the agent is started again. What is running already runs to its end. A name that the
    policy does not declare is stopped too: in observe mode such agents run.
    """
    from handrail.cli.exits import UsageError
    from handrail.cli.output import emit, line, rfc3339, say
    from handrail.cli.people import system_user
    from handrail.cli.raising import alarm
    from handrail.cli.session import opened
    from handrail.core.facts import Latch
    from handrail.core.record import Record, RecordKind
    from handrail.core.store import Transaction
    from handrail.core.text import safe

    if not agent.strip():
        raise UsageError("The agent's name is blank. Name the agent to stop.")
    who, reason = by or system_user(), why.strip()[:500]
    if not reason:
        raise UsageError("--why is empty. Say it in one sentence: agents and people are told.")
    reason += "" if reason[-1] in ".!?" else "."  # other sentences follow it

    def step(tx: Transaction) -> Latch:
        latch = Latch(agent, who, reason, tx.now_us)
        tx.put_latch(latch)
        tx.append(Record(RecordKind.EVENT, agent=agent, reason="stop", body={"by": who, "why": reason}))
        return latch

    with opened(ctx, create=True) as session:
        latch = session.store.transact(step, durable=True)
        text = f"{who} stopped agent {agent}: {reason} Start it again: handrail start {agent}"
        alarm(session, "stopped", f"Agent {agent} was stopped", text, {"agent": agent, "by": who})
    if session.policy.agent(agent) is None:
        say(undeclared(agent, session.policy.agents, "stopped"))
    if session.json:
        emit({"agent": agent, "stopped": True, "by": who, "why": reason, "at": rfc3339(latch.at_us)})
        return
    line(f"{safe(agent)} is stopped. Start it again: handrail start {safe(agent)}")


def undeclared(agent: str, declared: Iterable[str], what: str) -> str:
    """Return the sentence for an agent that the policy does not declare, with the nearest name, safe to print.

    Args:
        agent: The name that was given.
        declared: The names that the policy declares.
        what: What was done to exactly that name: `stopped` or `started`.
    """
    from handrail.core.names import fold, nearest
    from handrail.core.text import safe

    names = sorted(declared)
    near = next((name for name in names if fold(name) == fold(agent)), None) or nearest(agent, names)
    told = f"The policy does not declare the agent '{safe(agent)}'. Exactly this name was {what}"
    return f"{told}." if near is None else f"{told}, and the agent '{safe(near)}' was not. Did you mean '{safe(near)}'?"
