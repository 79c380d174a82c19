"""`handrail review grants`: what is approved in advance."""

from __future__ import annotations

from typing import Annotated

import typer


def grants(
    ctx: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Used-up, ended and revoked ones too.")] = False,
) -> None:
    """List what is approved in advance, newest first."""
    from handrail.cli.forms import grant_form, pattern_of
    from handrail.cli.output import Column, cell, emit, moment, plain, say, table
    from handrail.cli.session import opened

    with opened(ctx) as session:
        now_us, given = session.store.read(lambda tx: (tx.now_us, tx.grants()))
    told = []
    for grant in given:
        why = "live"
        if grant.revoked:
            why = "revoked"
        elif grant.uses >= grant.uses_max:
            why = "used up"
        elif now_us >= grant.until_us:
            why = "ended"
        elif grant.policy != session.policy.hash:
            why = "ended: the policy changed"
        if every or why == "live":
            told.append((grant, why))
    if session.json:
        emit({"grants": [grant_form(grant, live=why == "live") for grant, why in told]})
        return
    if not told:
        say("Nothing is approved in advance.")
        return
    rows = []
    for grant, why in told:
        pattern = ", ".join(f"{path}={glob}" for path, glob in pattern_of(grant).items())
        row = [
            plain(grant.id, "bold"),
            plain(why),
            plain(f"{grant.uses}/{grant.uses_max}"),
            plain(moment(grant.until_us)),
        ]
        row += [cell(grant.agent), cell(grant.tool), cell(pattern, max_chars=200), cell(grant.by)]
        rows.append(row)
    columns = [Column("grant", whole=True), Column("state"), Column("used", whole=True)]
    columns += [Column("until (UTC)", whole=True), Column("agent", spill=2), Column("tool", spill=1)]
    columns += [Column("arguments", spill=4), Column("by", spill=3)]
    table(columns, rows)
