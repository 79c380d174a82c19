"""`handrail reviewer add`: set a reviewer's secret."""

from __future__ import annotations

from typing import Annotated

import typer

from handrail.cli.people import StdinOption


def add(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="Name, as under reviewers: in the policy.", show_default=False)],
    replace: Annotated[bool, typer.Option("--replace", help="Replace the secret; asks for the old one first.")] = False,
    secret_stdin: StdinOption = False,
) -> None:
    """Set the secret of a reviewer whom the policy names. Only the reviewer should know it.

    With --secret-stdin, stdin holds one line: the secret; with --replace two: the old secret, then the new one.
    """
    from handrail.cli.exits import UsageError
    from handrail.cli.output import emit, line, rfc3339
    from handrail.cli.people import ask_secret, new_secret
    from handrail.cli.raising import alarm
    from handrail.cli.session import opened
    from handrail.core.names import did_you_mean
    from handrail.core.policy import Policy
    from handrail.core.text import safe
    from handrail.errors import NotFoundError, ReviewError
    from handrail.review.decide import add_reviewer

    def declared(policy: Policy) -> None:
        if name not in policy.reviewers:
            hint = did_you_mean(name, policy.reviewers)
            raise NotFoundError(
                f"'{safe(name)}' is not under reviewers: in the policy.{hint} Add the name there first."
            )

    with opened(ctx, create=True, check=declared) as session:
        store, policy = session.store, session.policy
        known = any(person.name == name for person in store.read(lambda tx: tx.reviewers()))
        if known and not replace:
            raise ReviewError(f"{safe(name)} has a secret already. Replacing it needs the old one: --replace")
        if replace and not known:
            raise UsageError(f"{safe(name)} has no secret yet, so there is none to replace. Leave out --replace.")
        old = ask_secret(f"Old secret of {safe(name)}: ", stdin=secret_stdin) if replace else None
        secret = new_secret(name, stdin=secret_stdin)
        person = add_reviewer(store, policy, name, secret, old_secret=old)
        verb = "replaced" if replace else "set"
        text = f"The secret of reviewer {name} was {verb}. Whoever knows it can approve what agents ask for."
        alarm(session, "reviewer", "A reviewer was enrolled", text, {"reviewer": name})
        added_us = next(p.added_us for p in store.read(lambda tx: tx.reviewers()) if p.name == name)
    if session.json:
        emit(
            {
                "reviewer": person.name,
                "public_key": person.public_key,
                "added_at": rfc3339(added_us),
                "replaced": replace,
            }
        )
        return
    line(f"{safe(name)} can decide now. Keep the secret to yourself: it is stored nowhere and cannot be recovered.")
