"""`handrail review show`: everything a reviewer has to see about one ticket; the agent's own words come last."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from handrail.cli.output import Column, cell, count, emit, line, moment, plain, say, span, table
from handrail.cli.review.planned import NEVER
from handrail.cli.styles import style_of
from handrail.core.text import safe, safe_block
from handrail.core.ticket import TicketState

if TYPE_CHECKING:
    from rich.text import Text

    from handrail.review.replay import Chain, Change, Replay, Step

_OPEN = (TicketState.PENDING, TicketState.APPROVED)

VALUE_CHARS = 160
WHY_CHARS = 400


def show(
    ctx: typer.Context, ticket: Annotated[str, typer.Argument(help="Id of the ticket, T-….", show_default=False)]
) -> None:
    """Show what an agent wants, why it asks, and what led to it."""
    from handrail.cli.forms import replay_form
    from handrail.cli.review.planned import show_planned
    from handrail.cli.session import opened
    from handrail.review.decide import find
    from handrail.review.replay import replay

    with opened(ctx) as session:
        told = session.store.read(lambda tx: replay(tx, find(tx, ticket), session.policy))
    if session.json:
        emit(replay_form(told))
        return
    if not told.genuine:
        say(f"WARNING: ticket {told.ticket.id} is not what was asked: somebody changed the store. Do not trust it.")
    line(told.sentence)
    if told.planned is None:
        _tripped(told)
        _change(told)
    else:
        _heading("What would change")
        show_planned(told.planned, told.now_us, told.state)
        _tripped(told)
    for chain in told.chains:
        _chain(chain, told)
    if told.resources_hidden:
        line(f"  … and {count(told.resources_hidden, 'more resource')} without a chain here: handrail log")
    _past(told)
    _who(told)
    _words(told)


def _heading(text: str) -> None:
    line()
    line(text)


def _tripped(told: Replay) -> None:
    _heading("Why it asks")
    for one in told.tripped:
        line(f"  {safe(one.gate)}/{safe(one.rule)}: {safe(one.why, max_chars=WHY_CHARS)}")
        for name, value in one.values:
            line(f"    {safe(name)} = {safe(value, max_chars=VALUE_CHARS)}")


def _change(told: Replay) -> None:
    change = told.change
    _heading("What would change" if change.compared else "With these arguments (there is no before-image to compare)")
    if change.fields:
        table(*_fields(change))
    else:
        line("  No arguments.")
    if change.hidden:
        line(f"  … and {count(change.hidden, 'more field')}.")
    if change.untouched:
        line(f"  {count(change.untouched, 'other field')} of what is there now, which the arguments do not name.")
    if not told.writes:
        line("  It only reads: there is nothing to undo.")
        return
    if told.state in NEVER:
        line("  By this ticket it was not done, so there is nothing to undo.")
        return
    undo = f"with {safe(told.undo)}" if told.undo else "NO: this cannot be taken back by Handrail"
    line(f"  Can it be undone? {'Yes, ' if told.undo else ''}{undo}.")


def _fields(change: Change) -> tuple[list[Column], list[list[Text]]]:
    if not change.compared:
        rows = [[plain("  "), cell(field.path), _after(field.after, quoted=field.quoted)] for field in change.fields]
        return [Column("", whole=True), Column("argument"), Column("value")], rows
    columns = [Column("", whole=True), Column("field"), Column("before"), Column("after")]
    rows = []
    for field in change.fields:
        if field.null:
            null = plain("(null)", "dim").append(" sent as null or left out", "dim")
            rows.append([plain("? ", "dim"), cell(field.path, "dim"), _value(field.before or ""), null])
            continue
        before = plain("(not there)", "dim") if field.before is None else _value(field.before)
        after = plain("(gone)", "red") if field.after is None else _after(field.after, quoted=field.quoted)
        mark = "* " if field.changed else "= "
        style = "bold" if field.changed else "dim"
        rows.append([plain(mark, style), cell(field.path, style), before, plain("-> ").append_text(after)])
    return columns, rows


def _value(value: str) -> Text:
    return cell(value, max_chars=VALUE_CHARS) if value else plain('""', "dim")


def _after(value: str | None, *, quoted: bool) -> Text:
    if quoted:
        return plain(f"(text of {count(len(value or ''), 'character')}, quoted at the end)", "dim")
    return _value(value or "")


def _chain(chain: Chain, told: Replay) -> None:
    if chain.kind == "run":
        _heading(f"What this run did before (run {safe(chain.name)})")
    else:
        _heading(f"What other runs {'changed in' if told.planned else 'did to'} {safe(chain.name)}")
    hidden = f"{chain.hidden:,}{'+' if chain.more else ''}"
    if chain.hidden:
        line(f"  … {hidden} older steps are not shown: handrail log --run …")
    if not chain.steps:
        line("  Nothing is recorded.")
        return
    table(*_steps(chain, told))


def _steps(chain: Chain, told: Replay) -> tuple[list[Column], list[list[Text]]]:
    columns = [Column("", whole=True), Column("time (UTC)", whole=True), Column("tool")]
    columns += [Column("effect", spill=1), Column("status", whole=True), Column("reason", whole=True, spill=2)]
    other = any(step.agent != told.ticket.agent for step in chain.steps)
    if other or chain.kind == "resource":
        columns += [Column("agent", spill=3), Column("run", spill=4)]
    today = _day(told.ticket.asked_us)
    rows = []
    for step in chain.steps:
        at = moment(step.at_us)
        row = [
            plain("> " if step.asked else "  ", "bold"),
            plain(at.removeprefix(today).strip()),
            _tool(step),
            cell("; ".join(step.effects), max_chars=120),
        ]
        row += [cell(step.status, style_of(step.status)), cell(step.reason)]
        if len(columns) > 6:
            row += [cell(step.agent), cell(step.run, max_chars=40)]
        rows.append(row)
    return columns, rows


def _day(at_us: int) -> str:
    return moment(at_us).partition(" ")[0]


def _tool(step: Step) -> Text:
    return cell(step.tool).append(" (by Handrail)" if step.by_handrail else "", "dim")


def _past(told: Replay) -> None:
    _heading(f"Decisions before about {safe(told.ticket.agent)} and {safe(told.ticket.tool)}")
    if not told.past:
        line("  None.")
    for past in told.past:
        verdict = "approved" if past.approved else "denied"
        note = f': "{safe(past.note)}"' if past.note else ""
        what = past.what or safe(past.resource)
        line(f"  {moment(past.at_us)}  {past.ticket}  {what}  {verdict} by {safe(past.by)}{note}")


def _who(told: Replay) -> None:
    _heading("Who may decide, and until when" if told.state in _OPEN else "What became of it")
    for sentence in _standing(told):
        line(f"  {sentence}")


def _standing(told: Replay) -> Iterator[str]:
    ticket, state = told.ticket, told.state
    if state is TicketState.PENDING:
        left = span(ticket.pending_until_us - told.now_us)
        yield f"{ticket.id} is pending until {moment(ticket.pending_until_us)} UTC ({left} left), then denied."
    elif state is TicketState.APPROVED:
        left = span(ticket.valid_until_us - told.now_us)
        yield f"{ticket.id} was approved by {safe(ticket.by)}; the agent can use it once, for {left} more."
    else:
        by = f" by {safe(ticket.by)}" if ticket.by else ""
        yield f"{ticket.id} is {state.value}{by}; there is nothing to decide."
        return
    eyes = "Four eyes: whoever owns the agent may not decide" if ticket.four_eyes else "Four eyes are off"
    yield f"{eyes} (owner: {safe(ticket.owner) if ticket.owner else 'none is named'})."
    for person in told.standings:
        yield f"{safe(person.name)} may decide." if person.may else person.why
    if not told.standings:
        yield "Nobody: the policy names no reviewers."


def _words(told: Replay) -> None:
    if not told.words:
        return
    _heading("UNTRUSTED: the agent's own words, as it wrote them. They prove nothing and are no instructions to you.")
    for one in told.words:
        line(f"  {safe(one.where)}:")
        for row in safe_block(one.text):
            line(f"    | {row}")
    if told.words_hidden:
        line(f"  … and {count(told.words_hidden, 'more text')}.")
