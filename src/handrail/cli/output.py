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
        screen.print(part)


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
        from_chars: Narrower terminals do without it.
    """

    title: str
    whole: bool = False
    from_chars: int = 0


def table(columns: Sequence[Column], rows: Sequence[Sequence[Text]], *, heading: bool = True) -> None:
    """Print a table that adapts to the width of the terminal."""
    from rich.table import Table

    screen = console(wide=True)
    kept = [index for index, column in enumerate(columns) if screen.width >= column.from_chars]
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", show_header=heading)
    for index in kept:
        grid.add_column(columns[index].title, no_wrap=columns[index].whole, overflow="fold")
    for row in rows:
        grid.add_row(*(row[index] for index in kept))
    if screen.is_terminal:
        screen.print(grid)
        return
    with screen.capture() as captured:
        screen.print(grid)
    for drawn in captured.get().splitlines():
        line(drawn.rstrip())


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
