"""`handrail review revoke`: take back a grant."""

from __future__ import annotations

from typing import Annotated

import typer

from handrail.cli.people import AsOption, StdinOption


def revoke(
    ctx: typer.Context,
    grant: Annotated[str, typer.Argument(help="Id of the grant, G-….", show_default=False)],
    reviewer: AsOption = None,
    secret_stdin: StdinOption = False,
) -> None:
    """Take back what was approved in advance. What it already let run stays done."""
    from handrail.cli.forms import grant_form
    from handrail.cli.output import count, emit, line
    from handrail.cli.people import ask_secret, enrolled, reviewer_named
    from handrail.cli.session import opened
    from handrail.core.text import safe
    from handrail.review import decide

    with opened(ctx) as session:
        store, policy = session.store, session.policy
        name = reviewer_named(policy, reviewer)
        enrolled(store, policy, name)
        secret = ask_secret(f"Secret of {safe(name)}, to revoke {safe(grant)}: ", stdin=secret_stdin)
        done = decide.revoke(store, policy, grant, reviewer=name, secret=secret)
    if session.json:
        emit(grant_form(done, live=False))
        return
    line(f"Revoked {done.id} after {count(done.uses, 'use')} of {done.uses_max}.")
