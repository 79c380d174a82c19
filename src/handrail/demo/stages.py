"""Two stages: one that keeps silent, and one that prints with rich.

The terminal is only ever given `Text` of what `safe` returns; nothing is read as markup. Marks differ by character as
well as by colour, and all of ours is ASCII, so that a pipe and a terminal without colours tell the same story.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from handrail.core.text import safe
from handrail.demo.scene import Result, Scene, Strip, Tone

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

WIDTH_MAX = 80
"""Columns that are used, however wide the terminal is: long lines read badly."""

STYLES = {Tone.PLAIN: "", Tone.GOOD: "green", Tone.BAD: "red", Tone.ASK: "yellow", Tone.QUIET: "dim"}
MARKS = {Tone.PLAIN: "=", Tone.GOOD: "+", Tone.BAD: "x", Tone.ASK: "?", Tone.QUIET: "-"}

STEP_S = 0.25
"""Pause after a thing that is told, in seconds."""

MARK_S = 0.02
"""Pause after a mark, in seconds."""

_TEXT_MAX = 1_000


def text_of(value: str, style: str = "") -> Text:
    """Return text that is safe to print."""
    from rich.text import Text  # noqa: PLC0415 (rich is loaded where it prints)

    return Text(safe(value, max_chars=_TEXT_MAX), style=style)


@dataclass(frozen=True, slots=True)
class Silent:
    """A stage that shows nothing: for `--json` and for tests."""

    folder: Path

    def act(self, title: str, tone: Tone) -> None:
        """Show nothing."""

    def say(self, text: str, tone: Tone = Tone.PLAIN) -> None:
        """Show nothing."""

    def source(self, lines: Sequence[str], tone: Tone) -> None:
        """Show nothing."""

    @contextmanager
    def strip(self, total: int, meaning: dict[Tone, str]) -> Iterator[Strip]:
        """Show nothing."""
        del total, meaning
        yield _SilentStrip()

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], tones: Sequence[Tone]) -> None:
        """Show nothing."""

    def card(self, title: str, rows: Sequence[tuple[str, str]]) -> None:
        """Show nothing."""


class _SilentStrip:
    def mark(self, tone: Tone) -> None:
        """Show nothing."""


@dataclass(frozen=True, slots=True)
class Terminal:
    """A stage that prints.

    Attributes:
        folder: The scene's folder.
        console: Where to print.
        pace: Factor of all pauses; 0 for none.
    """

    folder: Path
    console: Console
    pace: float = 1.0

    def title(self, scene: Scene) -> None:
        """Print a scene's headline."""
        self._print(text_of(f"Scene {scene.number}: {scene.name}", "bold"))
        self._print(text_of(scene.danger))
        self._pause(3)

    def verdict(self, result: Result) -> None:
        """Print a scene's last line."""
        word, tone = ("Held.", Tone.GOOD) if result.held else ("NOT HELD.", Tone.BAD)
        self._print(text_of(""))
        self._print(text_of(f"{word} {result.verdict}", f"bold {STYLES[tone]}"))
        self._pause(1)

    def act(self, title: str, tone: Tone) -> None:
        """Print the heading of one half."""
        self._print(text_of(""))
        self._print(text_of(title, f"bold {STYLES[tone]}"))
        self._pause(1)

    def say(self, text: str, tone: Tone = Tone.PLAIN) -> None:
        """Print one thing, indented."""
        self._print(text_of(text, STYLES[tone]), indent=2)
        self._pause(1)

    def source(self, lines: Sequence[str], tone: Tone) -> None:
        """Print lines as they are."""
        for line in lines:
            self._print(text_of(line, STYLES[tone]), indent=4)
        self._pause(2)

    @contextmanager
    def strip(self, total: int, meaning: dict[Tone, str]) -> Iterator[Strip]:
        """Print marks in one line that grows; where nothing can be drawn over, once at the end."""
        from rich.live import Live  # noqa: PLC0415

        marks: list[Tone] = []
        if self.console.is_terminal and not self.console.is_dumb_terminal:
            with Live(_line(marks, total), console=self.console, auto_refresh=False) as live:

                def mark(tone: Tone) -> None:
                    marks.append(tone)
                    live.update(_line(marks, total), refresh=True)
                    self._pause(MARK_S / STEP_S)

                yield _TerminalStrip(mark)
        else:
            yield _TerminalStrip(marks.append)
            self._print(_line(marks, total))
        legend = text_of("")
        for tone in (tone for tone in meaning if tone in marks):
            legend.append(f"{MARKS[tone]} {safe(meaning[tone])}   ", STYLES[tone])
        self._print(legend, indent=2)
        self._pause(1)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], tones: Sequence[Tone]) -> None:
        """Print a table without lines."""
        from rich.table import Table  # noqa: PLC0415

        grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        for index, column in enumerate(columns):
            grid.add_column(text_of(column), overflow="fold", no_wrap=index + 1 < len(columns))
        for row, tone in zip(rows, tones, strict=True):
            grid.add_row(*(text_of(value, STYLES[tone]) for value in row))
        self._print(grid, indent=2)
        self._pause(3)

    def card(self, title: str, rows: Sequence[tuple[str, str]]) -> None:
        """Print a question in a frame."""
        from rich.box import ASCII  # noqa: PLC0415
        from rich.panel import Panel  # noqa: PLC0415
        from rich.table import Table  # noqa: PLC0415

        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold")
        for name, value in rows:
            grid.add_row(text_of(name, "dim"), text_of(value))
        frame = Panel(grid, title=text_of(title), title_align="left", box=ASCII, border_style=STYLES[Tone.ASK])
        self._print(frame, indent=2)
        self._pause(4)

    def _print(self, part: RenderableType, *, indent: int = 0) -> None:
        """Print within the width, indented as a whole, without blanks at the ends of lines."""
        from rich.text import Text  # noqa: PLC0415

        width = max(min(self.console.width, WIDTH_MAX) - indent, 20)
        for line in self.console.render_lines(part, self.console.options.update(width=width), pad=False):
            text = Text(" " * indent)
            for segment in line:
                text.append(segment.text, segment.style)
            text.rstrip()
            self.console.print(text, soft_wrap=True)

    def _pause(self, steps: float) -> None:
        if self.pace > 0:
            time.sleep(self.pace * steps * STEP_S)


def _line(marks: Sequence[Tone], total: int) -> Text:
    """Return the marks so far, and room for those to come."""
    text = text_of("  ")
    for tone in marks:
        text.append(MARKS[tone], STYLES[tone])
    text.append("." * (total - len(marks)), "dim")
    text.append(f" {len(marks)}/{total}")
    return text


@dataclass(frozen=True, slots=True)
class _TerminalStrip:
    add: Callable[[Tone], None]

    def mark(self, tone: Tone) -> None:
        """Add the next mark."""
        self.add(tone)
