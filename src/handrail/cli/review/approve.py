"""`handrail review approve`: let one plan run, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from handrail.cli.people import AsOption, NoteOption, StdinOption

if TYPE_CHECKING:
    from handrail.review.decide import Remember


def approve(
    ctx: typer.Context,
    ticket: Annotated[str, typer.Argument(help="Id of the ticket, T-….", show_default=False)],
    reviewer: AsOption = None,
    note: NoteOption = "",
    secret_stdin: StdinOption = False,
    remember: Annotated[bool, typer.Option("--remember", help="Also grant further uses in advance.")] = False,
    uses: Annotated[int | None, typer.Option("--uses", help="With --remember: further uses, 1 to 20 [5].")] = None,
    hours: Annotated[float | None, typer.Option("--hours", help="With --remember: for so long, up to 24 [1].")] = None,
    pattern: Annotated[
        list[str] | None,
        typer.Option(
            "--pattern", metavar="PATH=GLOB", help="With --remember: let an argument differ; may be repeated."
        ),
    ] = None,
) -> None:
    """Approve one ticket. Nothing runs: the agent makes the same call again, and it then runs once.

    With --remember, calls like this one are approved in advance, for a while. Arguments must be the same as the
    ticket's, unless a pattern lets them differ: --pattern 'args.id=lead-*'
    """
    from handrail.cli.forms import grant_form, pattern_of, ticket_form
    from handrail.cli.output import emit, line, moment, say, span
    from handrail.cli.people import ask_secret, enrolled, grantable, may_decide, reviewer_named
    from handrail.cli.review.planned import essence
    from handrail.cli.session import opened
    from handrail.core.text import safe
    from handrail.review import decide
    from handrail.review.planned import planned
    from handrail.review.sentence import sentence

    wanted = _remember(uses, hours, pattern, remember=remember)
    with opened(ctx) as session:
        store, policy = session.store, session.policy
        asked = store.read(lambda tx: decide.find(tx, ticket))
        name = reviewer_named(policy, reviewer)
        store.read(lambda tx: may_decide(tx, asked, policy, name))
        enrolled(store, policy, name)
        if wanted is not None:
            grantable(asked, wanted)
        if not secret_stdin:
            say(f"{asked.id}: {sentence(asked, policy)}")
            if change := planned(asked, policy):
                for told in essence(change, store.read(lambda tx: tx.now_us)):
                    say(f"  {told}")
                say(f"  The rows themselves: handrail review show {asked.id}")
        secret = ask_secret(f"Secret of {safe(name)}, to approve {asked.id}: ", stdin=secret_stdin)
        done = decide.approve(store, policy, asked.id, reviewer=name, secret=secret, note=note, remember=wanted)
        now_us, grants = store.read(lambda tx: (tx.now_us, tx.grants(done.agent, done.tool)))
    granted = next((grant for grant in grants if grant.by == done.by), None) if wanted else None
    if session.json:
        form = ticket_form(done, done.state)
        emit(form | {"sentence": sentence(done, policy), "grant": grant_form(granted, live=True) if granted else None})
        return
    line(f"Approved {done.id}: {sentence(done, policy)}")
    line(
        f"It may run once, exactly as planned, until {moment(done.valid_until_us)} UTC "
        f"({span(done.valid_until_us - now_us)}). Nothing has run yet: the agent must make the same call again."
    )
    if granted:
        line(
            f"Granted {granted.id}: {granted.uses_max} further uses until {moment(granted.until_us)} UTC, "
            f"as long as the policy stays the same. Take it back: handrail review revoke {granted.id}"
        )
        for path, glob in pattern_of(granted).items():
            line(f"  args.{safe(path)} like {safe(glob)}")


def _remember(uses: int | None, hours: float | None, pattern: list[str] | None, *, remember: bool) -> Remember | None:
    from handrail.cli.exits import UsageError
    from handrail.core.text import safe
    from handrail.review.decide import Remember

    if not remember:
        if uses is not None or hours is not None or pattern:
            raise UsageError("--uses, --hours and --pattern belong to --remember.")
        return None
    globs = {}
    for one in pattern or []:
        path, equals, glob = one.partition("=")
        if not equals or not path:
            raise UsageError(f"--pattern '{safe(one)}' is not PATH=GLOB, as in args.id=lead-*")
        globs[path.removeprefix("args.")] = glob
    return Remember(5 if uses is None else uses, 1.0 if hours is None else hours, globs)
