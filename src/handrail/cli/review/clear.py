"""`handrail review clear`: forget the refusals on a resource."""

from __future__ import annotations

from typing import Annotated

import typer

from handrail.cli.people import AsOption, StdinOption


def clear(
    ctx: typer.Context,
    resource: Annotated[str, typer.Argument(help="Resource, as kind/name.", show_default=False)],
    reviewer: AsOption = None,
    secret_stdin: StdinOption = False,
) -> None:
    """Forget the refusals on a resource.

    Writes to it then ask only where a rule does.
    """
    from handrail.cli.output import count, emit, line
    from handrail.cli.people import ask_secret, enrolled, reviewer_named
    from handrail.cli.session import opened
    from handrail.core.text import safe
    from handrail.review import decide

    with opened(ctx) as session:
        store, policy = session.store, session.policy
        name = reviewer_named(policy, reviewer)
        enrolled(store, policy, name)
        known = policy.normalise(resource)
        secret = ask_secret(f"Secret of {safe(name)}, to clear {safe(known)}: ", stdin=secret_stdin)
        refusals = decide.clear(store, policy, known, reviewer=name, secret=secret)
    if session.json:
        emit({"resource": known, "refusals": refusals, "by": name})
    elif refusals:
        line(f"Forgot {count(refusals, 'refusal')} on {safe(known)}.")
    else:
        line(f"No refusal was remembered on {safe(known)}.")
