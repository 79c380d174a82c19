"""How the command line prints: data on stdout, messages on stderr, everything safe, nothing read as markup.

Whatever an agent, a tool or a file may have written goes through `cell`, `safe` or `shown` before it is printed. JSON
is ASCII: its escapes keep every character without showing any.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from handrail.core.text import safe

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

    from handrail.core.digest import Json

PROSE_CHARS = 120
"""Width of what is not a terminal; tables are as wide as they need, so that a row stays one line for grep."""

TABLE_CHARS = 2_000
LINE_CHARS = 2_000
"""Characters of one line of a message."""

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def console(stream: TextIO | None = None, *, wide: bool = False) -> Console:
    """Return a console on stdout (or `stream`) that interprets nothing."""
    from rich.console import Console

    stream = stream or sys.stdout
    terminal = stream.isatty()
    width = None if terminal else TABLE_CHARS if wide else PROSE_CHARS
    return Console(
        file=stream,
        width=width,
        markup=False,
        highlight=False,
        emoji=False,
        soft_wrap=False,
        force_terminal=terminal or False,
    )


def emit(value: Mapping[str, Json]) -> None:
    """Print one JSON object on one line of stdout."""
    sys.stdout.write(json.dumps(value, ensure_ascii=True) + "\n")
    sys.stdout.flush()


def say(message: str) -> None:
    """Print a message of ours to stderr, as it is; foreign text in it has been through `safe`."""
    sys.stderr.write(message + "\n")
    sys.stderr.flush()


def line(text: str = "") -> None:
    """Print one line of data of ours to stdout; foreign text in it has been through `safe`."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def show(*parts: RenderableType) -> None:
    """Print prose on stdout."""
    screen = console()
    for part in parts:
        screen.print(part, soft_wrap=True)


def shown(message: str) -> list[str]:
    """Return a message as safe lines. What is escaped already stays as it is."""
    return ["\\".join(safe(part, max_chars=LINE_CHARS) for part in row.split("\\")) for row in message.split("\n")]


def cell(value: object, style: str = "", *, max_chars: int = 80) -> Text:
    """Return foreign text for a table."""
    from rich.text import Text

    return Text(safe(value, max_chars=max_chars), style=style)


def plain(value: str, style: str = "") -> Text:
    """Return text of ours."""
    from rich.text import Text

    return Text(value, style=style)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes:
        title: Its heading.
        whole: Whether its values are never broken (ids, times).
        spill: Where the terminal is too narrow, columns go to a second line of the row, those with the highest number
            first; 0 stays.
        chars: It is at least so wide, so that rows that come later align.
    """

    title: str
    whole: bool = False
    spill: int = 0
    chars: int = 0


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the columns of a table stand; rows that come later are printed in the same.

    Attributes:
        kept: The columns of the first line, left to right.
        widths: Their widths.
        spilled: The columns of the second line.
        width: Width of the terminal, None when there is none and each row is one line for grep.
    """

    kept: tuple[int, ...]
    widths: tuple[int, ...]
    spilled: tuple[int, ...]
    width: int | None


GAP = 2
"""Blanks between columns."""

SPILL_CHARS = 40
"""A column that can go to the second line does not wrap below this width on the first."""


def table(
    columns: Sequence[Column], rows: Sequence[Sequence[Text]], *, heading: bool = True, layout: Layout | None = None
) -> Layout:
    """Print a table that adapts to the width of the terminal and breaks lines at spaces; return its layout."""
    from rich.text import Text

    screen = console(wide=True)
    if layout is None:
        layout = _layout(columns, rows, screen.width if screen.is_terminal else None, heading=heading)
    drawn: list[Text] = []
    if heading:
        drawn += _drawn(columns, [Text(column.title, style="bold") for column in columns], layout, screen, spill=False)
    for row in rows:
        drawn += _drawn(columns, row, layout, screen)
    for text in drawn:
        text.rstrip()
        if screen.is_terminal:
            screen.print(text, no_wrap=True, overflow="ignore", crop=False)
        else:
            line(text.plain)
    return layout


