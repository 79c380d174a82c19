"""How a planned change of guarded data is printed: counts, what the condition found, and the first rows.

Every value comes out of a table or a file, where anybody may have written it: text stands in quotes and escaped, so
that `NULL` is not `'NULL'` and nothing in a value can pass for a word of ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from handrail.cli.output import Column, count, line, moment, plain, span, table
from handrail.core.digest import Json, canonical
from handrail.core.effect import Verb
from handrail.core.text import safe, safe_block
from handrail.core.ticket import TicketState
from handrail.review.sentence import is_rows, named, table_in

if TYPE_CHECKING:
    from rich.text import Text

    from handrail.core.change import Touch
    from handrail.review.planned import MemberChange, PlannedChange, ResourcePicture, RowPicture, Side

CELL_CHARS = 60
"""Characters of a value that are shown."""

DIFF_LINES = 200
DIFF_CHARS = 20_000

SIDE_LINES = 20
SIDE_CHARS = 2_000

TOUCHES_SHOWN = 20
"""Tables or resources that are counted one by one."""

ESSENCE_VALUES = 5
"""Values of a column that are told where there is room for one line only."""

_BYTES = re.compile(r"\\x((?:[0-9a-f]{2})+)")
_NOTHING = "(not there)"
_GONE = "(gone)"


def show_planned(change: PlannedChange, now_us: int, state: TicketState = TicketState.PENDING) -> None:
    """Print what would change.

    Args:
        change: The change.
        now_us: The time.
        state: Where its ticket stands.
    """
    _counts(change)
    _breakdown(change)
    _samples(change)
    for one in change.resources:
        _resource(one)
    if change.resources_hidden:
        line(f"  … and {count(change.resources_hidden, 'more resource')}.")
    line()
    for warning in change.warnings:
        line(f"  WARNING: {safe(warning, max_chars=400)}")
    for said in _until(change, now_us, state):
        line(f"  {said}")


def essence(change: PlannedChange, now_us: int) -> Iterator[str]:
    """Yield what whoever decides should see once more, a line each, safe to print."""
    if change.columns:
        yield f"It sets {_names(change.columns)}."
    for one in change.breakdown:
        told = [f"{shown(value)} {rows:,}" for value, rows in one.values[:ESSENCE_VALUES]]
        others = one.others + sum(rows for _, rows in one.values[ESSENCE_VALUES:])
        told += [f"other values {others:,}"] if others else []
        yield f"Rows by {named(one.column)}: {', '.join(told)}"
    yield from (f"WARNING: {safe(warning, max_chars=400)}" for warning in change.warnings)
    yield from _until(change, now_us)


NEVER = frozenset({TicketState.DENIED, TicketState.EXPIRED, TicketState.STALE})
"""Where a ticket stands by which nothing was done, nor will be."""


def _until(change: PlannedChange, now_us: int, state: TicketState = TicketState.PENDING) -> Iterator[str]:
    if state in NEVER:
        yield "By this ticket it was not made, so there is nothing to undo."
        return
    expires_us = None if state is TicketState.SPENT else change.expires_us  # what was used needs no plan any more
    if expires_us is not None and expires_us <= now_us:
        over = moment(expires_us)
        yield f"The plan expired {over} UTC: approving it does nothing, it has to be planned again."
    elif expires_us is not None:
        left = span(expires_us - now_us)
        yield f"The plan expires {moment(expires_us)} UTC ({left} left); it has to be applied before."
    undo = f"Yes, with: {change.undo}" if change.undo else "NO: this cannot be taken back by Handrail."
    yield f"Can it be undone? {undo}"


def _names(names: Sequence[str]) -> str:
    return ", ".join(named(name) for name in names)


# --- counts and breakdown ---------------------------------------------------------------------------------------------


def _counts(change: PlannedChange) -> None:
    rows = [_count(touch, change) for touch in change.touches[:TOUCHES_SHOWN]]
    columns = [Column(""), Column("", whole=True), Column(""), Column("")]
    table(columns, rows, heading=False)
    hidden = change.touches[TOUCHES_SHOWN:]
    if hidden:
        line(f"  … and {count(sum(touch.rows for touch in hidden), 'row')} in {len(hidden):,} more.")


def _count(touch: Touch, change: PlannedChange) -> list[Text]:
    verb = plain(f"  {touch.verb.value}", "bold")
    if not is_rows(touch):
        to = plain("" if touch.to is None else f"to {named(touch.to)}")
        return [verb, plain(""), plain(named(touch.place)), to]
    rows = plain(count(touch.rows, "row").rjust(10), "bold")
    note = "goes along: the database removes them too" if touch.cascade else ""
    if touch.verb is Verb.UPDATE and change.columns and not note:
        note = f"sets {_names(change.columns)}"
    return [verb, rows, plain(table_in(touch)), plain(note, "red" if touch.cascade else "")]


def _breakdown(change: PlannedChange) -> None:
    if not change.breakdown:
        return
    line()
    line("  What the condition found, by the values that stand there now")
    rows = []
    for one in change.breakdown:
        name = f"  {named(one.column)}"
        for value, found in one.values:
            rows.append([plain(name, "bold"), _cell(value), plain(f"{found:,}".rjust(9), "bold")])
            name = ""
        if one.others:
            rows.append([plain(name), plain("(other values)", "dim"), plain(f"{one.others:,}".rjust(9))])
    table([Column("  column"), Column("value"), Column("     rows", whole=True)], rows)


# --- rows -------------------------------------------------------------------------------------------------------------


def _samples(change: PlannedChange) -> None:
    for (kind, name), group in groupby(change.samples, key=lambda one: (_kind(one), one.table)):
        samples = list(group)
        line()
        line(f"  {_heading(kind, name, len(samples), change)}")
        if kind == "update":
            table(*_updates(samples))
        else:
            table(*_rows(samples))
        if hidden := max(one.hidden for one in samples):
            line(f"    … and {count(hidden, 'more column')}.")


def _kind(sample: RowPicture) -> str:
    if sample.before is None:
        return "insert"
    return "delete" if sample.after is None else "update"


def _heading(kind: str, name: str, shown_rows: int, change: PlannedChange) -> str:
    of = f" of {named(name)}" if name else ""
    rows = "row" if shown_rows == 1 else f"{shown_rows:,} rows"
    first = f"The first {rows}{of}" if shown_rows < change.rows else f"The {rows}{of}"
    return (
        first
        + {
            "insert": ", as they would be added",
            "delete": ", which would be gone",
            "update": ", before -> after (columns that differ)",
        }[kind]
    )


def _updates(samples: Sequence[RowPicture]) -> tuple[list[Column], list[list[Text]]]:
    """Return one line for each row: its key, and the columns that differ in any of the rows shown."""
    names = list(dict.fromkeys(name for one in samples for name in one.columns))
    rows = []
    for one in samples:
        row = [plain("  * " if one.columns else "  = ", "bold"), _key(one)]
        row += [_pair(one, name) for name in names] or [plain("(nothing differs)", "dim")]
        rows.append(row)
    return _columns(names or [""]), rows


def _pair(sample: RowPicture, name: str) -> Text:
    before, after = sample.before or {}, sample.after or {}
    if name not in sample.columns:
        return plain("= ", "dim").append(shown(after[name]) if name in after else _NOTHING, "dim")
    old, new = pair(before.get(name), after.get(name))
    was = plain(old) if name in before else plain(_NOTHING, "dim")
    return was.append(" -> ").append(new, "bold")


def _rows(samples: Sequence[RowPicture]) -> tuple[list[Column], list[list[Text]]]:
    """Return one line for each new row, or one that goes: its values."""
    names = list(dict.fromkeys(name for one in samples for name in one.columns))
    rows = []
    for one in samples:
        values = one.after if one.after is not None else one.before or {}
        mark = plain("  - ", "bold red") if one.after is None else plain("  + ", "bold")
        rows.append([mark, _key(one), *(_cell(values[name]) if name in values else plain("") for name in names)])
    return _columns(names), rows


def _columns(names: Sequence[str]) -> list[Column]:
    """Return the columns of a table of rows; where it is too wide, the last go to a second line first."""
    named_columns = [Column(named(name) if name else "", spill=number) for number, name in enumerate(names)]
    return [Column("", whole=True), Column("key"), *named_columns]


def _key(sample: RowPicture) -> Text:
    return plain(", ".join(shown(cell) for cell in sample.key) or "(given by the database)", "dim")


# --- values -----------------------------------------------------------------------------------------------------------


def shown(value: Json, *, max_chars: int = CELL_CHARS) -> str:
    r"""Return a value of a column, safe to print, so that no two kinds look alike.

    Text stands in quotes, with `\'` for a quote in it; everything else stands bare: `NULL`, numbers, JSON, and bytes as
    `x'…'` in hexadecimal digits. PostgreSQL writes bytes as text, so text in that very form is said to be perhaps
    either of them.

    Args:
        value: The value.
        max_chars: Characters that are shown of it; the others are counted.
    """
    match value:
        case None:
            return "NULL"
        case str() if digits := _BYTES.fullmatch(value):
            return f"x{_quoted(digits[1], max_chars)} (or such text)"
        case str():
            return _quoted(value, max_chars)
        case {"blob": str(digits), **rest} if not rest:
            return f"x{_quoted(digits, max_chars)}"
        case {"real": str(number), **rest} if not rest:
            return safe(number, max_chars=max_chars)
    return safe(canonical(value).decode(), max_chars=max_chars)


def _quoted(text: str, max_chars: int) -> str:
    return "'" + safe(text, max_chars=max_chars).replace("'", "\\'") + "'"


def pair(before: Json, after: Json) -> tuple[str, str]:
    """Return two values that differ; of two that begin alike for long, what they begin with is counted."""
    if isinstance(before, str) and isinstance(after, str):
        shorter = min(len(before), len(after))
        same = next((n for n in range(shorter) if before[n] != after[n]), shorter)
        if same > CELL_CHARS // 2:
            start = same - 10
            return f"({start:,} chars alike) {shown(before[start:])}", f"(alike) {shown(after[start:])}"
    old, new = shown(before), shown(after)
    if old != new:
        return old, new
    was, will = canonical(before).decode(), canonical(after).decode()
    if was != will and not (isinstance(before, str) and isinstance(after, str)):  # only the end of long JSON differs
        return pair(was, will)
    return old, f"{new} (of another kind)"  # 1 and 1.0


def _cell(value: Json) -> Text:
    return plain(shown(value), "dim italic" if value is None else "")


# --- resources --------------------------------------------------------------------------------------------------------


def _resource(one: ResourcePicture) -> None:
    line()
    line(f"  {named(one.id)}")
    if one.diff:
        _block(one.diff, DIFF_CHARS, DIFF_LINES)
    elif one.members:
        table(*_members(one.members))
        if one.hidden:
            line(f"    … and {count(one.hidden, 'more member')} that differ.")
    else:
        _side("before", one.before, _NOTHING)
        _side("after", one.after, _GONE)


def _members(members: Sequence[MemberChange]) -> tuple[list[Column], list[list[Text]]]:
    rows = []
    for one in members:
        before = plain(_NOTHING, "dim") if one.before is None else plain(safe(one.before, max_chars=CELL_CHARS * 2))
        after = plain(_GONE, "red") if one.after is None else plain(safe(one.after, max_chars=CELL_CHARS * 2))
        rows.append([plain("  * ", "bold"), plain(named(one.path), "bold"), before, plain("-> ").append_text(after)])
    return [Column("", whole=True), Column("member"), Column("before"), Column("after")], rows


def _side(name: str, side: Side | None, absent: str) -> None:
    if side is None:
        line(f"    {name}: {absent}")
        return
    size = "" if side.bytes is None else f", {count(side.bytes, 'byte')}"
    digest = f", SHA-256 {named(side.sha256[:16])}…" if side.sha256 else ""
    kind = "JSON" if side.json else "content that is not shown" if side.text is None else "text"
    line(f"    {name}: {kind if side.whole or side.text is None else f'the beginning of its {kind}'}{size}{digest}")
    if side.text is not None:
        _block(side.text, SIDE_CHARS, SIDE_LINES)


def _block(text: str, chars: int, lines: int) -> None:
    for row in safe_block(text, chars, lines):
        line(f"    | {row}")
