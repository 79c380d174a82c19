"""`handrail review clear`: forget what is held against a resource, or lift what a rule stopped."""

from __future__ import annotations

from typing import Annotated

import typer

from handrail.cli.people import AsOption, StdinOption


def clear(
    ctx: typer.Context,
    resource: Annotated[str, typer.Argument(help="Resource, as kind/name.", show_default=False)] = "",
    rule: Annotated[
        str, typer.Option("--rule", help="Lift what this rule stopped (until_cleared).", show_default=False)
    ] = "",
    label: Annotated[
        list[str] | None, typer.Option("--label", help="Take this label off the resource too.", show_default=False)
    ] = None,
    reviewer: AsOption = None,
    secret_stdin: StdinOption = False,
) -> None:
    """Forget the refusals on a resource, or lift what a rule stopped.

    Of a resource, its refusals and the labels that rules put on it are forgotten: writes to it then ask only where a
    rule does. With --rule, what `until_cleared` of that rule stopped goes on.
    """
    from handrail.cli.exits import UsageError
    from handrail.cli.output import count, emit, line
    from handrail.cli.people import ask_secret, enrolled, reviewer_named
    from handrail.cli.session import opened
    from handrail.core.names import did_you_mean
    from handrail.core.text import safe
    from handrail.review import decide

    if bool(resource) == bool(rule) or (label and rule):
        raise UsageError("Name a resource (kind/name), or a rule with --rule; --label goes with a resource.")
    with opened(ctx) as session:
        store, policy = session.store, session.policy
        name = reviewer_named(policy, reviewer)
        enrolled(store, policy, name)
        known = policy.normalise(resource) if resource else ""
        rules = [one.id for one in policy.rules]
        if rule and rule not in rules:
            raise UsageError(f"There is no rule '{safe(rule)}' in the policy.{did_you_mean(rule, rules)}")
        what = safe(known) if known else f"rule '{safe(rule)}'"
        secret = ask_secret(f"Secret of {safe(name)}, to clear {what}: ", stdin=secret_stdin)
        labels = tuple(label or ())
        done = decide.clear(store, policy, known, labels=labels, rule=rule, reviewer=name, secret=secret)
    if session.json:
        emit({**({"resource": known} if known else {"rule": rule}), **done._asdict(), "by": name})
    elif rule:
        line(f"Lifted {count(done.stops, 'stop')} of {what}." if done.stops else f"Nothing was stopped by {what}.")
    elif any(done):
        line(f"Forgot {count(done.refusals, 'refusal')} and {count(done.labels, 'label')} on {what}.")
    else:
        line(f"No refusal was remembered on {what}.")