def _layout(columns: Sequence[Column], rows: Sequence[Sequence[Text]], width: int | None, *, heading: bool) -> Layout:
    """Choose the columns of the first line, and their widths."""
    from rich.text import Text

    cells = [[row[index] for row in rows] for index in range(len(columns))]
    if heading:
        cells = [[Text(column.title), *column_cells] for column, column_cells in zip(columns, cells, strict=True)]
    wide = [
        max([column.chars, *(_longest(text.plain.split("\n")) for text in texts)])
        for column, texts in zip(columns, cells, strict=True)
    ]
    kept = list(range(len(columns)))
    if width is None:
        return Layout(tuple(kept), tuple(wide), (), None)
    least = [
        wide[index] if column.whole else min(wide[index], SPILL_CHARS) if column.spill
        else max([column.chars, *(_longest(text.plain.split()) for text in cells[index])])
        for index, column in enumerate(columns)
    ]  # fmt: skip

    def excess(widths: list[int]) -> int:
        return sum(widths[index] for index in kept) + GAP * (len(kept) - 1) - width

    while excess(least) > 0 and any(columns[index].spill for index in kept):
        kept.remove(max(kept, key=lambda index: columns[index].spill))
    widths = least
    while (over := excess(widths)) > 0 and max(widths[index] for index in kept) > 8:  # one word wider than the terminal
        widest = max((index for index in kept), key=lambda index: (not columns[index].whole, widths[index]))
        if widths[widest] <= 8:
            widest = max(kept, key=lambda index: widths[index])
        widths[widest] = max(widths[widest] - over, 8)
    for index in kept:
        if (room := -excess(widths)) > 0:
            widths[index] += min(max(wide[index] - widths[index], 0), room)
    spilled = tuple(index for index in range(len(columns)) if index not in kept)
    return Layout(tuple(kept), tuple(widths[index] for index in kept), spilled, width)


def _longest(words: Sequence[str]) -> int:
    from rich.cells import cell_len

    return max((cell_len(word) for word in words), default=0)


def _drawn(
    columns: Sequence[Column], row: Sequence[Text], layout: Layout, screen: Console, *, spill: bool = True
) -> list[Text]:
    """Return the lines of one row."""
    from rich.text import Text

    if layout.width is None:
        parts = [[row[index]] for index in layout.kept]
    else:
        parts = [
            [_cut(row[index], width)] if columns[index].whole else list(row[index].wrap(screen, width, overflow="fold"))
            for index, width in zip(layout.kept, layout.widths, strict=True)
        ]
    lines = []
    for number in range(max(len(part) for part in parts)):
        drawn = Text()
        for part, width in zip(parts, layout.widths, strict=True):
            text = part[number] if number < len(part) else Text()
            drawn.append_text(text).append(" " * (max(width - text.cell_len, 0) + GAP))
        lines.append(drawn)
    if spill and layout.width is not None:
        parts_left = [f"{columns[index].title}: {row[index].plain}" for index in layout.spilled if row[index].plain]
        lines += [Text(f"    {one}", style="dim") for one in _filled(parts_left, layout.width - 4, screen)]
    return lines


def _filled(parts: Sequence[str], width: int, screen: Console) -> list[str]:
    """Return parts as lines that are full; a part is broken, at blanks, only where it is wider than a line."""
    from rich.text import Text

    filled: list[str] = []
    for part in parts:
        if filled and _longest([filled[-1]]) + GAP + _longest([part]) <= width:
            filled[-1] += " " * GAP + part
        else:
            filled += [one.plain for one in Text(part).wrap(screen, max(width, 8), overflow="fold")]
    return filled


def _cut(text: Text, width: int) -> Text:
    """Return a value that is not broken, without its middle where it does not fit."""
    from rich.text import Text

    if text.cell_len <= width:
        return text
    half = max((width - 1) // 2, 1)
    return Text(f"{text.plain[:half]}…{text.plain[-half:]}", style=text.style)


def moment(at_us: int) -> str:
    """Return a time for people, in UTC: `2026-03-01 09:30:00`."""
    try:
        return f"{_EPOCH + dt.timedelta(microseconds=at_us):%Y-%m-%d %H:%M:%S}"
    except OverflowError:
        return "(no such time)"


def rfc3339(at_us: int) -> str | None:
    """Return a time for machines; None for 0, which stands for "never"."""
    if not at_us:
        return None
    try:
        return f"{_EPOCH + dt.timedelta(microseconds=at_us):%Y-%m-%dT%H:%M:%S.%fZ}"
    except OverflowError:
        return None


def span(us: int) -> str:
    """Return a length of time for people: `28 min`."""
    seconds = round(max(us, 0) / 1_000_000)
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{round(seconds / size)} {unit}"
    return f"{seconds} s"


def count(number: int, noun: str) -> str:
    """Return a number with its noun: `1 row`, `2,000 rows`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


@contextmanager
def progress(title: str) -> Iterator[Callable[[int, int], None] | None]:
    """Show a bar on stderr while the block runs, if somebody is there to see it; yields what moves it."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    bar = Progress(
        TextColumn(title), BarColumn(), TimeElapsedColumn(), console=console(sys.stderr), transient=True
    )  # fmt: skip
    with bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
