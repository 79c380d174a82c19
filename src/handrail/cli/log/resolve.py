"""`handrail log resolve`: a person says how an action ended that Handrail could not see end."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from handrail.cli.people import AsOption, StdinOption


class Ending(StrEnum):
    """What a person found."""

    SUCCESS = "success"
    FAILED = "failed"


def resolve(
    ctx: typer.Context,
    action: Annotated[str, typer.Argument(help="Id of the action.", show_default=False)],
    outcome: Annotated[
        Ending | None,
        typer.Option("--outcome", help="What you found: success if it took effect, else failed.", show_default=False),
    ] = None,
    reviewer: AsOption = None,
    note: Annotated[str, typer.Option("--note", help="How you know.", show_default=False)] = "",
    secret_stdin: StdinOption = False,
) -> None:
    """Say how an action in doubt ended.

    For an action whose process died, or whose resource could not be told from its result. Look first what it did: this
    records it, and undoes nothing. Afterwards the same action may run again; with --outcome success, the same call is
    answered as done and does not run.
    """
    from handrail.cli.exits import UsageError
    from handrail.cli.log.finding import rows_of
    from handrail.cli.log.settling import Word, check, resolve_action
    from handrail.cli.output import emit, line
    from handrail.cli.people import ask_secret, enrolled, reviewer_named
    from handrail.cli.session import opened
    from handrail.core.case import creator
    from handrail.core.text import safe
    from handrail.review.keys import unlock_as

    with opened(ctx) as session:
        store, policy = session.store, session.policy
        first = rows_of(store, action)[0].record
        store.read(lambda tx: check(tx, action))
        if outcome is None:
            raise UsageError(_ask(safe(action), whose=reviewer or ("NAME" if len(policy.reviewers) > 1 else "")))
        name = reviewer_named(policy, reviewer)
        enrolled(store, policy, name)
        secret = ask_secret(f"Secret of {safe(name)}, to resolve {safe(action)} as {outcome}: ", stdin=secret_stdin)
        person = next(p for p in store.read(lambda tx: tx.reviewers()) if p.name == name)
        by = creator(first.run, policy.agent(first.agent), first.agent)
        word = Word(action, outcome is Ending.SUCCESS, name, note[:2_000], unlock_as(person, secret), by, policy)
        store.transact(lambda tx: resolve_action(tx, word), durable=True)
    if session.json:
        emit({"action": action, "status": outcome.value, "by": name, "note": note or None})
        return
    line(f"{safe(first.tool)} of {safe(first.agent)} is recorded as {outcome}, said by {safe(name)}.")
    line("The same action may run again." if outcome is Ending.FAILED else "The same call will not run again.")


def _ask(action: str, whose: str) -> str:
    """Return what to type next, for somebody who typed the command as messages print it."""
    from handrail.core.text import safe

    command, name = f"handrail log resolve {action} --outcome", f" --as {safe(whose)}" if whose else ""
    return (
        f"Say how it ended. Look first what it did (handrail log show {action}), then type one of:\n"
        f"  {command} success{name}   (it took effect)\n"
        f"  {command} failed{name}    (it did not)"
    )
