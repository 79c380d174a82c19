"""`handrail log resolve`: a person says how an action ended that Handrail could not see end."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from handrail.cli.people import StdinOption


class Answer(StrEnum):
    """What a person found."""

    SUCCESS = "success"
    FAILED = "failed"


def resolve(
    ctx: typer.Context,
    action: Annotated[str, typer.Argument(help="Id of the action.", show_default=False)],
    answer: Annotated[Answer, typer.Option("--as", help="What you found: did it take effect?", show_default=False)],
    by: Annotated[
        str | None, typer.Option("--by", metavar="NAME", help="Reviewer who says so.", show_default=False)
    ] = None,
    note: Annotated[str, typer.Option("--note", help="How you know.", show_default=False)] = "",
    secret_stdin: StdinOption = False,
) -> None:
    """Say how an action in doubt ended.

    For an action whose process died, or whose resource could not be told from its result. Look first what it did: this
    records it, and undoes nothing. Afterwards the same action may run again; with --as success, the same call is
    answered as done and does not run.
    """
    from handrail.cli.log.finding import rows_of
    from handrail.cli.log.settling import Word, check, resolve_action
    from handrail.cli.output import emit, line
    from handrail.cli.people import ask_secret, enrolled, reviewer_named
    from handrail.cli.session import opened
    from handrail.core.text import safe
    from handrail.review.keys import unlock_as

    with opened(ctx) as session:
        store, policy = session.store, session.policy
        first = rows_of(store, action)[0].record
        name = reviewer_named(policy, by)
        enrolled(store, policy, name)
        store.read(lambda tx: check(tx, action))
        secret = ask_secret(f"Secret of {safe(name)}, to resolve {safe(action)} as {answer}: ", stdin=secret_stdin)
        person = next(p for p in store.read(lambda tx: tx.reviewers()) if p.name == name)
        word = Word(action, answer is Answer.SUCCESS, name, note[:2_000], unlock_as(person, secret))
        store.transact(lambda tx: resolve_action(tx, word), durable=True)
    if session.json:
        emit({"action": action, "status": answer.value, "by": name, "note": note or None})
        return
    line(f"{safe(first.tool)} of {safe(first.agent)} is recorded as {answer}, said by {safe(name)}.")
    line("The same action may run again." if answer is Answer.FAILED else "The same call will not run again.")
