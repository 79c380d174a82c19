"""`handrail review list`: what waits for a person."""

from __future__ import annotations

from typing import Annotated

import typer


def list_tickets(
    ctx: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Decided, spent and expired ones too.")] = False,
) -> None:
    """List the tickets that wait for a person, newest first."""
    from handrail.cli.forms import ticket_form
    from handrail.cli.output import Column, cell, emit, plain, say, span, table
    from handrail.cli.session import opened
    from handrail.core.ticket import TicketState
    from handrail.review.replay import state_of
    from handrail.review.sentence import sentence

    with opened(ctx) as session:
        policy = session.policy
        states = () if every else (TicketState.PENDING,)
        now_us, tickets = session.store.read(lambda tx: (tx.now_us, tx.tickets(states=states)))
    told = [(ticket, state_of(ticket, now_us)) for ticket in tickets]
    if not every:
        told = [(ticket, state) for ticket, state in told if state is TicketState.PENDING]
    if session.json:
        forms = [ticket_form(ticket, state) | {"sentence": sentence(ticket, policy)} for ticket, state in told]
        emit({"tickets": [*forms]})
        return
    if not told:
        say("No ticket yet." if every else "Nothing waits for a person.")
        return
    rows = []
    for ticket, state in told:
        left = f"{span(ticket.pending_until_us - now_us)} left" if state is TicketState.PENDING else state.value
        row = [plain(ticket.id, "bold"), plain(f"{span(now_us - ticket.asked_us)} ago"), plain(left)]
        row += [
            plain(sentence(ticket, policy)),
            cell(", ".join(ticket.rules)),
            cell(ticket.run, max_chars=40),
            cell(ticket.by),
        ]
        rows.append(row)
    columns = [
        Column("ticket", whole=True),
        Column("asked", whole=True),
        Column("state", whole=True),
        Column("what", chars=40),
    ]
    columns += [Column("rules", spill=1), Column("run", spill=3), Column("decided by", spill=2)]
    table(columns, rows)
    if len(tickets) >= 1_000:
        say("Only the newest 1,000 are listed.")
    if any(state is TicketState.PENDING for _, state in told):
        say("Look at one before deciding: handrail review show TICKET")
