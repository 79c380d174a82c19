"""`handrail reviewer list`: who may decide."""

from __future__ import annotations

import typer


def list_reviewers(ctx: typer.Context) -> None:
    """List who may decide, and whether they can yet."""
    from handrail.cli.output import Column, cell, emit, moment, plain, rfc3339, say, table
    from handrail.cli.session import opened
    from handrail.core.text import safe

    with opened(ctx) as session:
        people = {person.name: person for person in session.store.read(lambda tx: tx.reviewers())}
    names = list(dict.fromkeys((*session.policy.reviewers, *people)))
    if session.json:
        emit(
            {
                "four_eyes": session.policy.four_eyes,
                "reviewers": [
                    {
                        "reviewer": name,
                        "declared": name in session.policy.reviewers,
                        "enrolled": name in people,
                        "public_key": people[name].public_key if name in people else None,
                        "added_at": rfc3339(people[name].added_us) if name in people else None,
                    }
                    for name in names
                ],
            }
        )
        return
    if not names:
        say("The policy names no reviewers, so nobody can approve anything. Add: reviewers: [you@example.com]")
        return
    rows = []
    for name in names:
        state = "can decide" if name in people else f"has no secret yet: handrail reviewer add {safe(name)}"
        if name not in session.policy.reviewers:
            state = "not in the policy any more: cannot decide"
        rows.append([cell(name), plain(state), plain(moment(people[name].added_us) if name in people else "")])
    table([Column("reviewer"), Column("state"), Column("since (UTC)", whole=True)], rows)
    eyes = "on: an agent's owner may not decide its tickets" if session.policy.four_eyes else "OFF: owners decide alone"
    say(f"Four eyes are {eyes}.")
