"""`handrail start`: lift a stop."""

from __future__ import annotations

from typing import Annotated

import typer


def start(
    ctx: typer.Context,
    agent: Annotated[str, typer.Argument(help="Name of the agent, as in the policy.", show_default=False)],
    by: Annotated[str | None, typer.Option("--by", help="Who starts it [the system user].", show_default=False)] = None,
) -> None:
    """Start an agent that was stopped."""
    from handrail.cli.output import emit, line, say
    from handrail.cli.people import system_user
    from handrail.cli.session import opened
    from handrail.cli.stop import undeclared
    from handrail.core.record import Record, RecordKind
    from handrail.core.store import Transaction
    from handrail.core.text import safe
    from handrail.errors import NotFoundError

    who = by or system_user()

    def step(tx: Transaction) -> tuple[bool, list[str]]:
        lifted = tx.clear_latch(agent)
        if lifted:
            tx.append(Record(RecordKind.EVENT, agent=agent, reason="start", body={"by": who}))
        return lifted, [latch.agent for latch in tx.latches()]

    with opened(ctx) as session:
        declared = session.policy.agent(agent)
        latched = any(latch.agent == agent for latch in session.store.read(lambda tx: tx.latches()))
        if declared is None and not latched:
            raise NotFoundError(session.policy.undeclared("agent", agent))
        lifted, stops = session.store.transact(step, durable=True)
    held = [name for name in (declared.lineage if declared else ()) if name in stops]
    if declared is None:
        say(undeclared(agent, session.policy.agents, "started"))
    if session.json:
        emit({"agent": agent, "started": lifted, "by": who, "still_stopped_by": list(held)})
        return
    line(f"{safe(agent)} is started again." if lifted else f"{safe(agent)} was not stopped.")
    for name in held:
        line(f"It still cannot act: its ancestor {safe(name)} is stopped. Start that too: handrail start {safe(name)}")
