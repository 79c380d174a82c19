"""`handrail review deny`: refuse one plan."""

from __future__ import annotations

from typing import Annotated

import typer

from handrail.cli.people import AsOption, NoteOption, StdinOption


def deny(
    ctx: typer.Context,
    ticket: Annotated[str, typer.Argument(help="Id of the ticket, T-….", show_default=False)],
    reviewer: AsOption = None,
    note: NoteOption = "",
    secret_stdin: StdinOption = False,
) -> None:
    """Refuse one ticket. The refusal sticks: any write of this agent to the same resource asks from now on."""
    from handrail.cli.forms import ticket_form
    from handrail.cli.output import emit, line, say
    from handrail.cli.people import ask_secret, enrolled, may_decide, reviewer_named
    from handrail.cli.session import opened
    from handrail.core.text import safe
    from handrail.review import decide
    from handrail.review.sentence import sentence

    with opened(ctx) as session:
        store, policy = session.store, session.policy
        asked = store.read(lambda tx: decide.find(tx, ticket))
        name = reviewer_named(policy, reviewer)
        store.read(lambda tx: may_decide(tx, asked, policy, name))
        enrolled(store, policy, name)
        if not secret_stdin:
            say(f"{asked.id}: {sentence(asked, policy)}")
        secret = ask_secret(f"Secret of {safe(name)}, to deny {asked.id}: ", stdin=secret_stdin)
        done = decide.deny(store, policy, asked.id, reviewer=name, secret=secret, note=note)
    if session.json:
        emit(ticket_form(done, done.state) | {"sentence": sentence(done, policy)})
        return
    line(f"Denied {done.id}: {sentence(done, policy)}")
    line("It was not done. From now on any write of this agent to what it concerns asks a person.")
